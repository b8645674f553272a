// What all benchmarks share in measuring: cases, random inputs, and checks against float64.
import type { Gpu } from '../src/gpu/gpu.ts'
import { tensor } from '../src/tensor/create.ts'
import { noGrad } from '../src/tensor/modes.ts'
import { Stream } from '../src/tensor/random.ts'
import { scope } from '../src/tensor/scope.ts'
import { type Shape, sizeOf } from '../src/tensor/shape.ts'
import type { Tensor } from '../src/tensor/tensor.ts'

/** A case at a shape, with its data on the device. */
export interface Prepared {
  /** Records the dispatches of one execution, and waits for nothing. */
  run(): void
  /** Executes once and compares with the processor. Throws an Error that names the element that is wrong. */
  verify(): Promise<void>
  /** Arithmetic of one execution; a comparison and an exponential count as one each. */
  readonly flops: number
  /** The least bytes one execution moves: each input read once, each output written once. */
  readonly bytes: number
  dispose(): void
}

/** One row of the table. */
export interface Case {
  readonly name: string
  readonly direction: 'forward' | 'backward'
  readonly shape: string
  /** 'lenet': a shape of LeNet's step at batch 256. */
  readonly set: 'lenet' | 'large'
  prepare(gpu: Gpu): Prepared
}

/** What an element must be, and how far from it a correct float32 computation may end. */
export interface Expected {
  readonly value: number
  readonly bound: number
}

/** The elements that a result must have. `cost` is the number of terms behind one: expensive ones are checked less often. */
export interface Elements {
  readonly cost: number
  at(index: number): Expected
}

const UNIT_ROUNDOFF = 2 ** -24
/** WGSL lets a device replace anything smaller by zero. */
const SMALLEST_NORMAL = 2 ** -126
/** Terms that one verification adds up, and the most elements it looks at. */
const MAX_TERMS = 2 ** 23
const MAX_ELEMENTS = 2000

/** A value that is off by at most `roundings` unit roundoffs of `scale`. */
export function within(value: number, roundings: number, scale = Math.abs(value)): Expected {
  return { value, bound: roundings * UNIT_ROUNDOFF * scale + SMALLEST_NORMAL }
}

export const exactly = (value: number): Expected => ({ value, bound: 0 })

/**
 * Adds in float64 what the device adds in float32, in whatever order. For independent terms around zero, as they are
 * here, a partial sum of k of n terms is near √(k/n · Σt²), and its rounding error at most a unit roundoff u of that; n
 * such errors of either sign come to about u √(n/2) √(Σt²). The bound is eight times that, and eight roundings of the
 * terms themselves: rigorous bounds grow with n and would hide a missing term in sums of 100,000.
 */
export class Sum {
  #value = 0
  #squares = 0
  #terms = 0

  add(term: number): void {
    this.#value += term
    this.#squares += term * term
    this.#terms++
  }

  expected(): Expected {
    return within(this.#value, 8 * (Math.sqrt(this.#terms / 2) + 1), Math.sqrt(this.#squares))
  }
}

/** Compares a tensor with what its elements must be: all of them, or a random sample with the first and the last. */
export async function check(what: string, actual: Tensor | null, { cost, at }: Elements): Promise<void> {
  if (!actual) throw new Error(`${what}: there is no result`)
  const data = await actual.data()
  const wanted = Math.max(16, Math.min(MAX_ELEMENTS, Math.floor(MAX_TERMS / cost)))
  for (const i of sample(data.length, wanted)) {
    const { value, bound } = at(i)
    // Written so that NaN fails.
    if (Math.abs(data[i]! - value) <= bound) continue
    throw new Error(`${what}: element ${i} of ${data.length} is ${data[i]}, it must be ${value} ± ${bound}`)
  }
}

function sample(size: number, wanted: number): number[] {
  if (size <= wanted) return Array.from({ length: size }, (_, i) => i)
  const stream = new Stream(size, 'shuffle')
  return [0, size - 1, ...Array.from({ length: wanted - 2 }, () => stream.below(size))]
}

/** Random numbers from -1 to 1, around zero; different for each seed. */
export function randomValues(size: number, seed: number): Float32Array<ArrayBuffer> {
  const stream = new Stream(seed, 'noise')
  const values = new Float32Array(size)
  for (let i = 0; i < size; i++) values[i] = (stream.nextUint32() >>> 8) * 2 ** -23 - 1
  return values
}

/** Random integers from 0 to `below` - 1. */
export function randomIntegers(size: number, below: number, seed: number): Int32Array<ArrayBuffer> {
  const stream = new Stream(seed, 'noise')
  const values = new Int32Array(size)
  for (let i = 0; i < size; i++) values[i] = stream.below(below)
  return values
}

/** A random tensor and its values on the host. */
export interface Input {
  readonly tensor: Tensor
  readonly data: Float32Array<ArrayBuffer>
}

export function randomInput(gpu: Gpu, shape: Shape, seed: number, requiresGrad = true): Input {
  const data = randomValues(sizeOf(shape), seed)
  return { tensor: tensor(data, shape, { gpu, requiresGrad }), data }
}

/** Random multiples of 1/64 from -1 to 1: sums of up to 4,096 products of two are exact in float32. */
export function roundInput(gpu: Gpu, shape: Shape, seed: number, requiresGrad = true): Input {
  const data = randomValues(sizeOf(shape), seed).map((v) => Math.round(64 * v) / 64)
  return { tensor: tensor(data, shape, { gpu, requiresGrad }), data }
}

/** A differentiable operation at one shape. */
export interface Operation {
  /** What it takes, in the order in which `backward` lists the gradients of those that require one. */
  readonly inputs: readonly Tensor[]
  apply(): Tensor
  readonly forward: Work & { readonly out: Elements }
  /** Work and results of the backward pass, given the gradient of the output. */
  readonly backward?: (dy: Float32Array) => Work & { readonly gradients: readonly (readonly [string, Elements])[] }
}

interface Work {
  readonly flops: number
  readonly bytes: number
}

/** The cases of an operation at one shape: forward, and backward where it has one that computes something. */
export function operation(
  name: string,
  shape: string,
  set: Case['set'],
  make: (gpu: Gpu) => Operation,
  directions: readonly Case['direction'][] = ['forward', 'backward'],
): Case[] {
  return directions.map((direction) => ({
    name,
    direction,
    shape,
    set,
    prepare: (gpu) => (direction === 'forward' ? forward(make(gpu)) : backward(make(gpu))),
  }))
}

function forward({ inputs, apply, forward: { flops, bytes, out } }: Operation): Prepared {
  return {
    flops,
    bytes,
    run: () =>
      scope(() => {
        noGrad(apply)
      }),
    async verify() {
      // In a scope: what the operation saves for backward is released at once.
      const result = scope(() => noGrad(apply))
      await check('out', result, out).finally(() => result.dispose())
    },
    dispose: () => disposeAll(inputs),
  }
}

/** The forward is recorded once and its graph retained: an execution is the operation's backward and nothing else. */
function backward({ inputs, apply, backward: work }: Operation): Prepared {
  if (!work) throw new Error('the operation has no backward to be timed')
  const out = scope(apply)
  const dy = randomInput(out.gpu, out.shape, 99, false)
  const { flops, bytes, gradients } = work(dy.data)
  const leaves = inputs.filter((t) => t.requiresGrad)
  const release = () => {
    for (const leaf of leaves) {
      leaf.grad?.dispose()
      leaf.grad = null
    }
  }
  const run = () => {
    out.backward(dy.tensor, { retainGraph: true })
    release()
  }
  return {
    flops,
    bytes,
    run,
    async verify() {
      out.backward(dy.tensor, { retainGraph: true })
      try {
        for (const [i, [label, elements]] of gradients.entries()) await check(label, leaves[i]!.grad, elements)
      } finally {
        release()
      }
    },
    dispose: () => disposeAll([out, dy.tensor, ...inputs]),
  }
}

export function disposeAll(tensors: readonly Tensor[]): void {
  for (const t of tensors) t.dispose()
}

/** Shapes as the table shows them: without spaces, so that two fit. */
export const text = (shape: Shape): string => `[${shape.join(',')}]`
