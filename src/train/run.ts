import type { ImageBatches } from '../data/batches.ts'
import type { Module } from '../nn/index.ts'
import type { SGD } from '../optim/index.ts'
import { warmUp } from '../tensor/capture.ts'
import { noGrad } from '../tensor/modes.ts'
import { permutation } from '../tensor/random.ts'
import { batchOf, divergedInEvaluation, divergedInTraining } from './diverged.ts'
import { type HistoryRecord, isRecorded } from './history.ts'
import { METER_WORDS, Meter, type Totals } from './meter.ts'
import { momentumAt, type RateOptions, rateAt } from './rates.ts'
import { type Steps, stepsOf } from './steps.ts'

/**
 * How long the steps of one submit should take, in milliseconds, and how many there may be. While one is computed the next
 * is on its way, so the progress shown is at most twice as old.
 */
const SUBMIT_MS = 125
const MAX_STEPS = 64

export interface RunOptions {
  readonly net: Module
  readonly optimizer: SGD
  readonly train: ImageBatches
  readonly test: ImageBatches
  readonly epochs: number
  /** The order of the images in an epoch is a pure function of this and the epoch's number. */
  readonly seed: number
  readonly rates: RateOptions
  /**
   * Whether steps are captured and replayed, the default; false for a network whose forward does not do the same each
   * time. The bits are the same.
   */
  readonly capture?: boolean
  /** For every update, once it is known to have been computed; `totals` of the epoch so far where they were read. */
  readonly onBatch?: (info: { epoch: number; step: number; images: number; lr: number; totals: Totals | null }) => void
  /** Every record of the history in its order; waited for. */
  readonly onRecord?: (record: HistoryRecord) => Promise<void> | void
  /** After every epoch and its evaluation. */
  readonly onEpoch?: (info: EpochReport) => Promise<void> | void
  /** Where to go on instead of at the start. Parameters and momentum are the caller's to restore. */
  readonly start?: Position
  /** Whether to pause between this update, counted from 1, and the next; asked beforehand, and perhaps more than once. */
  readonly pauseAfter?: (step: number) => boolean
  /** In these pauses, and after every epoch's record; waited for. What it throws ends the run. */
  readonly onPause?: (at: Pause) => Promise<void> | void
}

/** Where a run stands between two updates. With parameters, momentum and seed it determines all that follows. */
export interface Position {
  /** Whole epochs, evaluated and recorded. */
  readonly epoch: number
  /** Updates since the start of the run. */
  readonly step: number
  /** The sums of the running epoch, as `Totals` has them; of no account before its first update. */
  readonly words: Int32Array<ArrayBuffer>
  /** Seconds of training in the whole epochs, and in the running one. */
  readonly trainSeconds: number
  readonly epochSeconds: number
}

/** A position whose sums are still on the GPU. */
export interface Pause {
  readonly epoch: number
  readonly step: number
  /** Reads the sums. A sync point; throws DivergedError where the loss is no longer a finite number. */
  readonly position: () => Promise<Position>
}

export interface EpochReport {
  readonly epoch: number
  readonly lr: number
  readonly train: Totals
  readonly testAcc: number
  /** Seconds of training, and of evaluation. */
  readonly trainSeconds: number
  readonly testSeconds: number
}

export interface RunResult {
  readonly trainLoss: number
  readonly trainAcc: number
  readonly testAcc: number
  readonly steps: number
  /** Seconds of training, evaluation left out. */
  readonly trainSeconds: number
}

/**
 * Trains a classifier by minibatches, evaluating it after every epoch. Loss and accuracy of training are running means
 * since the epoch's start, with the weights moving. Throws DivergedError, which names the step, when the loss, the logits,
 * a gradient or a parameter is no longer finite.
 */
export async function run(options: RunOptions): Promise<RunResult> {
  const { net, optimizer, train, test, epochs, start, onRecord, onEpoch, onPause } = options
  checkStart(start, train.length)
  const meter = new Meter(net.parameters()[0]!.gpu)
  const captured = options.capture ?? true
  const made: Steps[] = []
  let result: RunResult = {
    trainLoss: Number.NaN,
    trainAcc: Number.NaN,
    testAcc: Number.NaN,
    steps: 0,
    trainSeconds: start?.trainSeconds ?? 0,
  }
  try {
    setMomentum(options, start?.epoch ?? 0, start?.step ?? 0)
    const steps = stepsOf(() => trainStep(options, meter), optimizer, captured)
    made.push(steps)
    const evaluation = stepsOf(() => evaluationStep(net, test, meter), null, captured)
    made.push(evaluation)
    for (let epoch = start?.epoch ?? 0; epoch < epochs; epoch++) {
      const { totals, lr, trainSeconds } = await trainEpoch(options, epoch, meter, steps, result.trainSeconds)
      const trained = performance.now()
      const { accuracy: testAcc } = await evaluateBy(evaluation, test, meter, epoch)
      const testSeconds = (performance.now() - trained) / 1000
      const done = (epoch + 1) * train.length
      const { loss: trainLoss, accuracy: trainAcc } = totals
      await onRecord?.({ kind: 'epoch', epoch, step: done, lr, trainLoss, trainAcc, testAcc })
      await onEpoch?.({ epoch, lr, train: totals, testAcc, trainSeconds, testSeconds })
      result = { trainLoss, trainAcc, testAcc, steps: done, trainSeconds: result.trainSeconds + trainSeconds }
      const clock = { trainSeconds: result.trainSeconds, epochSeconds: 0 }
      const position = { epoch: epoch + 1, step: done, words: new Int32Array(METER_WORDS), ...clock }
      await onPause?.({ ...position, position: async () => position })
    }
    return result
  } finally {
    for (const steps of made) steps.dispose()
    meter.dispose()
  }
}

/** Compiles what `run` dispatches for such a network, optimiser and batches, and changes none of them; see `warmUp`. */
export async function warmUpRun(options: Pick<RunOptions, 'net' | 'optimizer' | 'train' | 'test'>): Promise<void> {
  const { net, test } = options
  const meter = new Meter(net.parameters()[0]!.gpu)
  try {
    await warmUp(
      () => {
        trainStep(options, meter)
        evaluationStep(net, test, meter)
      },
      { gpu: net.parameters()[0]!.gpu },
    )
  } finally {
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
): Promise<{ totals: Totals; lr: number; trainSeconds: number }> {
  const { train, seed, rates, onBatch, onRecord, onPause } = options
  const began = performance.now()
  const start = options.start?.epoch === epoch ? options.start : null
  const before = epoch * train.length
  train.setOrder(permutation(seed, epoch, train.size))
  train.position = start ? start.step - before : 0
  if (start && train.position > 0) meter.restore(start.words)
  else meter.reset()
  const seconds = () => (start?.epochSeconds ?? 0) + (performance.now() - began) / 1000
  let totals: Totals | null = null
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
    for (const [i, rate] of lrs.entries()) {
      const images = Math.min(train.batchSize, train.size - (first + i) * train.batchSize)
      onBatch?.({ epoch, step: before + first + i + 1, images, lr: rate, totals: first + i === last ? totals : null })
    }
    lr = lrs.at(-1)!
    if (!isRecorded(last)) return
    const { loss: trainLoss, accuracy: trainAcc } = totals
    await onRecord?.({ kind: 'batch', epoch, step: before + last + 1, lr, trainLoss, trainAcc })
  }
  // One submit is computed while the next is on its way.
  let reported: Promise<void> | null = null
  while (train.position < train.length) {
    const first = train.position
    const count = stepsUntilStop(options, epoch, first, most)
    const lrs = Array.from({ length: count }, (_, i) => rateAt(rates, epoch, before + first + i))
    setMomentum(options, epoch, before + first)
    steps.run(count, lrs)
    const reading = readFinite(options, epoch, meter)
    reading.catch(() => undefined) // it is thrown where it is waited for
    await reported
    reported = report(first, lrs, reading)
    reported.catch(() => undefined)
    const at = { epoch, step: before + first + count }
    if (first + count === train.length || !options.pauseAfter?.(at.step)) continue
    await reported
    await onPause?.({
      ...at,
      position: async () => {
        const { words } = await readFinite(options, epoch, meter)
        return { ...at, words, trainSeconds: secondsBefore, epochSeconds: seconds() }
      },
    })
  }
  await reported
  return { totals: totals!, lr, trainSeconds: seconds() }
}

/**
 * How many steps from batch `first` on may go out at once: up to the next record, the next pause or the epoch's end. The
 * steps of one submit have one momentum: where it changes with every step, they go out one by one.
 */
function stepsUntilStop(options: RunOptions, epoch: number, first: number, most: number): number {
  const { train, rates, pauseAfter } = options
  const before = train.length * epoch
  const left = Math.min(most, train.length - first)
  const momentum = momentumAt(rates, epoch, before + first)
  for (let count = 1; count < left; count++) {
    if (isRecorded(first + count - 1) || pauseAfter?.(before + first + count)) return count
    if (momentumAt(rates, epoch, before + first + count) !== momentum) return count
  }
  return left
}

/** Gives every group the schedule's momentum, where it has one. */
function setMomentum({ optimizer, rates }: RunOptions, epoch: number, step: number): void {
  const momentum = momentumAt(rates, epoch, step)
  if (momentum === undefined) return
  for (const group of optimizer.paramGroups) group.momentum = momentum
}

/** The loop runs ahead of the reading: the step is that of the batch in which the device saw it, not the last one. */
async function readFinite(options: RunOptions, epoch: number, meter: Meter): Promise<Totals> {
  const totals = await meter.read()
  if (!totals.notFinite) return totals
  const { train, rates } = options
  const step = epoch * train.length + batchOf(totals.notFinite, train)
  throw divergedInTraining(totals.notFinite, options, { epoch, step: step + 1, lr: rateAt(rates, epoch, step) })
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

/** One update. */
function trainStep({ net, optimizer, train }: Pick<RunOptions, 'net' | 'optimizer' | 'train'>, meter: Meter): void {
  const { images, labels } = train.next()
  const loss = meter.loss(net.forward(images), labels)
  optimizer.zeroGrad()
  loss.backward()
  optimizer.step(meter.watch)
}

function evaluationStep(net: Module, batches: ImageBatches, meter: Meter): void {
  noGrad(() => {
    const { images, labels } = batches.next()
    meter.loss(net.forward(images), labels)
  })
}

/**
 * Mean loss and accuracy of a network over a data set, in the set's own order. Changes nothing. Throws DivergedError when
 * the loss or the logits are not finite; `epoch` is for its message.
 */
export async function evaluate(
  net: Module,
  batches: ImageBatches,
  meter: Meter,
  epoch: number | null = null,
): Promise<Totals> {
  return await evaluateBy(
    stepsOf(() => evaluationStep(net, batches, meter), null, false),
    batches,
    meter,
    epoch,
  )
}

async function evaluateBy(steps: Steps, batches: ImageBatches, meter: Meter, epoch: number | null): Promise<Totals> {
  meter.reset()
  batches.position = 0
  steps.run(batches.length)
  const totals = await meter.read()
  if (totals.notFinite) throw divergedInEvaluation(totals.notFinite, batches, epoch)
  return totals
}
