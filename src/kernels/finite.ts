// The watch that notes the first number that is not finite.
import { KernelFile } from '../gpu/kernel.ts'
import type { Tensor } from '../tensor/tensor.ts'
import * as wgsl from './generated/wgsl.ts'
import { groupsForElements } from './support.ts'

const check = new KernelFile('finite', wgsl.finite).entry('check')

/**
 * What a watch holds before anything was noted: an int32 tensor of five elements. [1] is the clock; [3] and [4] are the
 * clock and the code of what was first found not to be finite, −1 before. The totals of `countedCrossEntropy` are a watch
 * too, with more elements, whose clock moves on by the rows of each batch.
 */
export const newWatch = () => Int32Array.of(0, 0, 0, -1, -1)

/**
 * Notes `code`, a whole number of 32 bits, in the watch if `x` holds NaN or an infinity, unless something was noted at
 * an earlier clock, or with a smaller code at this one.
 */
export function noteNotFinite(watch: Tensor, x: Tensor, code: number): void {
  for (const t of [watch, x]) t.checkUsable('finite')
  x.gpu.emit(check, { params: { size: x.size, code }, x: x.storage, watch: watch.storage }, groupsForElements(x.size))
}

/**
 * Codes in the order in which a training step would break: logits, loss, the gradients from the last parameter to the
 * first, as backward goes, then the parameters.
 */
export const codeOf = {
  logits: 0,
  loss: 1,
  gradient: (parameter: number, parameters: number) => 1 + parameters - parameter,
  parameter: (parameter: number, parameters: number) => 2 + parameters + parameter,
} as const

/** What a code means, given the number of parameters: the kind and, for gradients and parameters, the index. */
export function meaningOf(
  code: number,
  parameters: number,
): { kind: 'logits' | 'loss' | 'gradient' | 'parameter'; index: number } {
  if (code < 2) return { kind: code === codeOf.logits ? 'logits' : 'loss', index: 0 }
  if (code < 2 + parameters) return { kind: 'gradient', index: 1 + parameters - code }
  return { kind: 'parameter', index: code - 2 - parameters }
}
