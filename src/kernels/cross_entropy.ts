import { Kernel } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import { empty, rangeOf, tensor } from '../tensor/create.ts'
import { apply, type Op } from '../tensor/op.ts'
import { requireOptions } from '../tensor/options.ts'
import { ShapeError } from '../tensor/shape.ts'
import { Tensor } from '../tensor/tensor.ts'
import { full } from './fill.ts'
import { blocksOf, groupsFor, kindOf, requireRank, requireTensors, requireType, withScratch } from './support.ts'
import * as wgsl from './wgsl.ts'

const forward = new Kernel('cross_entropy', wgsl.cross_entropy, 'forward')
const reduceBlock = new Kernel('cross_entropy', wgsl.cross_entropy, 'reduce_block')
const reduce = new Kernel('cross_entropy', wgsl.cross_entropy, 'reduce')
const backward = new Kernel('cross_entropy', wgsl.cross_entropy, 'backward')

type Range = readonly [number, number]
export type Reduction = 'mean' | 'sum' | 'none'
export interface CrossEntropyOptions {
  readonly reduction?: Reduction
}

interface Attributes {
  readonly reduction: Reduction
}

function paramsOf(logits: Tensor, target: Tensor, reduction: Reduction) {
  const [N, C] = logits.shape as [number, number]
  return {
    N,
    C,
    label_bytes: target.dtype === 'uint8' ? 1 : 0,
    dy_stride: reduction === 'none' ? 1 : 0,
    divisor: reduction === 'mean' ? N : 1,
  }
}

/** Throws ShapeError, TypeError or RangeError unless the labels, whose range is null where unknown, fit the logits. */
function requireTarget(logits: Tensor, target: Pick<Tensor, 'shape' | 'dtype'>, range: Range | null): void {
  requireType('crossEntropy', 'logits', logits)
  requireType('crossEntropy', 'target', target, ['int32', 'uint8'])
  requireRank('crossEntropy', 'logits', logits.shape, 2, 'N C')
  requireRank('crossEntropy', 'target', target.shape, 1, 'N')
  const [N, C] = logits.shape as [number, number]
  if (target.shape[0] !== N) {
    throw new ShapeError('crossEntropy', `target has ${target.shape[0]} labels, logits have ${N} rows`, [
      ['logits', logits.shape, 'N C'],
      ['target', target.shape, 'N'],
    ])
  }
  if (N > 0 && range && (range[0] < 0 || range[1] >= C)) {
    const label = range[0] < 0 ? range[0] : range[1]
    const classes = C === 0 ? 'no classes' : `${C} classes, 0 to ${C - 1}`
    throw new RangeError(`crossEntropy: label ${label} is no class; logits have ${classes}`)
  }
}

/** The reduction asked for; throws TypeError for an unknown one, or for an unknown option. */
export function readReduction(operation: string, options: CrossEntropyOptions): Reduction {
  requireOptions(operation, options, ['reduction'])
  const reduction = options.reduction ?? 'mean'
  if (!['mean', 'sum', 'none'].includes(reduction)) {
    throw new TypeError(`${operation}: reduction must be 'mean', 'sum' or 'none', not '${reduction}'`)
  }
  return reduction
}

const crossEntropyOp: Op<readonly [Tensor, Tensor], Attributes> = {
  name: 'crossEntropy',

  shape([logits, target], { reduction }) {
    requireTarget(logits, target, target.storage.integerRange)
    return reduction === 'none' ? [logits.shape[0]!] : []
  },

  forward(gpu, [logits, target], { reduction }, shape) {
    const N = logits.shape[0]!
    // Without rows the sum is 0 and the mean 0/0, as in PyTorch.
    if (N === 0) {
      const value = reduction === 'mean' ? Number.NaN : 0
      return { out: full(gpu, shape, value), saved: [logits, target] }
    }
    const params = paramsOf(logits, target, reduction)
    const stats = empty(gpu, [N, 2], 'float32', 'crossEntropy')
    const out = empty(gpu, shape, 'float32', 'crossEntropy')
    const rows = (loss: Storage) => {
      const bindings = { x: logits.storage, labels: target.storage, loss_out: loss, stats_out: stats.storage }
      gpu.emit(forward, { params, ...bindings }, groupsFor(N))
    }
    if (reduction === 'none') rows(out.storage)
    else {
      const blocks = blocksOf(N)
      withScratch(gpu, 'crossEntropy', N, (loss) =>
        withScratch(gpu, 'crossEntropy', blocks, (partial) => {
          rows(loss)
          gpu.emit(reduceBlock, { params, loss, partial_out: partial }, groupsFor(blocks))
          gpu.emit(reduce, { params, partial, out: out.storage }, 1)
        }),
      )
    }
    const saved = [logits, target, stats]
    return { out, saved }
  },

  backward(gpu, dy, [logits, target, stats], { reduction }) {
    const dx = empty(gpu, logits!.shape, 'float32', 'crossEntropy')
    if (dx.size === 0) return [dx, null]
    const bindings = {
      x: logits!.storage,
      labels: target!.storage,
      stats: stats!.storage,
      dy: dy.storage,
      dx: dx.storage,
    }
    gpu.emit(backward, { params: paramsOf(logits!, target!, reduction), ...bindings }, groupsFor(logits!.shape[0]!))
    return [dx, null]
  },
}

/**
 * Softmax cross-entropy of logits [N, C] with integer labels [N]: an int32 or uint8 tensor, Int32Array or Uint8Array.
 * Returns the mean over the rows, their sum, or with 'none' the loss of each, [N]. Stable for any finite logits.
 * Throws RangeError for a label that is no class; for labels that were computed on the GPU the loss is NaN instead.
 */
export function crossEntropy(
  logits: Tensor,
  target: Tensor | Int32Array | Uint8Array,
  options: CrossEntropyOptions = {},
): Tensor {
  requireTensors('crossEntropy', { logits })
  const reduction = readReduction('crossEntropy', options)
  if (target instanceof Tensor) return apply(crossEntropyOp, [logits, target], { reduction })
  if (!(target instanceof Int32Array || target instanceof Uint8Array)) {
    const right = 'an int32 or uint8 tensor, an Int32Array or a Uint8Array'
    throw new TypeError(`crossEntropy: target must be ${right}, not ${kindOf(target)}`)
  }
  logits.checkUsable('crossEntropy')
  const dtype = target instanceof Int32Array ? 'int32' : 'uint8'
  requireTarget(logits, { shape: [target.length], dtype }, rangeOf(target)) // before anything is uploaded
  const labels = tensor(target, [target.length], { gpu: logits.gpu })
  try {
    return apply(crossEntropyOp, [logits, labels], { reduction })
  } finally {
    labels.dispose() // the tape holds what backward needs
  }
}
