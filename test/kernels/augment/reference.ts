// Augmentation in float64, drawn from the host's own stream, with the error that float32 may make.
import type { ImageChanges } from '../../../src/data/augment.ts'
import { Stream } from '../../../src/tensor/random.ts'
import { gamma, SMALLEST_NORMAL } from '../../support/close.ts'
import { type Ref, type Result, ref } from '../../support/ref.ts'
import {
  type Approx,
  constant,
  exactly,
  minus,
  negate,
  over,
  plus,
  polynomial,
  standsFor,
  times,
} from '../../support/running_error.ts'

/** What is drawn for the image of this number. */
export interface Draws {
  readonly crop: readonly [y: number, x: number]
  readonly isMirrored: boolean
  readonly turns: Approx
  readonly zoom: Approx
  readonly shift: readonly [y: number, x: number]
  readonly cut: readonly [y: number, x: number]
  readonly brightness: Approx
  readonly contrast: Approx
}

const below = (word: number, n: number) => Math.floor((word * n) / 2 ** 32)
const around0 = (word: number, most: number) => below(word, 2 * most + 1) - most
const uniform = (word: number) => (word >>> 8) * 2 ** -24
const from = (low: number, high: number, u: number) => plus(constant(low), times(constant(high - low), exactly(u)))

export function drawsOf(
  { augment: a = {} }: ImageChanges,
  [H, W]: readonly [number, number],
  { seed, epoch }: { seed: number; epoch: number },
  row: number,
): Draws {
  const stream = new Stream(seed, 'augment', epoch)
  const words = [0, 1, 2].map((block) => {
    stream.position = 4 * (block * 2 ** 32 + row)
    return Array.from({ length: 4 }, () => stream.nextUint32())
  }) as [number[], number[], number[]]
  const [[cropY, cropX, flip, rotate], [zoom, shiftY, shiftX], [cutY, cutX, brightness, contrast]] =
    words as number[][] as [
      [number, number, number, number],
      [number, number, number],
      [number, number, number, number],
    ]
  const padding = a.crop?.padding ?? 0
  const chance = a.flip === true ? 0.5 : Number(a.flip ?? 0)
  const [least, most] = a.zoom ?? [1, 1]
  const shift = a.shift ?? 0
  const half = Math.floor((a.cutout ?? 0) / 2)
  const factor = (by: number, word: number) => from(Math.max(0, 1 - by), 1 + by, uniform(word))
  return {
    crop: [around0(cropY, padding), around0(cropX, padding)],
    isMirrored: flip < chance * 2 ** 32,
    turns: times(constant((a.rotate ?? 0) / 360), exactly(2 * uniform(rotate) - 1)),
    zoom: from(least!, most!, uniform(zoom)),
    shift: [around0(shiftY, Math.floor(shift * H)), around0(shiftX, Math.floor(shift * W))],
    cut: [below(cutY, H) - half, below(cutX, W) - half],
    brightness: factor(a.brightness ?? 0, brightness),
    contrast: factor(a.contrast ?? 0, contrast),
  }
}

/** cos and sin of so many turns, as the series of the shader have them. */
function turn(turns: Approx): readonly [Approx, Approx] {
  const quarter = Math.floor(4 * turns.value + 0.5)
  const full = 2 * Math.PI
  const whole = { value: full, error: Math.abs(Math.fround(full) - full) }
  const angle = times(minus(turns, exactly(quarter / 4)), whole)
  const q = times(angle, angle)
  const c = standsFor(Math.cos(angle.value), polynomial(q, [1, -1 / 2, 1 / 24, -1 / 720, 1 / 40_320, -1 / 3_628_800]))
  const series = polynomial(q, [1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362_880])
  const s = standsFor(Math.sin(angle.value), times(angle, series))
  return [
    [c, s],
    [negate(s), c],
    [negate(c), negate(s)],
    [s, negate(c)],
  ][((quarter % 4) + 4) % 4] as [Approx, Approx]
}

/** The place of the image that (y, x) comes from. */
export function placeOf(d: Draws, isWhole: boolean, [H, W]: readonly [number, number], y: number, x: number) {
  const [dy, dx] = [y - d.shift[0], x - d.shift[1]]
  if (isWhole) return [exactly(dy + d.crop[0]), exactly((d.isMirrored ? W - 1 - dx : dx) + d.crop[1])] as const
  const [my, mx] = [(H - 1) / 2, (W - 1) / 2]
  const [vy, vx] = [exactly(dy - my), exactly(dx - mx)]
  const smaller = over(exactly(1), d.zoom)
  const [c, s] = turn(d.turns).map((v) => times(v, smaller)) as [Approx, Approx]
  const across = plus(times(c, vx), times(s, vy))
  const down = minus(times(c, vy), times(s, vx))
  return [
    plus(plus(down, exactly(my)), exactly(d.crop[0])),
    plus(plus(d.isMirrored ? negate(across) : across, exactly(mx)), exactly(d.crop[1])),
  ] as const
}

function reflected(i: number, n: number): number {
  if (n === 1) return 0
  const period = 2 * (n - 1)
  const r = ((i % period) + period) % period
  return Math.min(r, period - r)
}

type Image = (y: number, x: number) => number

/** An image between its pixels, and how far that may be off where the place is. */
function between(image: Image, y: Approx, x: Approx): Approx {
  const [fy, fx] = [Math.floor(y.value), Math.floor(x.value)]
  const [ly, lx] = [y.value - fy, x.value - fx]
  const row = (at: number) => (lx > 0 ? (1 - lx) * image(at, fx) + lx * image(at, fx + 1) : image(at, fx))
  const value = ly > 0 ? (1 - ly) * row(fy) + ly * row(fy + 1) : row(fy)
  if (y.error === 0 && x.error === 0 && ly === 0 && lx === 0) return exactly(value)
  // The slopes of all cells that the place may be in.
  let [slopeY, slopeX, most] = [0, 0, 0]
  for (let cy = Math.floor(y.value - y.error); cy <= Math.floor(y.value + y.error); cy++) {
    for (let cx = Math.floor(x.value - x.error); cx <= Math.floor(x.value + x.error); cx++) {
      const [a, b, c, d] = [image(cy, cx), image(cy, cx + 1), image(cy + 1, cx), image(cy + 1, cx + 1)]
      slopeX = Math.max(slopeX, Math.abs(a - b), Math.abs(c - d))
      slopeY = Math.max(slopeY, Math.abs(a - c), Math.abs(b - d))
      most = Math.max(most, ...[a, b, c, d].map(Math.abs))
    }
  }
  // An axis: a weight rounded by at most 2^-24 of 1 where its place is below 0, 1 - l, two products and a sum.
  return { value, error: y.error * slopeY + x.error * slopeX + gamma(10) * most + 10 * SMALLEST_NORMAL }
}

function clamped({ value, error }: Approx): Approx {
  return { value: Math.min(1, Math.max(0, value)), error }
}

/** A list of the images' numbers, null for a place without an image. */
export function augment(
  x: Ref,
  rows: readonly (number | null)[],
  changes: ImageChanges,
  at: { seed: number; epoch: number },
): Result {
  const [N, C, H, W] = x.shape as [number, number, number, number]
  const { augment: a = {}, normalize } = changes
  const isWhole = (a.rotate ?? 0) === 0 && (a.zoom ?? [1, 1]).every((z) => z === 1)
  const out = ref(x.shape)
  const bound = new Float64Array(out.data.length)
  for (let n = 0; n < N; n++) {
    const number = rows[n]
    if (number === null || number === undefined) continue
    const d = drawsOf(changes, [H, W], at, number)
    const plane = (c: number): Image => {
      const base = (n * C + c) * H * W
      return (y, column) => {
        const isInside = y >= 0 && y < H && column >= 0 && column < W
        if (!isInside && a.paddingMode !== 'reflect') return 0
        return x.data[base + reflected(y, H) * W + reflected(column, W)]!
      }
    }
    const pixel = (c: number, p: number) => {
      const [sy, sx] = placeOf(d, isWhole, [H, W], Math.floor(p / W), p % W)
      const v = between(plane(c), sy, sx)
      return a.brightness ? clamped(times(v, d.brightness)) : v
    }
    const pixels = Array.from({ length: C }, (_, c) => Array.from({ length: H * W }, (_, p) => pixel(c, p)))
    const mean = a.contrast ? meanOf(pixels) : exactly(0)
    for (let c = 0; c < C; c++) {
      for (let p = 0; p < H * W; p++) {
        const [y, column] = [Math.floor(p / W), p % W]
        const size = a.cutout ?? 0
        if (y >= d.cut[0] && y < d.cut[0] + size && column >= d.cut[1] && column < d.cut[1] + size) continue
        let v = pixels[c]![p]!
        if (a.contrast) {
          v = clamped(plus(times(d.contrast, v), times(minus(exactly(1), d.contrast), mean)))
        }
        if (normalize) {
          const of = (list: number | readonly number[]) => (typeof list === 'number' ? list : list[c]!)
          v = times(minus(v, constant(of(normalize.mean))), constant(1 / of(normalize.std)))
        }
        out.data[(n * C + c) * H * W + p] = v.value
        bound[(n * C + c) * H * W + p] = v.error
      }
    }
  }
  return { ...out, magnitude: out.data.map(Math.abs), roundings: 0, bound }
}

/** The mean brightness: a thread's blocks of 256, their sums, six times two threads, and the share of a pixel. */
function meanOf(pixels: readonly (readonly Approx[])[]): Approx {
  const bright = pixels[0]!.map((red, p) => {
    if (pixels.length !== 3) return red
    const [green, blue] = [pixels[1]![p]!, pixels[2]![p]!]
    const two = plus(times(constant(0.2989), red), times(constant(0.587), green))
    return plus(two, times(constant(0.114), blue))
  })
  const count = bright.length
  const own = Math.ceil(count / 64)
  const roundings = Math.min(256, own) + Math.ceil(own / 256) + 1 + 6 + 2
  const sum = (of: (v: Approx) => number) => bright.reduce((total, v) => total + of(v), 0) / count
  const most = sum(({ value, error }) => Math.abs(value) + error)
  const error = sum((v) => v.error) + gamma(roundings) * most + roundings * SMALLEST_NORMAL
  return { value: sum((v) => v.value), error }
}
