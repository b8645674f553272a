// Batch norm: each channel normalised by its mean and variance, of the batch in training, else by running ones.
import { looksAcross } from '../capture/current.ts'
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import { apply, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { requireFlags, requireOptions, shown, tooMany } from '../tensor/options.ts'
import { type Shape, ShapeError, type ShapeLine, sameShape, sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import * as wgsl from './generated/wgsl.ts'
import { blocksOf, groupsFor, groupsForElements, requireTensors, requireType, withScratch } from './support.ts'

const file = new KernelFile('batch_norm', wgsl.batch_norm)
const laneShares = file.entry('lane_shares')
const finish = file.entry('finish')
const finishTracked = file.entry('finish_tracked')
const ofRunning = file.entry('of_running')
const normalise = file.entry('normalise')
const laneGradients = file.entry('lane_gradients')
const backwardReduce = file.entry('backward_reduce')
const backwardInput = file.entry('backward_input')
const backwardInputRunning = file.entry('backward_input_running')

/** Words that the kernels keep of a channel: its mean as two numbers, and 1 / √(variance + eps). */
const WORDS_OF_STATS = 3

/** Words that they keep of a lane: its mean and two sums. */
const WORDS_OF_SHARE = 3

/** Lanes that share a channel's row of S values: at least eight values each, if there is more than one lane. */
const lanesOf = (S: number) => Math.min(64, Math.max(1, Math.floor(S / 8)))

/** Options of {@link batchNorm}. Tensors that are left out or null: no running statistics, a weight of 1, a bias of 0. */
export interface BatchNormOptions {
  /** [C], float32. In training it is moved towards the batch's mean, in place; otherwise it is what is subtracted. */
  readonly runningMean?: Tensor | null
  /** [C], float32, likewise of the variance: the unbiased one. */
  readonly runningVar?: Tensor | null
  /** A count, int32 of shape []: in training one is added, in place, where there are running statistics. */
  readonly numBatchesTracked?: Tensor | null
  /** [C] */
  readonly weight?: Tensor | null
  /** [C] */
  readonly bias?: Tensor | null
  /** Whether the batch's own mean and variance are taken; false unless given. */
  readonly training?: boolean
  /**
   * The share that a batch has in the running statistics; 0.1 unless given. null: the average of all batches that
   * `numBatchesTracked` has counted.
   */
  readonly momentum?: number | null
  /** Added to the variance; 1e-5 unless given. */
  readonly eps?: number
}

interface Attributes {
  readonly training: boolean
  readonly momentum: number | null
  readonly eps: number
  readonly input: Shape
}

type Inputs = readonly [
  x: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
  numBatchesTracked: Tensor | null,
]

function paramsOf({ input, eps, momentum }: Attributes, hasWeight: boolean, hasBias: boolean) {
  const [N, C] = input as [number, number, ...number[]]
  const S = sizeOf(input.slice(2))
  return {
    N,
    C,
    S,
    lanes: lanesOf(S),
    eps,
    momentum: momentum ?? 0,
    cumulative: momentum === null ? 1 : 0,
    hasWeight: hasWeight ? 1 : 0,
    hasBias: hasBias ? 1 : 0,
  }
}

type Params = ReturnType<typeof paramsOf>

/** Lanes of all channels and blocks of rows; none where a channel is empty. */
const allLanes = ({ N, C, S, lanes }: Params) => (S === 0 ? 0 : blocksOf(N) * C * lanes)

/** The input's batch and channels. Throws ShapeError for one without channels. */
export function requireChannels(operation: string, { shape }: Tensor): [N: number, C: number] {
  const [N, C] = shape
  if (N !== undefined && C !== undefined) return [N, C]
  const sentence = `input has ${shape.length} dimensions, 2 or more are needed (N C …)`
  throw new ShapeError(operation, sentence, [['input', shape]])
}

/** The line of an error that shows an input with channels. */
export const channelLine = (shape: Shape): ShapeLine => {
  return ['input', shape, 'N C H W'.slice(0, Math.min(7, 2 * shape.length - 1))]
}

/** Throws for a tensor that is not float32 or does not have one value a channel. */
export function checkChannels(operation: string, role: string, x: Tensor | null, input: ShapeLine, C: number): void {
  if (!x) return
  requireType(operation, role, x)
  if (sameShape(x.shape, [C])) return
  throw new ShapeError(operation, `${role} must have one value for each of the input's ${C} channels`, [
    input,
    [role, x.shape],
  ])
}

/** Emits what finds the statistics of the batch, and moves the running ones. */
function statsOfBatch(gpu: Gpu, params: Params, [x, , , mean, variance, count]: Inputs, stats: Tensor): void {
  const lanes = allLanes(params)
  if (lanes === 0) return // an empty batch leaves the running statistics as they are
  withScratch(gpu, 'batchNorm', WORDS_OF_SHARE * lanes, (shares) => {
    gpu.emit(laneShares, { params, x: x.storage, shares_out: shares }, groupsFor(lanes))
    const bindings = { params, shares, stats_out: stats.storage }
    if (!mean || !variance) {
      gpu.emit(finish, bindings, 1)
      return
    }
    if (count) count.storage.integerRange = null // counted on the device from now on
    const running = { running_mean: mean.storage, running_var: variance.storage, batches: count?.storage ?? null }
    gpu.emit(finishTracked, { ...bindings, ...running }, 1)
  })
}

const batchNormOp: Op<Inputs, Attributes> = {
  name: 'batchNorm',

  shape([x, weight, bias, mean, variance, count], { training }) {
    requireType('batchNorm', 'input', x)
    const [N, C] = requireChannels('batchNorm', x)
    const input = channelLine(x.shape)
    const channels = { weight, bias, runningMean: mean, runningVar: variance }
    for (const [role, t] of Object.entries(channels)) checkChannels('batchNorm', role, t, input, C)
    if (count) {
      requireType('batchNorm', 'numBatchesTracked', count, ['int32'])
      if (count.size !== 1) {
        throw new ShapeError('batchNorm', 'numBatchesTracked must be one number', [['numBatchesTracked', count.shape]])
      }
    }
    const trained = Object.entries({ runningMean: mean, runningVar: variance }).find(([, t]) => t?.requiresGrad)
    if (trained) throw new TypeError(`batchNorm: ${trained[0]} requires a gradient, and gets none`)
    if (training && N * sizeOf(x.shape.slice(2)) === 1) {
      const sentence = 'in training every channel needs more than one value; the input has one'
      throw new ShapeError(
        'batchNorm',
        sentence,
        [input],
        'Take larger batches, or net.eval() to use the running ones.',
      )
    }
    return x.shape
  },

  forward(gpu, inputs, attributes, shape) {
    const [x, weight, bias, mean, variance] = inputs
    const out = empty(gpu, shape, 'float32', 'batchNorm')
    const stats = empty(gpu, [shape[1]!, WORDS_OF_STATS], 'float32', 'batchNorm statistics')
    const params = paramsOf(attributes, weight !== null, bias !== null)
    if (attributes.training) statsOfBatch(gpu, params, inputs, stats)
    else {
      const given = { given_mean: mean!.storage, given_var: variance!.storage }
      gpu.emit(ofRunning, { params, ...given, stats_out: stats.storage }, groupsFor(params.C))
    }
    const affine = { weight: weight?.storage ?? null, bias: bias?.storage ?? null }
    const bindings = { params, x: x.storage, stats: stats.storage, ...affine, out: out.storage }
    gpu.emit(normalise, bindings, groupsForElements(out.size))
    return { out, saved: weight ? [x, stats, weight] : [x, stats] }
  },

  backward(gpu, dy, [x, stats, weight], attributes, [needsX, needsWeight, needsBias], grad) {
    const params = paramsOf(attributes, weight !== undefined, false)
    const known = { params, stats: stats!.storage, dy: dy.storage }
    const factor = { weight: weight?.storage ?? null }
    const dx = needsX ? empty(gpu, attributes.input, 'float32', 'batchNorm') : null
    const dWeight = needsWeight ? grad(1) : null
    const dBias = needsBias ? grad(2) : null
    const ofBatch = dx !== null && attributes.training
    if (dWeight || dBias || ofBatch) {
      const lanes = allLanes(params)
      withScratch(gpu, "batchNorm's backward", 2 * lanes, (partial) => {
        withScratch(gpu, "batchNorm's backward", params.C, (spareWeight) => {
          withScratch(gpu, "batchNorm's backward", params.C, (spareBias) => {
            const [dweight, dbias] = [dWeight?.storage ?? spareWeight, dBias?.storage ?? spareBias]
            gpu.emit(laneGradients, { ...known, x: x!.storage, partial_out: partial }, groupsFor(lanes))
            const sums = { params, partial, dweight_out: dweight, dbias_out: dbias }
            gpu.emit(backwardReduce, sums, groupsFor(params.C))
            if (!ofBatch) return
            const bindings = { ...known, ...factor, x: x!.storage, dweight, dbias, dx: dx.storage }
            gpu.emit(backwardInput, bindings, groupsForElements(dx.size))
          })
        })
      })
    }
    if (dx && !attributes.training) {
      gpu.emit(backwardInputRunning, { ...known, ...factor, dx: dx.storage }, groupsForElements(dx.size))
    }
    return [dx, dWeight, dBias, null, null, null]
  },
}

const KNOWN = [
  'runningMean',
  'runningVar',
  'numBatchesTracked',
  'weight',
  'bias',
  'training',
  'momentum',
  'eps',
] as const

/** Throws TypeError or RangeError for a momentum or an eps that is not one. */
export function checkNormNumbers(operation: string, momentum: number | null, eps: number): void {
  if (momentum !== null && !Number.isFinite(momentum)) {
    throw new RangeError(
      `${operation}: momentum must be a number, or null for the average of all batches, not ${shown(momentum)}`,
    )
  }
  if (!Number.isFinite(eps) || eps < 0)
    throw new RangeError(`${operation}: eps must be a number, 0 or more, not ${shown(eps)}`)
}

/**
 * Each channel minus its mean, divided by √(variance + eps), times `weight` plus `bias`. Channels are dimension 1: [N, C],
 * [N, C, L], [N, C, H, W]. With `training` mean and (biased) variance are those of the batch, and running statistics, if
 * given, move towards them in place; without it the running ones are taken, and must be given. As PyTorch's batch_norm.
 *
 * Throws ShapeError for a channel of one value in training; TypeError or RangeError for options that do not fit.
 */
export function batchNorm(x: Tensor, options: BatchNormOptions = {}): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'batchNorm(x, options)')
  requireTensors('batchNorm', { input: x })
  requireOptions('batchNorm', options, KNOWN)
  const { weight = null, bias = null, runningMean = null, runningVar = null, numBatchesTracked = null } = options
  for (const [role, t] of Object.entries({ weight, bias, runningMean, runningVar, numBatchesTracked })) {
    if (t !== null) requireTensors('batchNorm', { [role]: t })
  }
  const { training = false, momentum = 0.1, eps = 1e-5 } = options
  requireFlags('batchNorm', options, ['training'])
  checkNormNumbers('batchNorm', momentum, eps)
  if ((runningMean === null) !== (runningVar === null)) {
    throw new TypeError('batchNorm: runningMean and runningVar are given together or not at all')
  }
  if (!training && !runningMean) {
    throw new TypeError('batchNorm: without training runningMean and runningVar must be given')
  }
  if (training && runningMean && momentum === null && !numBatchesTracked) {
    throw new TypeError('batchNorm: with momentum null numBatchesTracked must be given, which counts the batches')
  }
  if (training) looksAcross('batchNorm in training', x)
  const inputs: Inputs = [x, weight, bias, runningMean, runningVar, numBatchesTracked]
  return apply(batchNormOp, inputs, { training, momentum, eps, input: x.shape })
}
