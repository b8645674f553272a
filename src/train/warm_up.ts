// Compiles the kernels of a run beforehand.
import { warmUp } from '../capture/capture.ts'
import type { ImageBatches } from '../data/batches.ts'
import { evaluationStep } from './evaluate.ts'
import { Meter } from './meter.ts'
import { type UpdateOptions, update } from './training_step.ts'

/** Compiles what `run` dispatches for such a network, optimizer and batches, and changes none of them; see `warmUp`. */
export async function warmUpRun(options: UpdateOptions & { readonly test: ImageBatches }): Promise<void> {
  const { net, test } = options
  const meter = new Meter(net.parameters()[0]!.gpu)
  try {
    await warmUp(
      () => {
        update(options, meter)
        evaluationStep(net, test, meter)
      },
      { gpu: net.parameters()[0]!.gpu },
    )
  } finally {
    meter.dispose()
  }
}
