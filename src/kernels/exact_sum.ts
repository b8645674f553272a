// Sums of what batches give, added up on the device without rounding: they do not depend on how the examples are cut.
import { KernelFile } from '../gpu/kernel.ts'
import type { Tensor } from '../tensor/tensor.ts'
import * as wgsl from './generated/wgsl.ts'
import { groupsFor, requireType } from './support.ts'
import { exactSum } from './totals.ts'

const add = new KernelFile('exact_sum', wgsl.exact_sum).entry('add')

/** Words of one sum: ten of its number, and one that is not 0 once something was not finite. */
const WORDS = 11

/** Sums of nothing, so many of them: an int32 tensor's values. */
export const newSums = (count: number) => new Int32Array(WORDS * count)

/** The sums in words, each rounded once, to float64; NaN where something was not finite. */
export function sumsIn(words: Int32Array): number[] {
  return Array.from({ length: words.length / WORDS }, (_, i) => {
    const own = words.subarray(WORDS * i, WORDS * (i + 1))
    return own[10] === 0 ? exactSum([...own.subarray(0, 10)]) : Number.NaN
  })
}

/** Adds every element of x, float32, times `weight`, a whole number of 32 bits, to its sum. */
export function addExactly(sums: Tensor, x: Tensor, weight: number): void {
  for (const t of [sums, x]) t.checkUsable('exact_sum')
  requireType('exact_sum', 'x', x)
  const params = { size: x.size, weight, watched: 0, rows: 0 }
  x.gpu.emit(add, { params, x: x.storage, sums: sums.storage }, groupsFor(x.size))
}

/**
 * Adds the mean loss of `weight` rows, of one element, to totals, as `countedCrossEntropy` does its own; `rows` of them have not
 * been counted before.
 */
export function countLoss(totals: Tensor, loss: Tensor, weight: number, rows: number): void {
  for (const t of [totals, loss]) t.checkUsable('exact_sum')
  const params = { size: 1, weight, watched: 1, rows }
  loss.gpu.emit(add, { params, x: loss.storage, sums: totals.storage }, 1)
}
