import { beforeAll, describe, expect, it } from 'vitest'
import { linear } from '../../src/node/index.ts'
import { fill } from '../support/arbitraries.ts'
import { parameter, tensor, testGpu, values } from '../support/gpu.ts'
import { type Ref, ref } from '../support/reference.ts'
import { bitsOf, tensorOf } from './check.ts'

beforeAll(testGpu)

function valuesOf({ N, I, O }: { N: number; I: number; O: number }): Record<'x' | 'w' | 'b' | 'dy', Ref> {
  const make = (shape: number[], seed: number) => ref(shape, fill(ref(shape).data.length, seed, 'normal'))
  return { x: make([N, I], 1), w: make([O, I], 2), b: make([O], 3), dy: make([N, O], 4) }
}

describe('the algebra of linear', () => {
  it('gives dw and db the same bits when rows with a zero gradient follow', async () => {
    const run = async (rows: number) => {
      const { x, w, b, dy } = valuesOf({ N: rows, I: 21, O: 13 })
      const [weight, bias] = [w, b].map((r) => parameter(r.data, r.shape))
      dy.data.fill(0, 40 * 13)
      // The first 40 rows are the same in every batch: fill() draws one value after the other.
      linear(tensorOf(x), weight!, bias!).backward(tensorOf(dy))
      return [await bitsOf(weight!.grad), await bitsOf(bias!.grad)]
    }
    const alone = await run(40)
    for (const rows of [41, 64, 96, 130]) expect(await run(rows)).toEqual(alone)
  })

  it('adds dw and db of 32 rows first, then the blocks of rows in order', async () => {
    const { x, w, b, dy } = valuesOf({ N: 64, I: 21, O: 13 })
    const run = async (from: number, to: number) => {
      const rows = (r: Ref, columns: number) =>
        tensorOf(ref([to - from, columns], r.data.slice(from * columns, to * columns)))
      const [weight, bias] = [w, b].map((r) => parameter(r.data, r.shape))
      linear(rows(x, 21), weight!, bias!).backward(rows(dy, 13))
      return [...(await values(weight!.grad)), ...(await values(bias!.grad))]
    }
    const [first, second] = [await run(0, 32), await run(32, 64)]
    expect(await run(0, 64)).toEqual(first.map((v, i) => Math.fround(v + second[i]!)))
  })

  it.each([1, 31, 33, 70])(
    'gives %s rows the same bits when each block of rows has a thread, as on a GPU',
    async (N) => {
      const gpu = await testGpu()
      const data = valuesOf({ N, I: 21, O: 13 })
      const run = async () => {
        const [input, weight, bias] = [data.x, data.w, data.b].map((r) => parameter(r.data, r.shape))
        linear(input!, weight!, bias!).backward(tensorOf(data.dy))
        return [await bitsOf(input!.grad), await bitsOf(weight!.grad), await bitsOf(bias!.grad)]
      }
      const { adapterClass } = gpu.info
      const results = []
      try {
        for (const as of ['cpu', 'gpu'] as const) {
          Object.assign(gpu.info, { adapterClass: as })
          results.push(await run())
        }
      } finally {
        Object.assign(gpu.info, { adapterClass })
      }
      expect(results[1]).toEqual(results[0])
    },
  )
})

describe('linear over more dimensions', () => {
  it.each([[[3]], [[2, 5, 3]], [[2, 1, 4, 3]]])('takes %j as one batch of rows', async (shape) => {
    const size = shape.reduce((product, n) => product * n, 1)
    const [x, w, b] = [fill(size, 1, 'normal'), fill(12, 2, 'normal'), fill(4, 3, 'normal')]
    const run = async (rows: number[]) => {
      const tensors = [parameter(x, rows), parameter(w, [4, 3]), parameter(b, [4])] as const
      const before = tensors[0].gpu.tensors
      const out = linear(...tensors)
      expect(out.gpu.tensors).toBe(before + 1) // nothing but the result
      expect(out.shape).toEqual([...rows.slice(0, -1), 4])
      out.backward(tensor(fill(out.size, 4, 'normal'), out.shape))
      return await Promise.all([out, ...tensors.map((t) => t.grad)].map(values))
    }
    expect(await run(shape)).toEqual(await run([size / 3, 3]))
  })
})
