// What operations share: checks of arguments, workgroup counts, scratch memory.
import type { Gpu } from '../gpu/gpu.ts'
import type { Storage } from '../gpu/pool.ts'
import { type Shape, ShapeError, type ShapeLine } from '../tensor/shape.ts'
import { type DType, Tensor } from '../tensor/tensor.ts'
import { TUNING } from './tuning.ts'

/** Threads in a workgroup, as the kernels' `override WG` says. */
export const WORKGROUP = TUNING.elementwise.cpu.WG

/** Elements a thread takes in elementwise kernels, as their `const PER` says. */
const ELEMENTS_PER_THREAD = TUNING.elementwise.cpu.PER

/** Elements that a workgroup of an elementwise kernel takes. */
export const ELEMENTS_A_WORKGROUP = WORKGROUP * ELEMENTS_PER_THREAD

/** Rows that share a partial sum, in every kernel that sums over the batch. */
export const ROWS_PER_BLOCK = 32

/** Workgroups for a number of threads; `WG` threads make one. */
export function groupsFor(threads: number, WG: number = WORKGROUP): number {
  return Math.ceil(threads / WG)
}

/** Workgroups of an elementwise kernel, whose threads take PER elements each. */
export function groupsForElements(elements: number): number {
  return Math.ceil(elements / ELEMENTS_A_WORKGROUP)
}

/** The constant PER of an elementwise kernel that is made for a number of elements, and its workgroups. */
export function divided({ info }: Gpu, elements: number): { readonly PER: number; readonly groups: number } {
  const { many, PER, PER_OF_MANY } = TUNING.elementwise[info.adapterClass]
  const own = elements < many ? PER : PER_OF_MANY
  return { PER: own, groups: Math.ceil(elements / (WORKGROUP * own)) }
}

/** Strips of elements that one thread packs for matmul and linear, as their `const STRIP` says. */
export function stripsOf(elements: number): number {
  return Math.ceil(elements / 16)
}

export function blocksOf(rows: number): number {
  return Math.ceil(rows / ROWS_PER_BLOCK)
}

/** Lends memory for float32 intermediates of one operation, or of "conv2d's backward"; it is free again as soon as the commands are recorded. */
export function withScratch<T>(gpu: Gpu, operation: string, floats: number, use: (scratch: Storage) => T): T {
  const scratch = gpu.pool.acquire(4 * floats, `scratch memory of ${operation}`)
  try {
    return use(scratch)
  } finally {
    scratch.release()
  }
}

/** Throws TypeError for an argument that is not a tensor, and names it. */
export function requireTensors(operation: string, roles: Readonly<Record<string, unknown>>): void {
  for (const [role, value] of Object.entries(roles)) {
    if (!(value instanceof Tensor)) throw new TypeError(`${operation}: ${role} must be a tensor, not ${kindOf(value)}`)
  }
}

/** What a value is, for errors: 'an array', 'a number', 'an Int32Array'. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  const kind = Array.isArray(value) ? 'array' : ArrayBuffer.isView(value) ? value.constructor.name : typeof value
  return `${/^[aio]/i.test(kind) ? 'an' : 'a'} ${kind}`
}

/** Throws TypeError for an option that is not a number, or is NaN, and names it. */
export function requireNumber(operation: string, role: string, value: unknown): void {
  if (typeof value === 'number' && !Number.isNaN(value)) return
  throw new TypeError(
    `${operation}: ${role} must be a number, not ${typeof value === 'number' ? 'NaN' : kindOf(value)}`,
  )
}

/** Throws TypeError when a tensor is not of the type that the operation computes with. */
export function requireType(
  operation: string,
  role: string,
  x: Pick<Tensor, 'dtype'>,
  dtypes: readonly DType[] = ['float32'],
): void {
  if (!dtypes.includes(x.dtype)) {
    throw new TypeError(`${operation}: ${role} must be ${dtypes.join(' or ')}, it is ${x.dtype}`)
  }
}

/** Throws ShapeError when a tensor has the wrong number of dimensions. */
export function requireRank(operation: string, role: string, shape: Shape, rank: number, letters: string): void {
  if (shape.length !== rank) {
    const sentence = `${role} has ${shape.length} dimensions, it must have ${rank} (${letters})`
    throw new ShapeError(operation, sentence, [[role, shape]])
  }
}

/** Size of a window's output along one axis, or a ShapeError when the window is larger than the padded input. */
export function outputSize(
  operation: string,
  window: { input: number; kernel: number; stride: number; padding: number; dilation: number; axis: string },
  lines: readonly ShapeLine[],
): number {
  const { input, kernel, stride, padding, dilation, axis } = window
  const reach = dilation * (kernel - 1) + 1
  if (reach > input + 2 * padding) {
    const spread = dilation === 1 ? '' : ` (${kernel} at dilation ${dilation})`
    const padded = padding === 0 ? '' : ` with padding ${padding}`
    throw new ShapeError(
      operation,
      `the window's ${axis} ${reach}${spread} exceeds the input's ${input}${padded}`,
      lines,
    )
  }
  return Math.floor((input + 2 * padding - reach) / stride) + 1
}
