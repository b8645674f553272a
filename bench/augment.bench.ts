// Benchmark of augmentation: images moved and mirrored, turned and zoomed between pixels, normalized alone.
import { Augmentation, type ImageChanges } from '../src/data/augment.ts'
import type { Gpu } from '../src/gpu/gpu.ts'
import { tensor } from '../src/tensor/create.ts'
import { Stream } from '../src/tensor/random.ts'
import { scope } from '../src/tensor/scope.ts'
import { sizeOf } from '../src/tensor/shape.ts'
import { type Case, check, disposeAll, type Prepared, randomInput, text, within } from './support.ts'

type Image = readonly [N: number, C: number, H: number, W: number]

const CHANGES = {
  'crop and flip': { augment: { crop: { padding: 4 }, flip: true }, normalize: { mean: 0.25, std: 0.5 } },
  turn: { augment: { crop: { padding: 4 }, flip: true, rotate: 15 }, normalize: { mean: 0.25, std: 0.5 } },
  normalize: { normalize: { mean: 0.25, std: 0.5 } },
} satisfies Record<string, ImageChanges>

type Name = keyof typeof CHANGES

/** What comes from (y, x) of image n in float64, by the words that its number draws in epoch 0 of seed 0. */
function placeOf(name: Name, [, , H, W]: Image, n: number, y: number, x: number): readonly [number, number] {
  if (name === 'normalize') return [y, x]
  const stream = new Stream(0, 'augment')
  stream.position = 4 * n
  const [cropY, cropX] = [0, 1].map(() => Math.floor((stream.nextUint32() * 9) / 2 ** 32) - 4) as [number, number]
  const isMirrored = stream.nextUint32() < 2 ** 31
  const share = 2 * ((stream.nextUint32() >>> 8) * 2 ** -24) - 1
  const angle = name === 'turn' ? (share * 15 * Math.PI) / 180 : 0
  const [my, mx] = [(H - 1) / 2, (W - 1) / 2]
  const across = Math.cos(angle) * (x - mx) + Math.sin(angle) * (y - my)
  const down = Math.cos(angle) * (y - my) - Math.sin(angle) * (x - mx)
  return [my + down + cropY, mx + (isMirrored ? -across : across) + cropX]
}

function prepare(gpu: Gpu, name: Name, shape: Image): Prepared {
  const [N, C, H, W] = shape
  const size = sizeOf(shape)
  const x = randomInput(gpu, shape, 1, false)
  const index = tensor(
    Int32Array.from({ length: N }, (_, n) => n),
    [N],
    { gpu },
  )
  const augmentation = new Augmentation('bench', [C, H, W], CHANGES[name], gpu, () => ({ seed: 0, epoch: 0 }))
  const apply = () => augmentation.apply(x.tensor, { index, first: 0, count: N })
  const at = (i: number) => {
    const plane = Math.floor(i / (H * W))
    const [y, column] = placeOf(name, shape, Math.floor(plane / C), Math.floor(i / W) % H, i % W)
    const pixel = (row: number, at: number) =>
      row >= 0 && row < H && at >= 0 && at < W ? x.data[(plane * H + row) * W + at]! : 0
    const [fy, fx] = [Math.floor(y), Math.floor(column)]
    const [ly, lx] = [y - fy, column - fx]
    const row = (at: number) => (1 - lx) * pixel(at, fx) + lx * pixel(at, fx + 1)
    // A place of a few roundings of the side's size moves the value by at most twice its own error.
    return within(2 * ((1 - ly) * row(fy) + ly * row(fy + 1) - 0.25), name === 'turn' ? 64 * (H + W) : 4, 2)
  }
  return {
    flops: (name === 'turn' ? 40 : 4) * size,
    bytes: 8 * size,
    run: () => scope(() => void apply()),
    async verify() {
      const out = apply()
      await check('out', out, { cost: 16, at }).finally(() => out.dispose())
    },
    dispose: () => {
      disposeAll([x.tensor, index])
      augmentation.dispose()
    },
  }
}

function bench(set: Case['set'], shape: Image, name: Name): Case {
  const title = `${text(shape)} ${name}`
  return { name: 'augment', direction: 'forward', shape: title, set, prepare: (gpu) => prepare(gpu, name, shape) }
}

export const cases: readonly Case[] = [
  bench('lenet', [256, 1, 28, 28], 'crop and flip'),
  bench('large', [512, 3, 32, 32], 'normalize'),
  bench('large', [512, 3, 32, 32], 'crop and flip'),
  bench('large', [512, 3, 32, 32], 'turn'),
  bench('large', [32, 3, 224, 224], 'turn'),
]
