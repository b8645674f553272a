// One run of `dawngrad train`, from its first line to its result.
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { drawCurves } from '../figures/curves.ts'
import { DataError, type Gpu, ImageBatches, type ImageDataset, manualSeed, nn, type optim, take } from '../index.ts'
import { decodeCheckpoint } from '../node/checkpoint.ts'
import type { FoundCheckpoint } from '../node/checkpoint_folder.ts'
import { checkpointNames, setAside } from '../node/checkpoint_folder.ts'
import { commandLine } from '../node/command.ts'
import type { HeldFolder } from '../node/held_folder.ts'
import type { loadFashionMnist } from '../node/index.ts'
import { forgetOptions, noteOptions, RunFolder, type RunSummary } from '../node/run_folder.ts'
import { packageVersion } from '../node/version.ts'
import { describeAdapter } from '../provision/adapters.ts'
import { ensureSetup } from '../provision/setup.ts'
import {
  type CheckpointStore,
  curvePoints,
  DivergedError,
  type FitEpoch,
  type FitResult,
  fit,
  type HistoryRecord,
  parameterHash,
  parseHistory,
  restoreValues,
  type SavedState,
  summaryLine,
} from '../train/index.ts'
import { LiveRun } from './live_run.ts'
import { optimizerOf } from './optimizer.ts'
import { checkSchedule, type Rates, UsageError } from './options.ts'
import { plateauOf, titleOf } from './plateau.ts'
import { createProgress } from './progress.ts'
import { formatDuration } from './progress_text.ts'
import { Saver } from './saver.ts'
import { exitCodeOf, stopSignals } from './signals.ts'
import { type StartTimes, start, startLine } from './start.ts'
import { type Change, DECIDING, recorded, SAVING, type TrainOptions } from './train_options.ts'

export interface TrainRun {
  readonly options: TrainOptions
  readonly rates: Rates
  /** The run's folder, which this process has for itself. */
  readonly folder: HeldFolder
  readonly load: typeof loadFashionMnist
  /** A file that `tune` wrote. Not recorded: it changes no bit. */
  readonly tuning?: string | undefined
  /** Of a run that continues; from its beginning, if it broke off before its first checkpoint. */
  readonly going?: {
    readonly found: FoundCheckpoint | null
    readonly changed: readonly Change[]
    readonly allowChanges: boolean
  }
}

/**
 * Trains LeNet on Fashion-MNIST and leaves the results in the run's folder. Of a new run the options are there before
 * anything that takes long; they go again if it is refused. Nothing else is written before the data has been read and a
 * device opened, and a checkpoint to continue from found to fit.
 */
export async function trainRun(plan: TrainRun): Promise<void> {
  const { options, going, folder } = plan
  if (going) return await startRun(plan)
  await noteOptions(folder.path, recorded(options, [...DECIDING, ...SAVING]))
  let hasFiles = false
  try {
    await startRun(plan, () => {
      hasFiles = true
    })
  } catch (error) {
    if (!hasFiles) await forgetOptions(folder.path)
    throw error
  }
}

/** `onFiles` is called before the run's files are made. */
async function startRun(plan: TrainRun, onFiles = () => {}): Promise<void> {
  const { options, going, folder } = plan
  const { path } = folder
  await ensureSetup({ quiet: options.quiet })
  const { train, test, dir, gpu, times } = await start(plan.load, options, plan.tuning)
  try {
    const trainSet = limited(train, '--limit-train', options.limitTrain)
    const testSet = limited(test, '--limit-test', options.limitTest)
    checkBatchFits(gpu, Math.min(options.batchSize, Math.max(trainSet.count, testSet.count)))
    const changed = changesOf(plan, gpu)
    if (changed.length > 0 && !going?.allowChanges) {
      throw new UsageError(
        `option '--resume': the run in ${path} had ${changed.join('; ')}: its numbers would differ; ` +
          // A sweep resumes its points too, and has no such option.
          `${commandLine('train', ['--resume', path])} accepts this with --allow-changes`,
      )
    }
    if (!options.quiet) {
      const images = `${trainSet.count} training and ${testSet.count} test images from ${dir}`
      process.stdout.write(`adapter: ${describeAdapter(gpu.info)}\ndata: ${images}\n`)
    }
    for (const { why } of going?.found?.passedOver ?? []) process.stderr.write(`warning: ${why}\n`)
    await trainOn(gpu, plan, trainSet, testSet, { changed, times, onFiles })
  } finally {
    await gpu.close()
  }
}

/** What has changed since the run began, in words: options, adapter and version. */
function changesOf({ going }: TrainRun, gpu: Gpu): string[] {
  if (!going) return []
  const { adapter = gpu.info.name, version = packageVersion() } = going.found?.checkpoint ?? {}
  const others = [
    { name: 'the adapter', from: adapter, to: gpu.info.name },
    { name: 'the version', from: version, to: packageVersion() },
  ].filter(({ from, to }) => from !== to)
  return [...going.changed, ...others].map(({ name, from, to }) => `${name} ${from}, now ${to}`)
}

async function trainOn(
  gpu: Gpu,
  plan: TrainRun,
  trainSet: ImageDataset,
  testSet: ImageDataset,
  { changed, times, onFiles }: { changed: readonly string[]; times: StartTimes; onFiles: () => void },
): Promise<void> {
  const { options, going } = plan
  const { path } = plan.folder
  const found = going?.found ?? null
  const { epochs, batchSize, seed, lr, schedulePer, lrTiming, quiet, checkpointEvery: every, keep } = options
  manualSeed(seed)
  const net = nn.lenet()
  const optimizer = optimizerOf(net.parameters(), options)
  const train = new ImageBatches(trainSet, { batchSize })
  const test = new ImageBatches(testSet, { batchSize })
  const counted = schedulePer === 'epoch' ? epochs : epochs * train.length
  checkSchedule(plan.rates, lrTiming === 'before-epoch' ? counted : counted - 1)
  const records: HistoryRecord[] = found ? recordsOf(found, path, train.length) : []
  const title = `LeNet on Fashion-MNIST, ${titleOf(options, plan.rates)}, seed ${seed}`
  const about = { title, epochs, stepsPerEpoch: train.length }
  const live = options.live === undefined ? null : await LiveRun.start(about, options.live, records)
  const settings = { images: train.size, batchSize: train.batchSize, accumulate: 1, seed, lr }
  // First of all, since it sets the rate that it had reached.
  const plateau = plateauOf(plan, optimizer)
  const from = found ? { ...withOptionsNow(found.checkpoint, optimizer), settings, history: [...records] } : undefined
  if (found && from) restoreValues(net, optimizer, from, found.path)
  let begun = false
  if (going && !found) await noteOptions(path, recorded(options, [...DECIDING, ...SAVING]))
  onFiles()
  const folder = found ? await reopened(plan.folder, found) : await RunFolder.create(plan.folder)
  const { stdout } = process
  const progress = createProgress({
    stream: stdout,
    isTTY: stdout.isTTY,
    quiet,
    records,
    epochs,
    stepsPerEpoch: train.length,
  })
  if (from) progress.message(`continuing ${path} after step ${from.position.step}`)
  else if (going) progress.message(`starting ${path} again: it had no checkpoint yet`)
  for (const change of changed) progress.message(`changed: ${change}`)
  const signals = stopSignals()
  const saver = new Saver({ folder, options, adapter: gpu.info.name, found, plateau })
  try {
    if (from && changed.length > 0) await saver.save(from)
    // biome-ignore lint/suspicious/noFocusedTests: this is the library's fit
    const result = await fit(net, {
      data: { train, test },
      optimizer,
      epochs,
      seed,
      ...(plateau === null && { schedule: plan.rates.schedule, schedulePer, lrTiming }),
      checkpoint: { store: storeOf(saver, folder), every, keep },
      from,
      signal: signals.signal,
      callbacks: [
        {
          onProgress: (batch) => {
            if (!begun) progress.message(startLine(times, performance.now()))
            begun = true
            live?.batch(batch.images)
            progress.batch(batch)
          },
          onRecord: async (record) => {
            records.push(record)
            live?.record(record)
            progress.record(record)
            await folder.record(record)
          },
          onEpoch: async (epoch) => {
            progress.epoch(epochLineOf(epoch))
            if (plateau?.step(epoch)) progress.message(`learning rate is now ${optimizer.paramGroups[0]!.lr}`)
            await folder.timing(epoch)
          },
        },
      ],
    })
    if (result.stopped) {
      const stopped = `stopped by ${signals.came}`
      await live?.end('stopped', stopped)
      progress.finish(`${stopped}; saved in ${saver.last}\nto continue: ${commandLine('train', ['--resume', path])}`)
      return
    }
    const outcome = { title, records, result, net, trainSet, train, seconds: saver.seconds() }
    const summary = await finish(plan, gpu, folder, outcome)
    progress.message(`results in ${folder.path}`)
    const rate = Math.round(summary.imagesPerSecond).toLocaleString('en')
    progress.finish(`${summaryLine(summary)}\n${formatDuration(summary.seconds)}, ${rate} images/s on ${gpu.info.name}`)
    await live?.end('finished', summaryLine(summary))
  } catch (error) {
    if (error instanceof DivergedError) error.message += `; the last good checkpoint is ${saver.last}`
    await live?.end('failed', (error as Error).message)
    throw error
  } finally {
    progress.finish()
    signals.release()
    if (signals.came !== null) process.exitCode = exitCodeOf(signals.came)
  }
}

/** The folder of a run's checkpoints, as `fit` sees it. */
function storeOf(saver: Saver, folder: RunFolder): CheckpointStore {
  const pathOf = (name: string) => join(folder.checkpoints, `${name}.safetensors`)
  return {
    save: (_, state) => saver.save(state),
    list: async () => checkpointNames(folder.checkpoints).map(({ name }) => name.replace('.safetensors', '')),
    load: async (name) => decodeCheckpoint(await readFile(pathOf(name)), pathOf(name)),
    remove: (name) => rm(pathOf(name), { force: true }),
  }
}

/** What the command line says of a group; what else it has, it has counted. */
const GIVEN = ['lr', 'momentum', 'weightDecay']

/** The optimizer's options are those of the command line, which may have changed. */
function withOptionsNow({ position, network, optimizer, figures }: SavedState, now: optim.Optimizer): SavedState {
  const { paramGroups, ...state } = optimizer
  const options = now.paramGroups.map((group) => {
    return Object.fromEntries(Object.entries(group).filter(([name]) => GIVEN.includes(name)))
  })
  const groups = paramGroups?.map((group, i) => ({ ...group, ...options[i] }))
  return {
    position,
    network,
    optimizer: { ...state, ...(groups && { paramGroups: groups }) },
    ...(figures && { figures }),
  }
}

/** The history up to a checkpoint, which must be one of a run with these steps an epoch. */
function recordsOf({ checkpoint, path, history }: FoundCheckpoint, folder: string, stepsPerEpoch: number) {
  const { epoch, step } = checkpoint.position
  const batch = step - epoch * stepsPerEpoch
  if (batch < 0 || batch >= stepsPerEpoch) {
    throw new DataError(`${path}: with ${stepsPerEpoch} steps an epoch, step ${step} is not in epoch ${epoch + 1}`)
  }
  const records = parseHistory(new TextDecoder().decode(history), `${folder}/history.jsonl`)
  const recorded = records.filter(({ kind }) => kind === 'epoch').length
  if (recorded !== epoch) {
    throw new DataError(`${path}: it is of epoch ${epoch + 1}, but its history has ${recorded} whole epochs`)
  }
  try {
    curvePoints(records, stepsPerEpoch)
  } catch (error) {
    throw new DataError(`${path}: its history belongs to another run: ${(error as Error).message}`)
  }
  return records
}

/** The run's folder, as it was when the checkpoint was made. */
async function reopened(held: HeldFolder, { checkpoint, history, passedOver }: FoundCheckpoint): Promise<RunFolder> {
  await setAside(passedOver.map((one) => one.path))
  return await RunFolder.reopen(held, checkpoint.files, history)
}

interface Outcome {
  /** What the figure is called. */
  readonly title: string
  readonly records: readonly HistoryRecord[]
  readonly result: FitResult
  readonly net: nn.Module
  readonly trainSet: ImageDataset
  readonly train: ImageBatches
  readonly seconds: number
}

/** Writes the figure and the summary. The figures are those of the last record, which may come from before the resumption. */
async function finish(
  { options }: TrainRun,
  gpu: Gpu,
  folder: RunFolder,
  { title, records, result, net, trainSet, train, seconds }: Outcome,
): Promise<RunSummary> {
  const { epochs, seed } = options
  const last = records.findLast((record) => record.kind === 'epoch')!
  const { seed: _, ...deciding } = recorded(options, DECIDING)
  const summary: RunSummary = {
    trainLoss: last.trainLoss,
    trainAcc: last.trainAcc,
    testAcc: last.testAcc,
    epochs,
    steps: last.step,
    seconds,
    imagesPerSecond: (epochs * trainSet.count) / result.trainSeconds,
    adapter: gpu.info.name,
    seed,
    options: deciding,
    version: packageVersion(),
    parameterHash: await parameterHash(net),
  }
  await folder.finish(summary, drawCurves(curvePoints(records, train.length), { epochs, title }))
  return summary
}

/** LeNet's largest tensor, 6 channels of 28×28 an image, must fit one buffer. */
export function checkBatchFits(gpu: Gpu, batchSize: number): void {
  const most = Math.floor(gpu.pool.largest / (4 * 6 * 28 * 28))
  if (batchSize > most)
    throw new UsageError(`option '--batch-size': this adapter takes batches of at most ${most}, not ${batchSize}`)
}

export function limited(set: ImageDataset, option: string, limit: number | undefined): ImageDataset {
  if (limit === undefined) return set
  if (limit > set.count) throw new UsageError(`option '${option}': the set has ${set.count} images, not ${limit}`)
  return take(set, limit)
}

function epochLineOf({ epoch, lr, images, trainLoss, trainAcc, testAcc, trainSeconds, testSeconds }: FitEpoch) {
  return {
    epoch,
    lr,
    trainLoss,
    trainAcc,
    testAcc,
    seconds: trainSeconds + testSeconds,
    imagesPerSecond: images / trainSeconds,
  }
}
