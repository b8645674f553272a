import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { add } from '../../src/node/index.ts'
import { type FillKind, fill, sizes } from '../support/arbitraries.ts'
import { messageOf, parameter, tensor, testGpu, values } from '../support/gpu.ts'
import { addBackward, add as addReference, ref } from '../support/reference.ts'
import { bitsOf, dispose, expectExact, expectTensor, type Hold, tensorOf } from './check.ts'

beforeAll(testGpu)

function make(shape: number[], seed: number, kind: FillKind = 'normal') {
  return ref(shape, fill(ref(shape).data.length, seed, kind))
}

/** Holds the sum and both gradients to the oracle. */
async function check(shapes: [number[], number[]], seed: number, kind: FillKind, hold: Hold): Promise<void> {
  const [a, b, dy] = [make(shapes[0], seed, kind), make(shapes[1], seed + 1, kind), make(shapes[0], seed + 2, kind)]
  const [ta, tb] = [parameter(a.data, a.shape), parameter(b.data, b.shape)]
  const out = add(ta, tb)
  const gradient = tensorOf(dy)
  out.backward(gradient)
  const expected = addBackward(dy, a, b)
  await hold(out, addReference(a, b), 'out')
  await hold(ta.grad, expected.a, 'da')
  await hold(tb.grad, expected.b, 'db')
  dispose(ta, tb, out, gradient)
}

/** Shapes of 2 to 4 dimensions, up to 10,000 elements. */
const shape = fc
  .record({ n: sizes, c: sizes, rest: fc.array(fc.constantFrom(0, 1, 2, 3, 5, 9), { maxLength: 2 }) })
  .map(({ n, c, rest }) => [n, c, ...rest])
  .filter((s) => s.reduce((product, n) => product * n, 1) <= 10_000)

describe('add', () => {
  it('equals the reference on random shapes, same or per channel', async () => {
    await fc.assert(
      fc.asyncProperty(shape, fc.boolean(), fc.nat(1e6), (a, same, seed) =>
        check([a, same ? a : [a[1]!]], seed, 'normal', expectTensor),
      ),
      { seed: 1, numRuns: 50 },
    )
  })

  it.each<[number[], number[]]>([
    [[], []],
    [[1], [1]],
    [[1025], [1025]],
    [[1, 1], [1]],
    [[33, 7], [7]],
    [[64, 65], [65]],
    [[2, 3, 5], [3]],
    [[97, 2, 3, 4], [2]],
    [
      [3, 3],
      [3, 3],
    ],
    [[0, 4], [4]],
    [[4, 0], [0]],
    [[4, 3, 0], [3]],
    [[0], [0]],
    [
      [2, 0, 3],
      [2, 0, 3],
    ],
  ])('is exact on small integers: %j + %j', (a, b) => check([a, b], 3, 'smallInts', expectExact))

  it('gives the gradients asked for', async () => {
    const dy = make([5, 3], 9, 'smallInts')
    const [a, b] = [make([5, 3], 1), make([3], 2)]
    const onlyA = [parameter(a.data, a.shape), tensorOf(b)] as const
    const onlyB = [tensorOf(a), parameter(b.data, b.shape)] as const
    for (const [x, y] of [onlyA, onlyB]) add(x, y).backward(tensorOf(dy))
    const expected = addBackward(dy, a, b)
    await expectExact(onlyA[0].grad, expected.a, 'da')
    await expectExact(onlyB[1].grad, expected.b, 'db')
    expect([onlyA[1].grad, onlyB[0].grad]).toEqual([null, null])
    expect(add(tensorOf(a), tensorOf(b)).requiresGrad).toBe(false)
  })

  it('gives a tensor added to itself both gradients', async () => {
    const a = parameter([1, 2, 3], [3])
    const out = add(a, a)
    out.backward(tensor([1, 10, 100]))
    expect([...(await values(out))]).toEqual([2, 4, 6])
    expect([...(await values(a.grad))]).toEqual([2, 20, 200])
  })

  it('passes NaN and infinities, in the gradient to their channel alone', async () => {
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number
    const a = parameter([nan, 1, inf, 1, inf, 1], [2, 3])
    const b = parameter([1, inf, -inf], [3])
    const out = add(a, b)
    out.backward(tensor([1, nan, inf, 2, 1, inf], [2, 3]))
    expect([...(await values(out))]).toEqual([nan, inf, nan, 2, inf, -inf])
    expect([...(await values(b.grad))]).toEqual([3, nan, inf])
    expect([...(await values(a.grad))]).toEqual([1, nan, inf, 2, 1, inf])
  })

  it('gives db the same bits twice, and when rows with a zero gradient follow', async () => {
    const run = async (rows: number) => {
      const b = parameter(fill(7, 1, 'normal'), [7])
      const dy = make([rows, 7, 3], 2)
      dy.data.fill(0, 40 * 21)
      add(tensorOf(ref([rows, 7, 3])), b).backward(tensorOf(dy))
      return bitsOf(b.grad)
    }
    const alone = await run(40)
    for (const rows of [40, 41, 64, 100]) expect(await run(rows)).toEqual(alone)
  })

  it('adds db of 32 rows first, then the blocks of rows in order', async () => {
    const dy = make([64, 7, 3], 2)
    const run = async (from: number, to: number) => {
      const b = parameter(fill(7, 1, 'normal'), [7])
      const shape = [to - from, 7, 3]
      add(tensorOf(ref(shape)), b).backward(tensorOf(ref(shape, dy.data.slice(from * 21, to * 21))))
      return [...(await values(b.grad))]
    }
    const [first, second] = [await run(0, 32), await run(32, 64)]
    expect(await run(0, 64)).toEqual(first.map((v, i) => Math.fround(v + second[i]!)))
  })

  it.each<[string, () => unknown, string]>([
    ['a of integers', () => add(tensor(new Int32Array(2)), tensor([1, 2])), 'add: a must be float32, it is int32'],
    ['b of bytes', () => add(tensor([1, 2]), tensor(new Uint8Array(2))), 'add: b must be float32, it is uint8'],
    [
      'a value for each column, which is no channel',
      () => add(tensorOf(ref([2, 3, 4])), tensorOf(ref([4]))),
      "add: b must have a's shape, or one value for each of a's 3 channels\n  a [2, 3, 4]\n  b [4]\n" +
        'Channels are dimension 1; reshape for anything else.',
    ],
    [
      'another shape of the same size',
      () => add(tensorOf(ref([2, 3])), tensorOf(ref([3, 2]))),
      "add: b must have a's shape, or one value for each of a's 3 channels\n  a [2, 3]\n  b [3, 2]\n" +
        'Channels are dimension 1; reshape for anything else.',
    ],
  ])('refuses %s', (_, run, message) => {
    expect(messageOf(run)).toBe(message)
  })
})

it('has channels from two dimensions on', () => {
  expect(messageOf(() => add(tensor(1), tensor([1])))).toBe("add: b must have a's shape\n  a []\n  b [1]")
  expect(messageOf(() => add(tensor([1, 2]), tensor([1])))).toBe("add: b must have a's shape\n  a [2]\n  b [1]")
})
