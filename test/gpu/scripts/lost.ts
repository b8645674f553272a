// Loses its device in the middle of an epoch. Prints what the run threw and after how many milliseconds, and neither
// closes the device nor exits; with the argument 'uncaught' it lets the error go.
import { ImageBatches, nn, open, optim } from '../../../src/node/index.ts'
import { fit } from '../../../src/train/index.ts'

const gpu = await open()
const count = 4000
const images = new Uint8Array(count * 784).fill(128)
const labels = Uint8Array.from({ length: count }, (_, i) => i % 3)
const set = { images, labels, count, channels: 1, height: 28, width: 28, classes: ['a', 'b', 'c'] } as const
const batches = new ImageBatches(set, { batchSize: 4 })
const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 3))
let lost = 0
let steps = 0
try {
  // biome-ignore lint/suspicious/noFocusedTests: this is the library's fit
  await fit(net, {
    data: batches,
    optimizer: new optim.SGD(net.parameters(), { lr: 0.1 }),
    epochs: 3,
    callbacks: [
      {
        onProgress: ({ step }) => {
          steps = step
          if (step !== 777) return
          lost = performance.now()
          gpu.device.destroy()
        },
      },
    ],
  })
} catch (error) {
  if (process.argv[2] === 'uncaught') throw error
  const { name, kind } = error as Error & { kind: string }
  console.log(JSON.stringify({ name, kind, ms: performance.now() - lost, steps, tensors: gpu.memory().tensors }))
}
