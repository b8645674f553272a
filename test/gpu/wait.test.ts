import { describe, expect, it } from 'vitest'
import { Waiter } from '../../src/gpu/wait.ts'

const work = (ms: number) => () => new Promise<void>((resolve) => setTimeout(resolve, ms))

async function timed(fn: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await fn()
  return performance.now() - start
}

describe('Waiter', () => {
  it('asks for the promise once, and waits for it', async () => {
    for (const sleeps of [true, false]) {
      const waiter = new Waiter(sleeps)
      let asked = 0
      const done = () => {
        asked++
        return work(20)()
      }
      expect(await timed(() => waiter.wait(10, done))).toBeGreaterThan(15)
      expect(asked).toBe(1)
      await waiter.wait(10, done)
      expect(asked).toBe(2)
    }
  })

  it('sleeps through most of a wait like the one before, where the processor is the device', async () => {
    const waiter = new Waiter(true)
    for (let i = 1; i <= 4; i++) await waiter.wait(100 * i, work(60))
    let asked = 0
    const start = performance.now()
    await waiter.wait(500, async () => {
      asked = performance.now() - start
    })
    expect(asked).toBeGreaterThan(20)
  })

  it('asks at once on other devices', async () => {
    const waiter = new Waiter(false)
    await waiter.wait(1, work(60))
    expect(await timed(() => waiter.wait(2, () => Promise.resolve()))).toBeLessThan(30)
  })

  it('does not sleep for minutes when thousands of quick dispatches follow a slow one', async () => {
    const waiter = new Waiter(true)
    await waiter.wait(1, work(30))
    const slept = timed(() => waiter.wait(10_001, () => Promise.resolve()))
    const late = new Promise((resolve) => setTimeout(resolve, 1000, Number.POSITIVE_INFINITY))
    expect(await Promise.race([slept, late])).toBeLessThan(1000)
  })

  it('does not sleep longer because many short waits were longer than expected', async () => {
    const waiter = new Waiter(true)
    let dispatches = 0
    const wait = (more: number, ms: number) => {
      dispatches += more
      return waiter.wait(dispatches, work(ms))
    }
    for (let i = 0; i < 15; i++) {
      await wait(1, 1)
      await wait(1, 6) // no sleep was cut short
    }
    await wait(1, 60)
    const slept = timed(() => wait(10_000, 0))
    const late = new Promise<number>((resolve) => setTimeout(resolve, 1000, Number.POSITIVE_INFINITY))
    expect(await Promise.race([slept, late])).toBeLessThan(200)
  })

  it('hands on a failure', async () => {
    await expect(new Waiter(true).wait(1, () => Promise.reject(new Error('lost')))).rejects.toThrow('lost')
  })
})
