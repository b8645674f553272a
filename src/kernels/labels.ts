// Labels, that is, whole numbers that name classes: what losses demand of them.
import { leavingOut } from '../capture/current.ts'
import { rangeOf, tensor } from '../tensor/create.ts'
import { shown } from '../tensor/options.ts'
import { type Shape, ShapeError, sameShape, sizeOf } from '../tensor/shape.ts'
import { Tensor } from '../tensor/tensor.ts'
import { kindOf, requireRank, requireType } from './support.ts'

/** The label of rows that do not count, unless another is given. */
export const IGNORED = -100

/** Labels as a tensor, or as they come. */
export type Labels = Tensor | Int32Array | Uint8Array

/** The smallest and the largest label; null where unknown. */
type Range = readonly [number, number]

/** An ignoreIndex with its default; throws RangeError for one that no label can be. */
export function readIgnoreIndex(operation: string, ignoreIndex: number = IGNORED): number {
  if (Number.isInteger(ignoreIndex) && ignoreIndex === (ignoreIndex | 0)) return ignoreIndex
  throw new RangeError(`${operation}: ignoreIndex must be a 32-bit whole number, not ${shown(ignoreIndex)}`)
}

/**
 * Throws ShapeError, TypeError or RangeError unless the labels, [N, …] for scores [N, C, …], fit the scores, which are called
 * `role`. Between the label that is ignored and the classes there may be labels that the range does not show: they give NaN.
 */
export function requireLabels(
  operation: string,
  role: 'logits' | 'input',
  scores: Shape,
  target: Pick<Tensor, 'shape' | 'dtype'>,
  range: Range | null,
  ignoreIndex: number,
): void {
  requireType(operation, 'target', target, ['int32', 'uint8'])
  const [N, C, ...rest] = scores as [number, number, ...number[]]
  const letters = rest.length === 0 ? ['N C', 'N'] : ['N C …', 'N …']
  requireRank(operation, 'target', target.shape, scores.length - 1, letters[1]!)
  const have = role === 'logits' ? 'have' : 'has'
  if (!sameShape(target.shape, [N, ...rest])) {
    const sentence =
      rest.length === 0
        ? `target has ${target.shape[0]} labels, ${role} ${have} ${N} rows`
        : `target must have the sizes of ${role} without the classes`
    throw new ShapeError(operation, sentence, [
      [role, scores, letters[0]!],
      ['target', target.shape, letters[1]!],
    ])
  }
  const isWrong = (label: number) => (label < 0 || label >= C) && label !== ignoreIndex
  const wrong = range?.find((label) => Number.isFinite(label) && isWrong(label)) // of no labels the range is infinite
  if (sizeOf(target.shape) > 0 && wrong !== undefined) {
    const classes = C === 0 ? 'no classes' : `${C} classes, 0 to ${C - 1}`
    throw new RangeError(`${operation}: label ${wrong} is not a class; ${role} ${have} ${classes}`)
  }
}

/**
 * Checks labels and calls `use` with them as a tensor; those in an array, in the order of a tensor's elements, are uploaded for
 * that and released again.
 */
export function withLabels(
  operation: string,
  role: 'logits' | 'input',
  scores: Tensor,
  target: Labels,
  ignoreIndex: number,
  use: (labels: Tensor) => Tensor,
): Tensor {
  if (target instanceof Tensor) {
    requireLabels(operation, role, scores.shape, target, target.storage.integerRange, ignoreIndex)
    return leavingOut(() => use(target))
  }
  if (!(target instanceof Int32Array || target instanceof Uint8Array)) {
    const right = 'an int32 or uint8 tensor, an Int32Array or a Uint8Array'
    throw new TypeError(`${operation}: target must be ${right}, not ${kindOf(target)}`)
  }
  const dtype = target instanceof Int32Array ? 'int32' : 'uint8'
  const [N, , ...rest] = scores.shape as [number, number, ...number[]]
  const fits = target.length === sizeOf([N, ...rest])
  const shape = fits ? [N, ...rest] : [target.length]
  // Before anything is uploaded; here every label can be seen.
  const range = rangeOf(target.filter((label) => label !== ignoreIndex))
  requireLabels(operation, role, scores.shape, { shape, dtype }, range, ignoreIndex)
  const labels = tensor(target, shape, { gpu: scores.gpu })
  try {
    return use(labels)
  } finally {
    labels.dispose() // the tape holds what backward needs
  }
}
