// Computes and neither closes the device nor exits. With the argument 'throw' it fails in the middle.
import { open, relu, tensor } from '../../../src/node/index.ts'

await open()
const y = relu(tensor([-1, 2]))
console.log([...(await y.data())].join())
if (process.argv[2] === 'throw') {
  relu(y)
  throw new Error('in the middle')
}
relu(y)
