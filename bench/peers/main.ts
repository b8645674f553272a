// Times dawngrad beside TensorFlow.js, jax-js and PyTorch. `npm run bench:peers -- --help` lists the options.
import process from 'node:process'
import { UsageError } from '../../src/cli/options.ts'
import { take } from '../../src/data/fashion_mnist.ts'
import type { Gpu } from '../../src/gpu/gpu.ts'
import { open } from '../../src/node/open.ts'
import { webgpuVersion } from '../../src/provision/probe.ts'
import {
  type CommonOptions,
  checkJson,
  command,
  digits,
  environment,
  main,
  print,
  shortHeading,
  writeJson,
} from '../report.ts'
import { openFence } from '../timing.ts'
import { sampleImages } from '../training.ts'
import type { Contestant } from './contestant.ts'
import { contestant } from './dawngrad.ts'
import { problemOf } from './dawngrad_models.ts'
import { lendNavigator } from './host.ts'
import { ensurePeers } from './install.ts'
import { chosen, type KernelRow, kernel } from './measure_kernels.ts'
import { type Contestants, chosenSteps, type Key, type StepResult, type StepRow, step } from './step.ts'

/** The data set has LeNet's batch, no more. */
const IMAGES = 256
const METHOD =
  'wall clock of several executions and one read-back of a small value, the libraries in alternating rounds of one run; ' +
  'of the kernels, and of what is called rested, the waiting thread sleeps where the adapter computes on the processor'

interface Options extends CommonOptions {
  readonly filter: string
}

const program = command('bench:peers', 'time dawngrad beside TensorFlow.js, jax-js and PyTorch, on one adapter', 12)
  .option('--filter <text>', "only what contains this: 'step', 'step lstm', or a kernel's name and shape", '')
  .action(async (options: Options) => {
    checkJson(options.json)
    if (chosenSteps(options.filter).length === 0 && chosen(options.filter).length === 0) {
      throw new UsageError(`option '--filter': nothing contains '${options.filter}'`)
    }
    lendNavigator()
    await bench(await open(), options)
  })

async function bench(gpu: Gpu, { filter, runs, json }: Options): Promise<void> {
  const failures: { what: string; error: string }[] = []
  const failed = (what: string, error: unknown) => {
    const message = error instanceof Error ? error.message : String(error)
    failures.push({ what, error: message })
    process.stderr.write(`error: ${what}: ${message}\n`)
  }
  const fence = await openFence(gpu)
  const env = { ...environment(gpu, fence), method: METHOD, webgpu: webgpuVersion() }
  print(`${shortHeading(env)}\n`)
  const dataset = take((await sampleImages()).dataset, IMAGES)
  const contestants = new Map<Key, Contestant>([['dawngrad', await contestant(gpu, dataset)]])
  await openPeers(contestants, failed)
  print('')
  for (const { title, note } of contestants.values()) print(`${title} ${note}.`)
  const rests = gpu.info.adapterClass === 'cpu'
  const steps: StepResult[] = []
  for (const description of chosenSteps(filter)) {
    const result = await step(contestants, await problemOf(description, dataset), runs, rests, failed)
    steps.push(result)
    printStep(result, contestants)
    gpu.pool.trim()
  }
  const rows: KernelRow[] = []
  const items = chosen(filter)
  if (items.length > 0) printKernelHead(rests)
  for (const item of items) {
    const row = await kernel(contestants, item, runs, rests, failed)
    rows.push(row)
    printKernel(row)
    gpu.pool.trim()
  }
  const versions = Object.fromEntries([...contestants].map(([key, { version }]) => [key, version]))
  const record = { ...env, versions, ...stepRecords(steps), kernels: rows.map(kernelRecord), failures }
  writeJson(json, record)
  for (const { close } of contestants.values()) await close().catch(() => undefined)
  // The peers' devices would keep the process alive.
  process.exit(failures.length > 0 ? 1 : 0)
}

/** Their modules are imported by address, so that the types of packages that may be missing are not asked for. */
async function openPeers(contestants: Map<Key, Contestant>, failed: (what: string, error: unknown) => void) {
  try {
    ensurePeers(print)
  } catch (error) {
    failed('bench/peers', error)
  }
  for (const key of ['tfjs', 'jaxjs'] as const) {
    try {
      const address = new URL(`${key}.ts`, import.meta.url).href
      const { open } = (await import(address)) as { open: () => Promise<Contestant> }
      contestants.set(key, await open())
    } catch (error) {
      failed(key, error)
    }
  }
}

const line = (label: string, widths: readonly number[], texts: readonly string[]) =>
  label + texts.map((text, i) => text.padStart(widths[i]!)).join('')

const times = (ms: number, own: number | undefined) => (own === undefined ? '-' : `${digits(ms / own)}×`)

function printStep({ problem, rows, torch }: StepResult, contestants: Contestants): void {
  const widths = [10, 11, 9, 12, 12]
  const own = rows.find(({ key }) => key === 'dawngrad')?.medianMs
  const row = (label: string, minMs: number, medianMs: number, more: readonly string[]) =>
    print(line(label.padEnd(38), widths, [digits(minMs), digits(medianMs), times(medianMs, own), ...more]))
  print(`\n${problem.title}: a training step, batch ${problem.batchSize}; the losses of the first steps agree.\n`)
  print(line(''.padEnd(38), widths, ['min ms', 'median ms', '', 'dispatches', 'first, s']))
  for (const { key, minMs, medianMs, dispatches, firstMs, rested } of rows) {
    const { title } = contestants.get(key)!
    row(title, minMs, medianMs, [String(dispatches), digits(firstMs / 1000)])
    if (rested) row(`${title}, rested`, rested.minMs, rested.medianMs, [])
  }
  for (const { name, device, minMs, medianMs } of torch?.runs ?? []) {
    row(`PyTorch ${torch!.version} ${name}, ${device}`, minMs!, medianMs!, [])
  }
  if (!torch) print('PyTorch: python3 has no torch, or it failed.')
  if (rows.some(({ rested }) => rested)) {
    print(
      "\nrested: the thread sleeps for most of the time that it waits, as dawngrad's does. Otherwise Node's binding",
    )
    print('keeps one of the cores busy on which the adapter computes, as it does in any program.')
  }
}

const KEYS: readonly Key[] = ['dawngrad', 'tfjs', 'jaxjs']
const KERNEL_WIDTHS = [11, 11, 9, 11, 9]

function printKernelHead(rests: boolean): void {
  print(`\nKernels, median ms of one execution${rests ? '; the waiting thread sleeps' : ''}.\n`)
  print(line('kernel'.padEnd(63), KERNEL_WIDTHS, ['dawngrad', 'tfjs', '', 'jaxjs', '']))
}

function printKernel({ name, shape, times: found }: KernelRow): void {
  const own = found.get('dawngrad')?.medianMs
  const cells = KEYS.flatMap((key) => {
    const ms = found.get(key)?.medianMs
    const shown = ms === undefined ? '-' : digits(ms)
    if (key === 'dawngrad') return [shown]
    return [shown, ms === undefined ? '' : times(ms, own)]
  })
  print(line(name.padEnd(24) + shape.padEnd(39), KERNEL_WIDTHS, cells))
}

/** LeNet's is `step`, which the page draws; the others are in `steps`. */
function stepRecords(results: readonly StepResult[]) {
  const records = results.map(stepRecord)
  return {
    step: records.find(({ name }) => name === 'lenet') ?? null,
    steps: records.filter(({ name }) => name !== 'lenet'),
  }
}

/** `dawngradMs`, `tfjsMs`, `jaxjsMs`: the medians; with `Rested`, while the waiting thread sleeps. */
function stepRecord({ problem, rows, torch }: StepResult) {
  const cuda = (torch?.runs ?? []).filter(({ name }) => name !== 'torchCpu')
  const cpu = torch?.runs.find(({ name }) => name === 'torchCpu')
  return {
    name: problem.name,
    title: problem.title,
    batch: problem.batchSize,
    ...Object.fromEntries(rows.map(({ key, medianMs }) => [`${key}Ms`, medianMs])),
    ...Object.fromEntries(rows.flatMap(({ key, rested }) => (rested ? [[`${key}RestedMs`, rested.medianMs]] : []))),
    ...(cpu ? { torchCpuMs: cpu.medianMs } : {}),
    ...(cuda.length > 0 ? { torchCuda: Object.fromEntries(cuda.map((run) => [`${run.name}Ms`, run.medianMs])) } : {}),
    details: rows satisfies readonly StepRow[],
    torch,
  }
}

function kernelRecord({ name, shape, times: found }: KernelRow) {
  const medians = KEYS.flatMap((key) => (found.has(key) ? [[`${key}Ms`, found.get(key)!.medianMs]] : []))
  return { name, shape, ...Object.fromEntries(medians), details: Object.fromEntries(found) }
}

await main(program, process.argv.slice(2))
