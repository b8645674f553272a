// Times LeNet's whole training step at batch 256. `node --import tsx bench/step.ts --help` lists the options.
import process from 'node:process'
import type { ImageDataset } from '../src/data/fashion_mnist.ts'
import type { Gpu } from '../src/gpu/gpu.ts'
import { nn } from '../src/index.ts'
import { open } from '../src/node/open.ts'
import { setDefaultGpu } from '../src/tensor/default.ts'
import { type ProfileRow, profile } from './profile.ts'
import { printReplay, replayCost } from './replay.ts'
import {
  type CommonOptions,
  checkJson,
  command,
  digits,
  environment,
  heading,
  main,
  print,
  writeJson,
} from './report.ts'
import { type Fence, measure, median, openFence, type Timing } from './timing.ts'
import { findImages, type Images, Training } from './training.ts'

const BATCH = 256
/** A plan runs many steps in one submit. */
const STEPS_A_RUN = 4
interface Options extends CommonOptions {
  readonly profile?: boolean
}

const program = command('bench:step', "time LeNet's whole training step at batch 256")
  .option('--profile', 'also time each dispatch of a step alone')
  .action(async (options: Options) => {
    checkJson(options.json)
    const images = await findImages()
    const gpu = await open()
    try {
      await bench(gpu, images, options)
    } finally {
      await gpu.close()
    }
  })

/** Ways to take the same step; 'captured, fused' is what `train` does, and what the record is of. */
const MODES = [
  { mode: 'eager, layer by layer', captured: false, fuse: false, fast: false },
  { mode: 'eager, fused', captured: false, fuse: true, fast: false },
  { mode: 'captured, layer by layer', captured: true, fuse: false, fast: false },
  { mode: 'captured, fused', captured: true, fuse: true, fast: false },
  { mode: 'captured, fused, fast', captured: true, fuse: true, fast: true },
] as const

interface ModeRow extends Timing {
  readonly mode: (typeof MODES)[number]['mode']
  readonly dispatches: number
  readonly imagesPerSecond: number
  /** Microseconds of JavaScript a dispatch. */
  readonly recordUs: number
  /** Bytes of JavaScript's heap that a step takes. */
  readonly heapBytes: number
}

async function bench(gpu: Gpu, { dataset, name: data }: Images, options: Options): Promise<void> {
  const fence = await openFence(gpu)
  const env = environment(gpu, fence)
  print(`${heading(env)}\n`)
  print(`LeNet, batch ${BATCH}, ${data}.`)
  print('A step: gather images and labels, forward, loss, backward, SGD, loss and accuracy added up.\n')
  const modes: ModeRow[] = []
  const fast = await open({ fast: true })
  try {
    for (const mode of MODES) {
      const row = await timeMode(mode.fast ? fast : gpu, dataset, mode, options.runs)
      if (modes.length === 0) print(modeLine(TITLES))
      print(modeLine(cells(row)))
      modes.push(row)
    }
  } finally {
    await fast.close()
  }
  const training = trainingOf(gpu, dataset, true)
  const run = () => training.run(STEPS_A_RUN)
  const replay = await replayCost(gpu, run, { stepsARun: STEPS_A_RUN, samples: options.runs, fence })
  printReplay(replay)
  const { mode: _, ...step } = modes.find(({ mode }) => mode === 'captured, fused')!
  const rows = options.profile ? await profile(gpu, () => training.step(), fence) : null
  if (rows) printProfile(rows, step)
  const what = { network: 'lenet', batchSize: BATCH, data }
  writeJson(options.json, { ...env, step: { ...what, ...step }, replay, modes, profile: rows })
}

function trainingOf(gpu: Gpu, dataset: ImageDataset, fuse: boolean): Training {
  setDefaultGpu(gpu)
  return new Training(gpu, dataset, { batchSize: BATCH, network: () => nn.lenet({ fuse }) })
}

async function timeMode(
  gpu: Gpu,
  dataset: ImageDataset,
  { mode, captured, fuse }: (typeof MODES)[number],
  samples: number,
): Promise<ModeRow> {
  const fence = await openFence(gpu)
  const training = trainingOf(gpu, dataset, fuse)
  try {
    await training.verify()
    const steps = captured ? STEPS_A_RUN : 1
    const run = captured ? () => training.run(STEPS_A_RUN) : () => training.step()
    run()
    const before = gpu.dispatches
    run()
    const dispatches = (gpu.dispatches - before) / steps
    const timing = eachOf(await measure(run, fence, { samples, sampleMs: 10, warmUp: true }), steps)
    const heapBytes = Math.round((await heapOf(run, fence)) / steps)
    const imagesPerSecond = (1000 * BATCH) / timing.medianMs
    return { mode, dispatches, ...timing, imagesPerSecond, recordUs: (1000 * timing.recordMs) / dispatches, heapBytes }
  } finally {
    training.dispose()
    fence.dispose()
  }
}

/** The times of one step, where an execution takes several. */
function eachOf({ minMs, medianMs, wallMs, recordMs, samples, executionsPerSample }: Timing, steps: number): Timing {
  const of = (ms: number) => ms / steps
  const times = { minMs: of(minMs), medianMs: of(medianMs), wallMs: of(wallMs), recordMs: of(recordMs) }
  return { ...times, samples, executionsPerSample: executionsPerSample * steps }
}

/** What a step takes of the heap: the median over steps in which nothing was collected. */
async function heapOf(step: () => void, fence: Fence): Promise<number> {
  const taken: number[] = []
  for (let i = 0; i < 9; i++) {
    const before = process.memoryUsage().heapUsed
    step()
    taken.push(process.memoryUsage().heapUsed - before)
    await fence.wait()
  }
  return Math.max(0, median(taken))
}

const TITLES = ['step', 'dispatches', 'min ms', 'median ms', 'images/s', 'JS ms', 'µs/dispatch', 'heap bytes']

function cells(row: ModeRow): string[] {
  const { mode, dispatches, minMs, medianMs, imagesPerSecond, recordMs, recordUs, heapBytes } = row
  const numbers = [minMs, medianMs, imagesPerSecond, recordMs, recordUs].map(digits)
  return [mode, String(dispatches), ...numbers, String(heapBytes)]
}

const modeLine = ([title, ...numbers]: readonly string[]) =>
  title!.padEnd(26) + numbers.map((text) => text.padStart(12)).join('')

function printProfile(rows: readonly ProfileRow[], { medianMs }: Pick<Timing, 'medianMs'>): void {
  const total = rows.reduce((sum, { ms }) => sum + ms, 0)
  const line = (kernel: string, ...numbers: string[]) =>
    kernel.padEnd(36) + numbers.map((text) => text.padStart(12)).join('')
  const share = (ms: number) => `${((100 * ms) / total).toFixed(1)} %`
  print('\nEach dispatch alone, repeated between two fences, the median of 5 samples:\n')
  print(line('kernel', 'workgroups', 'dispatches', 'ms a step', 'share'))
  const small = rows.filter(({ ms }) => ms < total / 200)
  for (const { kernel, workgroups, dispatches, ms } of rows) {
    if (ms < total / 200) continue
    print(line(kernel, String(workgroups), String(dispatches), digits(ms), share(ms)))
  }
  const [count, ms] = small.reduce(([n, sum], row) => [n + row.dispatches, sum + row.ms], [0, 0])
  print(line('those below 0.5 %', '', String(count), digits(ms), share(ms)))
  print(`${line('together', '', '', digits(total), '')}   (a step: ${digits(medianMs)})`)
}

await main(program, process.argv.slice(2))
