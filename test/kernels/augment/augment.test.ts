// Images changed at random: the float64 reference, what the draws depend on, what is copied, and how draws are spread.
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { Augmentation, type Epoch, type ImageChanges } from '../../../src/data/augment.ts'
import { inBothClasses } from '../../support/adapter_class.ts'
import { fill, mulberry32 } from '../../support/arbitraries.ts'
import { bitsOf, expectTensor } from '../../support/check.ts'
import { type Gpu, type Tensor, tensor, testGpu, values } from '../../support/gpu.ts'
import { type Ref, ref, sizeOf } from '../../support/ref.ts'
import * as reference from './reference.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

type Shape = readonly [number, number, number, number]

/** The images of these numbers, changed; -1: there is none. */
function changed(x: Tensor, rows: readonly number[], changes: ImageChanges, at: Epoch): Tensor {
  const [, C, H, W] = x.shape as Shape
  const augmentation = new Augmentation('test', [C, H, W], changes, gpu, () => at)
  const index = tensor(Int32Array.from(rows))
  const out = augmentation.apply(x, { index, first: 0, count: x.shape[0]! })
  index.dispose()
  augmentation.dispose()
  return out
}

/** Numbers from 0 to 1, as bytes have them. */
function pixels(shape: readonly number[], seed: number): Ref {
  const next = mulberry32(seed)
  return ref(
    shape,
    Array.from({ length: sizeOf(shape) }, () => Math.fround((next() % 256) / 255)),
  )
}

const upload = ({ shape, data }: Ref) => tensor(Float32Array.from(data), shape)

async function check(shape: Shape, changes: ImageChanges, at: Epoch, seed: number): Promise<void> {
  const x = pixels(shape, seed)
  const next = mulberry32(seed + 1)
  const rows = Array.from({ length: shape[0] }, () => (next() % 7 === 0 ? -1 : next() % 60_000))
  const expected = reference.augment(
    x,
    rows.map((row) => (row < 0 ? null : row)),
    changes,
    at,
  )
  const out = changed(upload(x), rows, changes, at)
  await expectTensor(out, expected, JSON.stringify(changes))
  out.dispose()
}

const AT = { seed: 3, epoch: 2 }
const EVERYTHING: ImageChanges = {
  augment: {
    crop: { padding: 2 },
    flip: true,
    rotate: 30,
    zoom: [0.8, 1.3],
    shift: 0.2,
    cutout: 3,
    brightness: 0.4,
    contrast: 0.3,
  },
  normalize: { mean: 0.4, std: 0.25 },
}

describe('against float64', () => {
  const places = fc.record({
    seed: fc.constantFrom(0, 7, 2 ** 32 + 5, 2 ** 53 - 1),
    epoch: fc.constantFrom(0, 1, 2 ** 32 - 1),
  })
  const shapes = fc
    .tuple(
      fc.integer({ min: 0, max: 5 }),
      fc.constantFrom(1, 2, 3),
      fc.integer({ min: 1, max: 13 }),
      fc.integer({ min: 1, max: 13 }),
    )
    .map((shape): Shape => shape)
  const modes = fc.constantFrom('zeros', 'reflect', undefined)

  it('copies moved and mirrored images exactly, random sizes and options', async () => {
    const cases = fc.record({
      shape: shapes,
      at: places,
      paddingMode: modes,
      flip: fc.constantFrom(true, 0.3, 1),
      part: fc.nat(4),
      seed: fc.nat(1e6),
    })
    await fc.assert(
      fc.asyncProperty(cases, async ({ shape, at, paddingMode, flip, part, seed }) => {
        const side = Math.min(shape[2], shape[3])
        const crop = { padding: Math.min(part, side - 1) }
        await check(
          shape,
          { augment: { crop, flip, shift: part / 8, cutout: Math.min(part, side), paddingMode } },
          at,
          seed,
        )
      }),
      { seed: 1, numRuns: 10 },
    )
  })

  it('turns and zooms between pixels, changes colours and normalizes within a derived bound', async () => {
    const cases = fc.record({
      shape: shapes,
      at: places,
      paddingMode: modes,
      rotate: fc.constantFrom(0, 15, 90, 180),
      zoom: fc.constantFrom([1, 1], [0.1, 0.5], [0.7, 3]),
      by: fc.constantFrom(0, 0.3, 2),
      seed: fc.nat(1e6),
    })
    await fc.assert(
      fc.asyncProperty(cases, async ({ shape, at, paddingMode, rotate, zoom, by, seed }) => {
        const augment = { flip: true, rotate, zoom, brightness: by, contrast: shape[1] === 2 ? 0 : by, paddingMode }
        const mean = Array.from({ length: shape[1] }, (_, c) => 0.1 * c + 0.3)
        const normalize = seed % 2 === 0 ? { mean, std: mean } : undefined
        await check(shape, { augment, normalize }, at, seed)
      }),
      { seed: 2, numRuns: 10 },
    )
  })

  it('does all of it, to images of more places than a workgroup takes', async () => {
    await check([3, 3, 41, 57], EVERYTHING, AT, 1)
    await check([2, 1, 1, 2100], { augment: { contrast: 0.5, flip: true } }, AT, 2)
  })

  it('normalizes alone, and draws nothing for it', async () => {
    await check([4, 3, 5, 6], { normalize: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } }, AT, 1)
  })
})

describe('what is drawn for an image', () => {
  it('depends on nothing but the seed, the epoch and its number: not on the batch nor on the place in it', async () => {
    const shape = [1, 3, 9, 11] as const
    const image = pixels(shape, 5)
    const batchOf = (n: number) =>
      tensor(Float32Array.from(Array.from({ length: n }, () => [...image.data]).flat()), [n, 3, 9, 11])
    const alone = async (row: number, at: Epoch) => bitsOf(changed(batchOf(1), [row], EVERYTHING, at))
    const of17 = await alone(17, AT)
    const many = await bitsOf(changed(batchOf(5), [4, 17, 0, 17, 17], EVERYTHING, AT))
    const nth = (n: number) => many.slice(n * of17.length, (n + 1) * of17.length)
    for (const n of [1, 3, 4]) expect(nth(n)).toEqual(of17)
    expect(nth(0)).toEqual(await alone(4, AT))
    for (const other of [
      await alone(18, AT),
      await alone(17, { ...AT, epoch: 3 }),
      await alone(17, { ...AT, seed: 4 }),
      await alone(17, { ...AT, seed: 3 + 2 ** 32 }),
    ]) {
      expect(other).not.toEqual(of17)
    }
    const { cpu, gpu: other } = await inBothClasses(() => alone(17, AT))
    expect([cpu, other]).toEqual([of17, of17])
  })

  it('is spread as it should be: shares of mirrored images, crops and centres of squares, within five standard deviations', async () => {
    const [n, side] = [4096, 5]
    const rows = Array.from({ length: n }, (_, i) => i)
    const picture = (epoch: number, augment: NonNullable<ImageChanges['augment']>) => {
      const x = tensor(
        Float32Array.from({ length: n * side * side }, (_, i) => 1 + (i % (side * side))),
        [n, 1, side, side],
      )
      return values(changed(x, rows, { augment }, { seed: 1, epoch }))
    }
    const near = (count: number, p: number) =>
      expect(Math.abs(count - n * p)).toBeLessThan(5 * Math.sqrt(n * p * (1 - p)))
    const middle = Math.floor(side / 2) * side
    const mirrored = async (epoch: number, flip: number | true) => {
      const out = await picture(epoch, { flip })
      return rows.map((i) => out[i * side * side + middle] !== 1 + middle)
    }
    const count = (flags: readonly boolean[]) => flags.filter(Boolean).length
    const [first, second] = [await mirrored(0, true), await mirrored(1, true)]
    near(count(first), 0.5)
    near(count(first.map((flag, i) => flag === second[i])), 0.5)
    near(count(await mirrored(0, 0.1)), 0.1)
    expect(count(await mirrored(0, 1))).toBe(n)
    // The pixel in the middle tells the offset, 5 × 5 of them; where the square about a pixel of 3 × 3 and the corner meet, likewise.
    const crops = await picture(0, { crop: { padding: 2 } })
    for (let value = 1; value <= 25; value++) near(rows.filter((i) => crops[i * 25 + 12] === value).length, 1 / 25)
    const cut = await picture(0, { cutout: 1 })
    for (let place = 0; place < 25; place++) near(rows.filter((i) => cut[i * 25 + place] === 0).length, 1 / 25)
  })
})

describe('what is copied', () => {
  it('keeps its bits: NaN of any kind, infinities, both zeros and numbers that are not normal', async () => {
    const words = Uint32Array.of(0x7fc12345, 0xff800001, 0x7f800000, 0xff800000, 0x80000000, 1, 0x807fffff, 0x3f800000)
    const x = tensor(new Float32Array(words.buffer), [1, 1, 2, 4])
    const out = changed(x, [0], { augment: { flip: 1 } }, AT)
    expect([...new Uint32Array(await gpu.read(out.storage, 32))]).toEqual([3, 2, 1, 0, 7, 6, 5, 4].map((i) => words[i]))
  })

  it('stays NaN in colours, of its image alone; infinities are clamped', async () => {
    const x = new Float32Array(2 * 12).fill(0.5)
    x.set([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
    const bright = await values(changed(tensor(x, [2, 1, 3, 4]), [0, 1], { augment: { brightness: 0.5 } }, AT))
    expect([Number.isNaN(bright[0]), bright[1], Math.abs(bright[2]!)]).toEqual([true, 1, 0])
    expect(bright.slice(3).every((v) => v > 0 && v <= 1)).toBe(true)
    const flat = await values(changed(tensor(x, [2, 1, 3, 4]), [0, 1], { augment: { contrast: 0.5 } }, AT))
    expect([flat.slice(0, 12).every(Number.isNaN), flat.slice(12).some(Number.isNaN)]).toEqual([true, false])
  })

  it('reaches every image, also in more workgroups than one dimension takes', async () => {
    const n = 65_535 + 70
    const x = fill(2 * n, 1, 'normal')
    const rows = Array.from({ length: n }, (_, i) => i)
    const out = await values(changed(tensor(x, [n, 1, 1, 2]), rows, { augment: { flip: 1 } }, AT))
    expect(out.findIndex((v, i) => v !== x[i ^ 1])).toBe(-1)
  })
})
