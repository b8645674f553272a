import type { ImageBatches } from '../data/batches.ts'
import type { Module } from '../nn/index.ts'
import { setMode } from '../nn/module.ts'
import { noGrad } from '../tensor/modes.ts'
import { checkBatches, checkNet } from './check.ts'
import { divergedInEvaluation } from './diverged.ts'
import { Meter, type Totals } from './meter.ts'
import { type Steps, stepsOf } from './steps.ts'

/** The next batch of an evaluation. */
export function evaluationStep(net: Module, batches: ImageBatches, meter: Meter): void {
  noGrad(() => {
    const { images, labels } = batches.next()
    meter.loss(net.forward(images), labels)
  })
}

/**
 * Mean loss and accuracy of a network over a data set, in the set's own order, in evaluation mode. Changes no parameter and no
 * buffer, puts every module back into the mode that it had, and leaves the batches where they stood. A sync point. Rejects with
 * TypeError for what is not a network with parameters, or not one ImageBatches; with DivergedError when the loss or the logits
 * are not finite.
 *
 * It calls the network for every batch, where `fit` replays a plan, to the same bits: a plan would be captured for one use,
 * and not at all of a network that uploads values, reads them back or varies.
 */
export async function evaluate(
  net: Module,
  data: ImageBatches,
): Promise<{ readonly loss: number; readonly accuracy: number; readonly count: number }> {
  checkNet('evaluate', net)
  checkBatches('evaluate', 'data', data)
  const meter = new Meter(net.parameters()[0]!.gpu)
  const restoreModes = setMode(net, false)
  try {
    const steps = stepsOf(() => evaluationStep(net, data, meter), data, null, false)
    const { loss, accuracy, count } = await evaluateBy(steps, data, meter, null)
    return { loss, accuracy, count }
  } finally {
    restoreModes()
    meter.dispose()
  }
}

/** An evaluation by steps that are at hand; `epoch` is for the message of an error. */
export async function evaluateBy(
  steps: Steps,
  batches: ImageBatches,
  meter: Meter,
  epoch: number | null,
): Promise<Totals> {
  meter.reset()
  const { position } = batches
  batches.position = 0
  try {
    steps.run(batches.length)
  } finally {
    batches.position = position // a run may stand in their midst
  }
  const totals = await meter.read()
  if (totals.notFinite) throw divergedInEvaluation(totals.notFinite, batches, epoch)
  return totals
}
