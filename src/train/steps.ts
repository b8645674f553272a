import { capture } from '../capture/capture.ts'
import type { ImageBatches } from '../data/batches.ts'
import type { Optimizer } from '../optim/index.ts'
import { observing } from '../tensor/observe.ts'
import { scope } from '../tensor/scope.ts'

/** A step that can be taken many times over. */
export interface Steps {
  /** Takes so many, each at its learning rate; without rates at those of the groups. Nothing waits for the device. */
  run(count: number, lr?: readonly number[]): void
  dispose(): void
}

/**
 * `step` as a captured plan, or as a function called each time anew: the same bits. Anomalies are looked for one operation
 * at a time, so then it is never captured.
 */
export function stepsOf(
  step: () => unknown,
  batches: ImageBatches,
  optimizer: Optimizer | null,
  captured: boolean,
): Steps {
  if (captured && !observing().some(({ refusesCapture }) => refusesCapture !== undefined)) {
    const kind = () => optimizer?.variants
    // Captured where a last batch of fewer rows stands, the plan could only run there.
    const record = () => {
      const { position } = batches
      batches.position = 0
      try {
        return capture(step)
      } finally {
        batches.position = position
      }
    }
    let plan = record()
    let captureOf = kind()
    const again = () => {
      const before = plan
      plan = record()
      captureOf = kind()
      before.dispose()
    }
    return {
      run: (count, lr) => {
        if (kind() !== captureOf) again() // such as with or without momentum: that is part of what was captured
        plan.run(count, lr ? { lr } : {})
      },
      dispose: () => plan.dispose(),
    }
  }
  return {
    run: (count, lr) => {
      for (let i = 0; i < count; i++) {
        if (lr) for (const group of optimizer?.paramGroups ?? []) group.lr = lr[i]!
        scope(() => void step())
      }
    },
    dispose: () => undefined,
  }
}
