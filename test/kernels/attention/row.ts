// The row of scaledDotProductAttention in the table of operations.
import fc from 'fast-check'
import { ShapeError, scaledDotProductAttention, scope, type Tensor } from '../../../src/node/index.ts'
import { bytes, integers, type Refs, type Row, random, type Seeded, zeros } from '../../operations/row.ts'
import { mulberry32, seeds } from '../../support/arbitraries.ts'
import { tensor } from '../../support/gpu.ts'
import { sizeOf } from '../../support/ref.ts'
import { attention } from './reference.ts'

/** Queries [...batch, L, E], keys [...of.k, S, E], values [...of.v, S, V]. */
export interface AttentionCase extends Seeded {
  batch: number[]
  /** The batch dimensions of k and v where they are others. */
  other?: number[]
  L: number
  S: number
  E: number
  V: number
  /** The type and the shape of the mask, if there is one. */
  mask?: { dtype: 'uint8' | 'float32'; shape: number[]; data?: ArrayLike<number> }
  isCausal?: boolean
  scale?: number
}

const of = (batch: number[], L: number, S: number, E: number, V: number, more: Partial<AttentionCase> = {}) => {
  return { batch, L, S, E, V, seed: 3, ...more }
}

/** Half of the pairs or more, and one for each query. */
function visible({ S, seed, mask }: AttentionCase): Uint8Array {
  if (mask?.data) return Uint8Array.from(mask.data)
  const draw = mulberry32(seed)
  return Uint8Array.from({ length: sizeOf(mask!.shape) }, (_, i) => {
    const drawn = draw() < 0.6
    return drawn || i % S === Math.floor(i / S) % S ? 1 : 0
  })
}

function optionsOf({ isCausal, scale }: AttentionCase) {
  return { ...(isCausal !== undefined && { isCausal }), ...(scale !== undefined && { scale }) }
}

function reference([q, k, v, mask]: Refs, given: AttentionCase, dy?: Parameters<typeof attention>[4]) {
  const { L, S, E } = given
  const seen = given.mask?.dtype === 'uint8' ? visible(given) : null
  const rank = (given.mask?.shape.length ?? 0) - 2
  const hidden = (place: number) => {
    const [i, j] = [Math.floor(place / S) % L, place % S]
    if (!seen) return false
    // A mask has the two last dimensions, and before them all or none.
    return seen[rank > 0 ? place : i * S + j] === 0
  }
  const scale = given.scale ?? 1 / Math.sqrt(E)
  return attention(q!, k!, v!, { mask: mask ?? null, hidden, causal: given.isCausal ?? false, scale }, dy)
}

const small = fc.integer({ min: 1, max: 4 })
const masks = (batch: number[], L: number, S: number): fc.Arbitrary<Partial<AttentionCase>> =>
  fc.constantFrom<Partial<AttentionCase>>(
    {},
    { isCausal: true },
    { scale: 0.3 },
    { mask: { dtype: 'uint8', shape: [L, S] } },
    { mask: { dtype: 'uint8', shape: [...batch, L, S] } },
    { mask: { dtype: 'float32', shape: [L, S] } },
    { mask: { dtype: 'float32', shape: [...batch.map(() => 1), 1, S] } },
  )

const casesOf = (size: fc.Arbitrary<number>): fc.Arbitrary<AttentionCase> =>
  fc
    .record({
      batch: fc.array(fc.constantFrom(1, 2, 3), { maxLength: 2 }),
      L: size,
      S: size,
      E: small,
      V: small,
      seed: seeds,
    })
    .chain((given) => masks(given.batch, given.L, given.S).map((more) => ({ ...given, ...more })))

const run = (q: Tensor, k: Tensor, v: Tensor) => scaledDotProductAttention(q, k, v)
const NAME = 'scaledDotProductAttention'

export const attentionRow: Row<AttentionCase> = {
  name: NAME,
  roles: ['q', 'k', 'v', 'mask'],
  runs: 10,
  cases: casesOf(fc.constantFrom(0, 1, 3, 4, 7, 9)),
  tiny: casesOf(fc.integer({ min: 1, max: 3 })),
  fixed: {
    'a mask of numbers': of([3, 2], 4, 5, 3, 3, { mask: { dtype: 'float32', shape: [3, 1, 4, 5] } }),
    'one head': of([], 3, 5, 4, 2),
    'batch and heads': of([2, 3], 8, 8, 4, 4),
    causal: of([2, 2], 5, 5, 4, 4, { isCausal: true }),
    'causal, of different lengths': of([2], 3, 6, 4, 3, { isCausal: true }),
    'causal, more queries': of([2], 6, 3, 4, 3, { isCausal: true }),
    'a mask of bytes': of([2, 2], 4, 7, 3, 5, { mask: { dtype: 'uint8', shape: [4, 7] } }),
    'a mask of bytes for each head': of([2, 2], 4, 7, 3, 5, { mask: { dtype: 'uint8', shape: [2, 2, 4, 7] } }),
    'a scale': of([2], 4, 4, 8, 8, { scale: 1.5 }),
    'keys and values shared by the batch': of([3], 4, 5, 4, 4, { other: [] }),
    'long rows': of([1], 5, 130, 8, 3),
    'no queries': of([2], 0, 3, 4, 4),
    'no keys': of([2], 3, 0, 4, 4, { isCausal: true }),
    'no batch': of([0], 3, 3, 4, 4),
  },
  inputs: ({ batch, other = batch, L, S, E, V, mask, seed }, kind) => {
    const shapes = [
      [...batch, L, E],
      [...other, S, E],
      [...other, S, V],
    ]
    return random([...shapes, mask?.dtype === 'float32' ? mask.shape : null], seed, kind)
  },
  run: ([q, k, v, mask], given) =>
    scope(() => {
      const seen = given.mask?.dtype === 'uint8' ? tensor(visible(given), given.mask.shape, { gpu: q!.gpu }) : null
      return scaledDotProductAttention(q!, k!, v!, { ...optionsOf(given), mask: mask ?? seen })
    }),
  forward: (inputs, given) => reference(inputs, given)[0]!,
  backward: (dy, inputs, given) => reference(inputs, given, dy).slice(1),
  kinks: false,
  exact: false,
  sums: false,
  homogeneous: [[2]],
  linear: false,
  pytorch: ({ args, shape, integers }) => {
    const [q, v] = [shape('q'), shape('v')]
    const [L, E] = q.slice(-2) as [number, number]
    const [S, V] = v.slice(-2) as [number, number]
    const {
      mask,
      is_causal = false,
      scale,
    } = args as { mask?: 'uint8' | 'float32'; is_causal?: boolean; scale?: number }
    return of(q.slice(0, -2), L, S, E, V, {
      isCausal: is_causal,
      ...(scale !== undefined && { scale }),
      ...(mask === 'uint8' && { mask: { dtype: mask, shape: args.mask_shape as number[], data: integers('target') } }),
      ...(mask === 'float32' && { mask: { dtype: mask, shape: args.mask_shape as number[] } }),
    })
  },
  laws: {},
  refused: [
    ['integers', [integers(2, 3), zeros(2, 3), zeros(2, 3)], run, TypeError, `${NAME}: q must be float32, it is int32`],
    [
      'a vector',
      [zeros(2, 3), zeros(3), zeros(2, 3)],
      run,
      ShapeError,
      `${NAME}: k must have two dimensions or more\n  q [2, 3]  … L E\n  k [3]     … S E\n  v [2, 3]  … S V`,
    ],
    [
      'vectors of two lengths',
      [zeros(2, 3), zeros(2, 4), zeros(2, 4)],
      run,
      ShapeError,
      `${NAME}: q and k must have vectors of one length, not 3 and 4\n  q [2, 3]  … L E\n  k [2, 4]  … S E\n  v [2, 4]  … S V`,
    ],
    [
      'a value too much',
      [zeros(2, 3), zeros(2, 3), zeros(3, 3)],
      run,
      ShapeError,
      `${NAME}: there must be a value for each key, not 3 for 2\n  q [2, 3]  … L E\n  k [2, 3]  … S E\n  v [3, 3]  … S V`,
    ],
    [
      'batches that do not fit',
      [zeros(2, 2, 3), zeros(2, 2, 3), zeros(3, 2, 3)],
      run,
      ShapeError,
      `${NAME}: the shapes do not broadcast: dimension -3 has sizes 2 and 3\n  q [2, 2, 3]  … L E\n  k [2, 2, 3]  … S E\n  v [3, 2, 3]  … S V\nSizes of a dimension must be equal, or one of them 1.`,
    ],
    [
      'a mask of another shape',
      [zeros(2, 3), zeros(4, 3), zeros(4, 3), bytes(2, 3)],
      (q, k, v, mask) => scaledDotProductAttention(q!, k!, v!, { mask: mask! }),
      ShapeError,
      `${NAME}: the shapes do not broadcast: dimension -1 has sizes 3 and 4\n  mask   [2, 3]\n  scores [2, 4]\nSizes of a dimension must be equal, or one of them 1.`,
    ],
    [
      'a mask of more elements',
      [zeros(2, 3), zeros(4, 3), zeros(4, 3), bytes(5, 2, 4)],
      (q, k, v, mask) => scaledDotProductAttention(q!, k!, v!, { mask: mask! }),
      ShapeError,
      `${NAME}: mask must broadcast to the scores, it has more elements\n  mask   [5, 2, 4]\n  scores [2, 4]`,
    ],
    [
      'a mask of integers',
      [zeros(2, 3), zeros(4, 3), zeros(4, 3), integers(2, 4)],
      (q, k, v, mask) => scaledDotProductAttention(q!, k!, v!, { mask: mask! }),
      TypeError,
      `${NAME}: mask must be uint8 or float32, it is int32`,
    ],
    [
      'a mask beside isCausal',
      [zeros(2, 3), zeros(2, 3), zeros(2, 3), bytes(2, 2)],
      (q, k, v, mask) => scaledDotProductAttention(q!, k!, v!, { mask: mask!, isCausal: true }),
      TypeError,
      `${NAME}: mask and isCausal exclude each other; leave out one of them`,
    ],
    [
      'a probability above 1',
      [zeros(2, 3), zeros(2, 3), zeros(2, 3)],
      (q, k, v) => scaledDotProductAttention(q!, k!, v!, { dropoutP: 2 }),
      RangeError,
      `${NAME}: dropoutP must be a number from 0 to 1, not 2`,
    ],
  ],
}
