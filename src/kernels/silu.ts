// silu: the input times its sigmoid.
import { KernelFile } from '../gpu/kernel.ts'
import { apply, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import type { Tensor } from '../tensor/tensor.ts'
import * as wgsl from './generated/wgsl.ts'
import { groupsForElements, requireTensors, requireType } from './support.ts'

const file = new KernelFile('silu', wgsl.silu)
const forward = file.entry('forward')
const backward = file.entry('backward')

const siluOp: Op<readonly [Tensor], null> = {
  name: 'silu',

  shape([x]) {
    requireType('silu', 'input', x)
    return x.shape
  },

  forward(gpu, [x], _, shape) {
    const out = empty(gpu, shape, 'float32', 'silu')
    gpu.emit(forward, { params: { size: x.size }, x: x.storage, out: out.storage }, groupsForElements(x.size))
    return { out, saved: [x] }
  },

  backward(gpu, dy, [x], _, __, grad) {
    const dx = grad(0)
    const bindings = { params: { size: dy.size }, x: x!.storage, dy: dy.storage, dx: dx.storage }
    gpu.emit(backward, bindings, groupsForElements(dy.size))
    return [dx]
  },
}

/** x / (1 + exp(−x)), which PyTorch calls silu too; NaN stays NaN, and −∞ gives NaN. Any shape, float32. */
export function silu(x: Tensor): Tensor {
  requireTensors('silu', { input: x })
  return apply(siluOp, [x], null)
}
