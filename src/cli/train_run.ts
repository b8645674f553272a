import process from 'node:process'
import { type Gpu, ImageBatches, type ImageDataset, manualSeed, nn, optim, take } from '../index.ts'
import { loadFashionMnist, open } from '../node/index.ts'
import { describeRung } from '../node/ladder_text.ts'
import { RunFolder, type RunSummary } from '../node/run_folder.ts'
import { ensureSetup } from '../node/setup/index.ts'
import { packageVersion } from '../node/version.ts'
import type { Schedule } from '../sched/index.ts'
import {
  curvePoints,
  drawCurves,
  type EpochReport,
  type HistoryRecord,
  parameterHash,
  run,
  summaryLine,
} from '../train/index.ts'
import { UsageError } from './options.ts'
import { createProgress } from './progress.ts'
import { formatDuration } from './progress_text.ts'

export interface TrainOptions {
  readonly epochs: number
  readonly batchSize: number
  readonly lr: number
  readonly momentum: number
  readonly weightDecay: number
  readonly schedule: string
  readonly schedulePer: 'epoch' | 'step'
  readonly lrTiming: 'before-epoch' | 'after-epoch'
  readonly seed: number
  readonly limitTrain?: number
  readonly limitTest?: number
  readonly quiet?: boolean
}

/**
 * Trains LeNet on Fashion-MNIST and leaves the results in the folder `out`. Nothing is written before the data has been
 * read and a device opened.
 */
export async function trainRun(options: TrainOptions, schedule: Schedule, out: string): Promise<void> {
  await ensureSetup({ quiet: options.quiet })
  const { train, test, dir } = await loadFashionMnist()
  const trainSet = limited(train, '--limit-train', options.limitTrain)
  const testSet = limited(test, '--limit-test', options.limitTest)
  const gpu = await open()
  try {
    checkBatchFits(gpu, Math.min(options.batchSize, Math.max(trainSet.count, testSet.count)))
    const folder = await RunFolder.create(out)
    if (!options.quiet) {
      const images = `${trainSet.count} training and ${testSet.count} test images from ${dir}`
      process.stdout.write(`adapter: ${describeRung(gpu.info)}\ndata: ${images}\n`)
    }
    await trainOn(gpu, folder, trainSet, testSet, options, schedule)
  } finally {
    await gpu.close()
  }
}

async function trainOn(
  gpu: Gpu,
  folder: RunFolder,
  trainSet: ImageDataset,
  testSet: ImageDataset,
  options: TrainOptions,
  schedule: Schedule,
): Promise<void> {
  const { epochs, batchSize, seed, lr, momentum, weightDecay, schedulePer, lrTiming, quiet } = options
  manualSeed(seed)
  const net = nn.lenet()
  const optimizer = new optim.SGD(net.parameters(), { lr, momentum, weightDecay })
  const train = new ImageBatches(trainSet, { batchSize })
  const test = new ImageBatches(testSet, { batchSize })
  const { stdout } = process
  const progress = createProgress({ stream: stdout, isTTY: stdout.isTTY, quiet, epochs, stepsPerEpoch: train.length })
  const records: HistoryRecord[] = []
  const start = performance.now()
  try {
    const result = await run({
      net,
      optimizer,
      train,
      test,
      epochs,
      seed,
      rates: { schedule, per: schedulePer, timing: lrTiming, lr },
      onBatch: ({ epoch, step, images, lr, totals }) =>
        progress.batch({
          epoch,
          step,
          images,
          lr,
          ...(totals && { trainLoss: totals.loss, trainAcc: totals.accuracy }),
        }),
      onRecord: async (record) => {
        records.push(record)
        await folder.record(record)
      },
      onEpoch: async (report) => {
        progress.epoch(epochLineOf(report))
        await folder.timing(report)
      },
    })
    const { trainSeconds, ...figures } = result
    const summary: RunSummary = {
      ...figures,
      epochs,
      seconds: (performance.now() - start) / 1000,
      imagesPerSecond: (epochs * trainSet.count) / trainSeconds,
      adapter: gpu.info.name,
      seed,
      options: recorded(options),
      version: packageVersion(),
      parameterHash: await parameterHash(net),
    }
    const title = `LeNet on Fashion-MNIST, ${schedule.spec ?? options.schedule}, seed ${seed}`
    await folder.finish(summary, drawCurves(curvePoints(records, train.length), { epochs, title }))
    progress.message(`results in ${folder.path}`)
    const rate = Math.round(summary.imagesPerSecond).toLocaleString('en')
    progress.finish(`${summaryLine(summary)}\n${formatDuration(summary.seconds)}, ${rate} images/s on ${gpu.info.name}`)
  } finally {
    progress.finish()
  }
}

/** LeNet's largest tensor, 6 channels of 28×28 an image, must fit one buffer. */
function checkBatchFits(gpu: Gpu, batchSize: number): void {
  const { maxStorageBufferBindingSize, maxBufferSize } = gpu.device.limits
  const most = Math.floor(Math.min(maxStorageBufferBindingSize, maxBufferSize) / (4 * 6 * 28 * 28))
  if (batchSize > most)
    throw new UsageError(`option '--batch-size': this adapter takes batches of at most ${most}, not ${batchSize}`)
}

function limited(set: ImageDataset, option: string, limit: number | undefined): ImageDataset {
  if (limit === undefined) return set
  if (limit > set.count) throw new UsageError(`option '${option}': the set has ${set.count} images, not ${limit}`)
  return take(set, limit)
}

function epochLineOf({ epoch, lr, train, testAcc, trainSeconds, testSeconds }: EpochReport) {
  return {
    epoch,
    lr,
    trainLoss: train.loss,
    trainAcc: train.accuracy,
    testAcc,
    seconds: trainSeconds + testSeconds,
    imagesPerSecond: train.count / trainSeconds,
  }
}

/** The options that determine the numbers, for `result.json`. */
function recorded({ quiet: _, seed: __, limitTrain, limitTest, ...rest }: TrainOptions): RunSummary['options'] {
  return { ...rest, limitTrain: limitTrain ?? null, limitTest: limitTest ?? null }
}
