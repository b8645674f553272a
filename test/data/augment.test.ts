// biome-ignore-all lint/suspicious/noFocusedTests: fit is one of what is tested
// Batches whose images change at random: by seed, epoch and number alone, captured or not, in a run that continues too.
import { beforeAll, describe, expect, it } from 'vitest'
import {
  type AugmentOptions,
  Batches,
  capture,
  crossEntropy,
  type FitOptions,
  fit,
  flip,
  ImageBatches,
  type ImageDataset,
  manualSeed,
  nn,
  oneHot,
  optim,
  permutation,
  rand,
  scope,
  type Tensor,
} from '../../src/node/index.ts'
import { augment as augmented, drawsOf, placeOf } from '../kernels/augment/reference.ts'
import { expectTensor } from '../support/check.ts'
import { mulberry32 } from '../support/fill.ts'
import { testGpu } from '../support/gpu.ts'
import { ref } from '../support/ref.ts'
import { memoryStore } from '../support/store.ts'

beforeAll(testGpu)

const SIDE = 6
const AUGMENT: AugmentOptions = { crop: { padding: 2 }, flip: true, rotate: 20, brightness: 0.3, cutout: 2 }
const NORMALIZE = { mean: 0.5, std: 0.25 }
const CHANGES = { augment: AUGMENT, normalize: NORMALIZE }

function dataset(count: number): ImageDataset {
  const next = mulberry32(count)
  const images = Uint8Array.from({ length: count * SIDE * SIDE }, () => next() % 256)
  const labels = Uint8Array.from({ length: count }, (_, n) => n % 3)
  return { images, labels, count, channels: 1, height: SIDE, width: SIDE, classes: [] }
}

const bits = async (t: Tensor) => [...new Uint32Array((await t.data()).buffer)]

/** The pictures of an epoch, by the numbers of their images. */
async function pictures(batches: ImageBatches, order: Uint32Array): Promise<Map<number, number[]>> {
  const found = new Map<number, number[]>()
  for (let i = 0; i < batches.length; i++) {
    const { images, labels, size } = batches.batch(i)
    const words = await bits(images)
    const each = words.length / size
    for (let n = 0; n < size; n++) {
      found.set(order[i * batches.batchSize + n]!, words.slice(n * each, (n + 1) * each))
    }
    images.dispose()
    labels.dispose()
  }
  return found
}

describe('augmented images', () => {
  it('are those of the reference, by the numbers in the data set and the epoch that the order was given for', async () => {
    const set = dataset(7)
    const batches = new ImageBatches(set, { batchSize: 4, ...CHANGES })
    const order = Uint32Array.of(6, 2, 0, 5, 1, 4, 3)
    batches.setOrder(order, { epoch: 9, seed: 5 })
    const scale = Math.fround(1 / 255)
    const pixels = [...order.slice(4)].flatMap((n) => [...set.images.subarray(n * 36, (n + 1) * 36)])
    const x = ref(
      [3, 1, SIDE, SIDE],
      pixels.map((byte) => Math.fround(byte * scale)),
    )
    const expected = augmented(x, [1, 4, 3], CHANGES, { seed: 5, epoch: 9 })
    await expectTensor(batches.batch(1).images, expected, 'images')
    batches.dispose()
  })

  it('depend on seed, epoch and number: not on the order, the size of a batch, or what came before', async () => {
    const set = dataset(11)
    const small = new ImageBatches(set, { batchSize: 3, ...CHANGES })
    const large = new ImageBatches(set, { batchSize: 8, ...CHANGES })
    const orders = [1, 2].map((seed) => permutation(seed, 0, 11)) as [Uint32Array, Uint32Array]
    const at = { epoch: 4, seed: 7 }
    small.setOrder(orders[0], at)
    large.setOrder(orders[1], at)
    const [a, b] = [await pictures(small, orders[0]), await pictures(large, orders[1])]
    for (let n = 0; n < 11; n++) expect(a.get(n)).toEqual(b.get(n))
    large.setOrder(orders[1], { ...at, epoch: 5 })
    const next = await pictures(large, orders[1])
    expect([...next.keys()].some((n) => String(next.get(n)) === String(a.get(n)))).toBe(false)
    large.setOrder(orders[1], at)
    expect(await pictures(large, orders[1])).toEqual(b)
    for (const made of [small, large]) made.dispose()
  })

  it('have the same bits in a plan, also those of a last batch that is filled up, whose other rows stay 0', async () => {
    const batches = new ImageBatches(dataset(7), { batchSize: 2, ...CHANGES })
    const order = permutation(3, 1, 7)
    batches.setOrder(order, { epoch: 1, seed: 3 })
    const eager: number[][] = []
    for (let i = 0; i < 4; i++) eager.push(await bits(batches.batch(i).images))
    const plan = capture(() => batches.next().images)
    for (const [epoch, steps, at] of [
      [1, 1, 0],
      [1, 2, 2],
      [0, 4, -1],
      [1, 4, 3],
    ] as const) {
      if (at !== 2) batches.setOrder(order, { epoch, seed: 3 })
      plan.run(steps)
      const got = await bits(plan.result)
      if (at === 3) expect(got).toEqual([...eager[3]!, ...new Array(36).fill(0)])
      else if (at >= 0) expect(got).toEqual(eager[at])
      else expect(got.slice(0, 36)).not.toEqual(eager[3])
    }
    plan.dispose()
    batches.dispose()
  })

  it('are normalized alone where nothing is drawn, in one dispatch more', async () => {
    const plain = new ImageBatches(dataset(5), { batchSize: 5 })
    const batches = new ImageBatches(dataset(5), { batchSize: 5, normalize: NORMALIZE })
    batches.setOrder(Uint32Array.of(0, 1, 2, 3, 4))
    const { images } = plain.batch(0)
    const before = images.gpu.dispatches
    const got = batches.batch(0).images
    expect(images.gpu.dispatches - before).toBe(2)
    expect(await got.data()).toEqual((await images.data()).map((v) => Math.fround(Math.fround(v - 0.5) * 4)))
    for (const made of [plain, batches]) made.dispose()
  })
})

describe('batches of any arrays', () => {
  const count = 6
  const make = (augment: AugmentOptions) => {
    const next = mulberry32(4)
    const values = Int32Array.from({ length: count * SIDE * SIDE }, () => 1 + (next() % 200))
    const x = { data: Float32Array.from(values, (v) => v / 256), shape: [count, 1, SIDE, SIDE] }
    const mask = { data: values, shape: [count, SIDE, SIDE] }
    return new Batches({ x, mask }, { batchSize: 3, seed: 2, augment: { ...augment, masks: ['mask'] } })
  }

  it('move masks as their images, whose brightness alone changes', async () => {
    const batches = make({ crop: { padding: 3 }, flip: true, shift: 0.2, paddingMode: 'reflect' })
    const first = batches.next()
    expect([first.mask.dtype, first.mask.shape]).toEqual(['int32', [3, SIDE, SIDE]])
    expect(Float32Array.from(await first.mask.data(), (v) => v / 256)).toEqual(await first.x.data())
    batches.dispose()
    // Turned by nothing and not enlarged: the nearest pixel is the place itself, and the square is cut from the image alone.
    const turned = make({ rotate: 1e-9, cutout: 3, brightness: 0.2 })
    const { x, mask } = turned.batch(0)
    const [image, its] = [await x.data(), await mask.data()]
    expect(its.every((v) => v > 0)).toBe(true)
    expect(image.filter((v) => v === 0).length).toBeGreaterThanOrEqual(12)
    turned.dispose()
  })

  it('take the nearest pixel of a turned mask: that of the reference, except where two are as near', async () => {
    const turned = { rotate: 45, zoom: [0.8, 1.2], crop: { padding: 1 }, flip: true }
    const batches = make(turned)
    const { mask } = batches.batch(0)
    const got = await mask.data()
    const { mask: plain } = make({}).batch(0)
    const own = await plain.data()
    let compared = 0
    for (const [n, row] of [...permutation(2, 0, count).slice(0, 3)].entries()) {
      const draws = drawsOf({ augment: turned }, [SIDE, SIDE], { seed: 2, epoch: 0 }, row)
      for (let p = 0; p < SIDE * SIDE; p++) {
        const place = placeOf(draws, false, [SIDE, SIDE], Math.floor(p / SIDE), p % SIDE)
        if (place.some(({ value, error }) => Math.abs(value - Math.floor(value) - 0.5) <= error)) continue
        const [y, x] = place.map(({ value }) => Math.round(value)) as [number, number]
        const isInside = Math.min(y, x) >= 0 && Math.max(y, x) < SIDE
        expect(got[n * SIDE * SIDE + p]).toBe(isInside ? own[(n * SIDE + y) * SIDE + x] : 0)
        compared++
      }
    }
    expect(compared).toBeGreaterThan(100)
    batches.dispose()
  })

  it('draw anew in every epoch, which begins by itself, captured or not', async () => {
    const batches = make({ flip: true, crop: { padding: 2 } })
    const eager: number[][] = []
    for (let i = 0; i < 6; i++) eager.push(await bits(batches.next().x))
    expect([batches.epoch, batches.position]).toEqual([2, 2])
    batches.epoch = 0
    const plan = capture(() => batches.next().x)
    const captured: number[][] = []
    for (let i = 0; i < 6; i++) {
      plan.run()
      captured.push(await bits(plan.result))
    }
    expect(captured).toEqual(eager)
    batches.epoch = 1
    expect(await bits(batches.next().x)).toEqual(eager[2])
    plan.dispose()
    batches.dispose()
  })
})

describe('fit', () => {
  const train = (options: Partial<FitOptions>) => {
    manualSeed(1)
    const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(SIDE * SIDE, 3))
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 })
    const data = new ImageBatches(dataset(10), { batchSize: 4, ...CHANGES })
    return fit(net, { data, optimizer, epochs: 3, seed: 6, ...options })
      .then(() => Promise.all(net.parameters().map(bits)))
      .finally(() => data.dispose())
  }

  /** The loop written out. */
  const byHand = async () => {
    manualSeed(1)
    const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(SIDE * SIDE, 3))
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 })
    const data = new ImageBatches(dataset(10), { batchSize: 4, ...CHANGES })
    for (let epoch = 0; epoch < 3; epoch++) {
      data.setOrder(permutation(6, epoch, 10), { seed: 6, epoch })
      for (let i = 0; i < data.length; i++) {
        scope(() => {
          const { images, labels } = data.next()
          const loss = crossEntropy(net.forward(images), labels)
          optimizer.zeroGrad()
          loss.backward()
          optimizer.step()
        })
      }
    }
    data.dispose()
    return Promise.all(net.parameters().map(bits))
  }

  it('trains on augmented images to the bits of the loop written out, captured, eager, and continued from the middle of an epoch', async () => {
    const { states, ...store } = memoryStore()
    const captured = await train({ checkpoint: { store, every: 2, keep: 20 } })
    expect(await train({ capture: false })).toEqual(captured)
    const inTheMiddle = [...states.values()].find(({ position: { epoch, step } }) => epoch === 1 && step === 4)!
    expect(await train({ from: inTheMiddle })).toEqual(captured)
    expect(await train({ seed: 7 })).not.toEqual(captured)
    expect(await byHand()).toEqual(captured)
  })
})

describe('mixup as the page has it', () => {
  it('mixes images and their labels by the same share, anew in every step of a plan', async () => {
    const batches = new Batches(
      { x: Float32Array.of(0, 1, 2, 3), y: Uint8Array.of(0, 1, 2, 3) },
      { batchSize: 4, shuffle: false },
    )
    const step = () => {
      const { x, y } = batches.next()
      const share = rand([1])
      const mixed = <T extends Tensor>(t: T) => t.mul(share).add(flip(t, [0]).mul(share.neg().add(1)))
      return { x: mixed(x), y: mixed(oneHot(y, 4)) }
    }
    manualSeed(2)
    const eager = [scope(step), scope(step)]
    manualSeed(2)
    batches.epoch = 0
    const plan = capture(step)
    for (const { x, y } of eager) {
      plan.run()
      expect(await bits(plan.result.x)).toEqual(await bits(x))
      const [mixed, labels] = [await x.data(), [...(await y.data())]]
      // x is its own label here: the mixed label's mean is the mixed x.
      const mean = [0, 1, 2, 3].map((n) => labels.slice(4 * n, 4 * n + 4).reduce((sum, v, label) => sum + v * label, 0))
      for (const [n, v] of mean.entries()) expect(v).toBeCloseTo(mixed[n]!, 5)
    }
    expect(await bits(eager[0]!.x)).not.toEqual(await bits(eager[1]!.x))
    expect(crossEntropy(eager[0]!.y, eager[0]!.y).shape).toEqual([])
    plan.dispose()
    batches.dispose()
  })
})
