import type { Gpu } from '../gpu/gpu.ts'
import { alignedSize } from '../gpu/pool.ts'
import { empty } from '../tensor/create.ts'
import { Tensor } from '../tensor/tensor.ts'

/** Tensors that lie in one buffer, one after the other. */
export interface Run {
  readonly bytes: number
  readonly members: readonly {
    readonly tensor: Tensor
    /** In bytes, where a binding may begin. */
    readonly offset: number
  }[]
}

/** Cuts float32 tensors, one or more, into runs that each fit one binding. */
export function runsOf(tensors: readonly Tensor[]): Run[] {
  const { maxStorageBufferBindingSize, maxBufferSize } = tensors[0]!.gpu.device.limits
  const limit = Math.min(maxStorageBufferBindingSize, maxBufferSize)
  const runs: { bytes: number; members: { tensor: Tensor; offset: number }[] }[] = []
  for (const tensor of tensors) {
    const bytes = alignedSize(4 * tensor.size)
    let run = runs.at(-1)
    if (!run || run.bytes + bytes > limit) {
      run = { bytes: 0, members: [] }
      runs.push(run)
    }
    run.members.push({ tensor, offset: run.bytes })
    run.bytes += bytes
  }
  return runs
}

/**
 * A kept tensor of each given one's shape, side by side in as few buffers as bindings allow: one dispatch covers them. A
 * buffer's memory comes back with the last of its tensors. What they hold is whatever was there.
 */
export function sideBySide(gpu: Gpu, like: readonly Tensor[], what: string): Tensor[] {
  return runsOf(like).flatMap(({ bytes, members }) => {
    const whole = empty(gpu, [bytes / 4], 'float32', what)
    const parts = members.map(({ offset, tensor: { shape, size } }) =>
      new Tensor(gpu, whole.storage.part(offset, 4 * size), shape, 'float32').keep(),
    )
    whole.dispose()
    return parts
  })
}
