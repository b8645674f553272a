// What a library must be able to do to be measured: train a step, and run a kernel.
import type { KernelCase } from './kernels.ts'
import type { Problem } from './problems.ts'

/**
 * Called when all work has been sent to the device and its result been asked for, before that is awaited: on an adapter
 * that computes on the processor it sleeps, since Node's binding keeps a core busy as long as a promise is pending.
 */
export type Rest = () => Promise<void>

/** A network in training on one batch. */
export interface Trainer {
  /** Takes n steps and waits for them by reading the loss of the last one, from before its update. */
  run(n: number, rest: Rest): Promise<number>
  dispose(): void
}

/** An operation with its inputs on the device. */
export interface Execution {
  /** Executes n times and waits for the last one by reading a small value. */
  run(n: number, rest: Rest): Promise<unknown>
  /** Executes once and returns what came out, in PyTorch's layouts. */
  results(): Promise<Float32Array[]>
  dispose(): void
}

/** A library that is measured. */
export interface Contestant {
  /** Its name and version, for the table. */
  readonly title: string
  readonly version: string
  /** What must be known to read its figures. */
  readonly note: string
  trainer(problem: Problem): Promise<Trainer>
  kernel(item: KernelCase): Promise<Execution>
  close(): Promise<void>
}
