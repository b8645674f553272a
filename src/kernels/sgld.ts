import type { Gpu } from '../gpu/gpu.ts'
import { Kernel } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import * as wgsl from './wgsl.ts'

const addNoise = new Kernel('sgld', wgsl.sgld, 'add_noise')

const WORDS_BEFORE_SCALES = 5

export interface SgldNoise {
  /** 0 … 2⁵³ − 1 */
  readonly seed: number
  /** The number t of the first step of a run, 0 … 2³² − 2. */
  readonly step: number
  /** How much t grows from one step of a run to the next. */
  readonly stride: number
  /** Standard deviations, one for each step of a run and at least one; rounded to float32. */
  readonly scales: readonly number[]
}

/** What noise is to be added, as the kernel reads it. Substream 0 is the host's own: t's is t + 1. */
export function sgldSettings({ seed, step, stride, scales }: SgldNoise): Uint32Array<ArrayBuffer> {
  const bits = new Uint32Array(Float32Array.from(scales).buffer)
  return Uint32Array.of(scales.length, step + 1, stride, seed >>> 0, Math.floor(seed / 2 ** 32), ...bits)
}

/** Bytes of settings for so many scales. */
export const sgldSettingsBytes = (scales: number): number => 4 * (WORDS_BEFORE_SCALES + scales)

export interface SgldStorages {
  /** A row for each workgroup, as rows.ts has them: the place among the parameters, its number (a multiple of 4), how many. */
  readonly table: Storage
  readonly settings: Storage
  readonly parameters: Storage
}

/** p += scale · ξ in place; `rows` of the table. `call` counts the steps of the optimiser within one step of a run. */
export function sgldNoise(gpu: Gpu, storages: SgldStorages, rows: number, call = 0): void {
  const { table, settings, parameters } = storages
  gpu.emit(addNoise, { params: { rows, call }, settings, table, p: parameters }, rows)
}
