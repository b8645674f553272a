// The kernels of Adam's update, with its weight decay decoupled.
import { KernelFile } from '../gpu/kernel.ts'
import * as wgsl from './generated/wgsl.ts'

const file = new KernelFile('adam', wgsl.adam)

export const adamStep = file.entry('step')
export const adamStepAmsgrad = file.entry('step_amsgrad')
