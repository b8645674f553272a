// What the runs of several seeds say about each other. Pure functions.
import type { Figures } from './plan.ts'
import type { Outcome, Run } from './records.ts'

export type Metric = keyof Figures
export type Interval = readonly [low: number, high: number]

/** Our mean must lie in PyTorch's range, widened by so much. Of the accuracy in training nothing is asked. */
export const WIDENED = { trainLoss: 0.02, testAcc: 0.01 } as const
export type Judged = keyof typeof WIDENED

/** The loss of ten classes that are all equally likely, ln 10, and a little room. */
const PLATEAU = 2.25

export const lastOf = ({ epochs }: Run): Figures => epochs.at(-1)!
export const valuesOf = (runs: readonly Run[], metric: Metric) => runs.map((run) => lastOf(run)[metric])
export const rangeOf = (values: readonly number[]): Interval => [Math.min(...values), Math.max(...values)]
export const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
/** A run that never learnt: its network answers every class with the same likelihood. */
export const onPlateau = (run: Run) => lastOf(run).trainLoss > PLATEAU

export interface Agreement {
  readonly mean: number
  readonly allowed: Interval
  readonly inside: boolean
}

/** Our mean beside what PyTorch's seeds allow; null where one of the two has no run. */
export function agreement({ ours, theirs }: Outcome, metric: Judged): Agreement | null {
  if (ours.length === 0 || theirs.length === 0) return null
  const mean = meanOf(valuesOf(ours, metric))
  const [low, high] = rangeOf(valuesOf(theirs, metric))
  const allowed: Interval = [low - WIDENED[metric], high + WIDENED[metric]]
  return { mean, allowed, inside: mean >= allowed[0] && mean <= allowed[1] }
}

/** Whether both metrics agree; null where nothing can be said. */
export function agrees(outcome: Outcome): boolean | null {
  const [loss, acc] = [agreement(outcome, 'trainLoss'), agreement(outcome, 'testAcc')]
  return loss && acc ? loss.inside && acc.inside : null
}

/** Where a figure lies: in an interval, or how far below or above it. */
export function placeOf(value: number, [low, high]: Interval): { where: 'inside' | 'below' | 'above'; by: number } {
  if (value < low) return { where: 'below', by: low - value }
  if (value > high) return { where: 'above', by: value - high }
  return { where: 'inside', by: 0 }
}

/** One run of each of several policies, drawn in every way: how often each has the best test accuracy, ties counting for all. */
export function choices(policies: readonly (readonly Run[])[]): { count: number; best: number[]; orders: number } {
  const best = policies.map(() => 0)
  const orders = new Set<string>()
  let count = 0
  const draw = (chosen: readonly number[]): void => {
    const runs = policies[chosen.length]
    if (runs) {
      for (const accuracy of valuesOf(runs, 'testAcc')) draw([...chosen, accuracy])
      return
    }
    count++
    const most = Math.max(...chosen)
    for (const [i, accuracy] of chosen.entries()) if (accuracy === most) best[i]!++
    const order = chosen.map((_, i) => i).sort((a, b) => chosen[b]! - chosen[a]! || a - b)
    orders.add(order.join(' '))
  }
  draw([])
  return { count, best, orders: orders.size }
}

/** The pairs of policies whose test accuracies do not overlap, the better one first. */
export function separated(policies: readonly (readonly Run[])[]): [better: number, worse: number][] {
  const ranges = policies.map((runs) => rangeOf(valuesOf(runs, 'testAcc')))
  const all = ranges.flatMap((_, i) => ranges.map((_, j): [number, number] => [i, j]))
  return all.filter(([i, j]) => ranges[i]![0] > ranges[j]![1])
}

/** How much the loss of an epoch must exceed that of the one before, to be told. */
export const SETBACK = 0.05

/** Epochs one after the other whose loss rose. */
export interface Setback {
  /** The first of them, and the loss before it. */
  readonly epoch: number
  readonly from: number
  readonly to: readonly number[]
}

/** On the plateau the loss never rises by so much. */
export function setbacks({ epochs }: Run): Setback[] {
  const found: { epoch: number; from: number; to: number[] }[] = []
  for (const [epoch, { trainLoss }] of epochs.entries()) {
    const from = epochs[epoch - 1]?.trainLoss ?? Number.POSITIVE_INFINITY
    if (trainLoss <= from + SETBACK) continue
    const last = found.at(-1)
    if (last && last.epoch + last.to.length === epoch) last.to.push(trainLoss)
    else found.push({ epoch, from, to: [trainLoss] })
  }
  return found
}
