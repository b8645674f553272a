// What the kernels of all optimizers have in common: which parameters one dispatch updates, and how it is bound.
import type { Gpu } from '../gpu/gpu.ts'
import type { Kernel } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { type Table, tableOf } from './rows.ts'

const WORDS_A_ROW = 5

/** What a state holds, in every element, before the first step that sets it: the bits of a NaN that no arithmetic makes. */
export const UNSET = 0x7fc00b0e

/** One parameter among those that a dispatch updates; places count elements. */
export interface UpdateEntry {
  /** Its place among the parameters, and that of its state among the states. */
  readonly at: number
  readonly gradientAt: number
  readonly size: number
  /** What is noted in the watch when the gradient, or the parameter, is not finite: codes as finite.ts has them. */
  readonly gradientCode: number
  readonly parameterCode: number
}

/** The table of what is updated: a row of five words for each workgroup. */
export function updateTable(entries: readonly UpdateEntry[]): Table {
  return tableOf(entries, WORDS_A_ROW, ({ at, gradientAt, gradientCode, parameterCode }, first, count) => {
    return [at + first, gradientAt + first, count, gradientCode, parameterCode]
  })
}

/** Tells entries apart: equal ones have equal rows. */
export function keyOfEntries(entries: readonly UpdateEntry[]): string {
  return entries.map((e) => `${e.at} ${e.gradientAt} ${e.size} ${e.gradientCode} ${e.parameterCode}`).join()
}

/** What an update is bound to. */
export interface UpdateStorages {
  readonly table: Storage
  /** Rows of settings, as per_step.ts has them. */
  readonly settings: Storage
  readonly parameters: Storage
  readonly gradients: Storage
  /** By the kernel's names for them; each as large as the parameters. */
  readonly states: Readonly<Record<string, Storage>>
  /** Where numbers that are not finite are noted, as finite.ts describes; null: nowhere. */
  readonly watch: Storage | null
}

/** Updates parameters in place from their gradients; `rows` of the table, `use` of the settings. */
export function emitUpdate(gpu: Gpu, kernel: Kernel, storages: UpdateStorages, rows: number, use: number): void {
  const { table, settings, parameters, gradients, states, watch } = storages
  const params = { rows, which: use, watched: watch ? 1 : 0 }
  gpu.emit(kernel, { params, settings, table, dp: gradients, p: parameters, watch, ...states }, rows)
}

/** The same by several dispatches; `tensors` are the parameters that the table has the rows of, in its order. */
export type EmitUpdate = (
  gpu: Gpu,
  storages: UpdateStorages,
  rows: number,
  use: number,
  tensors: readonly Tensor[],
) => void
