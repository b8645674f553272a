// Loss and accuracy of a network over a data set.
import type { ImageBatches } from '../data/batches.ts'
import type { Module } from '../nn/index.ts'
import { setMode } from '../nn/module.ts'
import { noGrad } from '../tensor/modes.ts'
import { tooMany } from '../tensor/options.ts'
import { keepRandom } from '../tensor/random.ts'
import { checkBatches, checkNet } from './check.ts'
import { divergedInEvaluation } from './diverged.ts'
import { Meter, type Totals } from './meter.ts'
import { withoutForeign } from './missing_parameters.ts'
import { type Stepper, stepperOf, stepperOver } from './stepper.ts'

/** The next batch of an evaluation. */
export function evaluationStep(net: Module, batches: ImageBatches, meter: Meter): void {
  noGrad(() => {
    const { images, labels } = batches.next()
    const logits = withoutForeign('evaluate', net, () => net.forward(images))
    meter.loss(logits, labels)
  })
}

/**
 * Mean loss and accuracy of a network over a data set, in the order that the batches have, in evaluation mode. Changes no parameter and no
 * buffer, puts every module back into the mode that it had, and leaves batches and random numbers where they stood. A sync point.
 * Rejects with TypeError for what is not a network with parameters, or not one ImageBatches; with DivergedError when the loss or
 * the logits are not finite.
 *
 * It calls the network for every batch, where `fit` replays a plan, to the same bits: a plan would be captured for one use,
 * and can't be captured of a network that uploads values, reads them back or varies.
 */
export async function evaluate(
  net: Module,
  data: ImageBatches,
): Promise<{ readonly loss: number; readonly accuracy: number; readonly count: number }> {
  if (arguments.length > 2) throw tooMany(arguments, 'evaluate(net, data)')
  checkNet('evaluate', net)
  checkBatches('evaluate', 'data', data)
  const meter = new Meter(net.parameters()[0]!.gpu)
  try {
    const steps = evaluationStepper(net, data, meter, false)
    const { loss, accuracy, count } = await evaluateBy(steps, { net, batches: data, meter, epoch: null })
    return { loss, accuracy, count }
  } finally {
    meter.dispose()
  }
}

/** The batches of an evaluation. */
export function evaluationStepper(net: Module, batches: ImageBatches, meter: Meter, captured: boolean): Stepper {
  const { gpu } = meter.watch
  const step = () => evaluationStep(net, batches, meter)
  return stepperOver(batches, 1, () => stepperOf(step, { gpu, net, optimizer: null, captured }))
}

interface Evaluation {
  readonly net: Module
  readonly batches: ImageBatches
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
