import { Gpu } from '../gpu/gpu.ts'
import { setDefaultGpu } from '../tensor/default.ts'
import { openAdapter } from './ladder.ts'

/**
 * Opens the best adapter of this machine and makes it the default device; `info.rung` says which kind it is. In order: a
 * hardware adapter, the system's lavapipe, lavapipe in the cache folder, SwiftShader in the cache folder.
 * `DAWNGRAD_ADAPTER=hardware|lavapipe|swiftshader` forces one, and VK_DRIVER_FILES names the only drivers to try.
 *
 * Throws GpuError of kind 'unavailable', with what was tried and the commands that help, when there is none.
 */
export async function open(): Promise<Gpu> {
  const { adapter, rung } = await openAdapter()
  const gpu = await Gpu.fromAdapter(adapter, rung)
  setDefaultGpu(gpu)
  return gpu
}
