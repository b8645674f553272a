// argmax and argmin: where the largest and the smallest elements are.
import { looksAcross } from '../capture/current.ts'
import { requireFlags, requireOptions, tooMany } from '../tensor/options.ts'
import { sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { countOf, dimOf, dimsOf, outputOf, placesIn, requireElements } from './reduce.ts'
import type { ReduceOptions } from './reductions.ts'
import { requireTensors, requireType } from './support.ts'

/** The place of the first of the largest or smallest elements, int32. */
function placeOf(name: 'argmax' | 'argmin', x: Tensor, dim: number | undefined, options: ReduceOptions): Tensor {
  requireTensors(name, { input: x })
  requireOptions(name, options, ['keepDim'])
  requireFlags(name, options, ['keepDim'])
  x.checkUsable(name)
  requireType(name, 'input', x)
  const { shape: input } = x
  const dims = dim === undefined ? dimsOf(name, input, dim) : [dimOf(name, input, dim)]
  const reduced = { input, dims: input.length === 0 ? [] : dims }
  requireElements(name, reduced)
  if (dims[0] === 0 && input[0]! > 1) looksAcross(`${name} along dim 0`, x)
  const shape = outputOf(reduced, options.keepDim ?? false)
  const at = dim === undefined ? 0 : dims[0]!
  const inner = dim === undefined ? 1 : sizeOf(input.slice(at + 1))
  const outer = dim === undefined ? 1 : sizeOf(input.slice(0, at))
  return placesIn(x, [outer, countOf(reduced), inner], shape, name, name === 'argmax' ? 'largest' : 'smallest')
}

/**
 * The place of the largest element along `dim`, or in the flattened tensor if it is left out: int32, the first of equal ones, the
 * first NaN if there is one. It has no gradient. Throws ShapeError where there is no element.
 */
export function argmax(x: Tensor, dim?: number, options: ReduceOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'argmax(x, dim, options)')
  return placeOf('argmax', x, dim, options)
}

/** The place of the smallest element, as `argmax` has that of the largest; the first NaN if there is one. */
export function argmin(x: Tensor, dim?: number, options: ReduceOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'argmin(x, dim, options)')
  return placeOf('argmin', x, dim, options)
}
