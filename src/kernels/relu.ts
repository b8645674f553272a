// relu: the input where it is positive, else 0.
import { KernelFile } from '../gpu/kernel.ts'
import { apply, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import type { Tensor } from '../tensor/tensor.ts'
import * as wgsl from './generated/wgsl.ts'
import { groupsForElements, requireTensors, requireType } from './support.ts'

const file = new KernelFile('relu', wgsl.relu)
const forward = file.entry('forward')
const backward = file.entry('backward')

const reluOp: Op<readonly [Tensor], null> = {
  name: 'relu',

  shape([x]) {
    requireType('relu', 'input', x)
    return x.shape
  },

  forward(gpu, [x], _, shape) {
    const out = empty(gpu, shape, 'float32', 'relu')
    gpu.emit(forward, { params: { size: x.size }, x: x.storage, out: out.storage }, groupsForElements(x.size))
    return { out, saved: [out] }
  },

  backward(gpu, dy, saved) {
    const dx = empty(gpu, dy.shape, 'float32', 'relu')
    const bindings = { params: { size: dy.size }, y: saved[0]!.storage, dy: dy.storage, dx: dx.storage }
    gpu.emit(backward, bindings, groupsForElements(dy.size))
    return [dx]
  },
}

/** The input where it is positive, else 0; NaN stays NaN. The gradient at 0 is 0. Any shape, float32. */
export function relu(x: Tensor): Tensor {
  requireTensors('relu', { input: x })
  return apply(reluOp, [x], null)
}
