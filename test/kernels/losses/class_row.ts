// The rows of nllLoss, and of crossEntropy with weights, smoothed labels and probabilities, in the table of operations.
import fc from 'fast-check'
import { crossEntropy, nllLoss, ShapeError, scope, type Tensor, tensor } from '../../../src/node/index.ts'
import { bytes, integers, type Refusal, type Row, random, type Seeded, zeros } from '../../operations/row.ts'
import { mulberry32, seeds } from '../../support/arbitraries.ts'
import { sizeOf } from '../../support/ref.ts'
import * as reference from './class_reference.ts'
import type { Reduction } from './reference.ts'

interface ClassCase extends Seeded {
  /** [N, C, …] */
  readonly shape: readonly number[]
  readonly reduction: Reduction
  readonly weight: readonly number[] | null
  readonly smoothing: number
  /** How many of ten labels are ignored. */
  readonly ignored: number
  readonly ignoreIndex: number
  /** Labels that are not drawn. */
  readonly labels?: ArrayLike<number>
}

const of = (shape: readonly number[], more: Partial<ClassCase> = {}): ClassCase => ({
  shape,
  reduction: 'mean',
  weight: null,
  smoothing: 0,
  ignored: 0,
  ignoreIndex: -100,
  seed: 7,
  ...more,
})

/** Eighths up to 2 for each class, `least` of them at least. */
function drawnWeight(classes: number, seed: number, least = 0): number[] {
  const next = mulberry32(seed)
  return Array.from({ length: classes }, () => (least + (next() % (17 - least))) / 8)
}

const labelShape = ([N, , ...rest]: readonly number[]) => [N!, ...rest]

function labelsOf(given: ClassCase): Int32Array {
  if (given.labels) return Int32Array.from(given.labels)
  const next = mulberry32(given.seed)
  const classes = given.shape[1]!
  return Int32Array.from({ length: sizeOf(labelShape(given.shape)) }, () => {
    const label = next() % classes
    return next() % 10 < given.ignored ? given.ignoreIndex : label
  })
}

const cases = (
  size: fc.Arbitrary<number>,
  smoothings: readonly number[],
  always: boolean,
  least: number,
): fc.Arbitrary<ClassCase> =>
  fc
    .record({
      n: size,
      classes: size.map((n) => Math.max(1, n)),
      rest: fc.array(size, { maxLength: 2 }),
      reduction: fc.constantFrom('mean' as const, 'sum' as const, 'none' as const),
      weighted: always ? fc.constant(true) : fc.boolean(),
      smoothing: fc.constantFrom(...smoothings),
      ignored: fc.constantFrom(0, 3, 10),
      ignoreIndex: fc.constantFrom(-100, 0),
      seed: seeds,
    })
    .filter(({ n, classes, rest }) => n * classes * sizeOf(rest) <= 3000)
    .map(({ n, classes, rest, weighted, ...given }) => ({
      ...given,
      shape: [n, classes, ...rest],
      weight: weighted ? drawnWeight(classes, given.seed + 1, least) : null,
    }))

interface Traits {
  readonly kind: string
  readonly name: 'nllLoss' | 'crossEntropy'
  readonly roles: readonly string[]
  readonly smoothings: readonly number[]
  readonly weighted?: boolean
  readonly fixed: Readonly<Record<string, ClassCase>>
  readonly loss: (inputs: readonly Tensor[], given: ClassCase, options: object) => Tensor
  readonly forward: Row<ClassCase>['forward']
  readonly backward: Row<ClassCase>['backward']
  readonly refused: readonly Refusal[]
}

function rowOf({ kind, name, roles, smoothings, weighted = false, fixed, loss, ...rest }: Traits): Row<ClassCase> {
  return {
    kind,
    name,
    roles,
    runs: 6,
    cases: cases(fc.constantFrom(0, 1, 2, 3, 5, 8, 17, 70), smoothings, weighted, 0),
    // The mean of no labels is NaN.
    tiny: cases(fc.integer({ min: 1, max: 3 }), smoothings, weighted, 1).filter((given) =>
      labelsOf(given).some((label) => label !== given.ignoreIndex),
    ),
    fixed,
    inputs: ({ shape, seed }, of) =>
      random(
        roles.map(() => shape),
        seed,
        of,
      ),
    run: (inputs, given) => {
      // A released operand is refused before weights and labels are made.
      for (const operand of inputs) operand!.checkUsable(name)
      const { reduction, weight, smoothing } = given
      const { gpu } = inputs[0]!
      return scope(() =>
        loss(
          inputs.map((x) => x!),
          given,
          {
            reduction,
            ...(weight && { weight: tensor([...weight], [weight.length], { gpu }) }),
            ...(smoothing > 0 && { labelSmoothing: smoothing }),
          },
        ),
      )
    },
    kinks: false,
    exact: false,
    sums: false,
    homogeneous: [],
    linear: false,
    pytorch: ({ args, shape, integers: labels }) =>
      of(shape('input'), {
        reduction: args.reduction as Reduction,
        weight: (args.weight as number[] | undefined) ?? null,
        smoothing: (args.smoothing as number | undefined) ?? 0,
        ignoreIndex: (args.ignoreIndex as number | undefined) ?? -100,
        ...(args.soft === true ? {} : { labels: labels('target') }),
      }),
    laws: {},
    ...rest,
  }
}

const optionsOf = (logs: boolean, { shape, reduction, weight, smoothing }: ClassCase) => {
  return { shape, reduction, weight, smoothing, logs }
}

/** Labels as a tensor, and what the row's reference says. */
const labelled = (logs: boolean) => ({
  forward: (([x], given) =>
    reference.forward(
      x!,
      labelsOf(given),
      given.ignoreIndex,
      optionsOf(logs, given),
    )) satisfies Row<ClassCase>['forward'],
  backward: ((dy, [x], given) => [
    reference.backward(dy, x!, labelsOf(given), given.ignoreIndex, optionsOf(logs, given)),
  ]) satisfies Row<ClassCase>['backward'],
})

const labelTensor = (x: Tensor, given: ClassCase) => tensor(labelsOf(given), labelShape(given.shape), { gpu: x.gpu })

const fixedOf = (smoothing: number) => ({
  'weights, some labels ignored': of([70, 5], { weight: drawnWeight(5, 3), ignored: 3, smoothing }),
  'images of labels': of([3, 4, 5, 7], { ignored: 3, ignoreIndex: 2, smoothing, weight: [1, 0.5, 2, 1.5] }),
  'many classes, some labels ignored': of([9, 20], {
    ignored: 3,
    ignoreIndex: 0,
    smoothing,
    weight: drawnWeight(20, 4),
  }),
  'all ignored': of([4, 3], { ignored: 10, weight: [1, 2, 0.5], smoothing }),
  'no rows': of([0, 3], { weight: [1, 2, 0.5], smoothing, reduction: 'none' }),
})

const nllRow = rowOf({
  kind: 'nll_loss',
  name: 'nllLoss',
  roles: ['input'],
  smoothings: [0],
  fixed: fixedOf(0),
  loss: ([x], given, options) => nllLoss(x!, labelTensor(x!, given), { ...options, ignoreIndex: given.ignoreIndex }),
  ...labelled(true),
  refused: [
    [
      'a label past the last class',
      [zeros(2, 3)],
      (x) => nllLoss(x, Int32Array.of(0, 3)),
      RangeError,
      'nllLoss: label 3 is not a class; input has 3 classes, 0 to 2',
    ],
    [
      'an input of one dimension',
      [zeros(2)],
      (x) => nllLoss(x, Int32Array.of(0)),
      ShapeError,
      'nllLoss: input has 1 dimensions, it must have 2 or more (N C …)\n  input [2]',
    ],
    [
      'labels of another shape',
      [zeros(2, 3, 4), integers(2, 3)],
      (x, t) => nllLoss(x, t),
      ShapeError,
      'nllLoss: target must have the sizes of input without the classes\n  input  [2, 3, 4]  N C …\n  target [2, 3]     N …',
    ],
    [
      'more labels than rows',
      [zeros(2, 3)],
      (x) => nllLoss(x, new Int32Array(5)),
      ShapeError,
      'nllLoss: target has 5 labels, input has 2 rows\n  input  [2, 3]  N C\n  target [5]     N',
    ],
    [
      'probabilities',
      [zeros(2, 3), zeros(2, 3)],
      (x, t) => nllLoss(x, t),
      TypeError,
      'nllLoss: target must be int32 or uint8, it is float32',
    ],
    [
      'an option of crossEntropy',
      [zeros(2, 3), bytes(2)],
      (x, t) => nllLoss(x, t, { labelSmoothing: 0.1 } as object),
      TypeError,
      'nllLoss: unknown option labelSmoothing; known: reduction, ignoreIndex, weight',
    ],
  ],
})

const labelledRow = rowOf({
  kind: 'cross_entropy_labels',
  name: 'crossEntropy',
  roles: ['logits'],
  smoothings: [0, 0.125],
  // Without any of both it is the fused operation, which has a row of its own.
  weighted: true,
  fixed: fixedOf(0.25),
  loss: ([x], given, options) =>
    crossEntropy(x!, labelTensor(x!, given), { ...options, ignoreIndex: given.ignoreIndex }),
  ...labelled(false),
  refused: [
    [
      'weights of other classes',
      [zeros(2, 3), bytes(2), zeros(2)],
      (x, t, weight) => crossEntropy(x, t, { weight }),
      ShapeError,
      'crossEntropy: weight must have one value for each of the 3 classes\n  logits [2, 3]\n  weight [2]',
    ],
    [
      'weights of integers',
      [zeros(2, 3), bytes(2), integers(3)],
      (x, t, weight) => crossEntropy(x, t, { weight }),
      TypeError,
      'crossEntropy: weight must be float32, it is int32',
    ],
    [
      'more smoothing than all',
      [zeros(2, 3), bytes(2)],
      (x, t) => crossEntropy(x, t, { labelSmoothing: 1.5 }),
      RangeError,
      'crossEntropy: labelSmoothing must be a number from 0 to 1, not 1.5',
    ],
  ],
})

const softRow = rowOf({
  kind: 'cross_entropy_probabilities',
  name: 'crossEntropy',
  roles: ['logits', 'target'],
  smoothings: [0, 0.125],
  fixed: {
    'weights and smoothing': of([33, 5], { weight: [1, 0.5, 2, 0, 1.5], smoothing: 0.25 }),
    images: of([2, 3, 4, 5], { reduction: 'none' }),
    'no rows': of([0, 3]),
  },
  loss: ([x, t], _, options) => crossEntropy(x!, t!, options),
  forward: ([x, t], given) => reference.softForward(x!, t!, optionsOf(false, given)),
  backward: (dy, [x, t], given) => reference.softBackward(dy, x!, t!, optionsOf(false, given)),
  refused: [
    [
      'probabilities of another shape',
      [zeros(2, 3), zeros(2)],
      (x, t) => crossEntropy(x, t),
      ShapeError,
      "crossEntropy: a float32 target holds probabilities and must have the logits' shape\n  logits [2, 3]\n  target [2]\nLabels are int32 or uint8.",
    ],
    [
      'a class to ignore among probabilities',
      [zeros(2, 3), zeros(2, 3)],
      (x, t) => crossEntropy(x, t, { ignoreIndex: 0 }),
      RangeError,
      'crossEntropy: ignoreIndex 0 has no meaning for a target of probabilities',
    ],
  ],
})

export const classLossRows: readonly Row<ClassCase>[] = [nllRow, labelledRow, softRow]
