import { Kernel } from '../gpu/kernel.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { groupsForElements } from './support.ts'
import * as wgsl from './wgsl.ts'

const step = new Kernel('sgd', wgsl.sgd, 'step')
const stepMomentum = new Kernel('sgd', wgsl.sgd, 'step_momentum')
const stepWatched = new Kernel('sgd', wgsl.sgd, 'step_watched')
const stepMomentumWatched = new Kernel('sgd', wgsl.sgd, 'step_momentum_watched')

export interface SgdUpdate {
  readonly lr: number
  readonly momentum: number
  readonly dampening: number
  readonly weightDecay: number
  readonly nesterov: boolean
  readonly maximize: boolean
}

/** Where an update notes numbers that are not finite, as finite.ts describes, and the codes it uses. */
export interface SgdWatch {
  readonly watch: Tensor
  readonly gradientCode: number
  readonly parameterCode: number
}

/**
 * Updates a parameter in place from its gradient, by the formula of torch.optim.SGD. With momentum, `buffer` has the
 * parameter's shape and is updated too; `first` says that it holds nothing yet. `watched` costs nothing but its binding.
 */
export function sgdStep(
  parameter: Tensor,
  gradient: Tensor,
  buffer: Tensor | null,
  first: boolean,
  update: SgdUpdate,
  watched: SgdWatch | null = null,
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
    code_dp: watched?.gradientCode ?? 0,
    code_p: watched?.parameterCode ?? 0,
  }
  const kernel = watched ? (buffer ? stepMomentumWatched : stepWatched) : buffer ? stepMomentum : step
  const bindings = {
    params,
    dp: gradient.storage,
    p: parameter.storage,
    ...(buffer && { b: buffer.storage }),
    ...(watched && { watch: watched.watch.storage }),
  }
  gpu.emit(kernel, bindings, groupsForElements(size))
  parameter.storage.version++
}
