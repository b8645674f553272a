// Shapes, and the error for shapes that do not fit.
import { shown } from './options.ts'

export type Shape = readonly number[]

/** Number of elements: the product of the sizes, 1 for a shape of no dimensions. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, n) => product * n, 1)
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i])
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`
}

/** One line of a shape error: a tensor's role, its shape and, where it helps, its dimension letters. */
export type ShapeLine = readonly [role: string, shape: Shape, letters?: string]

/** Shapes that do not fit. The message is a sentence with the numbers, then an aligned line a tensor, then the cure. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError'
  constructor(operation: string, sentence: string, lines: readonly ShapeLine[] = [], cure = '') {
    const shapes = lines.map(([, shape]) => formatShape(shape))
    const roleWidth = Math.max(0, ...lines.map(([role]) => role.length))
    const shapeWidth = Math.max(0, ...shapes.map((s) => s.length))
    const aligned = lines.map(([role, , letters], i) =>
      `  ${role.padEnd(roleWidth)} ${shapes[i]!.padEnd(shapeWidth)}  ${letters ?? ''}`.trimEnd(),
    )
    super([`${operation}: ${sentence}`, ...aligned, ...(cure === '' ? [] : [cure])].join('\n'))
  }
}

/** Checks that a shape is a list of whole numbers that are not negative. */
export function checkShape(operation: string, shape: Shape): void {
  for (const n of shape) {
    if (!Number.isSafeInteger(n) || n < 0) {
      throw new ShapeError(operation, `a size must be a whole number, 0 or more, not ${shown(n)}`, [['shape', shape]])
    }
  }
}

/** A dimension counted from the start, given one that may count from the end. Throws ShapeError for one that is not there. */
export function dimensionOf(operation: string, dim: number, shape: Shape, role = 'input', name = 'dim'): number {
  const from = dim < 0 ? dim + shape.length : dim
  if (!Number.isInteger(dim) || from < 0 || from >= shape.length) {
    throw new ShapeError(operation, `${name} ${shown(dim)} is not a dimension of the tensor`, [[role, shape]])
  }
  return from
}

/** Dimensions that an operation takes at most where its kernel counts in them. */
export const LARGEST_RANK = 8

/** Strides of a tensor whose elements lie in row-major order. */
export function stridesOf(shape: Shape): number[] {
  const strides: number[] = []
  let stride = 1
  for (let d = shape.length - 1; d >= 0; d--) {
    strides.unshift(stride)
    stride *= shape[d]!
  }
  return strides
}

/** Strides under `shape` of a tensor that is broadcast to it: 0 where its size is 1, and in the dimensions that it lacks. */
export function broadcastStrides(own: Shape, shape: Shape): number[] {
  const strides = stridesOf(own)
  const added = shape.length - own.length
  return shape.map((_, d) => (d < added || own[d - added] === 1 ? 0 : strides[d - added]!))
}

/**
 * A shape and the strides of tensors under it without dimensions of one element, where those are joined whose elements lie as
 * those of one in each of the tensors.
 */
export function joined(
  shape: Shape,
  tensors: readonly (readonly number[])[],
): { sizes: number[]; strides: readonly number[][] } {
  const sizes: number[] = []
  const strides: number[][] = tensors.map(() => [])
  for (const [d, size] of shape.entries()) {
    if (size === 1) continue
    const outer = sizes.length - 1
    const joins = outer >= 0 && tensors.every((own, i) => strides[i]![outer] === size * own[d]!)
    if (joins) sizes[outer]! *= size
    else sizes.push(size)
    for (const [i, own] of tensors.entries()) strides[i]![joins ? outer : outer + 1] = own[d]!
  }
  return { sizes, strides }
}

/** Strides and windows beyond this are mistakes, and their products would pass 32 bits. */
const LARGEST_PAIR = 65_535

/** A number or [height, width] as a pair; throws ShapeError when it is neither or not within `least` and 65,535. */
export function pair(
  operation: string,
  name: string,
  value: number | readonly number[],
  least: number,
): [number, number] {
  const parts: readonly unknown[] = Array.isArray(value) ? value : [value, value]
  if (parts.length === 2 && parts.every((n) => isWhole(n, least))) return parts as [number, number]
  const range = rangeOf(parts, least)
  throw new ShapeError(operation, `${name} must be a whole number or two of them, ${range}, not ${shown(value)}`)
}

/** A whole number; throws ShapeError when it is not one, or not within `least` and 65,535. */
export function whole(operation: string, name: string, value: unknown, least: number): number {
  if (isWhole(value, least)) return value
  throw new ShapeError(operation, `${name} must be a whole number, ${rangeOf([value], least)}, not ${shown(value)}`)
}

function isWhole(n: unknown, least: number): n is number {
  return Number.isSafeInteger(n) && (n as number) >= least && (n as number) <= LARGEST_PAIR
}

/** The range of a whole number, as an error says it. */
function rangeOf(values: readonly unknown[], least: number): string {
  const large = values.some((n) => typeof n === 'number' && n > LARGEST_PAIR)
  return large ? `at most ${LARGEST_PAIR.toLocaleString('en')}` : `${least} or more`
}
