// crossEntropy: softmax and its loss in one, with the counts of a Meter.
import { KernelFile } from '../gpu/kernel.ts'
import { apply, type Op } from '../tensor/autograd.ts'
import { empty, rangeOf, tensor } from '../tensor/create.ts'
import { gradEnabled } from '../tensor/modes.ts'
import { isOne } from '../tensor/one.ts'
import { requireOptions, shown } from '../tensor/options.ts'
import { ShapeError } from '../tensor/shape.ts'
import { Tensor } from '../tensor/tensor.ts'
import { full } from './fill.ts'
import * as wgsl from './generated/wgsl.ts'
import { PARTS_A_GROUP, scratchLimit } from './sum_parts.ts'
import { groupsFor, kindOf, ROWS_PER_BLOCK, requireRank, requireTensors, requireType } from './support.ts'
import { TUNING } from './tuning.ts'

const file = new KernelFile('cross_entropy', wgsl.cross_entropy)
const forward = file.entry('forward')
const reduce = file.entry('reduce')
const fused = file.entry('fused')
const backward = file.entry('backward')

/** What the kernels note of a row: its largest logit, its sum of exponentials, its loss, and whether it counts. */
const WORDS_OF_A_ROW = 4
/** The sums of the losses and of the rows that count, are right and are not finite; the divisor. */
const WORDS_OF_STATE = 5

/** The label of rows that do not count, unless another is given. */
const IGNORED = -100

type Range = readonly [number, number]
/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions {
  /** 'mean' unless given; 'none': the loss of each row. */
  readonly reduction?: 'mean' | 'sum' | 'none'
  /** The label of rows that do not count; -100 unless given. */
  readonly ignoreIndex?: number
}

interface Attributes {
  readonly reduction: 'mean' | 'sum' | 'none'
  readonly ignoreIndex: number
  /** Where the batch is counted, if anywhere. */
  readonly totals: Tensor | null
}

function paramsOf(logits: Tensor, target: Tensor, { reduction, ignoreIndex, totals }: Attributes) {
  const [N, C] = logits.shape as [number, number]
  return {
    N,
    C,
    labelBytes: target.dtype === 'uint8' ? 1 : 0,
    ignore: ignoreIndex,
    each: reduction === 'none' ? 1 : 0,
    mean: reduction === 'mean' ? 1 : 0,
    needX: 0,
    counted: totals ? 1 : 0,
    n0: 0,
    more: 0,
    last: 1,
  }
}

/**
 * The rows of a batch, cut so that what the kernels note of them fits any buffer: of few classes it takes more than the logits.
 * No cut changes a bit: it is between groups of blocks of rows.
 */
function rangesOf(N: number): { N: number; n0: number; more: number; last: number }[] {
  const group = ROWS_PER_BLOCK * PARTS_A_GROUP
  const most = group * Math.max(1, Math.floor(scratchLimit.floats / WORDS_OF_A_ROW / group))
  return Array.from({ length: Math.ceil(N / most) }, (_, i) => {
    const n0 = i * most
    return { N: Math.min(most, N - n0), n0, more: i > 0 ? 1 : 0, last: n0 + most >= N ? 1 : 0 }
  })
}

/**
 * Throws ShapeError, TypeError or RangeError unless the labels, whose range is null where unknown, fit the logits.
 * Between the label that is ignored and the classes there may be labels that the range does not show: they give NaN.
 */
function requireTarget(
  logits: Tensor,
  target: Pick<Tensor, 'shape' | 'dtype'>,
  range: Range | null,
  ignoreIndex: number,
): void {
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
  const isWrong = (label: number) => (label < 0 || label >= C) && label !== ignoreIndex
  const wrong = range?.find((label) => Number.isFinite(label) && isWrong(label)) // of no labels the range is infinite
  if (N > 0 && wrong !== undefined) {
    const classes = C === 0 ? 'no classes' : `${C} classes, 0 to ${C - 1}`
    throw new RangeError(`crossEntropy: label ${wrong} is not a class; logits have ${classes}`)
  }
}

/** Options with their defaults; throws TypeError for an unknown option or reduction, RangeError for another index. */
export function readOptions(operation: string, options: CrossEntropyOptions): Required<CrossEntropyOptions> {
  requireOptions(operation, options, ['reduction', 'ignoreIndex'])
  const reduction = options.reduction ?? 'mean'
  if (!['mean', 'sum', 'none'].includes(reduction)) {
    throw new TypeError(`${operation}: reduction must be 'mean', 'sum' or 'none', not ${shown(reduction)}`)
  }
  return { reduction, ignoreIndex: readIgnoreIndex(options) }
}

function readIgnoreIndex({ ignoreIndex = IGNORED }: CrossEntropyOptions): number {
  if (Number.isInteger(ignoreIndex) && ignoreIndex === (ignoreIndex | 0)) return ignoreIndex
  throw new RangeError(`crossEntropy: ignoreIndex must be a 32-bit whole number, not ${shown(ignoreIndex)}`)
}

const crossEntropyOp: Op<readonly [Tensor, Tensor], Attributes> = {
  name: 'crossEntropy',

  shape([logits, target], { reduction, ignoreIndex }) {
    requireTarget(logits, target, target.storage.integerRange, ignoreIndex)
    return reduction === 'none' ? [logits.shape[0]!] : []
  },

  forward(gpu, [logits, target], attributes, shape) {
    const N = logits.shape[0]!
    const { reduction } = attributes
    // Without rows the sum is 0 and the mean 0/0, as in PyTorch.
    if (N === 0) {
      const value = reduction === 'mean' ? Number.NaN : 0
      return { out: full(gpu, shape, value), saved: [logits, target] }
    }
    const params = paramsOf(logits, target, attributes)
    const ranges = rangesOf(N)
    const rows = ranges.map((range) => empty(gpu, [range.N, WORDS_OF_A_ROW], 'float32', 'crossEntropy'))
    const state = empty(gpu, [WORDS_OF_STATE], 'float32', 'crossEntropy')
    const out = empty(gpu, shape, 'float32', 'crossEntropy')
    const operands = { x: logits.storage, labels: target.storage, out: out.storage }
    const saved = [logits, target, state, ...rows]
    const totals = attributes.totals?.storage ?? null
    const { FUSED_ROWS, FUSED_LOGITS } = TUNING.cross_entropy[gpu.info.adapterClass]
    if (reduction === 'none' || N > FUSED_ROWS || logits.size > FUSED_LOGITS) {
      ranges.forEach((range, i) => {
        const bindings = { params: { ...params, ...range }, rows: rows[i]!.storage, out: out.storage }
        gpu.emit(forward, { ...bindings, ...operands }, groupsFor(range.N))
        if (reduction !== 'none') gpu.emit(reduce, { ...bindings, totals, state: state.storage }, 1)
      })
      return { out, saved }
    }
    const bindings = { params, ...operands, rows: rows[0]!.storage, state: state.storage }
    if (!(logits.requiresGrad && gradEnabled())) {
      gpu.emit(fused, { ...bindings, totals, dx: null }, 1)
      return { out, saved }
    }
    const dx = empty(gpu, logits.shape, 'float32', 'crossEntropy')
    gpu.emit(fused, { ...bindings, params: { ...params, needX: 1 }, totals, dx: dx.storage }, 1)
    return { out, saved: [...saved, dx] }
  },

  backward(gpu, dy, [logits, target, state, ...others], attributes) {
    const ranges = rangesOf(logits!.shape[0]!)
    const dxOfOne = others[ranges.length]
    // Forward computed it along with the loss.
    if (dxOfOne && isOne(dy)) return [dxOfOne, null]
    const dx = empty(gpu, logits!.shape, 'float32', 'crossEntropy')
    if (dx.size === 0) return [dx, null]
    const params = paramsOf(logits!, target!, attributes)
    const inputs = { x: logits!.storage, labels: target!.storage, dy: dy.storage, saved_state: state!.storage }
    ranges.forEach((range, i) => {
      const bindings = { params: { ...params, ...range }, ...inputs, saved_rows: others[i]!.storage, dx: dx.storage }
      gpu.emit(backward, bindings, groupsFor(range.N))
    })
    return [dx, null]
  },
}

/**
 * Softmax cross-entropy of logits [N, C] with integer labels [N]: an int32 or uint8 tensor, Int32Array or Uint8Array.
 * Returns the mean over the rows, their sum, or with 'none' the loss of each, [N]. Rows whose label is `ignoreIndex`,
 * -100 unless given, do not count: the loss of such a row is 0, as is its gradient, and the mean is over the others, NaN
 * if no row counts. Stable for any finite logits. Throws RangeError for a label that is not a class; for labels that
 * were computed on the GPU the loss is NaN instead.
 */
export function crossEntropy(
  logits: Tensor,
  target: Tensor | Int32Array | Uint8Array,
  options: CrossEntropyOptions = {},
): Tensor {
  requireTensors('crossEntropy', { logits })
  const { reduction, ignoreIndex } = readOptions('crossEntropy', options)
  const attributes: Attributes = { reduction, ignoreIndex, totals: null }
  if (target instanceof Tensor) return apply(crossEntropyOp, [logits, target], attributes)
  if (!(target instanceof Int32Array || target instanceof Uint8Array)) {
    const right = 'an int32 or uint8 tensor, an Int32Array or a Uint8Array'
    throw new TypeError(`crossEntropy: target must be ${right}, not ${kindOf(target)}`)
  }
  logits.checkUsable('crossEntropy')
  const dtype = target instanceof Int32Array ? 'int32' : 'uint8'
  // Before anything is uploaded; here every label can be seen.
  const range = rangeOf(target.filter((label) => label !== ignoreIndex))
  requireTarget(logits, { shape: [target.length], dtype }, range, ignoreIndex)
  const labels = tensor(target, [target.length], { gpu: logits.gpu })
  try {
    return apply(crossEntropyOp, [logits, labels], attributes)
  } finally {
    labels.dispose() // the tape holds what backward needs
  }
}

/**
 * The mean crossEntropy of a batch whose rows labelled -100 do not count, and along with it the batch's sums, added to
 * `totals`, which totals.ts describes: rows that are right, rows, and the losses. They are a watch too, whose clock is the
 * number of rows, this batch's among them: with it logits and losses that are not finite are noted.
 */
export function countedCrossEntropy(logits: Tensor, target: Tensor, totals: Tensor): Tensor {
  requireTensors('crossEntropy', { logits, target, totals })
  totals.checkUsable('crossEntropy')
  return apply(crossEntropyOp, [logits, target], { reduction: 'mean', ignoreIndex: IGNORED, totals })
}
