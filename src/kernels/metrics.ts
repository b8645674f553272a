import { Kernel } from '../gpu/kernel.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { groupsFor } from './support.ts'
import * as wgsl from './wgsl.ts'

const accumulate = new Kernel('metrics', wgsl.metrics, 'accumulate')

/**
 * Adds a batch to the totals of an epoch, on the GPU: correct rows, rows, and the loss times the rows (as the bits of a
 * float32). `loss` is the mean of the batch; `totals` a watch as finite.ts describes it, whose clock is the rows so far: a
 * sum of losses that is not finite is noted in it.
 */
export function accumulateMetrics(totals: Tensor, logits: Tensor, target: Tensor, loss: Tensor): void {
  for (const t of [totals, logits, target, loss]) t.checkUsable('metrics')
  const [N, C] = logits.shape as [number, number]
  logits.gpu.emit(
    accumulate,
    {
      params: { N, C, label_bytes: target.dtype === 'uint8' ? 1 : 0 },
      logits: logits.storage,
      labels: target.storage,
      loss: loss.storage,
      totals: totals.storage,
    },
    groupsFor(N),
  )
}
