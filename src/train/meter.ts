// Loss and accuracy, summed on the device.
import type { Gpu } from '../gpu/gpu.ts'
import { countedCrossEntropy } from '../kernels/cross_entropy.ts'
import { addExactly, countLoss, newSums, sumsIn } from '../kernels/exact_sum.ts'
import { fromFiveWords, lossIn, newTotals } from '../kernels/totals.ts'
import { tensor } from '../tensor/create.ts'
import type { Tensor } from '../tensor/tensor.ts'

type FirstWords = [number, number, number, number, number]
const NOTHING = 0xffffffff

export interface Totals {
  /** Mean loss over the examples, to float64's digits from the sums of the batches; NaN once something was not finite. */
  readonly loss: number
  /** Share of the examples whose largest logit is at the label. */
  readonly accuracy: number
  readonly count: number
  /**
   * The first batch that held NaN or an infinity, or whose update did: the examples up to its end, and the code of what
   * it was (finite.ts).
   */
  readonly notFinite: { readonly upTo: number; readonly code: number } | null
  /** The sums and the note themselves, for `restore`. */
  readonly words: Int32Array<ArrayBuffer>
  /** What `add` has added up, by its names: each sum rounded once, NaN where something was not finite; and the words of all. */
  readonly sums: ReadonlyMap<string, readonly number[]>
  readonly sumWords: Readonly<Record<string, Int32Array<ArrayBuffer>>>
}

/** How many words `Totals` has. */
export const METER_WORDS = newTotals().length

/** The words of a saved state, those of version 0.1.0 among them; null where there are too many or too few. */
export function meterWords(saved: readonly number[]): Int32Array<ArrayBuffer> | null {
  const words = Int32Array.from(saved)
  if (words.length === METER_WORDS) return words
  return fromFiveWords(words)
}

/**
 * Loss and accuracy summed on the GPU, batch by batch, and a note of the first number that is not finite; only `read`
 * waits for it.
 */
export class Meter {
  readonly #totals: Tensor
  readonly #sums = new Map<string, Tensor>()
  #zero: Tensor | null = null
  /** Sums to continue from that nothing has been added to since. */
  #saved: Readonly<Record<string, Int32Array<ArrayBuffer>>> = {}

  constructor(gpu: Gpu) {
    this.#totals = tensor(newTotals(), [METER_WORDS], { gpu, name: 'totals' }).keep()
  }

  reset(): void {
    this.restore(newTotals())
  }

  /** Continues from words that were read before, to the same bits. */
  restore(words: Int32Array<ArrayBuffer>, sums: Totals['sumWords'] = {}): void {
    if (words.length !== METER_WORDS) throw new RangeError(`Meter: there are ${METER_WORDS} words, not ${words.length}`)
    this.#totals.gpu.write(this.#totals.storage, words)
    this.#saved = sums
    for (const [name, { gpu, storage, size }] of this.#sums) gpu.write(storage, this.#begin(name, size))
  }

  /** The words that a sum begins with. */
  #begin(name: string, size: number): Int32Array<ArrayBuffer> {
    const saved = Object.hasOwn(this.#saved, name) ? this.#saved[name]! : newSums(size / newSums(1).length)
    if (saved.length === size) return saved
    throw new RangeError(
      `fit: from: ${name} has ${size} words, and ${saved.length} were saved; give the metrics of the saved run`,
    )
  }

  /** For `SGD.step`: updates note in it what is not finite. An update belongs to the batch whose loss was taken last. */
  get watch(): Tensor {
    return this.#totals
  }

  /** The mean crossEntropy of logits [N, C] and labels [N], for backward; counts the batch on the way. */
  loss(logits: Tensor, target: Tensor): Tensor {
    return countedCrossEntropy(logits, target, this.#totals)
  }

  /** Counts a batch of `rows` with another mean loss of one element. Nothing is counted as right. */
  count(loss: Tensor, rows: number): void {
    countLoss(this.#totals, loss, rows, rows)
  }

  /** Counts the rows of a batch whose updates come before its loss: what they note belongs to it. `counted` adds the loss. */
  begin(rows: number): void {
    const gpu = this.#totals.gpu
    this.#zero ??= gpu.during(null, () => tensor(0, [], { gpu, name: 'zero' }).keep())
    countLoss(this.#totals, this.#zero, 0, rows)
  }

  /** Adds the mean loss of a batch whose rows have been counted. */
  counted(loss: Tensor, rows: number): void {
    countLoss(this.#totals, loss, rows, 0)
  }

  /** Adds numbers of a batch, float32, times a whole number to the sums of this name, of which there are always as many. */
  add(name: string, x: Tensor, weight: number): void {
    const size = newSums(x.size).length
    let sums = this.#sums.get(name)
    if (sums === undefined) {
      const { gpu } = this.#totals
      // Made once, also in a function that is captured: it is not part of the step.
      sums = gpu.during(null, () => tensor(this.#begin(name, size), [size], { gpu, name }).keep())
      this.#sums.set(name, sums)
    }
    if (sums.size !== size) {
      const before = sums.size / newSums(1).length
      throw new RangeError(
        `metrics: ${name} has ${x.size} numbers in one batch and ${before} in another; it must have as many in each`,
      )
    }
    addExactly(sums, x, weight)
  }

  /** The means since the last reset. A sync point. */
  async read(): Promise<Totals> {
    const named = [...this.#sums]
    const [words, ...others] = (await Promise.all(
      [this.#totals, ...named.map(([, sums]) => sums)].map((t) => t.data()),
    )) as [Int32Array<ArrayBuffer>, ...Int32Array<ArrayBuffer>[]]
    const sumWords = { ...this.#saved, ...Object.fromEntries(named.map(([name], i) => [name, others[i]!])) }
    const sums = new Map(named.map(([name], i) => [name, sumsIn(others[i]!)]))
    const [correct, count, , upTo, code] = new Uint32Array(words.buffer) as unknown as FirstWords
    const notFinite = code === NOTHING ? null : { upTo, code }
    const loss = notFinite ? Number.NaN : lossIn(words)
    return { loss: loss / count, accuracy: correct / count, count, notFinite, words, sums, sumWords }
  }

  dispose(): void {
    for (const t of [this.#totals, this.#zero, ...this.#sums.values()]) t?.dispose()
  }
}
