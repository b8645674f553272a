// Losses of classes: nllLoss and crossEntropy, with weights, smoothed labels and probabilities for a target.
import { requireTogether } from '../tensor/autograd.ts'
import { requireOptions, requireShare, tooMany } from '../tensor/options.ts'
import { scope } from '../tensor/scope.ts'
import { ShapeError, sameShape } from '../tensor/shape.ts'
import { Tensor } from '../tensor/tensor.ts'
import { add, div, mul, ne, sub, where } from './binary.ts'
import { permute } from './copy.ts'
import { fusedCrossEntropy } from './cross_entropy.ts'
import { full } from './fill.ts'
import { type Labels, readIgnoreIndex, withLabels } from './labels.ts'
import { type Reduction, readReduction, reduced, requireWeight } from './losses.ts'
import { sum } from './reductions.ts'
import { logSoftmax } from './softmax.ts'
import { requireTensors, requireType } from './support.ts'
import { ofLabels } from './take.ts'

/** Options of {@link nllLoss}. */
export interface NLLLossOptions {
  /** 'mean' unless given; 'none': the loss of each label. */
  readonly reduction?: Reduction
  /** The label of rows that do not count; -100 unless given. */
  readonly ignoreIndex?: number
  /** What the losses of each class are multiplied with, [C] float32; the mean is divided by the sum of the labels' weights. */
  readonly weight?: Tensor
}

/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions extends NLLLossOptions {
  /** How much of each label is shared by all classes alike, from 0 to 1; 0 unless given. */
  readonly labelSmoothing?: number
}

/** Options of nllLoss with their defaults; throws TypeError or RangeError for those that it cannot have. */
export function readNLL(operation: string, options: NLLLossOptions, more: readonly string[] = []) {
  requireOptions(operation, options, ['reduction', 'ignoreIndex', 'weight', ...more])
  const { weight } = options
  const reduction = readReduction(operation, options)
  const ignoreIndex = readIgnoreIndex(operation, options.ignoreIndex)
  requireWeight(operation, 'weight', weight)
  return { reduction, ignoreIndex, weight }
}

/** Options of crossEntropy with their defaults; throws TypeError or RangeError for those that it cannot have. */
export function readCrossEntropy(operation: string, options: CrossEntropyOptions) {
  const read = readNLL(operation, options, ['labelSmoothing'])
  const { labelSmoothing = 0 } = options
  requireShare(operation, 'labelSmoothing', labelSmoothing)
  return { ...read, labelSmoothing }
}

type Read = ReturnType<typeof readCrossEntropy>

/** Throws unless scores [N, C, …] are float32, on the device of the target and the weight, which is [C]. */
function requireScores(
  operation: string,
  role: 'logits' | 'input',
  scores: Tensor,
  target: unknown,
  weight: Tensor | undefined,
): void {
  requireTensors(operation, { [role]: scores })
  requireTogether(operation, [scores, ...[target, weight].filter((t) => t instanceof Tensor)])
  requireType(operation, role, scores)
  const { shape } = scores
  if (shape.length < 2) {
    const sentence = `${role} has ${shape.length} dimensions, it must have 2 or more (N C …)`
    throw new ShapeError(operation, sentence, [[role, shape]])
  }
  if (weight && !sameShape(weight.shape, [shape[1]!])) {
    throw new ShapeError(operation, `weight must have one value for each of the ${shape[1]} classes`, [
      [role, shape],
      ['weight', weight.shape],
    ])
  }
}

/** The weight [C] in the place of the classes of scores [N, C, …]. */
const acrossClasses = (weight: Tensor, { shape }: Tensor) =>
  weight.reshape(shape.map((size, d) => (d === 1 ? size : 1)).slice(1))

/** −x, whose gradient does not depend on x, not even where that is NaN; of 0 it is 0 without a sign. */
const minus = (x: Tensor) => sub(0, x)

/** The losses of labels, given logarithms of probabilities [N, C, …], as the reduction wants them. */
function ofLabelled(logs: Tensor, labels: Tensor, { reduction, ignoreIndex, weight, labelSmoothing }: Read): Tensor {
  const C = logs.shape[1]!
  let losses = minus(ofLabels(logs, labels, ignoreIndex))
  const counts =
    reduction === 'mean' || labelSmoothing > 0 ? ofLabels(full(logs.gpu, [C], 1), labels, ignoreIndex) : null
  const weights = weight ? ofLabels(weight, labels, ignoreIndex) : counts
  if (weight) losses = mul(losses, weights!)
  if (labelSmoothing > 0) {
    const all = minus(sum(weight ? mul(logs, acrossClasses(weight, logs)) : logs, 1))
    const shared = where(ne(counts!, 0), all, 0)
    losses = add(mul(losses, 1 - labelSmoothing), mul(shared, labelSmoothing / C))
  }
  return reduction === 'mean' ? div(sum(losses), sum(weights!)) : reduced(losses, reduction)
}

/**
 * −input at the label of each row: input [N, C, …] holds logarithms of probabilities, as `logSoftmax` along dimension 1 gives them;
 * the labels [N, …] are an int32 or uint8 tensor, an Int32Array or a Uint8Array. Returns the mean, the sum, or with 'none' all,
 * [N, …]. With `weight` each loss is multiplied with that of its label's class, and the mean divided by the sum of these. Labels
 * that are `ignoreIndex` do not count, as in `crossEntropy`; so are labels refused that are not classes. PyTorch's nll_loss.
 */
export function nllLoss(input: Tensor, target: Labels, options: NLLLossOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'nllLoss(input, target, options)')
  const read = readNLL('nllLoss', options)
  requireScores('nllLoss', 'input', input, target, read.weight)
  return scope(() =>
    withLabels('nllLoss', 'input', input, target, read.ignoreIndex, (labels) =>
      ofLabelled(input, labels, { ...read, labelSmoothing: 0 }),
    ),
  )
}

/** The losses of a target of probabilities. */
function ofProbabilities(logits: Tensor, target: Tensor, { reduction, weight, labelSmoothing }: Read): Tensor {
  const smooth = labelSmoothing > 0
  const wanted = smooth ? add(mul(target, 1 - labelSmoothing), labelSmoothing / logits.shape[1]!) : target
  const terms = mul(logSoftmax(logits, 1), wanted)
  return reduced(minus(sum(weight ? mul(terms, acrossClasses(weight, logits)) : terms, 1)), reduction)
}

/** Throws unless probabilities have the logits' shape, and no class is to be ignored, which PyTorch refuses too. */
function requireProbabilities(logits: Tensor, target: Tensor, { ignoreIndex }: Read): void {
  if (!sameShape(logits.shape, target.shape)) {
    const sentence = "a float32 target holds probabilities and must have the logits' shape"
    const lines = [['logits', logits.shape] as const, ['target', target.shape] as const]
    throw new ShapeError('crossEntropy', sentence, lines, 'Labels are int32 or uint8.')
  }
  if (ignoreIndex < 0) return
  throw new RangeError(`crossEntropy: ignoreIndex ${ignoreIndex} has no meaning for a target of probabilities`)
}

/** The fused operation on rows: [N, C, …] with its classes last. */
function ofRows(logits: Tensor, labels: Tensor, { reduction, ignoreIndex }: Read): Tensor {
  const { shape } = logits
  if (shape.length === 2) return fusedCrossEntropy(logits, labels, reduction, ignoreIndex)
  return scope(() => {
    const last = permute(logits, [0, ...shape.map((_, d) => d).slice(2), 1])
    const rows = last.reshape([labels.size, shape[1]!])
    const losses = fusedCrossEntropy(rows, labels.reshape([labels.size]), reduction, ignoreIndex)
    return reduction === 'none' ? losses.reshape(labels.shape) : losses
  })
}

/**
 * Softmax cross-entropy of logits [N, C, …]. The target is either labels [N, …], an int32 or uint8 tensor, an Int32Array or a
 * Uint8Array; or probabilities of the classes, float32 in the logits' shape, where the loss is −Σ target · log softmax(logits).
 * Returns the mean over the rows, their sum, or with 'none' the loss of each, [N, …].
 *
 * Labels that are `ignoreIndex`, -100 unless given, do not count: their loss is 0, as is its gradient, and the mean is over the
 * others, NaN if there are none. With `weight` a loss is multiplied with that of its label's class, and the mean divided by the sum
 * of these; with probabilities each term is multiplied with that of its class, and the mean is over all rows. `labelSmoothing` e
 * makes 1 − e + e / C of the label's probability 1, and e / C of the others' 0. Stable for any finite logits. Throws RangeError for a
 * label that is not a class; for labels that were computed on the GPU the loss is NaN instead.
 */
export function crossEntropy(logits: Tensor, target: Labels, options: CrossEntropyOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'crossEntropy(logits, target, options)')
  const read = readCrossEntropy('crossEntropy', options)
  requireScores('crossEntropy', 'logits', logits, target, read.weight)
  if (target instanceof Tensor && target.dtype === 'float32') {
    requireProbabilities(logits, target, read)
    return scope(() => ofProbabilities(logits, target, read))
  }
  return withLabels('crossEntropy', 'logits', logits, target, read.ignoreIndex, (labels) => {
    if (!read.weight && read.labelSmoothing === 0) return ofRows(logits, labels, read)
    return scope(() => ofLabelled(logSoftmax(logits, 1), labels, read))
  })
}
