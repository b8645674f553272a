// The rows of interpolate in the table of operations: one a mode.
import fc from 'fast-check'
import { type InterpolateOptions, interpolate, ShapeError } from '../../../src/node/index.ts'
import { integers, type Refusal, type Row, random, type Seeded, zeros } from '../../operations/row.ts'
import { seeds } from '../../support/arbitraries.ts'
import { backward, forward, type Sizes } from './reference.ts'

interface InterpolateCase extends Seeded {
  shape: number[]
  given: { scale: readonly [number, number] } | { size: readonly [number, number] }
}

const of = (shape: number[], given: InterpolateCase['given']): InterpolateCase => ({ shape, given, seed: 5 })

const SCALES = [0.5, 0.7, 1, 1.5, 2, 3] as const

const casesOf = (least: number, most: number, batch: readonly number[]) => {
  const side = fc.integer({ min: least, max: most })
  const two = <T>(of: fc.Arbitrary<T>) => fc.tuple(of, of)
  return fc.record({
    shape: fc.tuple(fc.constantFrom(...batch), fc.constantFrom(1, 3), side, side).map((shape) => [...shape]),
    given: fc.oneof(
      two(fc.constantFrom(...SCALES)).map((scale) => ({ scale })),
      two(side).map((size) => ({ size })),
    ),
    seed: seeds,
  })
}

const sizesOf = ({ shape, given }: InterpolateCase): Sizes => {
  if ('size' in given) return { size: given.size, scale: null }
  const [y, x] = given.scale
  return { size: [Math.floor(shape[2]! * y), Math.floor(shape[3]! * x)], scale: given.scale }
}

const image = zeros(1, 2, 3, 4)
const refusedOption = (what: string, options: unknown, error: Refusal[3], message: string): Refusal => {
  return [what, [image], (x) => interpolate(x, options as InterpolateOptions), error, message]
}

function rowOf(mode: 'nearest' | 'bilinear'): Row<InterpolateCase> {
  return {
    name: 'interpolate',
    kind: `interpolate_${mode}`,
    roles: ['input'],
    runs: 8,
    cases: casesOf(2, 19, [0, 1, 2, 3]),
    tiny: casesOf(2, 5, [1, 2]),
    fixed: {
      'twice the size': of([2, 3, 5, 7], { scale: [2, 2] }),
      'a third of the size, where the middles meet': of([1, 2, 9, 6], { size: [3, 2] }),
      'one and a half times, and smaller': of([2, 2, 5, 9], { scale: [1.5, 0.7] }),
      'more rows than a thread takes, of which cells are left out': of([2, 1, 37, 6], { size: [20, 9] }),
      'the same size': of([1, 2, 4, 3], { size: [4, 3] }),
      'one pixel to many, in more than one block': of([1, 1, 1, 1], { size: [3, 523] }),
      'many to one': of([2, 1, 7, 11], { size: [1, 1] }),
      'no images': of([0, 2, 3, 3], { scale: [2, 1] }),
    },
    inputs: ({ shape, seed }, kind) => random([shape], seed, kind),
    run: ([x], { given }) => interpolate(x!, { ...given, mode }),
    forward: ([x], given) => forward(mode, x!, sizesOf(given)),
    backward: (dy, [x], given) => [backward(mode, dy, x!.shape, sizesOf(given))],
    kinks: false,
    exact: mode === 'nearest',
    sums: false,
    homogeneous: mode === 'nearest' ? [[0]] : [],
    linear: mode === 'nearest',
    pytorch: ({ args, pair, shape }) => {
      return of([...shape('input')], args.size === null ? { scale: pair('scale') } : { size: pair('size') })
    },
    laws: {},
    refused: [
      [
        'integers',
        [integers(1, 1, 2, 2)],
        (x) => interpolate(x, { size: 4, mode }),
        TypeError,
        'interpolate: input must be float32, it is int32',
      ],
      [
        'three dimensions',
        [zeros(3, 4, 5)],
        (x) => interpolate(x, { size: 4, mode }),
        ShapeError,
        'interpolate: input has 3 dimensions, it must have 4 (N C H W)\n  input [3, 4, 5]',
      ],
      [
        'an input without columns',
        [zeros(1, 2, 3, 0)],
        (x) => interpolate(x, { size: 4, mode }),
        ShapeError,
        'interpolate: the input has no rows or no columns\n  input [1, 2, 3, 0]  N C H W',
      ],
      refusedOption(
        'a scale that leaves nothing',
        { scale: [1, 0.2], mode },
        ShapeError,
        'interpolate: scale [1, 0.2] makes 3 × 0 of the image; its sides must be from 1 to 65,535\n  input [1, 2, 3, 4]  N C H W',
      ),
      refusedOption(
        'a scale far too large',
        { scale: [1e5, 1], mode },
        ShapeError,
        'interpolate: scale [100000, 1] makes 300000 × 4 of the image; its sides must be from 1 to 65,535\n  input [1, 2, 3, 4]  N C H W',
      ),
      refusedOption('neither a scale nor a size', { mode }, TypeError, 'interpolate: give either a scale or a size'),
      refusedOption(
        'a scale and a size',
        { scale: 2, size: 6, mode },
        TypeError,
        'interpolate: give either a scale or a size, not both',
      ),
      refusedOption(
        'a negative scale',
        { scale: [2, -1], mode },
        RangeError,
        'interpolate: scale must be a number above 0, or two of them, not [2, -1]',
      ),
      refusedOption(
        'a size of 0',
        { size: 0, mode },
        ShapeError,
        'interpolate: size must be a whole number or two of them, 1 or more, not 0',
      ),
      refusedOption(
        'an unknown mode',
        { size: 4, mode: 'bicubic' },
        TypeError,
        "interpolate: mode must be 'nearest' or 'bilinear', not 'bicubic'",
      ),
      refusedOption(
        'an option it does not have',
        { size: 4, alignCorners: true },
        TypeError,
        'interpolate: unknown option alignCorners; known: scale, size, mode',
      ),
    ],
  }
}

export const interpolateRows = [rowOf('nearest'), rowOf('bilinear')] as const
