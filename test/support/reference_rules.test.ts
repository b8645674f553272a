// Tests of the float64 reference: layouts, and the rules at kinks and edges.
import { describe, expect, it } from 'vitest'
import { fill } from './arbitraries.ts'
import {
  add,
  addBackward,
  conv2d,
  conv2dBackward,
  crossEntropy,
  gatherRows,
  linear,
  linearBackward,
  matmul,
  matmulBackward,
  maxPool2d,
  maxPool2dBackward,
  type Ref,
  ref,
  relu,
  reluBackward,
  sgdStep,
  sizeOf,
} from './reference.ts'

function random(shape: number[], seed: number): Ref {
  return ref(shape, fill(sizeOf(shape), seed, 'normal'))
}

describe('layouts', () => {
  it('add: one value per channel, which is dimension 1', () => {
    const zeros = ref([2, 3, 2])
    const b = ref([3], [1, 2, 3])
    expect([...add(zeros, b).data]).toEqual([1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3])
    const g = ref([2, 3, 2], [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048])
    expect([...addBackward(g, zeros, b).b.data]).toEqual([195, 780, 3120])
    expect([...add(ref([2, 3]), b).data]).toEqual([1, 2, 3, 1, 2, 3])
    expect(() => add(zeros, ref([2]))).toThrow('add: b: shape [2] instead of [3]')
    expect(() => add(ref([3]), ref([1]))).toThrow('add: no channels in shape [3]')
  })

  it('matmul: a transposed operand is the one stored by columns', () => {
    const a = ref([2, 3], [1, 2, 3, 4, 5, 6])
    const aByColumns = ref([3, 2], [1, 4, 2, 5, 3, 6])
    const b = ref([3, 2], [1, 10, 100, 1000, 1e4, 1e5])
    const bByColumns = ref([2, 3], [1, 100, 1e4, 10, 1000, 1e5])
    const product = [30201, 302010, 60504, 605040]
    expect([...matmul(a, b).data]).toEqual(product)
    expect([...matmul(aByColumns, b, { transposeA: true }).data]).toEqual(product)
    expect([...matmul(a, bByColumns, { transposeB: true }).data]).toEqual(product)
    expect([...matmul(aByColumns, bByColumns, { transposeA: true, transposeB: true }).data]).toEqual(product)
  })

  it('linear: any number of leading dimensions', () => {
    const x = random([2, 3, 4], 1)
    const [w, b, g] = [random([5, 4], 2), random([5], 3), random([2, 3, 5], 4)]
    const flat = ref([6, 4], x.data)
    expect(linear(x, w, b)).toEqual({ ...linear(flat, w, b), shape: [2, 3, 5] })
    const grads = linearBackward(ref([6, 5], g.data), flat, w)
    expect(linearBackward(g, x, w)).toEqual({ ...grads, input: { ...grads.input, shape: [2, 3, 4] } })
  })

  it('each result counts the roundings on the longest way into an element', () => {
    const [a, b, g] = [ref([2, 5]), ref([5, 3]), ref([2, 3])]
    const grads = matmulBackward(g, a, b)
    expect([matmul(a, b), grads.a, grads.b].map((r) => r.roundings)).toEqual([5, 3, 2])
    const [x, w] = [ref([7, 5]), ref([3, 5])]
    const { input, weight, bias } = linearBackward(ref([7, 3]), x, w)
    const all = [linear(x, w, null), linear(x, w, ref([3])), input, weight, bias]
    expect(all.map((r) => r.roundings)).toEqual([5, 6, 3, 7, 6])

    const options = { stride: [1, 1], padding: [0, 0], dilation: [1, 1] } as const
    const [image, kernel] = [ref([2, 3, 4, 6]), ref([5, 3, 2, 2])]
    const conv = conv2dBackward(ref([2, 5, 3, 5]), image, kernel, options)
    const out = [conv2d(image, kernel, null, options), conv2d(image, kernel, ref([5]), options)]
    expect([...out, conv.input, conv.weight, conv.bias].map((r) => r.roundings)).toEqual([12, 13, 20, 30, 29])

    const sums = addBackward(ref([2, 3, 4]), ref([2, 3, 4]), ref([3]))
    expect([add(a, a), sums.a, sums.b].map((r) => r.roundings)).toEqual([1, 0, 7])
    const pool = maxPool2dBackward(ref([1, 1, 1, 3], [1, 1, 1]), Int32Array.of(2, 2, 0), [1, 1, 1, 4])
    expect([relu(a), reluBackward(a, a), pool].map((r) => r.roundings)).toEqual([0, 0, 1])
    const signs = maxPool2dBackward(ref([1, 1, 1, 3], [1, -2, 4]), Int32Array.of(2, 2, 0), [1, 1, 1, 4])
    expect([...signs.magnitude]).toEqual([4, 0, 3, 0])
  })
})

describe('the rules at kinks and edges', () => {
  it('relu: zero at zero, NaN passes', () => {
    const x = ref([4], [-1, 0, 2, Number.NaN])
    expect([...relu(x).data]).toEqual([0, 0, 2, Number.NaN])
    expect([...reluBackward(ref([4], [5, 6, 7, 8]), x).data]).toEqual([0, 0, 7, 8])
  })

  it('maxPool2d: the first of equal maxima wins, a NaN beats all, padding never wins', () => {
    const options = { kernelSize: [2, 2], stride: [2, 2], padding: [0, 0] } as const
    const x = ref([1, 1, 2, 6], [3, 3, 1, Number.NaN, -Infinity, -Infinity, 3, 3, Number.NaN, 9, -Infinity, -Infinity])
    const { data, indices } = maxPool2d(x, options)
    expect([...data]).toEqual([3, Number.NaN, -Infinity])
    expect([...indices]).toEqual([0, 8, 4])
    expect([...maxPool2dBackward(ref([1, 1, 1, 3], [1, 2, 4]), indices, x.shape).data]).toEqual(
      // The last NaN of its window has the gradient.
      [1, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0],
    )
    const negative = maxPool2d(ref([1, 1, 1, 1], [-2]), { kernelSize: [3, 3], stride: [1, 1], padding: [1, 1] })
    expect([...negative.data]).toEqual([-2])
  })

  it('crossEntropy: huge logits, one class, no rows, a bad label', () => {
    expect([...crossEntropy(ref([2, 2], [1e4, -1e4, 3e38, -3e38]), [1, 0], 'none').data]).toEqual([2e4, 0])
    expect([...crossEntropy(ref([2, 1], [7, -7]), [0, 0], 'mean').data]).toEqual([0])
    expect([...crossEntropy(ref([0, 3]), [], 'mean').data]).toEqual([Number.NaN])
    expect([...crossEntropy(ref([0, 3]), [], 'sum').data]).toEqual([0])
    expect(() => crossEntropy(ref([1, 3]), [3], 'mean')).toThrow('crossEntropy: label 3 of row 0 is not from 0 to 2')
  })

  it('gatherRows: bytes of the chosen rows, over 255', () => {
    const bytes = { shape: [3, 2], data: Uint8Array.of(0, 51, 102, 153, 204, 255) }
    const out = gatherRows(bytes, [2, 0, 2])
    expect(out.shape).toEqual([3, 2])
    expect([...out.data]).toEqual([0.8, 1, 0, 0.2, 0.8, 1])
    expect(() => gatherRows(bytes, [3])).toThrow('gatherRows: no row 3')
  })

  it('sgdStep: two steps by hand, in powers of two', () => {
    const options = { lr: 0.5, momentum: 0.5, dampening: 0.25, weightDecay: 0.25 }
    const first = sgdStep(ref([1], [4]), ref([1], [1]), null, options)
    // Gradient 1 + 0.25·4 = 2 is the first buffer, undampened; then 4 − 0.5·2.
    expect([first.buffer!.data[0], first.param.data[0]]).toEqual([2, 3])
    const second = sgdStep(first.param, ref([1], [1]), first.buffer, options)
    // 0.5·2 + 0.75·(1 + 0.25·3) = 2.3125; 3 − 0.5·2.3125.
    expect([second.buffer!.data[0], second.param.data[0]]).toEqual([2.3125, 1.84375])
    const nesterov = sgdStep(ref([1], [4]), ref([1], [1]), ref([1], [2]), { lr: 1, momentum: 0.5, nesterov: true })
    // Buffer 0.5·2 + 1 = 2, direction 1 + 0.5·2.
    expect([nesterov.buffer!.data[0], nesterov.param.data[0]]).toEqual([2, 2])
    expect(sgdStep(ref([1], [4]), ref([1], [1]), null, { lr: 1, maximize: true })).toMatchObject({ buffer: null })
    expect(sgdStep(ref([1], [4]), ref([1], [1]), null, { lr: 1, maximize: true }).param.data[0]).toBe(5)
  })
})
