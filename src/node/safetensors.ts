// Saves and loads safetensors files under Node.
import { toDevice, toHost } from '../data/host_tensors.ts'
import { decodeSafetensors, encodeSafetensors } from '../data/safetensors.ts'
import { DataError, type Gpu, Tensor } from '../index.ts'
import { requireOptions, shown } from '../tensor/options.ts'
import { readWhole, writeWhole } from './files.ts'

/** Node can't read a larger file at once. */
const MOST_BYTES = 2 ** 31 - 1

/**
 * Writes tensors into a safetensors file, which PyTorch's `safetensors` reads: `saveSafetensors(path, net.stateDict())`.
 * The file appears whole or not at all, even if the process is killed. Waits for the GPU: a sync point.
 *
 * @param tensors by their names: a map or an object
 * @throws TypeError for a value that is not a tensor, or a name that the format or a folder can't hold; WriteError
 */
export async function saveSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>,
): Promise<void> {
  // Of a module, or a list, Object.entries would give something else than its state, or nothing.
  const isObject = typeof tensors === 'object' && tensors !== null
  if (!(tensors instanceof Map || (isObject && [Object.prototype, null].includes(Object.getPrototypeOf(tensors))))) {
    const right = 'a map or an object of tensors by their names, such as net.stateDict()'
    throw new TypeError(`saveSafetensors: the tensors must be ${right}, not ${shown(tensors)}`)
  }
  const given = tensors instanceof Map ? [...(tensors as ReadonlyMap<string, Tensor>)] : Object.entries(tensors)
  const wrong = given.find(([, value]) => !(value instanceof Tensor))
  if (wrong) throw new TypeError(`saveSafetensors: ${JSON.stringify(wrong[0])} is not a tensor`)
  await writeWhole(path, encodeSafetensors(await toHost(given)))
}

/**
 * Reads a safetensors file of float32 (F32), int32 (I32) and uint8 (U8) tensors, and of 64-bit integers (I64) that fit int32,
 * by their names: `net.loadStateDict(await loadSafetensors(path))`. The tensors are on the GPU, and live until they are disposed.
 *
 * @throws DataError if the file can't be read, or deviates from the format
 */
export async function loadSafetensors(path: string, options: { gpu?: Gpu } = {}): Promise<Map<string, Tensor>> {
  requireOptions('loadSafetensors', options, ['gpu'])
  const bytes = await readWhole(path, MOST_BYTES)
  if (typeof bytes === 'string') throw new DataError(`${path}: ${bytes}`)
  return toDevice(decodeSafetensors(bytes, path).tensors, options.gpu)
}
