// Tensors one after the other in as few buffers as bindings allow.
import type { Gpu } from '../gpu/gpu.ts'
import { alignedSize } from '../gpu/pool.ts'
import { empty } from '../tensor/create.ts'
import { type Shape, sizeOf } from '../tensor/shape.ts'
import { Tensor } from '../tensor/tensor.ts'

/**
 * A kept float32 tensor of each given one's shape, side by side, each where a binding may begin: one dispatch covers those of
 * a buffer. A buffer's memory comes back with the last of its tensors. They hold whatever was there before.
 */
export function sideBySide(gpu: Gpu, like: readonly Tensor[], what: string): Tensor[] {
  const layouts: { bytes: number; shapes: Shape[] }[] = []
  for (const { size, shape } of like) {
    const bytes = alignedSize(4 * size)
    const last = layouts.at(-1)
    if (last && last.bytes + bytes <= gpu.pool.largest) {
      last.bytes += bytes
      last.shapes.push(shape)
    } else layouts.push({ bytes, shapes: [shape] })
  }
  return layouts.flatMap(({ bytes, shapes }) => {
    const whole = empty(gpu, [bytes / 4], 'float32', what)
    let offset = 0
    const parts = shapes.map((shape) => {
      const part = whole.storage.part(offset, 4 * sizeOf(shape))
      offset += alignedSize(part.byteLength)
      return new Tensor(gpu, part, shape, 'float32').keep()
    })
    whole.dispose()
    return parts
  })
}
