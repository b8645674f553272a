// Views: tensors that share the memory of another under a new shape.
import { apply, type Op } from './autograd.ts'
import { type Shape, ShapeError, type ShapeLine, sizeOf } from './shape.ts'
import type { Tensor } from './tensor.ts'

function view(x: Tensor, shape: Shape): Tensor {
  return x.like(x.storage.retain(), shape, x.dtype)
}

/** The same memory under another shape; its gradient is the gradient under the input's shape. */
const reshapeOp: Op<readonly [Tensor], { from: Shape; to: Shape }> = {
  name: 'reshape',
  shape: (_, { to }) => to,
  forward: (_, [x], { to }) => ({ out: view(x, to), saved: [] }),
  backward: (_, dy, __, { from }) => [view(dy, from)],
}

export function reshape(x: Tensor, to: Shape): Tensor {
  return apply(reshapeOp, [x], { from: x.shape, to })
}

/** The shape asked for, with a -1 worked out. Throws ShapeError when the elements do not fill it. */
export function reshapeTo(x: Tensor, shape: Shape): Shape {
  if (!Array.isArray(shape)) throw new TypeError('reshape: the shape must be an array, such as [2, 3]')
  const lines: ShapeLine[] = Object.entries({ tensor: x.shape, shape })
  const open = shape.filter((n) => n === -1).length
  if (open > 1) throw new ShapeError('reshape', 'only one size may be -1', lines)
  const known = sizeOf(shape.filter((n) => n !== -1))
  const to = open === 1 && known > 0 ? shape.map((n) => (n === -1 ? x.size / known : n)) : shape
  if (to.some((n) => !Number.isSafeInteger(n) || n < 0) || sizeOf(to) !== x.size) {
    throw new ShapeError('reshape', `${x.size} elements do not fill the new shape`, lines)
  }
  return to
}

export function flattenShape(x: Tensor, startDim: number): Shape {
  if (x.shape.length === 0 && (startDim === 0 || startDim === -1)) return [1]
  const start = startDim < 0 ? startDim + x.shape.length : startDim
  if (!Number.isInteger(startDim) || start < 0 || start >= x.shape.length) {
    throw new ShapeError('flatten', `startDim ${startDim} is not a dimension of the tensor`, [['tensor', x.shape]])
  }
  return [...x.shape.slice(0, start), sizeOf(x.shape.slice(start))]
}
