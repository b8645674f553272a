// How tensors lie one after the other in as few buffers as bindings allow.
import type { Gpu } from '../gpu/gpu.ts'
import { alignedSize } from '../gpu/pool.ts'
import { empty } from '../tensor/create.ts'
import { Tensor } from '../tensor/tensor.ts'

/** Tensors that lie in one buffer. */
export interface Layout {
  readonly bytes: number
  readonly members: readonly {
    readonly tensor: Tensor
    /** In bytes, where a binding may begin. */
    readonly offset: number
  }[]
}

/** Divides float32 tensors, one or more, among layouts that each fit one binding. */
export function layoutsOf(tensors: readonly Tensor[]): Layout[] {
  const { maxStorageBufferBindingSize, maxBufferSize } = tensors[0]!.gpu.device.limits
  const limit = Math.min(maxStorageBufferBindingSize, maxBufferSize)
  const layouts: { bytes: number; members: { tensor: Tensor; offset: number }[] }[] = []
  for (const tensor of tensors) {
    const bytes = alignedSize(4 * tensor.size)
    let layout = layouts.at(-1)
    if (!layout || layout.bytes + bytes > limit) {
      layout = { bytes: 0, members: [] }
      layouts.push(layout)
    }
    layout.members.push({ tensor, offset: layout.bytes })
    layout.bytes += bytes
  }
  return layouts
}

/**
 * A kept tensor of each given one's shape, side by side: one dispatch covers those of a buffer. A buffer's memory comes
 * back with the last of its tensors. They hold whatever was there before.
 */
export function sideBySide(gpu: Gpu, like: readonly Tensor[], what: string): Tensor[] {
  return layoutsOf(like).flatMap(({ bytes, members }) => {
    const whole = empty(gpu, [bytes / 4], 'float32', what)
    const parts = members.map(({ offset, tensor: { shape, size } }) =>
      new Tensor(gpu, whole.storage.part(offset, 4 * size), shape, 'float32').keep(),
    )
    whole.dispose()
    return parts
  })
}
