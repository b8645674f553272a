// open() under Node.
import { Gpu } from '../gpu/gpu.ts'
import { type OpenOptions, useTuning } from '../open.ts'
import { openAdapter } from '../provision/adapters.ts'
import { setDefaultGpu } from '../tensor/default.ts'
import { requireOptions } from '../tensor/options.ts'
import type { Tuning } from '../tune/file.ts'
import { readTuning } from './tuning_file.ts'

/** Options of {@link open} under Node: as in a browser, except that a tuning may be a file. */
export interface NodeOpenOptions extends Omit<OpenOptions, 'tuning'> {
  /** A file of `dawngrad tune`, or its parsed content. */
  readonly tuning?: string | Tuning
}

/**
 * Opens the best adapter of this machine and makes it the default device. In order: a hardware adapter, the system's
 * lavapipe, lavapipe in the cache folder, SwiftShader in the cache folder; `info.adapterSource` says which of them it is.
 * `DAWNGRAD_ADAPTER=hardware|lavapipe|swiftshader` forces one, and VK_DRIVER_FILES names the only drivers to try.
 *
 * With `fast`, off by default, Dawn neither validates commands nor guards the bounds of buffers: your own kernels must do so
 * themselves, and a mistake may crash the process. `info.fast` says so.
 *
 * With `tuning`, kernels run with the settings found for this adapter and driver; the bits stay the same. Entries that do not
 * apply are ignored and reported to `notice`, by default console.warn.
 *
 * In a worker thread a driver in the cache folder needs `new Worker(file, { env: SHARE_ENV })`, or VK_DRIVER_FILES in the shell.
 * `worker.terminate()` while the GPU computes ends the whole process: let the worker finish and `await gpu.close()`.
 *
 * Throws GpuError ('unavailable') if no adapter is found, with what was tried and the commands that help; DataError if the
 * tuning is malformed.
 */
export async function open(options: NodeOpenOptions = {}): Promise<Gpu> {
  requireOptions('open', options, ['fast', 'tuning', 'notice'])
  const fast = options.fast ?? false
  const { notice, tuning: given } = options
  const tuning = typeof given === 'string' ? await readTuning(given) : given
  const { adapter, adapterSource } = await openAdapter(fast)
  const gpu = await Gpu.fromAdapter(adapter, { adapterSource, ...(fast && { fast }) })
  const name = typeof given === 'string' ? given : 'tuning'
  await useTuning(gpu, { ...(tuning !== undefined && { tuning }), ...(notice && { notice }) }, name)
  setDefaultGpu(gpu)
  return gpu
}
