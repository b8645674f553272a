// oneHot: labels as rows with a single 1.
import { empty } from '../tensor/create.ts'
import { shown, tooMany } from '../tensor/options.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { requireTensors } from './support.ts'
import { emitOneHot, requireIndex } from './take.ts'

/**
 * A row of `classes` numbers for every element of the index, 1 at its place and 0 elsewhere: [...index.shape, classes] in float32,
 * where PyTorch has integers. The index is int32 or uint8. Throws RangeError for an index that is not below `classes`. Where its
 * values are known to the GPU alone, such an index gives a row of NaN.
 */
export function oneHot(index: Tensor, classes: number): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'oneHot(index, classes)')
  requireTensors('oneHot', { index })
  if (!Number.isSafeInteger(classes) || classes < 1) {
    throw new RangeError(`oneHot: classes must be a whole number, 1 or more, not ${shown(classes)}`)
  }
  index.checkUsable('oneHot')
  requireIndex('oneHot', index, classes, 'the classes are')
  const { gpu } = index
  gpu.check()
  const out = empty(gpu, [...index.shape, classes], 'float32', 'oneHot')
  emitOneHot(gpu, index, classes, out)
  return out
}
