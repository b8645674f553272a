// What only crossEntropy promises: labels, ignored rows, large logits, non-finite values.
import { beforeAll, describe, expect, it } from 'vitest'
import { gatherBatch } from '../../../src/kernels/gather.ts'
import * as wgsl from '../../../src/kernels/generated/wgsl.ts'
import { add, crossEntropy, KernelFile, noGrad, scope, type Tensor } from '../../../src/node/index.ts'
import { lentTo } from '../../operations/memory.ts'
import { fill, mulberry32 } from '../../support/arbitraries.ts'
import { bitsOf, dispose, expectExact, expectTensor, tensorOf } from '../../support/check.ts'
import { messageOf, parameter, tensor, testGpu, values } from '../../support/gpu.ts'
import { type Ref, ref } from '../../support/ref.ts'
import { crossEntropyBackward, crossEntropy as crossEntropyReference, type Reduction } from './reference.ts'

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

/** Labels that were computed on the GPU: those of these rows. */
function gathered(labels: readonly number[], rows: readonly number[]): Tensor {
  const images = tensor(new Uint8Array(labels.length), [labels.length])
  const source = { images: [images], labels: tensor(Uint8Array.from(labels)), index: tensor(Int32Array.from(rows)) }
  return gatherBatch(source, { first: 0, count: rows.length }, 1).labels
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

  it('adds up the exponentials of many classes without losing them in the sum', async () => {
    const C = 100_000
    const next = mulberry32(7)
    const x = parameter(
      Float32Array.from({ length: C }, () => Math.fround((10 * next()) / 2 ** 32)),
      [1, C],
    )
    const given = await values(x)
    const loss = crossEntropy(x, Int32Array.of(17))
    loss.backward()
    const most = given.reduce((a, b) => Math.max(a, b))
    const z = given.reduce((sum, v) => sum + Math.exp(v - most), 0)
    // Each sum has at most 64 terms, and an exponential is right to 4 units at its argument's size.
    expect(Math.abs((await values(loss))[0]! - (Math.log(z) + most - given[17]!))).toBeLessThan(4e-6)
    const total = (await values(x.grad)).reduce((sum, v) => sum + v, 0)
    expect(Math.abs(total)).toBeLessThan(4e-6)
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
    const params = {
      N: 3,
      C: 3,
      labelBytes: 0,
      ignore: -100,
      each: 1,
      mean: 0,
      needX: 0,
      counted: 0,
      n0: 0,
      more: 0,
      last: 1,
    }
    const x = tensor([nan, 1, 2, 1, nan, 2, 1, 2, nan])
    const labels = tensor(Int32Array.of(1, 0, 0))
    const made = (size: number) => tensor(new Float32Array(size))
    const [loss, rows, dx, dy] = [made(3), made(16), made(9), tensor([1, 1, 1])]
    const common = { params, x: x.storage, labels: labels.storage }
    const forward = { ...common, rows: rows.storage, out: loss.storage }
    gpu.emit(new KernelFile('cross_entropy', laundered).entry('forward'), forward, 1)
    const backward = { ...common, saved_rows: rows.storage, saved_state: null, dy: dy.storage, dx: dx.storage }
    gpu.emit(new KernelFile('cross_entropy', laundered).entry('backward'), backward, 1)
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
    const target = gathered([1, 3, 200, 2], [0, 1, 2])
    const logits = parameter(fill(9, 1, 'normal'), [3, 3])
    target.storage.integerRange = null
    const out = crossEntropy(logits, target, { reduction: 'none' })
    out.backward(tensor([1, 1, 1]))
    expect([...(await values(out))].map(Number.isNaN)).toEqual([false, true, true])
    const gradients = [...(await values(logits.grad))].map(Number.isNaN)
    expect(gradients).toEqual([false, false, false, true, true, true, true, true, true])
  })
})

describe('one dispatch for the loss of crossEntropy and its gradient', () => {
  const make = (n: number, classes: number) => {
    const logits = parameter(fill(n * classes, 21, 'normal'), [n, classes])
    return { logits, labels: tensor(labelsOf(n, classes, 22)) }
  }

  it.each(['mean', 'sum'] as const)(
    'is all there is in training, also for thousands of rows: %s',
    async (reduction) => {
      const gpu = await testGpu()
      for (const n of [1, 256, 257, 4096]) {
        const { logits, labels } = make(n, 3)
        const before = gpu.dispatches
        const out = crossEntropy(logits, labels, { reduction })
        expect(gpu.dispatches - before).toBe(1)
        out.backward()
        expect(gpu.dispatches - before).toBe(1)
      }
    },
  )

  it('has the bits of several dispatches', async () => {
    for (const [n, classes] of [
      [1, 1],
      [70, 10],
      [256, 10],
      [300, 3],
    ] as const) {
      for (const reduction of ['mean', 'sum'] as const) {
        const { logits, labels } = make(n, classes)
        crossEntropy(logits, labels, { reduction }).backward()
        const ready = await bitsOf(logits.grad)
        logits.grad = null
        crossEntropy(logits, labels, { reduction }).backward(tensor(1))
        expect(await bitsOf(logits.grad)).toEqual(ready)
      }
    }
    // A row more than one workgroup takes; it is ignored.
    const { logits, labels } = make(4096, 3)
    const more = { logits: parameter([...(await values(logits)), 1, 2, 3], [4097, 3]), labels: new Int32Array(4097) }
    more.labels.set([...((await labels.data()) as Int32Array), -100])
    const losses = [crossEntropy(logits, labels), crossEntropy(more.logits, more.labels)]
    for (const loss of losses) loss.backward()
    expect(await bitsOf(losses[0]!)).toEqual(await bitsOf(losses[1]!))
    expect(await bitsOf(logits.grad)).toEqual((await bitsOf(more.logits.grad)).slice(0, -3))
  })

  it('computes no gradient where none is wanted', async () => {
    const gpu = await testGpu()
    const { logits, labels } = make(256, 10)
    const bytesFor = (run: () => unknown) =>
      lentTo(gpu, () => void scope(run)).reduce((sum, { byteLength }) => sum + byteLength, 0)
    const wanted = bytesFor(() => crossEntropy(logits, labels))
    const without = [
      () => noGrad(() => crossEntropy(logits, labels)),
      () => crossEntropy(logits.detach(), labels),
    ] as const
    for (const run of without) expect(bytesFor(run)).toBeLessThan(wanted - 4 * 2550)
  })

  it('keeps the gradient for a second backward, and computes it anew for another gradient', async () => {
    const { logits, labels } = make(5, 3)
    const loss = crossEntropy(logits, labels)
    loss.backward(null, { retainGraph: true })
    const once = await values(logits.grad)
    loss.backward(null, { retainGraph: true })
    expect(await values(logits.grad)).toEqual(once.map((g) => 2 * g))
    loss.backward(tensor(2))
    expect(await values(logits.grad)).toEqual(once.map((g) => 4 * g))
    logits.grad = null
    add(crossEntropy(logits, labels), crossEntropy(logits, labels)).backward()
    expect(await values(logits.grad)).toEqual(once.map((g) => 2 * g))
  })

  it('leaves no memory behind', async () => {
    const gpu = await testGpu()
    const { logits, labels } = make(5, 3)
    const { bytes, tensors } = gpu.memory()
    scope(() => void crossEntropy(logits, labels)) // walked by nobody
    scope(() => crossEntropy(logits, labels).backward())
    logits.grad!.dispose()
    logits.grad = null
    expect(gpu.memory()).toMatchObject({ bytes, tensors })
  })
})

describe('rows that crossEntropy ignores', () => {
  it('add nothing, whatever their logits are; the mean is over the others', async () => {
    const x = [1, 2, nan, nan, 3, 0, inf, -inf]
    for (const [reduction, divisor] of [
      ['mean', 2],
      ['sum', 1],
    ] as const) {
      const logits = parameter(x, [4, 2])
      const out = crossEntropy(logits, Int32Array.of(1, -100, 0, -100), { reduction })
      out.backward()
      const few = parameter([1, 2, 3, 0], [2, 2])
      const expected = crossEntropy(few, Int32Array.of(1, 0), { reduction })
      expected.backward()
      expect(await bitsOf(out)).toEqual(await bitsOf(expected))
      const [a, b, c, d] = await values(few.grad)
      expect([...(await values(logits.grad))]).toEqual([a, b, 0, 0, c, d, 0, 0])
      const soft = 1 / (1 + Math.exp(-1))
      expect(b).toBeCloseTo((soft - 1) / divisor, 6)
    }
  })

  it('of all rows leave the mean NaN, the sum 0 and the gradient 0, as in PyTorch', async () => {
    for (const [reduction, loss] of [
      ['mean', [nan]],
      ['sum', [0]],
      ['none', [0, 0]],
    ] as const) {
      const logits = parameter([1, 2, 3, 4], [2, 2])
      const out = crossEntropy(logits, Int32Array.of(7, 7), { reduction, ignoreIndex: 7 })
      out.backward(reduction === 'none' ? tensor([1, 1]) : null)
      expect([...(await values(out))]).toEqual(loss)
      expect([...(await values(logits.grad))]).toEqual([0, 0, 0, 0])
    }
  })

  it.each(['mean', 'sum'] as const)('appended change no bit: %s', async (reduction) => {
    const x = fill(200 * 3, 11, 'normal')
    const labels = labelsOf(200, 3, 12)
    const run = async (n: number) => {
      const logits = parameter(x.slice(0, 3 * n), [n, 3])
      const out = crossEntropy(logits, Int32Array.from(labels.slice(0, n)).fill(-100, 41), { reduction })
      out.backward()
      return [...(await bitsOf(out)), ...(await bitsOf(logits.grad)).slice(0, 3 * 41)]
    }
    const alone = await run(41)
    for (const n of [42, 64, 65, 200]) expect(await run(n)).toEqual(alone)
  })

  it('are passed by the host where it knows only the range of the labels', async () => {
    const logits = tensor(fill(12, 1, 'normal'), [4, 3])
    // -3 lies in the range that the ignored label opens: the device finds it.
    const found = await values(crossEntropy(logits, tensor(Int32Array.of(-100, 2, -3, 0)), { reduction: 'none' }))
    expect([...found].map(Number.isNaN)).toEqual([false, false, true, false])
    expect(found[0]).toBe(0)
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
      'crossEntropy: label 255 is not a class; logits have 3 classes, 0 to 2',
    )
    expect(message(gathered([0, 1, 9], [2, 0]))).toBe(
      'crossEntropy: label 9 is not a class; logits have 3 classes, 0 to 2',
    )
  })
})
