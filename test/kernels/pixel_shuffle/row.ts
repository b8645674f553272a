// The row of pixelShuffle in the table of operations.
import fc from 'fast-check'
import { pixelShuffle, ShapeError } from '../../../src/node/index.ts'
import { integers, type Row, random, type Seeded, zeros } from '../../operations/row.ts'
import { seeds } from '../../support/arbitraries.ts'
import { exact, type Ref, ref, sizeOf } from '../../support/ref.ts'

interface ShuffleCase extends Seeded {
  /** Images, channels of the output, height and width of the input. */
  sizes: readonly [N: number, C: number, H: number, W: number]
  r: number
}

const of = (sizes: ShuffleCase['sizes'], r: number): ShuffleCase => ({ sizes, r, seed: 5 })

const inputShape = ({ sizes: [N, C, H, W], r }: ShuffleCase) => [N, C * r * r, H, W]

/** For each element of the output the place that it comes from. */
function sources({ sizes: [N, C, H, W], r }: ShuffleCase): number[] {
  const from: number[] = []
  for (let n = 0; n < N; n++) {
    for (let c = 0; c < C; c++) {
      for (let y = 0; y < H * r; y++) {
        for (let x = 0; x < W * r; x++) {
          const channel = c * r * r + (y % r) * r + (x % r)
          from.push(((n * C * r * r + channel) * H + Math.floor(y / r)) * W + Math.floor(x / r))
        }
      }
    }
  }
  return from
}

function scattered(dy: Ref, given: ShuffleCase): Ref {
  const dx = ref(inputShape(given))
  sources(given).forEach((from, i) => {
    dx.data[from] = dy.data[i]!
  })
  return dx
}

const casesOf = (least: number) => {
  const size = fc.integer({ min: least, max: 4 })
  return fc
    .record({ sizes: fc.tuple(size, size, size, size), r: fc.constantFrom(1, 2, 3), seed: seeds })
    .filter((given) => sizeOf(inputShape(given)) <= 600)
}

export const pixelShuffleRow: Row<ShuffleCase> = {
  name: 'pixelShuffle',
  roles: ['input'],
  runs: 10,
  cases: casesOf(0),
  tiny: casesOf(1).filter((given) => sizeOf(inputShape(given)) <= 60),
  fixed: {
    'twice the size': of([2, 3, 4, 5], 2),
    'three times the size': of([1, 2, 2, 3], 3),
    'the same size': of([2, 1, 3, 2], 1),
    'no images': of([0, 2, 3, 2], 2),
  },
  inputs: (given, kind) => random([inputShape(given)], given.seed, kind),
  run: ([x], { r }) => pixelShuffle(x!, r),
  forward: ([x], given) => {
    const { sizes, r } = given
    const [N, C, H, W] = sizes
    return exact(
      ref(
        [N, C, H * r, W * r],
        sources(given).map((from) => x!.data[from]!),
      ),
    )
  },
  backward: (dy, _, given) => [exact(scattered(dy, given))],
  kinks: false,
  exact: true,
  sums: true,
  homogeneous: [[0]],
  linear: true,
  pytorch: ({ args, shape }) => {
    const [N, channels, H, W] = shape('input') as [number, number, number, number]
    const r = args.r as number
    return of([N, channels / r / r, H, W], r)
  },
  laws: {},
  refused: [
    [
      'integers',
      [integers(1, 4, 2, 2)],
      (x) => pixelShuffle(x, 2),
      TypeError,
      'pixelShuffle: input must be float32, it is int32',
    ],
    [
      'three dimensions',
      [zeros(4, 2, 2)],
      (x) => pixelShuffle(x, 2),
      ShapeError,
      'pixelShuffle: input has 3 dimensions, it must have 4 (N C H W)\n  input [4, 2, 2]',
    ],
    [
      'channels that its square does not divide',
      [zeros(1, 6, 2, 2)],
      (x) => pixelShuffle(x, 2),
      ShapeError,
      'pixelShuffle: r must be a whole number whose square divides the 6 channels, not 2\n  input [1, 6, 2, 2]  N C H W',
    ],
  ],
}
