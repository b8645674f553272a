// The error for numbers that are no longer finite, with the place in the run.
import { meaningOf } from '../kernels/finite.ts'
import type { Module } from '../nn/index.ts'
import type { Optimizer } from '../optim/index.ts'
import { parametersOf } from './check.ts'
import type { Totals } from './meter.ts'

/** Where in a run numbers ceased to be finite. */
export interface Divergence {
  /** What was found first, such as 'loss', 'logits', 'gradient of 0.weight' or 'parameter 0.weight'. */
  readonly what: string
  /** The epoch, counted from 0; null outside of a run. */
  readonly epoch: number | null
  /** The update, counted from 1 over the whole run; null in an evaluation. */
  readonly step: number | null
  /** The rate of that update; null in an evaluation. */
  readonly lr: number | null
}

/** Training or evaluation stopped because its numbers ceased to be finite. */
export class DivergedError extends Error implements Divergence {
  override readonly name = 'DivergedError'
  readonly what: string
  readonly epoch: number | null
  readonly step: number | null
  readonly lr: number | null

  /** @internal */
  constructor(message: string, { what, epoch, step, lr }: Divergence) {
    super(message)
    this.what = what
    this.epoch = epoch
    this.step = step
    this.lr = lr
  }
}

/** The batch, counted from 0, in which a meter noted something; only the last may be smaller than the others. */
export function batchOf(
  { upTo }: NonNullable<Totals['notFinite']>,
  { batchSize }: { readonly batchSize: number },
): number {
  return Math.ceil(upTo / batchSize) - 1
}

/** The error for what a meter noted in training: `place` says where in the run the batch with that note is. */
export function divergedInTraining(
  { code }: NonNullable<Totals['notFinite']>,
  { net, optimizers }: { readonly net: Module<unknown>; readonly optimizers: readonly Optimizer[] },
  place: { readonly epoch: number; readonly step: number; readonly lr: number },
): DivergedError {
  const what = nameOf(code, net, optimizers)
  const { epoch, step, lr } = place
  return new DivergedError(
    `the ${what} became NaN or infinite at step ${step} (epoch ${epoch + 1}, learning rate ${lr}): ` +
      "a smaller --lr, or a warm-up such as --schedule 'warmup(constant, steps=5)', keeps it finite; " +
      'in code, detectAnomaly names the operation',
    { what, ...place },
  )
}

/** The error for what a meter noted in an evaluation: the loss or the logits. `epoch` is the one just trained. */
export function divergedInEvaluation(
  notFinite: NonNullable<Totals['notFinite']>,
  batches: { readonly length: number; readonly batchSize: number },
  epoch: number | null,
): DivergedError {
  const what = meaningOf(notFinite.code, 0).kind
  const batch = batchOf(notFinite, batches) + 1
  const after = epoch === null ? '' : ` after epoch ${epoch + 1}`
  return new DivergedError(
    `the ${what} became NaN or infinite in batch ${batch} of ${batches.length} of the evaluation${after}: ` +
      'the parameters, or the images, hold values too large for the network',
    { what, epoch, step: null, lr: null },
  )
}

function nameOf(code: number, net: Module<unknown>, optimizers: readonly Optimizer[]): string {
  const parameters = parametersOf(optimizers)
  const { kind, index } = meaningOf(code, parameters.length)
  if (kind === 'loss' || kind === 'logits') return kind
  const parameter = parameters[index]!
  const name = [...net.namedParameters()].find(([, p]) => p === parameter)?.[0] ?? parameter.label
  return kind === 'gradient' ? `gradient of ${name}` : `parameter ${name}`
}
