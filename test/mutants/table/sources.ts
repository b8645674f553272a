import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const npy = mutantsOf('src/data/npy.ts', tests.npy, [
  {
    id: 'npy-half',
    find: '2 ** (exponent - 15)',
    replace: '2 ** (exponent - 16)',
    breaks: 'float16 is read at half its value.',
  },
  {
    id: 'npy-subnormal',
    find: 'sign * fraction * 2 ** -24',
    replace: '0',
    breaks: 'Small float16 become 0.',
  },
  {
    id: 'npy-int64',
    find: 'halves[2 * i + 1] !== low >> 31',
    replace: 'false',
    breaks: 'An int64 beyond int32 loses its upper half.',
  },
  {
    id: 'npy-order',
    find: 'from -= strides[axis]! * shape[axis]!',
    replace: 'from -= strides[axis]!',
    breaks: 'Fortran order is read in another order.',
  },
  {
    id: 'npy-trailing',
    find: 'length !== count * width',
    replace: 'length < count * width',
    breaks: 'Bytes after the end are accepted.',
  },
])

const npz = mutantsOf('src/data/npz.ts', tests.npz, [
  {
    id: 'npz-crc',
    find: 'crc32(content) !== crc',
    replace: 'false',
    breaks: 'An array with changed bytes is accepted.',
  },
  {
    id: 'npz-lie',
    find: 'canHold(compressed, size)',
    replace: 'true',
    breaks: 'A file gets as much memory as it announces.',
  },
])

const csv = mutantsOf('src/data/csv.ts', tests.tables, [
  {
    id: 'csv-lines',
    find: "line += field.split('\\n').length - 1",
    replace: 'line += 0',
    breaks: 'Lines behind a field of several lines are counted wrongly.',
  },
])

const table = mutantsOf('src/data/table.ts', tests.tables, [
  {
    id: 'table-index',
    find: 'let value = values[this.#index[i]!]!',
    replace: 'let value = values[i]!',
    breaks: 'A part of a table has the rows of the whole.',
  },
  {
    id: 'table-mean',
    find: 'sum / count',
    replace: 'sum / this.rows',
    breaks: 'A mean counts the rows whose number is missing.',
  },
  {
    id: 'table-shares',
    find: 'found[k]!++',
    replace: 'found[0]!++',
    breaks: 'The rows that are left over come from the first category.',
  },
])

const images = mutantsOf('src/data/decode_image.ts', tests.images, [
  {
    id: 'image-bits',
    find: '(byte >> (8 - depth - (bit & 7)))',
    replace: '(byte >> (bit & 7))',
    breaks: 'Pixels that share a byte are read from the wrong end.',
  },
  {
    id: 'image-bomb',
    find: "inflate(compressed, 'deflate', size, name)",
    replace: "inflate(compressed, 'deflate', 2 ** 31, name)",
    breaks: 'A PNG image may decompress to any size.',
  },
])

const resize = mutantsOf('src/data/resize.ts', tests.images, [
  {
    id: 'resize-centres',
    find: '(i + 0.5) * ratio - 0.5',
    replace: 'i * ratio',
    breaks: 'Images that grow move by half a pixel.',
  },
  {
    id: 'resize-area',
    find: 'Math.max(start, first + k)',
    replace: '(first + k)',
    breaks: 'Pixels at the edge of an area count in full.',
  },
])

const standardize = mutantsOf('src/data/standardize.ts', tests.tables, [
  {
    id: 'standardize-statistics',
    find: 'by === undefined ?',
    replace: 'true ?',
    breaks: 'The test part is scaled by its own statistics.',
  },
])

export const sources: Area = {
  title: 'Sources of data',
  mutants: [...npy, ...npz, ...csv, ...table, ...images, ...resize, ...standardize],
}
