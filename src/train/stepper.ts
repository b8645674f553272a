// Steps that are taken many times: as a captured plan, or as a function that is called each time.
import { capture, type Plan } from '../capture/capture.ts'
import type { Batches } from '../data/batches.ts'
import type { Gpu } from '../gpu/gpu.ts'
import type { Module } from '../nn/index.ts'
import { contentsOf } from '../nn/state.ts'
import type { Optimizer } from '../optim/index.ts'
import { observing } from '../tensor/observe.ts'
import { scope } from '../tensor/scope.ts'
import { Tensor } from '../tensor/tensor.ts'

/** A step that can be taken many times. */
export interface Stepper {
  /** Takes `count` steps, each at its learning rate, or at those of the groups. Nothing waits for the device. */
  run(count: number, lr?: readonly number[]): void
  dispose(): void
}

interface StepperOptions {
  readonly gpu: Gpu
  /** The network in the step. */
  readonly net: Module<unknown>
  /** The optimizers in the step. */
  readonly optimizers: readonly Optimizer[]
  readonly captured: boolean
}

/**
 * `step` as a plan that is captured when it is first run, or as a function called each time anew: the same bits. Anomalies
 * are looked for one operation at a time, so then it is never captured.
 */
export function stepperOf(step: () => unknown, { gpu, net, optimizers, captured }: StepperOptions): Stepper {
  if (captured && !observing().some(({ refusesCapture }) => refusesCapture !== undefined)) {
    let plan: Plan | null = null
    let captured: readonly unknown[] = []
    return {
      run: (count, lr) => {
        const now = given(net, optimizers)
        if (plan === null || now.length !== captured.length || now.some((value, i) => !Object.is(value, captured[i]))) {
          const before = plan
          plan = capture(step, { gpu })
          captured = given(net, optimizers)
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
        setRates(optimizers, lr?.[i])
        scope(() => void step())
      }
    },
    dispose: () => undefined,
  }
}

/**
 * What a step depends on that a plan does not ask for again: what the modules hold, their modes, where tensors lie and
 * which of them are trained, and how the optimizer updates them. A callback may change any of it. Released tensors are all
 * alike: a forward may keep its last result in a property.
 */
function given(net: Module<unknown>, optimizers: readonly Optimizer[]): unknown[] {
  const held = (value: unknown) => {
    if (!(value instanceof Tensor)) return [value]
    return value.released ? [null] : [value, value.requiresGrad, value.storage.buffer, value.storage.offset]
  }
  const modules = [...net.namedModules().values()]
  return [
    ...optimizers.map(({ variants }) => variants),
    ...modules.flatMap((m) => [m, m.training, m.forward, ...contentsOf(m).flatMap(held)]),
  ]
}

function setRates(optimizers: readonly Optimizer[], lr: number | undefined): void {
  if (lr !== undefined) for (const group of optimizers.flatMap(({ paramGroups }) => paramGroups)) group.lr = lr
}

/**
 * Steps through an epoch, each of `perStep` batches. The last one has its own stepper if it has fewer batches, or a
 * batch with fewer rows: `make` is called when the batches stand there, so that what it captures has their shape.
 */
export function stepperOver(batches: Batches, perStep: number, make: (count: number) => Stepper): Stepper {
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
