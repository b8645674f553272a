// What a run computes of a batch: the network's output, the loss, metrics; or a step that the user writes.
import type { Batches, BatchOf } from '../data/batches.ts'
import type { BatchFields } from '../data/check_fields.ts'
import { kindOf } from '../kernels/support.ts'
import { Module } from '../nn/index.ts'
import { noGrad } from '../tensor/modes.ts'
import { shown } from '../tensor/options.ts'
import { scope } from '../tensor/scope.ts'
import { Tensor } from '../tensor/tensor.ts'
import type { Meter, Totals } from './meter.ts'
import type { Metric, MetricValue } from './metrics.ts'
import type { Network } from './whole.ts'

/** A batch of which only the names of its fields are known. */
export type AnyBatch = { readonly [name: string]: Tensor } & { readonly size: number }

/** What a network computes. */
export type OutputOf<N> = N extends Module<infer Out> ? Out : unknown

/** A metric: one of `metrics`, or a function that gives the mean over a batch, of one element. */
export type MetricOf<Out, B> = Metric | ((output: Out, batch: B) => Tensor)

/** Metrics by their names. */
export type Metrics = Readonly<Record<string, MetricValue>>

/** What is computed of a network over data; options of `evaluate`, and of {@link fit}. */
export interface EvaluationOptions<N = Module, F extends BatchFields = BatchFields, Out = OutputOf<N>> {
  /** The mean loss of a batch, of one element: softmax cross-entropy of `images` and `labels` unless given. */
  readonly loss?: ((output: Out, batch: BatchOf<F>) => Tensor) | undefined
  /** What the network computes of a batch: `net.forward` of `images`, or else of `x`, or else of the first field, unless given. */
  readonly forward?: ((net: N, batch: BatchOf<F>) => Out) | undefined
  /** Computed on the device for every batch, and reported as means over the rows. */
  readonly metrics?: Readonly<Record<string, MetricOf<Out, BatchOf<F>>>> | undefined
}

/** The options as they come. */
export interface TaskOptions {
  readonly loss?: unknown
  readonly forward?: unknown
  readonly metrics?: unknown
  readonly step?: unknown
}

export interface Task {
  readonly forward: (batch: AnyBatch) => unknown
  /** null: cross-entropy of the labels, counted by the meter itself. */
  readonly loss: ((output: unknown, batch: AnyBatch) => unknown) | null
  readonly metrics: ReadonlyMap<string, Metric | ((output: unknown, batch: AnyBatch) => unknown)>
  /** In place of all of these in training. */
  readonly step: ((batch: AnyBatch) => unknown) | null
}

/** A batch with its fields by names. */
export function anyBatch(batch: { readonly size: number }): AnyBatch {
  return batch as AnyBatch
}

/** The field that a network's forward is given. */
export function inputOf({ names }: Pick<Batches, 'names'>): string {
  return ['images', 'x'].find((name) => names.includes(name)) ?? names[0]!
}

/** What is to be computed. Throws TypeError for options that do not fit the network or the batches. */
export function taskOf(operation: string, net: Network, options: TaskOptions, batches: Batches): Task {
  const { loss, forward, metrics = {}, step } = options
  for (const [name, value] of Object.entries({ loss, forward, step })) {
    if (value === undefined || typeof value === 'function') continue
    throw new TypeError(`${operation}: ${name} must be a function of a batch, not ${shown(value)}`)
  }
  if (typeof metrics !== 'object' || metrics === null || Array.isArray(metrics)) {
    throw new TypeError(
      `${operation}: metrics must be an object, such as { accuracy: metrics.accuracy() }, not ${kindOf(metrics)}`,
    )
  }
  for (const [name, metric] of Object.entries(metrics as Readonly<Record<string, Partial<Metric> | null>>)) {
    if (typeof metric === 'function') continue
    if (typeof metric?.sums === 'function' && typeof metric.value === 'function') continue
    throw new TypeError(
      `${operation}: the metric ${name} must be one of metrics, such as metrics.accuracy(), or a function (output, batch) => a tensor, not ${shown(metric)}`,
    )
  }
  const { names } = batches
  if (loss === undefined && step === undefined && !(names.includes('images') && names.includes('labels'))) {
    throw new TypeError(
      `${operation}: a loss is needed for batches of ${names.join(', ')}: only images with labels have one by default, cross-entropy; give ` +
        'loss: (output, batch) => …, such as mseLoss(output, batch.y)',
    )
  }
  if (forward === undefined && step === undefined && !(net instanceof Module)) {
    throw new TypeError(`${operation}: several networks need forward: (nets, batch) => …, or in fit a step`)
  }
  const input = inputOf(batches)
  const call = forward as ((net: Network, batch: AnyBatch) => unknown) | undefined
  return {
    forward: (batch) => (call ? call(net, batch) : (net as Module<unknown>).forward(batch[input]!)),
    loss: (loss as Task['loss']) ?? null,
    metrics: new Map(Object.entries(metrics)) as Task['metrics'],
    step: (step as Task['step']) ?? null,
  }
}

/** Throws TypeError for what is not a float32 tensor of one element. */
export function requireOne(operation: string, what: string, value: unknown): asserts value is Tensor {
  if (value instanceof Tensor && value.size === 1 && value.dtype === 'float32') return
  const found = value instanceof Tensor ? `${value.dtype} [${value.shape.join(', ')}]` : kindOf(value)
  throw new TypeError(
    `${operation}: ${what} must be a float32 tensor of one element, the mean over the batch, not ${found}`,
  )
}

/** The mean loss of a batch, for backward; counts the batch, its loss and its metrics on the way. */
export function lossOf(operation: string, task: Task, meter: Meter, output: unknown, batch: AnyBatch): Tensor {
  const loss = task.loss ? task.loss(output, batch) : meter.loss(output as Tensor, batch.labels!)
  requireOne(operation, 'what loss returns', loss)
  if (task.loss) meter.count(loss, batch.size)
  for (const [name, metric] of task.metrics) {
    scope(() =>
      noGrad(() => {
        if (typeof metric !== 'function') return meter.add(name, metric.sums(output as Tensor, batch), 1)
        const mean = metric(output, batch)
        requireOne(operation, `what the metric ${name} returns`, mean)
        meter.add(name, mean, batch.size)
      }),
    )
  }
  return loss.shape.length === 0 ? loss : loss.reshape([])
}

/** Counts what a step of the user's returns: a loss, or several by their names, of which `loss` or else the first is the run's. */
export function countLosses(meter: Meter, made: unknown, rows: number): void {
  const isRecord = typeof made === 'object' && made !== null && !(made instanceof Tensor)
  const named = isRecord ? Object.entries(made) : []
  if (isRecord && named.length === 0) {
    throw new TypeError(
      'fit: step returns no loss; it must return one, or several by their names, such as { lossD, lossG }',
    )
  }
  for (const [name, value] of named) requireOne('fit', `${name}, which step returns,`, value)
  const main: unknown = isRecord ? ((made as Readonly<Record<string, unknown>>).loss ?? named[0]![1]) : made
  requireOne('fit', 'what step returns', main)
  meter.counted(main, rows)
  for (const [name, value] of named) meter.add(name, value as Tensor, rows)
}

/** What totals say of a task: accuracy and metrics; null without metrics. */
export function figuresOf(task: Task, totals: Totals): { readonly accuracy: number; readonly metrics: Metrics | null } {
  const { sums, count } = totals
  const read = (name: string, values: readonly number[]) => {
    const metric = task.metrics.get(name)
    return metric === undefined || typeof metric === 'function' ? values[0]! / count : metric.value(values)
  }
  const metrics = Object.fromEntries([...sums].map(([name, values]) => [name, read(name, values)]))
  const isCounted = task.loss === null && task.step === null
  const own = metrics.accuracy
  const accuracy = isCounted ? totals.accuracy : typeof own === 'number' ? own : Number.NaN
  return { accuracy, metrics: sums.size > 0 ? metrics : null }
}
