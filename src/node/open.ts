import { Gpu } from '../gpu/gpu.ts'
import type { OpenOptions } from '../open.ts'
import { setDefaultGpu } from '../tensor/default.ts'
import { requireOptions } from '../tensor/options.ts'
import { openAdapter } from './ladder.ts'

/**
 * Opens the best adapter of this machine and makes it the default device; `info.rung` says which kind it is. In order: a
 * hardware adapter, the system's lavapipe, lavapipe in the cache folder, SwiftShader in the cache folder.
 * `DAWNGRAD_ADAPTER=hardware|lavapipe|swiftshader` forces one, and VK_DRIVER_FILES names the only drivers to try.
 *
 * With `fast`, off by default, Dawn neither validates commands nor guards the bounds of buffers: kernels of one's own must
 * do so themselves, and a mistake may crash the process. `info.fast` says so.
 *
 * Throws GpuError of kind 'unavailable', with what was tried and the commands that help, when there is none.
 */
export async function open(options: OpenOptions = {}): Promise<Gpu> {
  requireOptions('open', options, ['fast'])
  const fast = options.fast ?? false
  const { adapter, rung } = await openAdapter(fast)
  const gpu = await Gpu.fromAdapter(adapter, { rung, ...(fast && { fast }) })
  setDefaultGpu(gpu)
  return gpu
}
