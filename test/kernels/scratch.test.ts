import { beforeAll, describe, expect, it } from 'vitest'
import type { Storage } from '../../src/gpu/pool.ts'
import { add, conv2d, crossEntropy, linear, matmul, type Shape, type Tensor } from '../../src/node/index.ts'
import { fill } from '../support/arbitraries.ts'
import { type Gpu, parameter, tensor, testGpu } from '../support/gpu.ts'
import { sizeOf } from '../support/reference.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const POISON = 0x7fc0dead

/**
 * Runs `fn` and returns the memory that it was lent, results and intermediate values alike. Of a buffer that was lent
 * more than once, the last loan: it was filled with the poison again for that one.
 */
function lentTo(fn: () => void): Storage[] {
  const lent = new Map<GPUBuffer, Storage>()
  const { pool } = gpu
  const acquire = pool.acquire.bind(pool)
  pool.acquire = (...request) => {
    const storage = acquire(...request)
    lent.set(storage.buffer, storage)
    return storage
  }
  try {
    fn()
  } finally {
    pool.acquire = acquire
  }
  return [...lent.values()]
}

function random(...shape: number[]): Tensor {
  return parameter(fill(sizeOf(shape), 1, 'normal'), shape)
}

const runs: [string, () => Tensor][] = [
  ['add', () => add(random(33, 3, 5), random(3))],
  ['matmul, a packed', () => matmul(random(9, 17), random(17, 12))],
  ['matmul, b packed', () => matmul(random(17, 12), random(17, 9), { transposeA: true })],
  ['matmul, both packed', () => matmul(random(7, 21), random(5, 21), { transposeB: true })],
  ['linear', () => linear(random(41, 19), random(11, 19), random(11))],
  ['conv2d', () => conv2d(random(35, 3, 5, 6), random(5, 3, 3, 3), random(5), { padding: 1 })],
  ['conv2d without bias, weights of 66 KiB', () => conv2d(random(2, 129, 2, 3), random(131, 129, 1, 1))],
  ['crossEntropy', () => crossEntropy(random(33, 7), new Int32Array(33))],
]

async function expectPoisonPastEnd(lent: readonly Storage[]): Promise<void> {
  for (const storage of lent) {
    const words = new Uint32Array(await gpu.read(storage, storage.buffer.size))
    const tail = words.subarray(Math.ceil(storage.byteLength / 4))
    expect(tail.findIndex((word) => word !== POISON)).toBe(-1)
  }
  // Without a tail there is nothing to see: some of what was lent must leave room in its buffer.
  expect(lent.some(({ buffer, byteLength }) => buffer.size > byteLength)).toBe(true)
}

describe('no kernel writes past the end of the memory it was lent', () => {
  it.each(runs)('%s', async (_, run) => {
    // Forward alone first: backward is lent the same buffers again.
    await expectPoisonPastEnd(lentTo(run))
    const gradient = (shape: Shape) => tensor(fill(sizeOf(shape), 2, 'normal'), shape)
    const both = lentTo(() => {
      const out = run()
      out.backward(gradient(out.shape))
    })
    await expectPoisonPastEnd(both)
  })
})
