// The rows of the losses of numbers in the table of operations, from a list of them.
import fc from 'fast-check'
import * as library from '../../../src/node/index.ts'
import { ShapeError, scope, type Tensor, tensor } from '../../../src/node/index.ts'
import { integers, type Refs, type Refusal, type Row, random, type Seeded, zeros } from '../../operations/row.ts'
import { mulberry32, seeds } from '../../support/arbitraries.ts'
import { ref, sizeOf } from '../../support/ref.ts'
import type { Formula, Reduction } from './reference.ts'
import * as reference from './reference.ts'

/** A weight as it is stored: its shape, and its values, which float32 has. */
interface StoredWeight {
  readonly shape: readonly number[]
  readonly data: readonly number[]
}

interface LossCase extends Seeded {
  readonly shape: readonly number[]
  readonly reduction: Reduction
  /** Which of the loss's options: its beta, its delta, whether its target holds logarithms. */
  readonly option: number
  readonly weight: StoredWeight | null
  readonly posWeight: StoredWeight | null
  /** Whether values lie far from where the loss is gentle. */
  readonly wide: boolean
}

type Weights = { readonly weight?: Tensor; readonly posWeight?: Tensor }

interface Traits {
  readonly name: 'mseLoss' | 'l1Loss' | 'smoothL1Loss' | 'huberLoss' | 'bceLoss' | 'bceWithLogitsLoss' | 'klDivLoss'
  readonly formula: (option: number, posWeight: number | null) => Formula
  /** The options of the function beside the reduction and the weights. */
  readonly options?: (option: number) => object
  readonly choices?: readonly number[]
  readonly weights?: readonly ('weight' | 'posWeight')[]
  readonly reductions?: readonly Reduction[]
  /** Where random values are moved to, into what the loss is defined for. */
  readonly domains?: (given: LossCase) => readonly [(v: number) => number, (v: number) => number]
  readonly kinks?: boolean
  readonly refused?: readonly Refusal[]
}

const REDUCTIONS = ['mean', 'sum', 'none'] as const

const of = (shape: readonly number[], more: Partial<LossCase> = {}): LossCase => ({
  shape,
  reduction: 'mean',
  option: 0,
  weight: null,
  posWeight: null,
  wide: true,
  seed: 6,
  ...more,
})

/** Eighths from 1/8 to 2. */
function drawnWeight(shape: readonly number[], seed: number): StoredWeight {
  const next = mulberry32(seed)
  return { shape, data: Array.from({ length: sizeOf(shape) }, () => ((next() % 16) + 1) / 8) }
}

/** Shapes that broadcast to a shape: itself, its last dimension, ones in the place of its sizes. */
const weightOf = (shape: readonly number[], which: number, seed: number): StoredWeight | null =>
  which === 0 ? null : drawnWeight([shape, shape.slice(-1), shape.map(() => 1)][which - 1]!, seed)

function rowOf({
  name,
  formula,
  options = () => ({}),
  choices = [0],
  weights = [],
  reductions = REDUCTIONS,
  domains = () => [(v) => v, (v) => v],
  kinks = false,
  refused = [],
}: Traits): Row<LossCase> {
  const has = (role: 'weight' | 'posWeight') => (weights.includes(role) ? fc.nat({ max: 3 }) : fc.constant(0))
  const cases = (size: fc.Arbitrary<number>, wide: boolean): fc.Arbitrary<LossCase> =>
    fc
      .record({
        shape: fc.array(size, { maxLength: 3 }).filter((shape) => sizeOf(shape) <= 3000),
        reduction: fc.constantFrom(...reductions),
        option: fc.constantFrom(...choices),
        which: fc.tuple(has('weight'), has('posWeight')),
        seed: seeds,
      })
      .map(({ which, ...rest }) => ({
        ...rest,
        weight: weightOf(rest.shape, which[0], rest.seed + 1),
        posWeight: weightOf(rest.shape, which[1], rest.seed + 2),
        wide,
      }))
  // biome-ignore lint/performance/noDynamicNamespaceImportAccess: nothing is bundled here
  const loss = library[name] as (x: Tensor, t: Tensor, options?: object) => Tensor
  const atOf = ({ shape, option, weight, posWeight }: LossCase) => {
    const positive = posWeight && reference.placed(shape, posWeight)
    return reference.formulasAt(weight && reference.placed(shape, weight), (i) =>
      formula(option, positive ? positive(i) : null),
    )
  }
  const two = ([x, t]: Refs) => [x!, t!] as const
  const cure = '\nNothing is broadcast here: reshape or expand one of them.'
  const list = reductions.map((r) => `'${r}'`)
  return {
    name,
    roles: ['input', 'target'],
    runs: 6,
    cases: cases(fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 17, 33), true),
    tiny: cases(fc.integer({ min: 1, max: 3 }), false),
    fixed: {
      'three dimensions, past a thread block': of([5, 5, 41], { option: choices[0]! }),
      ...(weights.length > 0 && {
        'weights of each kind': of([5, 6], {
          option: choices[0]!,
          reduction: 'none',
          weight: drawnWeight([5, 1], 1),
          posWeight: weights.includes('posWeight') ? drawnWeight([6], 2) : null,
        }),
      }),
      nothing: of([3, 0], { option: choices.at(-1)!, reduction: reductions.at(-2)! }),
    },
    inputs: (given, kind) => {
      const moved = domains(given)
      return random([given.shape, given.shape], given.seed, kind).map((x, i) =>
        ref(
          x!.shape,
          x!.data.map((v) => Math.fround(moved[i]!(v))),
        ),
      )
    },
    tame: (given) => ({ ...given, wide: false }),
    run: ([x, t], { reduction, option, ...given }) => {
      // A released operand is refused before weights are made.
      for (const operand of [x!, t!]) operand.checkUsable(name)
      return scope(() => {
        const made: Weights = Object.fromEntries(
          weights.flatMap((role) => {
            const weight = given[role]
            return weight ? [[role, tensor([...weight.data], weight.shape, { gpu: x!.gpu })]] : []
          }),
        )
        return loss(x!, t!, { reduction, ...options(option), ...made })
      })
    },
    forward: (inputs, given) => reference.forward(two(inputs), atOf(given), given.reduction),
    backward: (dy, inputs, given) => reference.backward(dy, two(inputs), atOf(given), given.reduction),
    kinks,
    kinksOfSums: kinks,
    exact: false,
    sums: false,
    homogeneous: [],
    linear: false,
    pytorch: ({ args, shape }) =>
      of(shape('input'), {
        reduction: args.reduction as Reduction,
        option: (args.option as number | undefined) ?? choices[0]!,
        weight: (args.weight as StoredWeight | undefined) ?? null,
        posWeight: (args.posWeight as StoredWeight | undefined) ?? null,
      }),
    laws: {},
    refused: [
      ['integers', [integers(2), zeros(2)], loss, TypeError, `${name}: input must be float32, it is int32`],
      [
        'a target of integers',
        [zeros(2), integers(2)],
        loss,
        TypeError,
        `${name}: target must be float32, it is int32`,
      ],
      [
        'a target that is not a tensor',
        [zeros(2)],
        (x) => loss(x, 1 as never),
        TypeError,
        `${name}: target must be a tensor, not a number`,
      ],
      [
        'shapes that would only broadcast',
        [zeros(3, 1), zeros(3)],
        loss,
        ShapeError,
        `${name}: input and target must have the same shape\n  input  [3, 1]\n  target [3]${cure}`,
      ],
      [
        'more dimensions than broadcasting takes',
        [zeros(1, 1, 1, 1, 1, 1, 1, 1, 1), zeros(1, 1, 1, 1, 1, 1, 1, 1, 1)],
        loss,
        ShapeError,
        `${name}: tensors of 9 dimensions; at most 8 are possible\n  input  [1, 1, 1, 1, 1, 1, 1, 1, 1]\n  target [1, 1, 1, 1, 1, 1, 1, 1, 1]`,
      ],
      [
        'an unknown reduction',
        [zeros(2), zeros(2)],
        (x, t) => loss(x, t, { reduction: 'median' }),
        TypeError,
        `${name}: reduction must be ${list.slice(0, -1).join(', ')} or ${list.at(-1)}, not 'median'`,
      ],
      ...refused,
    ],
  }
}

/** Weights that do not fit. */
const wrongWeights = (name: 'bceLoss' | 'bceWithLogitsLoss', role: 'weight' | 'posWeight'): Refusal[] => {
  // biome-ignore lint/performance/noDynamicNamespaceImportAccess: nothing is bundled here
  const call = library[name] as (x: Tensor, t: Tensor, options: object) => Tensor
  return [
    [
      `a ${role} in an array`,
      [zeros(2), zeros(2)],
      (x, t) => call(x, t, { [role]: [1, 2] }),
      TypeError,
      `${name}: ${role} must be a tensor, not an array`,
    ],
    [
      `a larger ${role}`,
      [zeros(2), zeros(2), zeros(3, 2)],
      (x, t, w) => call(x, t, { [role]: w }),
      ShapeError,
      `${name}: ${role} must broadcast to the input's shape, and is larger\n  input  [2]\n  ${role} [3, 2]`.replace(
        '  input  [2]',
        `  ${'input'.padEnd(role.length)} [2]`,
      ),
    ],
  ]
}

const squashed = (half: number) => (v: number) => 0.5 + (half * v) / (1 + Math.abs(v))

export const lossRows: readonly Row<LossCase>[] = [
  rowOf({ name: 'mseLoss', formula: () => reference.mse }),
  rowOf({ name: 'l1Loss', formula: () => reference.l1, kinks: true }),
  rowOf({
    name: 'smoothL1Loss',
    formula: reference.smoothL1,
    options: (beta) => ({ beta }),
    choices: [0.75, 0.25, 1.25, 0],
    kinks: true,
    refused: [
      [
        'a negative beta',
        [zeros(2), zeros(2)],
        (x, t) => library.smoothL1Loss(x, t, { beta: -1 }),
        RangeError,
        'smoothL1Loss: beta must be a number, 0 or more, not -1',
      ],
      [
        'an option of another loss',
        [zeros(2), zeros(2)],
        (x, t) => library.smoothL1Loss(x, t, { delta: 1 } as object),
        TypeError,
        'smoothL1Loss: unknown option delta; known: reduction, beta',
      ],
    ],
  }),
  rowOf({
    name: 'huberLoss',
    formula: reference.huber,
    options: (delta) => ({ delta }),
    choices: [0.75, 0.25, 1.25],
    kinks: true,
    refused: [
      [
        'a delta of 0',
        [zeros(2), zeros(2)],
        (x, t) => library.huberLoss(x, t, { delta: 0 }),
        RangeError,
        'huberLoss: delta must be a positive number, not 0',
      ],
      [
        'an infinite delta',
        [zeros(2), zeros(2)],
        (x, t) => library.huberLoss(x, t, { delta: Infinity }),
        RangeError,
        'huberLoss: delta must be a positive number, not Infinity',
      ],
    ],
  }),
  rowOf({
    name: 'bceLoss',
    formula: () => reference.bce,
    weights: ['weight'],
    domains: ({ wide }) => [squashed(wide ? 0.49 : 0.1), squashed(0.5)],
    refused: wrongWeights('bceLoss', 'weight'),
  }),
  rowOf({
    name: 'bceWithLogitsLoss',
    formula: (_, posWeight) => reference.bceWithLogits(posWeight),
    weights: ['weight', 'posWeight'],
    domains: ({ wide }) => [(v) => (wide ? 10 * v : v), squashed(0.5)],
    refused: [...wrongWeights('bceWithLogitsLoss', 'weight'), ...wrongWeights('bceWithLogitsLoss', 'posWeight')],
  }),
  rowOf({
    name: 'klDivLoss',
    formula: (logs) => (logs === 1 ? reference.klDivOfLogs : reference.klDiv),
    options: (logs) => ({ logTarget: logs === 1 }),
    choices: [0, 1],
    reductions: ['mean', 'batchmean', 'sum', 'none'],
    domains: ({ option, wide }) => [(v) => v - 2, (v) => (option === 1 ? v - 2 : Math.abs(v) + (wide ? 0.01 : 0.3))],
    refused: [
      [
        'a logTarget that is a number',
        [zeros(2), zeros(2)],
        (x, t) => library.klDivLoss(x, t, { logTarget: 1 as never }),
        TypeError,
        'klDivLoss: logTarget must be true or false, not 1',
      ],
    ],
  }),
]
