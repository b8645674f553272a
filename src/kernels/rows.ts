import { ELEMENTS_A_WORKGROUP } from './support.ts'

/** What tells the workgroups of a dispatch where their elements are: a row of words for each; then the places of copies. */
export interface Table {
  readonly words: Uint32Array<ArrayBuffer>
  readonly rows: number
}

/** One tensor among those that a dispatch covers. */
export interface Covered {
  readonly size: number
  /** Where among the packed copies each element is written too: two places an element, counted from `at`. */
  readonly copy?: { readonly at: number; readonly places: Uint32Array } | null
}

/** What a row says, beside what it says of its tensor. */
export interface Row {
  /** Its first element, counted in its tensor. */
  readonly first: number
  readonly count: number
  /** Where in the table the places of that element's copies are; 0 where there is no copy. */
  readonly places: number
}

/** A table whose rows of so many words are what `row` gives, for each workgroup that a tensor needs. */
export function tableOf<T extends Covered>(
  tensors: readonly T[],
  wordsARow: number,
  row: (tensor: T, row: Row) => readonly number[],
  elementsARow: (tensor: T) => number = () => ELEMENTS_A_WORKGROUP,
): Table {
  const rows = tensors.reduce((sum, tensor) => sum + Math.ceil(tensor.size / elementsARow(tensor)), 0)
  const places = tensors.reduce((sum, { copy }) => sum + (copy?.places.length ?? 0), 0)
  const words = new Uint32Array(wordsARow * rows + places)
  let at = 0
  let end = wordsARow * rows
  for (const tensor of tensors) {
    const { size, copy } = tensor
    const most = elementsARow(tensor)
    for (let first = 0; first < size; first += most) {
      const count = Math.min(size - first, most)
      words.set(row(tensor, { first, count, places: copy ? end + 2 * first : 0 }), at)
      at += wordsARow
    }
    if (!copy) continue
    words.set(
      copy.places.map((place) => copy.at + place),
      end,
    )
    end += copy.places.length
  }
  return { words, rows }
}

/** A tensor of which a row says only where its first element is, what else is counted from there on, and how many follow. */
export interface Piece {
  readonly at: number
  readonly other: number
  readonly size: number
}

/** Rows of three words: `at`, `other`, how many elements; both move on from row to row. */
export function rowsOf(pieces: readonly Piece[]): Table {
  return tableOf(pieces, 3, ({ at, other }, { first, count }) => [at + first, other + first, count])
}

/** Tells pieces apart: equal ones have equal rows. */
export function keyOf(pieces: readonly Piece[]): string {
  return pieces.map(({ at, other, size }) => `${at} ${other} ${size}`).join()
}
