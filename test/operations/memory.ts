// What an operation does with memory: nothing before a refusal, and nothing past the end of what it is lent.
import { expect } from 'vitest'
import type { Storage } from '../../src/gpu/pool.ts'
import { type Gpu, type Tensor, tensor } from '../support/gpu.ts'
import type { Refusal, Row } from './row.ts'
import { drawn } from './run.ts'

const POISON = 0x7fc0dead

/**
 * Runs `fn` and returns the memory that it was lent, results and intermediate values alike. Of a buffer that was lent
 * more than once, the last loan: it was filled with the poison again for that one.
 */
export function lentTo(gpu: Gpu, fn: () => void): Storage[] {
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

/** Runs every fixed case of a row; the poison past the end of each piece of memory must still be there. */
export async function expectNothingPastEnd(gpu: Gpu, row: Row): Promise<void> {
  let tails = 0
  const expectPoison = async (lent: readonly Storage[], what: string) => {
    for (const storage of lent) {
      const words = new Uint32Array(await gpu.read(storage, storage.buffer.size))
      const tail = words.subarray(Math.ceil(storage.byteLength / 4))
      tails += tail.length
      expect(
        tail.findIndex((word) => word !== POISON),
        `${row.name}, ${what}: past the end`,
      ).toBe(-1)
    }
  }
  for (const [name, given] of Object.entries(row.fixed)) {
    const { inputs, dy } = drawn(row, given, 'normal')
    const made: Tensor[] = []
    const keep = (t: Tensor) => {
      made.push(t)
      return t
    }
    const run = () => {
      const tensors = inputs.map((r) => r && keep(tensor(Float32Array.from(r.data), r.shape, { requiresGrad: true })))
      return keep(row.run(tensors, given))
    }
    // Forward alone first: backward is lent the same buffers again.
    await expectPoison(lentTo(gpu, run), name)
    const both = lentTo(gpu, () => run().backward(keep(tensor(Float32Array.from(dy.data), dy.shape))))
    await expectPoison(both, name)
    for (const t of made) t.dispose()
  }
  // Without a tail there is nothing to see.
  expect(tails).toBeGreaterThan(0)
}

/** Holds a refusal to its class and whole text, thrown at once, and to having asked for no memory and run nothing. */
export function expectRefused(gpu: Gpu, [what, make, run, error, message]: Refusal): void {
  const inputs = make.map((input) => input())
  const { tensors, bytes } = gpu.memory()
  const { dispatches } = gpu
  let thrown: unknown = null
  const lent = lentTo(gpu, () => {
    try {
      run(...inputs)
    } catch (e) {
      thrown = e
    }
  })
  expect(thrown, what).toBeInstanceOf(error)
  expect((thrown as Error).message).toBe(message)
  expect({ lent: lent.length, dispatches: gpu.dispatches }).toEqual({ lent: 0, dispatches })
  const released = inputs.filter((t) => t.released)
  if (released.length === 0) expect(gpu.memory()).toMatchObject({ tensors, bytes })
  for (const t of inputs) if (!t.released) t.dispose()
}
