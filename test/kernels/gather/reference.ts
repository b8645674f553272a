// What gather does, in float64, with the error that float32 may make.
import { type Result, ref, withBound } from '../../support/ref.ts'

/**
 * Rows of a byte array as numbers from 0 to 1: out[i] = bytes[indices[i]] / 255.
 * Five roundings: WGSL allows a division 2.5 units in the last place, which are 5 u.
 */
export function gatherRows(bytes: { shape: number[]; data: Uint8Array }, indices: ArrayLike<number>): Result {
  const [count = 0, ...rowShape] = bytes.shape
  const rowSize = rowShape.reduce((product, n) => product * n, 1)
  const out = ref([indices.length, ...rowShape])
  for (let i = 0; i < indices.length; i++) {
    const row = indices[i]!
    if (!(Number.isInteger(row) && row >= 0 && row < count)) throw new RangeError(`gatherRows: no row ${row}`)
    for (let j = 0; j < rowSize; j++) out.data[i * rowSize + j] = bytes.data[row * rowSize + j]! / 255
  }
  return withBound(out, out.data.slice(), 5)
}
