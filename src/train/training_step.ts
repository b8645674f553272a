// One update of a network: its batches, their gradients, and the optimizer's step.
import type { ImageBatches } from '../data/batches.ts'
import type { Module } from '../nn/index.ts'
import { checkNotSwapped } from '../optim/average.ts'
import { checkGradients, checkNotFrozen } from '../optim/check.ts'
import { type Clipping, checkClipping, clipForUpdate } from '../optim/clip.ts'
import type { Optimizer } from '../optim/index.ts'
import { tensor } from '../tensor/create.ts'
import { shown } from '../tensor/options.ts'
import { forgetGradients, type Tensor } from '../tensor/tensor.ts'
import { checkAdded, checkOptimizer } from './check.ts'
import type { Meter } from './meter.ts'
import { withoutMissing } from './missing_parameters.ts'
import { type Stepper, stepperOf, stepperOver } from './stepper.ts'

/** What an update consists of. */
export interface UpdateOptions extends Clipping {
  readonly net: Module
  readonly optimizer: Optimizer
  readonly train: ImageBatches
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
  const { net, train, optimizer, accumulate = 1 } = options
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
    return stepperOf(() => update(options, meter, shares), { gpu, net, optimizer, captured })
  })
  return {
    run: (count, lr) => {
      // A callback may have replaced or added a layer.
      checkOptimizer('fit', net, optimizer)
      checkAdded('fit', net, optimizer, before)
      checkNotFrozen('fit', optimizer.paramGroups)
      checkNotSwapped('fit', optimizer.paramGroups)
      stepper.run(count, lr)
    },
    dispose: () => {
      for (const part of [stepper, ...made]) part.dispose()
    },
  }
}

/** Forgets all gradients: those of parameters without an optimizer would pile up. */
export function zeroGradients({ net, optimizer }: Pick<UpdateOptions, 'net' | 'optimizer'>): void {
  optimizer.zeroGrad()
  forgetGradients(net.parameters(), 'another step began')
}

/**
 * One update from the gradients of as many batches as there are shares: the gradient of a batch's mean loss counts by its
 * share of the images. null stands for 1, whose gradient the loss has at hand.
 */
export function update(options: UpdateOptions, meter: Meter, shares: readonly (Tensor | null)[] = [null]): void {
  const { net, optimizer, train } = options
  withoutMissing('fit', net, (forward) => {
    for (const [i, share] of shares.entries()) {
      const { images, labels } = train.next()
      const loss = meter.loss(forward(images), labels)
      if (i === 0) zeroGradients(options)
      loss.backward(share)
    }
  })
  checkGradients('fit', optimizer.paramGroups)
  clipForUpdate(
    optimizer.paramGroups.flatMap(({ params }) => params),
    options,
  )
  optimizer.step(meter.watch)
}
