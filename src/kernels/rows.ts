// Tables that tell the workgroups of one dispatch where the elements of many tensors are.
import { ELEMENTS_A_WORKGROUP } from './support.ts'

/** A row of words for each workgroup. */
export interface Table {
  readonly words: Uint32Array<ArrayBuffer>
  readonly rows: number
}

/** A table whose rows of so many words are what `row` gives for `count` elements of a tensor, from its element `first` on. */
export function tableOf<T extends { readonly size: number }>(
  tensors: readonly T[],
  wordsARow: number,
  row: (tensor: T, first: number, count: number) => readonly number[],
): Table {
  const rows = tensors.reduce((sum, { size }) => sum + Math.ceil(size / ELEMENTS_A_WORKGROUP), 0)
  const words = new Uint32Array(wordsARow * rows)
  let at = 0
  for (const tensor of tensors) {
    for (let first = 0; first < tensor.size; first += ELEMENTS_A_WORKGROUP) {
      words.set(row(tensor, first, Math.min(tensor.size - first, ELEMENTS_A_WORKGROUP)), at)
      at += wordsARow
    }
  }
  return { words, rows }
}

/** A tensor of which a row says where its first element is, what else is counted from there on, and how many follow. */
export interface Piece {
  readonly at: number
  readonly other: number
  readonly size: number
}

/** Rows of three words: `at`, `other`, how many elements; both increase from row to row. */
export function rowsOf(pieces: readonly Piece[]): Table {
  return tableOf(pieces, 3, ({ at, other }, first, count) => [at + first, other + first, count])
}

/** Tells pieces apart: equal ones have equal rows. */
export function keyOfPieces(pieces: readonly Piece[]): string {
  return pieces.map(({ at, other, size }) => `${at} ${other} ${size}`).join()
}

/** Groups things by key, in the order in which they come. */
export function grouped<K, T>(things: Iterable<T>, keyOf: (thing: T) => K): Map<K, T[]> {
  const found = new Map<K, T[]>()
  for (const thing of things) {
    const key = keyOf(thing)
    const others = found.get(key)
    if (others) others.push(thing)
    else found.set(key, [thing])
  }
  return found
}
