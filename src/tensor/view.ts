// Views: tensors that share the memory of another under a new shape.
import { apply, type Op } from './autograd.ts'
import { shown } from './options.ts'
import { dimensionOf, type Shape, ShapeError, type ShapeLine, sizeOf } from './shape.ts'
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
  const start = dimensionOf('flatten', startDim, x.shape, 'tensor', 'startDim')
  return [...x.shape.slice(0, start), sizeOf(x.shape.slice(start))]
}

/** The shape without its dimensions of size 1, or without those given if their size is 1. */
export function squeezeShape({ shape }: Tensor, dims: number | readonly number[] | undefined): Shape {
  if (dims === undefined) return shape.filter((n) => n !== 1)
  const list = (Array.isArray(dims) ? (dims as readonly number[]) : [dims as number]).map((dim) => {
    const scalar = shape.length === 0 && (dim === 0 || dim === -1)
    return scalar ? 0 : dimensionOf('squeeze', dim, shape, 'tensor')
  })
  return shape.filter((n, d) => n !== 1 || !list.includes(d))
}

/** The shape with a dimension of size 1 put in before dimension `dim`. */
export function unsqueezeShape({ shape }: Tensor, dim: number): Shape {
  const at = dim < 0 ? dim + shape.length + 1 : dim
  if (!Number.isInteger(dim) || at < 0 || at > shape.length) {
    const sentence = `dim must be a whole number from ${-shape.length - 1} to ${shape.length}, not ${shown(dim)}`
    throw new ShapeError('unsqueeze', sentence, [['tensor', shape]])
  }
  return [...shape.slice(0, at), 1, ...shape.slice(at)]
}
