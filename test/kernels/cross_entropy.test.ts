import { beforeAll, describe, expect, it } from 'vitest'
import { gatherIntegers } from '../../src/kernels/gather.ts'
import * as wgsl from '../../src/kernels/wgsl.ts'
import { crossEntropy, Kernel, type Tensor } from '../../src/node/index.ts'
import { fill, mulberry32 } from '../support/arbitraries.ts'
import { messageOf, parameter, tensor, testGpu, values } from '../support/gpu.ts'
import {
  crossEntropyBackward,
  crossEntropy as crossEntropyReference,
  type Reduction,
  type Ref,
  ref,
} from '../support/reference.ts'
import { bitsOf, dispose, expectExact, expectTensor, tensorOf } from './check.ts'

beforeAll(testGpu)

const REDUCTIONS = ['mean', 'sum', 'none'] as const
const { NaN: nan, POSITIVE_INFINITY: inf } = Number

function labelsOf(n: number, classes: number, seed: number): Int32Array {
  const next = mulberry32(seed)
  return Int32Array.from({ length: n }, () => next() % classes)
}

/** Holds loss and gradient to the oracle. */
async function check(x: Ref, labels: Int32Array | Uint8Array, reduction: Reduction): Promise<void> {
  const dy = reduction === 'none' ? ref([labels.length], fill(labels.length, 8, 'normal')) : ref([], [-0.75])
  const logits = parameter(x.data, x.shape)
  const out = crossEntropy(logits, labels, { reduction })
  const gradient = tensorOf(dy)
  out.backward(gradient)
  await expectTensor(out, crossEntropyReference(x, labels, reduction), `${reduction} loss`)
  await expectTensor(logits.grad, crossEntropyBackward(dy, x, labels, reduction), `${reduction} dx`)
  dispose(logits, out, gradient)
}

describe('crossEntropy', () => {
  it.each(REDUCTIONS)('stays right at the ends of the range: %s', async (reduction) => {
    for (const big of [1e4, 3e38]) {
      const x = ref([5, 3], [big, 0, -big, -big, -big, -big, big, big, big, 0, -big, 1, 1, big, 2])
      await check(x, Int32Array.of(0, 1, 2, 2, 1), reduction)
    }
    // 3e38 - -3e38 is more than float32 holds: the loss of the small one is infinite, and rightly so.
    const logits = parameter([3e38, -3e38, 1e4, -1e4], [2, 2])
    const losses = crossEntropy(logits, Int32Array.of(1, 1), { reduction })
    losses.backward(reduction === 'none' ? tensor([1, 1]) : null)
    expect([...(await values(losses))]).toEqual(reduction === 'none' ? [inf, 2e4] : [inf])
    const scale = reduction === 'mean' ? 0.5 : 1
    expect([...(await values(logits.grad))]).toEqual([1, -1, 1, -1].map((g) => g * scale))
  })

  it.each(REDUCTIONS)('is log C for equal logits and 0 for one class: %s', async (reduction) => {
    for (const value of [0, -7, 1e30]) {
      const x = ref([33, 10], new Float64Array(330).fill(value))
      await check(x, labelsOf(33, 10, 1), reduction)
    }
    const logits = parameter(fill(40, 1, 'normal'), [40, 1])
    const out = crossEntropy(logits, new Int32Array(40), { reduction })
    out.backward(reduction === 'none' ? tensor(fill(40, 2, 'normal')) : null)
    expect((await values(out)).every((v) => v === 0)).toBe(true)
    expect((await values(logits.grad)).every((v) => v === 0)).toBe(true)
  })

  it('is NaN as the mean of no rows, else 0 or nothing', async () => {
    for (const [reduction, expected] of [
      ['mean', [nan]],
      ['sum', [0]],
      ['none', []],
    ] as const) {
      const logits = parameter([], [0, 4])
      const out = crossEntropy(logits, new Int32Array(0), { reduction })
      out.backward(reduction === 'none' ? tensor([]) : null)
      expect([...(await values(out))]).toEqual(expected)
      await expectExact(logits.grad, ref([0, 4]), 'dx')
    }
  })

  it('takes labels as arrays or tensors, of bytes or integers, with the same bits', async () => {
    const x = tensor(fill(37 * 5, 1, 'normal'), [37, 5])
    const labels = labelsOf(37, 5, 2)
    const bytes = Uint8Array.from(labels)
    const loss = (target: Parameters<typeof crossEntropy>[1]) => bitsOf(crossEntropy(x, target, { reduction: 'none' }))
    const expected = await loss(labels)
    for (const target of [bytes, tensor(labels), tensor(bytes)]) expect(await loss(target)).toEqual(expected)
    expect(await bitsOf(crossEntropy(x, labels))).toEqual(await bitsOf(crossEntropy(x, labels, { reduction: 'mean' })))
  })
})

describe('crossEntropy with numbers that are not finite', () => {
  it('finds NaN by its bits, also where exp and log would launder it', async () => {
    const gpu = await testGpu()
    const laundered = ['exp', 'log'].reduce(
      (code, f) =>
        `${code.replaceAll(`${f}(`, `tame_${f}(`)}
        fn tame_${f}(v: f32) -> f32 { return select(${f}(v), 1.0, is_nan(v)); }`,
      wgsl.cross_entropy,
    )
    const params = { N: 3, C: 3, label_bytes: 0, dy_stride: 1, divisor: 1 }
    const x = tensor([nan, 1, 2, 1, nan, 2, 1, 2, nan])
    const labels = tensor(Int32Array.of(1, 0, 0))
    const made = (size: number) => tensor(new Float32Array(size))
    const [loss, stats, dx, dy] = [made(3), made(6), made(9), tensor([1, 1, 1])]
    const common = { params, x: x.storage, labels: labels.storage }
    const forward = { ...common, loss_out: loss.storage, stats_out: stats.storage }
    gpu.emit(new Kernel('cross_entropy', laundered, 'forward'), forward, 1)
    const backward = { ...common, stats: stats.storage, dy: dy.storage, dx: dx.storage }
    gpu.emit(new Kernel('cross_entropy', laundered, 'backward'), backward, 1)
    expect([...(await values(loss))]).toEqual(Array(3).fill(nan))
    expect([...(await values(dx))]).toEqual(Array(9).fill(nan))
  })

  it('takes a logit of -Infinity as probability 0', async () => {
    const logits = parameter([-inf, 0, 0, -inf, 0, 0], [2, 3])
    const out = crossEntropy(logits, Int32Array.of(1, 0), { reduction: 'none' })
    out.backward(tensor([1, 1]))
    const [first, second] = await values(out)
    expect(first).toBeCloseTo(Math.LN2, 6)
    expect(second).toBe(inf)
    expect([...(await values(logits.grad))]).toEqual([0, -0.5, 0.5, -1, 0.5, 0.5])
  })

  it('gives NaN for a row with a logit of Infinity, and for one of -Infinity alone, as PyTorch does', async () => {
    const logits = parameter([inf, 0, 1, -inf, -inf, -inf, 0, 0, 0], [3, 3])
    const out = crossEntropy(logits, Int32Array.of(1, 0, 2), { reduction: 'none' })
    out.backward(tensor([1, 1, 1]))
    expect([...(await values(out))].map(Number.isNaN)).toEqual([true, true, false])
    expect([...(await values(logits.grad))].map(Number.isNaN)).toEqual([...Array(6).fill(true), false, false, false])
  })

  it('gives NaN for a label that is no class where the host cannot see it', async () => {
    // Rows of two bytes: labels gathered as a matrix carry no range.
    const index = tensor(Int32Array.of(0, 1, 2))
    const pairs = gatherIntegers(tensor(Uint8Array.of(1, 3, 200, 2), [4, 1]), { index, first: 0, count: 3 })
    const target = pairs.reshape([3])
    const logits = parameter(fill(9, 1, 'normal'), [3, 3])
    target.storage.integerRange = null
    const out = crossEntropy(logits, target, { reduction: 'none' })
    out.backward(tensor([1, 1, 1]))
    expect([...(await values(out))].map(Number.isNaN)).toEqual([false, true, true])
    const gradients = [...(await values(logits.grad))].map(Number.isNaN)
    expect(gradients).toEqual([false, false, false, true, true, true, true, true, true])
  })
})

describe('the order of crossEntropy’s sums', () => {
  it('adds the rows in blocks, so that N decides nothing but the number of terms', async () => {
    const x = fill(64 * 4, 5, 'normal')
    const labels = labelsOf(64, 4, 6)
    const sum = async (from: number, to: number) => {
      const logits = tensor(x.slice(4 * from, 4 * to), [to - from, 4])
      return (await values(crossEntropy(logits, labels.slice(from, to), { reduction: 'sum' })))[0]!
    }
    expect(await sum(0, 64)).toBe(Math.fround((await sum(0, 32)) + (await sum(32, 64))))
  })
})

describe('crossEntropy refuses', () => {
  it('a label that is no class also in tensors and in gathered labels', () => {
    const logits = tensorOf(ref([2, 3]))
    const message = (target: Tensor) => messageOf(() => crossEntropy(logits, target))
    expect(message(tensor(Uint8Array.of(0, 255)))).toBe(
      'crossEntropy: label 255 is no class; logits have 3 classes, 0 to 2',
    )
    const selection = { index: tensor(Int32Array.of(2, 0)), first: 0, count: 2 }
    expect(message(gatherIntegers(tensor(Uint8Array.of(0, 1, 9)), selection))).toBe(
      'crossEntropy: label 9 is no class; logits have 3 classes, 0 to 2',
    )
  })
})
