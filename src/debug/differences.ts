// The two sides that gradcheck compares: gradients by backward, and by central differences. Sums are made in float64.
import type { Gpu } from '../gpu/gpu.ts'
import type { TapeNode } from '../tensor/autograd.ts'
import { tensor } from '../tensor/create.ts'
import { noGrad } from '../tensor/modes.ts'
import { Stream } from '../tensor/random.ts'
import { scope } from '../tensor/scope.ts'
import type { Shape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** Evaluations on their way at a time. */
const CHUNK = 32
/** What a value of the function may be off, relative to the largest number at hand: 16 roundings. */
const VALUE_ERROR = 16 * 2 ** -24

/** The function at the given values of its inputs: fresh leaves for them, and what it returns. Made inside a scope. */
export type Call = (values: readonly Float32Array[]) => { inputs: readonly Tensor[]; outputs: readonly Tensor[] }

export interface Value {
  readonly shape: Shape
  readonly data: Float32Array
}

export interface Problem {
  readonly gpu: Gpu
  readonly call: Call
  /** Values of the inputs, and of the outputs there. */
  readonly at: readonly Float32Array[]
  readonly outputs: readonly Value[]
  readonly step: number
  readonly rtol: number
  /** null: derived from float32's rounding. */
  readonly atol: number | null
}

/** What one comparison came to. `element` counts the input's elements; null for a random direction of it. */
export interface Comparison {
  readonly input: number
  readonly element: number | null
  /** The output and its element; null where all outputs were summed with random signs. */
  readonly output: readonly [number, number] | null
  readonly backward: number
  readonly differences: number
  readonly bound: number
}

/** The outputs at these values of the inputs. Nothing of it stays on the device. */
export async function evaluate(call: Call, values: readonly Float32Array[]): Promise<Value[]> {
  // Detached: of what the function returns some may belong to others.
  const outputs = noGrad(() => scope(() => call(values).outputs.map((out) => out.detach())))
  try {
    const data = await Promise.all(outputs.map((out) => out.data()))
    return outputs.map(({ shape }, k) => ({ shape, data: data[k] as Float32Array }))
  } finally {
    for (const out of outputs) out.dispose()
  }
}

/** Gradients of every input for each of `weights`, one array per output: of Σ weight · output. Zeros for an input without a gradient. */
async function backwardOf(
  { call, at, gpu }: Problem,
  weights: readonly (readonly (Float32Array | null)[])[],
): Promise<Float32Array[][]> {
  const rows = scope(() => {
    const { inputs, outputs } = call(at)
    return sparing(outputs, inputs, () =>
      weights.map((weight) => {
        outputs.forEach((out, k) => {
          const data = weight[k]
          if (data) out.backward(tensor(data, out.shape, { gpu }), { retainGraph: true })
        })
        return inputs.map((x) => {
          const { grad } = x
          x.grad = null
          return grad
        })
      }),
    )
  })
  try {
    const read = async (grad: Tensor | null, i: number) =>
      grad ? ((await grad.data()) as Float32Array) : new Float32Array(at[i]!.length)
    return await Promise.all(rows.map((row) => Promise.all(row.map(read))))
  } finally {
    for (const grad of rows.flat()) grad?.dispose()
  }
}

/** Runs `fn`, whose backwards may reach leaves that are not in `own`; their gradients stay as they were. */
function sparing<T>(outputs: readonly Tensor[], own: readonly Tensor[], fn: () => T): T {
  const held = [...leavesOf(outputs)].filter((leaf) => !own.includes(leaf)).map((leaf) => [leaf, leaf.grad] as const)
  for (const [leaf] of held) leaf.grad = null
  try {
    return fn()
  } finally {
    for (const [leaf, before] of held) {
      leaf.grad?.release('gradcheck made it')
      leaf.grad = before
    }
  }
}

/** The leaves that require gradients and that these tensors were computed from. */
export function leavesOf(outputs: readonly Tensor[]): Set<Tensor> {
  const leaves = new Set<Tensor>()
  const seen = new Set<TapeNode>()
  const queue: TapeNode[] = []
  const visit = (node: TapeNode) => {
    if (!seen.has(node)) queue.push(node)
    seen.add(node)
  }
  for (const out of outputs) {
    if (out.node) visit(out.node)
    else if (out.requiresGrad) leaves.add(out)
  }
  for (let node = queue.pop(); node; node = queue.pop()) {
    for (const edge of node.edges) {
      if (edge && 'leaf' in edge) leaves.add(edge.leaf)
      else if (edge) visit(edge.node)
    }
  }
  return leaves
}

/** Two points to both sides of `at` along a direction of input `i`, as float32 rounds them, and what comes out there. */
interface Sides {
  readonly above: Float32Array
  readonly below: Float32Array
  readonly outAbove: readonly Value[]
  readonly outBelow: readonly Value[]
}

async function bothSides({ call, at }: Problem, i: number, move: (j: number) => number): Promise<Sides> {
  const above = at[i]!.map((x, j) => x + move(j))
  const below = at[i]!.map((x, j) => x - move(j))
  const replaced = (values: Float32Array) => at.map((data, k) => (k === i ? values : data))
  const [outAbove, outBelow] = await Promise.all([evaluate(call, replaced(above)), evaluate(call, replaced(below))])
  return { above, below, outAbove, outBelow }
}

/** The largest magnitude in the inputs and one output: what roundings on the way to that output are relative to. */
function scaleOf({ at, outputs }: Problem, k: number): number {
  const largest = (data: Float32Array) => data.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
  return Math.max(largest(outputs[k]!.data), ...at.map(largest))
}

function stepOf({ step }: Problem, x: number): number {
  return step * Math.max(1, Math.abs(x))
}

/** Every entry of the Jacobian. */
export async function* wholeJacobian(problem: Problem): AsyncGenerator<Comparison> {
  const { at, outputs, rtol, atol, step } = problem
  const places = outputs.flatMap(({ data }, k) => Array.from(data, (_, e) => [k, e] as const))
  const oneHot = ([k, e]: readonly [number, number]) =>
    outputs.map(({ data }, other) => (other === k ? data.map((_, j) => (j === e ? 1 : 0)) : null))
  const rows = await backwardOf(problem, places.map(oneHot))
  const absolute = outputs.map((_, k) => atol ?? (VALUE_ERROR * scaleOf(problem, k)) / step)
  for (const [input, data] of at.entries()) {
    for (let from = 0; from < data.length; from += CHUNK) {
      const elements = Array.from({ length: Math.min(CHUNK, data.length - from) }, (_, i) => from + i)
      const sides = await Promise.all(
        elements.map((element) =>
          bothSides(problem, input, (j) => (j === element ? stepOf(problem, data[element]!) : 0)),
        ),
      )
      for (const [i, { above, below, outAbove, outBelow }] of sides.entries()) {
        const element = elements[i]!
        const width = above[element]! - below[element]!
        for (const [row, output] of places.entries()) {
          const [k, e] = output
          const differences = (outAbove[k]!.data[e]! - outBelow[k]!.data[e]!) / width
          const bound = rtol * Math.abs(differences) + absolute[k]!
          yield { input, element, output, backward: rows[row]![input]![element]!, differences, bound }
        }
      }
    }
  }
}

/**
 * Random directions of each input: moves of random sign in every element, together as long as one step, against the sum
 * of all outputs with random signs. What is compared is how much that sum changes, over the step.
 */
export async function* randomDirections(problem: Problem, count: number, seed: number): AsyncGenerator<Comparison> {
  const { at, outputs, rtol, atol, step } = problem
  const random = new Stream(seed, 'noise')
  const signs = (n: number) => Float32Array.from({ length: n }, () => (random.nextUint32() & 1 ? 1 : -1))
  const weights = Array.from({ length: count }, () => outputs.map(({ data }) => signs(data.length)))
  for (const weight of weights) {
    const [gradients] = await backwardOf(problem, [weight])
    for (const [input, data] of at.entries()) {
      const direction = signs(data.length)
      const length = Math.sqrt(data.length)
      const sides = await bothSides(problem, input, (j) => (direction[j]! * stepOf(problem, data[j]!)) / length)
      const { above, below, outAbove, outBelow } = sides
      let [backward, differences, noise] = [0, 0, 0]
      for (const [j, g] of gradients![input]!.entries()) backward += (g * (above[j]! - below[j]!)) / (2 * step)
      for (const [k, w] of weight.entries()) {
        for (const [e, sign] of w.entries()) {
          differences += (sign * (outAbove[k]!.data[e]! - outBelow[k]!.data[e]!)) / (2 * step)
        }
        // Roundings are as random as the signs: of n values they add up to √n of one.
        noise += Math.sqrt(w.length) * (atol ?? (VALUE_ERROR * scaleOf(problem, k)) / step)
      }
      const bound = rtol * Math.abs(differences) + noise
      yield { input, element: null, output: null, backward, differences, bound }
    }
  }
}
