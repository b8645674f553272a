import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { LiveRun } from '../../src/cli/live_run.ts'
import { UsageError } from '../../src/cli/options.ts'
import { ImageBatches, loadFashionMnist, manualSeed, nn, optim, take } from '../../src/node/index.ts'
import { LiveServer } from '../../src/node/live.ts'
import { fit, type HistoryRecord, parameterHash } from '../../src/train/index.ts'
import { testGpu } from '../support/gpu.ts'
import { LagWatch, stall } from '../support/stalled_client.ts'
import { makeScratch, TINY, TrainProcess, train } from '../support/train_process.ts'

const scratch = makeScratch()
afterAll(scratch.remove)

interface Entry {
  readonly record: HistoryRecord
  readonly imagesPerSecond: number | null
  readonly secondsLeft: number | null
}

async function connect(url: string): Promise<IncomingMessage> {
  return ((await once(get(`${url}events`), 'response')) as [IncomingMessage])[0]
}

/** All events of a run's page, once they have ended. `onFirst` is called once: a second signal would end a run at once. */
async function listen(response: IncomingMessage, onFirst: () => void = () => undefined) {
  let text = ''
  let seen = false
  response.setEncoding('utf8').on('data', (more: string) => {
    text += more
    if (seen || !text.includes('event: record')) return
    seen = true
    onFirst()
  })
  await once(response, 'end')
  const events = [...text.matchAll(/^event: (.*)\ndata: (.*)\n\n/gm)].map(([, name, data]) => ({
    name,
    data: JSON.parse(data!) as unknown,
  }))
  const entries = events.filter(({ name }) => name === 'record').map(({ data }) => data as Entry)
  return { start: events[0]!.data, end: events.at(-1)!.data, entries }
}

function historyOf(run: string): unknown[] {
  const lines = readFileSync(join(scratch.folder, run, 'history.jsonl'), 'utf8')
    .trim()
    .split('\n')
  return lines.map((line) => JSON.parse(line) as unknown)
}

/** Trains with a page, and listens to it from its beginning. */
async function trainLive(args: readonly string[], onFirst?: (run: TrainProcess) => void) {
  const run = new TrainProcess(scratch.folder, [...args, '--live'])
  let url = ''
  run.child.stdout!.on('data', (text: string) => {
    url ||= /^live: (http:\/\/127\.0\.0\.1:\d+\/)$/m.exec(String(text))?.[1] ?? ''
  })
  await run.until('live: ')
  const heard = await listen(await connect(url), () => onFirst?.(run))
  return { heard, ended: await run.ended }
}

describe('dawngrad train --live', () => {
  it('shows the history as it is written, says that it was stopped, and goes on with the whole of it', async () => {
    const first = await trainLive([...TINY, '--epochs', '2', '--out', 'run'], (run) => run.child.kill('SIGINT'))
    expect(first.ended).toMatchObject({ code: 130, stderr: '' })
    expect(first.heard.start).toEqual({
      title: 'LeNet on Fashion-MNIST, constant(lr=0.01), seed 0',
      epochs: 2,
      stepsPerEpoch: 52,
    })
    expect(first.heard.end).toEqual({ state: 'stopped', text: 'stopped by SIGINT' })
    expect(first.heard.entries[0]!.imagesPerSecond).toBeGreaterThan(0)
    expect(first.heard.entries[0]!.secondsLeft).toBeGreaterThan(0)

    const second = await trainLive(['--resume', 'run'])
    expect(second.ended).toMatchObject({ code: 0, stderr: '' })
    expect(second.heard.entries.map(({ record }) => record)).toEqual(historyOf('run'))
    expect(second.heard.end).toMatchObject({ state: 'finished', text: /^train loss .*, test acc / })
    // Of what was before nobody knows the time.
    expect(second.heard.entries[0]!.imagesPerSecond).toBe(null)
    expect(second.heard.entries.at(-1)!.secondsLeft).toBe(0)
  })

  it('is refused where the port is taken, before anything is written', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const { code, stderr } = await train(scratch.folder, [...TINY, '--out', 'taken', '--live', String(port)])
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `error: UsageError: option '--live': port ${port} of 127.0.0.1 is taken; leave the number out to use a free port\n`,
    })
    expect(existsSync(join(scratch.folder, 'taken'))).toBe(false)
    other.close()
  })
})

it.each([
  ['EADDRINUSE', "option '--live': port 80 of 127.0.0.1 is taken; leave the number out to use a free port"],
  ['EACCES', "option '--live': port 80 of 127.0.0.1 can't be used (EACCES); leave the number out to use a free port"],
])('says what is wrong with a port, %s', async (code, text) => {
  const refused = vi.spyOn(LiveServer, 'open').mockRejectedValue(Object.assign(new Error('listen'), { code }))
  await expect(LiveRun.start({ title: '', epochs: 1, stepsPerEpoch: 1 }, 80, [])).rejects.toThrow(new UsageError(text))
  refused.mockRestore()
})

describe('a client that never reads', () => {
  const EPOCHS = 3
  const STEPS = 52
  /** What it lacks from the beginning: about 14 MB, more than the kernel takes for a socket. */
  const before = Array.from({ length: 60_000 }, (_, i): HistoryRecord => {
    return { kind: 'batch', epoch: Math.floor(i / STEPS), step: i + 1, lr: 0.1, trainLoss: 1, trainAcc: 0.5 }
  })

  /** Trains 7,850 parameters, and gives what must be the same with a page and without. */
  async function trainWith(live: LiveRun | null, onRecord: () => void = () => undefined) {
    const dir = new URL('../../examples/sample/', import.meta.url)
    const images = take((await loadFashionMnist({ dir, verify: false })).train, STEPS)
    manualSeed(0)
    const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 10))
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.01 })
    const records: HistoryRecord[] = []
    const train = new ImageBatches(images, { batchSize: 1 })
    // biome-ignore lint/suspicious/noFocusedTests: this is the library's fit
    await fit(net, {
      ...{ data: train, optimizer, epochs: EPOCHS },
      callbacks: [
        {
          onProgress: ({ images }) => live?.batch(images),
          onRecord: (record) => {
            records.push(record)
            live?.record(record)
            onRecord()
          },
        },
      ],
    })
    const hash = await parameterHash(net)
    train.dispose()
    return { records, hash }
  }

  it('neither holds up a training, nor has anything kept for it, nor changes a bit', async () => {
    await testGpu()
    const alone = await trainWith(null)
    const print = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    const lag = new LagWatch()
    const live = await LiveRun.start({ title: 'a run', epochs: EPOCHS, stepsPerEpoch: STEPS }, 0, before)
    print.mockRestore()
    const client = await stall(live.url)
    const held: number[] = []
    const watched = await trainWith(live, () => held.push(lag.bytes()))
    expect(watched).toEqual(alone)
    expect(watched.records).toHaveLength(2 * EPOCHS)
    // It lags from the first record on: a stream's buffer is full, and no more than that is kept.
    for (const bytes of held) {
      expect(bytes).toBeGreaterThan(0)
      expect(bytes).toBeLessThan(128 * 1024)
    }
    const ended = performance.now()
    await live.end('finished', '')
    expect(performance.now() - ended).toBeLessThan(3000)
    client.destroy()
    lag.stop()
  })
})

/** As a number with three decimals, or null. */
const rounded = (value: unknown) => (value === null ? null : Number(Number(value).toFixed(3)))

describe('the clock beside the records', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  it('leaves evaluations out of the speed, not out of the time left', async () => {
    const print = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    let now = 0
    const live = await LiveRun.start({ title: 'a run', epochs: 2, stepsPerEpoch: 100 }, 0, [], () => now)
    const heard = listen(await connect(String(print.mock.calls[0]![0]).slice('live: '.length, -1)))
    const figures = { lr: 0.1, trainLoss: 1, trainAcc: 0.5 }
    for (let step = 1; step <= 200; step++) {
      now += 20
      live.batch(step % 100 === 0 ? 5 : 10)
      const epoch = Math.floor((step - 1) / 100)
      if (step % 50 === 0) live.record({ kind: 'batch', epoch, step, ...figures })
      if (step % 100 > 0) continue
      now += 1000 // of evaluation
      live.record({ kind: 'epoch', epoch, step, ...figures, testAcc: 0.5 })
    }
    await live.end('finished', '')
    const { entries } = await heard
    expect(
      entries.map(({ record: { kind, step }, ...clock }) => [
        kind,
        step,
        ...Object.values(clock).slice(1).map(rounded),
      ]),
    ).toEqual([
      ['batch', 50, 500, 3],
      ['batch', 100, 495, 2],
      ['epoch', 100, null, 3],
      ['batch', 150, 500, 1.333],
      ['batch', 200, 495, 0],
      ['epoch', 200, null, 0],
    ])
  })
})
