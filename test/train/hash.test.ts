import { createHash } from 'node:crypto'
import { beforeAll, expect, it } from 'vitest'
import { nn } from '../../src/node/index.ts'
import { parameterHash } from '../../src/train/index.ts'
import { testGpu } from '../support/gpu.ts'

beforeAll(testGpu)

it('is the SHA-256 over the bytes of all parameters, in their order', async () => {
  const net = new nn.Sequential(new nn.Linear(3, 4), new nn.ReLU(), new nn.Linear(4, 2))
  const hash = createHash('sha256')
  for (const parameter of net.parameters()) hash.update(new Uint8Array((await parameter.data()).buffer))
  expect(await parameterHash(net)).toBe(hash.digest('hex'))
})
