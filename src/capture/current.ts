// The function that is being captured, and what takes part in the runs of its plan.
import type { Gpu } from '../gpu/gpu.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** Rates given to a run of a plan: that of each step, or undefined where the groups' own hold. */
export type RateOf = (step: number) => number | undefined

/** What changes from step to step in a plan: it is asked for numbers before the steps are submitted. */
export interface Member {
  /** Steps that one submit may have at most. */
  readonly most: number
  readonly takesRates: boolean
  /** Throws if this many steps can't be taken, before anything is done. */
  check(steps: number, rateOf: RateOf, plan: PlanTraits): void
  /** Uploads what the next steps of one submit need. */
  before(steps: number, rateOf: RateOf): void
  /** These steps have been submitted. */
  after(steps: number, rateOf: RateOf): void
}

/** What a whole plan is like, whichever member asks. */
export interface PlanTraits {
  /** The operation that looks across the rows of a batch, if one does. */
  acrossBatch: string | null
  /** Whether an optimizer took in parameters while the function was recorded: what came before has their old places. */
  adopted: boolean
}

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
  /** By what takes part; each once, however often it is used in a step. */
  readonly members: Map<object, Member>
  readonly traits: PlanTraits
  readonly dependences: Dependence[]
  /** Leaves that backward gave a gradient in it. */
  readonly leaves: Set<Tensor>
}

/** A recording of which nothing is known yet. */
export function newRecording(gpu: Gpu): Current {
  return { gpu, members: new Map(), traits: { acrossBatch: null, adopted: false }, dependences: [], leaves: new Set() }
}

let current: Current | null = null

/** The recording under way on this device, if there is one. */
export function currentOn(gpu: Gpu): Current | null {
  return current?.gpu === gpu ? current : null
}

/** Whether a function is being captured on this device. */
export function isCapturing(gpu: Gpu): boolean {
  return current?.gpu === gpu
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
  if (current) current.traits.acrossBatch ??= operation
}
