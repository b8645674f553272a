// The totals that cross-entropy counts for a training loop: loss, rows, right ones, non-finite values.
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { countedCrossEntropy } from '../../../src/kernels/cross_entropy.ts'
import { lossIn, newTotals } from '../../../src/kernels/totals.ts'
import { crossEntropy } from '../../../src/node/index.ts'
import { type FillKind, fill, mulberry32 } from '../../support/arbitraries.ts'
import { bitsOf } from '../../support/check.ts'
import { messageOf, Tensor, tensor, testGpu } from '../../support/gpu.ts'

beforeAll(testGpu)

const { NaN: nan, POSITIVE_INFINITY: inf } = Number
const IGNORED = -100

interface Totals {
  correct: number
  rows: number
  loss: number
}

async function read(totals: Tensor): Promise<Totals> {
  const words = (await totals.data()) as Int32Array
  return { correct: words[0]!, rows: words[1]!, loss: lossIn(words) }
}

/** Clock and code of what was not finite. */
async function noteIn(totals: Tensor): Promise<number[]> {
  return [...(await totals.data())].slice(3, 5)
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

interface Batches {
  sizes: readonly number[]
  classes: number
  bytes: boolean
  /** How many of ten rows are ignored; none where labels are bytes, which cannot be -100. */
  ignored: number
  kind: FillKind
  seed: number
}

/** Counts one batch after the other and holds the totals to a count on the host. */
async function check({ sizes, classes, bytes, ignored, kind, seed }: Batches) {
  const totals = tensor(newTotals())
  const next = mulberry32(seed)
  const expected: Totals = { correct: 0, rows: 0, loss: 0 }
  for (const [i, n] of sizes.entries()) {
    const logits = fill(n * classes, seed + i, kind)
    const labels = Int32Array.from({ length: n }, () => (!bytes && next() % 10 < ignored ? IGNORED : next() % classes))
    const target = tensor(bytes ? Uint8Array.from(labels) : labels)
    const loss = countedCrossEntropy(tensor(logits, [n, classes]), target, totals)
    expect(await bitsOf(loss)).toEqual(await bitsOf(crossEntropy(tensor(logits, [n, classes]), target)))
    const rows = labels.filter((label) => label !== IGNORED).length
    expected.correct += correctRows(logits, classes, labels)
    expected.rows += rows
    expected.loss += await crossEntropy(tensor(logits, [n, classes]), target, { reduction: 'sum' }).item()
  }
  const { correct, rows, loss } = await read(totals)
  expect({ correct, rows }).toEqual({ correct: expected.correct, rows: expected.rows })
  // Sums of a few float32 have all their digits in float64.
  expect(loss).toBe(expected.loss)
  expect(await noteIn(totals)).toEqual([-1, -1])
}

describe('the totals of crossEntropy', () => {
  it('count right rows and add losses over random batches, ties to the first largest logit', async () => {
    const cases = fc.record<Batches>({
      sizes: fc.array(fc.constantFrom(1, 2, 3, 31, 63, 64, 65, 96, 200, 300), { minLength: 1, maxLength: 4 }),
      classes: fc.constantFrom(1, 2, 3, 10, 33),
      bytes: fc.boolean(),
      ignored: fc.constantFrom(0, 3, 9),
      kind: fc.constantFrom<FillKind>('normal', 'ties', 'smallInts'),
      seed: fc.nat(1e6),
    })
    await fc.assert(fc.asyncProperty(cases, check), { seed: 1, numRuns: 30 })
  })

  it('are the same of more rows than one dispatch takes', () =>
    check({ sizes: [5000, 4097, 7], classes: 2, bytes: false, ignored: 1, kind: 'ties', seed: 5 }))

  it('are those of the epoch of many batches, the last a smaller one', () =>
    check({
      sizes: [...Array<number>(40).fill(64), 17],
      classes: 10,
      bytes: true,
      ignored: 0,
      kind: 'normal',
      seed: 5,
    }))

  it('take the first of equal logits, and -Infinity for smaller than any number', async () => {
    const totals = tensor(newTotals())
    const logits = tensor([0, 0, 0, 1, 2, 2, -inf, -3e38, -inf, -inf, -inf, -inf, inf, 3e38, inf], [5, 3])
    countedCrossEntropy(logits, tensor(Int32Array.of(0, 1, 1, 0, 0)), totals)
    expect(await read(totals)).toMatchObject({ correct: 5, rows: 5 })
    countedCrossEntropy(logits, tensor(Int32Array.of(1, 2, 0, 1, 2)), totals)
    expect(await read(totals)).toMatchObject({ correct: 5, rows: 10 })
  })

  it('leave a loss that is NaN or infinite out of the sum, and note the rows up to the end of its batch', async () => {
    const good = tensor([[1, 0]])
    const loss = 3 * (await crossEntropy(good, Int32Array.of(1)).item())
    for (const [logits, code] of [
      [[3e38, -3e38], 1],
      [[0, -inf], 0],
      [[nan, 0], 0],
      [[inf, 0], 0],
    ] as const) {
      const totals = tensor(newTotals())
      for (const x of [good, good, tensor([...logits], [1, 2]), good]) {
        countedCrossEntropy(x, tensor(Int32Array.of(1)), totals)
      }
      expect(await read(totals)).toEqual({ correct: 0, rows: 4, loss })
      expect(await noteIn(totals)).toEqual([3, code])
    }
  })

  it('hold a sum of losses beyond float32, and note a batch whose own sum overflows', async () => {
    const totals = tensor(newTotals())
    const apart = tensor([[1e38, -1e38]])
    for (let i = 0; i < 3; i++) countedCrossEntropy(apart, tensor(Int32Array.of(1)), totals)
    expect([await read(totals), await noteIn(totals)]).toEqual([
      { correct: 0, rows: 3, loss: 3 * (await crossEntropy(apart, Int32Array.of(1)).item()) },
      [-1, -1],
    ])
    const two = tensor([1e38, -1e38, 1e38, -1e38], [2, 2])
    countedCrossEntropy(two, tensor(Int32Array.of(1, 1)), totals)
    expect(await noteIn(totals)).toEqual([5, 1])
  })

  it('keep an earlier note', async () => {
    const totals = tensor(Int32Array.from(newTotals(), (word, i) => [0, 5, 0, 5, 9][i] ?? word))
    countedCrossEntropy(tensor([[nan, 0]]), tensor(Int32Array.of(0)), totals)
    expect(await noteIn(totals)).toEqual([5, 9])
  })

  it('count no row that holds NaN as right', async () => {
    const totals = tensor(newTotals())
    const logits = tensor([nan, 0, 1, nan, 0, 1], [3, 2])
    countedCrossEntropy(logits, tensor(Int32Array.of(0, 0, 1)), totals)
    expect(await read(totals)).toMatchObject({ correct: 1, rows: 3 })
  })

  it('leave ignored rows out, whatever they hold; a batch of them alone changes nothing', async () => {
    for (const more of [0, 4200]) {
      const totals = tensor(newTotals())
      const logits = tensor(new Float32Array((3 + more) * 2).fill(nan), [3 + more, 2])
      logits.gpu.write(logits.storage, Float32Array.of(1, 0))
      const labels = new Int32Array(3 + more).fill(IGNORED)
      countedCrossEntropy(logits, tensor(labels), totals)
      expect(await totals.data()).toEqual(newTotals())
      labels[0] = 0
      const loss = countedCrossEntropy(logits, tensor(labels), totals)
      expect(await read(totals)).toEqual({ correct: 1, rows: 1, loss: await loss.item() })
      expect(await noteIn(totals)).toEqual([-1, -1])
    }
  })

  it('look at no row behind the batch', async () => {
    const totals = tensor(newTotals())
    const logits = tensor(new Float32Array(8).fill(1), [4, 2])
    const labels = tensor(new Uint8Array(4)) // right in every row
    const three = { logits: new Tensor(logits.gpu, logits.storage.retain(), [3, 2], 'float32'), totals }
    countedCrossEntropy(three.logits, new Tensor(labels.gpu, labels.storage.retain(), [3], 'uint8'), totals)
    expect(await read(totals)).toMatchObject({ correct: 3, rows: 3 })
  })

  it('stay as they are for a batch of no rows', async () => {
    const words = Int32Array.from(newTotals(), (word, i) => [3, 4][i] ?? word)
    const totals = tensor(words)
    const loss = countedCrossEntropy(tensor([], [0, 10]), tensor(new Int32Array(0)), totals)
    expect(await loss.item()).toBe(nan)
    expect(await totals.data()).toEqual(words)
  })

  it('refuse to be written after they were released', () => {
    const [totals, logits, target] = [tensor(newTotals()), tensor([[1, 2]]), tensor(Int32Array.of(0))]
    totals.dispose()
    expect(messageOf(() => countedCrossEntropy(logits, target, totals))).toBe(
      "crossEntropy: tensor [14] can't be used any more: dispose() was called on it",
    )
  })
})
