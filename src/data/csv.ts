// Reads tables from CSV.
import { DataError } from '../errors.ts'
import { requireOptions, shown } from '../tensor/options.ts'
import { unzipped } from './inflate.ts'
import { needed } from './packages.ts'
import { namedBytes, type Source } from './sources.ts'
import { columnOf, Table } from './table.ts'

/** Options of {@link readCsv} and {@link parseCsv}. */
export interface CsvOptions {
  /** The names of the columns of a file that does not name them in its first line. */
  readonly columns?: readonly string[]
  /** The character between two fields, a comma by default; '\t' for TSV. */
  readonly delimiter?: string
  /** The fields that stand for missing values: by default '', 'NA', 'N/A', 'NaN', 'nan', 'NULL' and 'null'. */
  readonly missing?: readonly string[]
  /** Columns of texts that look like numbers, such as postal codes: they are not read as numbers. */
  readonly text?: readonly string[]
}

const OPTIONS = ['columns', 'delimiter', 'missing', 'text'] as const
const MISSING = ['', 'NA', 'N/A', 'NaN', 'nan', 'NULL', 'null']
/** A text in JavaScript can't be longer. */
const MOST_CHARACTERS = 2 ** 29 - 25

/**
 * Reads a table from text in CSV (RFC 4180): the first line names the columns; a column is of numbers if all its fields are decimal
 * numbers or missing. Spaces around a field do not count, nor do blank lines.
 *
 * @throws DataError for a line that has another number of fields than there are columns, for quotes that do not fit, for a column
 *   that is named twice or not there, and for a text without rows, with the line; TypeError and RangeError for options
 */
export async function parseCsv(text: string, options: CsvOptions & { name?: string } = {}): Promise<Table> {
  requireOptions('parseCsv', options, [...OPTIONS, 'name'])
  if (typeof text !== 'string')
    throw new TypeError(`parseCsv: the text must be a string, not ${shown(text)}; readCsv reads files`)
  const { name = 'csv', ...rest } = options
  return tableOf('parseCsv', text, name, rest)
}

/**
 * Reads a table from a file in CSV, of text in UTF-8, plain or compressed by gzip; see {@link parseCsv}:
 * `const table = await readCsv('flowers.csv')`.
 *
 * @throws as {@link parseCsv}, and DataError if the file can't be read or is not UTF-8
 */
export async function readCsv(source: Source, options: CsvOptions = {}): Promise<Table> {
  requireOptions('readCsv', options, OPTIONS)
  const { bytes, name } = await namedBytes('readCsv', source, MOST_CHARACTERS)
  const plain = await unzipped(bytes, MOST_CHARACTERS, name)
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(plain)
  } catch (error) {
    throw new DataError(`${name}: not text in UTF-8; convert it to UTF-8`, { cause: error })
  }
  return tableOf('readCsv', text, name, options)
}

async function tableOf(operation: string, given: string, name: string, options: CsvOptions): Promise<Table> {
  const { columns, delimiter = ',', missing = MISSING, text: texts = [] } = options
  for (const [key, list] of Object.entries({ columns: columns ?? [], missing, text: texts })) {
    if (Array.isArray(list) && list.every((one) => typeof one === 'string')) continue
    throw new TypeError(`${operation}: ${key} must be a list of texts, not ${shown(list)}`)
  }
  if (typeof delimiter !== 'string' || delimiter.length !== 1 || /["\r\n\ufeff]/.test(delimiter)) {
    throw new RangeError(
      `${operation}: delimiter must be one character, neither a quote nor a line's end, not ${shown(delimiter)}`,
    )
  }
  const fail = (what: string): never => {
    throw new DataError(`${name}${what}`)
  }
  // Every end of a line becomes \n, so that lines are counted as editors count them.
  const text = given.replace(/^\ufeff/, '').replace(/\r\n?/g, '\n')
  const { default: papa } = await needed(operation, 'papaparse', () => import('papaparse'))
  const { data, errors } = papa.parse<string[]>(text, { delimiter, newline: '\n', quoteChar: '"' })
  const [wrong] = errors
  if (wrong) {
    const line = text.slice(0, wrong.index).split('\n').length
    fail(
      `, line ${line}: a quoted field ${wrong.code === 'MissingQuotes' ? 'does not end' : 'goes on behind its closing quote'}`,
    )
  }
  const { rows, lines } = withoutBlanks(data, text.includes('"'))
  const header = columns ?? rows.shift()
  const headerLine = columns === undefined ? lines.shift() : undefined
  if (header === undefined || rows.length === 0) return fail(': it does not have any rows')
  const where = headerLine === undefined ? ': the option columns' : `, line ${headerLine}: the header`
  const twice = header.find((column, i) => header.indexOf(column) !== i)
  if (twice !== undefined) fail(`${where} names ${shown(twice)} twice`)
  const short = rows.findIndex((row) => row.length !== header.length)
  if (short >= 0) {
    fail(
      `, line ${lines[short]}: it has ${rows[short]!.length} fields, but there are ${header.length} columns: ${header.map(shown).join(', ')}`,
    )
  }
  const unknown = texts.find((column) => !header.includes(column))
  if (unknown !== undefined)
    fail(`: it does not have the column ${shown(unknown)} of the option text, only ${header.map(shown).join(', ')}`)
  const isMissing = new Set(missing)
  const found = header.map((column, j) => {
    return [
      column,
      columnOf(
        rows.map((row) => row[j]!),
        isMissing,
        texts.includes(column),
      ),
    ] as const
  })
  return new Table(new Map(found), { name, unit: 'line', numbers: Int32Array.from(lines) })
}

/** The rows that are not blank, trimmed, and the line on which each begins. */
function withoutBlanks(
  data: readonly (readonly string[])[],
  hasQuotes: boolean,
): { rows: string[][]; lines: number[] } {
  const rows: string[][] = []
  const lines: number[] = []
  let line = 1
  for (const fields of data) {
    const row = fields.map((field) => field.trim())
    if (row.length > 1 || row[0] !== '') {
      rows.push(row)
      lines.push(line)
    }
    line++
    // A quoted field may have lines of its own.
    if (hasQuotes) for (const field of fields) line += field.split('\n').length - 1
  }
  return { rows, lines }
}
