// Random numbers drawn on the device: uniform, normal, and 0 or 1.
import { PerStep, type RowSource } from '../capture/per_step.ts'
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import { empty, type TensorOptions } from '../tensor/create.ts'
import { defaultGpu } from '../tensor/default.ts'
import { requireFlags, requireOptions, tooMany } from '../tensor/options.ts'
import { defaultGenerator } from '../tensor/random.ts'
import { checkShape, type Shape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import * as wgsl from './generated/wgsl.ts'
import { groupsForElements, kindOf, requireNumber } from './support.ts'

/** Its kernels of dropout are those of dropout.ts. */
export const randomFile = new KernelFile('random', wgsl.random)

/** Words that say what is drawn: the number of the draw and the seed, the low word of each first. */
export const DRAW_WORDS = 4

/** Options of `rand`, `randn` and `bernoulli`. */
export type RandomOptions = Omit<TensorOptions, 'dtype'>

/** The next draws of the default generator, whichever that is when they are made. */
const source: RowSource = {
  row: (use) => {
    const { seed, draws } = defaultGenerator()
    const high = (n: number) => Math.floor(n / 2 ** 32)
    return Uint32Array.of(draws + use, high(draws + use), seed, high(seed))
  },
  advance: (uses) => {
    defaultGenerator().draws += uses
  },
}

const rows = new WeakMap<Gpu, PerStep>()

function rowsOf(gpu: Gpu): PerStep {
  const found = rows.get(gpu)
  if (found) return found
  const made = new PerStep(gpu, DRAW_WORDS, 'draws')
  gpu.tensors-- // it is the device's as long as that lives, and none that anybody could have forgotten
  rows.set(gpu, made)
  return made
}

/** Emits a kernel that makes the next draw, given the rows that it reads and which of a step's draws it is. */
export function draw(gpu: Gpu, emit: (settings: Storage, which: number) => void): void {
  const numbers = rowsOf(gpu)
  emit(numbers.storage, numbers.use(source))
  numbers.used(source)
}

/** A probability as the shader has it, in steps of 2⁻³¹. */
export function stepsOf(probability: number): number {
  return Math.round(2 ** 31 * probability)
}

/** Throws TypeError for a probability that is not a number, RangeError for one that is not from 0 to 1. */
export function requireProbability(operation: string, p: number): void {
  requireNumber(operation, 'p', p)
  if (p < 0 || p > 1) throw new RangeError(`${operation}: p must be a number from 0 to 1, not ${p}`)
}

function drawn(name: string, shape: Shape, OP: number, options: RandomOptions, below = 0): Tensor {
  if (!Array.isArray(shape)) {
    throw new TypeError(`${name}: the shape must be an array, such as [2, 3], not ${kindOf(shape)}`)
  }
  requireOptions(name, options, ['requiresGrad', 'name', 'gpu'])
  requireFlags(name, options, ['requiresGrad'])
  checkShape(name, shape)
  const gpu = options.gpu ?? defaultGpu()
  gpu.check()
  const out = empty(gpu, shape, 'float32', name)
  draw(gpu, (settings, which) => {
    const params = { size: out.size, which, below, scale: 0 }
    gpu.emit(randomFile.entry('draw', { OP }), { params, settings, out: out.storage }, groupsForElements(out.size))
  })
  out.name = options.name ?? ''
  out.requiresGrad = options.requiresGrad ?? false
  return out
}

/**
 * A float32 tensor of this shape whose elements are uniform on [0, 1): multiples of 2⁻²⁴, the same on every adapter. They are
 * a pure function of the seed of `manualSeed`, of how many draws were made since, and of the element's number: those that the
 * stream 'draw' gives for that draw. In a captured function every step draws anew, what it would draw without a plan. Throws
 * ShapeError for a size that is not one.
 */
export function rand(shape: Shape, options: RandomOptions = {}): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'rand(shape, options)')
  return drawn('rand', shape, 0, options)
}

/**
 * A float32 tensor of this shape whose elements are standard normal, by Box and Muller's transform; none is beyond 5.77. Drawn as
 * those of `rand`; the last bits may differ from adapter to adapter, by WGSL's accuracy of a division and a root.
 */
export function randn(shape: Shape, options: RandomOptions = {}): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'randn(shape, options)')
  return drawn('randn', shape, 1, options)
}

/**
 * A float32 tensor of this shape whose elements are 1 with probability p, which counts in steps of 2⁻³¹, and else 0. Drawn as
 * those of `rand`. Throws RangeError unless p is from 0 to 1.
 */
export function bernoulli(p: number, shape: Shape, options: RandomOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'bernoulli(p, shape, options)')
  requireProbability('bernoulli', p)
  return drawn('bernoulli', shape, 2, options, stepsOf(p))
}
