// Times LeNet's whole training step at batch 256. `node --import tsx bench/step.ts --help` lists the options.
import process from 'node:process'
import type { ImageDataset } from '../src/data/fashion_mnist.ts'
import type { Gpu } from '../src/gpu/gpu.ts'
import { open } from '../src/node/open.ts'
import { type ProfileRow, profile } from './profile.ts'
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
import { measure, openFence, type Timing } from './timing.ts'
import { findImages, Training } from './training.ts'

const BATCH = 256
interface Options extends CommonOptions {
  readonly profile?: boolean
}

const program = command('bench:step', "time LeNet's whole training step at batch 256")
  .option('--profile', 'also time each dispatch of a step alone')
  .action(async (options: Options) => {
    checkJson(options.json)
    const { dataset, name } = await findImages()
    const gpu = await open()
    try {
      await bench(gpu, dataset, name, options)
    } finally {
      await gpu.close()
    }
  })

async function bench(gpu: Gpu, dataset: ImageDataset, data: string, options: Options): Promise<void> {
  const fence = await openFence(gpu)
  const env = environment(gpu, fence)
  print(`${heading(env)}\n`)
  print(`LeNet, batch ${BATCH}, ${data}.`)
  print('A step: gather images and labels, forward, loss, backward, SGD, loss and accuracy added up.\n')
  const training = new Training(gpu, dataset, { batchSize: BATCH })
  print(await training.verify())
  const before = gpu.dispatches
  training.step()
  const dispatches = gpu.dispatches - before
  const timing = await measure(() => training.step(), fence, { samples: options.runs, sampleMs: 10, warmUp: true })
  printStep(timing, dispatches)
  const rows = options.profile ? await profile(gpu, () => training.step(), fence) : null
  if (rows) printProfile(rows, timing)
  const imagesPerSecond = (1000 * BATCH) / timing.medianMs
  const step = { network: 'lenet', batchSize: BATCH, data, dispatches, imagesPerSecond, ...timing }
  writeJson(options.json, { ...env, step, profile: rows })
}

function printStep({ minMs, medianMs, recordMs, samples, executionsPerSample }: Timing, dispatches: number): void {
  const lines: [string, string][] = [
    ['ms a step, minimum', digits(minMs)],
    ['ms a step, median', digits(medianMs)],
    ['images a second', ((1000 * BATCH) / medianMs).toFixed(0)],
    ['dispatches a step', String(dispatches)],
    ['ms of JavaScript a step', digits(recordMs)],
  ]
  for (const [label, value] of lines) print(`${label.padEnd(26)}${value.padStart(9)}`)
  print(`${samples} samples of ${executionsPerSample} ${executionsPerSample === 1 ? 'step' : 'steps'}`)
}

function printProfile(rows: readonly ProfileRow[], { medianMs }: Timing): void {
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
