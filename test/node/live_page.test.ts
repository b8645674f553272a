import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { LiveServer } from '../../src/node/live.ts'
import { Browser, findBrowser, NO_BROWSER, type Page } from '../support/browser.ts'

const INFO = { title: 'LeNet on Fashion-MNIST, constant, seed 0', epochs: 4, stepsPerEpoch: 100 }

/** The address that the page knows, which can be lost, and lead to another server afterwards. */
class Door {
  readonly #server: Server
  #to: LiveServer
  #port = 0

  constructor(to: LiveServer) {
    this.#to = to
    this.#server = createServer(({ url, headers }, response) => {
      const { port } = this.#to
      const lastId = headers['last-event-id']
      const own = { host: `127.0.0.1:${port}`, ...(lastId !== undefined && { 'last-event-id': lastId }) }
      const asked = request({ host: '127.0.0.1', port, path: url, headers: own }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers)
        answer.on('error', () => response.destroy()).pipe(response)
      })
      asked.on('error', () => response.destroy()).end()
      response.on('close', () => asked.destroy())
    })
  }

  async open(): Promise<string> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
    return `http://127.0.0.1:${this.#port}/`
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  lead(to: LiveServer): void {
    this.#to = to
  }
}

/** Records of whole epochs `from` to `to`. */
function train(live: LiveServer, from: number, to: number): void {
  for (let epoch = from; epoch < to; epoch++) {
    const step = 100 * (epoch + 1)
    const figures = { lr: 0.3 / (epoch + 1), trainLoss: 1 / (epoch + 1), trainAcc: 0.5 + 0.1 * epoch }
    const clock = { imagesPerSecond: 3000 + epoch, secondsLeft: 10 * (3 - epoch) }
    live.record({ kind: 'batch', epoch, step: step - 50, ...figures }, clock)
    live.record({ kind: 'batch', epoch, step, ...figures }, clock)
    // Between the two no image was seen.
    const rest = { ...clock, imagesPerSecond: null }
    live.record({ kind: 'epoch', epoch, step, ...figures, testAcc: 0.4 + 0.1 * epoch }, rest)
  }
}

const NUMBERS = "Object.fromEntries([...document.querySelectorAll('dd')].map((e) => [e.id, e.textContent]))"
const STATUS = "document.getElementById('status').textContent"
const PICTURES = "JSON.stringify([...document.querySelectorAll('canvas')].map((e) => e.toDataURL()))"
const shows = (step: number) => `document.getElementById('step').textContent === '${step}/400' && ${drawn}`
const drawn = "document.querySelectorAll('canvas').length === 3"

/** How many pixels of the first chart are of a colour that the page's style names. */
const pixels = (name: string) => `(() => {
  const canvas = document.querySelector('canvas')
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
  const hex = getComputedStyle(document.documentElement).getPropertyValue('${name}').trim()
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16))
  let count = 0
  for (let i = 0; i < data.length; i += 4) if (data[i] === r && data[i + 1] === g && data[i + 2] === b) count++
  return count
})()`

const file = findBrowser()
if (file === null) process.stderr.write(`The tests of the live page are skipped: ${NO_BROWSER}\n`)
const settled = () => new Promise((resolve) => setTimeout(resolve, 200))

describe.skipIf(file === null)(`the live page in ${file ?? `a browser (skipped: ${NO_BROWSER})`}`, () => {
  let browser: Browser
  let page: Page
  let live: LiveServer
  let door: Door

  beforeAll(async () => {
    browser = new Browser(file!)
    await browser.send('Browser.getVersion') // one that does not run is said once
  })
  afterAll(() => browser.close())
  afterEach(async () => {
    expect(page.problems).toEqual([])
    await page.open('about:blank')
    door.close()
    await live.end('stopped', '')
  })

  /** The page of a run of two epochs so far. */
  async function show(width = 1000): Promise<void> {
    live = await LiveServer.open(INFO)
    train(live, 0, 2)
    door = new Door(live)
    const url = await door.open()
    page = await browser.page(width, 800)
    await page.open(url)
    await page.until(shows(200))
    await settled()
  }

  it('draws what there is, says it in numbers and to those who do not see it, and follows the run', async () => {
    await show()
    expect(await page.value(STATUS)).toBe('running')
    expect(await page.value('document.title')).toBe('2/4 · loss 0.500')
    const numbers = { epoch: '2/4', step: '200/400', trainLoss: '0.500', trainAcc: '0.600', testAcc: '0.500' }
    expect(await page.value(NUMBERS)).toEqual({ ...numbers, lr: '0.150', speed: '3,001', left: '0:20' })
    expect(await page.value("document.getElementById('curves').ariaLabel")).toBe(
      'loss and accuracy over 4 epochs, now: train loss 0.500, train accuracy 0.600, test accuracy 0.500',
    )
    const before: number[] = []
    for (const name of ['--loss', '--train', '--test']) before.push((await page.value(pixels(name))) as number)
    for (const count of before) expect(count).toBeGreaterThan(50)
    train(live, 2, 4)
    await page.until(shows(400))
    await settled()
    for (const [i, name] of ['--loss', '--train', '--test'].entries()) {
      expect(await page.value(pixels(name))).toBeGreaterThan(before[i]!)
    }
  })

  it('has the newest values below a chart, or those under the pointer', async () => {
    await show()
    const below = "[...document.querySelectorAll('#curves .u-value')].map((e) => e.textContent)"
    expect(await page.value(below)).toEqual(['2.00', '0.500', '0.600', '0.500'])
    await page.value('plots[0].chart.setCursor({ left: 1, top: 1 })')
    expect(await page.value(below)).toEqual(['0.49', '1.000', '0.500', '–'])
    await page.value('plots[0].chart.setCursor({ left: -10, top: -10 })')
    expect(await page.value(below)).toEqual(['2.00', '0.500', '0.600', '0.500'])
  })

  it('shows the same after a reload', async () => {
    await show()
    const [numbers, pictures] = [await page.value(NUMBERS), await page.value(PICTURES)]
    await page.value("document.getElementById('step').textContent = 'before'")
    await page.reload()
    await page.until(shows(200))
    await settled()
    expect(await page.value(NUMBERS)).toEqual(numbers)
    expect(await page.value(PICTURES)).toBe(pictures)
  })

  it('says that the connection is lost, tries again by itself, and has what came meanwhile', async () => {
    await show()
    door.close()
    await page.until(`${STATUS} === 'connection lost, trying again'`)
    expect(await page.value(shows(200))).toBe(true)
    train(live, 2, 3)
    await page.value('window.kept = columns.curves[0].slice()')
    await door.open()
    await page.until(`${STATUS} === 'running' && ${shows(300)}`)
    // What it had was not sent, nor drawn, twice.
    expect(await page.value('columns.curves[0].slice(0, kept.length).join() === kept.join()')).toBe(true)
    expect(await page.value('columns.curves[0]')).toEqual([0.49, 0.99, 1, 1.49, 1.99, 2, 2.49, 2.99, 3])
  })

  it('begins anew where another run is at the address', async () => {
    await show()
    door.close()
    const other = await LiveServer.open({ ...INFO, title: 'another' })
    train(other, 0, 1)
    door.lead(other)
    await door.open()
    await page.until(`document.getElementById('title').textContent === 'another' && ${shows(100)}`)
    expect(await page.value('columns.curves[0]')).toEqual([0.49, 0.99, 1])
    await other.end('stopped', '')
  })

  it('says how the run ended, and keeps its curves when nobody is there any more', async () => {
    await show()
    train(live, 2, 4)
    await live.end('finished', 'train loss 0.250, train acc 0.800, test acc 0.700')
    await page.until(`${STATUS} === 'finished: train loss 0.250, train acc 0.800, test acc 0.700'`)
    door.close()
    await new Promise((resolve) => setTimeout(resolve, 1500)) // it does not try again
    expect(await page.value("document.getElementById('status').dataset.state")).toBe('finished')
    expect(await page.value(pixels('--loss'))).toBeGreaterThan(50)
    expect(await page.value("document.getElementById('left').textContent")).toBe('0:00')
  })

  it.each([320, 360, 700, 1600])('fits a window of %i pixels, and follows it', async (width) => {
    await show(1000)
    await page.size(width, 800)
    await settled()
    expect(await page.value('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
    const widths = (await page.value("[...document.querySelectorAll('.uplot')].map((e) => e.clientWidth)")) as number[]
    const holders = await page.value("[...document.querySelectorAll('.plot')].map((e) => e.clientWidth)")
    expect(widths).toEqual(holders)
    // No number is cut off.
    const cut = "[...document.querySelectorAll('dd')].filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.id)"
    expect(await page.value(cut)).toEqual([])
  })

  it('is dark where the reader prefers that, and changes at once', async () => {
    await show()
    const ground = 'getComputedStyle(document.body).backgroundColor'
    expect(await page.value(ground)).toBe('rgb(255, 255, 255)')
    await page.colors('dark')
    await settled()
    expect(await page.value(ground)).toBe('rgb(21, 24, 28)')
    expect(await page.value(pixels('--loss'))).toBeGreaterThan(50)
  })

  it('can be looked at', async () => {
    await show()
    const picture = await page.screenshot()
    expect(picture.subarray(1, 4).toString()).toBe('PNG')
    expect(picture.length).toBeGreaterThan(10_000)
  })
})
