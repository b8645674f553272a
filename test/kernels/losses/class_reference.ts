// The losses of classes in float64, with the error that float32 may make: as they are composed, row by row.
import type { Ref, Result } from '../../support/ref.ts'
import { type Approx, constant, exactly, negate } from '../../support/running_error.ts'
import { groupsOf, sumOf } from '../reduce/reference.ts'
import { formulas } from '../softmax/reference.ts'
import { gradientAt, product, quotient, type Reduction, reduced, resultOf, sumFor, total } from './reference.ts'

/** What a loss of classes is given beside its scores, [N, C, …]. */
export interface ClassOptions {
  readonly shape: readonly number[]
  readonly reduction: Reduction
  /** One for each class. */
  readonly weight: readonly number[] | null
  readonly smoothing: number
  /** Whether the scores are logarithms already, as nllLoss wants them. */
  readonly logs: boolean
}

interface Rows {
  /** The shape of the losses. */
  readonly shape: readonly number[]
  /** The places of each row's classes. */
  readonly places: readonly (readonly number[])[]
  readonly depth: number
}

function rowsOf(shape: readonly number[]): Rows {
  const { shape: of, members, depth } = groupsOf(shape, [1], false)
  return { shape: of, places: members, depth }
}

const pick = (x: Ref, places: readonly number[]) => places.map((i) => x.data[i]!)

/** The logarithms of the probabilities of a row. */
function logsOf(row: readonly number[], { logs }: ClassOptions): readonly Approx[] {
  if (row.length === 0) return []
  return logs ? row.map(exactly) : formulas.logSoftmax.values(row)
}

/** The gradient of the scores of a row, from that of the logarithms. */
function backThrough(row: readonly number[], gradients: readonly Approx[], { logs }: ClassOptions) {
  return logs || row.length === 0 ? gradients : formulas.logSoftmax.gradients(row, gradients)
}

const weightAt = ({ weight }: ClassOptions, c: number) => (weight ? exactly(weight[c]!) : null)
const weighted = (a: Approx, weight: Approx | null) => (weight ? product(a, weight) : a)

/** Of each row the label's weight, 0 if it is ignored. */
function weightsOf(labels: ArrayLike<number>, ignored: number, options: ClassOptions): Approx[] {
  return Array.from(labels, (label) => (label === ignored ? exactly(0) : (weightAt(options, label) ?? exactly(1))))
}

/** With labels, one a row. */
export function forward(x: Ref, labels: ArrayLike<number>, ignored: number, options: ClassOptions): Result {
  const { shape, places, depth } = rowsOf(options.shape)
  const { smoothing } = options
  const losses = places.map((at, n) => {
    const label = labels[n]!
    if (label === ignored) return exactly(0)
    const logs = logsOf(pick(x, at), options)
    const own = weighted(negate(logs[label]!), weightAt(options, label))
    if (smoothing === 0) return own
    const all = negate(
      sumOf(
        logs.map((log, c) => weighted(log, weightAt(options, c))),
        depth,
      ),
    )
    return total([product(own, constant(1 - smoothing)), product(all, constant(smoothing / logs.length))])
  })
  if (options.reduction !== 'mean') return reduced(shape, losses, options.reduction)
  const weights = sumFor(shape, weightsOf(labels, ignored, options))
  return resultOf([], [quotient(sumFor(shape, losses), weights)])
}

function gradientFor(dy: Ref, labels: ArrayLike<number>, ignored: number, options: ClassOptions) {
  const { shape } = rowsOf(options.shape)
  if (options.reduction !== 'mean') return gradientAt(dy, shape, options.reduction)
  const each = quotient(exactly(dy.data[0]!), sumFor(shape, weightsOf(labels, ignored, options)))
  return () => each
}

export function backward(dy: Ref, x: Ref, labels: ArrayLike<number>, ignored: number, options: ClassOptions): Result {
  const { places } = rowsOf(options.shape)
  const { smoothing } = options
  const gradient = gradientFor(dy, labels, ignored, options)
  const all = new Array<Approx>(x.data.length)
  places.forEach((at, n) => {
    const [row, label] = [pick(x, at), labels[n]!]
    const g = gradient(n)
    const gradients = row.map((_, c): Approx => {
      if (label === ignored) return exactly(0)
      const terms: Approx[] = []
      const weight = weightAt(options, c)
      if (c === label) terms.push(weighted(smoothing > 0 ? product(g, constant(1 - smoothing)) : g, weight))
      if (smoothing > 0) terms.push(weighted(product(g, constant(smoothing / row.length)), weight))
      return terms.length > 0 ? negate(total(terms)) : exactly(0)
    })
    backThrough(row, gradients, options).forEach((a, c) => {
      all[at[c]!] = a
    })
  })
  return resultOf(x.shape, all)
}

/** The target after smoothing. */
function smoothed(t: number, classes: number, smoothing: number): Approx {
  if (smoothing === 0) return exactly(t)
  return total([product(exactly(t), constant(1 - smoothing)), constant(smoothing / classes)])
}

/** With probabilities. */
export function softForward(x: Ref, target: Ref, options: ClassOptions): Result {
  const { shape, places, depth } = rowsOf(options.shape)
  const losses = places.map((at) => {
    const wanted = pick(target, at)
    const logs = logsOf(pick(x, at), options)
    const terms = logs.map((log, c) =>
      weighted(product(log, smoothed(wanted[c]!, logs.length, options.smoothing)), weightAt(options, c)),
    )
    return negate(sumOf(terms, depth))
  })
  return reduced(shape, losses, options.reduction)
}

export function softBackward(dy: Ref, x: Ref, target: Ref, options: ClassOptions): [Result, Result] {
  const { shape, places } = rowsOf(options.shape)
  const gradient = gradientAt(dy, shape, options.reduction)
  const { smoothing } = options
  const [ofLogits, ofTarget] = [new Array<Approx>(x.data.length), new Array<Approx>(x.data.length)]
  places.forEach((at, n) => {
    const [row, wanted] = [pick(x, at), pick(target, at)]
    const logs = logsOf(row, options)
    const g = negate(gradient(n))
    const each = row.map((_, c) => weighted(g, weightAt(options, c)))
    const gradients = each.map((v, c) => product(v, smoothed(wanted[c]!, row.length, smoothing)))
    backThrough(row, gradients, options).forEach((a, c) => {
      ofLogits[at[c]!] = a
      const own = product(each[c]!, logs[c]!)
      ofTarget[at[c]!] = smoothing > 0 ? product(own, constant(1 - smoothing)) : own
    })
  })
  return [resultOf(x.shape, ofLogits), resultOf(x.shape, ofTarget)]
}
