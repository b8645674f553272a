// The kernel that gathers the rows of a batch.
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { gatherBatch, type Selection } from '../../../src/kernels/gather.ts'
import { mulberry32 } from '../../support/arbitraries.ts'
import { bitsOf, expectExact, expectTensor } from '../../support/check.ts'
import { messageOf, type Tensor, tensor, testGpu } from '../../support/gpu.ts'
import { ref } from '../../support/ref.ts'
import { gatherRows as gatherReference } from './reference.ts'

beforeAll(testGpu)

interface Data {
  shape: number[]
  data: Uint8Array
}

function bytesOf(shape: number[], seed: number): Data {
  const next = mulberry32(seed)
  const size = shape.reduce((product, n) => product * n, 1)
  return { shape, data: Uint8Array.from({ length: size }, () => next() % 256) }
}

function indexOf(length: number, rows: number, seed: number): Int32Array {
  const next = mulberry32(seed)
  return Int32Array.from({ length }, () => next() % rows)
}

/** The bytes of the chosen rows. */
function chosen({ shape, data }: Data, rows: Int32Array): number[] {
  const R = shape.slice(1).reduce((product, n) => product * n, 1)
  return [...rows].flatMap((row) => [...data.slice(row * R, (row + 1) * R)])
}

const labelsOf = (rows: number, seed: number) => bytesOf([rows], seed).data

/** Gathers and holds the images to the bytes, exactly with scale 1 and within bounds with 1/255, and the labels. */
async function check(given: Data, index: Int32Array, first: number, count: number): Promise<void> {
  const [rows, labels] = [index.slice(first, first + count), labelsOf(given.shape[0]!, 77)]
  const source = { images: [tensor(given.data, given.shape)], labels: tensor(labels), index: tensor(index) }
  const plain = ref([count, ...given.shape.slice(1)], chosen(given, rows))
  const scaled = gatherBatch(source, { first, count }, 1 / 255)
  await expectTensor(scaled.images, gatherReference(given, rows), 'scaled')
  await expectExact(gatherBatch(source, { first, count }, 1).images, plain, 'unscaled')
  expect([scaled.labels.dtype, scaled.labels.shape]).toEqual(['int32', [count]])
  expect([...(await scaled.labels.data())]).toEqual([...rows].map((row) => labels[row]))
}

describe('gather', () => {
  it('equals the bytes of the chosen rows, for random rows, sizes and places in the list', async () => {
    const cases = fc.record({
      rows: fc.constantFrom(1, 2, 3, 5, 64, 257),
      rest: fc.constantFrom([], [1], [2], [3], [4], [7], [3, 5], [28, 28]),
      length: fc.constantFrom(1, 2, 7, 65, 100),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      to: fc.double({ min: 0, max: 1, noNaN: true }),
      seed: fc.nat(1e6),
    })
    await fc.assert(
      fc.asyncProperty(cases, async ({ rows, rest, length, at, to, seed }) => {
        const first = Math.floor(at * length)
        const count = Math.floor(to * (length - first + 1))
        const given = bytesOf([rows, ...rest], seed)
        await check(given, indexOf(length, rows, seed + 1), first, Math.min(count, length - first))
      }),
      { seed: 1, numRuns: 50 },
    )
  })

  it('takes the last, smaller batch of an epoch', async () => {
    const given = bytesOf([100, 1, 5, 3], 1)
    const order = Int32Array.from({ length: 100 }, (_, i) => (i * 37) % 100)
    await check(given, order, 96, 4)
    await check(given, order, 99, 1)
    await check(given, order, 64, 32)
  })

  it('takes a row more than once, the last row, and every byte', async () => {
    const all = { shape: [256], data: Uint8Array.from({ length: 256 }, (_, i) => i) }
    await check(
      all,
      Int32Array.from({ length: 256 }, (_, i) => 255 - i),
      0,
      256,
    )
    await check(bytesOf([3, 3], 1), Int32Array.of(2, 2, 2, 0, 2), 0, 5)
  })

  it('gives nothing for no rows or rows of no bytes', async () => {
    await check(bytesOf([4, 3], 1), Int32Array.of(1, 2), 2, 0)
    await check(bytesOf([4, 3], 1), Int32Array.of(), 0, 0)
    await check(bytesOf([4, 0], 1), Int32Array.of(1, 2), 0, 2)
  })

  it('remembers the range of labels, for the check against the number of classes', () => {
    const index = tensor(Int32Array.of(0))
    const source = { images: [tensor(new Uint8Array(3), [3])], labels: tensor(Uint8Array.of(3, 9, 1)), index }
    expect(gatherBatch(source, { first: 0, count: 1 }, 1).labels.storage.integerRange).toEqual([1, 9])
  })

  it('takes the batch of the step, and past the end of the list gives zeros and labels that do not count', async () => {
    for (const R of [1, 3, 8, 28]) {
      const given = bytesOf([9, R], R)
      const labels = labelsOf(9, 5)
      const index = Int32Array.from({ length: 9 }, (_, i) => (i * 4) % 9)
      const source = { images: [tensor(given.data, [9, R])], labels: tensor(labels), index: tensor(index) }
      for (const [batch, first] of [
        [0, 0],
        [1, 0],
        [2, 0],
        [2, 4],
        [7, 0],
      ] as const) {
        const batches = { storage: tensor(Int32Array.of(1, 1, batch)).storage, use: 0 }
        const { images, labels: taken } = gatherBatch(source, { first, count: 4, batches }, 1)
        const rows = Array.from({ length: 4 }, (_, n) => index[first + 4 * batch + n] ?? null)
        const bytes = rows.flatMap((row) => (row === null ? Array(R).fill(0) : chosen(given, Int32Array.of(row))))
        await expectExact(images, ref([4, R], bytes), `batch ${batch} from ${first}`)
        expect([...(await taken.data())]).toEqual(rows.map((row) => (row === null ? -100 : labels[row])))
      }
    }
  })

  it('takes rows from the part that they are in, with the bits of one part, and a dispatch a part', async () => {
    const cases = fc.record({
      sizes: fc.array(fc.constantFrom(1, 2, 3, 7, 20), { minLength: 2, maxLength: 5 }),
      rest: fc.constantFrom([], [1], [4], [5, 7], [3, 8]),
      length: fc.constantFrom(1, 9, 70),
      batch: fc.nat(3),
      seed: fc.nat(1e6),
    })
    await fc.assert(
      fc.asyncProperty(cases, async ({ sizes, rest, length, batch, seed }) => {
        const rows = sizes.reduce((sum, n) => sum + n, 0)
        const { data } = bytesOf([rows, ...rest], seed)
        const R = rest.reduce<number>((product, n) => product * n, 1)
        const ends = sizes.map((_, i) => sizes.slice(0, i + 1).reduce((sum, n) => sum + n, 0))
        const parts = sizes.map((n, i) => tensor(data.slice((ends[i]! - n) * R, ends[i]! * R), [n, ...rest]))
        const labels = tensor(labelsOf(rows, seed))
        const index = tensor(indexOf(length, rows, seed + 1))
        const [whole, split] = [[tensor(data, [rows, ...rest])], parts].map((images) => ({ images, labels, index }))
        const batches = { storage: tensor(Int32Array.of(1, 1, batch)).storage, use: 0 }
        // Exact rows, and rows filled up past the end of the list.
        for (const selection of [
          { first: 0, count: length },
          { first: 0, count: 33, batches },
        ]) {
          const want = gatherBatch(whole!, selection, 1 / 255)
          const before = labels.gpu.dispatches
          const got = gatherBatch(split!, selection, 1 / 255)
          expect(labels.gpu.dispatches - before).toBe(parts.length)
          expect(await bitsOf(got.images)).toEqual(await bitsOf(want.images))
          expect(await got.labels.data()).toEqual(await want.labels.data())
        }
      }),
      { seed: 1, numRuns: 25 },
    )
  })

  it('takes one dispatch of one part', () => {
    const source = {
      images: [tensor(new Uint8Array(12), [4, 3])],
      labels: tensor(new Uint8Array(4)),
      index: tensor(Int32Array.of(3)),
    }
    const { gpu } = source.labels
    const before = gpu.dispatches
    gatherBatch(source, { first: 0, count: 1 }, 1)
    expect(gpu.dispatches - before).toBe(1)
  })

  it('gives the same bits twice', async () => {
    const source = {
      images: [tensor(bytesOf([9, 31], 1).data, [9, 31])],
      labels: tensor(labelsOf(9, 1)),
      index: tensor(indexOf(50, 9, 2)),
    }
    const run = () => bitsOf(gatherBatch(source, { first: 3, count: 40 }, 1 / 255).images)
    expect(await run()).toEqual(await run())
  })
})

describe('gather refuses', () => {
  const images = () => tensor(new Uint8Array(12), [4, 3])
  const labels = () => tensor(new Uint8Array(4))
  const index = (...rows: number[]) => tensor(Int32Array.from(rows))
  const gather = (index: Tensor, { first = 0, count = 1 }: Partial<Selection> = {}) =>
    gatherBatch({ images: [images()], labels: labels(), index }, { first, count }, 1)

  it.each<[string, () => unknown, string]>([
    [
      'images that are not bytes',
      () => gatherBatch({ images: [tensor([1, 2, 3])], labels: labels(), index: index(0) }, { first: 0, count: 1 }, 1),
      'gather: images must be uint8, it is float32',
    ],
    [
      'labels that are not bytes',
      () => gatherBatch({ images: [images()], labels: index(0), index: index(0) }, { first: 0, count: 1 }, 1),
      'gather: labels must be uint8, it is int32',
    ],
    ['row numbers that are not integers', () => gather(tensor([0])), 'gather: index must be int32, it is float32'],
    ['a row past the last', () => gather(index(0, 4)), 'gather: row 4 does not exist; the data has rows 0 to 3'],
    ['a row below the first', () => gather(index(-1, 7)), 'gather: row -1 does not exist; the data has rows 0 to 3'],
    [
      'entries past the end of the list',
      () => gather(index(0, 1, 2), { first: 2, count: 2 }),
      'gather: entries 2 to 3 lie outside the list of 3',
    ],
    [
      'entries before its start',
      () => gather(index(0, 1, 2), { first: -1, count: 2 }),
      'gather: entries -1 to 0 lie outside the list of 3',
    ],
    [
      'half an entry',
      () => gather(index(0, 1, 2), { first: 0.5, count: 1 }),
      'gather: entries 0.5 to 0.5 lie outside the list of 3',
    ],
  ])('%s', (_, run, message) => {
    expect(messageOf(run)).toBe(message)
  })

  it('tensors that were released', () => {
    for (const which of [0, 1, 2, 3]) {
      const source = { images: [images(), images()], labels: labels(), index: index(0) }
      ;[...source.images, source.labels, source.index][which]!.dispose()
      expect(() => gatherBatch(source, { first: 0, count: 1 }, 1)).toThrow("can't be used any more")
    }
  })
})
