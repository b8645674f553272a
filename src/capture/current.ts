// The function that is being captured, and what is noted of it for the runs of its plan.
import type { Gpu } from '../gpu/gpu.ts'
import type { Storage } from '../gpu/pool.ts'
import type { Recording } from '../gpu/recording.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { PerStep, Row, RowSource } from './per_step.ts'

/** Something on the host that the recorded commands depend on, and that must be as it was when they run. */
export interface Dependence {
  readonly read: () => unknown
  /** What it was when it was recorded. */
  readonly then: unknown
  /** For an error: what has changed, up to "when the plan was captured". */
  readonly changed: () => string
}

/** One recording of a captured function. */
export interface Current {
  readonly gpu: Gpu
  readonly recording: Recording
  /** Of all numbers that change from step to step: where they come from, how often a step uses them, and what they were then. */
  readonly uses: Map<PerStep, { readonly source: RowSource; calls: number; readonly rows: Row[] }>
  /** What has rows of a batch that may be filled up, one for each place of its dimension 0: how many, by its memory. */
  readonly rows: WeakMap<Storage, number>
  /** Of these what is 0 in the rows that fill it up. */
  readonly leftOut: WeakSet<Storage>
  /** The operation that looks across such rows, if one does. */
  acrossBatch: string | null
  /** Whether an optimizer took in parameters meanwhile: what came before has their old places. */
  adopted: boolean
  readonly dependences: Dependence[]
  /** Leaves that backward gave a gradient in it. */
  readonly leaves: Set<Tensor>
}

type Rows = Pick<Tensor, 'storage' | 'shape'>

let current: Current | null = null

/** The recording under way on this device, if there is one. */
export function currentOn(gpu: Gpu): Current | null {
  return current?.gpu === gpu ? current : null
}

/** Whether a function is being captured on any device. */
export function isAnyCapturing(): boolean {
  return current !== null
}

/** Runs `fn` as a part of a recording. */
export function recordInto<T>(recording: Current, fn: () => T): T {
  current = recording
  try {
    return fn()
  } finally {
    current = null
  }
}

/** The cure for a state that is loaded in a captured function. */
export const LOAD_FIRST = 'load the state before plan.run()'

/** Throws an Error in a function that is being captured: what `operation` does would be done there, and not in the plan's runs. */
export function refuseInCapture(operation: string, cure: string): void {
  if (current) throw new Error(`${operation}: a captured function is not called in the runs of its plan; ${cure}`)
}

/** What `read` returns. A plan that is being recorded depends on it, and refuses to run when it has changed. */
export function dependingOn<T>(read: () => T, changed: (then: T) => string): T {
  const then = read()
  current?.dependences.push({ read, then, changed: () => changed(then) })
  return then
}

/** Whether what is computed leaves out the rows that fill a batch up. */
let leavesOut = false

/**
 * For an operation whose result for one row of dimension 0 depends on the others, such as batch normalization: where an input
 * has the rows of a batch, a plan with it can't run over a last batch that is filled up with rows of zeros. An operation that
 * makes another number of rows of them is noticed by itself.
 */
export function looksAcross(operation: string, ...inputs: readonly Rows[]): void {
  if (!current || leavesOut) return
  const { rows } = current
  if (inputs.some(({ storage }) => rows.has(storage))) current.acrossBatch ??= operation
}

/** A loss of labelled rows, of which those that fill a batch up count for nothing: `fn` may look across them. */
export function leavingOut(fn: () => Tensor): Tensor {
  if (!current) return fn()
  const { rows, leftOut } = current
  const before = leavesOut
  leavesOut = true
  try {
    const result = fn()
    if (result.size === 1) rows.delete(result.storage)
    else leftOut.add(result.storage)
    return result
  } finally {
    leavesOut = before
  }
}

/** An operation made `out`: where an input has rows of a batch that may be filled up, `out` has them too. */
export function followRows({ rows }: Current, operation: string, inputs: readonly (Rows | null)[], out: Rows): void {
  const count = inputs.flatMap((t) => (t ? (rows.get(t.storage) ?? []) : []))[0]
  if (count === undefined) return
  rows.set(out.storage, count)
  if (out.shape[0] !== count) looksAcross(operation, out)
}
