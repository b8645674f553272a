import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { gatherIntegers } from '../../src/kernels/gather.ts'
import * as wgsl from '../../src/kernels/wgsl.ts'
import { crossEntropy, Kernel } from '../../src/node/index.ts'
import { fill, mulberry32, sizes, sizesFrom } from '../support/arbitraries.ts'
import { messageOf, parameter, tensor, testGpu, values } from '../support/gpu.ts'
import {
  crossEntropyBackward,
  crossEntropy as crossEntropyReference,
  type Reduction,
  type Ref,
  ref,
} from '../support/reference.ts'
import { bitsOf, dispose, dot, expectExact, expectTensor, tensorOf } from './check.ts'

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
  it('equals the reference on random shapes and scales', async () => {
    const cases = fc
      .record({
        n: sizes,
        classes: sizesFrom(1),
        seed: fc.nat(1e6),
        scale: fc.constantFrom(0.01, 1, 30, 1e4),
        reduction: fc.constantFrom(...REDUCTIONS),
        bytes: fc.boolean(),
      })
      .filter(({ n, classes }) => n * classes <= 20_000)
    await fc.assert(
      fc.asyncProperty(cases, async ({ n, classes, seed, scale, reduction, bytes }) => {
        const x = ref(
          [n, classes],
          fill(n * classes, seed, 'normal').map((v) => v * scale),
        )
        const labels = labelsOf(n, Math.min(classes, 256), seed)
        await check(x, bytes ? Uint8Array.from(labels) : labels, reduction)
      }),
      { seed: 1, numRuns: 60 },
    )
  })

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

  it('asks for no gradient of constant logits', () => {
    expect(crossEntropy(tensor([[1, 2]]), Int32Array.of(0)).requiresGrad).toBe(false)
  })
})

describe('crossEntropy with numbers that are not finite', () => {
  it('keeps NaN in its row', async () => {
    for (const at of [0, 1, 2]) {
      const data = fill(12, 1, 'normal')
      data[3 + at] = nan
      const logits = parameter(data, [4, 3])
      const out = crossEntropy(logits, Int32Array.of(0, 1, 2, 0), { reduction: 'none' })
      out.backward(tensor([1, 1, 1, 1]))
      expect([...(await values(out))].map(Number.isNaN)).toEqual([false, true, false, false])
      expect([...(await values(logits.grad))].map(Number.isNaN)).toEqual(Array.from(data, (_, i) => i >= 3 && i < 6))
      for (const reduction of ['mean', 'sum'] as const) {
        const total = crossEntropy(logits, Int32Array.of(0, 1, 2, 0), { reduction })
        expect(Number.isNaN((await values(total))[0])).toBe(true)
      }
    }
  })

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

  it('passes a NaN of the gradient to its row alone', async () => {
    const logits = parameter(fill(6, 1, 'normal'), [2, 3])
    crossEntropy(logits, Int32Array.of(1, 0), { reduction: 'none' }).backward(tensor([nan, 1]))
    expect([...(await values(logits.grad))].map(Number.isNaN)).toEqual([true, true, true, false, false, false])
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

describe('the algebra of crossEntropy', () => {
  it('has gradients whose rows sum to 0', async () => {
    const x = ref(
      [50, 10],
      fill(500, 3, 'normal').map((v) => 5 * v),
    )
    const labels = labelsOf(50, 10, 4)
    const logits = parameter(x.data, x.shape)
    crossEntropy(logits, labels, { reduction: 'sum' }).backward()
    const { bound } = crossEntropyBackward(ref([], [1]), x, labels, 'sum')
    const dx = await values(logits.grad)
    const ones = new Float64Array(10).fill(1)
    for (let row = 0; row < 50; row++) {
      const sum = (data: Float32Array | Float64Array) => dot(data.slice(10 * row, 10 * row + 10), ones)
      expect(Math.abs(sum(dx))).toBeLessThanOrEqual(sum(bound))
    }
  })

  it('does not change when a whole number is added to all whole logits of a row', async () => {
    const x = fill(320, 5, 'smallInts')
    const labels = labelsOf(32, 10, 6)
    const run = async (shift: number) => {
      const logits = parameter(
        x.map((v, i) => v + shift * (1 + Math.floor(i / 10))),
        [32, 10],
      )
      const out = crossEntropy(logits, labels, { reduction: 'none' })
      out.backward(tensor(fill(32, 7, 'normal')))
      return [await bitsOf(out), await bitsOf(logits.grad)]
    }
    const unshifted = await run(0)
    for (const shift of [0, 1, -1000, 65_536]) expect(await run(shift)).toEqual(unshifted)
  })

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
  const logits = () => tensorOf(ref([2, 3]))

  it.each<[string, () => unknown, string]>([
    [
      'a label past the last class',
      () => crossEntropy(logits(), Int32Array.of(0, 3)),
      'crossEntropy: label 3 is no class; logits have 3 classes, 0 to 2',
    ],
    [
      'a negative label',
      () => crossEntropy(logits(), Int32Array.of(-1, 5)),
      'crossEntropy: label -1 is no class; logits have 3 classes, 0 to 2',
    ],
    [
      'such a label in a tensor',
      () => crossEntropy(logits(), tensor(Uint8Array.of(0, 255))),
      'crossEntropy: label 255 is no class; logits have 3 classes, 0 to 2',
    ],
    [
      'such a label in gathered labels',
      () => {
        const bytes = tensor(Uint8Array.of(0, 1, 9))
        const selection = { index: tensor(Int32Array.of(2, 0)), first: 0, count: 2 }
        return crossEntropy(logits(), gatherIntegers(bytes, selection))
      },
      'crossEntropy: label 9 is no class; logits have 3 classes, 0 to 2',
    ],
    [
      'logits of integers',
      () => crossEntropy(tensor(new Int32Array(6), [2, 3]), Int32Array.of(0, 0)),
      'crossEntropy: logits must be float32, it is int32',
    ],
    [
      'labels that are numbers with a fraction',
      () => crossEntropy(logits(), tensor([0, 1])),
      'crossEntropy: target must be int32 or uint8, it is float32',
    ],
    [
      'logits of one dimension',
      () => crossEntropy(tensor([1, 2]), Int32Array.of(0)),
      'crossEntropy: logits has 1 dimensions, 2 are needed (N C)\n  logits [2]',
    ],
    [
      'labels of two dimensions',
      () => crossEntropy(logits(), tensor(new Int32Array(2), [2, 1])),
      'crossEntropy: target has 2 dimensions, 1 are needed (N)\n  target [2, 1]',
    ],
    [
      'more labels than rows',
      () => crossEntropy(logits(), new Int32Array(12)),
      'crossEntropy: target has 12 labels, logits have 2 rows\n  logits [2, 3]  N C\n  target [12]    N',
    ],
    [
      'an unknown reduction',
      () => crossEntropy(logits(), new Int32Array(2), { reduction: 'median' as 'mean' }),
      "crossEntropy: reduction must be 'mean', 'sum' or 'none', not 'median'",
    ],
    [
      'an option it does not have',
      () => crossEntropy(logits(), new Int32Array(2), { labelSmoothing: 0.1 } as object),
      'crossEntropy: unknown option labelSmoothing; known: reduction',
    ],
  ])('%s', (_, run, message) => {
    expect(messageOf(run)).toBe(message)
  })

  it('with RangeError and TypeError where shapes are not the matter', () => {
    expect(() => crossEntropy(logits(), Int32Array.of(0, 3))).toThrow(RangeError)
    expect(() => crossEntropy(logits(), tensor([0, 1]))).toThrow(TypeError)
  })
})
