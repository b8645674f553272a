import { create } from 'webgpu'
import { GpuError } from '../gpu/errors.ts'
import { Gpu } from '../gpu/gpu.ts'
import { setDefaultGpu } from '../tensor/default.ts'

// Kept for the life of the process: once the instance is collected as garbage, the next dispatch crashes.
let instance: GPU | null = null

const NO_ADAPTER = `no WebGPU adapter was found: neither a hardware adapter nor lavapipe, Mesa's driver for the processor.
  Debian 13, Ubuntu 24.04 and newer:  apt-get install mesa-vulkan-drivers libvulkan1
  Debian 12:                          apt-get install -t bookworm-backports mesa-vulkan-drivers libvulkan1
On Debian 12 the suite bookworm-backports must be among apt's sources: its own Mesa, 22.3, is too old.
A GPU needs its vendor's Vulkan driver; \`vulkaninfo --summary\` lists what the system has.`

/**
 * Opens the best adapter of this machine and makes it the default device.
 * Throws GpuError of kind 'unavailable', with the commands that help, when there is none.
 */
export async function open(): Promise<Gpu> {
  instance ??= create([])
  const adapter = await instance.requestAdapter({ powerPreference: 'high-performance' })
  if (!adapter) throw new GpuError('unavailable', NO_ADAPTER)
  const gpu = await Gpu.fromAdapter(adapter)
  setDefaultGpu(gpu)
  return gpu
}
