// Brings columns to mean 0 and standard deviation 1.

import { kindOf } from '../kernels/support.ts'
import { requireOptions, shown } from '../tensor/options.ts'
import { sizeOf } from '../tensor/shape.ts'
import type { HostArray } from './host_array.ts'

/** The mean and the standard deviation of every column of an array. */
export interface Statistics {
  /** One for each element of a row. */
  readonly mean: readonly number[]
  /** One for each element of a row, above 0. */
  readonly std: readonly number[]
}

/** What {@link standardize} gives. */
export interface Standardized extends Statistics {
  /** Of the shape of what was given. */
  readonly array: HostArray<Float32Array>
}

/**
 * An array with rows [N, …] as float32 whose columns have mean 0 and standard deviation 1, and the statistics that it was brought
 * there by. Give the test part those of the training part:
 *
 *     const { array: x, ...statistics } = standardize(train.matrix(columns))
 *     const { array: xTest } = standardize(test.matrix(columns), statistics)
 *
 * (x − mean) / std, in float64, where std² is the mean of the squares of x − mean over the N rows, as scikit-learn's StandardScaler
 * has it. A column whose values are all the same gets std 1, and so becomes 0.
 *
 * @throws TypeError for what is not an array with rows, or not statistics; RangeError for an array without rows, for a number that is
 *   not finite, and for statistics of another number of columns
 */
export function standardize(array: HostArray, by?: Statistics): Standardized {
  const { data, shape } = checkedArray(array)
  const rows = shape[0]!
  const width = data.length / rows
  const wrong = data.findIndex((value) => !Number.isFinite(value))
  if (wrong >= 0) {
    const [row, column] = [Math.floor(wrong / width), wrong % width]
    throw new RangeError(`standardize: column ${column} of row ${row} is ${data[wrong]}, but must be finite`)
  }
  const { mean, std } = by === undefined ? statisticsOf(data, rows, width) : checkedStatistics(by, width)
  const scaled = Float32Array.from(
    data as ArrayLike<number>,
    (value, i) => (value - mean[i % width]!) / std[i % width]!,
  )
  return { array: { data: scaled, shape }, mean, std }
}

function checkedArray(array: HostArray): HostArray {
  const { data, shape } = (array ?? {}) as Partial<HostArray>
  const isNumbers = data instanceof Float32Array || data instanceof Int32Array || data instanceof Uint8Array
  if (!isNumbers || !Array.isArray(shape)) {
    const right = '{ data, shape } with a Float32Array, Int32Array or Uint8Array'
    throw new TypeError(`standardize: the array must be ${right}, not ${kindOf(array)}`)
  }
  if (shape.length === 0 || data.length === 0 || sizeOf(shape) !== data.length) {
    throw new RangeError(
      `standardize: the shape ${shown(shape)} must have rows, and the ${data.length} elements of data`,
    )
  }
  return array
}

function checkedStatistics(by: Statistics, width: number): Statistics {
  requireOptions('standardize', by, ['mean', 'std', 'array'])
  const { mean, std } = by
  for (const [key, list] of Object.entries({ mean, std })) {
    const isList = Array.isArray(list) && list.length === width
    if (isList && list.every((value) => Number.isFinite(value) && (key === 'mean' || value > 0))) continue
    const above = key === 'std' ? ' above 0' : ''
    throw new RangeError(
      `standardize: ${key} must be a list of ${width} numbers${above}, one a column, not ${shown(list)}`,
    )
  }
  return by
}

function statisticsOf(data: ArrayLike<number>, rows: number, width: number): Statistics {
  const mean = new Array<number>(width).fill(0)
  const squares = new Array<number>(width).fill(0)
  for (let i = 0; i < data.length; i++) mean[i % width]! += data[i]! / rows
  for (let i = 0; i < data.length; i++) squares[i % width]! += (data[i]! - mean[i % width]!) ** 2 / rows
  // The mean of equal numbers is rounded: what is left is not a deviation.
  const isConstant = new Array<boolean>(width).fill(true)
  for (let i = width; i < data.length; i++) if (data[i] !== data[i % width]) isConstant[i % width] = false
  for (let j = 0; j < width; j++) if (isConstant[j]) mean[j] = data[j]!
  return { mean, std: squares.map((square, j) => (isConstant[j] ? 1 : Math.sqrt(square))) }
}
