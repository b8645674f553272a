// Tensor: an array on the GPU with its place on the tape and its gradient.
import type { Gpu } from '../gpu/gpu.ts'
import type { Storage } from '../gpu/pool.ts'
import { backward, type TapeNode } from './autograd.ts'
import { observing } from './observe.ts'
import { requireFlags, requireOptions, shown, tooMany } from './options.ts'
import { register, unregister } from './owned.ts'
import { formatShape, type Shape, ShapeError, sameShape, sizeOf } from './shape.ts'
import { flattenShape, reshape, reshapeTo, squeezeShape, unsqueezeShape } from './view.ts'

export type DType = 'float32' | 'int32' | 'uint8'
export type TypedArray = Float32Array | Int32Array | Uint8Array

export const bytesPerElement: Readonly<Record<DType, number>> = { float32: 4, int32: 4, uint8: 1 }

/** The GPU memory behind a tensor, kept in a separate object so that the garbage collector can release it. */
interface Held {
  readonly gpu: Gpu
  readonly storage: Storage
  node: TapeNode | null
  released: string | null
}

function letGo(held: Held, reason: string): void {
  held.released = reason
  held.gpu.tensors--
  held.storage.release()
  held.node?.release()
  held.node = null
}

// The safety net for tensors that nobody disposed: late, but the memory comes back.
const forgotten = new FinalizationRegistry<Held>((held) => {
  if (held.released === null) letGo(held, 'it was collected as garbage')
})

/** An n-dimensional array on the GPU, row-major, with an optional gradient. Made by `tensor()` and by operations. */
export class Tensor {
  readonly gpu: Gpu
  readonly shape: Shape
  readonly dtype: DType
  /** Number of elements. */
  readonly size: number
  /** Shown in errors; layers give their parameters PyTorch's names. */
  name = ''
  /** The memory that its optimizer keeps for its gradient. It is free while only the optimizer holds it. @internal */
  gradientHome: Storage | null = null
  readonly #held: Held
  #requiresGrad = false
  #grad: Tensor | null = null

  /** Takes over one reference to the storage. For operations; users call `tensor()`. @internal */
  constructor(gpu: Gpu, storage: Storage, shape: Shape, dtype: DType) {
    this.gpu = gpu
    this.shape = Object.freeze([...shape])
    this.dtype = dtype
    this.size = sizeOf(shape)
    this.#held = { gpu, storage, node: null, released: null }
    gpu.tensors++
    forgotten.register(this, this.#held, this.#held)
    register(this)
  }

  /** The memory behind the tensor; views share it. */
  get storage(): Storage {
    return this.#held.storage
  }

  /** The operation that made the tensor, when it is on the tape. @internal */
  get node(): TapeNode | null {
    return this.#held.node
  }

  /** The gradient that `backward` accumulated here, on leaves that require one. It lives as long as its tensor. */
  get grad(): Tensor | null {
    return this.#grad
  }

  set grad(grad: Tensor | null) {
    if (grad !== null) {
      if (!(grad instanceof Tensor)) throw new TypeError(`${this.label}: grad must be a tensor or null`)
      grad.checkUsable('grad')
      const fits = grad.dtype === 'float32' && grad.gpu === this.gpu && sameShape(grad.shape, this.shape)
      if (!fits) {
        const found = `${grad.dtype} ${formatShape(grad.shape)}`
        throw new TypeError(`${this.label}: grad must be float32, of its shape and on its device; it is ${found}`)
      }
      unregister(grad)
    }
    this.#grad = grad
  }

  get requiresGrad(): boolean {
    return this.#requiresGrad
  }

  set requiresGrad(value: boolean) {
    if (typeof value !== 'boolean') {
      throw new TypeError(`${this.label}: requiresGrad must be true or false, not ${shown(value)}`)
    }
    if (value && this.dtype !== 'float32') {
      throw new TypeError(`${this.label}: only float32 tensors can require a gradient, this one is ${this.dtype}`)
    }
    if (this.node && value !== this.#requiresGrad) {
      throw new TypeError(`${this.label} was made by an operation; use detach() for a copy outside the tape`)
    }
    this.#requiresGrad = value
  }

  /** Whether the memory has been given back. */
  get released(): boolean {
    return this.#held.released !== null
  }

  /** The tensor as errors name it. */
  get label(): string {
    return `${this.name === '' ? 'tensor' : this.name} ${formatShape(this.shape)}`
  }

  /** Puts the tensor on the tape as the result of `node`, whose reference it takes over. @internal */
  attach(node: TapeNode): void {
    this.#held.node = node
    this.#requiresGrad = true
  }

  /** Another tensor on the same device; it takes over one reference to the storage. For operations. @internal */
  like(storage: Storage, shape: Shape, dtype: DType = 'float32'): Tensor {
    return new Tensor(this.gpu, storage, shape, dtype)
  }

  /**
   * Throws when the tensor was released, and when it has no value yet: what a plan returns before the first run. `operation`
   * says who wanted to use it. A function that is captured may use it: its own plan asks again when it is run.
   */
  checkUsable(operation: string): void {
    this.#checkThere(operation)
    if (!this.storage.pending || this.gpu.isRecording) return
    throw new Error(
      `${operation}: ${this.label} has no value yet: a plan computes it that has not been run; call plan.run() first`,
    )
  }

  #checkThere(operation: string): void {
    const { released } = this.#held
    if (released !== null) throw new Error(`${operation}: ${this.label} can't be used any more: ${released}`)
  }

  /** The same elements in another shape, without a copy; one size may be -1 and is worked out. */
  reshape(shape: Shape): Tensor {
    if (arguments.length > 1) throw tooMany(arguments, 'reshape(shape)')
    return reshape(this, reshapeTo(this, shape))
  }

  /** Joins the dimensions from `startDim` on into one. */
  flatten(startDim = 1): Tensor {
    if (arguments.length > 1) throw tooMany(arguments, 'flatten(startDim)')
    return reshape(this, flattenShape(this, startDim))
  }

  /**
   * Without the dimensions of size 1, or without those of `dim`, a number or a list, whose size is 1; without a copy.
   * Throws ShapeError for a dimension that the tensor does not have.
   */
  squeeze(dim?: number | readonly number[]): Tensor {
    if (arguments.length > 1) throw tooMany(arguments, 'squeeze(dim)')
    return reshape(this, squeezeShape(this, dim))
  }

  /** With a dimension of size 1 before dimension `dim`; -1 puts it last. Without a copy. Throws ShapeError past the last place. */
  unsqueeze(dim: number): Tensor {
    if (arguments.length > 1) throw tooMany(arguments, 'unsqueeze(dim)')
    return reshape(this, unsqueezeShape(this, dim))
  }

  /** The same values outside the tape, without a copy. */
  detach(): Tensor {
    if (arguments.length > 0) throw tooMany(arguments, 'detach()')
    this.#checkThere('detach')
    return new Tensor(this.gpu, this.storage.retain(), this.shape, this.dtype)
  }

  /** Keeps the tensor beyond the scopes it was made in; it then lives until `dispose()`. */
  keep(): this {
    if (arguments.length > 0) throw tooMany(arguments, 'keep()')
    this.#checkThere('keep')
    unregister(this)
    return this
  }

  /** Gives the memory back at once, and that of the gradient. Throws when the tensor was released before. */
  dispose(): void {
    if (arguments.length > 0) throw tooMany(arguments, 'dispose()')
    this.#checkThere('dispose')
    unregister(this)
    this.release('dispose() was called on it')
  }

  /** As `dispose`, for scopes: says why, and is silent on what was released before. @internal */
  release(reason: string): void {
    if (this.#held.released !== null) return
    letGo(this.#held, reason)
    forgotten.unregister(this.#held)
    forgetGradients([this], 'the tensor it belongs to was released')
  }

  /** The values. Waits for the GPU: a sync point. Throws AnomalyError where anomalies are looked for and one was found. */
  async data(): Promise<TypedArray> {
    if (arguments.length > 0) throw tooMany(arguments, 'data()')
    this.checkUsable('data')
    const reading = this.gpu.read(this.storage, this.size * bytesPerElement[this.dtype])
    const [bytes] = await Promise.all([reading, ...observing().map((observer) => observer.read?.(this.gpu))])
    if (this.dtype === 'float32') return new Float32Array(bytes)
    return this.dtype === 'int32' ? new Int32Array(bytes) : new Uint8Array(bytes)
  }

  /** The value of a tensor of one element. Waits for the GPU: a sync point. */
  async item(): Promise<number> {
    if (arguments.length > 0) throw tooMany(arguments, 'item()')
    if (this.size !== 1) {
      throw new ShapeError('item', `one element is needed, the tensor has ${this.size}`, [['tensor', this.shape]])
    }
    return (await this.data())[0]!
  }

  /**
   * Adds d(this)/d(leaf) to the `grad` of every leaf that requires one. `gradient`, of this tensor's shape, is needed
   * unless the tensor has one element. What the tape saved is released unless `retainGraph`.
   */
  backward(gradient: Tensor | null = null, options: { retainGraph?: boolean } = {}): void {
    if (arguments.length > 2) throw tooMany(arguments, 'backward(gradient, options)')
    if (gradient !== null && !(gradient instanceof Tensor)) {
      throw new TypeError(
        'backward: the gradient must be a tensor; options come second: backward(null, { retainGraph: true })',
      )
    }
    requireOptions('backward', options, ['retainGraph'])
    requireFlags('backward', options, ['retainGraph'])
    this.checkUsable('backward')
    gradient?.checkUsable('backward')
    checkStart(this, gradient)
    backward(this, gradient, options.retainGraph ?? false)
  }
}

/** Removes gradients and releases their memory; an error for a later use gives the reason. */
export function forgetGradients(tensors: Iterable<Tensor>, reason: string): void {
  for (const tensor of tensors) {
    tensor.grad?.release(reason)
    tensor.grad = null
  }
}

/** Throws unless backward can start at `root` with this gradient. */
function checkStart(root: Tensor, gradient: Tensor | null): void {
  if (!root.requiresGrad) {
    throw new Error(
      `backward: ${root.label} does not require a gradient, nor does anything it was computed from: all parameters are frozen ` +
        '(requiresGrad is false), or it was computed in noGrad() or from detach(); set requiresGrad to true, before the forward ' +
        'pass, for those that are to be trained',
    )
  }
  if (gradient && gradient.gpu !== root.gpu) throw new Error('backward: its tensors are on two devices')
  if (gradient && gradient.dtype !== 'float32') {
    throw new TypeError(`backward: the gradient must be float32, it is ${gradient.dtype}`)
  }
  if (gradient && !sameShape(gradient.shape, root.shape)) {
    throw new ShapeError('backward', "the gradient must have the tensor's shape", [
      ['tensor', root.shape],
      ['gradient', gradient.shape],
    ])
  }
  if (!gradient && root.size !== 1) {
    const sentence = `a tensor of ${root.size} elements needs a gradient`
    const cure = 'Pass the gradient of this tensor, or reduce it to one element first.'
    throw new ShapeError('backward', sentence, [['tensor', root.shape]], cure)
  }
}
