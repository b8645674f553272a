// The function that is being captured, and what is noted of it for the runs of its plan.
import type { Gpu } from '../gpu/gpu.ts'
import type { Recording } from '../gpu/recording.ts'
import type { PerStep, RowSource } from './per_step.ts'

/** One recording of a captured function. */
export interface Current {
  readonly gpu: Gpu
  readonly recording: Recording
  /** Of all numbers that change from step to step: where they come from, and how often a step uses them. */
  readonly uses: Map<PerStep, { readonly source: RowSource; calls: number }>
  /** The operation that looks across the rows of a batch, if one does. */
  acrossBatch: string | null
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

/**
 * For an operation whose result for one row of a batch depends on the others, such as batch normalization: a plan with it
 * can't run over a last batch that is filled up with rows of zeros.
 */
export function looksAcross(operation: string): void {
  if (current) current.acrossBatch ??= operation
}
