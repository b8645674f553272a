// A table: columns of numbers or texts with names, and what a network takes of it.
import { DataError } from '../errors.ts'
import { requireOptions, shown } from '../tensor/options.ts'
import { permutation } from '../tensor/random.ts'
import type { HostArray } from './host_array.ts'

/** A column of numbers, NaN where one is missing; or of texts, as places in their sorted names, -1 where one is missing. */
export type Column =
  | { readonly values: Float64Array }
  | { readonly codes: Int32Array; readonly names: readonly string[] }

/** What stands for a missing number: the mean of the column's other rows in this table, one number, or one for each column. */
export type Fill = 'mean' | number | readonly number[]

/** Options of {@link Table.matrix}. */
export interface MatrixOptions {
  /** What stands for missing numbers; without it they are refused. */
  readonly fill?: Fill
}

/** Options of {@link Table.categories} and {@link Table.oneHot}. */
export interface CategoryOptions {
  /** The names of all categories, in their order; by default those of the whole file, sorted. */
  readonly names?: readonly string[]
  /** The category of missing values; without it they are refused. */
  readonly fill?: string
}

/** A column as categories. */
export interface Categories {
  /** The number of each row's category, int32 [rows]. */
  readonly data: Int32Array
  /** The category of every number. */
  readonly names: readonly string[]
}

/** Options of {@link Table.split}. */
export interface TableSplitOptions {
  /** The part of the rows that becomes the test part, above 0 and below 1. */
  readonly test: number
  /** Which rows these are is a pure function of it: 0 … 2⁵³ − 1, 0 by default. */
  readonly seed?: number
  /** A column whose categories are to have the same parts in both. */
  readonly stratify?: string
}

/** Where a table comes from, for errors. */
export interface TablePlace {
  /** The file's name. */
  readonly name: string
  /** What the numbers of rows are, such as 'line'. */
  readonly unit: 'line' | 'row'
  /** The number of every row of the columns. */
  readonly numbers: Int32Array
}

/** A decimal number. Infinities and NaN are none: no network can be trained on them. */
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i

/**
 * A table with named columns of numbers or texts: `readCsv` and `readParquet` give one. Parts of it, by `split` and `take`, share the
 * columns, so that a category has the same number in all of them.
 */
export class Table {
  /** The names of the columns, in the order of the file. */
  readonly columns: readonly string[]
  /** How many rows there are. */
  readonly rows: number
  readonly #columns: ReadonlyMap<string, Column>
  readonly #place: TablePlace
  /** The rows of the columns that this table has. */
  readonly #index: Int32Array

  /** @internal */
  constructor(columns: ReadonlyMap<string, Column>, place: TablePlace, index?: Int32Array) {
    this.columns = [...columns.keys()]
    this.#columns = columns
    this.#place = place
    this.#index = index ?? Int32Array.from(place.numbers, (_, row) => row)
    this.rows = this.#index.length
  }

  /** Whether a column has numbers alone. DataError for a column that is not there. */
  isNumeric(column: string): boolean {
    return 'values' in this.#column('isNumeric', column)
  }

  /**
   * Columns of numbers side by side, as float32 [rows, columns]: each is rounded to the nearest float32.
   *
   * @throws DataError for a column that is not there or has texts, for a missing number without `fill`, and for one that float32
   *   does not hold, with its line and column; TypeError for what is not a list of names, and for an option that it does not have
   */
  matrix(columns: readonly string[], options: MatrixOptions = {}): HostArray<Float32Array> {
    requireOptions('matrix', options, ['fill'])
    requireNames('matrix', columns)
    const { fill } = options
    const isFill = fill === undefined || fill === 'mean' || typeof fill === 'number' || Array.isArray(fill)
    if (!isFill || (Array.isArray(fill) && fill.length !== columns.length)) {
      throw new TypeError(
        `matrix: fill must be 'mean', a number, or a list of ${columns.length} numbers, not ${shown(fill)}`,
      )
    }
    const data = new Float32Array(this.rows * columns.length)
    for (const [j, column] of columns.entries()) {
      const values = this.#numbers('matrix', column)
      const inPlace =
        typeof fill === 'object' ? fill[j]! : fill === 'mean' ? this.#mean('matrix', column, values) : fill
      for (let i = 0; i < this.rows; i++) {
        let value = values[this.#index[i]!]!
        if (Number.isNaN(value)) {
          if (inPlace === undefined) {
            this.#fail(i, column, "the number is missing; fill it, as by { fill: 'mean' }, or leave the column out")
          }
          value = inPlace
        }
        const rounded = Math.fround(value)
        if (!Number.isFinite(rounded)) this.#fail(i, column, `float32 does not hold ${value}`)
        data[i * columns.length + j] = rounded
      }
    }
    return { data, shape: [this.rows, columns.length] }
  }

  /** The mean of the numbers of each column that are there: of the training part, to fill the test part with. Errors as `matrix`. */
  mean(columns: readonly string[]): number[] {
    requireNames('mean', columns)
    return columns.map((column) => this.#mean('mean', column, this.#numbers('mean', column)))
  }

  /**
   * A column of whole numbers as int32 [rows], such as labels that count from 0 or token numbers.
   *
   * @throws DataError for a column that is not there or has texts, and for a number that is missing or not an int32, with its line
   */
  integers(column: string): HostArray<Int32Array> {
    const values = this.#numbers('integers', column)
    const data = new Int32Array(this.rows)
    for (let i = 0; i < this.rows; i++) {
      const value = values[this.#index[i]!]!
      if (Number.isNaN(value)) this.#fail(i, column, 'the number is missing')
      if ((value | 0) !== value) this.#fail(i, column, `${value} is not a whole number that int32 holds`)
      data[i] = value
    }
    return { data, shape: [this.rows] }
  }

  /**
   * A column as the numbers of its categories, int32 [rows], with their names: category k is `names[k]`. The names are the sorted
   * values of the whole file; numbers are sorted by size.
   *
   *     const { data: y, names } = table.categories('species')
   *
   * @throws DataError for a column that is not there, for a missing value without `fill`, and for one that is not among `names`, with
   *   its line; TypeError for an option that it does not have, and for names that are not texts or not different
   */
  categories(column: string, options: CategoryOptions = {}): Categories {
    return this.#categories('categories', column, options)
  }

  /** A column as float32 [rows, categories]: 1 at the row's category, 0 elsewhere. Their order and errors as `categories`. */
  oneHot(column: string, options: CategoryOptions = {}): HostArray<Float32Array> {
    const { data: codes, names } = this.#categories('oneHot', column, options)
    const data = new Float32Array(this.rows * names.length)
    for (let i = 0; i < this.rows; i++) data[i * names.length + codes[i]!] = 1
    return { data, shape: [this.rows, names.length] }
  }

  /** The table of these rows, counted from 0, in this order. RangeError for a row that is not there. */
  take(rows: ArrayLike<number>): Table {
    const index = Int32Array.from(rows, (row) => {
      const found = this.#index[row]
      if (found === undefined) {
        throw new RangeError(`take: the table does not have row ${shown(row)}, only 0 to ${this.rows - 1}`)
      }
      return found
    })
    return new Table(this.#columns, this.#place, index)
  }

  /**
   * A training and a test part, which keep the table's order: `table.split({ test: 0.2, seed: 0, stratify: 'species' })`. The test part
   * has `test` · rows, rounded; with `stratify` each category has its part of them, to within one row.
   *
   * @throws RangeError for a `test` that is not between 0 and 1 or leaves a part without rows, and for a seed that is not one;
   *   DataError for a column that can't be stratified by; TypeError for an option that it does not have
   */
  split(options: TableSplitOptions): { train: Table; test: Table } {
    requireOptions('split', options, ['test', 'seed', 'stratify'])
    const { test, seed = 0, stratify } = options
    if (typeof test !== 'number' || !(test > 0 && test < 1)) {
      throw new RangeError(`split: test must be a number above 0 and below 1, not ${shown(test)}`)
    }
    const count = Math.round(test * this.rows)
    if (count === 0 || count === this.rows) {
      throw new RangeError(
        `split: of ${this.rows} rows, a test part of ${test} has ${count}; both parts must have one at least`,
      )
    }
    const order = permutation(seed, 0, this.rows)
    const classes = stratify === undefined ? [order] : this.#byCategory(stratify, order)
    const sizes = shares(
      classes.map(({ length }) => length),
      count,
    )
    const isTest = new Uint8Array(this.rows)
    for (const [k, rows] of classes.entries()) for (const row of rows.slice(0, sizes[k])) isTest[row] = 1
    const all = Array.from(isTest.keys())
    return { train: this.take(all.filter((i) => isTest[i] === 0)), test: this.take(all.filter((i) => isTest[i] === 1)) }
  }

  /** The rows of each category, in this order. */
  #byCategory(column: string, order: Uint32Array): number[][] {
    const { data, names } = this.#categories('split', column, {})
    const classes: number[][] = names.map(() => [])
    for (const row of order) classes[data[row]!]!.push(row)
    const single = classes.findIndex(({ length }) => length === 1)
    if (single >= 0) {
      this.#fail(
        classes[single]![0]!,
        column,
        `only this row is ${shown(names[single])}; to stratify, each category needs two`,
      )
    }
    return classes
  }

  #categories(operation: string, column: string, options: CategoryOptions): Categories {
    requireOptions(operation, options, ['names', 'fill'])
    const { names: given, fill } = options
    if (fill !== undefined && typeof fill !== 'string') {
      throw new TypeError(`${operation}: fill must be the name of a category, not ${shown(fill)}`)
    }
    if (given !== undefined) {
      requireNames(operation, given)
      const twice = given.find((name, i) => given.indexOf(name) !== i)
      if (twice !== undefined) throw new TypeError(`${operation}: names has ${shown(twice)} twice`)
    }
    const { codes, names: own } = asTexts(this.#column(operation, column))
    const names = given ?? withName(own, fill)
    const places = new Map(names.map((name, k) => [name, k]))
    const numbers = own.map((name) => places.get(name) ?? -1)
    const data = new Int32Array(this.rows)
    for (let i = 0; i < this.rows; i++) {
      const code = codes[this.#index[i]!]!
      const name = code < 0 ? fill : own[code]
      if (name === undefined) {
        return this.#fail(i, column, "the value is missing; name a category for such rows, as by { fill: 'unknown' }")
      }
      const number = code < 0 ? (places.get(name) ?? -1) : numbers[code]!
      if (number < 0) this.#fail(i, column, `${shown(name)} is not among the names of the categories`)
      data[i] = number
    }
    return { data, names }
  }

  #column(operation: string, column: string): Column {
    const found = this.#columns.get(column)
    if (found) return found
    const there = this.columns.map(shown).join(', ')
    throw new DataError(`${operation}: ${this.#place.name} does not have a column ${shown(column)}, only ${there}`)
  }

  #numbers(operation: string, column: string): Float64Array {
    const found = this.#column(operation, column)
    if ('values' in found) return found.values
    const isText = (name: string) => !NUMBER.test(name)
    const isTextOf = found.names.map(isText)
    const i = this.#index.findIndex((row) => isTextOf[found.codes[row]!] === true)
    const cure =
      'texts become numbers by categories or oneHot; what stands for a missing number belongs to the option missing'
    return this.#fail(
      Math.max(i, 0),
      column,
      `${shown(i < 0 ? '' : found.names[found.codes[this.#index[i]!]!])} is not a number; ${cure}`,
    )
  }

  #mean(operation: string, column: string, values: Float64Array): number {
    let [sum, count] = [0, 0]
    for (const row of this.#index) {
      const value = values[row]!
      if (Number.isNaN(value)) continue
      sum += value
      count++
    }
    if (count > 0) return sum / count
    throw new DataError(
      `${operation}: ${this.#place.name}: column ${shown(column)} does not have any number to take the mean of`,
    )
  }

  #fail(row: number, column: string, what: string): never {
    const { name, unit, numbers } = this.#place
    throw new DataError(`${name}, ${unit} ${numbers[this.#index[row]!]}, column ${shown(column)}: ${what}`)
  }
}

/** A column of the texts of a file: numbers where all that are there are numbers, unless it is to stay text. */
export function columnOf(texts: readonly string[], missing: ReadonlySet<string>, staysText: boolean): Column {
  const isNumeric = !staysText && texts.every((text) => missing.has(text) || NUMBER.test(text))
  if (isNumeric) return { values: Float64Array.from(texts, (text) => (missing.has(text) ? Number.NaN : Number(text))) }
  return textColumn(texts.map((text) => (missing.has(text) ? null : text)))
}

/** A column of texts, null where one is missing. */
export function textColumn(texts: readonly (string | null)[]): Column {
  // By code units: the same order in every language.
  const names = [...new Set(texts)].filter((text) => text !== null).sort()
  const places = new Map<string | null, number>(names.map((name, k) => [name, k]))
  return { codes: Int32Array.from(texts, (text) => places.get(text) ?? -1), names }
}

/** A column as texts; of numbers, sorted by size. */
function asTexts(column: Column): { codes: Int32Array; names: readonly string[] } {
  if ('codes' in column) return column
  const sorted = [...new Set(column.values)].filter((value) => !Number.isNaN(value)).sort((a, b) => a - b)
  const places = new Map(sorted.map((value, k) => [value, k]))
  return { codes: Int32Array.from(column.values, (value) => places.get(value) ?? -1), names: sorted.map(String) }
}

/** Sorted names, with one more in its place. */
function withName(names: readonly string[], name: string | undefined): readonly string[] {
  return name === undefined || names.includes(name) ? names : [...names, name]
}

/** Of groups of these sizes, as many of each as its part of `count`, rounded down, and one more where most is lost by that. */
function shares(sizes: readonly number[], count: number): number[] {
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const exact = sizes.map((size) => (size * count) / total)
  const found = exact.map(Math.floor)
  const left = count - found.reduce((sum, n) => sum + n, 0)
  const byLoss = exact.map((_, k) => k).sort((a, b) => exact[b]! - found[b]! - (exact[a]! - found[a]!) || a - b)
  for (const k of byLoss.slice(0, left)) found[k]!++
  return found
}

function requireNames(operation: string, names: unknown): void {
  if (Array.isArray(names) && names.length > 0 && names.every((name) => typeof name === 'string')) return
  throw new TypeError(`${operation}: names must be a list of texts, one at least, not ${shown(names)}`)
}
