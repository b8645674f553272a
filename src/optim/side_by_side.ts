import type { Gpu } from '../gpu/gpu.ts'
import { alignedSize } from '../gpu/pool.ts'
import { empty } from '../tensor/create.ts'
import { Tensor } from '../tensor/tensor.ts'

/**
 * A kept tensor of each given one's shape, side by side in as few buffers as bindings allow: one dispatch covers them. A
 * buffer's memory comes back with the last of its tensors. What they hold is whatever was there.
 */
export function sideBySide(gpu: Gpu, like: readonly Tensor[], what: string): Tensor[] {
  const { maxStorageBufferBindingSize, maxBufferSize } = gpu.device.limits
  const limit = Math.min(maxStorageBufferBindingSize, maxBufferSize)
  const runs: { bytes: number; members: { offset: number; tensor: Tensor }[] }[] = []
  for (const tensor of like) {
    const bytes = alignedSize(4 * tensor.size)
    let run = runs.at(-1)
    if (!run || run.bytes + bytes > limit) {
      run = { bytes: 0, members: [] }
      runs.push(run)
    }
    run.members.push({ offset: run.bytes, tensor })
    run.bytes += bytes
  }
  return runs.flatMap(({ bytes, members }) => {
    const whole = empty(gpu, [bytes / 4], 'float32', what)
    const parts = members.map(({ offset, tensor: { shape, size } }) =>
      new Tensor(gpu, whole.storage.part(offset, 4 * size), shape, 'float32').keep(),
    )
    whole.dispose()
    return parts
  })
}
