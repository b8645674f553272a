import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { linear, ShapeError } from '../../src/node/index.ts'
import { type FillKind, fill, sizes } from '../support/arbitraries.ts'
import { messageOf, parameter, tensor, testGpu, values } from '../support/gpu.ts'
import { linearBackward, linear as linearReference, type Ref, ref } from '../support/reference.ts'
import { bitsOf, dispose, dot, expectExact, expectTensor, type Hold, spread, tensorOf } from './check.ts'

beforeAll(testGpu)

interface Values {
  x: Ref
  w: Ref
  b: Ref | null
  dy: Ref
}

interface Sizes {
  N: number
  I: number
  O: number
}

function valuesOf({ N, I, O }: Sizes, seed = 1, kind: FillKind = 'normal'): Values & { b: Ref } {
  const make = (shape: number[], k: number) => ref(shape, fill(ref(shape).data.length, seed + k, kind))
  return { x: make([N, I], 0), w: make([O, I], 1), b: make([O], 2), dy: make([N, O], 3) }
}

/** Holds output and all gradients to the oracle. */
async function check({ x, w, b, dy }: Values, hold: Hold = expectTensor): Promise<void> {
  const input = parameter(x.data, x.shape)
  const weight = parameter(w.data, w.shape)
  const bias = b && parameter(b.data, b.shape)
  const gradient = tensorOf(dy)
  const out = linear(input, weight, bias)
  out.backward(gradient)
  const expected = linearBackward(dy, x, w)
  await hold(out, linearReference(x, w, b), 'out')
  await hold(input.grad, expected.input, 'dx')
  await hold(weight.grad, expected.weight, 'dw')
  if (bias) await hold(bias.grad, expected.bias, 'db')
  dispose(input, weight, bias, gradient, out)
}

const cases = fc
  .record({ N: sizes, I: sizes, O: sizes, seed: fc.nat(1e6), bias: fc.boolean() })
  .filter(({ N, I, O }) => N * I * O <= 1e6)

describe('linear', () => {
  it('equals the reference on random shapes', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ seed, bias, ...given }) => {
        const data = valuesOf(given, seed)
        await check(bias ? data : { ...data, b: null })
      }),
      { seed: 1, numRuns: 50 },
    )
  })

  it('is exact on small integers', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ seed, ...given }) => check(valuesOf(given, seed, 'smallInts'), expectExact)),
      { seed: 2, numRuns: 30 },
    )
  })

  // Around a quad, a thread's block, a strip and a block of rows; and more than one workgroup of blocks of dw.
  it.each([
    { N: 1, I: 1, O: 1 },
    { N: 8, I: 8, O: 8 },
    { N: 9, I: 17, O: 7 },
    { N: 32, I: 16, O: 10 },
    { N: 33, I: 15, O: 4 },
    { N: 64, I: 5, O: 9 },
    { N: 65, I: 84, O: 10 },
    { N: 96, I: 3, O: 2 },
    { N: 7, I: 130, O: 70 },
    { N: 200, I: 70, O: 66 },
  ])('is exact on small integers: %o', (given) => check(valuesOf(given, 4, 'smallInts'), expectExact))

  it.each([
    { N: 0, I: 3, O: 4 },
    { N: 5, I: 0, O: 4 },
    { N: 40, I: 0, O: 3 },
    { N: 5, I: 3, O: 0 },
    { N: 0, I: 0, O: 4 },
    { N: 5, I: 0, O: 0 },
    { N: 0, I: 0, O: 0 },
  ])('has the gradients of an empty sum: %o', async (given) => {
    await check(valuesOf(given, 1, 'smallInts'), expectExact)
    await check({ ...valuesOf(given, 1, 'smallInts'), b: null }, expectExact)
  })

  it.each([[[3]], [[0]], [[1, 1, 1]], [[4, 9, 3]], [[2, 1, 5, 7]], [[2, 0, 3]], [[3, 5, 0]]])(
    'takes an input of any number of dimensions: %j',
    async (shape) => {
      const features = shape.at(-1)!
      const { w, b } = valuesOf({ N: 0, I: features, O: 5 })
      const make = (to: number[], seed: number) => ref(to, fill(ref(to).data.length, seed, 'normal'))
      await check({ x: make(shape, 11), w, b, dy: make([...shape.slice(0, -1), 5], 12) })
    },
  )

  it.each([
    [true, false, false],
    [false, true, false],
    [false, false, true],
    [true, true, false],
    [true, false, true],
    [false, true, true],
  ])('gives the gradients asked for: input %s, weight %s, bias %s', async (...wanted) => {
    for (const given of [
      { N: 35, I: 18, O: 5 },
      { N: 3, I: 0, O: 2 },
    ]) {
      const { x, w, b, dy } = valuesOf(given)
      const tensors = [x, w, b].map((r, i) => tensor(Float32Array.from(r.data), r.shape, { requiresGrad: wanted[i]! }))
      linear(tensors[0]!, tensors[1]!, tensors[2]!).backward(tensorOf(dy))
      const { input, weight, bias } = linearBackward(dy, x, w)
      for (const [i, expected] of [input, weight, bias].entries()) {
        if (wanted[i]) await expectTensor(tensors[i]!.grad, expected, `gradient ${i}`)
        else expect(tensors[i]!.grad).toBeNull()
      }
    }
  })

  it('keeps NaN and infinities in the sums they belong to', async () => {
    for (const given of [
      { N: 9, I: 10, O: 5 },
      { N: 40, I: 3, O: 12 },
    ]) {
      for (const which of ['x', 'w', 'b', 'dy'] as const) {
        for (const [at, value] of [
          [0, Number.NaN],
          [1, Number.NaN],
          [0, Number.POSITIVE_INFINITY],
        ] as const) {
          const data = valuesOf(given)
          data[which].data[at * (data[which].data.length - 1)] = value
          await check(data)
        }
      }
    }
  })
})

describe('the algebra of linear', () => {
  it('has ⟨xwᵀ, y⟩ = ⟨x, dx⟩ = ⟨w, dw⟩ and ⟨b, db⟩ for the bias', async () => {
    const { x, w, b, dy } = valuesOf({ N: 37, I: 19, O: 11 })
    const [input, weight, bias] = [x, w, b].map((r) => parameter(r.data, r.shape))
    const out = linear(input!, weight!)
    out.backward(tensorOf(dy))
    const expected = linearBackward(dy, x, w)
    const product = dot(await values(out), dy.data)
    const slack = spread(dy.data, linearReference(x, w, null).bound)
    const viaX = Math.abs(product - dot(await values(input!.grad), x.data))
    const viaW = Math.abs(product - dot(await values(weight!.grad), w.data))
    expect(viaX).toBeLessThanOrEqual(slack + spread(x.data, expected.input.bound))
    expect(viaW).toBeLessThanOrEqual(slack + spread(w.data, expected.weight.bound))
    const zero = tensorOf(ref(x.shape))
    const biased = linear(zero, weight!, bias!)
    biased.backward(tensorOf(dy))
    expect(await values(biased)).toEqual(Float32Array.from(dy.data, (_, i) => b.data[i % 11]!))
  })

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

  it('gives the same bits twice, forward and backward', async () => {
    const run = async () => {
      const { x, w, b, dy } = valuesOf({ N: 70, I: 33, O: 10 })
      const [input, weight, bias] = [x, w, b].map((r) => parameter(r.data, r.shape))
      const out = linear(input!, weight!, bias!)
      out.backward(tensorOf(dy))
      return [await bitsOf(out), await bitsOf(input!.grad), await bitsOf(weight!.grad), await bitsOf(bias!.grad)]
    }
    expect(await run()).toEqual(await run())
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

  it('gives a gradient the same bits whichever others are asked for', async () => {
    const { x, w, b, dy } = valuesOf({ N: 45, I: 20, O: 9 })
    const run = async (wanted: boolean[]) => {
      const tensors = [x, w, b].map((r, i) => tensor(Float32Array.from(r.data), r.shape, { requiresGrad: wanted[i]! }))
      linear(tensors[0]!, tensors[1]!, tensors[2]!).backward(tensorOf(dy))
      return Promise.all(tensors.map((t) => (t.grad ? bitsOf(t.grad) : null)))
    }
    const all = await run([true, true, true])
    expect((await run([true, false, false]))[0]).toEqual(all[0])
    expect((await run([false, true, true])).slice(1)).toEqual(all.slice(1))
  })
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

  it('refuses a scalar', () => {
    expect(messageOf(() => linear(tensor(1), parameter([1], [1, 1])))).toBe(
      'linear: input has 0 dimensions, 2 are needed (N I)\n  input []',
    )
  })
})

describe('linear refuses', () => {
  const zeros = (...shape: number[]) => tensorOf(ref(shape))
  const integers = () => tensor(new Int32Array(6), [2, 3])

  it.each<[string, () => unknown, string]>([
    ['an input of integers', () => linear(integers(), zeros(4, 3)), 'linear: input must be float32, it is int32'],
    ['a weight of integers', () => linear(zeros(4, 3), integers()), 'linear: weight must be float32, it is int32'],
    [
      'a bias of integers',
      () => linear(zeros(4, 3), zeros(2, 3), tensor(new Int32Array(2))),
      'linear: bias must be float32, it is int32',
    ],
    [
      'an input of no dimensions',
      () => linear(tensor(1), zeros(3, 4)),
      'linear: input has 0 dimensions, 2 are needed (N I)\n  input []',
    ],
    [
      'a weight of one dimension',
      () => linear(zeros(2, 4), zeros(4)),
      'linear: weight has 1 dimensions, 2 are needed (O I)\n  weight [4]',
    ],
    [
      'features that differ',
      () => linear(zeros(256, 400), zeros(120, 256)),
      'linear: weight takes 256 input features, input has 400\n  input  [256, 400]  N I\n  weight [120, 256]  O I',
    ],
    [
      'a bias of another length',
      () => linear(zeros(2, 4), zeros(3, 4), zeros(4)),
      'linear: bias must have one value for each of the 3 output features\n  weight [3, 4]  O I\n  bias   [4]     O',
    ],
    [
      'a bias of two dimensions',
      () => linear(zeros(2, 4), zeros(3, 4), zeros(1, 3)),
      'linear: bias must have one value for each of the 3 output features\n  weight [3, 4]  O I\n  bias   [1, 3]  O',
    ],
  ])('%s', (_, run, message) => {
    expect(messageOf(run)).toBe(message)
  })

  it('features that differ in an input of any number of dimensions', () => {
    const [sentence] = messageOf(() => linear(zeros(2, 1, 2, 2), zeros(3, 4))).split('\n')
    expect(sentence).toBe('linear: weight takes 4 input features, input has 2')
    expect(() => linear(zeros(2, 1, 2, 2), zeros(3, 4))).toThrow(ShapeError)
  })
})
