// Tables on the device, each made once.

import { currentOn } from '../capture/current.ts'
import type { Gpu } from '../gpu/gpu.ts'
import { empty } from '../tensor/create.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { keyOfPieces, type Piece, rowsOf, type Table } from './rows.ts'

/** Tables kept: one for each set of tensors that a kernel was dispatched over. */
const MOST_TABLES = 64

export interface DeviceTable {
  /** int32, the words as they are */
  readonly tensor: Tensor
  readonly rows: number
}

/** Tables on the device, each made once. A plan holds those that it was captured with, whatever becomes of the cache. */
export class TableCache {
  readonly #gpu: Gpu
  readonly #tables = new Map<string, DeviceTable>()

  constructor(gpu: Gpu) {
    this.#gpu = gpu
  }

  /** The table that `make` gives; tables of one key must be equal. */
  get(key: string, make: () => Table): DeviceTable {
    const found = this.#tables.get(key)
    if (found) return found
    const gpu = this.#gpu
    // What a function that is being captured uses must last until its plan holds it, and be the same in every recording.
    if (this.#tables.size >= MOST_TABLES && !currentOn(gpu)) this.dispose()
    const { words, rows } = make()
    // Always the same for this key: in a function that is captured it is not part of the step.
    const tensor = gpu.during(null, () => {
      const made = empty(gpu, [words.length], 'int32', 'table').keep()
      gpu.write(made.storage, words)
      return made
    })
    const table = { tensor, rows }
    this.#tables.set(key, table)
    return table
  }

  /** The table of pieces, by where they lie. */
  ofPieces(pieces: readonly Piece[]): DeviceTable {
    return this.get(keyOfPieces(pieces), () => rowsOf(pieces))
  }

  dispose(): void {
    for (const { tensor } of this.#tables.values()) tensor.dispose()
    this.#tables.clear()
  }
}
