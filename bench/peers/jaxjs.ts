// jax-js as a contestant.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { defaultDevice, init } from '@jax-js/jax'
import type { Contestant } from './contestant.ts'
import { kernel } from './jaxjs_kernels.ts'
import { trainer } from './jaxjs_models.ts'

export async function open(): Promise<Contestant> {
  if (!(await init('webgpu')).includes('webgpu')) throw new Error('jax-js could not start its WebGPU backend')
  defaultDevice('webgpu')
  // Its package.json is not among its exports.
  const folder = dirname(createRequire(import.meta.url).resolve('@jax-js/jax'))
  const { version } = JSON.parse(readFileSync(join(folder, '../package.json'), 'utf8')) as { version: string }
  return {
    title: `jax-js ${version} (jit)`,
    version,
    note: 'has its batch on the device as floats, labels one-hot; the whole step, update included, is one jit',
    trainer: async (problem) => trainer(problem),
    kernel: async (item) => kernel(item),
    close: async () => undefined,
  }
}
