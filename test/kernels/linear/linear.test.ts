// What only linear and linearRelu promise: large layers, bits, the kink.
import { beforeAll, describe, expect, it } from 'vitest'
import { linear, linearRelu, relu } from '../../../src/node/index.ts'
import { inBothClasses } from '../../support/adapter_class.ts'
import { fill } from '../../support/arbitraries.ts'
import { bitsOf, tensorOf } from '../../support/check.ts'
import { parameter, tensor, testGpu, values } from '../../support/gpu.ts'
import { type Ref, ref } from '../../support/ref.ts'

beforeAll(testGpu)

function valuesOf({ N, I, O }: { N: number; I: number; O: number }): Record<'x' | 'w' | 'b' | 'dy', Ref> {
  const make = (shape: number[], seed: number) => ref(shape, fill(ref(shape).data.length, seed, 'normal'))
  return { x: make([N, I], 1), w: make([O, I], 2), b: make([O], 3), dy: make([N, O], 4) }
}

describe('the algebra of linear', () => {
  // Of 21 features backward packs the operands, of 24 it does not.
  it.each([21, 24])('gives dw and db the same bits when rows with a zero gradient follow: %i', async (I) => {
    const run = async (rows: number) => {
      const { x, w, b, dy } = valuesOf({ N: rows, I, O: 13 })
      const [weight, bias] = [w, b].map((r) => parameter(r.data, r.shape))
      dy.data.fill(0, 40 * 13)
      // The first 40 rows are the same in every batch: fill() draws one value after the other.
      linear(tensorOf(x), weight!, bias!).backward(tensorOf(dy))
      return [await bitsOf(weight!.grad), await bitsOf(bias!.grad)]
    }
    const alone = await run(40)
    for (const rows of [41, 64, 96, 130]) expect(await run(rows)).toEqual(alone)
  })

  it.each([21, 24])('adds dw and db of 32 rows first, then the blocks of rows in order: %i', async (I) => {
    const { x, w, b, dy } = valuesOf({ N: 64, I, O: 13 })
    const run = async (from: number, to: number) => {
      const rows = (r: Ref, columns: number) =>
        tensorOf(ref([to - from, columns], r.data.slice(from * columns, to * columns)))
      const [weight, bias] = [w, b].map((r) => parameter(r.data, r.shape))
      linear(rows(x, I), weight!, bias!).backward(rows(dy, 13))
      return [...(await values(weight!.grad)), ...(await values(bias!.grad))]
    }
    const [first, second] = [await run(0, 32), await run(32, 64)]
    expect(await run(0, 64)).toEqual(first.map((v, i) => Math.fround(v + second[i]!)))
  })

  it.each([1, 31, 33, 70].flatMap((N) => [[N, 21] as const, [N, 24] as const]))(
    'gives %i rows of %i features the same bits when each block of rows has a thread, as on a GPU',
    async (N, I) => {
      const data = valuesOf({ N, I, O: 13 })
      const run = async () => {
        const [input, weight, bias] = [data.x, data.w, data.b].map((r) => parameter(r.data, r.shape))
        linear(input!, weight!, bias!).backward(tensorOf(data.dy))
        return [await bitsOf(input!.grad), await bitsOf(weight!.grad), await bitsOf(bias!.grad)]
      }
      const { cpu, gpu } = await inBothClasses(run)
      expect(gpu).toEqual(cpu)
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

describe('linearRelu', () => {
  const run = async (N: number, I: number, O: number, fused: boolean) => {
    const { x, w, b, dy } = valuesOf({ N, I, O })
    const [input, weight, bias] = [x, w, b].map((r) => parameter(r.data, r.shape))
    const out = fused ? linearRelu(input!, weight!, bias!) : relu(linear(input!, weight!, bias!))
    out.backward(tensorOf(dy))
    return Promise.all([out, input!.grad, weight!.grad, bias!.grad].map(bitsOf))
  }

  it.each([
    [5, 3, 4],
    [40, 36, 10],
    [70, 128, 65],
    [301, 270, 210],
  ])('has the bits of linear and relu: [%i, %i] to %i', async (N, I, O) => {
    expect(await run(N, I, O, true)).toEqual(await run(N, I, O, false))
  })

  it('gives 0 at 0, and no gradient there; NaN passes, and its gradient', async () => {
    const input = parameter([1, -1, 0, Number.NaN], [4, 1])
    const weight = parameter([2], [1, 1])
    const out = linearRelu(input, weight, tensor([0]))
    expect([...(await values(out))]).toEqual([2, 0, 0, Number.NaN])
    out.backward(tensor([1, 1, 1, 1], [4, 1]))
    expect([...(await values(input.grad))]).toEqual([2, 0, 0, 2])
  })
})

describe('a small layer', () => {
  it('takes one dispatch forward and one backward; with ReLU one forward and two backward', async () => {
    const gpu = await testGpu()
    const parts = gpu.info.adapterClass === 'gpu' ? 1 : 0 // their sum
    for (const [operation, backward] of [
      [linear, 1],
      [linearRelu, 2],
    ] as const) {
      const { x, w, b, dy } = valuesOf({ N: 256, I: 84, O: 10 })
      const [input, weight, bias] = [x, w, b].map((r) => parameter(r.data, r.shape))
      const gradient = tensorOf(dy)
      const before = gpu.dispatches
      const out = operation(input!, weight!, bias!)
      expect(gpu.dispatches - before).toBe(1)
      out.backward(gradient)
      expect(gpu.dispatches - before).toBe(1 + backward + parts)
    }
  })

  it.each([
    [61, 13, 22_003],
    [1028, 70, 250],
  ])('has the bits of a large one, which is packed: %i features to %i, %i rows', async (I, O, many) => {
    const data = valuesOf({ N: many, I, O })
    data.dy.data.fill(0, 40 * O)
    const run = async (from: number, to: number) => {
      const rows = ({ data }: Ref, columns: number) =>
        ref([to - from, columns], data.slice(from * columns, to * columns))
      const [x, dy] = [rows(data.x, I), rows(data.dy, O)]
      const [input, weight, bias] = [x, data.w, data.b].map((r) => parameter(r.data, r.shape))
      const out = linear(input!, weight!, bias!)
      out.backward(tensorOf(dy))
      const tensors = [out, input!.grad, weight!.grad, bias!.grad]
      return (await Promise.all(tensors.map(bitsOf))) as [Uint32Array, Uint32Array, Uint32Array, Uint32Array]
    }
    const [out, dx, dw, db] = await run(0, many)
    const first = await run(0, 40)
    expect([out.slice(0, 40 * O), dx.slice(0, 40 * I), dw, db]).toEqual(first)
    const [last] = await run(many - 45, many)
    expect(out.slice(-45 * O)).toEqual(last)
  })
})
