import { beforeAll, describe, expect, it } from 'vitest'
import { looksAcross } from '../../src/capture/current.ts'
import {
  add,
  type Batch,
  capture,
  cat,
  crossEntropy,
  evaluate,
  fit,
  gelu,
  ImageBatches,
  type ImageDataset,
  linear,
  logSoftmax,
  lrFind,
  manualSeed,
  matmul,
  mean,
  mul,
  nllLoss,
  nn,
  optim,
  softmax,
  sub,
  sum,
  take,
  tensor,
} from '../../src/node/index.ts'
import { fill } from '../support/fill.ts'
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
    const across = (of: ImageBatches) => {
      const batch = of.next()
      looksAcross('a test', batch.images)
      return batch
    }
    const step = () => across(batches)
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
    const fits = capture(() => across(whole))
    fits.run(2)
    for (const part of [fits, whole]) part.dispose()
  })

  it('refuses what mixes the rows of such a batch, however it does so, and nothing else', async () => {
    const batches = new ImageBatches(dataset(7, [1, 2, 2]), { batchSize: 3 })
    manualSeed(1)
    const layer = new nn.Linear(4, 10)
    const vit = nn.vit({ imageSize: 2, patchSize: 1, channels: 1, width: 4, layers: 1, heads: 2, classes: 10 })
    const trained = [...layer.parameters(), ...vit.parameters()]
    const [weight, ones, row, order] = [
      tensor(fill(10, 3, 'normal').map(Math.abs)),
      tensor(new Float32Array(9).fill(1), [3, 3]),
      tensor([1, 2, 3]),
      tensor(Int32Array.of(2, 0, 1)),
    ]
    const logits = ({ images }: Batch) => layer.forward(images.flatten())
    /** The loss of each row, [3]. */
    const each = (batch: Batch) => crossEntropy(logits(batch), batch.labels, { reduction: 'none' })
    const three = (batch: Batch) => logits(batch).slice(1, 0, 3)
    const mixed: [string, (batch: Batch) => unknown][] = [
      ['mean along dim 0', (batch) => mean(each(batch))],
      ['mean along dim 0', (batch) => mean(logits(batch).detach(), 0)],
      ['sum along dim 0', (batch) => sum(batch.images)],
      ['softmax along dim 0', (batch) => softmax(logits(batch), 0)],
      ['reshape', (batch) => mean(each(batch).reshape([1, -1]), 1)],
      ['reshape', (batch) => sub(each(batch), each(batch).unsqueeze(0))],
      ['transpose', (batch) => mean(logits(batch).transpose(0, 1), 1)],
      ['permute', (batch) => three(batch).permute([1, 0])],
      ['matmul', (batch) => matmul(logits(batch), logits(batch), { transposeA: true })],
      ['matmul', (batch) => matmul(logits(batch), logits(batch), { transposeB: true })],
      ['matmul', (batch) => matmul(ones, three(batch))],
      ['matmul', (batch) => matmul(three(batch), ones.unsqueeze(0))],
      ['matmul', (batch) => matmul(ones.reshape([3, 3, 1]), three(batch).slice(1, 0, 1), { transposeB: true })],
      ['linear', (batch) => linear(logits(batch), logits(batch))],
      ['linear', (batch) => linear(each(batch), ones)],
      ['sub', (batch) => sub(ones, each(batch))],
      ['select along dim 0', (batch) => three(batch).select(0, 1)],
      ['flip along dim 0', (batch) => logits(batch).flip(0)],
      ['indexSelect along dim 0', (batch) => logits(batch).indexSelect(0, order)],
      ['gather along dim 0', (batch) => three(batch).gather(0, order.reshape([3, 1]))],
      ['expand', (batch) => each(batch).expand([3, 3])],
      ['slice', (batch) => logits(batch).slice(0, 0, 2)],
      ['cat', (batch) => cat([logits(batch), logits(batch)])],
      ['a gradient given to backward', (batch) => each(batch).mul(2).backward(row)],
    ]
    const clear = () => {
      for (const p of trained) p.grad = null
    }
    for (const [name, fn] of mixed) {
      const plan = capture(() => {
        clear()
        return fn(batches.next())
      })
      expect(messageOf(() => plan.run(3))).toContain(`ImageBatches: ${name} looks across the batch, and of the 3 rows`)
      plan.dispose()
    }
    const decay = () => sum(mul(layer.weight, layer.weight))
    const parts = (batch: Batch) => gelu(logits(batch)).reshape([-1, 2, 5]).permute([0, 2, 1])
    const apart: [string, (batch: Batch) => void][] = [
      ['a mean loss', (batch) => crossEntropy(logits(batch), batch.labels).backward()],
      ['with a decay', (batch) => add(crossEntropy(logits(batch), batch.labels), decay()).backward()],
      [
        'with weights',
        (batch) => crossEntropy(logits(batch), batch.labels, { weight, labelSmoothing: 0.1 }).backward(),
      ],
      ['of logarithms', (batch) => nllLoss(logSoftmax(logits(batch)), batch.labels).backward()],
      ['of parts of rows', (batch) => crossEntropy(parts(batch).flatten(), batch.labels).backward()],
      [
        'of products of each row',
        (batch) => {
          const [x, y] = [parts(batch), matmul(parts(batch), ones.slice(0, 0, 2).slice(1, 0, 2))]
          crossEntropy(matmul(x, y, { transposeB: true }).flatten(), batch.labels).backward()
        },
      ],
      ['of a transformer', (batch) => crossEntropy(vit.forward(batch.images), batch.labels).backward()],
      ['a gradient for each loss', (batch) => each(batch).backward(row.slice(0, 0, batch.size))],
    ]
    for (const [name, fn] of apart) {
      const seen: unknown[] = []
      for (const captured of [true, false]) {
        batches.position = 0
        const step = () => {
          clear()
          fn(batches.next())
        }
        if (captured) capture(step).run(3)
        else for (let i = 0; i < 3; i++) step()
        seen.push(await Promise.all(trained.map((p) => p.grad?.data())))
      }
      expect([name, seen[0]]).toEqual([name, seen[1]])
    }
    for (const part of [batches, layer, vit]) part.dispose()
  })

  it('takes a batch size above the size of the set as that size', async () => {
    for (const batchSize of [7, 8, 60_000]) {
      const batches = new ImageBatches(dataset(7), { batchSize })
      expect([batches.batchSize, batches.length, batches.batch(0).images.shape]).toEqual([7, 1, [7, 1, 28, 28]])
      const plan = capture(() => batches.next())
      expect([plan.result.size, plan.result.images.shape]).toEqual([7, [7, 1, 28, 28]])
      for (const order of [Uint32Array.of(0, 1, 2, 3, 4, 5, 6), Uint32Array.of(6, 5, 4, 3, 2, 1, 0)]) {
        batches.setOrder(order)
        plan.run()
        expect(await plan.result.labels.data()).toEqual(Int32Array.from(order))
      }
      for (const part of [plan, batches]) part.dispose()
    }
  })

  it('says how many images each batch has', () => {
    for (const [count, batchSize, sizes] of [
      [7, 3, [3, 3, 1]],
      [6, 3, [3, 3]],
      [5, 9, [5]],
      [1, 1, [1]],
      [3, 1, [1, 1, 1]],
    ] as const) {
      const batches = new ImageBatches(dataset(count, [1, 1, 1]), { batchSize })
      const all = Array.from({ length: batches.length }, (_, i) => batches.sizeOf(i))
      expect(all).toEqual(sizes)
      for (const i of [-1, all.length, 0.5, Number.NaN]) {
        expect(messageOf(() => batches.sizeOf(i))).toContain(`ImageBatches: there is no batch ${i};`)
      }
      batches.dispose()
    }
  })

  it('refuses sizes and batches that do not fit', () => {
    const batches = new ImageBatches(dataset(7), { batchSize: 3 })
    for (const batchSize of [0, -1, 2.5, Number.NaN]) {
      expect(messageOf(() => new ImageBatches(dataset(7), { batchSize }))).toBe(
        `ImageBatches: batchSize must be a whole number, 1 or more, not ${batchSize}`,
      )
    }
    for (const i of [-1, 3, 0.5, Number.NaN]) {
      expect(messageOf(() => batches.batch(i))).toBe(
        `ImageBatches: there is no batch ${i}; batches are numbered 0 to 2`,
      )
    }
  })
})

describe('a set that is too large for one buffer', () => {
  /** Runs `use` while a buffer of the device may have so many bytes. */
  async function withLimit<T>(limit: number, use: () => T | Promise<T>): Promise<T> {
    const { device } = await testGpu()
    const limits = { maxStorageBufferBindingSize: limit, maxBufferSize: limit }
    const own = Object.getOwnPropertyDescriptor(device, 'limits')!
    Object.defineProperty(device, 'limits', { value: limits, configurable: true })
    try {
      return await use()
    } finally {
      Object.defineProperty(device, 'limits', own)
    }
  }

  /** The bits of a batch, whatever its kind. */
  const contentOf = async ({ images, labels }: Batch) => [
    images.shape,
    new Uint32Array((await images.data()).buffer as ArrayBuffer),
    await labels.data(),
  ]

  /** Every batch of an epoch: called one by one, in a plan of two batches a step, and in one for the last batch. */
  async function allBatches(batches: ImageBatches, { count }: ImageDataset) {
    batches.setOrder(Uint32Array.from({ length: count }, (_, i) => (i * 4 + 2) % count))
    const seen = Array.from({ length: batches.length }, (_, i) => contentOf(batches.batch(i)))
    const plan = capture(() => [batches.next(), batches.next()])
    for (let i = 0; i + 2 <= batches.length; i += 2) {
      plan.run()
      seen.push(...plan.result.map(contentOf))
    }
    batches.position = batches.length - 1
    const last = capture(() => batches.next())
    last.run()
    seen.push(contentOf(last.result))
    const all = await Promise.all(seen)
    const dispatches = [plan.dispatches, last.dispatches]
    for (const part of [plan, last, batches]) part.dispose()
    return { all, dispatches }
  }

  it.each([
    // 525 bytes an image, 8 to a buffer: parts do not begin at whole words of the set.
    [{ count: 15, size: [3, 25, 7] as const, batchSize: 2 }, 4200, 2],
    [{ count: 17, size: [3, 25, 7] as const, batchSize: 2 }, 4299, 3],
    [{ count: 9, size: [1, 32, 32] as const, batchSize: 1 }, 5000, 3],
    [{ count: 4, size: [1, 32, 32] as const, batchSize: 1 }, 4200, 1],
  ])(
    'has the bits of one buffer: %o in buffers of %i bytes: %i parts',
    async ({ count, size, batchSize }, limit, parts) => {
      const set = dataset(count, [...size])
      const make = () => new ImageBatches(set, { batchSize })
      const want = await allBatches(make(), set)
      expect(want.dispatches).toEqual([2, 1])
      // The limit holds where the images are put: other buffers are larger than it.
      const got = await allBatches(await withLimit(limit, make), set)
      expect(got).toEqual({ all: want.all, dispatches: [2 * parts, parts] })
    },
  )

  it('is trained on, evaluated and searched to the same bits', async () => {
    const set = dataset(100)
    const run = async () => {
      manualSeed(2)
      const net = new nn.Sequential(new nn.MaxPool2d(7), new nn.Flatten(), new nn.Linear(16, 10))
      const optimizer = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 })
      const train = new ImageBatches(set, { batchSize: 16 })
      const search = await lrFind({ net, optimizer, train, minLr: 0.01, maxLr: 0.1, steps: 3 })
      // biome-ignore lint/suspicious/noFocusedTests: it is the library's fit
      const { trainSeconds: _, ...result } = await fit(net, { data: train, optimizer, epochs: 1 })
      const judged = await evaluate(net, train)
      const parameters = await Promise.all(net.parameters().map((p) => p.data()))
      for (const part of [optimizer, net, train]) part.dispose()
      return { search, result, judged, parameters }
    }
    // 83 images and 17.
    expect(await withLimit(1 << 16, run)).toEqual(await run())
  })

  it('is refused where one image is too large', async () => {
    const refused = await withLimit(700, async () => messageOf(() => new ImageBatches(dataset(2))))
    expect(refused).toBe(
      'tensor [1, 1, 28, 28] needs 784 bytes; this adapter allows at most 700 in one buffer. Take a smaller batch, or split the tensor',
    )
  })
})

describe('an order', () => {
  const anyOrder = (order: unknown) => order as Uint32Array
  const small = () => new ImageBatches(dataset(4, [1, 1, 1]), { batchSize: 4 })

  it('may be a list of any kind, and name an image more than once', async () => {
    const batches = small()
    for (const order of [
      Int32Array.of(3, 0, 1, 2),
      [2, 2, 0, 3],
      new Uint8Array([0, 1, 2, 3]),
      Float64Array.of(1, 0, 3, 2),
    ]) {
      batches.setOrder(anyOrder(order))
      expect(await batches.next().labels.data()).toEqual(Int32Array.from(order))
    }
    batches.dispose()
  })

  it('is refused where an entry is not the number of an image, with the place and the value', async () => {
    const batches = small()
    batches.setOrder(Uint32Array.of(3, 2, 1, 0))
    batches.position = 1
    for (const [order, place, value] of [
      [Int32Array.of(-1, 0, 1, 2), 0, '-1'],
      [Float32Array.of(0, 1, 2, Number.NaN), 3, 'NaN'],
      [[0, 0.5, 1, 2], 1, '0.5'],
      [Uint32Array.of(0, 1, 4, 5), 2, '4'],
      [Float64Array.of(0, 2 ** 32, 1, 2), 1, '4294967296'],
      [Int32Array.of(0, 1, 2, -(2 ** 31)), 3, '-2147483648'],
      [[0, Number.POSITIVE_INFINITY, 1, 2], 1, 'Infinity'],
      [[0, '1', 2, 3], 1, 'a string'],
      [[0, undefined, 2, 3], 1, 'undefined'],
      [BigUint64Array.of(0n, 1n, 2n, 3n), 0, 'a bigint'],
    ] as const) {
      expect(messageOf(() => batches.setOrder(anyOrder(order)))).toBe(
        `ImageBatches: the order has ${value} at place ${place}; it must have image numbers, 0 to 3`,
      )
    }
    expect(() => batches.setOrder(anyOrder([0, 1, 2, -1]))).toThrow(RangeError)
    for (const length of [0, 3, 5]) {
      expect(messageOf(() => batches.setOrder(new Uint32Array(length)))).toBe(
        `ImageBatches: the order has ${length} entries, but there are 4 images`,
      )
    }
    for (const [other, kind] of [
      [undefined, 'undefined'],
      [null, 'null'],
      [4, 'a number'],
      ['0123', 'a string'],
      [new Set([0, 1, 2, 3]), 'an object'],
    ] as const) {
      expect(messageOf(() => batches.setOrder(anyOrder(other)))).toBe(
        `ImageBatches: the order must be a list of image numbers, such as permutation(seed, epoch, 4), not ${kind}`,
      )
    }
    // None of them has changed anything.
    expect(batches.position).toBe(1)
    batches.position = 0
    expect([...(await batches.next().labels.data())]).toEqual([3, 2, 1, 0])
    batches.dispose()
  })
})

describe('a data set', () => {
  const refused = (change: object) => {
    return messageOf(() => new ImageBatches({ ...dataset(4, [1, 2, 3]), ...change } as ImageDataset))
  }

  it('without images is refused by all that could use one', () => {
    const none = { ...dataset(0), classes: ['a', 'b'] }
    const sentence = 'the data set has no images; it must have at least one'
    expect(messageOf(() => new ImageBatches(none))).toBe(`ImageBatches: ${sentence}`)
    expect(messageOf(() => new ImageBatches(none, { batchSize: 0 }))).toContain('batchSize')
    expect(() => new ImageBatches(none)).toThrow(RangeError)
    for (const n of [0, 1]) expect(messageOf(() => take(none, n))).toBe(`take: ${sentence}`)
    expect(messageOf(() => take(dataset(3), 0))).toContain('must be an integer from 1 to 3')
  })

  it('is refused where a size is not a count', () => {
    for (const name of ['count', 'channels', 'height', 'width']) {
      for (const value of [-1, 1.5, Number.NaN, undefined, '4', 2 ** 53]) {
        const found = value === '4' ? 'a string' : String(value)
        expect(refused({ [name]: value })).toBe(
          `ImageBatches: the data set's ${name} must be a whole number, 1 or more, not ${found}`,
        )
      }
    }
    for (const name of ['channels', 'height', 'width']) {
      expect(refused({ [name]: 0 })).toBe(
        `ImageBatches: the data set's ${name} must be a whole number, 1 or more, not 0`,
      )
    }
    for (const [other, kind] of [
      [undefined, 'undefined'],
      [[], 'an array'],
      [7, 'a number'],
    ] as const) {
      expect(messageOf(() => new ImageBatches(other as unknown as ImageDataset))).toBe(
        `ImageBatches: the data set must be an object { images, labels, count, channels, height, width, classes }, not ${kind}`,
      )
    }
  })

  it('is refused where images or labels are not bytes, or not as many as the sizes say', () => {
    const images = (found: string) =>
      `ImageBatches: the data set's images must be a Uint8Array of 24 bytes, [4, 1, 2, 3], not ${found}`
    expect(refused({ images: new Uint8Array(23) })).toBe(images('one of 23'))
    expect(refused({ count: 5, labels: new Uint8Array(5) })).toBe(
      "ImageBatches: the data set's images must be a Uint8Array of 30 bytes, [5, 1, 2, 3], not one of 24",
    )
    expect(refused({ images: new Float32Array(24) })).toBe(images('a Float32Array'))
    expect(refused({ images: Array(24).fill(0) })).toBe(images('an array'))
    expect(refused({ images: undefined })).toBe(images('undefined'))
    const labels = (found: string) =>
      `ImageBatches: the data set's labels must be a Uint8Array of 4 bytes, one an image, not ${found}`
    expect(refused({ labels: new Uint8Array(3) })).toBe(labels('one of 3'))
    expect(refused({ labels: Int32Array.of(0, 1, 2, 3) })).toBe(labels('an Int32Array'))
    expect(refused({ labels: [0, 1, 2, 3] })).toBe(labels('an array'))
  })

  it('is refused where a label is not a class, if its classes have names', () => {
    const text = (place: number, label: number) =>
      `ImageBatches: label ${place} (counted from 0) is ${label}, but there are 3 classes, 0 to 2`
    expect(refused({ classes: ['a', 'b', 'c'] })).toBe(text(3, 3))
    expect(refused({ classes: ['a', 'b', 'c'], labels: Uint8Array.of(0, 255, 3, 1) })).toBe(text(1, 255))
    new ImageBatches({ ...dataset(4), classes: ['a', 'b', 'c', 'd'] }).dispose()
  })
})
