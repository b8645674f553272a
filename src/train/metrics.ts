// Metrics of classes and of numbers, from sums over the batches that are added up on the device.

import { argmax } from '../kernels/argmax.ts'
import { eq, gt, le, mul, ne, where } from '../kernels/binary.ts'
import { crossEntropy } from '../kernels/class_losses.ts'
import { stack } from '../kernels/copy.ts'
import { full } from '../kernels/fill.ts'
import { IGNORED } from '../kernels/labels.ts'
import { l1Loss } from '../kernels/losses.ts'
import { matmul } from '../kernels/matmul.ts'
import { oneHot } from '../kernels/one_hot.ts'
import { max, sum } from '../kernels/reductions.ts'
import { kindOf, requireType } from '../kernels/support.ts'
import { ofLabels } from '../kernels/take.ts'
import { requireOptions, shown, tooMany } from '../tensor/options.ts'
import { ShapeError } from '../tensor/shape.ts'
import { Tensor } from '../tensor/tensor.ts'

/** What a metric may be: a number, one for each class, or a matrix in rows. */
export type MetricValue = number | readonly number[] | readonly (readonly number[])[]

/** A metric of all rows, from sums over the batches that are added up without rounding. */
export interface Metric {
  /** The numbers of a batch that are added up, float32, always as many. */
  sums(output: Tensor, batch: object): Tensor
  /** The metric, from the sums in their order. */
  value(sums: readonly number[]): MetricValue
}

/** Options of the metrics. */
export interface MetricOptions {
  /** The field that the output is compared with: `labels`, `y` or `target`, the first that the batches have, unless given. */
  readonly target?: string
}

/** Options of {@link precision}, {@link recall} and {@link f1}. */
export interface AverageOptions extends MetricOptions {
  /** 'macro': the mean over the classes, as it is unless given; 'micro': of all rows together; 'none': one number a class. */
  readonly average?: 'macro' | 'micro' | 'none'
}

const TARGETS = ['labels', 'y', 'target'] as const

/** Reads options; what is returned finds the target of a batch. */
function targetBy(name: string, options: MetricOptions, more: readonly string[] = []): (batch: object) => Tensor {
  requireOptions(name, options, ['target', ...more])
  const { target } = options
  if (target !== undefined && typeof target !== 'string') {
    throw new TypeError(`${name}: target must be the name of a field, such as 'y', not ${shown(target)}`)
  }
  return (batch) => {
    const fields = batch as Readonly<Record<string, unknown>>
    const found = target ?? TARGETS.find((field) => fields[field] instanceof Tensor)
    const value = found === undefined ? undefined : fields[found]
    if (value instanceof Tensor) return value
    const which = target === undefined ? TARGETS.join(', ') : target
    const have = Object.keys(fields).filter((field) => fields[field] instanceof Tensor)
    throw new TypeError(`${name}: the batches have no ${which}, only ${have.join(', ')}; name the field by { target }`)
  }
}

/** Throws unless logits are [N, C, …], and labels [N, …] whole numbers. */
function requireClasses(name: string, output: Tensor, labels: Tensor): void {
  if (!(output instanceof Tensor)) throw new TypeError(`${name}: the output must be a tensor, not ${kindOf(output)}`)
  requireType(name, 'output', output)
  requireType(name, 'target', labels, ['int32', 'uint8'])
  const { shape } = output
  const fits = shape.length >= 2 && labels.shape.length === shape.length - 1
  if (fits && labels.shape.every((n, d) => n === shape[d === 0 ? 0 : d + 1])) return
  const sentence = 'the output must be [N, C, …] and the target [N, …], one label a row'
  throw new ShapeError(name, sentence, [
    ['output', shape],
    ['target', labels.shape],
  ])
}

const one = (t: Tensor) => full(t.gpu, [], 1)
/** 1 where bytes are not 0, else 0, in float32. */
const asNumber = (bytes: Tensor) => where(bytes, one(bytes), 0)
/** 1 for rows that count, 0 for those labelled -100. */
const countedOf = (labels: Tensor) =>
  labels.dtype === 'int32' ? asNumber(ne(labels, IGNORED)) : full(labels.gpu, labels.shape, 1)

/** A share of the labels, from what is right of each. */
function shareOf(
  rightOf: (output: Tensor, labels: Tensor) => Tensor,
  target: (batch: object) => Tensor,
  name: string,
): Metric {
  return {
    sums(output, batch) {
      const labels = target(batch)
      requireClasses(name, output, labels)
      const counted = countedOf(labels)
      return stack([sum(mul(rightOf(output, labels), counted)), sum(counted)])
    },
    value: ([right, count]) => right! / count!,
  }
}

/**
 * The share of labels whose logit is the largest, the first of equal ones: of logits [N, C, …] and labels [N, …]. Labels that are
 * -100 do not count, and a row with NaN is not right.
 */
export function accuracy(options: MetricOptions = {}): Metric {
  if (arguments.length > 1) throw tooMany(arguments, 'metrics.accuracy(options)')
  const target = targetBy('metrics.accuracy', options)
  const rightOf = (output: Tensor, labels: Tensor) => {
    const largest = max(output, 1)
    return mul(asNumber(eq(argmax(output, 1), labels)), asNumber(eq(largest, largest)))
  }
  return shareOf(rightOf, target, 'metrics.accuracy')
}

/** The share of labels of which fewer than k classes have a larger logit. Labels that are -100 do not count. */
export function topK(k: number, options: MetricOptions = {}): Metric {
  if (arguments.length > 2) throw tooMany(arguments, 'metrics.topK(k, options)')
  if (!Number.isSafeInteger(k) || k < 1) {
    throw new RangeError(`metrics.topK: k must be a whole number, 1 or more, not ${shown(k)}`)
  }
  const target = targetBy('metrics.topK', options)
  const rightOf = (output: Tensor, labels: Tensor) => {
    const own = ofLabels(output, labels, IGNORED).unsqueeze(1)
    // Counted this way a NaN is larger than all.
    const notLarger = sum(asNumber(le(output, own)), 1)
    return asNumber(gt(notLarger, output.shape[1]! - k))
  }
  return shareOf(rightOf, target, 'metrics.topK')
}

function requireCount(name: string, classes: number): void {
  if (Number.isSafeInteger(classes) && classes >= 1) return
  throw new RangeError(`${name}: classes must be a whole number, 1 or more, not ${shown(classes)}`)
}

/** A metric that is worked out of a confusion matrix, whose rows are the labels and whose columns what was found. */
function ofMatrix(
  name: string,
  classes: number,
  target: (batch: object) => Tensor,
  value: (matrix: readonly (readonly number[])[]) => MetricValue,
): Metric {
  requireCount(name, classes)
  return {
    sums(output, batch) {
      const labels = target(batch)
      requireClasses(name, output, labels)
      if (output.shape[1] !== classes) {
        throw new ShapeError(name, `the output has ${output.shape[1]} classes, not ${classes}`, [
          ['output', output.shape],
        ])
      }
      const rows = labels.size
      const [wanted, found] = [labels, argmax(output, 1)].map((t) => oneHot(t.reshape([rows]), classes))
      return matmul(wanted!, found!, { transposeA: true })
    },
    value: (sums) => value(Array.from({ length: classes }, (_, i) => sums.slice(classes * i, classes * (i + 1)))),
  }
}

/** How often rows of each label (the rows of the matrix) were taken for each class (its columns): scikit-learn's confusion_matrix. */
export function confusionMatrix(classes: number, options: MetricOptions = {}): Metric {
  if (arguments.length > 2) throw tooMany(arguments, 'metrics.confusionMatrix(classes, options)')
  const target = targetBy('metrics.confusionMatrix', options)
  return ofMatrix('metrics.confusionMatrix', classes, target, (matrix) => matrix)
}

/** Of a class: rows that are rightly taken for it, rows that are taken for it, rows that are of it. */
interface Counts {
  readonly right: number
  readonly found: number
  readonly wanted: number
}

function averaged(name: string, classes: number, options: AverageOptions, of: (counts: Counts) => number): Metric {
  const target = targetBy(name, options, ['average'])
  const { average = 'macro' } = options
  if (!['macro', 'micro', 'none'].includes(average)) {
    throw new TypeError(`${name}: average must be 'macro', 'micro' or 'none', not ${shown(average)}`)
  }
  return ofMatrix(name, classes, target, (matrix) => {
    const total = (numbers: readonly number[]) => numbers.reduce((all, n) => all + n, 0)
    const counts = matrix.map((row, c) => ({
      right: row[c]!,
      found: total(matrix.map((other) => other[c]!)),
      wanted: total(row),
    }))
    if (average === 'micro') {
      const [right, found, wanted] = (['right', 'found', 'wanted'] as const).map((key) =>
        total(counts.map((one) => one[key])),
      )
      return of({ right: right!, found: found!, wanted: wanted! })
    }
    const each = counts.map(of)
    return average === 'none' ? each : total(each) / classes
  })
}

/** 0 / 0 is 0, as in scikit-learn. */
const over = (a: number, b: number) => (b === 0 ? 0 : a / b)

/** Of the rows that are taken for a class, the share that is of it; 0 where there are none. scikit-learn's precision_score. */
export function precision(classes: number, options: AverageOptions = {}): Metric {
  if (arguments.length > 2) throw tooMany(arguments, 'metrics.precision(classes, options)')
  return averaged('metrics.precision', classes, options, ({ right, found }) => over(right, found))
}

/** Of the rows of a class, the share that is taken for it; 0 where there are none. scikit-learn's recall_score. */
export function recall(classes: number, options: AverageOptions = {}): Metric {
  if (arguments.length > 2) throw tooMany(arguments, 'metrics.recall(classes, options)')
  return averaged('metrics.recall', classes, options, ({ right, wanted }) => over(right, wanted))
}

/** The harmonic mean of precision and recall, 2 · right / (found + wanted); 0 where there are none. scikit-learn's f1_score. */
export function f1(classes: number, options: AverageOptions = {}): Metric {
  if (arguments.length > 2) throw tooMany(arguments, 'metrics.f1(classes, options)')
  return averaged('metrics.f1', classes, options, ({ right, found, wanted }) => over(2 * right, found + wanted))
}

/** The mean of |output − target| over all elements, of tensors of one shape with as many numbers in every row. */
export function mae(options: MetricOptions = {}): Metric {
  if (arguments.length > 1) throw tooMany(arguments, 'metrics.mae(options)')
  const target = targetBy('metrics.mae', options)
  return {
    sums(output, batch) {
      const wanted = target(batch)
      return stack([l1Loss(output, wanted, { reduction: 'sum' }), full(output.gpu, [], output.size)])
    },
    value: ([all, count]) => all! / count!,
  }
}

/**
 * exp of the mean cross-entropy over all labels that are not -100: of logits [N, C, …] and labels [N, …]. For text N is the
 * number of tokens, or [N, C, T].
 */
export function perplexity(options: MetricOptions = {}): Metric {
  if (arguments.length > 1) throw tooMany(arguments, 'metrics.perplexity(options)')
  const target = targetBy('metrics.perplexity', options)
  return {
    sums(output, batch) {
      const labels = target(batch)
      requireClasses('metrics.perplexity', output, labels)
      return stack([crossEntropy(output, labels, { reduction: 'sum' }), sum(countedOf(labels))])
    },
    value: ([all, count]) => Math.exp(all! / count!),
  }
}
