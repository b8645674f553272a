import type { Gpu } from '../gpu/gpu.ts'
import { Kernel } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import * as wgsl from './generated/wgsl.ts'
import { type Covered, type Table, tableOf } from './rows.ts'

const addNoise = new Kernel('sgld', wgsl.sgld, 'add_noise')

const WORDS_A_ROW = 4
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

/** One parameter that noise is added to. */
export interface SgldEntry extends Covered {
  /** Its place among the parameters, in elements. */
  readonly at: number
  /** Its first element's number, a multiple of 4. */
  readonly number: number
}

/** The table of what is added where: a row for each workgroup; then the places of the copies. */
export function sgldTable(entries: readonly SgldEntry[]): Table {
  return tableOf(entries, WORDS_A_ROW, ({ at, number }, { first, count, places }) => [
    at + first,
    number + first,
    count,
    places,
  ])
}

export interface SgldStorages {
  readonly table: Storage
  readonly settings: Storage
  readonly parameters: Storage
  /** What the copies lie in; where no entry has one, any storage that is not bound otherwise. */
  readonly copies: Storage
}

/** p += scale · ξ in place; `rows` of the table. `call` counts the steps of the optimiser within one step of a run. */
export function sgldNoise(gpu: Gpu, storages: SgldStorages, rows: number, call = 0): void {
  const { table, settings, parameters, copies } = storages
  gpu.emit(addNoise, { params: { rows, call }, settings, table, p: parameters, copies }, rows)
}
