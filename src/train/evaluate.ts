// Loss, accuracy and metrics of a network over a data set.
import type { Batches } from '../data/batches.ts'
import type { BatchFields } from '../data/check_fields.ts'
import type { Module } from '../nn/index.ts'
import { setMode } from '../nn/module.ts'
import { noGrad } from '../tensor/modes.ts'
import { requireOptions, tooMany } from '../tensor/options.ts'
import { keepRandom } from '../tensor/random.ts'
import { checkBatches } from './check.ts'
import { divergedInEvaluation } from './diverged.ts'
import { Meter, type Totals } from './meter.ts'
import { withoutForeign } from './missing_parameters.ts'
import { type Stepper, stepperOf, stepperOver } from './stepper.ts'
import {
  anyBatch,
  type EvaluationOptions,
  figuresOf,
  lossOf,
  type Metrics,
  type OutputOf,
  type Task,
  type TaskOptions,
  taskOf,
} from './task.ts'
import { type Network, wholeOf } from './whole.ts'

/** The next batch of an evaluation. */
export function evaluationStep(net: Module<unknown>, batches: Batches, task: Task, meter: Meter): void {
  noGrad(() => {
    const batch = anyBatch(batches.next())
    const output = withoutForeign('evaluate', net, () => task.forward(batch))
    lossOf('evaluate', task, meter, output, batch)
  })
}

/** What `evaluate` returns. */
export interface Evaluated {
  /** The mean over the rows. */
  readonly loss: number
  /** The share of rows whose largest logit is at the label; with a `loss` of your own the metric called accuracy, or NaN. */
  readonly accuracy: number
  /** Rows. */
  readonly count: number
  /** By their names, where there are any. */
  readonly metrics?: Metrics
}

/**
 * Mean loss, accuracy and metrics of a network over a data set, in the order that the batches have, in evaluation mode. `loss`,
 * `forward` and `metrics` are those of `fit`: without `loss` it is softmax cross-entropy of images and labels. Changes no parameter
 * and no buffer, puts every module back into the mode that it had, and leaves batches and random numbers where they stood. A sync
 * point. Rejects with TypeError for what is not a network with parameters, or not one Batches; with DivergedError when the loss or
 * the logits are not finite.
 *
 * It calls the network for every batch, where `fit` replays a plan, to the same bits: a plan would be captured for one use,
 * and can't be captured of a network that uploads values, reads them back or varies.
 */
export async function evaluate<N extends Network, F extends BatchFields, Out = OutputOf<N>>(
  net: N,
  data: Batches<F>,
  options: EvaluationOptions<N, F, Out> = {},
): Promise<Evaluated> {
  if (arguments.length > 3) throw tooMany(arguments, 'evaluate(net, data, options)')
  const whole = wholeOf('evaluate', net)
  checkBatches('evaluate', 'data', data)
  requireOptions('evaluate', options, ['loss', 'forward', 'metrics'])
  const task = taskOf('evaluate', net, options as unknown as TaskOptions, data)
  const meter = new Meter(whole.parameters()[0]!.gpu)
  try {
    const steps = evaluationStepper(whole, data, task, meter, false)
    const totals = await evaluateBy(steps, { net: whole, batches: data, meter, epoch: null })
    const { accuracy, metrics } = figuresOf(task, totals)
    return { loss: totals.loss, accuracy, count: totals.count, ...(metrics && { metrics }) }
  } finally {
    meter.dispose()
  }
}

/** The batches of an evaluation. */
export function evaluationStepper(
  net: Module<unknown>,
  batches: Batches,
  task: Task,
  meter: Meter,
  captured: boolean,
): Stepper {
  const { gpu } = meter.watch
  const step = () => evaluationStep(net, batches, task, meter)
  return stepperOver(batches, 1, () => stepperOf(step, { gpu, net, optimizers: [], captured }))
}

interface Evaluation {
  readonly net: Module<unknown>
  readonly batches: Batches
  readonly meter: Meter
  /** For the message of an error: the epoch just trained. */
  readonly epoch: number | null
}

/** An evaluation, in evaluation mode, by a stepper that is at hand. */
export async function evaluateBy(steps: Stepper, { net, batches, meter, epoch }: Evaluation): Promise<Totals> {
  meter.reset()
  const restoreMode = setMode(net, false)
  const restoreRandom = keepRandom() // of a network that draws in evaluation too
  const { position } = batches
  batches.position = 0
  try {
    steps.run(batches.length)
  } finally {
    batches.position = position // a run may stand in their midst
    restoreRandom()
    restoreMode()
  }
  const totals = await meter.read()
  if (totals.notFinite) throw divergedInEvaluation(totals.notFinite, batches, epoch)
  return totals
}
