// The function that is being captured, and what is noted of it for the runs of its plan.
import type { Gpu } from '../gpu/gpu.ts'
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
  /** The operation that looks across the rows of a batch, if one does. */
  acrossBatch: string | null
  /** Whether an optimizer took in parameters meanwhile: what came before has their old places. */
  adopted: boolean
  readonly dependences: Dependence[]
  /** Leaves that backward gave a gradient in it. */
  readonly leaves: Set<Tensor>
}

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

/**
 * For an operation whose result for one row of a batch depends on the others, such as batch normalization: a plan with it
 * can't run over a last batch that is filled up with rows of zeros.
 */
export function looksAcross(operation: string): void {
  if (current) current.acrossBatch ??= operation
}
