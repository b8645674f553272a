import { ELEMENTS_A_WORKGROUP } from './support.ts'
import type { DeviceTable, TableCache } from './table_cache.ts'

const WORDS_A_ROW = 3

/** One tensor among those that a dispatch covers: where it begins, what else a row says of its first element, its size. */
export interface Piece {
  readonly at: number
  readonly other: number
  readonly size: number
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

/** Those rows on the device. */
export function rowTable(tables: TableCache, pieces: readonly Piece[]): DeviceTable {
  const key = pieces.map(({ at, other, size }) => `${at} ${other} ${size}`).join()
  return tables.get(key, () => {
    const words = rowsOf(pieces)
    return { words, rows: words.length / WORDS_A_ROW }
  })
}
