// lrFind: the range test for learning rates.
import { capture, type Plan } from '../capture/capture.ts'
import type { Batches, BatchOf } from '../data/batches.ts'
import type { BatchFields } from '../data/check_fields.ts'
import { crossEntropy } from '../kernels/class_losses.ts'
import type { Module } from '../nn/index.ts'
import { setMode } from '../nn/module.ts'
import { checkNotSwapped } from '../optim/average.ts'
import { checkNotFrozen } from '../optim/check.ts'
import type { Optimizer } from '../optim/index.ts'
import { empty } from '../tensor/create.ts'
import { requireOptions, shown, tooMany } from '../tensor/options.ts'
import { drawAside } from '../tensor/random.ts'
import { bytesPerElement, type Tensor } from '../tensor/tensor.ts'
import { checkBatches, checkNet, checkOptimizer } from './check.ts'
import type { ImageFields } from './fit.ts'
import { withoutMissing } from './missing_parameters.ts'
import { checkLastBatch } from './rehearsal.ts'
import { type AnyBatch, anyBatch, type OutputOf, requireOne, type Task, taskOf } from './task.ts'
import { zeroGradients } from './training_step.ts'
import { beginRun, checkFree } from './under_way.ts'

/** A loss this many times the lowest ends the search; fastai's number. */
const HOPELESS = 4
/** This many tenths of the planned steps are skipped: their averages contain few batches. As in fastai. */
const UNSETTLED = 0.1

/** Options of {@link lrFind}. */
export interface LrFindOptions<
  N extends Module<unknown> = Module,
  F extends BatchFields = ImageFields,
  Out = OutputOf<N>,
> {
  readonly net: N
  readonly optimizer: Optimizer
  /** Taken in the order that they have, from the first on, and again from there where there are fewer than steps. */
  readonly train: Batches<F>
  /** The mean loss of a batch, as in `fit`: cross-entropy of images and labels unless given. */
  readonly loss?: (output: Out, batch: BatchOf<F>) => Tensor
  /** What the network computes of a batch, as in `fit`. */
  readonly forward?: (net: N, batch: BatchOf<F>) => Out
  /** The first rate and the last, 0 < minLr < maxLr; 1e-3 and 10. */
  readonly minLr?: number
  readonly maxLr?: number
  /** Updates from the one to the other, 2 or more; the batches of one pass, and two passes over a single batch. */
  readonly steps?: number
  /** What each loss leaves of the average before it, 0 or more and below 1; 0.9 (fastai: 0.98, a fifth of a pass here). */
  readonly smoothing?: number
}

/** One update: its rate, the loss of its batch before it, and the average of the losses so far. */
export interface LrPoint {
  readonly lr: number
  readonly loss: number
  readonly smoothed: number
}

export interface LrSuggestion {
  /**
   * The rate at which the smoothed loss fell fastest over the logarithm of the rate, on the way to its lowest: below the rate
   * of that; null where it never fell.
   */
  readonly steepest: number | null
  /** The rate at which the smoothed loss was lowest; null if there are no points. */
  readonly lowest: number | null
  /** A tenth of that. */
  readonly tenth: number | null
}

/** What a sweep met, and why it ended before its last rate: the smoothed loss was 4 times its lowest, or a loss not finite. */
interface Sweep {
  readonly points: readonly LrPoint[]
  readonly stopped: 'hopeless' | 'not finite' | null
}

/** What {@link lrFind} returns. */
export interface LrFindResult extends LrSuggestion, Sweep {}

/**
 * The range test for learning rates of L. N. Smith ("Cyclical Learning Rates for Training Neural Networks", 2017), with
 * fastai's exponential sweep and its two suggestions: update i of n has the rate minLr (maxLr / minLr)^(i / (n − 1)), the
 * same for all groups, and the losses are smoothed by a bias-corrected exponential average. It ends early where that is 4
 * times its lowest, or a loss is not finite.
 *
 * The network is in training mode meanwhile. Afterwards parameters, buffers, modes, the optimizer's state, random streams and
 * the batches' position are as before, bit for bit, also where it throws; gradients are forgotten. Rejects with TypeError or RangeError for options that do not fit, before anything is done.
 */
export async function lrFind<N extends Module<unknown>, F extends BatchFields, Out = OutputOf<N>>(
  options: LrFindOptions<N, F, Out>,
): Promise<LrFindResult> {
  if (arguments.length > 1) throw tooMany(arguments, 'lrFind(options)')
  const known = ['net', 'optimizer', 'train', 'loss', 'forward', 'minLr', 'maxLr', 'steps', 'smoothing']
  requireOptions('lrFind', options, known)
  const { net, optimizer, train } = options
  checkNet('lrFind', net)
  checkOptimizer('lrFind', net, optimizer)
  checkNotFrozen('lrFind', optimizer.paramGroups)
  checkNotSwapped('lrFind', optimizer.paramGroups)
  checkBatches('lrFind', 'train', train)
  const task = taskOf('lrFind', net, options, train)
  const optimizers = [optimizer]
  const { minLr = 1e-3, maxLr = 10, steps = stepsOver(train), smoothing = 0.9 } = options
  for (const [name, value] of Object.entries({ minLr, maxLr, steps, smoothing })) {
    if (typeof value !== 'number') throw new TypeError(`lrFind: ${name} must be a number, not ${typeof value}`)
  }
  const rates = sweepOf(minLr, maxLr, steps)
  checkSmoothing(smoothing)
  checkFree('lrFind', { net, optimizers, train })
  const end = beginRun('lrFind', { net, optimizers, train })
  const restore = snapshot(net, optimizer, train)
  optimizer.train()
  try {
    if (steps >= train.length) {
      checkLastBatch('lrFind', train, { net, loss: (batch) => lossBy(task, task.forward(batch), batch) })
    }
    const sweep = await sweepBy(rates, { net, optimizer, train, task, smoothing })
    return { ...sweep, ...suggest(sweep.points, steps) }
  } finally {
    restore()
    end()
  }
}

/** How many updates a sweep has unless a number is given. */
export function stepsOver(train: Batches): number {
  return Math.max(2, train.length)
}

/** The rates of a sweep, evenly spaced by their logarithms. */
export function sweepOf(minLr: number, maxLr: number, steps: number): number[] {
  if (!(minLr > 0 && minLr < maxLr && Number.isFinite(maxLr))) {
    throw new RangeError(`lrFind: the rates must be 0 < minLr < maxLr, both finite, got ${minLr} and ${maxLr}`)
  }
  if (!Number.isFinite(maxLr / minLr)) {
    throw new RangeError(`lrFind: the rates are too far apart: maxLr / minLr must be finite, got ${maxLr} / ${minLr}`)
  }
  if (!Number.isSafeInteger(steps) || steps < 2) {
    throw new RangeError(`lrFind: steps must be an integer ≥ 2, got ${shown(steps)}`)
  }
  const last = steps - 1
  return Array.from({ length: steps }, (_, i) => (i === last ? maxLr : minLr * (maxLr / minLr) ** (i / last)))
}

function checkSmoothing(smoothing: number): void {
  if (smoothing >= 0 && smoothing < 1) return
  throw new RangeError(`lrFind: smoothing must be a number ≥ 0 and < 1, got ${smoothing}`)
}

/**
 * An exponential average of the numbers it is given, divided by the weight of what it holds, so that the first are not
 * drawn to 0: that of Adam (Kingma and Ba, 2015).
 */
export function averager(smoothing: number): (value: number) => number {
  let [sum, weight] = [0, 0]
  return (value) => {
    sum = smoothing * sum + (1 - smoothing) * value
    weight = smoothing * weight + (1 - smoothing)
    return sum / weight
  }
}

/** The rates that the points of a range test with this many planned steps suggest. */
export function suggest(points: readonly LrPoint[], steps: number): LrSuggestion {
  const settled = points.slice(Math.floor(UNSETTLED * steps))
  const seen = settled.length < 2 ? points : settled
  let [lowest, steepest]: [LrPoint | undefined, LrPoint | null] = [seen[0], null]
  let [slope, steepestYet]: [number, LrPoint | null] = [0, null]
  for (const [i, point] of seen.entries()) {
    const before = seen[i - 1]
    if (!before) continue
    const rise = (point.smoothed - before.smoothed) / Math.log(point.lr / before.lr)
    if (rise < slope) [slope, steepestYet] = [rise, before]
    // Beyond the lowest loss a fall is only the way back from a jump.
    if (point.smoothed < lowest!.smoothed) [lowest, steepest] = [point, steepestYet]
  }
  return { steepest: steepest?.lr ?? null, lowest: lowest?.lr ?? null, tenth: lowest ? lowest.lr / 10 : null }
}

interface Sweeping {
  readonly net: Module<unknown>
  readonly optimizer: Optimizer
  readonly train: Batches
  readonly task: Task
  readonly smoothing: number
}

/** The mean loss of a batch. */
function lossBy(task: Task, output: unknown, batch: AnyBatch): Tensor {
  const loss = task.loss ? task.loss(output, batch) : crossEntropy(output as Tensor, batch.labels!)
  requireOne('lrFind', 'what loss returns', loss)
  return loss
}

/**
 * One update after the other, up to the first loss that is past all hope, or not finite (which is left out). Each is read
 * while the next is computed, so that one update more is made than is reported.
 */
async function sweepBy(rates: readonly number[], { net, optimizer, train, task, smoothing }: Sweeping): Promise<Sweep> {
  const step = () => {
    const loss = withoutMissing('lrFind', net, task.forward, (forward) => {
      const batch = anyBatch(train.next())
      const loss = lossBy(task, forward(batch), batch)
      zeroGradients({ net, optimizers: [optimizer] })
      loss.backward()
      return loss
    })
    optimizer.step()
    return loss.detach()
  }
  const plans = new Map<number, Plan<Tensor>>()
  /** The plan for the batch where `train` stands: a last one of fewer rows has its own. */
  const planHere = () => {
    const size = train.sizeOf(train.position)
    const plan = plans.get(size) ?? capture(step, { gpu: net.parameters()[0]!.gpu })
    plans.set(size, plan)
    return plan
  }
  const lossAt = (i: number) => {
    if (i % train.length === 0) train.position = 0
    const plan = aside(() => {
      const plan = planHere()
      plan.run(1, { lr: [rates[i]!] })
      return plan
    })
    const reading = plan.result.item()
    reading.catch(() => undefined) // it is thrown where it is waited for
    return reading
  }
  const aside = drawAside() // a fit may be under way
  const average = averager(smoothing)
  const points: LrPoint[] = []
  let best = Number.POSITIVE_INFINITY
  try {
    let next = lossAt(0)
    for (const [i, lr] of rates.entries()) {
      const reading = next
      if (i + 1 < rates.length) next = lossAt(i + 1)
      const loss = await reading
      if (!Number.isFinite(loss)) return { points, stopped: 'not finite' }
      const smoothed = average(loss)
      points.push({ lr, loss, smoothed })
      best = Math.min(best, smoothed)
      if (smoothed > HOPELESS * best) return { points, stopped: 'hopeless' }
    }
    return { points, stopped: null }
  } finally {
    zeroGradients({ net, optimizers: [optimizer] })
    for (const plan of plans.values()) plan.dispose()
  }
}

/** Keeps what training changes, and puts the network into training mode; what is returned puts everything back. */
function snapshot(net: Module<unknown>, optimizer: Optimizer, train: Batches): () => void {
  const parts = new Map([...net.stateDict()].map(([name, part]) => [name, copyOf(part)]))
  const state = optimizer.stateDict()
  const copies = Object.entries(state.state).map(([name, list]) => [name, list.map((x) => x && copyOf(x))] as const)
  const kept = { ...state, state: Object.fromEntries(copies) }
  const { position } = train
  const restoreModes = setMode(net, true)
  return () => {
    restoreModes()
    train.position = position
    try {
      net.loadStateDict(parts)
      optimizer.loadStateDict(kept)
      optimizer.settle()
    } finally {
      for (const copy of [...parts.values(), ...copies.flatMap(([, list]) => list)]) copy?.dispose()
    }
  }
}

function copyOf({ gpu, shape, dtype, size, storage }: Tensor): Tensor {
  const copy = empty(gpu, shape, dtype, 'kept', gpu.pool.largestInParts).keep()
  gpu.copy(storage, copy.storage, bytesPerElement[dtype] * size)
  return copy
}
