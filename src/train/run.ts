import type { ImageBatches } from '../data/batches.ts'
import type { Module } from '../nn/index.ts'
import type { SGD } from '../optim/index.ts'
import { noGrad } from '../tensor/modes.ts'
import { permutation } from '../tensor/random.ts'
import { scope } from '../tensor/scope.ts'
import { batchOf, divergedInEvaluation, divergedInTraining } from './diverged.ts'
import { type HistoryRecord, isRecorded } from './history.ts'
import { METER_WORDS, Meter, type Totals } from './meter.ts'
import { type RateOptions, rateAt } from './rates.ts'

/** How long the loop may run ahead of the device, in milliseconds: the progress shown is at most this old. */
const AHEAD_MS = 250
const MAX_STEPS_AHEAD = 64

export interface RunOptions {
  readonly net: Module
  readonly optimizer: SGD
  readonly train: ImageBatches
  readonly test: ImageBatches
  readonly epochs: number
  /** The order of the images in an epoch is a pure function of this and the epoch's number. */
  readonly seed: number
  readonly rates: RateOptions
  /** After every update; `totals` of the epoch so far where they have been read. */
  readonly onBatch?: (info: { epoch: number; step: number; images: number; lr: number; totals: Totals | null }) => void
  /** Every record of the history in its order; waited for. */
  readonly onRecord?: (record: HistoryRecord) => Promise<void> | void
  /** After every epoch and its evaluation. */
  readonly onEpoch?: (info: EpochReport) => Promise<void> | void
  /** Where to go on instead of at the start. Parameters and momentum are the caller's to restore. */
  readonly start?: Position
  /** Between two updates, and after every epoch's record; waited for. What it throws ends the run. */
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
  const { train, epochs, start, onRecord, onEpoch, onPause } = options
  checkStart(start, train.length)
  const meter = new Meter(options.net.parameters()[0]!.gpu)
  let result: RunResult = {
    trainLoss: Number.NaN,
    trainAcc: Number.NaN,
    testAcc: Number.NaN,
    steps: 0,
    trainSeconds: start?.trainSeconds ?? 0,
  }
  try {
    for (let epoch = start?.epoch ?? 0; epoch < epochs; epoch++) {
      const { totals, lr, trainSeconds } = await trainEpoch(options, epoch, meter, result.trainSeconds)
      const trained = performance.now()
      const { accuracy: testAcc } = await evaluate(options.net, options.test, meter, epoch)
      const testSeconds = (performance.now() - trained) / 1000
      const steps = (epoch + 1) * train.length
      const { loss: trainLoss, accuracy: trainAcc } = totals
      await onRecord?.({ kind: 'epoch', epoch, step: steps, lr, trainLoss, trainAcc, testAcc })
      await onEpoch?.({ epoch, lr, train: totals, testAcc, trainSeconds, testSeconds })
      result = { trainLoss, trainAcc, testAcc, steps, trainSeconds: result.trainSeconds + trainSeconds }
      const clock = { trainSeconds: result.trainSeconds, epochSeconds: 0 }
      const position = { epoch: epoch + 1, step: steps, words: new Int32Array(METER_WORDS), ...clock }
      await onPause?.({ ...position, position: async () => position })
    }
    return result
  } finally {
    meter.dispose()
  }
}

/** @param secondsBefore of training, in the epochs before */
async function trainEpoch(
  options: RunOptions,
  epoch: number,
  meter: Meter,
  secondsBefore: number,
): Promise<{ totals: Totals; lr: number; trainSeconds: number }> {
  const { train, seed, rates, onBatch, onRecord, onPause } = options
  const began = performance.now()
  const start = options.start?.epoch === epoch ? options.start : null
  train.setOrder(permutation(seed, epoch, train.size))
  const first = start ? start.step - epoch * train.length : 0
  if (start && first > 0) meter.restore(start.words)
  else meter.reset()
  const seconds = () => (start?.epochSeconds ?? 0) + (performance.now() - began) / 1000
  let totals: Totals | null = null
  let lr = 0
  let ahead = 0
  let stepsAhead = 1
  let since = performance.now()
  for (let i = first; i < train.length; i++) {
    const step = epoch * train.length + i
    lr = rateAt(rates, epoch, step)
    const images = trainStep(options, i, lr, meter)
    const recorded = isRecorded(i)
    ahead++
    const read = recorded || i === train.length - 1 || ahead >= stepsAhead
    if (read) {
      totals = await readFinite(options, epoch, meter)
      const now = performance.now()
      stepsAhead = Math.min(MAX_STEPS_AHEAD, Math.max(1, Math.round((AHEAD_MS * ahead) / (now - since))))
      ahead = 0
      since = now
    }
    onBatch?.({ epoch, step: step + 1, images, lr, totals: read ? totals : null })
    if (recorded && totals) {
      const { loss: trainLoss, accuracy: trainAcc } = totals
      await onRecord?.({ kind: 'batch', epoch, step: step + 1, lr, trainLoss, trainAcc })
    }
    if (i === train.length - 1) break
    const at = { epoch, step: step + 1 }
    await onPause?.({
      ...at,
      position: async () => {
        const { words } = await readFinite(options, epoch, meter)
        return { ...at, words, trainSeconds: secondsBefore, epochSeconds: seconds() }
      },
    })
  }
  return { totals: totals!, lr, trainSeconds: seconds() }
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

/** One update. Nothing here waits for the device. */
function trainStep({ net, optimizer, train }: RunOptions, i: number, lr: number, meter: Meter): number {
  return scope(() => {
    for (const group of optimizer.paramGroups) group.lr = lr
    const { images, labels, size } = train.batch(i)
    const logits = net.forward(images)
    const loss = meter.loss(logits, labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step(meter.watch)
    return size
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
  meter.reset()
  noGrad(() => {
    for (let i = 0; i < batches.length; i++) {
      scope(() => {
        const { images, labels } = batches.batch(i)
        meter.loss(net.forward(images), labels)
      })
    }
  })
  const totals = await meter.read()
  if (totals.notFinite) throw divergedInEvaluation(totals.notFinite, batches, epoch)
  return totals
}
