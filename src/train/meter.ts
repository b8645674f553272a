// Loss and accuracy, summed on the device.
import type { Gpu } from '../gpu/gpu.ts'
import { countedCrossEntropy } from '../kernels/cross_entropy.ts'
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

  constructor(gpu: Gpu) {
    this.#totals = tensor(newTotals(), [METER_WORDS], { gpu, name: 'totals' }).keep()
  }

  reset(): void {
    this.restore(newTotals())
  }

  /** Continues from words that were read before, to the same bits. */
  restore(words: Int32Array<ArrayBuffer>): void {
    if (words.length !== METER_WORDS) throw new RangeError(`Meter: there are ${METER_WORDS} words, not ${words.length}`)
    this.#totals.gpu.write(this.#totals.storage, words)
  }

  /** For `SGD.step`: updates note in it what is not finite. An update belongs to the batch whose loss was taken last. */
  get watch(): Tensor {
    return this.#totals
  }

  /** The mean crossEntropy of logits [N, C] and labels [N], for backward; counts the batch on the way. */
  loss(logits: Tensor, target: Tensor): Tensor {
    return countedCrossEntropy(logits, target, this.#totals)
  }

  /** The means since the last reset. A sync point. */
  async read(): Promise<Totals> {
    const words = (await this.#totals.data()) as Int32Array<ArrayBuffer>
    const [correct, count, , upTo, code] = new Uint32Array(words.buffer) as unknown as FirstWords
    const notFinite = code === NOTHING ? null : { upTo, code }
    const loss = notFinite ? Number.NaN : lossIn(words)
    return { loss: loss / count, accuracy: correct / count, count, notFinite, words }
  }

  dispose(): void {
    this.#totals.dispose()
  }
}
