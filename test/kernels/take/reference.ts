// Elements at places that an index names, told by where each comes from. Sums and bounds are those of copies.
import type { Moved } from '../copy/reference.ts'
import { placeOf } from '../copy/reference.ts'

const from = (dim: number, rank: number) => (dim < 0 ? dim + rank : dim)

/** x's rows along a dimension; an index out of range gives NaN. */
export function rowsTaken(shape: readonly number[], dim: number, index: ArrayLike<number>): Moved {
  const own = from(dim, shape.length)
  return {
    shape: shape.map((n, d) => (d === own ? index.length : n)),
    source: (c) => inside(shape, own, index[c[own]!]!, (row) => ({ at: c.map((at, d) => (d === own ? row : at)) })),
    constant: Number.NaN,
  }
}

/** The rows of a table for an index of any shape; `without` has no gradient. */
export function embedded(
  [R, D]: readonly [number, number],
  index: ArrayLike<number>,
  indexShape: readonly number[],
  without: number | null = null,
): Moved {
  return {
    shape: [...indexShape, D],
    source: (c) => {
      const row = index[placeOf(c.slice(0, -1), indexShape)]!
      return row === without ? null : inside([R, D], 0, row, () => ({ at: [row, c.at(-1)!] }))
    },
    constant: Number.NaN,
  }
}

export function gathered(
  shape: readonly number[],
  dim: number,
  index: ArrayLike<number>,
  indexShape: readonly number[],
): Moved {
  const own = from(dim, shape.length)
  return {
    shape: [...indexShape],
    source: (c) => {
      const row = index[placeOf(c, indexShape)]!
      return inside(shape, own, row, () => ({ at: c.map((at, d) => (d === own ? row : at)) }))
    },
    constant: Number.NaN,
  }
}

function inside<T>(shape: readonly number[], dim: number, row: number, then: (row: number) => T): T | null {
  return row >= 0 && row < shape[dim]! ? then(row) : null
}
