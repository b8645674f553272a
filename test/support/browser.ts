// A real browser without a window, driven by the DevTools protocol over two pipes: JSON, each message ended by a zero
// byte. https://chromedevtools.github.io/devtools-protocol/
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import process from 'node:process'
import type { Readable, Writable } from 'node:stream'
import { sleep } from './train_process.ts'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']
export const NO_BROWSER = `no browser: none of ${NAMES.join(', ')} is in PATH, and DAWNGRAD_BROWSER names none`

/** The file of a Chromium: what DAWNGRAD_BROWSER names, or the first in PATH; null where there is none. */
export function findBrowser(): string | null {
  const given = process.env.DAWNGRAD_BROWSER ?? ''
  if (given !== '') return given
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable) ?? null
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

export interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: Readonly<Record<string, unknown>>
  readonly sessionId?: string
  readonly result?: Readonly<Record<string, unknown>>
  readonly error?: { readonly message: string }
}

type Fields = Readonly<Record<string, unknown>>

export class Browser {
  readonly #child: ChildProcess
  readonly #profile: string
  readonly #waiting = new Map<number, (message: Message) => void>()
  readonly #pages = new Map<string, Page>()
  /** Why it answers no more, once it has ended. */
  readonly #closed: Promise<string>
  #sent = 0
  #rest = ''

  constructor(file: string) {
    this.#profile = mkdtempSync(join(tmpdir(), 'dawngrad-browser-'))
    const flags = ['--headless=new', '--remote-debugging-pipe', '--no-first-run', '--disable-gpu', '--hide-scrollbars']
    // Its sandbox refuses to start as root and in many containers; it is shown no page but ours.
    const own = [`--user-data-dir=${this.#profile}`, '--no-sandbox', '--disable-dev-shm-usage', '--disable-extensions']
    this.#child = spawn(file, [...flags, ...own, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    })
    this.#closed = new Promise((resolve) => {
      this.#child.on('error', ({ message }) => resolve(message))
      this.#child.on('exit', (code, signal) => resolve(`${file} has ended (${code ?? signal})`))
    })
    const from = this.#child.stdio[4] as Readable
    from.setEncoding('utf8').on('data', (text: string) => this.#read(text))
    ;(this.#child.stdio[3] as Writable).on('error', () => undefined)
  }

  /** A new tab of this size. */
  async page(width: number, height: number): Promise<Page> {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true })
    const page = new Page((method, params) => this.send(method, params, sessionId as string))
    this.#pages.set(sessionId as string, page)
    await this.send('Runtime.enable', {}, sessionId as string)
    await this.send('Log.enable', {}, sessionId as string)
    await page.size(width, height)
    return page
  }

  async send(method: string, params: Fields = {}, sessionId?: string): Promise<Fields> {
    const id = ++this.#sent
    const answer = new Promise<Message>((resolve) => this.#waiting.set(id, resolve))
    ;(this.#child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
    const closed = this.#closed.then((message): Message => ({ error: { message } }))
    const { result = {}, error } = await Promise.race([answer, closed])
    if (error) throw new Error(`${method}: ${error.message}`)
    return result
  }

  async close(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
    // Its own children outlive it for a moment, and may still write into the folder.
    const until = performance.now() + 10_000
    for (;;) {
      try {
        rmSync(this.#profile, { recursive: true, force: true })
        return
      } catch (error) {
        if (performance.now() > until) throw error
        await sleep(100)
      }
    }
  }

  #read(text: string): void {
    const messages = (this.#rest + text).split('\0')
    this.#rest = messages.pop()!
    for (const message of messages.map((one) => JSON.parse(one) as Message)) {
      if (message.id === undefined) {
        this.#pages.get(message.sessionId ?? '')?.note(message)
        continue
      }
      this.#waiting.get(message.id)?.(message)
      this.#waiting.delete(message.id)
    }
  }
}

/** A tab. */
export class Page {
  readonly #send: (method: string, params?: Fields) => Promise<Fields>
  /** Exceptions in the page, and what the browser refused it. A connection that fails is none. */
  readonly problems: string[] = []

  constructor(send: (method: string, params?: Fields) => Promise<Fields>) {
    this.#send = send
  }

  note({ method, params }: Message): void {
    const { source, level } = (params?.entry ?? {}) as { source?: string; level?: string }
    const refused = level === 'error' && source !== 'network'
    if (refused || method === 'Runtime.exceptionThrown') this.problems.push(JSON.stringify(params))
  }

  async size(width: number, height: number): Promise<void> {
    await this.#send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false })
  }

  async colors(scheme: 'light' | 'dark'): Promise<void> {
    const features = [{ name: 'prefers-color-scheme', value: scheme }]
    await this.#send('Emulation.setEmulatedMedia', { features })
  }

  async open(url: string): Promise<void> {
    await this.#send('Page.navigate', { url })
  }

  async reload(): Promise<void> {
    await this.#send('Page.reload')
  }

  /** The value of an expression in the page. */
  async value(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.#send('Runtime.evaluate', { expression, returnByValue: true })
    if (exceptionDetails) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`)
    return (result as { value: unknown }).value
  }

  /** Waits until an expression is true in the page, at most half a minute. */
  async until(expression: string): Promise<void> {
    const end = performance.now() + 30_000
    while ((await this.value(expression).catch(() => false)) !== true) {
      if (performance.now() > end) throw new Error(`it never came true: ${expression}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /** A picture of the whole page as PNG. */
  async screenshot(): Promise<Buffer> {
    const { data } = await this.#send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true })
    return Buffer.from(data as string, 'base64')
  }
}
