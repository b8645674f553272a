import { beforeAll, describe, expect, it } from 'vitest'
import { looksAcross } from '../../src/capture/current.ts'
import { capture, ImageBatches, type ImageDataset } from '../../src/node/index.ts'
import { messageOf, testGpu } from '../support/gpu.ts'

const PIXELS = 28 * 28

/** Images whose pixels tell them apart: pixel k of image n is (7n + k) mod 256. The labels are n mod 10. */
function dataset(count: number, [channels, height, width]: [number, number, number] = [1, 28, 28]): ImageDataset {
  const pixels = channels * height * width
  const images = Uint8Array.from({ length: count * pixels }, (_, i) => 7 * Math.floor(i / pixels) + (i % pixels))
  const labels = Uint8Array.from({ length: count }, (_, n) => n % 10)
  return { images, labels, count, channels, height, width, classes: [] }
}

beforeAll(testGpu)

describe('ImageBatches', () => {
  it('has every image once, in the order given, the rest in a last batch, pixels in [0, 1]', async () => {
    const set = dataset(7)
    const batches = new ImageBatches(set, { batchSize: 3 })
    expect([batches.batchSize, batches.size, batches.length]).toEqual([3, 7, 3])
    for (const order of [null, Uint32Array.of(6, 2, 0, 5, 1, 4, 3)]) {
      if (order) batches.setOrder(order)
      const expected = order ?? Uint32Array.of(0, 1, 2, 3, 4, 5, 6)
      for (let i = 0; i < 3; i++) {
        const { images, labels, size } = batches.batch(i)
        const taken = expected.slice(3 * i, 3 * i + 3)
        expect([size, images.shape, labels.shape]).toEqual([taken.length, [taken.length, 1, 28, 28], [taken.length]])
        expect([...(await labels.data())]).toEqual([...taken].map((n) => set.labels[n]))
        const bytes = [...taken].flatMap((n) => [...set.images.subarray(n * PIXELS, (n + 1) * PIXELS)])
        expect(await images.data()).toEqual(Float32Array.from(bytes, (byte) => byte * Math.fround(1 / 255)))
        images.dispose()
        labels.dispose()
      }
    }
    batches.dispose()
  })

  it('takes pictures of any size and number of channels', async () => {
    const set = dataset(5, [3, 5, 7])
    const batches = new ImageBatches(set, { batchSize: 2 })
    batches.setOrder(Uint32Array.of(4, 0, 3, 1, 2))
    const { images } = batches.batch(1)
    expect(images.shape).toEqual([2, 3, 5, 7])
    const bytes = [3, 1].flatMap((n) => [...set.images.subarray(n * 105, (n + 1) * 105)])
    expect(await images.data()).toEqual(Float32Array.from(bytes, (byte) => byte * Math.fround(1 / 255)))
    batches.dispose()
  })

  it('gives the brightest pixel as 1', async () => {
    const set = { ...dataset(1), images: new Uint8Array(PIXELS).fill(255) }
    const batches = new ImageBatches(set, { batchSize: 256 })
    expect([batches.size, batches.length]).toEqual([1, 1])
    expect(new Set(await batches.batch(0).images.data())).toEqual(new Set([1]))
  })

  it('gives one batch after the other, until the epoch is over or another order is set', async () => {
    const batches = new ImageBatches(dataset(7), { batchSize: 3 })
    const next = async () => [...(await batches.next().labels.data())]
    expect([await next(), await next(), batches.position, await next(), batches.position]).toEqual([
      [0, 1, 2],
      [3, 4, 5],
      2,
      [6],
      3,
    ])
    const over = 'ImageBatches: 1 batches are needed, but the epoch has 0 left; setOrder begins a new epoch'
    expect(messageOf(() => batches.next())).toBe(over)
    batches.setOrder(Uint32Array.of(6, 5, 4, 3, 2, 1, 0))
    expect(await next()).toEqual([6, 5, 4])
    batches.position = 2
    expect(await next()).toEqual([0])
    for (const position of [-1, 4, 0.5]) {
      expect(messageOf(() => (batches.position = position))).toBe(
        `ImageBatches: there is no position ${position}; an epoch goes from 0 to 3`,
      )
    }
    batches.dispose()
  })

  it('does so in a plan too, where the last batch is filled up with rows that do not count', async () => {
    const batches = new ImageBatches(dataset(7), { batchSize: 2 })
    const plan = capture(() => [batches.next(), batches.next()])
    const labels = () => Promise.all(plan.result.map(async (batch) => [...(await batch.labels.data())]))
    plan.run()
    expect([await labels(), batches.position]).toEqual([
      [
        [0, 1],
        [2, 3],
      ],
      2,
    ])
    plan.run()
    expect(await labels()).toEqual([
      [4, 5],
      [6, -100],
    ])
    const last = await plan.result[1]!.images.data()
    expect(last.slice(PIXELS)).toEqual(new Float32Array(PIXELS))
    expect(last[0]).toBe(Math.fround(42 * Math.fround(1 / 255)))
    expect(messageOf(() => plan.run())).toBe(
      'ImageBatches: 2 batches are needed, but the epoch has 0 left; setOrder begins a new epoch',
    )
    batches.position = 3
    expect(messageOf(() => plan.run())).toContain('2 batches are needed, but the epoch has 1 left')
    batches.setOrder(Uint32Array.of(6, 5, 4, 3, 2, 1, 0))
    plan.run(2)
    expect(await labels()).toEqual([
      [2, 1],
      [0, -100],
    ])
    plan.dispose()
    batches.dispose()
  })

  it('gives exactly the rows that are left in a plan captured at the last batch, which can run only there', async () => {
    const batches = new ImageBatches(dataset(7), { batchSize: 3 })
    batches.position = 2
    const plan = capture(() => batches.next())
    expect([plan.result.size, plan.result.images.shape, batches.position]).toEqual([1, [1, 1, 28, 28], 2])
    plan.run()
    expect([[...(await plan.result.labels.data())], batches.position]).toEqual([[6], 3])
    expect(messageOf(() => plan.run())).toContain('1 batches are needed, but the epoch has 0 left')
    batches.setOrder(Uint32Array.of(6, 5, 4, 3, 2, 1, 0))
    expect(messageOf(() => plan.run())).toBe(
      'ImageBatches: the plan was captured for the last batch, of 1 rows; it can only run at position 2, not at 0. ' +
        'For batches of 3 rows, capture another plan at an earlier position',
    )
    plan.run(0)
    batches.position = 2
    expect(messageOf(() => plan.run(2))).toContain('2 batches are needed, but the epoch has 1 left')
    plan.run()
    expect([...(await plan.result.labels.data())]).toEqual([0])
    batches.position = 2
    expect(messageOf(() => capture(() => [batches.next(), batches.next()]))).toBe(
      'ImageBatches: 2 batches are needed, but the epoch has 1 left; setOrder begins a new epoch',
    )
    // A step of several batches that ends with the last one.
    batches.position = 1
    const both = capture(() => [batches.next(), batches.next()])
    both.run()
    expect(await Promise.all(both.result.map(async ({ labels }) => [...(await labels.data())]))).toEqual([
      [3, 2, 1],
      [0],
    ])
    for (const part of [plan, both, batches]) part.dispose()
  })

  it('refuses a batch filled up with zeros where something looks across it', async () => {
    const batches = new ImageBatches(dataset(7), { batchSize: 3 })
    const step = () => {
      looksAcross('a test')
      return batches.next()
    }
    const plan = capture(step)
    const refused =
      'ImageBatches: a test looks across the batch, and of the 3 rows of batch 2 only 1 are images, the others zeros. ' +
      'Train with fit, which makes a separate plan for the last batch, or train on a multiple of 3 images: take(set, 6)'
    expect(messageOf(() => plan.run(3))).toBe(refused)
    expect(batches.position).toBe(0)
    plan.run(2)
    expect(messageOf(() => plan.run())).toBe(refused)
    plan.run(0)
    const last = capture(step)
    last.run()
    expect([[...(await last.result.labels.data())], batches.position]).toEqual([[6], 3])
    for (const part of [plan, last, batches]) part.dispose()
    // A number of images that the batch size divides is not refused, and neither is a plan in which nothing looks across.
    const whole = new ImageBatches(dataset(6), { batchSize: 3 })
    const fits = capture(() => {
      looksAcross('a test')
      return whole.next()
    })
    fits.run(2)
    for (const part of [fits, whole]) part.dispose()
  })

  it('refuses sizes, orders and batches that do not fit', () => {
    const batches = new ImageBatches(dataset(7), { batchSize: 3 })
    for (const batchSize of [0, -1, 2.5, Number.NaN]) {
      expect(messageOf(() => new ImageBatches(dataset(7), { batchSize }))).toBe(
        `ImageBatches: batchSize must be a whole number, 1 or more, not ${batchSize}`,
      )
    }
    for (const length of [0, 6, 8]) {
      expect(messageOf(() => batches.setOrder(new Uint32Array(length)))).toBe(
        `ImageBatches: the order has ${length} entries, but there are 7 images`,
      )
    }
    expect(messageOf(() => batches.setOrder(Uint32Array.of(0, 1, 2, 3, 4, 5, 7)))).toBe(
      'ImageBatches: there is no image 7; images are numbered 0 to 6',
    )
    for (const i of [-1, 3, 0.5, Number.NaN]) {
      expect(messageOf(() => batches.batch(i))).toBe(
        `ImageBatches: there is no batch ${i}; batches are numbered 0 to 2`,
      )
    }
  })
})
