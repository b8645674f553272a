// A row of the table of operations: what the generic suites need to know of an operation.
import type fc from 'fast-check'
import { type FillKind, fill } from '../support/arbitraries.ts'
import { type Tensor, tensor } from '../support/gpu.ts'
import { type Pair, type Ref, type Result, ref, sizeOf } from '../support/ref.ts'

/** 'clear': a tenth or more apart and none within 0.05 of 0, so that small steps cross no kink. */
export type Kind = FillKind | 'clear'

/** One value for each differentiable input; null for an optional one that a case leaves out. */
export type Refs = readonly (Ref | null)[]
export type Tensors = readonly (Tensor | null)[]

/** Sizes and options of one use of an operation, and the seed of its values: all that a counterexample needs. */
export interface Seeded {
  readonly seed: number
}

/** What must be refused: at once, with this error, before any memory is asked for. `inputs` are made beforehand. */
export type Refusal = readonly [
  what: string,
  inputs: readonly (() => Tensor)[],
  run: (...inputs: Tensor[]) => unknown,
  error: new (...args: never[]) => Error,
  message: string,
]

/** A law of one operation's own, held on the device's results: output and gradients of one run. */
export interface Law<Given> {
  check(ran: Ran, given: Given, inputs: Refs, again: Again): Promise<void> | void
}

/** The values of an output and of the gradients that were asked for. */
export interface Ran {
  readonly shape: readonly number[]
  readonly out: Float32Array
  readonly gradients: readonly (Float32Array | null)[]
}

/** Runs the same case on other values. */
export type Again = (inputs: Refs) => Promise<Ran>

/** A case of test/reference/ops.safetensors: what PyTorch was given. */
export interface Stored {
  readonly args: Readonly<Record<string, unknown>>
  /** An option of one number, or of height and width. */
  pair(option: string): Pair
  shape(input: string): readonly number[]
  integers(input: string): Int32Array
}

/** All that the generic suites, the soak and the limits' tests need to know of a differentiable operation. */
export interface Row<Given extends Seeded = Seeded> {
  /** The operation's public name, which errors begin with. */
  readonly name: string
  /** How PyTorch's cases call it: its name in snake_case unless given. Rows of one name differ in it. */
  readonly kind?: string
  /** The differentiable inputs, in order. */
  readonly roles: readonly string[]
  /** Random cases of each suite; fewer where a case is dear. */
  readonly runs: number
  readonly cases: fc.Arbitrary<Given>
  /** Cases of few elements, for differences in float64. */
  readonly tiny: fc.Arbitrary<Given>
  /** Edges, sizes at which another path is taken, and shrunk counterexamples, by name. */
  readonly fixed: Readonly<Record<string, Given>>
  inputs(given: Given, kind: Kind): Refs
  /** The same case with values of about 1, where a case has others: beside infinities, float32 may not underflow. */
  tame?(given: Given): Given
  run(inputs: Tensors, given: Given): Tensor
  /** In float64, with the largest error that float32 may make. */
  forward(inputs: Refs, given: Given): Result
  /** Gradients of all inputs; those of inputs left out are not looked at. */
  backward(dy: Ref, inputs: Refs, given: Given): readonly (Result | null)[]
  /** Whether differences need values that are `clear` of kinks. */
  readonly kinks: boolean
  /** Whether kinks lie at sums of its inputs: its `clear` values keep only the small steps of float64 clear of them. */
  readonly kinksOfSums?: boolean
  /** Whether small integers come out exact, forward and backward. */
  readonly exact: boolean
  /** Whether every value is a sum of products, so that the formula over absolute values gives Σ|terms|. */
  readonly sums: boolean
  /** Groups of inputs in which it is homogeneous: f(t·x) = t·f(x) for t > 0, the others held fixed. */
  readonly homogeneous: readonly (readonly number[])[]
  /** Whether it is also additive in each of these groups. */
  readonly linear: boolean
  /** A case that PyTorch's values are stored for, as one of its own; its inputs are stored in the order of `roles`. */
  pytorch?(stored: Stored): Given
  readonly laws: Readonly<Record<string, Law<Given>>>
  readonly refused: readonly Refusal[]
}

/** Values of these shapes; each input has numbers of its own. */
export function random(shapes: readonly (readonly number[] | null)[], seed: number, kind: Kind): Refs {
  return shapes.map((shape, i) => shape && randomRef(shape, seed + i, kind))
}

export function randomRef(shape: readonly number[], seed: number, kind: Kind): Ref {
  const values = fill(sizeOf(shape), seed, kind === 'clear' ? 'normal' : kind)
  if (kind !== 'clear') return ref(shape, values)
  const out = ref(shape)
  const order = Array.from(values.keys()).sort((i, j) => values[i]! - values[j]!)
  order.forEach((place, rank) => {
    out.data[place] = (rank - Math.floor(order.length / 2)) / 10 + 0.05
  })
  return out
}

/** For refusals: a tensor to be made of this shape. */
export const zeros =
  (...shape: number[]) =>
  () =>
    tensor(new Float32Array(sizeOf(shape)), shape)
export const integers =
  (...shape: number[]) =>
  () =>
    tensor(new Int32Array(sizeOf(shape)), shape)
export const bytes =
  (...shape: number[]) =>
  () =>
    tensor(new Uint8Array(sizeOf(shape)), shape)
