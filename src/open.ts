import { GpuError } from './gpu/errors.ts'
import { Gpu } from './gpu/gpu.ts'
import { setDefaultGpu } from './tensor/default.ts'
import { requireOptions } from './tensor/options.ts'

export interface OpenOptions {
  /** Under Node: without Dawn's own checks; browsers always check. Off unless given. */
  readonly fast?: boolean
}

/**
 * Opens the browser's best adapter and makes it the default device.
 * Throws GpuError of kind 'unavailable' where there is none. Under Node the package's `open` looks further.
 */
export async function open(options: OpenOptions = {}): Promise<Gpu> {
  requireOptions('open', options, ['fast'])
  const { gpu } = (globalThis.navigator ?? {}) as { gpu?: GPU }
  if (!gpu) {
    throw new GpuError(
      'unavailable',
      'this browser offers no WebGPU here; it needs a recent version and a secure context (https or localhost)',
    )
  }
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' })
  if (!adapter)
    throw new GpuError(
      'unavailable',
      'the browser has WebGPU but found no adapter for it; see chrome://gpu or about:support',
    )
  const opened = await Gpu.fromAdapter(adapter)
  setDefaultGpu(opened)
  return opened
}
