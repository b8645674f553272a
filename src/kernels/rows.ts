import type { Gpu } from '../gpu/gpu.ts'
import { empty } from '../tensor/create.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { ELEMENTS_A_WORKGROUP } from './support.ts'

/** Tables kept, for each set of pieces that was asked for. */
const MOST_TABLES = 64

/** One tensor among those that a dispatch covers: where it begins, what else a row says of its first element, its size. */
export interface Piece {
  readonly at: number
  readonly other: number
  readonly size: number
}

export interface RowTable {
  /** int32 [ROWS * 3] */
  readonly tensor: Tensor
  readonly rows: number
}

/** A row of three words for each workgroup: `at`, `other`, how many elements; both move on from row to row. */
export function rowsOf(pieces: readonly Piece[]): Uint32Array<ArrayBuffer> {
  const words: number[] = []
  for (const { at, other, size } of pieces) {
    for (let i = 0; i < size; i += ELEMENTS_A_WORKGROUP) {
      words.push(at + i, other + i, Math.min(size - i, ELEMENTS_A_WORKGROUP))
    }
  }
  return Uint32Array.from(words)
}

/** Tables on the device, each made once. */
export class RowTables {
  readonly #gpu: Gpu
  readonly #tables = new Map<string, RowTable>()

  constructor(gpu: Gpu) {
    this.#gpu = gpu
  }

  get(pieces: readonly Piece[]): RowTable {
    const words = rowsOf(pieces)
    const key = words.join()
    const found = this.#tables.get(key)
    if (found) return found
    if (this.#tables.size === MOST_TABLES) this.dispose()
    const gpu = this.#gpu
    // Always the same for these pieces: in a function that is captured it is no part of the step.
    const tensor = gpu.during(null, () => {
      const made = empty(gpu, [words.length], 'int32', 'table').keep()
      gpu.write(made.storage, words)
      return made
    })
    const table = { tensor, rows: words.length / 3 }
    this.#tables.set(key, table)
    return table
  }

  dispose(): void {
    for (const { tensor } of this.#tables.values()) tensor.dispose()
    this.#tables.clear()
  }
}
