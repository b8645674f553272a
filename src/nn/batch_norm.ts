// Batch norm as layers: weight and bias that are trained, running statistics that are kept.
import { dependingOn } from '../capture/current.ts'
import { batchNorm, checkNormNumbers } from '../kernels/batch_norm.ts'
import { tensor } from '../tensor/create.ts'
import { requireFlags, requireOptions, tooMany } from '../tensor/options.ts'
import { type Shape, ShapeError } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { filledParameter } from './init.ts'
import { requireCount, requireOwnChannels } from './layers.ts'
import { Module } from './module.ts'
import { setting } from './setting.ts'
import { buffer } from './state.ts'

/** Options of {@link BatchNorm1d} and {@link BatchNorm2d}. */
export interface BatchNormLayerOptions {
  /** Added to the variance; 1e-5 unless given. */
  readonly eps?: number
  /** The share that a batch has in the running statistics, 0.1 unless given; null: the average of all batches. */
  readonly momentum?: number | null
  /** Whether there are a weight and a bias; true unless given. */
  readonly affine?: boolean
  /** Whether running statistics are kept; true unless given. Without them evaluation takes the batch's too. */
  readonly trackRunningStats?: boolean
}

/** What the layers share; they differ in the inputs that they take. */
export abstract class BatchNorm extends Module {
  readonly weight: Tensor | null
  readonly bias: Tensor | null
  readonly runningMean: Tensor | null
  readonly runningVar: Tensor | null
  readonly numBatchesTracked: Tensor | null
  readonly eps: number
  /** The share that a batch has in the running statistics; null: the average of all batches counted. */
  momentum: number | null
  readonly #name: string
  readonly #numFeatures: number
  readonly #layouts: readonly string[]

  constructor(name: string, layouts: readonly string[], numFeatures: number, options: BatchNormLayerOptions) {
    super()
    requireOptions(name, options, ['eps', 'momentum', 'affine', 'trackRunningStats'])
    requireCount(name, 'numFeatures', numFeatures)
    const { eps = 1e-5, momentum = 0.1, affine = true, trackRunningStats = true } = options
    checkNormNumbers(name, momentum, eps)
    requireFlags(name, options, ['affine', 'trackRunningStats'])
    this.#name = name
    this.#layouts = layouts
    this.#numFeatures = numFeatures
    this.eps = eps
    this.momentum = momentum
    const filled = (value: number) => new Float32Array(numFeatures).fill(value)
    const statistic = (of: string, value: number) => buffer(tensor(filled(value), [numFeatures], { name: of }), of)
    this.weight = affine ? filledParameter('weight', [numFeatures], 1) : null
    this.bias = affine ? filledParameter('bias', [numFeatures], 0) : null
    this.runningMean = trackRunningStats ? statistic('running_mean', 0) : null
    this.runningVar = trackRunningStats ? statistic('running_var', 1) : null
    const count = 'num_batches_tracked'
    this.numBatchesTracked = trackRunningStats ? buffer(tensor(new Int32Array(1), [], { name: count }), count) : null
  }

  override forward(x: Tensor): Tensor {
    this.#check(x.shape)
    const { weight, bias, runningMean, runningVar, numBatchesTracked } = this
    const eps = setting(this.#name, this, 'eps')
    const momentum = dependingOn(
      () => this.momentum,
      (then) => `the momentum of a ${this.#name} is ${this.momentum} now, and was ${then}`,
    )
    const training = this.training || runningMean === null
    const statistics = { runningMean, runningVar, numBatchesTracked }
    return batchNorm(x, { weight, bias, ...statistics, training, eps, momentum })
  }

  /** Sets the running statistics back to a mean of 0, a variance of 1 and no batches; nothing if there are no statistics. */
  resetRunningStats(): void {
    const write = (t: Tensor | null, data: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>) => {
      if (!t) return
      t.checkUsable(this.#name)
      t.gpu.write(t.storage, data)
      t.storage.version++
    }
    write(this.runningMean, new Float32Array(this.#numFeatures))
    write(this.runningVar, new Float32Array(this.#numFeatures).fill(1))
    write(this.numBatchesTracked, new Int32Array(1))
  }

  #check(shape: Shape): void {
    const ranks = this.#layouts.map((letters) => letters.split(' ').length)
    if (!ranks.includes(shape.length)) {
      const layouts = this.#layouts.join(' or ')
      const sentence = `the layer is for inputs ${layouts}, this one has ${shape.length} dimensions`
      throw new ShapeError(this.#name, sentence, [['input', shape]])
    }
    requireOwnChannels(this.#name, this.#numFeatures, shape, this.#layouts[ranks.indexOf(shape.length)]!)
  }
}

/**
 * batchNorm for inputs [N, C] or [N, C, L], C being `numFeatures`: in training by the batch's mean and variance, in evaluation
 * by the running ones, which training keeps up to date. State: weight, bias, running_mean, running_var, num_batches_tracked.
 */
export class BatchNorm1d extends BatchNorm {
  constructor(numFeatures: number, options: BatchNormLayerOptions = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'nn.BatchNorm1d(numFeatures, options)')
    super('nn.BatchNorm1d', ['N C', 'N C L'], numFeatures, options)
  }
}

/**
 * batchNorm for images [N, C, H, W], C being `numFeatures`: in training by the batch's mean and variance, in evaluation by the
 * running ones, which training keeps up to date. State: weight, bias, running_mean, running_var, num_batches_tracked.
 */
export class BatchNorm2d extends BatchNorm {
  constructor(numFeatures: number, options: BatchNormLayerOptions = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'nn.BatchNorm2d(numFeatures, options)')
    super('nn.BatchNorm2d', ['N C H W'], numFeatures, options)
  }
}
