import type { Gpu } from '../gpu/gpu.ts'
import { accumulateMetrics } from '../kernels/metrics.ts'
import { tensor } from '../tensor/create.ts'
import type { Tensor } from '../tensor/tensor.ts'

export interface Totals {
  /** Mean loss over the examples. */
  readonly loss: number
  /** Share of the examples whose largest logit is at the label. */
  readonly accuracy: number
  readonly count: number
}

/** Loss and accuracy summed on the GPU, batch by batch; only `read` waits for it. */
export class Meter {
  readonly #totals: Tensor

  constructor(gpu: Gpu) {
    this.#totals = tensor(new Int32Array(3), [3], { gpu, name: 'totals' }).keep()
  }

  reset(): void {
    this.#totals.gpu.write(this.#totals.storage, new Int32Array(3))
  }

  /** Adds a batch: logits [N, C], labels [N], and the mean loss of the batch. */
  add(logits: Tensor, target: Tensor, loss: Tensor): void {
    accumulateMetrics(this.#totals, logits, target, loss)
  }

  /** The means since the last reset. A sync point. */
  async read(): Promise<Totals> {
    const words = (await this.#totals.data()) as Int32Array
    const [correct, count] = words as unknown as [number, number]
    const loss = new Float32Array(words.buffer)[2]!
    return { loss: loss / count, accuracy: correct / count, count }
  }

  dispose(): void {
    this.#totals.dispose()
  }
}
