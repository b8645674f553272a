// The rows of the operations that move elements in the table of operations.
import fc from 'fast-check'
import {
  cat,
  expand,
  flip,
  type PadOptions,
  pad,
  permute,
  repeat,
  ShapeError,
  scope,
  select,
  slice,
  split,
  stack,
  type Tensor,
  transpose,
  tril,
  triu,
} from '../../../src/node/index.ts'
import {
  bytes,
  integers,
  type Refusal,
  type Row,
  random,
  type Seeded,
  type Stored,
  zeros,
} from '../../operations/row.ts'
import { seeds } from '../../support/arbitraries.ts'
import { sizeOf } from '../../support/ref.ts'
import * as reference from './reference.ts'

interface CopyCase extends Seeded {
  readonly shapes: readonly (readonly number[])[]
  readonly args: readonly unknown[]
}

type Shape = readonly number[]

/** What the rows differ in. */
interface Given {
  readonly name: string
  /** How many inputs it has at most. */
  readonly inputs?: number
  readonly run: (tensors: readonly Tensor[], ...args: never[]) => Tensor
  readonly moved: (shapes: readonly Shape[], ...args: never[]) => reference.Moved
  /** The other arguments, and the shapes, for an input of this shape. */
  readonly draw: (shape: Shape) => fc.Arbitrary<Omit<CopyCase, 'seed'>>
  readonly fixed: Readonly<Record<string, readonly [shapes: readonly Shape[], ...args: unknown[]]>>
  readonly stored: (stored: Stored) => readonly unknown[]
  readonly refused: readonly Refusal[]
  /** Dimensions that the input has at least. */
  readonly rank?: number
}

const side = fc.constantFrom(0, 1, 1, 2, 3, 4, 5, 8, 12, 17)
const SMALL = fc.integer({ min: 1, max: 3 })

const shapesOf = (size: fc.Arbitrary<number>, rank: number, most: number) =>
  fc.array(size, { minLength: rank, maxLength: most }).filter((shape) => sizeOf(shape) <= 5000)

function rowOf({ name, inputs = 1, run, moved, draw, fixed, stored, refused, rank = 0 }: Given): Row<CopyCase> {
  const roles = inputs === 1 ? ['input'] : Array.from({ length: inputs }, (_, i) => `tensors[${i}]`)
  const mapOf = ({ shapes, args }: CopyCase) => moved(shapes, ...(args as never[]))
  const casesOf = (shapes: fc.Arbitrary<Shape>) =>
    fc.tuple(shapes.chain(draw), seeds).map(([given, seed]): CopyCase => ({ ...given, seed }))
  return {
    name,
    roles,
    runs: 8,
    cases: casesOf(shapesOf(side, rank, 5)),
    tiny: casesOf(shapesOf(SMALL, rank, 3)),
    fixed: Object.fromEntries(
      Object.entries(fixed).map(([title, [shapes, ...args]]) => [title, { shapes, args, seed: 3 }]),
    ),
    inputs: ({ shapes, seed }, kind) =>
      random(
        roles.map((_, i) => shapes[i] ?? null),
        seed,
        kind,
      ),
    run: (tensors, { args }) =>
      run(
        tensors.filter((t) => t !== null),
        ...(args as never[]),
      ),
    forward: (refs, given) => reference.forward(mapOf(given), refs),
    backward: (dy, refs, given) => reference.backward(mapOf(given), dy, refs),
    kinks: false,
    exact: true,
    sums: true,
    homogeneous: [roles.map((_, i) => i)],
    linear: true,
    pytorch: (from) => ({ shapes: storedShapes(from, inputs), args: stored(from), seed: 0 }),
    laws: {},
    refused,
  }
}

function storedShapes({ args, shape }: Stored, inputs: number): Shape[] {
  const count = inputs === 1 ? 1 : (args.count as number)
  return Array.from({ length: count }, (_, i) => shape(inputs === 1 ? 'input' : `tensors_${i}`))
}

/** A dimension of a shape, counted from either end. */
const dimOf = (shape: Shape) => fc.integer({ min: -shape.length, max: shape.length - 1 })
const alone = (shape: Shape, args: fc.Arbitrary<readonly unknown[]>) => args.map((args) => ({ shapes: [shape], args }))

const LARGE: Shape = [1, 2, 1, 3, 2, 2, 1, 3]
const notATensor = (run: () => unknown, name: string, role = 'input'): Refusal => [
  'a value that is not a tensor',
  [],
  run,
  TypeError,
  `${name}: ${role} must be a tensor, not a number`,
]
const ofBytes = (run: (x: Tensor) => unknown, name: string): Refusal => [
  'bytes',
  [bytes(2, 2)],
  run,
  TypeError,
  `${name}: input must be float32 or int32, it is uint8`,
]
const ofNine = (run: (x: Tensor) => unknown, name: string): Refusal => [
  'nine dimensions',
  [zeros(1, 1, 1, 1, 1, 1, 1, 1, 1)],
  run,
  ShapeError,
  `${name}: input has 9 dimensions; a tensor may have 8 at most\n  input [1, 1, 1, 1, 1, 1, 1, 1, 1]`,
]
const common = (run: (x: Tensor) => unknown, name: string): Refusal[] => [
  notATensor(() => run(1 as never), name),
  ofNine(run, name),
]
const noSuch = (name: string, run: (x: Tensor) => unknown, dim: number): Refusal => [
  `dimension ${dim} of two`,
  [zeros(2, 3)],
  run,
  ShapeError,
  `${name}: dim ${dim} is not a dimension of the tensor\n  input [2, 3]`,
]

const permuteRow = rowOf({
  name: 'permute',
  run: ([x], dims: number[]) => permute(x!, dims),
  moved: ([shape], dims: number[]) => reference.permuted(shape!, dims),
  draw: (shape) =>
    alone(
      shape,
      fc
        .tuple(fc.shuffledSubarray([...shape.keys()], { minLength: shape.length }), fc.nat())
        .map(([dims, bits]) => [dims.map((d, i) => ((bits >> i) & 1 ? d - shape.length : d))]),
    ),
  fixed: {
    'heads before positions, in fours': [[[2, 5, 3, 8]], [0, 2, 1, 3]],
    'channels last': [[[3, 5, 7, 11]], [0, 2, 3, 1]],
    'eight dimensions': [[LARGE], [7, 3, 0, 1, 4, 6, 5, 2]],
    nothing: [[[3, 0, 2]], [2, 0, 1]],
    'a scalar': [[[]], []],
    'more than a workgroup takes': [[[33, 40]], [1, 0]],
  },
  stored: ({ args }) => [args.dims],
  refused: [
    ...common((x) => permute(x, [0, 1]), 'permute'),
    noSuch('permute', (x) => permute(x, [0, 2]), 2),
    [
      'a dimension twice',
      [zeros(2, 3)],
      (x) => permute(x, [1, -1]),
      ShapeError,
      'permute: dimension 1 is given twice: [1, -1]\n  input [2, 3]',
    ],
    [
      'a dimension left out',
      [zeros(2, 3)],
      (x) => permute(x, [1]),
      ShapeError,
      'permute: dims names 1 dimensions, input has 2\n  input [2, 3]',
    ],
    [
      'dimensions that are not a list',
      [zeros(2, 3)],
      (x) => permute(x, 1 as never),
      TypeError,
      'permute: dims must be an array, such as [1, 0], not a number',
    ],
  ],
})

const transposeRow = rowOf({
  name: 'transpose',
  rank: 1,
  run: ([x], a: number, b: number) => transpose(x!, a, b),
  moved: ([shape], a: number, b: number) => reference.transposed(shape!, a, b),
  draw: (shape) => alone(shape, fc.tuple(dimOf(shape), dimOf(shape))),
  fixed: {
    'a matrix': [[[37, 65]], 0, 1],
    'a matrix of fours': [[[64, 72]], 0, 1],
    'matrices of fours': [[[3, 8, 12]], -1, -2],
    'around others': [[[4, 3, 8]], 0, 2],
    'one dimension with itself': [[[7]], 0, 0],
  },
  stored: ({ args }) => [args.a, args.b],
  refused: [...common((x) => transpose(x, 0, 1), 'transpose'), noSuch('transpose', (x) => transpose(x, 0, -3), -3)],
})

const flipRow = rowOf({
  name: 'flip',
  run: ([x], dims: number[]) => flip(x!, dims),
  moved: ([shape], dims: number[]) => reference.flipped(shape!, dims),
  draw: (shape) =>
    alone(
      shape,
      fc.subarray([...shape.keys()]).map((dims) => [dims.map((d) => d - shape.length)]),
    ),
  fixed: {
    'rows of fours': [[[5, 8]], [0]],
    columns: [[[2, 3, 5, 7]], [-1]],
    'eight dimensions': [[LARGE], [1, 3, 7]],
    nothing: [[[3, 0]], [0, 1]],
    'no dimension': [[[3, 2]], []],
  },
  stored: ({ args }) => [args.dims],
  refused: [
    ...common((x) => flip(x, [0]), 'flip'),
    noSuch('flip', (x) => flip(x, 2), 2),
    [
      'a dimension twice',
      [zeros(2, 3)],
      (x) => flip(x, [0, -2]),
      ShapeError,
      'flip: dimension 0 is given twice: [0, -2]\n  input [2, 3]',
    ],
  ],
})

const sliceRow = rowOf({
  name: 'slice',
  rank: 1,
  run: ([x], dim: number, start: number, end: number, step: number) => slice(x!, dim, start, end, step),
  moved: ([shape], dim: number, start: number, end: number, step: number) =>
    reference.sliced(shape!, dim, start, end, step),
  draw: (shape) =>
    alone(
      shape,
      dimOf(shape).chain((dim) => {
        const place = fc.integer({ min: -20, max: 20 })
        return fc.tuple(fc.constant(dim), place, place, fc.constantFrom(1, 1, 2, 3, 30))
      }),
    ),
  fixed: {
    'columns in fours': [[[5, 24]], 1, 8, 16, 1],
    columns: [[[5, 24]], 1, 1, 23, 1],
    'rows of fours': [[[7, 8]], 0, 2, 5, 1],
    'every third': [[[3, 10, 4]], 1, 1, Number.POSITIVE_INFINITY, 3],
    'from the end': [[[9]], 0, -3, -1, 1],
    'a step far past the end': [[[9]], 0, 2, 9, 2 ** 40],
    nothing: [[[9, 4]], 0, 5, 5, 1],
    'eight dimensions': [[LARGE], 3, 0, 2, 1],
  },
  stored: ({ args }) => [args.dim, args.start, args.end, args.step],
  refused: [
    ...common((x) => slice(x, 0), 'slice'),
    noSuch('slice', (x) => slice(x, 2), 2),
    [
      'a step of 0',
      [zeros(2, 3)],
      (x) => slice(x, 0, 0, 2, 0),
      RangeError,
      'slice: step must be a whole number, 1 or more, not 0',
    ],
    [
      'half of a place',
      [zeros(2, 3)],
      (x) => slice(x, 0, 0.5),
      RangeError,
      'slice: start must be a whole number, not 0.5',
    ],
    [
      'an end that is not a number',
      [zeros(2, 3)],
      (x) => slice(x, 0, 0, Number.NaN),
      RangeError,
      'slice: end must be a whole number, not NaN',
    ],
  ],
})

const selectRow = rowOf({
  name: 'select',
  rank: 1,
  run: ([x], dim: number, index: number) => select(x!, dim, index),
  moved: ([shape], dim: number, index: number) => reference.selected(shape!, dim, index),
  draw: (drawn) => {
    const shape = drawn.map((n) => Math.max(n, 1))
    return alone(
      shape,
      dimOf(shape).chain((dim) => {
        const size = shape.at(dim)!
        return fc.tuple(fc.constant(dim), fc.integer({ min: -size, max: size - 1 }))
      }),
    )
  },
  fixed: {
    'a row of fours': [[[5, 8]], 0, 3],
    'a row': [[[5, 7]], 0, -1],
    'a column': [[[5, 7]], 1, 2],
    'the only dimension': [[[5]], 0, 4],
  },
  stored: ({ args }) => [args.dim, args.index],
  refused: [
    ...common((x) => select(x, 0, 0), 'select'),
    noSuch('select', (x) => select(x, -3, 0), -3),
    [
      'a place past the end',
      [zeros(2, 3)],
      (x) => select(x, 1, 3),
      ShapeError,
      'select: index 3 does not exist: dimension 1 has elements -3 to 2\n  input [2, 3]',
    ],
    [
      'a place where there is none',
      [zeros(0, 3)],
      (x) => select(x, 0, 0),
      ShapeError,
      'select: index 0 does not exist: dimension 0 has no elements\n  input [0, 3]',
    ],
  ],
})

const expandRow = rowOf({
  name: 'expand',
  run: ([x], shape: number[]) => expand(x!, shape),
  moved: ([shape], to: number[]) => reference.expanded(shape!, to),
  draw: (to) =>
    fc.tuple(fc.nat(to.length), fc.nat()).map(([added, bits]) => {
      const shape = to.slice(added).map((n, d) => ((bits >> d) & 1 ? 1 : n))
      return {
        shapes: [shape],
        args: [to.map((n, d) => (d >= added && (bits >> (d + 6)) & 1 && shape[d - added] === n ? -1 : n))],
      }
    }),
  fixed: {
    'a row to a matrix of fours': [[[8]], [5, 8]],
    'a column': [[[5, 1]], [-1, 7]],
    'a scalar': [[[]], [3, 2]],
    'to nothing': [[[1, 3]], [0, 3]],
    'eight dimensions': [[[2, 1, 3]], [1, 2, 1, 2, 1, 2, 3, 3]],
    'a long sum': [[[1, 3]], [1500, 3]],
  },
  stored: ({ args }) => [args.shape],
  refused: [
    ...common((x) => expand(x, [1, 1]), 'expand'),
    [
      'a size that is not 1',
      [zeros(2, 3)],
      (x) => expand(x, [4, 3]),
      ShapeError,
      'expand: size 4 of dimension 0 does not fit: only a size of 1 can be expanded\n  input [2, 3]\n  shape [4, 3]',
    ],
    [
      'a new size to be kept',
      [zeros(2, 3)],
      (x) => expand(x, [-1, 2, 3]),
      ShapeError,
      'expand: size -1 of dimension 0 does not fit: only a size of 1 can be expanded\n  input [2, 3]\n  shape [-1, 2, 3]',
    ],
    [
      'fewer dimensions',
      [zeros(2, 3)],
      (x) => expand(x, [3]),
      ShapeError,
      "expand: the shape must have at least input's 2 dimensions\n  input [2, 3]\n  shape [3]",
    ],
    [
      'more than eight dimensions',
      [zeros(1)],
      (x) => expand(x, [1, 1, 1, 1, 1, 1, 1, 1, 1]),
      ShapeError,
      'expand: the shape has 9 dimensions; a tensor may have 8 at most\n  input [1]\n  shape [1, 1, 1, 1, 1, 1, 1, 1, 1]',
    ],
    [
      'a shape that is not a list',
      [zeros(2, 3)],
      (x) => expand(x, 3 as never),
      TypeError,
      'expand: shape must be an array, such as [2, 3], not a number',
    ],
  ],
})

const repeatRow = rowOf({
  name: 'repeat',
  run: ([x], times: number[]) => repeat(x!, times),
  moved: ([shape], times: number[]) => reference.repeated(shape!, times),
  draw: (drawn) => {
    const shape = drawn.map((n) => Math.min(n, 5)).slice(0, 4)
    const times = fc.array(fc.constantFrom(0, 1, 1, 2, 3), { minLength: shape.length, maxLength: shape.length + 1 })
    return alone(
      shape,
      times.map((times) => [times]),
    )
  },
  fixed: {
    'a row': [[[7]], [3, 2]],
    'a matrix': [[[3, 4]], [2, 5]],
    once: [[[3, 4]], [1, 1]],
    never: [[[3, 4]], [2, 0]],
    'a scalar': [[[]], []],
  },
  stored: ({ args }) => [args.sizes],
  refused: [
    ...common((x) => repeat(x, [1, 1]), 'repeat'),
    [
      'fewer numbers than dimensions',
      [zeros(2, 3)],
      (x) => repeat(x, [2]),
      ShapeError,
      'repeat: sizes has 1 numbers, it must have 2 to 8\n  input [2, 3]\n  sizes [2]',
    ],
    [
      'half of a time',
      [zeros(2, 3)],
      (x) => repeat(x, [2, 0.5]),
      ShapeError,
      'repeat: each of sizes must be a whole number, 0 or more, not 0.5\n  input [2, 3]\n  sizes [2, 0.5]',
    ],
    [
      'numbers that are not a list',
      [zeros(2, 3)],
      (x) => repeat(x, 2 as never),
      TypeError,
      'repeat: sizes must be an array, such as [2, 3], not a number',
    ],
  ],
})

const catRow = rowOf({
  name: 'cat',
  inputs: 3,
  rank: 1,
  run: (tensors, dim: number) => cat(tensors, dim),
  moved: (shapes, dim: number) => reference.joined(shapes, dim),
  draw: (shape) =>
    dimOf(shape).chain((dim) =>
      fc.array(side, { minLength: 1, maxLength: 3 }).map((counts) => ({
        shapes: counts.map((n) =>
          shape.map((own, d) => (d === (dim < 0 ? dim + shape.length : dim) ? n : Math.min(own, 12))),
        ),
        args: [dim],
      })),
    ),
  fixed: {
    rows: [
      [
        [3, 5],
        [1, 5],
        [4, 5],
      ],
      0,
    ],
    'columns in fours': [
      [
        [3, 4],
        [3, 8],
        [3, 4],
      ],
      1,
    ],
    columns: [
      [
        [3, 4],
        [3, 1],
        [3, 2],
      ],
      -1,
    ],
    'one without elements': [
      [
        [2, 3],
        [0, 3],
        [1, 3],
      ],
      0,
    ],
    alone: [[[2, 3]], 0],
  },
  stored: ({ args }) => [args.dim],
  refused: [
    notATensor(() => cat([1 as never]), 'cat', 'tensors[0]'),
    ['no tensors', [], () => cat([]), TypeError, 'cat: the list of tensors is empty'],
    [
      'a tensor that is not in a list',
      [zeros(2)],
      (x) => cat(x as never),
      TypeError,
      'cat: tensors must be an array, such as [a, b], not an object',
    ],
    [
      'two types',
      [zeros(2), integers(2)],
      (a, b) => cat([a, b]),
      TypeError,
      'cat: tensors[1] is int32, tensors[0] is float32; all must be of one type',
    ],
    [
      'another size',
      [zeros(2, 3), zeros(2, 4)],
      (a, b) => cat([a, b]),
      ShapeError,
      'cat: tensors[1] does not fit: only dimension 0 may differ\n  tensors[0] [2, 3]\n  tensors[1] [2, 4]',
    ],
    [
      'a dimension that is not there',
      [zeros(2, 3)],
      (x) => cat([x, x], 2),
      ShapeError,
      'cat: dim 2 is not a dimension of the tensor\n  tensors[0] [2, 3]',
    ],
  ],
})

const stackRow = rowOf({
  name: 'stack',
  inputs: 3,
  run: (tensors, dim: number) => stack(tensors, dim),
  moved: (shapes, dim: number) => reference.stacked(shapes, dim),
  draw: (shape) =>
    fc
      .tuple(fc.integer({ min: -shape.length - 1, max: shape.length }), fc.integer({ min: 1, max: 3 }))
      .map(([dim, count]) => ({ shapes: Array.from({ length: count }, () => shape), args: [dim] })),
  fixed: {
    rows: [[[8], [8], [8]], 0],
    columns: [[[5], [5]], -1],
    scalars: [[[], []], 0],
    'in between': [
      [
        [3, 5],
        [3, 5],
      ],
      1,
    ],
  },
  stored: ({ args }) => [args.dim],
  refused: [
    notATensor(() => stack([1 as never]), 'stack', 'tensors[0]'),
    ['no tensors', [], () => stack([]), TypeError, 'stack: the list of tensors is empty'],
    [
      'another shape',
      [zeros(2, 3), zeros(3, 2)],
      (a, b) => stack([a, b]),
      ShapeError,
      'stack: all tensors must have one shape, tensors[1] has another\n  tensors[0] [2, 3]\n  tensors[1] [3, 2]',
    ],
    [
      'a place past the last',
      [zeros(2, 3)],
      (x) => stack([x], 3),
      ShapeError,
      'stack: dim must be a whole number from -3 to 2, not 3\n  tensors[0] [2, 3]',
    ],
    [
      'eight dimensions already',
      [zeros(1, 1, 1, 1, 1, 1, 1, 1)],
      (x) => stack([x]),
      ShapeError,
      'stack: the result would have 9 dimensions; a tensor may have 8 at most\n  tensors[0] [1, 1, 1, 1, 1, 1, 1, 1]',
    ],
  ],
})

const splitRow = rowOf({
  name: 'split',
  rank: 1,
  run: ([x], sizes: number | number[], dim: number) => scope(() => cat(split(x!, sizes, dim).reverse(), dim)),
  moved: ([shape], sizes: number | number[], dim: number) => reference.splitAndReversed(shape!, sizes, dim),
  draw: (drawn) => {
    const shape = drawn.map((n) => Math.min(n, 12))
    return alone(
      shape,
      dimOf(shape).chain((dim) => {
        const size = shape.at(dim)!
        const cuts = fc.array(fc.integer({ min: 0, max: size }), { maxLength: 3 }).map((places) => {
          const all = [0, ...places.sort((a, b) => a - b), size]
          return all.slice(1).map((end, i) => end - all[i]!)
        })
        return fc.tuple(fc.oneof(fc.integer({ min: 1, max: 14 }), cuts), fc.constant(dim))
      }),
    )
  },
  fixed: {
    'queries, keys and values': [[[3, 24]], 8, 1],
    'the last is smaller': [[[7, 2]], 3, 0],
    'sizes of all kinds': [[[2, 7]], [1, 0, 4, 2], -1],
    nothing: [[[0, 3]], 2, 0],
  },
  stored: ({ args }) => [args.sizes, args.dim],
  refused: [
    ...common((x) => split(x, 1), 'split'),
    noSuch('split', (x) => split(x, 1, 2), 2),
    [
      'sizes that do not add up',
      [zeros(2, 3)],
      (x) => split(x, [1, 1], 1),
      ShapeError,
      'split: sizes must be whole numbers that add up to the 3 elements of dimension 1\n  input [2, 3]\n  sizes [1, 1]',
    ],
    [
      'pieces of nothing',
      [zeros(2, 3)],
      (x) => split(x, 0),
      ShapeError,
      'split: the size of a piece must be a whole number, 1 or more, not 0\n  input [2, 3]',
    ],
    [
      'sizes in a text',
      [zeros(2, 3)],
      (x) => split(x, '1' as never),
      TypeError,
      'split: sizes must be an array, such as [2, 3], not a string',
    ],
  ],
})

const padRow = rowOf({
  name: 'pad',
  run: ([x], padding: number[], options: PadOptions) => pad(x!, padding, options),
  moved: ([shape], padding: number[], { mode = 'constant', value }: PadOptions) =>
    reference.padded(shape!, padding, mode, value),
  draw: (drawn) =>
    fc.constantFrom('constant', 'reflect', 'replicate').chain((mode) => {
      const shape = drawn.slice(0, 4).map((n) => Math.min(mode === 'constant' ? n : Math.max(n, 1), 9))
      // One number an end: what may be added there without passing what the mode can do, or cut off.
      const ends = fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: Math.min(3, shape.length) }).map((pairs) =>
        pairs.flatMap(([a, b], i) => {
          const n = shape[shape.length - 1 - i]!
          const most = mode === 'reflect' ? n - 1 : 4
          const least = -Math.floor(n / 2)
          return [a, b].map((number) => least + (number % (most - least + 1)))
        }),
      )
      return alone(
        shape,
        ends.map((padding) => [padding, { mode }]),
      )
    }),
  fixed: {
    'images in fours': [[[2, 3, 5, 8]], [4, 4, 1, 1], {}],
    images: [[[2, 3, 5, 7]], [1, 2, 3, 0], {}],
    'with a constant': [[[3, 5]], [1, 1, 2, 0], { value: 2.5 }],
    'with another constant in fours': [[[3, 8]], [4, 0, 0, 1], { value: -1.5 }],
    'rows cut off and added': [[[4, 6]], [-2, 1, 1, -3], {}],
    'nothing cut off to nothing': [[[2, 3]], [-1, -2], {}],
    'eight dimensions': [[LARGE], [1, 0, 0, 1, 2, 0, 0, 0, 1, 1], {}],
    'more than there are': [[[0, 3]], [0, 0, 2, 1], { value: 7 }],
    'no padding': [[[2, 3]], [], {}],
    'reflected images': [[[2, 5, 7]], [3, 2, 4, 1], { mode: 'reflect' }],
    'reflected and cut off': [[[6]], [-2, 3], { mode: 'reflect' }],
    'reflected as far as possible': [[[4, 3]], [2, 2], { mode: 'reflect' }],
    'replicated images': [[[2, 5, 7]], [3, 2, 4, 1], { mode: 'replicate' }],
    'one element replicated': [[[1]], [2, 70], { mode: 'replicate' }],
    'replicated and cut off': [[[2, 6]], [-7, 3], { mode: 'replicate' }],
  },
  stored: ({ args }) => [args.padding, { mode: args.mode, ...(args.value === undefined ? {} : { value: args.value }) }],
  refused: [
    ...common((x) => pad(x, [1, 1]), 'pad'),
    ofBytes((x) => pad(x, [1, 1], { mode: 'reflect' }), 'pad'),
    [
      'an odd number of ends',
      [zeros(2, 3)],
      (x) => pad(x, [1]),
      ShapeError,
      "pad: padding must be whole numbers in pairs, for at most input's 2 dimensions\n  input   [2, 3]\n  padding [1]",
    ],
    [
      'more pairs than dimensions',
      [zeros(3)],
      (x) => pad(x, [1, 1, 1, 1]),
      ShapeError,
      "pad: padding must be whole numbers in pairs, for at most input's 1 dimensions\n  input   [3]\n  padding [1, 1, 1, 1]",
    ],
    [
      'more cut off than there is',
      [zeros(2, 3)],
      (x) => pad(x, [-2, -2]),
      ShapeError,
      'pad: more is cut off than the 3 elements of dimension 1\n  input   [2, 3]\n  padding [-2, -2]',
    ],
    [
      'a number in place of a list',
      [zeros(2, 3)],
      (x) => pad(x, 1 as never),
      TypeError,
      'pad: padding must be an array, such as [1, 1], not a number',
    ],
    [
      'an unknown mode',
      [zeros(2, 3)],
      (x) => pad(x, [1, 1], { mode: 'circular' as never }),
      TypeError,
      "pad: mode must be 'constant', 'reflect' or 'replicate', not 'circular'",
    ],
    [
      'an option it does not have',
      [zeros(2, 3)],
      (x) => pad(x, [1, 1], { fill: 1 } as never),
      TypeError,
      'pad: unknown option fill; known: mode, value',
    ],
    [
      'a value beside a mode without one',
      [zeros(2, 3)],
      (x) => pad(x, [1, 1], { mode: 'reflect', value: 1 }),
      TypeError,
      "pad: value is for mode 'constant', not 'reflect'",
    ],
    [
      'a value that is not a number',
      [zeros(2, 3)],
      (x) => pad(x, [1, 1], { value: '1' as never }),
      TypeError,
      'pad: value must be a number, not a string',
    ],
    [
      'half in a tensor of integers',
      [integers(2, 3)],
      (x) => pad(x, [1, 1], { value: 0.5 }),
      RangeError,
      'pad: value must be a whole number from -2147483648 to 2147483647 for an input of int32, not 0.5',
    ],
    [
      'a reflection of more than there is',
      [zeros(2, 3)],
      (x) => pad(x, [1, 3], { mode: 'reflect' }),
      ShapeError,
      'pad: a padding of 3 needs 4 elements to reflect, dimension 1 has 3\n  input [2, 3]',
    ],
    [
      'nothing replicated',
      [zeros(0, 3)],
      (x) => pad(x, [0, 0, 1, 0], { mode: 'replicate' }),
      ShapeError,
      'pad: dimension 0 has no elements to repeat\n  input [0, 3]',
    ],
  ],
})

const triangleRow = (name: 'triu' | 'tril', run: typeof triu) =>
  rowOf({
    name,
    rank: 2,
    run: ([x], diagonal: number) => run(x!, diagonal),
    moved: ([shape], diagonal: number) => reference.triangle(shape!, diagonal, name === 'triu'),
    draw: (shape) =>
      alone(
        shape,
        fc.integer({ min: -9, max: 9 }).map((diagonal) => [diagonal]),
      ),
    fixed: {
      'a square': [[[9, 9]], 0],
      'many, above': [[[2, 3, 5, 7]], 2],
      'more than a workgroup takes': [[[40, 33]], -4],
      'a diagonal far outside': [[[3, 4]], 2 ** 40],
      nothing: [[[0, 4]], 0],
    },
    stored: ({ args }) => [args.diagonal],
    refused: [
      ...common((x) => run(x, 0), name),
      ofBytes((x) => run(x, 0), name),
      [
        'one dimension',
        [zeros(3)],
        (x) => run(x, 0),
        ShapeError,
        `${name}: input has 1 dimensions, it must have 2 or more\n  input [3]`,
      ],
      [
        'half of a diagonal',
        [zeros(2, 3)],
        (x) => run(x, 0.5),
        RangeError,
        `${name}: diagonal must be a whole number, not 0.5`,
      ],
    ],
  })

export const copyRows: readonly Row<CopyCase>[] = [
  permuteRow,
  transposeRow,
  flipRow,
  sliceRow,
  selectRow,
  expandRow,
  repeatRow,
  catRow,
  stackRow,
  splitRow,
  padRow,
  triangleRow('triu', triu),
  triangleRow('tril', tril),
]
