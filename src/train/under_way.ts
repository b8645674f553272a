// What is being trained: two runs at once would mix their updates, in an order that nobody decides.
import type { Batches } from '../data/batches.ts'
import type { Module } from '../nn/index.ts'
import type { Optimizer } from '../optim/index.ts'
import { defaultGenerator, keepRandom } from '../tensor/random.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { FitCallback } from './callbacks.ts'
import { parametersOf } from './check.ts'

/** A run of `fit` or `lrFind`. */
interface Run {
  readonly net: Module<unknown>
  readonly optimizers: readonly Optimizer[]
  /** They have one order and one position. */
  readonly train: Batches
  readonly callbacks?: readonly FitCallback[]
}

const underWay = new Map<Run, string>()

/** Throws an Error where a run that is under way has the batches or a callback that keeps a state, or trains what this one uses, or the other way round. */
export function checkFree(operation: string, run: Run): void {
  for (const [other, its] of underWay) {
    if (other.train === run.train) {
      throw new Error(
        `${operation}: another ${its} is training on these batches; wait for it, or make second batches of the same data`,
      )
    }
    const place = run.callbacks?.findIndex((own) => own.stateDict && other.callbacks?.includes(own)) ?? -1
    if (place >= 0) {
      throw new Error(
        `${operation}: another ${its} has callback ${place}, which keeps a state; wait for it, or make another callback`,
      )
    }
    const shared = sharedBy(run, other) ?? sharedBy(other, run)
    if (shared) {
      throw new Error(
        `${operation}: another ${its} is under way with ${shared.label} of this network; wait for it, or give each its own ` +
          'network and optimizer',
      )
    }
  }
}

/** The networks of runs that have drawn random numbers. */
const drawing = new Set<Module<unknown>>()

/**
 * Calls `step` of a run. Throws an Error, with the random numbers where they stood, if it draws some while another run does so too:
 * which of the two takes which draw would depend on the clock.
 */
export function checkDraws(operation: string, net: Module<unknown>, step: () => void): void {
  const restore = keepRandom()
  const { draws } = defaultGenerator()
  step()
  if (defaultGenerator().draws === draws) return
  const other = [...underWay].find(([run]) => run.net !== net && drawing.has(run.net))
  drawing.add(net)
  if (!other) return
  restore()
  throw new Error(
    `${operation}: this network draws random numbers, as that of another ${other[1]} does, which is under way; wait for it: which of ` +
      'the two takes which draw would depend on the clock',
  )
}

/** Notes that a run is under way until the function that is returned is called. */
export function beginRun(operation: string, run: Run): () => void {
  underWay.set(run, operation)
  return () => {
    underWay.delete(run)
    drawing.delete(run.net)
  }
}

/** A parameter that one run uses and the other trains. A layer that both use and none trains is nobody's. */
function sharedBy({ net }: Run, { optimizers }: Run): Tensor | undefined {
  const trained = new Set(parametersOf(optimizers))
  return net.parameters().find((p) => trained.has(p) && p.requiresGrad)
}
