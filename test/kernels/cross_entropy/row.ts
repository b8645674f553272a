// The row of crossEntropy in the table of operations.
import fc from 'fast-check'
import { crossEntropy, ShapeError } from '../../../src/node/index.ts'
import { bytes, integers, type Law, type Row, random, type Seeded, zeros } from '../../operations/row.ts'
import { mulberry32, seeds, sizes, sizesFrom } from '../../support/arbitraries.ts'
import { ref } from '../../support/ref.ts'
import { crossEntropyBackward, crossEntropy as crossEntropyReference, type Reduction } from './reference.ts'

interface CrossEntropyCase extends Seeded {
  n: number
  classes: number
  /** What the logits, of about 1, are multiplied with. */
  scale: number
  reduction: Reduction
  /** Labels as bytes. */
  bytes: boolean
  /** How many of ten rows are ignored. */
  ignored?: number
  /** The label of ignored rows; -100, or 255 for bytes. */
  ignoreIndex?: number
  /** Labels that are not drawn. */
  labels?: Int32Array
}

const REDUCTIONS = ['mean', 'sum', 'none'] as const
const reductions = fc.constantFrom(...REDUCTIONS)
const small = fc.integer({ min: 1, max: 5 })

function ignoreIndexOf({ ignoreIndex, bytes }: CrossEntropyCase): number {
  return ignoreIndex ?? (bytes ? 255 : -100)
}

function labelsOf(given: CrossEntropyCase): Int32Array | Uint8Array {
  if (given.labels) return given.labels
  const { n, classes, seed, bytes, ignored = 0 } = given
  const next = mulberry32(seed)
  const labels = Int32Array.from({ length: n }, () => next() % Math.min(classes, 255))
  for (let i = 0; i < n; i++) if (next() % 10 < ignored) labels[i] = ignoreIndexOf(given)
  return bytes ? Uint8Array.from(labels) : labels
}

function inAllReductions(
  name: string,
  n: number,
  classes: number,
  { scale = 1, ignored = 0 } = {},
): [string, CrossEntropyCase][] {
  return REDUCTIONS.map((reduction, i) => [
    `${name}, ${reduction}`,
    { n, classes, scale, reduction, bytes: i === 1, ignored, seed: 4 },
  ])
}

/** Softmax minus one-hot: the rows of the softmax sum to 1, those of the gradient to 0. */
const rowsOfTheGradientSumToZero: Law<CrossEntropyCase>['check'] = ({ gradients }, given, inputs) => {
  const { n, classes, reduction } = given
  const ones = ref(reduction === 'none' ? [n] : [], new Float64Array(reduction === 'none' ? n : 1).fill(1))
  const { bound } = crossEntropyBackward(ones, inputs[0]!, labelsOf(given), reduction, ignoreIndexOf(given))
  for (let row = 0; row < n; row++) {
    const [from, to] = [row * classes, (row + 1) * classes]
    const sum = gradients[0]!.slice(from, to).reduce((total, g) => total + g, 0)
    const allowed = bound.slice(from, to).reduce((total, b) => total + b, 0) + classes * 2 ** -40
    if (!(Math.abs(sum) <= allowed)) throw new Error(`row ${row} of the gradient sums to ${sum}, bound ${allowed}`)
  }
}

/** What is added to all logits of a row changes nothing; exactly so where nothing is rounded. */
const rowsMayBeShifted: Law<CrossEntropyCase>['check'] = async (_, { classes, seed }, [logits], again) => {
  const whole = ref(logits!.shape, logits!.data.map(Math.round))
  const shifted = ref(
    logits!.shape,
    whole.data.map((v, i) => v + ((seed % 2001) - 1000) * (1 + Math.floor(i / classes))),
  )
  const [before, after] = [await again([whole]), await again([shifted])]
  const same = (a: Float32Array, b: Float32Array) => a.every((v, i) => Object.is(v, b[i]))
  if (!same(before.out, after.out)) throw new Error('the loss changed when a number was added to all logits of a row')
  if (!same(before.gradients[0]!, after.gradients[0]!)) {
    throw new Error('the gradient changed when a number was added to all logits of a row')
  }
}

export const crossEntropyRow: Row<CrossEntropyCase> = {
  name: 'crossEntropy',
  roles: ['logits'],
  runs: 60,
  cases: fc
    .record({
      n: sizes,
      classes: sizesFrom(1),
      scale: fc.constantFrom(0.01, 1, 30, 1e4),
      reduction: reductions,
      bytes: fc.boolean(),
      ignored: fc.constantFrom(0, 0, 3, 9, 10),
      ignoreIndex: fc.constantFrom(undefined, undefined, 0, 7),
      seed: seeds,
    })
    .filter(({ n, classes }) => n * classes <= 20_000),
  tiny: fc.record({
    n: small,
    classes: small,
    scale: fc.constant(1),
    reduction: reductions,
    bytes: fc.boolean(),
    ignored: fc.constantFrom(0, 3),
    seed: seeds,
  }),
  fixed: Object.fromEntries([
    ...inAllReductions('two blocks of rows', 33, 7),
    ...inAllReductions('one class', 5, 1),
    ...inAllReductions('one row', 1, 10),
    ...inAllReductions('no rows', 0, 4),
    ...inAllReductions('large logits', 9, 3, { scale: 1e4 }),
    ...inAllReductions('some rows ignored', 70, 5, { ignored: 3 }),
    ...inAllReductions('all rows ignored', 33, 3, { ignored: 10 }),
    ...inAllReductions('more blocks of rows than a workgroup has threads', 8200, 2, { ignored: 1 }),
  ]),
  inputs: ({ n, classes, scale, seed }, kind) => {
    const [logits] = random([[n, classes]], seed, kind)
    return [
      ref(
        [n, classes],
        logits!.data.map((v) => Math.fround(v * scale)),
      ),
    ]
  },
  tame: (given) => ({ ...given, scale: 1 }),
  run: ([logits], given) =>
    crossEntropy(logits!, labelsOf(given), { reduction: given.reduction, ignoreIndex: ignoreIndexOf(given) }),
  forward: ([logits], given) => crossEntropyReference(logits!, labelsOf(given), given.reduction, ignoreIndexOf(given)),
  backward: (dy, [logits], given) => [
    crossEntropyBackward(dy, logits!, labelsOf(given), given.reduction, ignoreIndexOf(given)),
  ],
  kinks: false,
  exact: false,
  sums: false,
  homogeneous: [],
  linear: false,
  pytorch: ({ args, shape, integers }) => {
    const [n, classes] = shape('input') as [number, number]
    const labels = integers('target')
    return { n, classes, scale: 1, reduction: args.reduction as Reduction, bytes: false, labels, seed: 0 }
  },
  laws: {
    'rows of the gradient sum to 0': { check: rowsOfTheGradientSumToZero },
    'rows may be shifted': { check: rowsMayBeShifted },
  },
  refused: [
    [
      'a label past the last class',
      [zeros(2, 3)],
      (x) => crossEntropy(x, Int32Array.of(0, 3)),
      RangeError,
      'crossEntropy: label 3 is not a class; logits have 3 classes, 0 to 2',
    ],
    [
      'a negative label',
      [zeros(2, 3)],
      (x) => crossEntropy(x, Int32Array.of(-1, 5)),
      RangeError,
      'crossEntropy: label -1 is not a class; logits have 3 classes, 0 to 2',
    ],
    [
      'a label that is ignored only by default',
      [zeros(2, 3)],
      (x) => crossEntropy(x, Int32Array.of(-100, 0), { ignoreIndex: 0 }),
      RangeError,
      'crossEntropy: label -100 is not a class; logits have 3 classes, 0 to 2',
    ],
    [
      'a label between the one that is ignored and the classes',
      [zeros(3, 3)],
      (x) => crossEntropy(x, Int32Array.of(-100, -1, 0)),
      RangeError,
      'crossEntropy: label -1 is not a class; logits have 3 classes, 0 to 2',
    ],
    [
      'a byte past the last class, one of which is ignored',
      [zeros(2, 3), bytes(2)],
      (x) => crossEntropy(x, Uint8Array.of(255, 3), { ignoreIndex: 255 }),
      RangeError,
      'crossEntropy: label 3 is not a class; logits have 3 classes, 0 to 2',
    ],
    [
      'an ignoreIndex that is no integer',
      [zeros(2, 3)],
      (x) => crossEntropy(x, Int32Array.of(0, 0), { ignoreIndex: 0.5 }),
      RangeError,
      'crossEntropy: ignoreIndex must be a 32-bit whole number, not 0.5',
    ],
    [
      'an ignoreIndex too large for int32',
      [zeros(2, 3)],
      (x) => crossEntropy(x, Int32Array.of(0, 0), { ignoreIndex: 2 ** 31 }),
      RangeError,
      'crossEntropy: ignoreIndex must be a 32-bit whole number, not 2147483648',
    ],
    [
      'a label where there are no classes',
      [zeros(2, 0), bytes(2)],
      (x, target) => crossEntropy(x, target),
      RangeError,
      'crossEntropy: label 0 is not a class; logits have no classes',
    ],
    [
      'logits of integers',
      [integers(2, 3)],
      (x) => crossEntropy(x, Int32Array.of(0, 0)),
      TypeError,
      'crossEntropy: logits must be float32, it is int32',
    ],
    [
      'labels in a plain array',
      [zeros(2, 3)],
      (x) => crossEntropy(x, [0, 1] as never),
      TypeError,
      'crossEntropy: target must be an int32 or uint8 tensor, an Int32Array or a Uint8Array, not an array',
    ],
    [
      'logits of one dimension',
      [zeros(2)],
      (x) => crossEntropy(x, Int32Array.of(0)),
      ShapeError,
      'crossEntropy: logits has 1 dimensions, it must have 2 or more (N C …)\n  logits [2]',
    ],
    [
      'labels of two dimensions',
      [zeros(2, 3), integers(2, 1)],
      (x, target) => crossEntropy(x, target),
      ShapeError,
      'crossEntropy: target has 2 dimensions, it must have 1 (N)\n  target [2, 1]',
    ],
    [
      'more labels than rows',
      [zeros(2, 3)],
      (x) => crossEntropy(x, new Int32Array(12)),
      ShapeError,
      'crossEntropy: target has 12 labels, logits have 2 rows\n  logits [2, 3]  N C\n  target [12]    N',
    ],
    [
      'an unknown reduction',
      [zeros(2, 3)],
      (x) => crossEntropy(x, new Int32Array(2), { reduction: 'median' as 'mean' }),
      TypeError,
      "crossEntropy: reduction must be 'mean', 'sum' or 'none', not 'median'",
    ],
    [
      'an option it does not have',
      [zeros(2, 3)],
      (x) => crossEntropy(x, new Int32Array(2), { smoothing: 0.1 } as object),
      TypeError,
      'crossEntropy: unknown option smoothing; known: reduction, ignoreIndex, weight, labelSmoothing',
    ],
  ],
}
