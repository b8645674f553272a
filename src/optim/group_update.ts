import type { Gpu } from '../gpu/gpu.ts'
import { MAX_STEPS } from '../gpu/params.ts'
import type { Storage } from '../gpu/pool.ts'
import { rowsOf, type SgdEntry, type SgdUpdate, settingsBytes, sgdSettings, sgdStep, sgdTable } from '../kernels/sgd.ts'
import { empty } from '../tensor/create.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { Arena } from './arena.ts'

/** Tables kept: one for each set of parameters that had gradients, and for each that had its gradient elsewhere. */
const MOST_TABLES = 64

interface Table {
  readonly tensor: Tensor
  readonly rows: number
}

/** One parameter's part in an update. */
export interface Part {
  readonly parameter: Tensor
  readonly gradient: Tensor
  /** What is noted when one of them is not finite. */
  readonly gradientCode: number
  readonly parameterCode: number
}

/** The updates of one group of parameters: what they need on the device beside the parameters themselves. */
export class GroupUpdate {
  readonly #gpu: Gpu
  readonly #settings: Tensor
  #written: Float32Array | null = null
  readonly #tables = new Map<string, Table>()

  constructor(gpu: Gpu) {
    this.#gpu = gpu
    const size = settingsBytes(MAX_STEPS) / 4
    this.#settings = gpu.during(null, () => empty(gpu, [size], 'float32', 'settings').keep())
  }

  /** Uploads the group's options where they have changed. */
  write(update: SgdUpdate): void {
    const words = sgdSettings(update)
    if (this.#written?.length === words.length && words.every((word, i) => Object.is(word, this.#written![i]))) return
    this.#gpu.write(this.#settings.storage, words)
    this.#written = words
  }

  /** Updates those of an arena's parameters: in one dispatch, but for those whose gradient lies elsewhere. */
  dispatch(arena: Arena, parts: readonly Part[], momentum: boolean, watch: Storage | null): void {
    const batches = new Map<Storage, SgdEntry[]>()
    for (const { parameter, gradient, ...codes } of parts) {
      const inPlace = gradient.storage.whole === arena.gradients
      const entry = {
        at: parameter.storage.offset / 4,
        gradientAt: inPlace ? gradient.storage.offset / 4 : 0,
        size: parameter.size,
        ...codes,
      }
      const storage = inPlace ? arena.gradients : gradient.storage
      const batch = batches.get(storage)
      if (batch) batch.push(entry)
      else batches.set(storage, [entry])
    }
    for (const [gradients, entries] of batches) {
      const { tensor: table, rows } = this.#table(entries)
      const storages = {
        table: table.storage,
        settings: this.#settings.storage,
        parameters: arena.whole,
        gradients,
        watch,
      }
      sgdStep(this.#gpu, { ...storages, momentum: momentum ? arena.momentum : null }, rows)
    }
  }

  dispose(): void {
    this.#settings.dispose()
    this.#forgetTables()
  }

  #table(entries: readonly SgdEntry[]): Table {
    const key = entries.map((e) => `${e.at} ${e.gradientAt} ${e.size} ${e.gradientCode} ${e.parameterCode}`).join()
    const found = this.#tables.get(key)
    if (found) return found
    if (this.#tables.size === MOST_TABLES) this.#forgetTables()
    const gpu = this.#gpu
    const words = sgdTable(entries)
    // Always the same for these parameters: in a function that is captured it is no part of the step.
    const tensor = gpu.during(null, () => {
      const made = empty(gpu, [words.length], 'int32', 'table').keep()
      gpu.write(made.storage, words)
      return made
    })
    const table = { tensor, rows: rowsOf(words) }
    this.#tables.set(key, table)
    return table
  }

  #forgetTables(): void {
    for (const { tensor } of this.#tables.values()) tensor.dispose()
    this.#tables.clear()
  }
}
