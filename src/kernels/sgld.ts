// The kernel that adds the noise of stochastic gradient Langevin dynamics.
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import * as wgsl from './generated/wgsl.ts'

const addNoise = new KernelFile('sgld', wgsl.sgld).entry('add_noise')

/** Words of a row of settings. */
export const SGLD_WORDS = 4

/** The noise of one step: its number t, 0 … 2³² − 2, the seed, 0 … 2⁵³ − 1, and the standard deviation, rounded to float32. */
export interface SgldNoise {
  readonly seed: number
  readonly step: number
  readonly scale: number
}

/** The row that the kernel reads. Substream 0 is the host's own: t's is t + 1. */
export function sgldRow({ seed, step, scale }: SgldNoise): Uint32Array {
  const [bits] = new Uint32Array(Float32Array.of(scale).buffer)
  return Uint32Array.of(step + 1, seed >>> 0, Math.floor(seed / 2 ** 32), bits!)
}

export interface SgldStorages {
  /** Rows of three words, as rows.ts has them: the place among the parameters, the number of the element (a multiple of 4), how many. */
  readonly table: Storage
  /** Rows of settings, as per_step.ts has them. */
  readonly settings: Storage
  readonly parameters: Storage
}

/** p += scale · ξ in place; `rows` of the table, `use` of the settings. */
export function sgldNoise(gpu: Gpu, { table, settings, parameters }: SgldStorages, rows: number, use: number): void {
  gpu.emit(addNoise, { params: { rows, which: use }, settings, table, p: parameters }, rows)
}
