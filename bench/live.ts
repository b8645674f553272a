// Times training with the page of `train --live` and without it. `npm run bench:live -- --help` lists the options.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { Option } from 'commander'
import { LiveRun } from '../src/cli/live_run.ts'
import { UsageError, wholeNumber } from '../src/cli/options.ts'
import type { Gpu } from '../src/gpu/gpu.ts'
import { ImageBatches, manualSeed, nn, optim, permutation, take } from '../src/index.ts'
import { open } from '../src/node/open.ts'
import { fit, type HistoryRecord } from '../src/train/index.ts'
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
} from './report.ts'
import { median, openFence } from './timing.ts'
import { findImages, type Images } from './training.ts'

/** An epoch is a sample: a record of the batch and one of the epoch, twice as many a step as in `train`. */
const STEPS = 50
/** What the client that stalls lacks from the beginning, about 14 MB: more than the kernel takes for a socket. */
const BACKLOG = 60_000

const METHOD =
  'an epoch of 50 captured steps without evaluation, as `train` runs it, a sample; the ways in turns, in another order each turn; ' +
  'wall clock, and processor time of the process with its driver; medians, and medians of the ratios within a turn; the client is a process of its own'

interface Options extends CommonOptions {
  readonly batchSize: number
}

const program = command('bench:live', 'time training with the page of train --live and without it', 6)
  .addOption(new Option('--batch-size <n>', 'images in an update').argParser(wholeNumber(1, 1200)).default(256))
  .action(async (options: Options) => {
    checkJson(options.json)
    const images = await findImages()
    const needed = STEPS * options.batchSize
    if (images.dataset.count < needed) {
      throw new UsageError(`it takes ${needed} images, ${images.name} has fewer; see npm run setup, or --batch-size`)
    }
    const gpu = await open()
    try {
      await bench(gpu, images, options)
    } finally {
      await gpu.close()
    }
  })

/** A way to train, and what its samples were: milliseconds a step. */
class Way {
  readonly name: string
  readonly wall: number[] = []
  readonly processor: number[] = []
  /** Microseconds that a record took of the training loop. */
  readonly recordUs: number[] = []
  readonly #page: Page | null

  constructor(name: string, page: Page | null = null) {
    this.name = name
    this.#page = page
  }

  /** Trains an epoch. */
  async sample(train: (hooks: Hooks) => Promise<unknown>, counts: boolean): Promise<void> {
    const page = this.#page
    const hooks = page && {
      onProgress: ({ images }: { images: number }) => page.live.batch(images),
      onRecord: (record: HistoryRecord) => {
        const start = performance.now()
        page.record(record)
        if (counts) this.recordUs.push(1000 * (performance.now() - start))
      },
    }
    const [start, before] = [performance.now(), process.cpuUsage()]
    await train(hooks ?? {})
    const { user, system } = process.cpuUsage(before)
    if (!counts) return
    this.wall.push((performance.now() - start) / STEPS)
    this.processor.push((user + system) / 1000 / STEPS)
  }

  async end(): Promise<void> {
    await this.#page?.end()
  }
}

interface Hooks {
  readonly onProgress?: (info: { images: number }) => void
  readonly onRecord?: (record: HistoryRecord) => void
}

/** The page of a run with one client. */
class Page {
  readonly live: LiveRun
  readonly #client: ChildProcess
  #records: number
  #epochs: number

  private constructor(live: LiveRun, client: ChildProcess, before: number) {
    this.live = live
    this.#client = client
    this.#records = before
    this.#epochs = before / STEPS
  }

  static async open(kind: 'reads' | 'stalls', epochs: number): Promise<Page> {
    const before = kind === 'stalls' ? BACKLOG : 0
    const records = Array.from({ length: before }, (_, i) => recordOf(i + 1))
    const info = { title: `bench:live, a client that ${kind}`, epochs: before / STEPS + epochs, stepsPerEpoch: STEPS }
    const live = await LiveRun.start(info, 0, records)
    const file = fileURLToPath(new URL('live_client.ts', import.meta.url))
    const client = spawn(process.execPath, ['--import', 'tsx', file, kind, live.url], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    await once(client.stdout.setEncoding('utf8'), 'data')
    return new Page(live, client, before)
  }

  /** A record of an epoch that is one more of a long run. */
  record(record: HistoryRecord): void {
    this.#records++
    this.live.record({ ...record, epoch: this.#epochs, step: this.#epochs * STEPS + record.step })
    if (record.kind === 'epoch') this.#epochs++
  }

  /** Throws an Error where a client that reads lacks a record, or one that doesn't has any. */
  async end(): Promise<void> {
    await this.live.end('finished', '')
    const counted = once(this.#client.stdout!, 'data')
    this.#client.stdin!.end()
    const [text] = (await counted) as [string]
    const due = this.#records < BACKLOG ? this.#records : 0
    if (Number(text) !== due) throw new Error(`the client has ${text.trim()} records; it should have ${due}`)
  }
}

function recordOf(step: number): HistoryRecord {
  const epoch = Math.floor((step - 1) / STEPS)
  return { kind: 'batch', epoch, step, lr: 0.1, trainLoss: 1 / step, trainAcc: 0.5 }
}

async function bench(gpu: Gpu, { dataset, name: data }: Images, { runs, batchSize, json }: Options): Promise<void> {
  const fence = await openFence(gpu)
  const env = { ...environment(gpu, fence), method: METHOD }
  fence.dispose()
  print(`${shortHeading(env)}\n`)
  manualSeed(0)
  const net = nn.lenet()
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
  const batches = new ImageBatches(take(dataset, STEPS * batchSize), { batchSize })
  const train = (hooks: Hooks) =>
    // biome-ignore lint/suspicious/noFocusedTests: this is the library's fit
    fit(net, { data: batches, optimizer, epochs: 1, callbacks: [hooks] })
  const ways = [
    new Way('without the page'),
    new Way('without the page, again'),
    new Way('a client that reads', await Page.open('reads', runs + 1)),
    new Way('a client that never reads', await Page.open('stalls', runs + 1)),
  ]
  for (let turn = 0; turn <= runs; turn++) {
    for (const i of permutation(0, turn, ways.length)) await ways[i]!.sample(train, turn > 0)
  }
  for (const way of ways) await way.end()
  batches.dispose()
  print(`\nLeNet, batch ${batchSize}, ${data}: ${METHOD}.\n`)
  print(line(['', 'min ms', 'median ms', 'of without', 'processor', 'of without', 'µs a record']))
  const rows = ways.map((way) => rowOf(way, ways[0]!))
  for (const { name, minMs, medianMs, ratio, processorMs, processorRatio, recordUs } of rows) {
    const ratios = [digits(medianMs), ratio.toFixed(3), digits(processorMs), processorRatio.toFixed(3)]
    print(line([name, digits(minMs), ...ratios, recordUs === null ? '-' : recordUs.toFixed(0)]))
  }
  writeJson(json, { ...env, live: { network: 'lenet', batchSize, data, samples: runs, rows } })
}

function rowOf({ name, wall, processor, recordUs }: Way, without: Way) {
  return {
    name,
    minMs: Math.min(...wall),
    medianMs: median(wall),
    ratio: median(wall.map((ms, turn) => ms / without.wall[turn]!)),
    processorMs: median(processor),
    processorRatio: median(processor.map((ms, turn) => ms / without.processor[turn]!)),
    recordUs: recordUs.length > 0 ? median(recordUs) : null,
  }
}

const line = ([name, ...numbers]: readonly string[]) =>
  name!.padEnd(27) + numbers.map((text) => text.padStart(12)).join('')

await main(program, process.argv.slice(2))
