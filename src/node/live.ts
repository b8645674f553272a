// The server of `train --live`. The page that it serves, the other half, is in live/ at the root.
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { curvePoints, type HistoryRecord } from '../train/index.ts'

/** What the page knows of a run before its first record. */
export interface LiveRunInfo {
  readonly title: string
  readonly epochs: number
  readonly stepsPerEpoch: number
}

/** Clock figures of a record; null if unknown, for example for records before a run was resumed. */
export interface LiveClock {
  readonly imagesPerSecond: number | null
  readonly secondsLeft: number | null
}

export type LiveState = 'finished' | 'stopped' | 'failed'

interface Client {
  readonly response: ServerResponse
  /** The next frame to send to it. */
  next: number
}

const HOST = '127.0.0.1'
const HEARTBEAT_MS = 15_000
/** How long the end of a run waits for clients to receive the rest. */
const FAREWELL_MS = 1000
const MOST_CONNECTIONS = 64

const require = createRequire(import.meta.url)
const own = (name: string) => new URL(`../../live/${name}`, import.meta.url)
/** All files of the page. */
const FILES = [
  { path: '/', type: 'text/html', at: () => own('page.html') },
  { path: '/page.css', type: 'text/css', at: () => own('page.css') },
  { path: '/page.js', type: 'text/javascript', at: () => own('page.js') },
  { path: '/uplot.css', type: 'text/css', at: () => require.resolve('uplot/dist/uPlot.min.css') },
  { path: '/uplot.js', type: 'text/javascript', at: () => require.resolve('uplot/dist/uPlot.iife.min.js') },
]
const EVENTS = '/events'
const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
}

/** The valid Host headers. Most clients omit HTTP's own port, 80. */
export function hostsOf(port: number): readonly string[] {
  const names = [HOST, 'localhost']
  return [...(port === 80 ? names : []), ...names.map((name) => `${name}:${port}`)]
}

/**
 * Serves the page of one run on 127.0.0.1: its files, and the run's records as server-sent events. All clients read one
 * list of events, each at its own speed, so a slow one costs neither time nor memory; one that reconnects continues where
 * it was. The server does not keep the process alive.
 */
export class LiveServer {
  readonly #server: Server
  readonly #clients = new Set<Client>()
  /** The events in the form they are sent: `start`, the records, and perhaps `end`. */
  readonly #frames: string[] = []
  /** Distinguishes this run's events from those of another run at the same address. */
  readonly #run = randomUUID().slice(0, 8)
  readonly #info: LiveRunInfo
  readonly #heartbeat: NodeJS.Timeout
  /** Read beforehand, so that a run neither waits for the disk nor fails because a file is gone. */
  readonly #files = new Map(FILES.map(({ path, type, at }) => [path, { type, content: readFileSync(at()) }]))
  #ended = false

  private constructor(info: LiveRunInfo, heartbeatMs: number) {
    this.#info = info
    this.#server = createServer((request, response) => this.#answer(request, response))
    this.#server.maxConnections = MOST_CONNECTIONS
    this.#server.on('connection', (socket) => socket.unref())
    this.#heartbeat = setInterval(() => this.#beat(), heartbeatMs)
    this.#heartbeat.unref()
    this.#push('start', info)
  }

  /**
   * Starts to listen. Rejects with Node's error if the port is not available.
   *
   * @param port 0 for any free port
   */
  static async open(info: LiveRunInfo, port = 0, heartbeatMs = HEARTBEAT_MS): Promise<LiveServer> {
    const live = new LiveServer(info, heartbeatMs)
    try {
      live.#server.listen(port, HOST)
      await once(live.#server, 'listening')
    } catch (error) {
      clearInterval(live.#heartbeat)
      throw error
    }
    live.#server.on('error', () => undefined) // the client retries a connection that failed
    live.#server.unref()
    return live
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://${HOST}:${this.port}/`
  }

  /** Sends a record. Returns at once, whatever the clients do. */
  record(record: HistoryRecord, clock: LiveClock): void {
    this.#push('record', { record, points: curvePoints([record], this.#info.stepsPerEpoch), ...clock })
  }

  /** Tells how the run ended, waits a moment for clients to receive it, and closes. */
  async end(state: LiveState, text: string): Promise<void> {
    this.#push('end', { state, text })
    clearInterval(this.#heartbeat)
    const gone = [...this.#clients].map(({ response }) => new Promise((resolve) => response.once('close', resolve)))
    const farewell = new Promise((resolve) => setTimeout(resolve, FAREWELL_MS, null))
    if (gone.length > 0) await Promise.race([Promise.all(gone), farewell])
    this.#server.close()
    this.#server.closeAllConnections()
  }

  #push(event: string, data: object): void {
    this.#frames.push(`id: ${this.#run}-${this.#frames.length}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
    this.#ended = event === 'end'
    for (const client of this.#clients) this.#send(client)
  }

  /** Sends a client what it lacks until its buffer is full; called again when there is room. */
  #send(client: Client): void {
    const { response } = client
    while (client.next < this.#frames.length && !response.writableNeedDrain) {
      response.write(this.#frames[client.next++]!)
    }
    if (this.#ended && client.next === this.#frames.length) response.end()
  }

  /** Shows both sides that the connection is alive. */
  #beat(): void {
    for (const { response } of this.#clients) if (!response.writableNeedDrain) response.write(':\n\n')
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value)
    const path = (request.url ?? '/').replace(/\?.*$/s, '')
    const refused = this.#refusal(request, path)
    const file = this.#files.get(path)
    if (refused) {
      if (refused.status === 405) response.setHeader('Allow', 'GET, HEAD')
      response.writeHead(refused.status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(`${refused.text}\n`)
    } else if (file) {
      response.writeHead(200, { 'Content-Type': `${file.type}; charset=utf-8` }).end(file.content)
    } else this.#stream(request, response)
  }

  #refusal({ headers, method }: IncomingMessage, path: string): { status: number; text: string } | null {
    // Under another host name that resolves to this address, a browser would let another site read the page.
    if (!hostsOf(this.port).includes(headers.host ?? '')) return { status: 403, text: `this page is at ${this.url}` }
    if (method !== 'GET' && method !== 'HEAD') return { status: 405, text: 'there is nothing to do here but GET' }
    if (path === EVENTS || this.#files.has(path)) return null
    return { status: 404, text: `there is no such page; see ${this.url}` }
  }

  #stream(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' })
    if (request.method === 'HEAD') {
      response.end()
      return
    }
    const client: Client = { response, next: this.#after(request.headers['last-event-id']) }
    this.#clients.add(client)
    response.on('drain', () => this.#send(client))
    response.on('close', () => this.#clients.delete(client))
    response.on('error', () => undefined) // it is then closed
    response.write('retry: 1000\n\n')
    this.#send(client)
  }

  /** The position after the last event that a client received; the start if that event belongs to another run, or if there was none. */
  #after(id: string | string[] | undefined): number {
    const [, run, place] = /^([0-9a-f]{8})-(\d{1,9})$/.exec(String(id)) ?? []
    const next = Number(place) + 1
    return run === this.#run && next <= this.#frames.length ? next : 0
  }
}
