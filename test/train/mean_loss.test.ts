// The mean losses of an epoch and of an evaluation, to the last digit.
// biome-ignore-all lint/suspicious/noFocusedTests: fit is what is tested
import { beforeAll, describe, expect, it } from 'vitest'
import {
  crossEntropy,
  evaluate,
  fit,
  ImageBatches,
  type ImageDataset,
  nn,
  optim,
  tensor,
} from '../../src/node/index.ts'
import { Meter } from '../../src/train/index.ts'
import { gamma } from '../support/close.ts'
import { type Gpu, testGpu } from '../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const CLASSES = 10

/** Images of one pixel. */
function dataset(count: number): ImageDataset {
  const labels = Uint8Array.from({ length: count }, (_, i) => i % CLASSES)
  return { images: new Uint8Array(count), labels, count, channels: 1, height: 1, width: 1, classes: [] }
}

/** A network of zeros, which stays so at the rate 0: every loss is log 10. */
function start() {
  const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(1, CLASSES))
  for (const p of net.parameters()) gpu.write(p.storage, new Float32Array(p.size))
  return { net, optimizer: new optim.SGD(net.parameters(), { lr: 0 }) }
}

/** The sum that a batch of so many has in float32. */
async function sumOf(rows: number): Promise<number> {
  const labels = Int32Array.from({ length: rows }, (_, i) => i % CLASSES)
  return await crossEntropy(tensor(new Float32Array(rows * CLASSES), [rows, CLASSES]), labels, {
    reduction: 'sum',
  }).item()
}

describe('the mean loss', () => {
  it.each([
    [300, 1, true],
    [60, 1, false],
    [500, 3, true],
    [1500, 40, true],
  ])('of %i images in batches of %i is that of all digits; captured: %s', async (count, batchSize, capture) => {
    const { net, optimizer } = start()
    const train = new ImageBatches(dataset(count), { batchSize })
    const test = new ImageBatches(dataset(count), { batchSize })
    const { trainLoss, testLoss } = await fit(net, { data: { train, test }, optimizer, epochs: 1, capture })
    const left = count % train.batchSize
    const whole = Math.floor(count / train.batchSize)
    const sums = whole * (await sumOf(train.batchSize)) + (left === 0 ? 0 : await sumOf(left))
    expect([trainLoss, testLoss]).toEqual([sums / count, sums / count])
    for (const part of [train, test, optimizer, net]) part.dispose()
  })

  it('of one large batch keeps many small losses beside a large one', async () => {
    // 31 roundings in a block of 32 rows, 15 over blocks, 15 over the sums of 16 blocks.
    const [rows, roundings] = [8192, 31 + 15 + 15]
    const logits = Float32Array.from({ length: 2 * rows }, (_, i) => (i % 2 === 0 ? 6.5 : 0))
    logits[0] = -(2 ** 20)
    const [x, labels] = [tensor(logits, [rows, 2]), new Int32Array(rows)]
    const each = [...((await crossEntropy(x, labels, { reduction: 'none' }).data()) as Float32Array)]
    const right = each.reduce((sum, loss) => sum + loss, 0)
    const meter = new Meter(gpu)
    meter.loss(x, tensor(labels))
    const found = (await meter.read()).loss * rows
    expect(Math.abs(found - right)).toBeLessThanOrEqual(gamma(roundings) * right)
    // One block after the other, all except the first would be lost.
    expect(right - 2 ** 20).toBeGreaterThan(3 * gamma(roundings) * right)
    meter.dispose()
  })

  it('is the same in evaluate, and goes on from saved words', async () => {
    const { net } = start()
    const data = new ImageBatches(dataset(100), { batchSize: 1 })
    const one = await sumOf(1)
    expect(await evaluate(net, data)).toEqual({ loss: one, accuracy: 0.1, count: 100 })
    const [first, second] = [new Meter(gpu), new Meter(gpu)]
    const add = (meter: Meter) => meter.loss(tensor(new Float32Array(CLASSES), [1, CLASSES]), tensor(Int32Array.of(3)))
    for (let i = 0; i < 100; i++) add(first)
    const { words } = await first.read()
    second.restore(words)
    for (let i = 0; i < 50; i++) for (const meter of [first, second]) add(meter)
    const [a, b] = [await first.read(), await second.read()]
    expect(a).toEqual(b)
    expect(a).toMatchObject({ loss: one, count: 150, accuracy: 0 })
    for (const part of [data, first, second, net]) part.dispose()
  })
})
