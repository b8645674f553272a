// What only softmax and logSoftmax promise: large numbers, infinities, rows whose sum is 1.
import { beforeAll, describe, expect, it } from 'vitest'
import { logSoftmax, softmax, type Tensor } from '../../../src/node/index.ts'
import { inBothClasses } from '../../support/adapter_class.ts'
import { fill } from '../../support/arbitraries.ts'
import { bitsOf } from '../../support/check.ts'
import { parameter, tensor, testGpu, values } from '../../support/gpu.ts'

beforeAll(testGpu)

const { NaN: nan, POSITIVE_INFINITY: inf } = Number

async function run(fn: (x: Tensor) => Tensor, x: readonly number[], shape: readonly number[] = [x.length]) {
  const input = parameter(x, shape)
  const out = fn(input)
  out.backward(tensor(new Float32Array(out.size).fill(1), out.shape))
  return { out: [...(await values(out))], gradient: [...(await values(input.grad))] }
}

/** A row in the middle of others, along the last dimension and along the first: all ways of the kernels. */
const ways = [
  ['in a thread', 3, -1],
  ['by fours', 100, -1],
  ['by fours, at any place', 101, -1],
  ['in passes', 100, 0],
] as const

/** `row`, filled up with −1e30, which has no weight. */
function filled(row: readonly number[], length: number): number[] {
  return [...row, ...new Array<number>(length - row.length).fill(-1e30)]
}

async function rowOf(fn: typeof softmax, row: readonly number[], length: number, dim: number): Promise<number[]> {
  const data = filled(row, length)
  const spread = dim === 0 ? data.flatMap((v) => [v, 0]) : data
  const shape = dim === 0 ? [length, 2] : [1, length]
  const { out } = await run((x) => fn(x, dim), spread, shape)
  return out.filter((_, i) => dim !== 0 || i % 2 === 0).slice(0, row.length)
}

describe.each(ways)('%s', (_, length, dim) => {
  it('numbers of thousands do not overflow', async () => {
    expect(await rowOf(softmax, [1e4, -1e4, 0], length, dim)).toEqual([1, 0, 0])
    expect(await rowOf(logSoftmax, [1e4, -1e4, 0], length, dim)).toEqual([0, -2e4, -1e4])
    expect(await rowOf(softmax, [-1e4, -1e4], length, dim)).toEqual([0.5, 0.5])
  })

  it('minus infinity has no weight', async () => {
    expect(await rowOf(softmax, [-inf, 2, -inf], length, dim)).toEqual([0, 1, 0])
    expect(await rowOf(logSoftmax, [-inf, 2, -inf], length, dim)).toEqual([-inf, 0, -inf])
  })

  it.each([
    ['NaN', [1, nan, 2]],
    ['infinity', [1, inf, 2]],
    ['infinities of both signs', [-inf, inf, 2]],
  ])('a row with %s is NaN', async (_, row) => {
    for (const fn of [softmax, logSoftmax]) expect(await rowOf(fn, row, length, dim)).toEqual([nan, nan, nan])
  })
})

it('a row of minus infinity alone is NaN, and only that row', async () => {
  const x = tensor([-inf, -inf, 1, 1], [2, 2])
  expect([...(await values(softmax(x)))]).toEqual([nan, nan, 0.5, 0.5])
  expect([...(await values(softmax(x, 0)))]).toEqual([0, 0, 1, 1])
  expect([...(await values(logSoftmax(x, 0)))]).toEqual([-inf, -inf, 0, 0])
})

it('takes the last dimension unless another is given, and passes no gradient of equal parts', async () => {
  const { out, gradient } = await run(softmax, [1, 1, 2, 2], [2, 2])
  expect(out).toEqual([0.5, 0.5, 0.5, 0.5])
  expect(gradient.map(Math.abs)).toEqual([0, 0, 0, 0])
})

it.each([32, 37, 250, 256, 1000, 1001, 4096])(
  'gives rows of %i the same bits where several threads take one, as on a GPU',
  async (D) => {
    const { cpu, gpu } = await inBothClasses(async () => {
      const x = parameter(fill(3 * D, 5, 'normal'), [3, D])
      const found = []
      for (const fn of [softmax, logSoftmax]) {
        const out = fn(x)
        x.grad = null
        out.backward(tensor(fill(3 * D, 6, 'normal'), [3, D]))
        found.push(await bitsOf(out), await bitsOf(x.grad))
      }
      return found
    })
    expect(gpu).toEqual(cpu)
  },
)
