// The fused crossEntropy of rows: softmax and its loss in one, with the counts of a Meter.
import { KernelFile } from '../gpu/kernel.ts'
import { apply, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { gradEnabled } from '../tensor/modes.ts'
import { isOne } from '../tensor/one.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { full } from './fill.ts'
import * as wgsl from './generated/wgsl.ts'
import { IGNORED, requireLabels } from './labels.ts'
import type { Reduction } from './losses.ts'
import { PARTS_A_GROUP, scratchLimit } from './sum_parts.ts'
import { groupsFor, ROWS_PER_BLOCK, requireRank, requireTensors, requireType } from './support.ts'
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

interface Attributes {
  readonly reduction: Reduction
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

const crossEntropyOp: Op<readonly [Tensor, Tensor], Attributes> = {
  name: 'crossEntropy',

  shape([logits, target], { reduction, ignoreIndex }) {
    requireType('crossEntropy', 'logits', logits)
    requireRank('crossEntropy', 'logits', logits.shape, 2, 'N C')
    requireLabels('crossEntropy', 'logits', logits.shape, target, target.storage.integerRange, ignoreIndex)
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

/** crossEntropy of logits [N, C] with labels [N], in one or two dispatches each way. */
export function fusedCrossEntropy(logits: Tensor, target: Tensor, reduction: Reduction, ignoreIndex: number): Tensor {
  return apply(crossEntropyOp, [logits, target], { reduction, ignoreIndex, totals: null })
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
