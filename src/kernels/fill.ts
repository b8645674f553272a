// Tensors with one value everywhere.
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import { empty } from '../tensor/create.ts'
import type { Shape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import * as wgsl from './generated/wgsl.ts'
import { groupsForElements } from './support.ts'

const forward = new KernelFile('fill', wgsl.fill).entry('forward')

/** A float32 tensor with every element set to `value`. */
export function full(gpu: Gpu, shape: Shape, value: number): Tensor {
  const out = empty(gpu, shape, 'float32', 'fill')
  emitFill(out, value)
  return out
}

/** Emits `value` for every element of a float32 tensor. */
export function emitFill(out: Tensor, value: number): void {
  out.gpu.emit(forward, { params: { size: out.size, value }, out: out.storage }, groupsForElements(out.size))
}
