// The kernels of torch.optim.SGD's update.
import { KernelFile } from '../gpu/kernel.ts'
import * as wgsl from './generated/wgsl.ts'

const file = new KernelFile('sgd', wgsl.sgd)

export const sgdStep = file.entry('step')
export const sgdStepMomentum = file.entry('step_momentum')

/** What a momentum buffer holds, in every element, before the first step with momentum: the bits of a NaN. */
export const NO_MOMENTUM = 0x7fc00b0e
