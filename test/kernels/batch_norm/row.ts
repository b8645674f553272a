// The row of batchNorm in the table of operations.
import fc from 'fast-check'
import { type BatchNormOptions, batchNorm, ShapeError, scope, type Tensor } from '../../../src/node/index.ts'
import { integers, type Refusal, type Row, random, randomRef, type Seeded, zeros } from '../../operations/row.ts'
import { seeds, sizes } from '../../support/arbitraries.ts'
import { tensorOf } from '../../support/check.ts'
import { type Ref, sizeOf } from '../../support/ref.ts'
import { batchNormBackward, batchNorm as batchNormReference } from './reference.ts'

interface BatchNormCase extends Seeded {
  shape: number[]
  training: boolean
  eps: number
  weight: boolean
  bias: boolean
}

const of = (shape: number[], given: Partial<BatchNormCase> = {}): BatchNormCase => {
  return { shape, training: true, eps: 1e-5, weight: true, bias: true, seed: 3, ...given }
}

/** Shapes of 2 to 4 dimensions, up to 10,000 elements, with no value in a channel or at least two. */
const shapes = fc
  .record({ n: sizes, c: sizes, rest: fc.array(fc.constantFrom(0, 1, 2, 3, 5, 9), { maxLength: 2 }) })
  .map(({ n, c, rest }) => [n, c, ...rest])
  .filter((shape) => sizeOf(shape) <= 10_000 && shape[0]! * sizeOf(shape.slice(2)) !== 1)

const flags = { training: fc.boolean(), weight: fc.boolean(), bias: fc.boolean(), seed: seeds }

/** The running statistics of a case that is not training: variances from 0.25 up. */
function running({ shape, seed }: BatchNormCase): { mean: Ref; variance: Ref } {
  const mean = randomRef([shape[1]!], seed + 50, 'normal')
  const variance = randomRef([shape[1]!], seed + 51, 'normal')
  variance.data = variance.data.map((v) => Math.fround(v * v + 0.25))
  return { mean, variance }
}

const optionsOf = (given: BatchNormCase) => ({
  eps: Math.fround(given.eps),
  ...(!given.training && { running: running(given) }),
})

const refusedOption = (what: string, options: BatchNormOptions, error: Refusal[3], message: string): Refusal => {
  return [what, [zeros(2, 3)], (x) => batchNorm(x, { training: true, ...options }), error, message]
}

const trained = (x: Tensor, options: BatchNormOptions = {}) => batchNorm(x, { training: true, ...options })

export const batchNormRow: Row<BatchNormCase> = {
  name: 'batchNorm',
  roles: ['input', 'weight', 'bias'],
  runs: 60,
  cases: fc.record({ shape: shapes, eps: fc.constantFrom(1e-5, 1e-3, 0.5), ...flags }),
  tiny: fc.record({
    shape: fc.constantFrom([4, 2], [3, 1, 4], [2, 2, 2, 3], [5, 1]),
    eps: fc.constantFrom(0.1, 0.5),
    ...flags,
  }),
  fixed: {
    'two rows of one channel': of([2, 1]),
    'two dimensions, three blocks of rows': of([65, 7]),
    'three dimensions': of([2, 3, 5]),
    'one image': of([1, 3, 4, 5]),
    'four dimensions, two blocks': of([33, 2, 3, 4]),
    'rows as long as a block has lanes': of([3, 2, 64]),
    'rows longer than that': of([5, 3, 9, 15]),
    'more channels than one workgroup finishes at once': of([2, 257, 2]),
    'no weight, no bias': of([4, 3, 2, 2], { weight: false, bias: false }),
    'a weight alone': of([4, 3, 2, 2], { bias: false }),
    'a bias alone': of([4, 3, 2, 2], { weight: false }),
    'running statistics': of([33, 5, 3, 3], { training: false }),
    'running statistics, one value': of([1, 3], { training: false }),
    'running statistics, no weight': of([4, 3, 2], { training: false, weight: false, bias: false }),
    'no rows': of([0, 4]),
    'no rows, running statistics': of([0, 4], { training: false }),
    'no channels': of([4, 0]),
    'nothing in a channel': of([4, 3, 0]),
  },
  inputs: ({ shape, weight, bias, seed }, kind) => {
    const channels = [shape[1]!]
    return random([shape, weight ? channels : null, bias ? channels : null], seed, kind)
  },
  run: ([x, weight, bias], given) =>
    scope(() => {
      const { eps, training } = given
      if (training) return batchNorm(x!, { weight: weight!, bias: bias!, training, eps })
      const { mean, variance } = running(given)
      const [runningMean, runningVar] = [mean, variance].map((r) => tensorOf(r, x!.gpu)) as [Tensor, Tensor]
      return batchNorm(x!, { weight: weight!, bias: bias!, runningMean, runningVar, eps })
    }),
  forward: ([x, weight, bias], given) => batchNormReference(x!, weight!, bias!, optionsOf(given)),
  backward: (dy, [x, weight], given) => {
    const gradients = batchNormBackward(dy, x!, weight!, optionsOf(given))
    return [gradients.input, gradients.weight, gradients.bias]
  },
  kinks: true,
  exact: false,
  sums: false,
  homogeneous: [],
  linear: false,
  laws: {},
  refused: [
    ['integers', [integers(2, 3)], (x) => trained(x), TypeError, 'batchNorm: input must be float32, it is int32'],
    [
      'one dimension',
      [zeros(3)],
      (x) => trained(x),
      ShapeError,
      'batchNorm: input has 1 dimensions, 2 or more are needed (N C …)\n  input [3]',
    ],
    [
      'a weight for each row',
      [zeros(2, 3, 4), zeros(2)],
      (x, weight) => trained(x, { weight }),
      ShapeError,
      "batchNorm: weight must have one value for each of the input's 3 channels\n  input  [2, 3, 4]  N C H\n  weight [2]",
    ],
    [
      'a bias of integers',
      [zeros(2, 3), integers(3)],
      (x, bias) => trained(x, { bias }),
      TypeError,
      'batchNorm: bias must be float32, it is int32',
    ],
    [
      'a running mean for other channels',
      [zeros(2, 3), zeros(4), zeros(4)],
      (x, runningMean, runningVar) => batchNorm(x, { runningMean, runningVar }),
      ShapeError,
      "batchNorm: runningMean must have one value for each of the input's 3 channels\n  input       [2, 3]  N C\n  runningMean [4]",
    ],
    [
      'a running mean without a variance',
      [zeros(2, 3), zeros(3)],
      (x, runningMean) => trained(x, { runningMean }),
      TypeError,
      'batchNorm: runningMean and runningVar are given together or not at all',
    ],
    [
      'no statistics at all',
      [zeros(2, 3)],
      (x) => batchNorm(x),
      TypeError,
      'batchNorm: without training runningMean and runningVar must be given',
    ],
    [
      'a count of two numbers',
      [zeros(2, 3), zeros(3), zeros(3), integers(2)],
      (x, runningMean, runningVar, numBatchesTracked) => trained(x, { runningMean, runningVar, numBatchesTracked }),
      ShapeError,
      'batchNorm: numBatchesTracked must be one number\n  numBatchesTracked [2]',
    ],
    [
      'a count in float32',
      [zeros(2, 3), zeros(3), zeros(3), zeros()],
      (x, runningMean, runningVar, numBatchesTracked) => trained(x, { runningMean, runningVar, numBatchesTracked }),
      TypeError,
      'batchNorm: numBatchesTracked must be int32, it is float32',
    ],
    [
      'the average of all batches without their count',
      [zeros(2, 3), zeros(3), zeros(3)],
      (x, runningMean, runningVar) => trained(x, { runningMean, runningVar, momentum: null }),
      TypeError,
      'batchNorm: with momentum null numBatchesTracked must be given, which counts the batches',
    ],
    [
      'a running mean that requires a gradient',
      [zeros(2, 3), zeros(3), zeros(3)],
      (x, runningMean, runningVar) => {
        runningMean.requiresGrad = true
        return trained(x, { runningMean, runningVar })
      },
      TypeError,
      'batchNorm: runningMean requires a gradient, and gets none',
    ],
    [
      'one value a channel in training',
      [zeros(1, 3, 1, 1)],
      (x) => trained(x),
      ShapeError,
      'batchNorm: in training every channel needs more than one value; the input has one\n  input [1, 3, 1, 1]  N C H W\n' +
        'Take larger batches, or net.eval() to use the running ones.',
    ],
    [
      'what is not a tensor',
      [zeros(2, 3)],
      (x) => trained(x, { weight: [1, 2, 3] as never }),
      TypeError,
      'batchNorm: weight must be a tensor, not an array',
    ],
    refusedOption(
      'a mode that is neither',
      { training: 1 as never },
      TypeError,
      'batchNorm: training must be true or false, not 1',
    ),
    refusedOption(
      'a momentum that is not a number',
      { momentum: Number.NaN },
      RangeError,
      'batchNorm: momentum must be a number, or null for the average of all batches, not NaN',
    ),
    refusedOption('a negative eps', { eps: -1 }, RangeError, 'batchNorm: eps must be a number, 0 or more, not -1'),
    refusedOption(
      'an option it does not have',
      { affine: true } as BatchNormOptions,
      TypeError,
      'batchNorm: unknown option affine; known: runningMean, runningVar, numBatchesTracked, weight, bias, training, momentum, eps',
    ),
  ],
}
