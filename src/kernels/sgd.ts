import type { Gpu } from '../gpu/gpu.ts'
import { Kernel } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import * as wgsl from './generated/wgsl.ts'
import { type Covered, type Row, type Table, tableOf } from './rows.ts'
import { ELEMENTS_A_WORKGROUP, WORKGROUP } from './support.ts'

const step = new Kernel('sgd', wgsl.sgd, 'step')
const stepMomentum = new Kernel('sgd', wgsl.sgd, 'step_momentum')
const stepWatched = new Kernel('sgd', wgsl.sgd, 'step_watched')
const stepMomentumWatched = new Kernel('sgd', wgsl.sgd, 'step_momentum_watched')

/** What a momentum buffer holds, in every element, before the first step with momentum: the bits of a NaN. */
export const NO_MOMENTUM = 0x7fc00b0e

const WORDS_A_ROW = 9
const WORDS_BEFORE_RATES = 6

export interface SgdUpdate {
  /** One rate, or one for each step of a run. */
  readonly lr: number | readonly number[]
  readonly momentum: number
  readonly dampening: number
  readonly weightDecay: number
  readonly nesterov: boolean
  readonly maximize: boolean
}

/** One parameter among those that an update covers; places count elements. */
export interface SgdEntry extends Covered {
  readonly at: number
  readonly gradientAt: number
  /** What is noted in the watch when the gradient, or the parameter, is not finite: codes as finite.ts has them. */
  readonly gradientCode: number
  readonly parameterCode: number
  /** Where the gradient is still in partial sums: how many, the first one's place, from one to the next. */
  readonly partial?: { readonly parts: number; readonly at: number; readonly stride: number }
}

/** The update's options as the kernel reads them; rates are rounded to float32. */
export function sgdSettings(update: SgdUpdate): Float32Array<ArrayBuffer> {
  const { lr, momentum, dampening, weightDecay, nesterov, maximize } = update
  const rates = typeof lr === 'number' ? [lr] : lr
  return Float32Array.of(rates.length, momentum, dampening, weightDecay, nesterov ? 1 : 0, maximize ? 1 : 0, ...rates)
}

/** Bytes of settings for so many rates. */
export const settingsBytes = (rates: number): number => 4 * (WORDS_BEFORE_RATES + rates)

/** What one workgroup takes: adding up partial sums is work enough for a thread an element. */
const elementsARow = ({ partial }: SgdEntry) => (partial ? WORKGROUP : ELEMENTS_A_WORKGROUP)

/** The table of who updates what: a row for each workgroup; then the places of the copies. */
export function sgdTable(entries: readonly SgdEntry[]): Table {
  const row = (entry: SgdEntry, { first, count, places }: Row) => {
    const { at, gradientAt, gradientCode, parameterCode, partial } = entry
    const sums = partial ? [partial.parts, partial.at + first, partial.stride] : [0, 0, 0]
    return [at + first, gradientAt + first, count, gradientCode, parameterCode, ...sums, places]
  }
  return tableOf(entries, WORDS_A_ROW, row, elementsARow)
}

export interface SgdStorages {
  readonly table: Storage
  readonly settings: Storage
  readonly parameters: Storage
  readonly gradients: Storage
  /** As large as the parameters; null: without momentum. */
  readonly momentum: Storage | null
  /** Where numbers that are not finite are noted, as finite.ts describes. */
  readonly watch: Storage | null
  /** Partial sums of gradients; null where no entry has any. */
  readonly sums: Storage | null
  /** What the copies lie in; where no entry has one, any storage that is not bound otherwise. */
  readonly copies: Storage
}

/** Updates parameters in place from their gradients, by the formula of torch.optim.SGD; `rows` of the table. */
export function sgdStep(gpu: Gpu, storages: SgdStorages, rows: number): void {
  const { table, settings, parameters, gradients, momentum, watch, sums, copies } = storages
  const kernel = watch ? (momentum ? stepMomentumWatched : stepWatched) : momentum ? stepMomentum : step
  const bindings = {
    params: { rows },
    settings,
    table,
    dp: gradients,
    p: parameters,
    sums: sums ?? settings,
    copies,
    ...(momentum && { b: momentum }),
    ...(watch && { watch }),
  }
  gpu.emit(kernel, bindings, rows)
}
