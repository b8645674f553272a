// One update of a network: its batches, their gradients, and the optimizer's step.
import type { Batches } from '../data/batches.ts'
import type { Module } from '../nn/index.ts'
import { checkNotSwapped } from '../optim/average.ts'
import { checkGradients, checkNotFrozen } from '../optim/check.ts'
import { type Clipping, checkClipping, clipForUpdate } from '../optim/clip.ts'
import type { Optimizer } from '../optim/index.ts'
import { watching } from '../optim/watched.ts'
import { tensor } from '../tensor/create.ts'
import { shown } from '../tensor/options.ts'
import { forgetGradients, type Tensor } from '../tensor/tensor.ts'
import { checkAdded, checkOptimizer, parametersOf } from './check.ts'
import type { Meter } from './meter.ts'
import { withoutMissing } from './missing_parameters.ts'
import { type Stepper, stepperOf, stepperOver } from './stepper.ts'
import { anyBatch, countLosses, lossOf, type Task } from './task.ts'

/** What an update consists of. */
export interface UpdateOptions extends Clipping {
  readonly net: Module<unknown>
  /** One, unless the task has a step of its own. */
  readonly optimizers: readonly Optimizer[]
  readonly train: Batches
  readonly task: Task
  /** Batches whose gradients one update adds up, each by its share of the images: 1 unless given. */
  readonly accumulate?: number | undefined
}

/** How many updates an epoch has. The last one takes the batches that are left. */
export function updatesOf({ train, accumulate = 1 }: Pick<UpdateOptions, 'train' | 'accumulate'>): number {
  return Math.ceil(train.length / accumulate)
}

/** Throws RangeError for an invalid count of batches or limit of gradients. */
export function checkUpdate(operation: string, options: UpdateOptions): void {
  const { accumulate = 1 } = options
  if (!Number.isSafeInteger(accumulate) || accumulate < 1) {
    throw new RangeError(`${operation}: accumulate must be a whole number, 1 or more, not ${shown(accumulate)}`)
  }
  checkClipping(operation, options)
}

/** The updates of an epoch, from where its batches stand. */
export function updateStepper(options: UpdateOptions, meter: Meter, captured: boolean): Stepper {
  const { net, train, optimizers, accumulate = 1 } = options
  const { gpu } = meter.watch
  const made: Tensor[] = []
  const before = new Set(net.parameters())
  const stepper = stepperOver(train, accumulate, (batches) => {
    const sizes = Array.from({ length: batches }, (_, i) => train.sizeOf(train.position + i))
    const images = sizes.reduce((sum, size) => sum + size, 0)
    const shareOf = (size: number) =>
      size === images ? null : tensor(size / images, [], { gpu, name: 'share' }).keep()
    const bySize = new Map([...new Set(sizes)].map((size) => [size, shareOf(size)]))
    made.push(...[...bySize.values()].filter((share) => share !== null))
    const shares = sizes.map((size) => bySize.get(size)!)
    return stepperOf(() => update(options, meter, shares), { gpu, net, optimizers, captured })
  })
  return {
    run: (count, lr) => {
      // A callback may have replaced or added a layer.
      for (const optimizer of optimizers) checkOptimizer('fit', net, optimizer)
      checkAdded('fit', net, optimizers, before)
      for (const { paramGroups } of optimizers) {
        checkNotFrozen('fit', paramGroups)
        checkNotSwapped('fit', paramGroups)
      }
      stepper.run(count, lr)
    },
    dispose: () => {
      for (const part of [stepper, ...made]) part.dispose()
    },
  }
}

/** Forgets all gradients: those of parameters without an optimizer would pile up. */
export function zeroGradients({ net, optimizers }: Pick<UpdateOptions, 'net' | 'optimizers'>): void {
  for (const optimizer of optimizers) optimizer.zeroGrad()
  forgetGradients(net.parameters(), 'another step began')
}

/**
 * One update from the gradients of as many batches as there are shares: the gradient of a batch's mean loss counts by its
 * share of the images. null stands for 1, whose gradient the loss has at hand.
 */
export function update(options: UpdateOptions, meter: Meter, shares: readonly (Tensor | null)[] = [null]): void {
  const { net, optimizers, train, task } = options
  if (task.step) {
    ownStep(options, meter, task.step)
    return
  }
  const optimizer = optimizers[0]!
  withoutMissing('fit', net, task.forward, (forward) => {
    for (const [i, share] of shares.entries()) {
      const batch = anyBatch(train.next())
      const loss = lossOf('fit', task, meter, forward(batch), batch)
      if (i === 0) zeroGradients(options)
      loss.backward(share)
    }
  })
  checkGradients('fit', optimizer.paramGroups)
  clipForUpdate(parametersOf(optimizers), options)
  optimizer.step(meter.watch)
}

/** A step that the user writes: backward and updates are in it, and what it returns are its losses. */
function ownStep(options: UpdateOptions, meter: Meter, step: NonNullable<Task['step']>): void {
  const { net, optimizers, train } = options
  const parameters = parametersOf(optimizers)
  zeroGradients(options)
  const batch = anyBatch(train.next())
  meter.begin(batch.size)
  const call = () => step(batch)
  const made = withoutMissing('fit', net, call, () => watching({ watch: meter.watch, parameters }, call))
  countLosses(meter, made, batch.size)
}
