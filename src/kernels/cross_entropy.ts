import { Kernel } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import { empty, tensor } from '../tensor/create.ts'
import { apply, type Op } from '../tensor/op.ts'
import { requireOptions } from '../tensor/options.ts'
import { type Shape, ShapeError } from '../tensor/shape.ts'
import { Tensor } from '../tensor/tensor.ts'
import { full } from './fill.ts'
import { blocksOf, groupsFor, requireRank, requireTensors, requireType, withScratch } from './support.ts'
import * as wgsl from './wgsl.ts'

const forward = new Kernel('cross_entropy', wgsl.cross_entropy, 'forward')
const reduceBlock = new Kernel('cross_entropy', wgsl.cross_entropy, 'reduce_block')
const reduce = new Kernel('cross_entropy', wgsl.cross_entropy, 'reduce')
const backward = new Kernel('cross_entropy', wgsl.cross_entropy, 'backward')

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

function requireCount(logits: Shape, target: Shape): void {
  if (target[0] !== logits[0]) {
    throw new ShapeError('crossEntropy', `target has ${target[0]} labels, logits have ${logits[0]} rows`, [
      ['logits', logits, 'N C'],
      ['target', target, 'N'],
    ])
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
    requireType('crossEntropy', 'logits', logits)
    requireType('crossEntropy', 'target', target, ['int32', 'uint8'])
    requireRank('crossEntropy', 'logits', logits.shape, 2, 'N C')
    requireRank('crossEntropy', 'target', target.shape, 1, 'N')
    requireCount(logits.shape, target.shape)
    const [N, C] = logits.shape as [number, number]
    const range = target.storage.integerRange
    if (N > 0 && range && (range[0] < 0 || range[1] >= C)) {
      const label = range[0] < 0 ? range[0] : range[1]
      const classes = C === 0 ? 'no classes' : `${C} classes, 0 to ${C - 1}`
      throw new RangeError(`crossEntropy: label ${label} is no class; logits have ${classes}`)
    }
    return reduction === 'none' ? [N] : []
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
    throw new TypeError('crossEntropy: target must be an int32 or uint8 tensor, an Int32Array or a Uint8Array')
  }
  requireRank('crossEntropy', 'logits', logits.shape, 2, 'N C')
  requireCount(logits.shape, [target.length]) // before anything is uploaded
  const labels = tensor(target, [target.length], { gpu: logits.gpu })
  try {
    return apply(crossEntropyOp, [logits, labels], { reduction })
  } finally {
    labels.dispose() // the tape holds what backward needs
  }
}
