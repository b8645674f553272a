// Batches of any arrays: what they hold, in which order, captured and not.
import { beforeAll, describe, expect, it } from 'vitest'
import { Batches, capture, permutation, type Tensor, type TypedArray, weightedSampler } from '../../src/index.ts'
import { gatherRows } from '../../src/kernels/gather.ts'
import { messageOf, tensor, testGpu, withLimits } from '../support/gpu.ts'

beforeAll(testGpu)

const N = 7
const floats = Float32Array.from({ length: N * 6 }, (_, i) => i / 8 - 2)
const bytes = Uint8Array.from({ length: N * 3 }, (_, i) => (i * 37 + 130) % 256)
const ints = Int32Array.from({ length: N }, (_, i) => 1000 - 300 * i)

const fields = {
  x: { data: floats, shape: [N, 2, 3] },
  odd: { data: bytes, shape: [N, 3] },
  pixels: { data: bytes, shape: [N, 3, 1], scale: 1 / 255 },
  y: ints,
  weight: floats.subarray(0, N),
}

/** What rows of a field must be. */
function rowsOf(data: TypedArray, numbers: readonly number[]): number[] {
  const R = data.length / N
  return numbers.flatMap((row) => [...data.subarray(row * R, (row + 1) * R)])
}

/** Holds a batch to the rows that it must have. */
async function expectRows(batch: Readonly<Record<keyof typeof fields, Tensor>> & { size: number }, rows: number[]) {
  const { x, odd, pixels, y, weight, size } = batch
  expect(size).toBe(rows.length)
  expect([x, odd, pixels, y, weight].map(({ shape, dtype }) => [dtype, ...shape])).toEqual([
    ['float32', size, 2, 3],
    ['uint8', size, 3],
    ['float32', size, 3, 1],
    ['int32', size],
    ['float32', size],
  ])
  expect([...(await x.data())]).toEqual(rowsOf(floats, rows))
  expect([...(await odd.data())]).toEqual(rowsOf(bytes, rows))
  const scaled = rowsOf(bytes, rows).map((byte) => Math.fround(byte * Math.fround(1 / 255)))
  expect([...(await pixels.data())]).toEqual(scaled)
  expect([...(await y.data())]).toEqual(rowsOf(ints, rows))
  expect([...(await weight.data())]).toEqual(rowsOf(floats.subarray(0, N), rows))
}

describe('Batches', () => {
  it('gives the rows of every field in the order of (seed, epoch), one epoch after the other', async () => {
    const data = new Batches(fields, { batchSize: 3, seed: 5 })
    expect([data.size, data.length, data.batchSize, data.epochSize]).toEqual([7, 3, 3, 7])
    for (const epoch of [0, 1]) {
      const order = [...permutation(5, epoch, N)]
      for (let i = 0; i < 3; i++) {
        await expectRows(data.next(), order.slice(3 * i, 3 * i + 3))
        expect([data.epoch, data.position]).toEqual([epoch, i + 1])
      }
    }
    data.epoch = 0
    expect(data.position).toBe(0)
    await expectRows(data.batch(2), [...permutation(5, 0, N)].slice(6))
    data.dispose()
  })

  it('goes through an epoch by for … of, the next one in the next loop', async () => {
    const data = new Batches({ y: ints }, { batchSize: 3, shuffle: false })
    for (const epoch of [0, 1]) {
      const seen: Tensor[] = []
      for (const { y } of data) seen.push(y)
      expect([data.epoch, (await Promise.all(seen.map(async (y) => [...(await y.data())]))).flat()]).toEqual([
        epoch,
        [...ints],
      ])
    }
    data.position = 2
    expect([...data].map(({ size }) => size)).toEqual([1])
    data.dispose()
  })

  it('leaves out the last rows by dropLast, which differ from epoch to epoch', async () => {
    const data = new Batches(fields, { batchSize: 3, dropLast: true })
    expect([data.length, data.epochSize, data.sizeOf(1)]).toEqual([2, 6, 3])
    expect(messageOf(() => data.sizeOf(2))).toBe('Batches: there is no batch 2; batches are numbered 0 to 1')
    for (let i = 0; i < 2; i++) data.next()
    await expectRows(data.next(), [...permutation(0, 1, N)].slice(0, 3))
    data.dispose()
  })

  it('does the same in a plan, whose run goes on to the next epoch where it begins at the end of one', async () => {
    const data = new Batches(fields, { batchSize: 3, dropLast: true })
    data.position = 2 // a plan may be captured at the end of an epoch too
    const plan = capture(() => data.next())
    expect([data.epoch, data.position]).toEqual([0, 2])
    for (const epoch of [1, 2]) {
      for (let i = 0; i < 2; i++) {
        plan.run()
        expect([data.epoch, data.position]).toEqual([epoch, i + 1])
        await expectRows(plan.result, [...permutation(0, epoch, N)].slice(3 * i, 3 * i + 3))
      }
    }
    plan.run(0)
    expect(data.epoch).toBe(2)
    expect(messageOf(() => plan.run(3))).toBe(
      'Batches: 3 batches are needed, but the epoch has 2 left; a run begins the next one only where it starts at its end',
    )
    expect([data.epoch, data.position]).toEqual([2, 2])
    plan.run(2)
    await expectRows(plan.result, [...permutation(0, 3, N)].slice(3, 6))
    for (const part of [plan, data]) part.dispose()
  })

  it('refuses a smaller last batch in a plan, except in one that was captured there', async () => {
    const data = new Batches(fields, { batchSize: 3, shuffle: false })
    const plan = capture(() => data.next())
    expect(messageOf(() => plan.run(3))).toBe(
      'Batches: batch 2, the last, has 1 rows, and the plan was captured for batches of 3; leave it out by dropLast: true, or capture another plan while position is 2',
    )
    plan.run(2)
    const last = capture(() => data.next())
    last.run()
    await expectRows(last.result, [6])
    expect(messageOf(() => last.run())).toBe(
      'Batches: the plan was captured for the last batch, of 1 rows; it can only run at position 2, not at 0. For batches of 3 rows, capture another plan at an earlier position',
    )
    plan.run()
    expect([data.epoch, data.position]).toEqual([1, 1])
    for (const part of [plan, last, data]) part.dispose()
  })

  it('takes an order with repeats until the epoch is over', async () => {
    const data = new Batches(fields, { batchSize: 4 })
    data.setOrder([1, 1, 1, 6, 0, 0, 1])
    await expectRows(data.next(), [1, 1, 1, 6])
    await expectRows(data.next(), [0, 0, 1])
    await expectRows(data.next(), [...permutation(0, 1, N)].slice(0, 4))
    data.dispose()
  })

  it('has the same rows where the fields lie in several buffers', async () => {
    const gpu = await testGpu()
    const long = Float32Array.from({ length: N * 300 }, (_, i) => Math.sin(i))
    const odd = Uint8Array.from({ length: N * 1201 }, (_, i) => (i * i) % 251)
    const fields = { x: { data: long, shape: [N, 3, 100] }, odd: { data: odd, shape: [N, 1201] }, y: ints }
    // Three rows to a buffer: parts of odd begin within words of the whole.
    const data = await withLimits(gpu, { binding: 4200, buffer: 8400 }, () => new Batches(fields, { batchSize: 4 }))
    const order = [...permutation(0, 0, N)]
    const before = gpu.dispatches
    const first = data.next()
    expect(gpu.dispatches - before).toBe(3 + 3 + 1)
    const plan = capture(() => data.next())
    plan.run()
    for (const [batch, rows] of [
      [first, order.slice(0, 4)],
      [plan.result, order.slice(4)],
    ] as const) {
      expect(await batch.x.data()).toEqual(Float32Array.from(rowsOf(long, rows)))
      expect(await batch.odd.data()).toEqual(Uint8Array.from(rowsOf(odd, rows)))
      expect([...(await batch.y.data())]).toEqual(rowsOf(ints, rows))
    }
    for (const part of [plan, data]) part.dispose()
  })

  it('has labels whose range is known, for the check against the number of classes', () => {
    const data = new Batches({ y: Uint8Array.of(3, 9, 1) })
    expect(data.next().y.storage.integerRange).toEqual([1, 9])
    data.dispose()
  })
})

describe('gatherRows', () => {
  it.each([1, 2, 3, 4, 5, 8, 9])('takes rows of %i bytes, in any parts, and leaves what follows them', async (R) => {
    const data = Uint8Array.from({ length: 11 * R }, (_, i) => (i * 91 + 7) % 256)
    const rows = Int32Array.of(10, 0, 3, 3, 7, 1, 9)
    const index = tensor(rows)
    const want = [...rows].flatMap((row) => [...data.subarray(row * R, (row + 1) * R)])
    for (const cuts of [[11], [1, 10], [3, 4, 4]]) {
      let before = 0
      const parts = cuts.map((count) => {
        before += count
        return tensor(data.slice((before - count) * R, before * R), [count, R])
      })
      const out = gatherRows(parts, index, { first: 0, count: 7 })
      const all = new Uint8Array(await out.gpu.read(out.storage, out.storage.capacity))
      expect([...all.subarray(0, 7 * R)]).toEqual(want)
      // Behind the last byte there is the poison still.
      const after = Array.from(all.subarray(7 * R), (byte, i) => [byte, [0xad, 0xde, 0xc0, 0x7f][(7 * R + i) % 4]])
      expect(after.every(([byte, poison]) => byte === poison)).toBe(true)
    }
  })
})

describe('weightedSampler', () => {
  it('draws rows in proportion to their weights, the same ones in the same epoch', () => {
    const weights = [0, 1, 3, 0, 4, 0]
    const sampler = weightedSampler(weights, { seed: 3, count: 8000 })
    const order = Array.from(sampler.order(1))
    expect(Array.from(sampler.order(1))).toEqual(order)
    expect(Array.from(sampler.order(2))).not.toEqual(order)
    const counts = weights.map((_, row) => order.filter((drawn) => drawn === row).length)
    // Five standard deviations of a binomial count.
    for (const [row, weight] of weights.entries()) {
      const p = weight / 8
      expect(Math.abs(counts[row]! - 8000 * p)).toBeLessThanOrEqual(5 * Math.sqrt(8000 * p * (1 - p)))
    }
  })

  it('draws each row once without replacement, heavier ones sooner', () => {
    const sampler = weightedSampler([1, 0, 9, 1, 1], { replacement: false, count: 4 })
    const orders = Array.from({ length: 400 }, (_, epoch) => Array.from(sampler.order(epoch)))
    for (const order of orders) expect([...order].sort()).toEqual([0, 2, 3, 4])
    const firsts = orders.filter(([first]) => first === 2).length
    expect(Math.abs(firsts - 300)).toBeLessThan(5 * Math.sqrt(400 * 0.75 * 0.25))
  })

  it('decides how many rows an epoch has', async () => {
    const data = new Batches(fields, { batchSize: 4, sampler: weightedSampler([0, 0, 1, 0, 0, 0, 0], { count: 10 }) })
    expect([data.length, data.epochSize, data.size]).toEqual([3, 10, 7])
    await expectRows(data.batch(2), [2, 2])
    expect(messageOf(() => data.setOrder(new Uint32Array(7)))).toBe(
      'Batches: the order has 7 entries, but an epoch takes 10',
    )
    data.dispose()
  })
})
