// Times LeNet's whole training step at batch 256. `node --import tsx bench/step.ts --help` lists the options.
import process from 'node:process'
import type { ImageDataset } from '../src/data/fashion_mnist.ts'
import type { Gpu } from '../src/gpu/gpu.ts'
import { crossEntropy, DataError, ImageBatches, manualSeed, nn, optim, permutation, scope } from '../src/index.ts'
import { loadFashionMnist } from '../src/node/fashion_mnist.ts'
import { open } from '../src/node/open.ts'
import { Meter } from '../src/train/meter.ts'
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

const BATCH = 256
/** Small enough for the first-order check of a step, large enough for its loss to fall by many units of float32. */
const LR = 0.1
/**
 * How far the loss may fall from what its gradient foretells, as a share: the second order in LR makes 0.7 %, a wrong
 * gradient of the first convolution, the layer with the least, would make 2.4 %.
 */
const TOLERANCE = 0.02

interface Options extends CommonOptions {
  readonly profile?: boolean
}

const program = command('bench:step', "time LeNet's whole training step at batch 256")
  .option('--profile', 'also time each dispatch of a step alone')
  .action(async (options: Options) => {
    checkJson(options.json)
    const { dataset, name } = await findData()
    const gpu = await open()
    try {
      await bench(gpu, dataset, name, options)
    } finally {
      await gpu.close()
    }
  })

/** Fashion-MNIST where the machine has it, else the sample that comes with the sources. */
async function findData(): Promise<{ dataset: ImageDataset; name: string }> {
  try {
    const { train } = await loadFashionMnist()
    return { dataset: train, name: 'Fashion-MNIST, 60,000 images' }
  } catch (error) {
    if (!(error instanceof DataError)) throw error
    const { train } = await loadFashionMnist({ dir: new URL('../examples/sample/', import.meta.url), verify: false })
    return { dataset: train, name: `a sample of Fashion-MNIST, ${train.count} images (the whole set was not found)` }
  }
}

async function bench(gpu: Gpu, dataset: ImageDataset, data: string, options: Options): Promise<void> {
  const fence = await openFence(gpu)
  const env = environment(gpu, fence)
  print(`${heading(env)}\n`)
  print(`LeNet, batch ${BATCH}, ${data}.`)
  print('A step: gather images and labels, forward, loss, backward, SGD, loss and accuracy added up.\n')
  const training = new Training(gpu, dataset)
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

/** A network in training, one step at a time. */
class Training {
  readonly #net: nn.Module
  readonly #optimizer: optim.SGD
  readonly #batches: ImageBatches
  readonly #meter: Meter
  #next = 0

  constructor(gpu: Gpu, dataset: ImageDataset) {
    manualSeed(0)
    this.#net = nn.lenet()
    this.#optimizer = new optim.SGD(this.#net.parameters(), { lr: LR })
    this.#batches = new ImageBatches(dataset, { batchSize: BATCH, gpu })
    this.#batches.setOrder(permutation(0, 0, dataset.count))
    this.#meter = new Meter(gpu)
  }

  /** Records an update. Only full batches are taken, so that every step is the same work. */
  step(): void {
    scope(() => {
      const full = Math.floor(this.#batches.size / BATCH)
      const { images, labels } = this.#batches.batch(this.#next++ % full)
      const logits = this.#net.forward(images)
      const loss = this.#meter.loss(logits, labels)
      this.#optimizer.zeroGrad()
      loss.backward()
      this.#optimizer.step(this.#meter.watch)
    })
  }

  /**
   * Takes a step and checks it as a whole: on the same batch the loss must fall by LR · |gradient|², to first order.
   * Returns a line that says so. Throws an Error where it does not.
   */
  async verify(): Promise<string> {
    const before = await this.#loss()
    this.step()
    let squares = 0
    for (const { grad } of this.#net.parameters()) {
      for (const value of (await grad?.data()) ?? []) squares += value * value
    }
    const fall = before - (await this.#loss())
    const foretold = LR * squares
    if (!(Math.abs(fall - foretold) <= TOLERANCE * foretold)) {
      throw new Error(`a step lowers the loss of its batch by ${fall}, its gradient foretells ${foretold}`)
    }
    return `Checked: a step lowers the loss of its batch by ${fall.toExponential(2)}, its gradient foretells ${foretold.toExponential(2)}.\n`
  }

  /** The loss of the first batch with the network as it is. */
  async #loss(): Promise<number> {
    const loss = scope(() => {
      const { images, labels } = this.#batches.batch(0)
      return crossEntropy(this.#net.forward(images), labels)
    })
    const value = await loss.item()
    loss.dispose()
    return value
  }
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
