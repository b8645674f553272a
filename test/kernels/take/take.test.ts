// What only takes promise: an index that is not there, the order of sums, integers, captured steps.
import { beforeAll, describe, expect, it } from 'vitest'
import { capture, embedding, gather, indexSelect, oneHot, scope, slice, type Tensor } from '../../../src/node/index.ts'
import { fill, mulberry32 } from '../../support/arbitraries.ts'
import { bitsOf } from '../../support/check.ts'
import { messageOf, parameter, tensor, testGpu, values } from '../../support/gpu.ts'

beforeAll(testGpu)

const { NaN: nan } = Number

/** An index whose values only the device knows. */
const unknown = (...values: number[]) => slice(tensor(Int32Array.from([...values, 0])), 0, 0, values.length)

/** Σ in the order given, 32 at a time, as float32 has it. */
function inBlocks(terms: readonly number[]): number {
  let sum = 0
  for (let block = 0; block < terms.length; block += 32) {
    let part = 0
    for (const term of terms.slice(block, block + 32)) part = Math.fround(part + term)
    sum = Math.fround(sum + part)
  }
  return sum
}

describe('an index that is not there, and only the device knows', () => {
  it.each([
    ['three elements', [4, 3]],
    ['four elements', [4, 4]],
  ])('gives rows of NaN of %s, and nothing to a gradient', async (_, shape) => {
    const D = shape[1]!
    const weight = parameter(fill(4 * D, 1, 'normal'), shape)
    const index = unknown(1, 4, -1, 3, 2147483647)
    const out = embedding(weight, index)
    const data = await weight.data()
    const row = (r: number) => [...data.slice(r * D, (r + 1) * D)]
    const none = Array<number>(D).fill(nan)
    expect([...(await values(out))]).toEqual([...row(1), ...none, ...none, ...row(3), ...none])
    out.backward(tensor(new Float32Array(5 * D).fill(1), [5, D]))
    const given = (r: number) => Array<number>(D).fill([0, 1, 0, 1][r]!)
    expect([...(await values(weight.grad))]).toEqual([0, 1, 2, 3].flatMap(given))
  })

  it('gives NaN in gather and in oneHot', async () => {
    const x = parameter([1, 2, 3, 4, 5, 6], [2, 3])
    const out = gather(x, 1, unknown(2, 3, -5, 0).reshape([2, 2]))
    expect([...(await values(out))]).toEqual([3, nan, nan, 4])
    out.backward(tensor([1, 2, 3, 4], [2, 2]))
    expect([...(await values(x.grad))]).toEqual([0, 0, 1, 4, 0, 0])
    expect([...(await values(oneHot(unknown(1, 2, -1), 2)))]).toEqual([0, 1, nan, nan, nan, nan])
  })

  it('gives the least integer among integers, which no operation takes for an index', async () => {
    const labels = tensor(Int32Array.of(7, 8, 9))
    const taken = indexSelect(labels, 0, unknown(2, 3, 0))
    expect([...(await taken.data())]).toEqual([9, -(2 ** 31), 7])
    expect([...(await values(oneHot(taken, 10))).slice(10, 12)]).toEqual([nan, nan])
    expect([...(await gather(labels, 0, unknown(3, 1)).data())]).toEqual([-(2 ** 31), 8])
  })
})

describe('a gradient', () => {
  it.each([3, 4])('adds rows of %i in the order of the index, 32 at a time', async (D) => {
    const next = mulberry32(3)
    const J = 1300
    const index = Int32Array.from({ length: J }, () => next() % 7)
    const weight = parameter(new Float32Array(7 * D), [7, D])
    const dy = fill(J * D, 4, 'normal')
    embedding(weight, tensor(index)).backward(tensor(dy, [J, D]))
    const expected = Array.from({ length: 7 * D }, (_, e) => {
      const of = [...index.keys()].filter((j) => index[j] === Math.floor(e / D))
      return inBlocks(of.map((j) => dy[j * D + (e % D)]!))
    })
    expect([...(await values(weight.grad))]).toEqual(expected)
  })

  it('of gather adds in the order of the index, in a list as well', async () => {
    const next = mulberry32(5)
    const index = Int32Array.from({ length: 300 }, () => next() % 5)
    const dy = fill(300, 6, 'normal')
    const ofList = parameter(new Float32Array(5), [5])
    gather(ofList, 0, tensor(index)).backward(tensor(dy))
    const sums = Array.from({ length: 5 }, (_, r) => inBlocks([...dy].filter((_, j) => index[j] === r)))
    expect([...(await values(ofList.grad))]).toEqual(sums)
    // Of a matrix, blocks are of neighbours in the index, whether they count or not.
    const ofRows = parameter(new Float32Array(10), [2, 5])
    gather(ofRows, 1, tensor(index, [2, 150])).backward(tensor(dy, [2, 150]))
    const [first] = await values(ofRows.grad)
    expect(first).toBe(inBlocks([...dy.slice(0, 150)].map((g, j) => (index[j] === 0 ? g : 0))))
  })

  it('of gather has the same bits, however many rows there are', async () => {
    const next = mulberry32(8)
    const index = Int32Array.from({ length: 3 * 70 * 2 }, () => (next() % 9 === 0 ? -1 : next() % 13))
    const dy = tensor(fill(index.length, 9, 'normal'), [3, 70, 2])
    const bits = (R: number) => {
      const x = parameter(new Float32Array(3 * R * 2), [3, R, 2])
      gather(x, 1, unknown(...index).reshape([3, 70, 2])).backward(dy)
      return bitsOf(slice(x.grad!, 1, 0, 13))
    }
    // Up to 16 rows, all indices are looked through for each element.
    expect(await bits(17)).toEqual(await bits(16))
  })

  it('has the same bits when other indices stand between', async () => {
    const dy = fill(40 * 4, 7, 'normal')
    const run = async (index: number[], gradient: Float32Array) => {
      const weight = parameter(new Float32Array(3 * 4), [3, 4])
      embedding(weight, tensor(Int32Array.from(index))).backward(tensor(gradient, [index.length, 4]))
      return (await bitsOf(weight.grad)).slice(4, 8)
    }
    const alone = await run(Array(40).fill(1), dy)
    const between = Float32Array.from({ length: 80 * 4 }, (_, e) => dy[4 * (e >> 3) + (e & 3)]!)
    expect(
      await run(
        Array.from({ length: 80 }, (_, j) => (j % 2 === 0 ? 1 : 2)),
        between,
      ),
    ).toEqual(alone)
  })

  it('has the same bits captured and eager', async () => {
    const weight = parameter(fill(65 * 8, 1, 'normal'), [65, 8])
    const next = mulberry32(9)
    const index = tensor(
      Int32Array.from({ length: 600 }, () => next() % 65),
      [600],
    )
    const dy = tensor(fill(600 * 8, 2, 'normal'), [600, 8])
    const step = (): Tensor => {
      weight.grad = null
      const out = scope(() => embedding(weight, index, { paddingIdx: 0 }))
      out.backward(dy)
      return out
    }
    const eager = [await bitsOf(scope(step)), await bitsOf(weight.grad)]
    const plan = capture(step)
    plan.run(2)
    expect([await bitsOf(plan.result), await bitsOf(weight.grad)]).toEqual(eager)
    plan.dispose()
  })
})

describe('oneHot', () => {
  it('has a 1 at each label', async () => {
    const labels = tensor(Uint8Array.of(2, 0, 1), [3, 1])
    const rows = oneHot(labels, 3)
    expect(rows.shape).toEqual([3, 1, 3])
    expect([...(await values(rows))]).toEqual([0, 0, 1, 1, 0, 0, 0, 1, 0])
    expect(oneHot(tensor(new Int32Array(0)), 3).shape).toEqual([0, 3])
  })

  it('of more than a workgroup takes is right everywhere', async () => {
    const next = mulberry32(1)
    const labels = Int32Array.from({ length: 333 }, () => next() % 27)
    const expected = Array.from({ length: 333 * 27 }, (_, e) => (labels[Math.floor(e / 27)] === e % 27 ? 1 : 0))
    expect([...(await values(oneHot(tensor(labels), 27)))]).toEqual(expected)
  })

  it('refuses what is not a label', () => {
    const labels = tensor(Int32Array.of(0, 3))
    expect(messageOf(() => oneHot(labels, 3))).toBe('oneHot: index 3 does not exist; the classes are 0 to 2')
    expect(messageOf(() => oneHot(labels, 0))).toBe('oneHot: classes must be a whole number, 1 or more, not 0')
    expect(messageOf(() => oneHot(tensor([1]), 3))).toBe('oneHot: index must be int32 or uint8, it is float32')
    expect(messageOf(() => oneHot([1] as never, 3))).toBe('oneHot: index must be a tensor, not an array')
  })
})
