// cumsum: sums of the elements up to each.
import { looksAcross } from '../capture/current.ts'
import { apply, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { tooMany } from '../tensor/options.ts'
import { type Shape, sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { dimOf, emitScan } from './reduce.ts'
import { requireTensors, requireType } from './support.ts'

const cumsumOp: Op<readonly [Tensor], { readonly dim: number }> = {
  name: 'cumsum',

  shape([x]) {
    requireType('cumsum', 'input', x)
    return x.shape
  },

  forward(_, [x], { dim }, shape) {
    return { out: summedUp(x, shape, dim, false), saved: [] }
  },

  backward(_, dy, __, { dim }) {
    return [summedUp(dy, dy.shape, dim, true)]
  },
}

function summedUp(x: Tensor, shape: Shape, dim: number, reverse: boolean): Tensor {
  const out = empty(x.gpu, shape, 'float32', 'cumsum')
  const [outer, inner] = [sizeOf(shape.slice(0, dim)), sizeOf(shape.slice(dim + 1))]
  emitScan(x.gpu, x.storage, out.storage, outer, shape[dim] ?? 1, inner, reverse)
  return out
}

/**
 * The sums of the elements along `dim` up to each, itself included: out[r] = x[0] + … + x[r]. Made of fixed blocks in a fixed
 * order. Float32, any shape. Throws ShapeError for a `dim` that is not there.
 */
export function cumsum(x: Tensor, dim: number): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'cumsum(x, dim)')
  requireTensors('cumsum', { input: x })
  const along = dimOf('cumsum', x.shape, dim)
  if (along === 0 && (x.shape[0] ?? 1) > 1) looksAcross('cumsum along dim 0', x)
  return apply(cumsumOp, [x], { dim: along })
}
