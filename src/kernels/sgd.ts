// The kernels of torch.optim.SGD's update.
import { Kernel } from '../gpu/kernel.ts'
import * as wgsl from './generated/wgsl.ts'

export const sgdStep = new Kernel('sgd', wgsl.sgd, 'step')
export const sgdStepMomentum = new Kernel('sgd', wgsl.sgd, 'step_momentum')

/** What a momentum buffer holds, in every element, before the first step with momentum: the bits of a NaN. */
export const NO_MOMENTUM = 0x7fc00b0e
