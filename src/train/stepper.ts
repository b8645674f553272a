// Steps that are taken many times: as a captured plan, or as a function that is called each time.
import { capture, type Plan } from '../capture/capture.ts'
import type { ImageBatches } from '../data/batches.ts'
import type { Gpu } from '../gpu/gpu.ts'
import type { Module } from '../nn/index.ts'
import type { Optimizer } from '../optim/index.ts'
import { observing } from '../tensor/observe.ts'
import { scope } from '../tensor/scope.ts'

/** A step that can be taken many times. */
export interface Stepper {
  /** Takes `count` steps, each at its learning rate, or at those of the groups. Nothing waits for the device. */
  run(count: number, lr?: readonly number[]): void
  dispose(): void
}

interface StepperOptions {
  readonly gpu: Gpu
  /** The network in the step. */
  readonly net: Module
  /** The optimizer in the step, if there is one. */
  readonly optimizer: Optimizer | null
  readonly captured: boolean
}

/**
 * `step` as a plan that is captured when it is first run, or as a function called each time anew: the same bits. Anomalies
 * are looked for one operation at a time, so then it is never captured.
 */
export function stepperOf(step: () => unknown, { gpu, net, optimizer, captured }: StepperOptions): Stepper {
  if (captured && !observing().some(({ refusesCapture }) => refusesCapture !== undefined)) {
    // A callback may change the parameters of the optimizer, its kernel, or the mode of a layer: they are part of a plan.
    const kind = () => [optimizer?.variants, ...[...net.namedModules().values()].map((m) => m.training)].join()
    let plan: Plan | null = null
    let captureOf: string | undefined
    return {
      run: (count, lr) => {
        if (plan === null || kind() !== captureOf) {
          const before = plan
          plan = capture(step, { gpu })
          captureOf = kind()
          before?.dispose()
        }
        plan.run(count, lr ? { lr } : {})
      },
      dispose: () => plan?.dispose(),
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

/**
 * Steps through an epoch, each of `perStep` batches. The last one has its own stepper if it has fewer batches, or a
 * batch with fewer rows: `make` is called when the batches stand there, so that what it captures has their shape.
 */
export function stepperOver(batches: ImageBatches, perStep: number, make: (count: number) => Stepper): Stepper {
  const { length, batchSize } = batches
  const left = length % perStep === 0 ? perStep : length % perStep
  const isOdd = left < perStep || batches.sizeOf(length - 1) < batchSize
  const whole = Math.ceil(length / perStep) - (isOdd ? 1 : 0)
  let [ofWhole, ofLast]: (Stepper | null)[] = [null, null]
  return {
    run: (count, lr) => {
      const full = Math.min(count, whole - batches.position / perStep)
      if (full > 0) {
        ofWhole ??= make(perStep)
        ofWhole.run(full, lr?.slice(0, full))
      }
      if (count > full) {
        ofLast ??= make(left)
        ofLast.run(1, lr?.slice(full))
      }
    },
    dispose: () => {
      for (const made of [ofWhole, ofLast]) made?.dispose()
    },
  }
}
