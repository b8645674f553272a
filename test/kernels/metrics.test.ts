import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { newWatch } from '../../src/kernels/finite.ts'
import { accumulateMetrics } from '../../src/kernels/metrics.ts'
import { type FillKind, fill, mulberry32 } from '../support/arbitraries.ts'
import { gamma } from '../support/close.ts'
import { messageOf, Tensor, tensor, testGpu } from '../support/gpu.ts'

beforeAll(testGpu)

interface Totals {
  correct: number
  rows: number
  loss: number
}

async function read(totals: Tensor): Promise<Totals> {
  const words = (await totals.data()) as Int32Array
  return { correct: words[0]!, rows: words[1]!, loss: new Float32Array(words.buffer)[2]! }
}

/** Rows whose first largest logit is at the label. */
function correctRows(logits: Float32Array, classes: number, labels: ArrayLike<number>): number {
  let correct = 0
  for (let n = 0; n < labels.length; n++) {
    const row = logits.slice(n * classes, (n + 1) * classes)
    if (row.indexOf(Math.max(...row)) === labels[n]) correct++
  }
  return correct
}

/** Accumulates one batch after the other and holds the totals to a count on the host. */
async function check(batches: readonly number[], classes: number, bytes: boolean, kind: FillKind, seed: number) {
  const totals = tensor(newWatch())
  const next = mulberry32(seed)
  let expected: Totals = { correct: 0, rows: 0, loss: 0 }
  let magnitude = 0
  for (const [i, n] of batches.entries()) {
    const logits = fill(n * classes, seed + i, kind)
    const labels = Int32Array.from({ length: n }, () => next() % classes)
    const loss = fill(1, seed + 100 + i, kind)[0]!
    const target = tensor(bytes ? Uint8Array.from(labels) : labels)
    accumulateMetrics(totals, tensor(logits, [n, classes]), target, tensor(loss))
    const correct = expected.correct + correctRows(logits, classes, labels)
    expected = { correct, rows: expected.rows + n, loss: expected.loss + loss * n }
    magnitude += Math.abs(loss * n)
  }
  const { correct, rows, loss } = await read(totals)
  expect({ correct, rows }).toEqual({ correct: expected.correct, rows: expected.rows })
  const bound = kind === 'smallInts' ? 0 : gamma(batches.length) * magnitude
  expect(Math.abs(loss - expected.loss)).toBeLessThanOrEqual(bound)
}

describe('accumulateMetrics', () => {
  it('counts right rows and adds losses over random batches, ties to the first largest logit', async () => {
    const cases = fc.record({
      batches: fc.array(fc.constantFrom(1, 2, 3, 31, 63, 64, 65, 96, 200), { minLength: 1, maxLength: 4 }),
      classes: fc.constantFrom(1, 2, 3, 10, 33),
      bytes: fc.boolean(),
      kind: fc.constantFrom<FillKind>('normal', 'ties', 'smallInts'),
      seed: fc.nat(1e6),
    })
    await fc.assert(
      fc.asyncProperty(cases, ({ batches, classes, bytes, kind, seed }) => check(batches, classes, bytes, kind, seed)),
      { seed: 1, numRuns: 40 },
    )
  })

  it('adds the epoch of many batches, the last a smaller one', () =>
    check([...Array(40).fill(64), 17], 10, true, 'smallInts', 5))

  it('takes the first of equal logits, and -Infinity for smaller than any number', async () => {
    const totals = tensor(newWatch())
    const inf = Number.POSITIVE_INFINITY
    const logits = tensor([0, 0, 0, 1, 2, 2, -inf, -3e38, -inf, -inf, -inf, -inf, inf, 3e38, inf], [5, 3])
    accumulateMetrics(totals, logits, tensor(Int32Array.of(0, 1, 1, 0, 0)), tensor(0.5))
    expect(await read(totals)).toEqual({ correct: 5, rows: 5, loss: 2.5 })
    accumulateMetrics(totals, logits, tensor(Int32Array.of(1, 2, 0, 1, 2)), tensor(2))
    expect(await read(totals)).toEqual({ correct: 5, rows: 10, loss: 12.5 })
  })

  it('keeps a loss that is NaN or infinite in the sum', async () => {
    for (const loss of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const totals = tensor(newWatch())
      const logits = tensor([[1, 0]])
      accumulateMetrics(totals, logits, tensor(Int32Array.of(0)), tensor(loss))
      accumulateMetrics(totals, logits, tensor(Int32Array.of(0)), tensor(1))
      expect(await read(totals)).toEqual({ correct: 2, rows: 2, loss })
    }
  })

  it('notes the rows before the first batch whose sum of losses is not finite, and keeps to it', async () => {
    const logits = tensor([[1, 0]])
    const target = tensor(Int32Array.of(0))
    // A mean that is finite, times the rows: the sum overflows at the fourth.
    for (const losses of [
      [1, 2, 3, Number.NaN, 4],
      [1, 2, 3, Number.POSITIVE_INFINITY],
      [1e38, 1e38, 1e38, 1e38, 1],
    ]) {
      const totals = tensor(newWatch())
      for (const loss of losses) accumulateMetrics(totals, logits, target, tensor(loss))
      expect([...(await totals.data())].slice(3)).toEqual([3, 1])
    }
    const totals = tensor(newWatch())
    accumulateMetrics(totals, logits, target, tensor(3.4e38))
    expect([...(await totals.data())].slice(3)).toEqual([-1, -1])
  })

  it('counts no row that holds NaN', async () => {
    const totals = tensor(newWatch())
    const logits = tensor([Number.NaN, 0, 1, Number.NaN, 0, 1], [3, 2])
    accumulateMetrics(totals, logits, tensor(Int32Array.of(0, 0, 1)), tensor(1))
    expect(await read(totals)).toEqual({ correct: 1, rows: 3, loss: 3 })
  })

  it('looks at no row behind the batch', async () => {
    const totals = tensor(new Int32Array(8))
    const logits = tensor(new Float32Array(8).fill(1), [4, 2])
    const labels = tensor(new Uint8Array(4)) // right in every row
    const part = new Tensor(logits.gpu, logits.storage.retain(), [3, 2], 'float32')
    accumulateMetrics(totals, part, labels, tensor(1))
    expect(await read(totals)).toEqual({ correct: 3, rows: 3, loss: 3 })
  })

  it('adds nothing for a batch of no rows', async () => {
    const totals = tensor(Int32Array.of(3, 4, 0, -1, -1))
    accumulateMetrics(totals, tensor([], [0, 10]), tensor(new Int32Array(0)), tensor(Number.NaN))
    expect(await read(totals)).toEqual({ correct: 3, rows: 4, loss: 0 })
  })

  it('refuses a tensor that was released', () => {
    const [totals, logits, target, loss] = [tensor(newWatch()), tensor([[1, 2]]), tensor(Int32Array.of(0)), tensor(1)]
    logits.dispose()
    expect(messageOf(() => accumulateMetrics(totals, logits, target, loss))).toBe(
      "metrics: tensor [1, 2] can't be used any more: dispose() was called on it",
    )
  })
})
