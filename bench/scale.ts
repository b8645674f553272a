// Times LeNet's training step against the size of its batch and its width. `npm run bench:scale -- --help` lists the options.
import process from 'node:process'
import type { ImageDataset } from '../src/data/fashion_mnist.ts'
import type { Gpu } from '../src/gpu/gpu.ts'
import { nn } from '../src/index.ts'
import { open } from '../src/node/open.ts'
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
import { type Fence, measure, openFence } from './timing.ts'
import { sampleImages, Training } from './training.ts'

const BATCHES = Array.from({ length: 13 }, (_, i) => 2 ** i)
const WIDTHS = [1, 2, 4, 8]
const BATCH = 256
/** Larger sizes are left out once a step takes longer, and a step that takes longer than this has 3 samples. */
const TOO_LONG_MS = 4000
const LONG_MS = 1000
/** The second order of a step is larger for one image and for wide networks than for what bench:step checks. */
const TOLERANCE = 0.25

interface ScaleRow {
  readonly batch: number
  readonly width: number
  readonly parameters: number
  readonly dispatches: number
  readonly minMs: number
  readonly medianMs: number
  readonly samples: number
  readonly imagesPerSecond: number
}

const program = command('bench:scale', "time LeNet's training step against batch size and width", 10).action(
  async ({ runs, json }: CommonOptions) => {
    checkJson(json)
    const { dataset } = await sampleImages()
    const gpu = await open()
    try {
      await bench(gpu, dataset, runs, json)
    } finally {
      await gpu.close()
    }
  },
)

async function bench(gpu: Gpu, dataset: ImageDataset, runs: number, json: string | undefined): Promise<void> {
  const fence = await openFence(gpu)
  const env = environment(gpu, fence)
  print(heading(env))
  const time = (batch: number, width: number) => timeStep(gpu, repeated(dataset, batch), { batch, width }, fence, runs)
  const byBatch = await sweep('batch', BATCHES, (batch) => time(batch, 1))
  const byWidth = await sweep('width', WIDTHS, (width) => time(BATCH, width))
  writeJson(json, { ...env, network: 'lenet', batch: byBatch, width: byWidth })
}

/** A set of `count` images: the first ones, and again from the start where it has fewer. */
function repeated({ images, labels, ...rest }: ImageDataset, count: number): ImageDataset {
  const bytes = images.length / rest.count
  const result = new Uint8Array(count * bytes)
  for (let i = 0; i < count; i++) {
    const from = (i % rest.count) * bytes
    result.set(images.subarray(from, from + bytes), i * bytes)
  }
  return {
    ...rest,
    count,
    images: result,
    labels: Uint8Array.from({ length: count }, (_, i) => labels[i % rest.count]!),
  }
}

/** Prints a row for each size, until a step takes too long. */
async function sweep(
  name: 'batch' | 'width',
  sizes: readonly number[],
  time: (size: number) => Promise<ScaleRow>,
): Promise<ScaleRow[]> {
  const what = name === 'batch' ? 'LeNet' : `Channels and features of LeNet times the width, batch ${BATCH}`
  print(`\n${what}. A step: gather, forward, loss, backward, SGD, loss and accuracy added up.\n`)
  print(line([name, 'parameters', 'dispatches', 'min ms', 'median ms', 'images a second']))
  const rows: ScaleRow[] = []
  for (const [i, size] of sizes.entries()) {
    const row = await time(size)
    rows.push(row)
    const { parameters, dispatches, minMs, medianMs, imagesPerSecond } = row
    const counts = [size, parameters, dispatches].map(String)
    print(line([...counts, digits(minMs), digits(medianMs), imagesPerSecond.toFixed(0)]))
    const left = sizes.slice(i + 1)
    if (medianMs <= TOO_LONG_MS || left.length === 0) continue
    print(`Left out: ${left.join(', ')}, since a step takes longer than ${TOO_LONG_MS / 1000} s.`)
    break
  }
  return rows
}

const line = (texts: readonly string[]) => texts.map((text, i) => text.padStart(i === 0 ? 7 : 17)).join('')

async function timeStep(
  gpu: Gpu,
  dataset: ImageDataset,
  { batch, width }: { batch: number; width: number },
  fence: Fence,
  runs: number,
): Promise<ScaleRow> {
  const training = new Training(gpu, dataset, { batchSize: batch, network: () => wideLenet(width) })
  try {
    await training.verify(TOLERANCE)
    const before = gpu.dispatches
    const start = performance.now()
    training.step()
    const dispatches = gpu.dispatches - before
    await fence.wait()
    const long = performance.now() - start > LONG_MS
    const options = { samples: long ? Math.min(3, runs) : runs, sampleMs: 10, warmUp: !long }
    const { minMs, medianMs, samples } = await measure(() => training.run(1), fence, options)
    const parameters = training.net.parameters().reduce((sum, { size }) => sum + size, 0)
    return {
      batch,
      width,
      parameters,
      dispatches,
      minMs,
      medianMs,
      samples,
      imagesPerSecond: (1000 * batch) / medianMs,
    }
  } finally {
    training.dispose()
    gpu.pool.trim()
  }
}

/** nn.lenet() with `k` times its channels and features; the images and the ten classes stay. */
function wideLenet(k: number): nn.Module {
  if (k === 1) return nn.lenet()
  return new nn.Sequential(
    new nn.Conv2d(1, 6 * k, 5, { padding: 2 }),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Conv2d(6 * k, 16 * k, 5),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(400 * k, 120 * k),
    new nn.ReLU(),
    new nn.Linear(120 * k, 84 * k),
    new nn.ReLU(),
    new nn.Linear(84 * k, 10),
  )
}

await main(program, process.argv.slice(2))
