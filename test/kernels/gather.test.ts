import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { gatherIntegers, gatherRows } from '../../src/kernels/gather.ts'
import { mulberry32 } from '../support/arbitraries.ts'
import { messageOf, type Tensor, tensor, testGpu } from '../support/gpu.ts'
import { gatherRows as gatherReference, ref } from '../support/reference.ts'
import { bitsOf, expectExact, expectTensor } from './check.ts'

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

/** Gathers and holds both forms to the bytes: exactly with scale 1 and as integers, within bounds with 1/255. */
async function check(given: Data, index: Int32Array, first: number, count: number): Promise<void> {
  const bytes = tensor(given.data, given.shape)
  const selection = { index: tensor(index), first, count }
  const rows = index.slice(first, first + count)
  const plain = ref([count, ...given.shape.slice(1)], chosen(given, rows))
  await expectTensor(gatherRows(bytes, selection, 1 / 255), gatherReference(given, rows), 'scaled')
  await expectExact(gatherRows(bytes, selection, 1), plain, 'unscaled')
  const integers = gatherIntegers(bytes, selection)
  expect(integers.dtype).toBe('int32')
  expect(integers.shape).toEqual(plain.shape)
  expect([...(await integers.data())]).toEqual([...plain.data])
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
    const selection = { index: tensor(Int32Array.of(0)), first: 0, count: 1 }
    expect(gatherIntegers(tensor(Uint8Array.of(3, 9, 1)), selection).storage.integerRange).toEqual([1, 9])
  })

  it('gives the same bits twice', async () => {
    const bytes = tensor(bytesOf([9, 31], 1).data, [9, 31])
    const selection = { index: tensor(indexOf(50, 9, 2)), first: 3, count: 40 }
    const run = () => bitsOf(gatherRows(bytes, selection, 1 / 255))
    expect(await run()).toEqual(await run())
  })
})

describe('gather refuses', () => {
  const bytes = () => tensor(new Uint8Array(12), [4, 3])
  const pick = (index: Tensor, first = 0, count = 1) => ({ index, first, count })

  it.each<[string, () => unknown, string]>([
    [
      'data that are not bytes',
      () => gatherRows(tensor([1, 2, 3]), pick(tensor(Int32Array.of(0))), 1),
      'gather: bytes must be uint8, it is float32',
    ],
    [
      'row numbers that are not integers',
      () => gatherRows(bytes(), pick(tensor([0])), 1),
      'gather: index must be int32, it is float32',
    ],
    [
      'a row past the last',
      () => gatherRows(bytes(), pick(tensor(Int32Array.of(0, 4))), 1),
      'gather: row 4 does not exist; the data has rows 0 to 3',
    ],
    [
      'a row below the first',
      () => gatherIntegers(bytes(), pick(tensor(Int32Array.of(-1, 7)))),
      'gather: row -1 does not exist; the data has rows 0 to 3',
    ],
    [
      'entries past the end of the list',
      () => gatherRows(bytes(), pick(tensor(Int32Array.of(0, 1, 2)), 2, 2), 1),
      'gather: entries 2 to 3 do not lie in a list of 3',
    ],
    [
      'entries before its start',
      () => gatherIntegers(bytes(), pick(tensor(Int32Array.of(0, 1, 2)), -1, 2)),
      'gather: entries -1 to 0 do not lie in a list of 3',
    ],
    [
      'half an entry',
      () => gatherRows(bytes(), pick(tensor(Int32Array.of(0, 1, 2)), 0.5, 1), 1),
      'gather: entries 0.5 to 0.5 do not lie in a list of 3',
    ],
  ])('%s', (_, run, message) => {
    expect(messageOf(run)).toBe(message)
  })

  it('tensors that were released', () => {
    const released = <T extends Tensor>(t: T) => {
      t.dispose()
      return t
    }
    const index = () => tensor(Int32Array.of(0))
    expect(() => gatherRows(released(bytes()), pick(index()), 1)).toThrow("can't be used any more")
    expect(() => gatherRows(bytes(), pick(released(index())), 1)).toThrow("can't be used any more")
  })
})
