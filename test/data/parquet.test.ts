import { describe, expect, test } from 'vitest'
import { readParquet } from '../../src/data/parquet.ts'
import { DataError } from '../../src/errors.ts'
import { dataFiles, fromBase64 } from '../support/data_files.ts'

const columns = ['length', 'count', 'id', 'kind', 'good']

describe('readParquet', () => {
  test.each(['snappy', 'gzip', 'zstd'])('reads what pandas wrote with %s', async (name) => {
    const table = await readParquet(new Blob([fromBase64(dataFiles.parquet[name]!)]), { columns })
    expect([table.columns, table.rows]).toEqual([columns, 4])
    const numbers = table.matrix(['length', 'count', 'good'], { fill: -1 })
    expect(numbers).toEqual({ data: Float32Array.of(1.5, 1, 1, -1, 2, 0, 3.25, 3, 1, 4, -4, 1), shape: [4, 3] })
    expect(table.categories('kind', { fill: '?' })).toEqual({ data: Int32Array.of(0, 1, 2, 0), names: ['a', 'b', '?'] })
    expect(table.take([0, 2]).integers('id').data).toEqual(Int32Array.of(1, 3))
    expect(() => table.integers('id')).toThrow(
      "row 1, column 'id': 1099511627776 is not a whole number that int32 holds",
    )
    expect(() => table.matrix(['length'])).toThrow("row 1, column 'length': the number is missing")
  })

  test('a file that is cut off or changed is read or refused, and nothing else', async () => {
    const bytes = fromBase64(dataFiles.parquet.snappy!)
    for (let length = 0; length < bytes.length; length += 211) {
      await expect(readParquet(bytes.slice(0, length), { columns })).rejects.toThrow(DataError)
    }
    let refused = 0
    for (let at = 0; at < bytes.length; at += 37) {
      const changed = bytes.slice()
      changed[at]! ^= 0xff
      await readParquet(changed, { columns }).catch((error: unknown) => {
        refused++
        expect(error).toBeInstanceOf(DataError)
      })
    }
    expect(refused).toBeGreaterThan(5)
  })
})
