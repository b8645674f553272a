// Reads tables from Parquet.
import { DataError } from '../errors.ts'
import { requireOptions, shown } from '../tensor/options.ts'
import { needed } from './packages.ts'
import { MOST_BYTES, namedBytes, requireMaxBytes, type Source } from './sources.ts'
import { type Column, Table, textColumn } from './table.ts'

/** Options of {@link readParquet}. */
export interface ParquetOptions {
  /** The columns to read; by default all. */
  readonly columns?: readonly string[]
  /** The most bytes of the whole file, decompressed: 2³¹ − 1 by default. */
  readonly maxBytes?: number
}

/** What `hyparquet` decompresses by itself. */
const OWN_CODECS = ['UNCOMPRESSED', 'SNAPPY']

/**
 * Reads a table from a Parquet file: columns of numbers, truth values (as 0 and 1) and texts. It needs the package `hyparquet`, and
 * `hyparquet-compressors` for files that are compressed by anything else than Snappy. A null is a missing value, and so is NaN.
 *
 * @throws DataError if the file can't be read or is damaged, for a column that is not there or holds something else, and for a 64-bit
 *   integer beyond 2⁵³, with its row, counted from 0; Error if a package is not installed; TypeError for options
 */
export async function readParquet(source: Source, options: ParquetOptions = {}): Promise<Table> {
  requireOptions('readParquet', options, ['columns', 'maxBytes'])
  const { columns: wanted, maxBytes = MOST_BYTES } = options
  requireMaxBytes('readParquet', maxBytes)
  if (wanted !== undefined && !(Array.isArray(wanted) && wanted.length > 0)) {
    throw new TypeError(`readParquet: columns must be a list of names, one at least, not ${shown(wanted)}`)
  }
  const operation = 'readParquet'
  const hyparquet = await needed(operation, 'hyparquet', () => import('hyparquet'))
  const { bytes, name } = await namedBytes(operation, source)
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)
  const file = { byteLength: buffer.byteLength, slice: (start: number, end?: number) => buffer.slice(start, end) }
  const damaged = (error: unknown) => {
    return new DataError(`${name}: not a Parquet file, or damaged: ${(error as Error).message}`, { cause: error })
  }
  const metadata = await hyparquet.parquetMetadataAsync(file).catch((error: unknown) => {
    throw damaged(error)
  })
  const there = hyparquet.parquetSchema(metadata).children.map(({ element }) => element.name)
  const lacking = wanted?.find((column) => !there.includes(column))
  if (lacking !== undefined) {
    throw new DataError(`${name}: it does not have the column ${shown(lacking)}, only ${there.map(shown).join(', ')}`)
  }
  const columns = wanted ?? there
  const parts = metadata.row_groups.flatMap((group) => group.columns.map((column) => column.meta_data))
  const total = parts.reduce((sum, part) => sum + Number(part?.total_uncompressed_size ?? 0), 0)
  if (total > maxBytes)
    throw new DataError(`${name}: it has ${total} bytes decompressed, but must have at most ${maxBytes}`)
  const isOwn = parts.every((part) => part === undefined || OWN_CODECS.includes(part.codec))
  const { compressors } = isOwn
    ? { compressors: {} }
    : await needed(operation, 'hyparquet-compressors', () => import('hyparquet-compressors'))
  const rows = Number(metadata.num_rows)
  const found = new Map<string, Column>()
  for (const column of columns) {
    const values: unknown[] = []
    const onChunk = ({ columnData, rowStart }: { columnData: ArrayLike<unknown>; rowStart: number }) => {
      for (let i = 0; i < columnData.length; i++) values[rowStart + i] = columnData[i]
    }
    try {
      await hyparquet.parquetRead({ file, metadata, columns: [column], compressors, onChunk })
    } catch (error) {
      throw damaged(error)
    }
    if (values.length !== rows)
      throw new DataError(`${name}: damaged: column ${shown(column)} has ${values.length} rows, not ${rows}`)
    found.set(column, columnOf(values, column, name))
  }
  if (rows === 0) throw new DataError(`${name}: it does not have any rows`)
  return new Table(found, { name, unit: 'row', numbers: Int32Array.from({ length: rows }, (_, i) => i) })
}

/** A column of what `hyparquet` gives: texts if there are any, else numbers. */
function columnOf(values: readonly unknown[], column: string, name: string): Column {
  const at = (row: number) => `${name}, row ${row}, column ${shown(column)}`
  const isText = values.some((value) => typeof value === 'string')
  const kinds = isText ? ['string'] : ['number', 'boolean', 'bigint']
  const wrong = values.findIndex((value) => value !== null && value !== undefined && !kinds.includes(typeof value))
  if (wrong >= 0) {
    const cure = 'only numbers, truth values and texts are read: name the columns that you want by the option columns'
    throw new DataError(`${at(wrong)}: it holds ${shown(values[wrong])}; ${cure}`)
  }
  if (isText) return textColumn(values.map((value) => (value ?? null) as string | null))
  const large = values.findIndex((value) => typeof value === 'bigint' && !Number.isSafeInteger(Number(value)))
  if (large >= 0) throw new DataError(`${at(large)}: ${values[large]} is beyond 2^53, where numbers are rounded`)
  return { values: Float64Array.from(values, (value) => Number(value ?? Number.NaN)) }
}
