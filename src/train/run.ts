import type { ImageBatches } from '../data/batches.ts'
import { permutation } from '../tensor/random.ts'
import { batchOf, divergedInTraining } from './diverged.ts'
import { evaluateBy, evaluationStep } from './evaluate.ts'
import { type HistoryRecord, isRecorded } from './history.ts'
import { METER_WORDS, Meter, type Totals } from './meter.ts'
import { momentumAt, type RateOptions, rateAt } from './rates.ts'
import type { Position } from './saved_state.ts'
import { type Steps, stepsOf } from './steps.ts'
import { checkUpdate, type UpdateOptions, updateSteps, updatesOf } from './update.ts'

/**
 * How long the steps of one submit should take, in milliseconds, and how many there may be. While one is computed the next
 * is on its way, so the progress shown is at most twice as old.
 */
const SUBMIT_MS = 125
const MAX_STEPS = 64

/** What a hook returns to end the run; anything else lets it go on. */
const STOP = 'stop'
type Answer = unknown

export interface RunOptions extends UpdateOptions {
  /** null: nothing is evaluated, and figures of the test are NaN. */
  readonly test: ImageBatches | null
  readonly epochs: number
  /** The order of the images in an epoch is a pure function of this and the epoch's number. */
  readonly seed: number
  /** null: the rates and the momentum are those of the optimiser's groups. */
  readonly rates: RateOptions | null
  /**
   * Whether steps are captured and replayed, the default; false for a network whose forward does not do the same each
   * time. The bits are the same.
   */
  readonly capture?: boolean
  /**
   * For every update, once it is known to have been computed; `totals` of the epoch so far where they were read. Waited
   * for. 'stop' ends the run at the next pause, or else when what has been sent is computed; no evaluation follows.
   */
  readonly onBatch?: (info: BatchReport) => Answer
  /** Every record of the history in its order; waited for. */
  readonly onRecord?: (record: HistoryRecord) => Promise<void> | void
  /** After every epoch and its evaluation; waited for. 'stop' ends the run. */
  readonly onEpoch?: (info: EpochReport) => Answer
  /** Where to go on instead of at the start. Parameters and momentum are the caller's to restore. */
  readonly start?: Position
  /** Whether to pause between this update, counted from 1, and the next; asked beforehand, and perhaps more than once. */
  readonly pauseAfter?: (step: number) => boolean
  /** In these pauses, and after every epoch's record; waited for. What it throws ends the run. */
  readonly onPause?: (at: Pause) => Promise<void> | void
}

/** A position whose sums are still on the GPU. */
export interface Pause {
  readonly epoch: number
  readonly step: number
  /** Reads the sums. A sync point; throws DivergedError where the loss is no longer a finite number. */
  readonly position: () => Promise<Position>
}

export interface BatchReport {
  readonly epoch: number
  readonly step: number
  readonly images: number
  readonly lr: number
  readonly totals: Totals | null
}

export interface EpochReport {
  readonly epoch: number
  /** Updates since the start of the run. */
  readonly step: number
  readonly lr: number
  readonly train: Totals
  readonly testLoss: number
  readonly testAcc: number
  /** Seconds of training, and of evaluation. */
  readonly trainSeconds: number
  readonly testSeconds: number
}

/** Figures of the last whole epoch, NaN where there is none. */
export interface RunResult {
  readonly trainLoss: number
  readonly trainAcc: number
  readonly testLoss: number
  readonly testAcc: number
  /** Updates since the start of the run, and whole epochs. */
  readonly steps: number
  readonly epochs: number
  /** Whether a hook ended it. */
  readonly stopped: boolean
  /** Seconds of training, evaluation left out. */
  readonly trainSeconds: number
}

/**
 * Trains a classifier by minibatches, evaluating it after every epoch. Loss and accuracy of training are running means
 * since the epoch's start, with the weights moving. Throws DivergedError, which names the step, when the loss, the logits,
 * a gradient or a parameter is no longer finite.
 */
export async function run(options: RunOptions): Promise<RunResult> {
  const { net, test, epochs, start, onRecord, onEpoch, onPause } = options
  checkUpdate('run', options)
  const updates = updatesOf(options)
  checkStart(start, updates)
  const meter = new Meter(net.parameters()[0]!.gpu)
  const captured = options.capture ?? true
  const made: Steps[] = []
  let result: RunResult = {
    trainLoss: Number.NaN,
    trainAcc: Number.NaN,
    testLoss: Number.NaN,
    testAcc: Number.NaN,
    steps: start?.step ?? 0,
    epochs: start?.epoch ?? 0,
    stopped: false,
    trainSeconds: start?.trainSeconds ?? 0,
  }
  try {
    setMomentum(options, start?.epoch ?? 0, start?.step ?? 0)
    const steps = updateSteps(options, meter, captured)
    made.push(steps)
    const evaluation = test && stepsOf(() => evaluationStep(net, test, meter), test, null, captured)
    if (evaluation) made.push(evaluation)
    for (let epoch = start?.epoch ?? 0; epoch < epochs; epoch++) {
      const trained = await trainEpoch(options, epoch, meter, steps, result.trainSeconds)
      const { totals, lr, stoppedAt, trainSeconds } = trained
      const seconds = result.trainSeconds + trainSeconds
      if (stoppedAt !== null) return { ...result, steps: stoppedAt, stopped: true, trainSeconds: seconds }
      const before = performance.now()
      const { loss: testLoss, accuracy: testAcc } = evaluation
        ? await evaluateBy(evaluation, test, meter, epoch)
        : { loss: Number.NaN, accuracy: Number.NaN }
      const testSeconds = (performance.now() - before) / 1000
      const done = (epoch + 1) * updates
      const { loss: trainLoss, accuracy: trainAcc } = totals
      await onRecord?.({ kind: 'epoch', epoch, step: done, lr, trainLoss, trainAcc, testAcc })
      const report = { epoch, step: done, lr, train: totals, testLoss, testAcc, trainSeconds, testSeconds }
      const stopped = (await onEpoch?.(report)) === STOP
      const figures = { trainLoss, trainAcc, testLoss, testAcc }
      result = { ...figures, steps: done, epochs: epoch + 1, stopped, trainSeconds: seconds }
      const clock = { trainSeconds: result.trainSeconds, epochSeconds: 0 }
      const position = { epoch: epoch + 1, step: done, words: new Int32Array(METER_WORDS), ...clock }
      await onPause?.({ ...position, position: async () => position })
      if (stopped) break
    }
    return result
  } finally {
    for (const steps of made) steps.dispose()
    meter.dispose()
  }
}

/** @param secondsBefore of training, in the epochs before */
async function trainEpoch(
  options: RunOptions,
  epoch: number,
  meter: Meter,
  steps: Steps,
  secondsBefore: number,
): Promise<{ totals: Totals; lr: number; trainSeconds: number; stoppedAt: number | null }> {
  const { train, seed, accumulate = 1, onBatch, onRecord, onPause } = options
  const began = performance.now()
  const start = options.start?.epoch === epoch ? options.start : null
  const updates = updatesOf(options)
  const before = epoch * updates
  train.setOrder(permutation(seed, epoch, train.size))
  train.position = start ? (start.step - before) * accumulate : 0
  if (start && train.position > 0) meter.restore(start.words)
  else meter.reset()
  const seconds = () => (start?.epochSeconds ?? 0) + (performance.now() - began) / 1000
  let totals: Totals | null = null
  let stopped = false
  let lr = 0
  let most = 1
  let since = performance.now()
  /** Waits for the steps of a submit and tells of them. */
  const report = async (first: number, lrs: readonly number[], reading: Promise<Totals>) => {
    totals = await reading
    const now = performance.now()
    most = Math.min(MAX_STEPS, Math.max(1, Math.round((SUBMIT_MS * lrs.length) / (now - since))))
    since = now
    const last = first + lrs.length - 1
    const perUpdate = train.batchSize * accumulate
    for (const [i, rate] of lrs.entries()) {
      const images = Math.min(perUpdate, train.size - (first + i) * perUpdate)
      const read = first + i === last ? totals : null
      const answer = await onBatch?.({ epoch, step: before + first + i + 1, images, lr: rate, totals: read })
      stopped ||= answer === STOP
    }
    lr = lrs.at(-1)!
    if (!isRecorded(last)) return
    const { loss: trainLoss, accuracy: trainAcc } = totals
    await onRecord?.({ kind: 'batch', epoch, step: before + last + 1, lr, trainLoss, trainAcc })
  }
  // One submit is computed while the next is on its way.
  let reported: Promise<void> | null = null
  let done = train.position / accumulate
  while (done < updates && !stopped) {
    const first = done
    const count = stepsUntilStop(options, epoch, first, most)
    const lrs = Array.from({ length: count }, (_, i) => rateOf(options, epoch, before + first + i))
    setMomentum(options, epoch, before + first)
    steps.run(count, options.rates ? lrs : undefined)
    done = first + count
    const reading = readFinite(options, epoch, meter)
    reading.catch(() => undefined) // it is thrown where it is waited for
    await reported
    reported = report(first, lrs, reading)
    reported.catch(() => undefined)
    const at = { epoch, step: before + done }
    if (done === updates || !options.pauseAfter?.(at.step)) continue
    await reported
    if (stopped) break
    await onPause?.({
      ...at,
      position: async () => {
        const { words } = await readFinite(options, epoch, meter)
        return { ...at, words, trainSeconds: secondsBefore, epochSeconds: seconds() }
      },
    })
  }
  await reported
  return { totals: totals!, lr, trainSeconds: seconds(), stoppedAt: stopped ? before + done : null }
}

/**
 * How many steps from batch `first` on may go out at once: up to the next record, the next pause or the epoch's end. The
 * steps of one submit have one momentum: where it changes with every step, they go out one by one.
 */
function stepsUntilStop(options: RunOptions, epoch: number, first: number, most: number): number {
  const { rates, pauseAfter } = options
  const updates = updatesOf(options)
  const before = updates * epoch
  const left = Math.min(most, updates - first)
  const momentum = rates && momentumAt(rates, epoch, before + first)
  for (let count = 1; count < left; count++) {
    if (isRecorded(first + count - 1) || pauseAfter?.(before + first + count)) return count
    if (rates && momentumAt(rates, epoch, before + first + count) !== momentum) return count
  }
  return left
}

/** Gives every group the schedule's momentum, where it has one. */
function setMomentum({ optimizer, rates }: RunOptions, epoch: number, step: number): void {
  const momentum = rates ? momentumAt(rates, epoch, step) : undefined
  if (momentum === undefined) return
  for (const group of optimizer.paramGroups) {
    if (!('momentum' in group)) throw new TypeError('fit: the schedule has a momentum, and the optimizer has none')
    group.momentum = momentum
  }
}

/** The rate in force at an update: without a schedule that of the first group. */
function rateOf({ rates, optimizer }: RunOptions, epoch: number, step: number): number {
  return rates ? rateAt(rates, epoch, step) : optimizer.paramGroups[0]!.lr
}

/** The loop runs ahead of the reading: the step is that of the batch in which the device saw it, not the last one. */
async function readFinite(options: RunOptions, epoch: number, meter: Meter): Promise<Totals> {
  const totals = await meter.read()
  if (!totals.notFinite) return totals
  const { train, accumulate = 1 } = options
  const step = epoch * updatesOf(options) + Math.floor(batchOf(totals.notFinite, train) / accumulate)
  throw divergedInTraining(totals.notFinite, options, { epoch, step: step + 1, lr: rateOf(options, epoch, step) })
}

/** A whole epoch's last update is followed by its record, so that no run stands between the two. */
function checkStart(start: Position | undefined, stepsPerEpoch: number): void {
  if (start === undefined) return
  const { epoch, step } = start
  const batch = step - epoch * stepsPerEpoch
  if (Number.isSafeInteger(epoch) && epoch >= 0 && Number.isSafeInteger(step) && batch >= 0 && batch < stepsPerEpoch)
    return
  throw new RangeError(`run: no run of ${stepsPerEpoch} steps an epoch stands at epoch ${epoch}, step ${step}`)
}
