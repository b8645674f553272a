// Compiles the kernels of a run beforehand.
import { warmUp } from '../capture/capture.ts'
import type { Batches } from '../data/batches.ts'
import type { Module } from '../nn/index.ts'
import type { Optimizer } from '../optim/index.ts'
import { evaluationStep } from './evaluate.ts'
import { Meter } from './meter.ts'
import { taskOf } from './task.ts'
import { update } from './training_step.ts'

/** What a run is made of that classifies images. */
interface WarmedUp {
  readonly net: Module
  readonly optimizer: Optimizer
  readonly train: Batches
  readonly test: Batches
}

/** Compiles what `run` dispatches for such a network, optimizer and batches, and changes none of them; see `warmUp`. */
export async function warmUpRun({ net, optimizer, train, test }: WarmedUp): Promise<void> {
  const { gpu } = net.parameters()[0]!
  const meter = new Meter(gpu)
  const task = taskOf('fit', net, {}, train)
  try {
    await warmUp(
      () => {
        update({ net, optimizers: [optimizer], train, task }, meter)
        evaluationStep(net, test, task, meter)
      },
      { gpu },
    )
  } finally {
    meter.dispose()
  }
}
