// The rows of the functions of one element, from a list of them.
import fc from 'fast-check'
import type { Tensor } from '../../../src/node/index.ts'
import * as library from '../../../src/node/index.ts'
import { bytes, integers, type Row, random, type Seeded } from '../../operations/row.ts'
import { seeds, sizes } from '../../support/arbitraries.ts'
import { ref } from '../../support/ref.ts'
import type { Formula } from './reference.ts'
import * as reference from './reference.ts'

interface UnaryCase extends Seeded {
  shape: number[]
  /** What the values, of about 1, are multiplied with. */
  scale: number
  /** Which of the function's options. */
  variant: number
}

interface Variant {
  readonly run: (x: Tensor) => Tensor
  readonly formula: Formula
}

interface Traits {
  /** Where random values are moved to, into what the function is defined for. */
  readonly domain?: (v: number) => number
  readonly scales?: readonly number[]
  readonly kinks?: boolean
  readonly exact?: boolean
  readonly homogeneous?: boolean
  readonly linear?: boolean
  readonly pytorch?: boolean
}

const of = (shape: number[], more: Partial<UnaryCase> = {}): UnaryCase => ({
  shape,
  scale: 1,
  variant: 0,
  seed: 2,
  ...more,
})

function row(name: string, variants: readonly Variant[], traits: Traits = {}): Row<UnaryCase> {
  const { domain = (v) => v, scales = [1], kinks = false, exact = false } = traits
  const { homogeneous = false, linear = false, pytorch = false } = traits
  const which = fc.nat({ max: variants.length - 1 })
  const call = variants[0]!.run
  return {
    name,
    roles: ['input'],
    runs: 10,
    cases: fc.record({ shape: fc.tuple(sizes, sizes), scale: fc.constantFrom(...scales), variant: which, seed: seeds }),
    tiny: fc.record({
      shape: fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 4 }),
      scale: fc.constant(1),
      variant: which,
      seed: seeds,
    }),
    fixed: {
      'four dimensions, one element past a thread block': of([5, 5, 1, 41], { scale: scales.at(-1)! }),
      nothing: of([3, 0], { variant: variants.length - 1 }),
    },
    inputs: ({ shape, scale, seed }, kind) =>
      random([shape], seed, kind).map((x) => {
        return (
          x &&
          ref(
            x.shape,
            x.data.map((v) => Math.fround(domain(kind === 'smallInts' ? v : scale * v))),
          )
        )
      }),
    tame: (given) => ({ ...given, scale: 1 }),
    run: ([x], { variant }) => variants[variant]!.run(x!),
    forward: ([x], { variant }) => reference.forward(x!, variants[variant]!.formula),
    backward: (dy, [x], { variant }) => [reference.backward(dy, x!, variants[variant]!.formula)],
    kinks,
    exact,
    sums: false,
    homogeneous: homogeneous ? [[0]] : [],
    linear,
    ...(pytorch && { pytorch: ({ shape }) => of([...shape('input')]) }),
    laws: {},
    refused: [
      ['integers', [integers(2)], call, TypeError, `${name}: input must be float32, it is int32`],
      ['bytes', [bytes(2)], call, TypeError, `${name}: input must be float32, it is uint8`],
      ['a number', [], () => call(1 as never), TypeError, `${name}: input must be a tensor, not a number`],
    ],
  }
}

const positive = (v: number) => Math.abs(v) + 0.5
const plain = (name: keyof typeof reference.formulas, traits?: Traits) =>
  // biome-ignore lint/performance/noDynamicNamespaceImportAccess: nothing is bundled here
  row(name, [{ run: library[name], formula: reference.formulas[name] }], traits)

const pieces: Traits = { kinks: true, exact: true, homogeneous: true }

export const unaryRows: readonly Row<UnaryCase>[] = [
  plain('neg', { exact: true, homogeneous: true, linear: true }),
  plain('abs', pieces),
  plain('sign', { kinks: true, exact: true }),
  plain('square', { exact: true }),
  plain('sqrt', { domain: positive }),
  plain('rsqrt', { domain: positive }),
  plain('reciprocal', { domain: (v) => (v < 0 ? v - 0.5 : v + 0.5) }),
  plain('exp', { scales: [1, 20] }),
  plain('expm1', { scales: [1, 0.01, 20] }),
  plain('log', { domain: positive, scales: [1, 1000] }),
  plain('log1p', { domain: (v) => Math.abs(v) - 0.75, scales: [1, 0.01, 1000] }),
  plain('sin', { scales: [1, 1e4] }),
  plain('cos', { scales: [1, 1e4] }),
  plain('tanh', { scales: [1, 0.01, 20] }),
  plain('sigmoid', { scales: [1, 20] }),
  plain('relu', { ...pieces, pytorch: true }),
  plain('silu', { scales: [1, 20] }),
  plain('softplus', { scales: [1, 20] }),
  plain('erf', { scales: [1, 3] }),
  row(
    'leakyRelu',
    [0.01, 0.5, -2].map((s) => ({ run: (x) => library.leakyRelu(x, s), formula: reference.leakyRelu(s) })),
    { kinks: true, homogeneous: true },
  ),
  row(
    'elu',
    [1, 0.3].map((a) => ({ run: (x) => library.elu(x, a), formula: reference.elu(a) })),
    { kinks: true, scales: [1, 20] },
  ),
  row(
    'gelu',
    [
      { run: (x) => library.gelu(x), formula: reference.gelu },
      { run: (x) => library.gelu(x, { approximate: 'tanh' }), formula: reference.geluTanh },
    ],
    { scales: [1, 4] },
  ),
  row(
    'clamp',
    [
      { run: (x) => library.clamp(x, { min: -0.51, max: 0.7 }), formula: reference.clamp(-0.51, 0.7) },
      { run: (x) => library.clamp(x, { min: 0.3 }), formula: reference.clamp(0.3, Infinity) },
      { run: (x) => library.clamp(x, { max: -1 }), formula: reference.clamp(-Infinity, -1) },
    ],
    { kinks: true },
  ),
]
