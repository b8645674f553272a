// open() in a browser, and what both entries do with a tuning.
import { GpuError } from './gpu/errors.ts'
import { Gpu } from './gpu/gpu.ts'
import { setDefaultGpu } from './tensor/default.ts'
import { requireOptions } from './tensor/options.ts'
import { applyTuning, type Tuning } from './tune/file.ts'

/** Options of {@link open}. */
export interface OpenOptions {
  /** Under Node: without Dawn's own checks; browsers always check. Off unless given. */
  readonly fast?: boolean
  /**
   * What `dawngrad tune` found, parsed; under Node also the name of its file. It changes speed, not bits, and applies only to
   * the adapter and driver it was found on. None unless given.
   */
  readonly tuning?: Tuning
  /** Told, a line at a time, what of the tuning is ignored and why; console.warn unless given. */
  readonly notice?: (line: string) => void
}

/**
 * Opens the browser's best adapter and makes it the default device.
 * Throws GpuError of kind 'unavailable' if no adapter is found, DataError if the tuning is invalid. Under Node the package's `open` looks further.
 */
export async function open(options: OpenOptions = {}): Promise<Gpu> {
  requireOptions('open', options, ['fast', 'tuning', 'notice'])
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
  await useTuning(opened, options)
  setDefaultGpu(opened)
  return opened
}

/** Applies the tuning that `open` was given, if any; if it is invalid, the device is closed again. */
export async function useTuning(
  gpu: Gpu,
  { tuning, notice = (line) => console.warn(line) }: OpenOptions,
  name = 'tuning',
): Promise<void> {
  if (tuning === undefined) return
  try {
    await applyTuning(gpu, tuning, { name, notice })
  } catch (error) {
    await gpu.close()
    throw error
  }
}
