// The one seam through which others look on: anomalies, summaries and captures are its users.
import type { Gpu } from '../gpu/gpu.ts'
import type { Inputs, Op, TapeNode } from './autograd.ts'
import type { Tensor } from './tensor.ts'

/** What an observer receives. Everything is optional; without an observer the engine pays one test an event. */
export interface Observer {
  /** An operation was applied; `out.node` is its place on the tape, if it has one. */
  operation?(op: Op, inputs: Inputs, attributes: unknown, out: Tensor): void
  /** Backward begins at `root` with this gradient. */
  start?(gradient: Tensor, root: Tensor): void
  /** Backward comes to an operation; null: it is over. */
  backward?(node: TapeNode | null): void
  /** The backward of an operation gave these gradients. */
  gradients?(node: TapeNode, gradients: Inputs): void
  /** Backward gave a leaf its gradient. */
  leaf?(leaf: Tensor): void
  /** `what` of `of` was written in place by `operation`, as an optimizer updates a parameter. */
  update?(written: Tensor, operation: string, what: string, of: Tensor | null): void
  /** A module's forward begins, in the layer of this name; what is returned is called at its end. */
  module?(module: object, layer: string): (out: unknown) => void
  /** `operation` decides what is drawn next: it sets the seed, or how many draws were made. */
  seed?(operation: string): void
  /** Values are being read: what is returned may reject in their place. */
  read?(gpu: Gpu): Promise<void>
  /** Why a function can't be captured while this looks on; null or absent if it can. */
  readonly refusesCapture?: string
  /** Whether every layer must compute by itself, so that none may be fused with others. */
  readonly layerByLayer?: boolean
}

const observers: Observer[] = []
/** Prepares modules to be observed, or undoes it. */
let trace: (observed: boolean) => void = () => undefined

/** Those who look on now. */
export function observing(): readonly Observer[] {
  return observers
}

/** Whether modules are observed. */
export function modulesObserved(): boolean {
  return observers.some((observer) => observer.module !== undefined)
}

/** Lets `observer` look on until the function that is returned is called. */
export function startObserving(observer: Observer): () => void {
  const before = modulesObserved()
  observers.push(observer)
  if (!before && modulesObserved()) trace(true)
  return () => {
    const at = observers.indexOf(observer)
    if (at < 0) return
    observers.splice(at, 1)
    if (observer.module && !modulesObserved()) trace(false)
  }
}

/** Runs `fn`, which is synchronous, while `observer` looks on. */
export function observe<T>(observer: Observer, fn: () => T): T {
  const stop = startObserving(observer)
  try {
    return fn()
  } finally {
    stop()
  }
}

/** Called once by the modules: `prepare` is told when they begin to be observed, and when that is over. */
export function provideTrace(prepare: (observed: boolean) => void): void {
  trace = prepare
  if (modulesObserved()) trace(true)
}
