// The kernels of Adam's update, with its weight decay decoupled.
import { Kernel } from '../gpu/kernel.ts'
import * as wgsl from './generated/wgsl.ts'

export const adamStep = new Kernel('adam', wgsl.adam, 'step')
export const adamStepAmsgrad = new Kernel('adam', wgsl.adam, 'step_amsgrad')
