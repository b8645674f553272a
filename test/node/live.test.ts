import { once } from 'node:events'
import { get, type IncomingMessage, request } from 'node:http'
import { connect, createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { hostsOf, LiveServer } from '../../src/node/live.ts'
import type { HistoryRecord } from '../../src/train/index.ts'
import { LagWatch, stall } from '../support/stalled_client.ts'

const open: LiveServer[] = []
afterEach(async () => {
  for (const live of open.splice(0)) await live.end('stopped', '')
})

const INFO = { title: 'a run', epochs: 3, stepsPerEpoch: 100 }
const CLOCK = { imagesPerSecond: 1000, secondsLeft: 5 }

async function serve(heartbeatMs?: number): Promise<LiveServer> {
  const live = await LiveServer.open(INFO, 0, heartbeatMs)
  open.push(live)
  return live
}

function batch(step: number): HistoryRecord {
  const epoch = Math.floor((step - 1) / 100)
  return { kind: 'batch', epoch, step, lr: 0.1, trainLoss: 1 / step, trainAcc: 0.5 }
}

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

function ask(live: LiveServer, path: string, { method = 'GET', headers = {} } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port: live.port, path, method, headers }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }))
    })
    asked.on('error', reject).end()
  })
}

interface Event {
  readonly id: string
  readonly name: string
  readonly data: Record<string, unknown>
}

/** A client of the events. */
class Listener {
  readonly response: IncomingMessage
  text = ''
  ended = false

  static async on(live: LiveServer, lastId?: string): Promise<Listener> {
    const headers = lastId === undefined ? {} : { 'Last-Event-ID': lastId }
    const [response] = await once(get(`${live.url}events`, { headers }), 'response')
    return new Listener(response as IncomingMessage)
  }

  private constructor(response: IncomingMessage) {
    this.response = response
    response.on('error', () => undefined)
    response.on('end', () => {
      this.ended = true
    })
    response.setEncoding('utf8').on('data', (text: string) => {
      this.text += text
    })
  }

  get events(): Event[] {
    return [...this.text.matchAll(/^id: (.*)\nevent: (.*)\ndata: (.*)\n\n/gm)].map(([, id, name, data]) => ({
      id: id!,
      name: name!,
      data: JSON.parse(data!) as Record<string, unknown>,
    }))
  }

  get steps(): number[] {
    const records = this.events.filter(({ name }) => name === 'record')
    return records.map(({ data }) => (data.record as HistoryRecord).step)
  }
}

async function until(is: () => boolean): Promise<void> {
  for (const end = performance.now() + 10_000; !is(); await new Promise((resolve) => setTimeout(resolve, 5))) {
    if (performance.now() > end) throw new Error('waited ten seconds for nothing')
  }
}

describe('the live page', () => {
  it.each([
    ['/', 'text/html; charset=utf-8', '<!doctype html>'],
    ['/?again', 'text/html; charset=utf-8', '<!doctype html>'],
    ['/page.css', 'text/css; charset=utf-8', '/* The style of the page'],
    ['/page.js', 'text/javascript; charset=utf-8', '// The page of `train --live`'],
    ['/uplot.css', 'text/css; charset=utf-8', '.uplot'],
    ['/uplot.js', 'text/javascript; charset=utf-8', '/*! https://github.com/leeoniya/uPlot'],
  ])('serves %s', async (path, type, begin) => {
    const { status, headers, body } = await ask(await serve(), path)
    expect({ status, type: headers['content-type'] }).toEqual({ status: 200, type })
    expect(body.startsWith(begin)).toBe(true)
    expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'")
    expect(headers['cross-origin-resource-policy']).toBe('same-origin')
  })

  it('asks nothing of any other place', async () => {
    const live = await serve()
    for (const path of ['/', '/page.css', '/page.js']) {
      const { body } = await ask(live, path)
      expect(body.replace(/<!--.*?-->/gs, '')).not.toMatch(/https?:\/\/|@import|src="(?!\/)|href="(?!\/|data:,)/)
    }
  })

  it.each([
    ['another path', '/package.json', {}, 404, 'there is no such page; see <url>'],
    ['a path that climbs', '/../package.json', {}, 404, 'there is no such page; see <url>'],
    ['a path that objects have', '/constructor', {}, 404, 'there is no such page; see <url>'],
    ['another method', '/', { method: 'POST' }, 405, 'there is nothing to do here but GET'],
    ['another method for the events', '/events', { method: 'DELETE' }, 405, 'there is nothing to do here but GET'],
    ['another host', '/', { headers: { host: 'evil.example' } }, 403, 'this page is at <url>'],
    ['another host for the events', '/events', { headers: { host: 'evil.example:80' } }, 403, 'this page is at <url>'],
  ])('refuses %s', async (_, path, how, status, text) => {
    const live = await serve()
    const answer = await ask(live, path, how)
    expect({ status: answer.status, body: answer.body }).toEqual({
      status,
      body: `${text.replace('<url>', live.url)}\n`,
    })
    expect(answer.headers.allow).toBe(status === 405 ? 'GET, HEAD' : undefined)
  })

  it('is there under the name localhost too', async () => {
    const live = await serve()
    expect((await ask(live, '/', { headers: { host: `localhost:${live.port}` } })).status).toBe(200)
    expect((await ask(live, '/events', { method: 'HEAD' })).body).toBe('')
  })

  it('is there without a port where that is 80, which clients leave out', () => {
    expect(hostsOf(80)).toEqual(['127.0.0.1', 'localhost', '127.0.0.1:80', 'localhost:80'])
    expect(hostsOf(8080)).toEqual(['127.0.0.1:8080', 'localhost:8080'])
  })

  it('listens on 127.0.0.1 alone', async () => {
    const live = await serve()
    const other = createServer().listen(live.port, '127.0.0.2')
    await once(other, 'listening') // which it could not where somebody listens on every address
    other.close()
  })

  it('rejects where the port is taken, and leaves nothing running', async () => {
    const live = await serve()
    await expect(LiveServer.open(INFO, live.port)).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})

describe('the events', () => {
  it('begin with the run and all records so far, and go on as they come', async () => {
    const live = await serve()
    live.record(batch(50), CLOCK)
    const listener = await Listener.on(live)
    await until(() => listener.steps.length === 1)
    live.record(batch(100), { imagesPerSecond: null, secondsLeft: null })
    const epoch = { kind: 'epoch', epoch: 0, step: 100, lr: 0.1, trainLoss: 0.5, trainAcc: 0.6, testAcc: 0.7 } as const
    live.record(epoch, CLOCK)
    await until(() => listener.steps.length === 3)
    expect(listener.response.headers['content-type']).toBe('text/event-stream; charset=utf-8')
    expect(listener.text.startsWith('retry: 1000\n\n')).toBe(true)
    expect(listener.events.map(({ name }) => name)).toEqual(['start', 'record', 'record', 'record'])
    expect(listener.events.map(({ data }) => data)).toEqual([
      INFO,
      {
        record: batch(50),
        points: { trainLoss: [[0.49, 0.02]], trainAcc: [[0.49, 0.5]], testAcc: [] },
        ...CLOCK,
      },
      {
        record: batch(100),
        points: { trainLoss: [[0.99, 0.01]], trainAcc: [[0.99, 0.5]], testAcc: [] },
        imagesPerSecond: null,
        secondsLeft: null,
      },
      { record: epoch, points: { trainLoss: [], trainAcc: [], testAcc: [[1, 0.7]] }, ...CLOCK },
    ])
  })

  it('go on after the one that a client had last, without the beginning', async () => {
    const live = await serve()
    for (const step of [1, 2, 3, 4]) live.record(batch(step), CLOCK)
    const first = await Listener.on(live)
    await until(() => first.steps.length === 4)
    const again = await Listener.on(live, first.events[2]!.id)
    await until(() => again.steps.length === 2)
    expect(again.steps).toEqual([3, 4])
    expect(again.events[0]!.name).toBe('record')
    live.record(batch(5), CLOCK)
    const upToDate = await Listener.on(live, again.events.at(-1)!.id)
    await until(() => upToDate.steps.length === 1)
    expect(upToDate.steps).toEqual([5])
  })

  it.each([['00000000-0'], ['nonsense'], [''], ['<run>-99']])('begin anew after an id of elsewhere, %j', async (id) => {
    const live = await serve()
    live.record(batch(1), CLOCK)
    const first = await Listener.on(live)
    await until(() => first.steps.length === 1)
    const run = first.events[0]!.id.split('-')[0]!
    const again = await Listener.on(live, id.replace('<run>', run))
    await until(() => again.steps.length === 1)
    expect(again.events[0]!.name).toBe('start')
  })

  it('come with signs of life in between', async () => {
    const live = await serve(20)
    const listener = await Listener.on(live)
    await until(() => listener.text.endsWith(':\n\n:\n\n'))
  })

  it('end with the end of the run, for all who listen, and then nobody is there', async () => {
    const live = await serve()
    const { port } = live
    const listeners = await Promise.all([Listener.on(live), Listener.on(live)])
    live.record(batch(1), CLOCK)
    await live.end('finished', 'train loss 0.1')
    for (const listener of listeners) {
      await until(() => listener.ended)
      expect(listener.steps).toEqual([1])
      expect(listener.events.at(-1)).toMatchObject({ name: 'end', data: { state: 'finished', text: 'train loss 0.1' } })
    }
    await expect(once(connect(port, '127.0.0.1'), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('reach a client that reads nothing as far as it goes; it holds up nobody, and no memory', async () => {
    const live = await serve(5)
    const lag = new LagWatch()
    const socket = await stall(live.url)
    const quick = await Listener.on(live)
    const count = 60_000 // about 14 MB: more than the kernel takes for a socket
    let longest = 0
    let held = 0
    for (let step = 1; step <= count; step++) {
      const at = performance.now()
      live.record({ ...batch(step), epoch: Math.floor((step - 1) / 100) }, CLOCK)
      longest = Math.max(longest, performance.now() - at)
      held = Math.max(held, lag.bytes())
      if (step % 1000 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await until(() => quick.text.includes(`"step":${count},`))
    expect(socket.bytesRead).toBeLessThan(quick.text.length)
    // A stream's buffer and a frame; no second list for the client that lags.
    expect(held).toBeGreaterThan(0)
    expect(held).toBeLessThan(128 * 1024)
    expect(longest).toBeLessThan(500)
    const began = performance.now()
    await live.end('stopped', '')
    expect(performance.now() - began).toBeLessThan(3000)
    socket.destroy()
    lag.stop()
  })
})
