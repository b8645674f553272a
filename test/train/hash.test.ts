import { createHash } from 'node:crypto'
import { beforeAll, expect, it } from 'vitest'
import { nn, tensor } from '../../src/node/index.ts'
import { parameterHash } from '../../src/train/index.ts'
import { testGpu } from '../support/gpu.ts'

beforeAll(testGpu)

it('is the SHA-256 over the bytes of all parameters, in their order', async () => {
  const net = new nn.Sequential(new nn.Linear(3, 4), new nn.ReLU(), new nn.Linear(4, 2))
  const hash = createHash('sha256')
  for (const parameter of net.parameters()) hash.update(new Uint8Array((await parameter.data()).buffer))
  expect(await parameterHash(net)).toBe(hash.digest('hex'))
})

it('goes on over the bytes of all buffers, integers too, and is as before where there are none', async () => {
  const net = new nn.Sequential(new nn.Linear(3, 4), new nn.ReLU())
  const plain = await parameterHash(net)
  const mean = nn.buffer(tensor([1, 2]))
  const count = nn.buffer(tensor(new Int32Array([3]), []))
  Object.assign(net.namedModules().get('0')!, { mean, count })
  const hash = createHash('sha256')
  for (const part of [...net.parameters(), mean, count]) hash.update(new Uint8Array((await part.data()).buffer))
  expect(await parameterHash(net)).toBe(hash.digest('hex'))
  expect(await parameterHash(net)).not.toBe(plain)
})
