// gradcheck: compares the gradients of a function with differences of its values.
import { tensor } from '../tensor/create.ts'
import { requireOptions, shown, tooMany } from '../tensor/options.ts'
import { scope } from '../tensor/scope.ts'
import { formatShape, type Shape } from '../tensor/shape.ts'
import { Tensor } from '../tensor/tensor.ts'
import {
  type Call,
  type Comparison,
  evaluate,
  leavesOf,
  type Problem,
  randomDirections,
  type Value,
  wholeJacobian,
} from './differences.ts'

/** Options of {@link gradcheck}. */
export interface GradcheckOptions {
  /** Each element x is moved by `step · max(1, |x|)` to both sides. Default 1e-2. */
  readonly step?: number
  /** Relative part of the bound. Default 1e-2. */
  readonly rtol?: number
  /** Absolute part of the bound on an entry of the Jacobian; unless given it is derived from float32's rounding. */
  readonly atol?: number
  /**
   * 0: every entry of the Jacobian. Otherwise so many random directions of each input, which is quicker but sees sums of
   * entries only. Default 0 up to 256 elements of inputs and of outputs, else 8.
   */
  readonly directions?: number
  /** Of the random directions. Default 0. */
  readonly seed?: number
}

const LARGEST_JACOBIAN_SIDE = 256
const DEFAULT_DIRECTIONS = 8

/** Where backward and differences disagree most. */
export interface GradcheckMismatch {
  /** Number of the input, and the place in it; null for a random direction. */
  readonly input: number
  readonly element: readonly number[] | null
  /** Number of the output, and the place in it; null where all outputs were summed. */
  readonly output: number | null
  readonly outputElement: readonly number[] | null
  readonly backward: number
  readonly differences: number
  /** The largest difference of the two that is allowed. */
  readonly bound: number
}

/** Backward and differences disagree. The message names the worst element, both values and the bound. */
export class GradcheckError extends Error {
  override readonly name = 'GradcheckError'
  readonly worst: GradcheckMismatch
  constructor(message: string, worst: GradcheckMismatch) {
    super(message)
    this.worst = worst
  }
}

/**
 * Checks the gradients of a function of float32 tensors, as `torch.autograd.gradcheck` does for float64: what backward
 * gives is held to central differences (f(x + h) − f(x − h)) / 2h. `fn` takes as many tensors as there are `inputs` (copies
 * of them) and returns a tensor or several; it must be synchronous and depend on its inputs alone.
 *
 * PyTorch's step of 1e-6 drowns in float32's rounding. Here h is near 1e-2 · max(1, |x|): the error of the method is then
 * h²/6 of the third derivative, and that of rounding, u · |f| / h, about 1e-5. h is taken as float32 rounds it, and
 * differences and sums are made in float64. Allowed is rtol · |difference| + atol, where atol is 16 · 2⁻²⁴ · s / step and s
 * the largest magnitude in the inputs and the output; along a random direction, whose length is one step, atol is that times
 * √n for n elements of output. Keep inputs further than the step from kinks such as that of relu.
 *
 * Returns true. Rejects with GradcheckError for the worst element that is out of bounds; with TypeError for inputs that are
 * no float32 tensors or require no gradient, and for outputs that do not come from them; with Error for an `fn` whose
 * values are not finite, or differ when it is run again. Gradients that tensors hold are left as they are.
 */
export async function gradcheck(
  fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradcheckOptions = {},
): Promise<true> {
  if (arguments.length > 3) throw tooMany(arguments, 'gradcheck(fn, inputs, options)')
  await Promise.resolve() // out of the noGrad or scope that the caller may be in
  checkInputs(fn, inputs)
  checkOptions(options)
  const { gpu } = inputs[0]!
  const call: Call = (values) => {
    const copies = inputs.map(({ shape, name }, i) => tensor(values[i]!, shape, { requiresGrad: true, name, gpu }))
    return { inputs: copies, outputs: checkReturned(fn(...copies)) }
  }
  const at = (await Promise.all(inputs.map((x) => x.data()))) as Float32Array[]
  scope(() => checkConnected(call(at)))
  const outputs = await evaluate(call, at)
  checkFinite(outputs)
  checkRepeats(outputs, await evaluate(call, at))
  const { step = 1e-2, rtol = 1e-2, atol = null, seed = 0 } = options
  const problem: Problem = { gpu, call, at, outputs, step, rtol, atol }
  const largest = Math.max(elements(at), elements(outputs.map(({ data }) => data)))
  const directions = options.directions ?? (largest <= LARGEST_JACOBIAN_SIDE ? 0 : DEFAULT_DIRECTIONS)
  const comparisons = directions === 0 ? wholeJacobian(problem) : randomDirections(problem, directions, seed)
  await judge(comparisons, inputs, outputs)
  return true
}

/** Goes through all comparisons and throws for the worst of those that are out of bounds. */
async function judge(
  comparisons: AsyncIterable<Comparison>,
  inputs: readonly Tensor[],
  outputs: readonly Value[],
): Promise<void> {
  let [count, wrong, excess] = [0, 0, 0]
  let worst: Comparison | null = null
  for await (const comparison of comparisons) {
    count++
    const error = Math.abs(comparison.backward - comparison.differences)
    // NaN and infinities are within no bound, and beyond every other error.
    if (error <= comparison.bound && Number.isFinite(error)) continue
    wrong++
    const times = Number.isFinite(error) ? error / comparison.bound : Number.POSITIVE_INFINITY
    if (worst === null || times > excess) [worst, excess] = [comparison, times]
  }
  if (!worst) return
  const { input, element, output, backward, differences, bound } = worst
  const x = inputs[input]!
  const shape = output && outputs[output[0]]!.shape
  const mismatch: GradcheckMismatch = {
    input,
    element: element === null ? null : placeOf(element, x.shape),
    output: output?.[0] ?? null,
    outputElement: output && placeOf(output[1], shape!),
    backward,
    differences,
    bound,
  }
  const of = output
    ? `output ${output[0]} ${formatShape(shape!)} at ${formatShape(mismatch.outputElement!)}`
    : 'the outputs'
  const by = mismatch.element ? `at ${formatShape(mismatch.element)}` : 'in a random direction'
  throw new GradcheckError(
    `gradcheck: the gradient of ${of} by input ${input}, ${x.label}, ${by} is ${backward} by backward and ` +
      `${differences} by differences; they may differ by at most ${bound}. ${wrong} of ${count} comparisons are out of bounds.`,
    mismatch,
  )
}

function checkInputs(fn: unknown, inputs: readonly Tensor[]): void {
  if (typeof fn !== 'function') throw new TypeError(`gradcheck: fn must be a function, not ${typeof fn}`)
  if (!Array.isArray(inputs) || inputs.length === 0) {
    throw new TypeError('gradcheck: inputs must be an array of at least one tensor')
  }
  for (const [i, x] of (inputs as unknown[]).entries()) {
    if (!(x instanceof Tensor)) throw new TypeError(`gradcheck: input ${i} must be a tensor, not ${typeof x}`)
    x.checkUsable('gradcheck')
    const what = `gradcheck: input ${i}, ${x.label},`
    if (x.dtype !== 'float32') throw new TypeError(`${what} must be float32, it is ${x.dtype}`)
    if (!x.requiresGrad)
      throw new TypeError(`${what} does not require a gradient; let fn use it directly if it needs no check`)
    if (x.size === 0) throw new TypeError(`${what} has no elements to check`)
  }
}

function checkOptions(options: GradcheckOptions): void {
  requireOptions('gradcheck', options, ['step', 'rtol', 'atol', 'directions', 'seed'])
  const finite = (v: number) => Number.isFinite(v) && v >= 0
  const rules: [keyof GradcheckOptions, string, (v: number) => boolean][] = [
    ['step', 'a number above 0', (v) => finite(v) && v > 0],
    ['rtol', 'a number, 0 or more', finite],
    ['atol', 'a number, 0 or more', finite],
    ['directions', 'a whole number, 0 or more', (v) => Number.isSafeInteger(v) && v >= 0],
    ['seed', 'a whole number, 0 or more', (v) => Number.isSafeInteger(v) && v >= 0],
  ]
  for (const [name, what, holds] of rules) {
    const value = options[name]
    if (value !== undefined && !holds(value)) {
      throw new RangeError(`gradcheck: ${name} must be ${what}, not ${shown(value)}`)
    }
  }
}

function checkReturned(returned: unknown): readonly Tensor[] {
  if (returned instanceof Promise) {
    returned.catch(() => undefined)
    throw new TypeError('gradcheck: fn must be synchronous, it returned a promise')
  }
  const outputs: readonly unknown[] = Array.isArray(returned) ? returned : [returned]
  if (outputs.length === 0) throw new TypeError('gradcheck: fn must return at least one tensor')
  for (const [k, out] of outputs.entries()) {
    if (!(out instanceof Tensor)) throw new TypeError(`gradcheck: output ${k} must be a tensor, not ${typeof out}`)
    if (out.dtype !== 'float32') throw new TypeError(`gradcheck: output ${k} must be float32, it is ${out.dtype}`)
  }
  return outputs as readonly Tensor[]
}

/** Each output must have come from the tensors that fn was given. */
function checkConnected({ inputs, outputs }: ReturnType<Call>): void {
  for (const [k, out] of outputs.entries()) {
    if (!out.requiresGrad) {
      throw new TypeError(
        `gradcheck: output ${k}, ${out.label}, does not require a gradient: it was not computed from the inputs`,
      )
    }
    const leaves = leavesOf([out])
    if (!inputs.some((x) => leaves.has(x))) {
      throw new TypeError(`gradcheck: output ${k}, ${out.label}, was not computed from the tensors that fn was given`)
    }
  }
}

function checkFinite(outputs: readonly Value[]): void {
  for (const [k, { data, shape }] of outputs.entries()) {
    const i = data.findIndex((v) => !Number.isFinite(v))
    if (i < 0) continue
    const where = formatShape(placeOf(i, shape))
    throw new Error(`gradcheck: output ${k} at ${where} is ${data[i]}; differences need finite values`)
  }
}

function checkRepeats(first: readonly Value[], second: readonly Value[]): void {
  for (const [k, { data, shape }] of first.entries()) {
    const again = second[k]?.data ?? new Float32Array(0)
    const bits = (x: Float32Array) => new Uint32Array(x.buffer, x.byteOffset, x.length)
    const [before, after] = [bits(data), bits(again)]
    const i = before.findIndex((word, e) => word !== after[e])
    if (i < 0 && data.length === again.length) continue
    const where = i < 0 ? '' : ` at ${formatShape(placeOf(i, shape))} is ${data[i]}, then ${again[i]}`
    throw new Error(`gradcheck: fn gives different values when it is run again: output ${k}${where}`)
  }
}

function elements(arrays: readonly Float32Array[]): number {
  return arrays.reduce((total, { length }) => total + length, 0)
}

/** The indices of an element, one a dimension. */
function placeOf(element: number, shape: Shape): number[] {
  const place: number[] = []
  let rest = element
  for (const size of [...shape].reverse()) {
    place.unshift(rest % size)
    rest = Math.floor(rest / size)
  }
  return place
}
