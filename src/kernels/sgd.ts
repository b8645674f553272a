import { Kernel } from '../gpu/kernel.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { groupsForElements } from './support.ts'
import * as wgsl from './wgsl.ts'

const step = new Kernel('sgd', wgsl.sgd, 'step')
const stepMomentum = new Kernel('sgd', wgsl.sgd, 'step_momentum')

export interface SgdUpdate {
  readonly lr: number
  readonly momentum: number
  readonly dampening: number
  readonly weightDecay: number
  readonly nesterov: boolean
  readonly maximize: boolean
}

/**
 * Updates a parameter in place from its gradient, by the formula of torch.optim.SGD. With momentum, `buffer` has the
 * parameter's shape and is updated too; `first` says that it holds nothing yet.
 */
export function sgdStep(
  parameter: Tensor,
  gradient: Tensor,
  buffer: Tensor | null,
  first: boolean,
  update: SgdUpdate,
): void {
  const { size, gpu } = parameter
  const { lr, momentum, dampening, weightDecay, nesterov, maximize } = update
  const params = {
    size,
    lr,
    momentum,
    dampening,
    weight_decay: weightDecay,
    nesterov: nesterov ? 1 : 0,
    maximize: maximize ? 1 : 0,
    first: first ? 1 : 0,
  }
  const bindings = { params, dp: gradient.storage, p: parameter.storage }
  if (buffer) gpu.emit(stepMomentum, { ...bindings, b: buffer.storage }, groupsForElements(size))
  else gpu.emit(step, bindings, groupsForElements(size))
  parameter.storage.version++
}
