// Memory as it is once nothing is left to collect.
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Gpu } from './gpu.ts'

/**
 * The tensors and bytes of a device, without those that tests before have forgotten: a test that waits may see them
 * collected halfway, and would take it for memory of its own.
 */
export async function collected(gpu: Gpu): Promise<{ tensors: number; bytes: number }> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  await setImmediate() // finalizers are tasks of their own
  await setImmediate()
  const { tensors, bytes } = gpu.memory()
  return { tensors, bytes }
}
