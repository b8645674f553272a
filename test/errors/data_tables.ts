import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { needed } from '../../src/data/packages.ts'
import { parseCsv, readCsv, readParquet, standardize, type Table } from '../../src/node/index.ts'
import { dataFiles, fromBase64 } from '../support/data_files.ts'
import { type Area, loose, PATH } from './refusal.ts'

const TEXT = 'age,kind,n\n20,x,1\n,y,2.5\n1e39,,3\n'
const table = (act: (table: Table) => unknown) => async () => act(await parseCsv(TEXT, { name: 'x.csv' }))
const csv = (text: string, options = {}) => {
  return () => parseCsv(text, { name: 'x.csv', ...options })
}
const three = { data: Float32Array.of(1, 2, 3), shape: [3, 1] }

/** Reads a Parquet file of pandas. */
const parquet = (file: string, options = {}, change: (bytes: Uint8Array) => void = () => undefined) => {
  return () => {
    const bytes = fromBase64(dataFiles.parquet[file]!)
    change(bytes)
    return readParquet(new File([bytes], 'x.parquet'), options)
  }
}
/** Announces three rows where there are two: 16 is an int64 of Thrift, whose 04 is 2. */
const threeRows = (bytes: Uint8Array) => {
  bytes[bytes.findIndex((byte, i) => byte === 0x16 && bytes[i + 1] === 4) + 1] = 6
}

export const dataTables: Area = {
  title: 'Tables',
  refusals: [
    {
      title: 'csv: a text that is none',
      error: 'TypeError',
      text: 'parseCsv: the text must be a string, not 3; readCsv reads files',
      run: () => parseCsv(loose(3)),
    },
    {
      title: 'csv: text in another encoding',
      error: 'DataError',
      text: '<folder>/x.csv: not text in UTF-8; convert it to UTF-8',
      varies: { '<folder>': PATH },
      run: async ({ folder }) => {
        const path = join(folder, 'x.csv')
        await writeFile(path, 'n\u00e9\n1\n', 'latin1')
        return readCsv(path)
      },
    },
    {
      title: 'csv: a gzip file that is cut off',
      error: 'DataError',
      text: 'x.csv.gz: the compressed data is damaged or cut off',
      run: () => readCsv(new File([gzipSync(TEXT).subarray(0, 25)], 'x.csv.gz')),
    },
    {
      title: 'csv: a list that is none',
      error: 'TypeError',
      text: "parseCsv: missing must be a list of texts, not '?'",
      run: csv('a\n1\n', { missing: '?' }),
    },
    {
      title: 'csv: a delimiter of two characters',
      error: 'RangeError',
      text: "parseCsv: delimiter must be one character, neither a quote nor a line's end, not '||'",
      run: csv('a\n1\n', { delimiter: '||' }),
    },
    {
      title: 'csv: a quote that does not end',
      error: 'DataError',
      text: 'x.csv, line 2: a quoted field does not end',
      run: csv('a,b\n1,"x\n2,y\n'),
    },
    {
      title: 'csv: text behind a quote',
      error: 'DataError',
      text: 'x.csv, line 2: a quoted field goes on behind its closing quote',
      run: csv('a,b\n1,"x"y\n'),
    },
    { title: 'csv: no rows', error: 'DataError', text: 'x.csv: it does not have any rows', run: csv('a,b\n') },
    {
      title: 'csv: a column that is there twice',
      error: 'DataError',
      text: "x.csv, line 1: the header names 'a' twice",
      run: csv('a,b,a\n1,2,3\n'),
    },
    {
      title: 'csv: a column that is named twice',
      error: 'DataError',
      text: "x.csv: the option columns names 'a' twice",
      run: csv('1,2\n', { columns: ['a', 'a'] }),
    },
    {
      title: 'csv: a line with too few fields',
      error: 'DataError',
      text: "x.csv, line 4: it has 1 fields, but there are 2 columns: 'a', 'b'",
      run: csv('a,b\n1,2\n\n3\n'),
    },
    {
      title: 'csv: text names a column that is not there',
      error: 'DataError',
      text: "x.csv: it does not have the column 'c' of the option text, only 'a', 'b'",
      run: csv('a,b\n1,2\n', { text: ['c'] }),
    },
    {
      title: 'a package that is not installed',
      error: 'Error',
      text: "readCsv needs the package papaparse, which can't be imported: npm install papaparse",
      run: () => needed('readCsv', 'papaparse', () => Promise.reject(new Error('not found'))),
    },
    {
      title: 'table: a column that is not there',
      error: 'DataError',
      text: "matrix: x.csv does not have a column 'Age', only 'age', 'kind', 'n'",
      run: table((t) => t.matrix(['Age'])),
    },
    {
      title: 'table: a column of texts as numbers',
      error: 'DataError',
      text: "x.csv, line 2, column 'kind': 'x' is not a number; texts become numbers by categories or oneHot; what stands for a missing number belongs to the option missing",
      run: table((t) => t.matrix(['kind'])),
    },
    {
      title: 'table: a number that is missing',
      error: 'DataError',
      text: "x.csv, line 3, column 'age': the number is missing; fill it, as by { fill: 'mean' }, or leave the column out",
      run: table((t) => t.matrix(['age', 'n'])),
    },
    {
      title: 'table: a number beyond float32',
      error: 'DataError',
      text: "x.csv, line 4, column 'age': float32 does not hold 1e+39",
      run: table((t) => t.matrix(['age'], { fill: 0 })),
    },
    {
      title: 'table: names that are no list',
      error: 'TypeError',
      text: "matrix: names must be a list of texts, one at least, not 'age'",
      run: table((t) => t.matrix(loose('age'))),
    },
    {
      title: 'table: a fill for another number of columns',
      error: 'TypeError',
      text: "matrix: fill must be 'mean', a number, or a list of 1 numbers, not [1, 2]",
      run: table((t) => t.matrix(['age'], { fill: [1, 2] })),
    },
    {
      title: 'table: a whole number that is missing',
      error: 'DataError',
      text: "x.csv, line 3, column 'age': the number is missing",
      run: table((t) => t.integers('age')),
    },
    {
      title: 'table: a number that is not whole',
      error: 'DataError',
      text: "x.csv, line 3, column 'n': 2.5 is not a whole number that int32 holds",
      run: table((t) => t.integers('n')),
    },
    {
      title: 'table: a category that is missing',
      error: 'DataError',
      text: "x.csv, line 4, column 'kind': the value is missing; name a category for such rows, as by { fill: 'unknown' }",
      run: table((t) => t.categories('kind')),
    },
    {
      title: 'table: a category that is not named',
      error: 'DataError',
      text: "x.csv, line 3, column 'kind': 'y' is not among the names of the categories",
      run: table((t) => t.oneHot('kind', { names: ['x', 'z'] })),
    },
    {
      title: 'table: names of categories that are not different',
      error: 'TypeError',
      text: "categories: names has 'x' twice",
      run: table((t) => t.categories('kind', { names: ['x', 'x'] })),
    },
    {
      title: 'table: a fill that is not a category',
      error: 'TypeError',
      text: 'categories: fill must be the name of a category, not 0',
      run: table((t) => t.categories('kind', { fill: loose(0) })),
    },
    {
      title: 'table: a row that is not there',
      error: 'RangeError',
      text: 'take: the table does not have row 3, only 0 to 2',
      run: table((t) => t.take([0, 3])),
    },
    {
      title: 'table: the mean of no numbers',
      error: 'DataError',
      text: "mean: x.csv: column 'age' does not have any number to take the mean of",
      run: table((t) => t.take([1]).mean(['age'])),
    },
    {
      title: 'table: a test part of everything',
      error: 'RangeError',
      text: 'split: test must be a number above 0 and below 1, not 1',
      run: table((t) => t.split({ test: 1 })),
    },
    {
      title: 'table: a part without rows',
      error: 'RangeError',
      text: 'split: of 3 rows, a test part of 0.1 has 0; both parts must have one at least',
      run: table((t) => t.split({ test: 0.1 })),
    },
    {
      title: 'table: a category that can be in one part only',
      error: 'DataError',
      text: "x.csv, line 2, column 'kind': only this row is 'x'; to stratify, each category needs two",
      run: table((t) => t.take([0, 1]).split({ test: 0.5, stratify: 'kind' })),
    },
    {
      title: 'parquet: columns that are no list',
      error: 'TypeError',
      text: "readParquet: columns must be a list of names, one at least, not 'id'",
      run: parquet('large', { columns: 'id' }),
    },
    {
      title: 'parquet: a column that is not there',
      error: 'DataError',
      text: "x.parquet: it does not have the column 'x', only 'id'",
      run: parquet('large', { columns: ['x'] }),
    },
    {
      title: 'parquet: a column of dates',
      error: 'DataError',
      text: "x.parquet, row 0, column 'when': it holds a Date; only numbers, truth values and texts are read: name the columns that you want by the option columns",
      run: parquet('snappy'),
    },
    {
      title: 'parquet: an integer beyond 2^53',
      error: 'DataError',
      text: "x.parquet, row 1, column 'id': 1152921504606846976 is beyond 2^53, where numbers are rounded",
      run: parquet('large'),
    },
    {
      title: 'parquet: no rows',
      error: 'DataError',
      text: 'x.parquet: it does not have any rows',
      run: parquet('no rows', { columns: ['id'] }),
    },
    {
      title: 'parquet: more bytes than it may have',
      error: 'DataError',
      text: 'x.parquet: it has 102 bytes decompressed, but must have at most 10',
      run: parquet('large', { maxBytes: 10 }),
    },
    {
      title: 'parquet: another number of rows',
      error: 'DataError',
      text: "x.parquet: damaged: column 'id' has 2 rows, not 3",
      run: parquet('large', {}, threeRows),
    },
    {
      title: 'parquet: another file',
      error: 'DataError',
      text: 'x.parquet: not a Parquet file, or damaged: parquet file invalid (footer != PAR1)',
      run: parquet('large', {}, (bytes) => bytes.fill(0, bytes.length - 4)),
    },
    {
      title: 'standardize: no array',
      error: 'TypeError',
      text: 'standardize: the array must be { data, shape } with a Float32Array, Int32Array or Uint8Array, not an array',
      run: () => standardize(loose([1, 2])),
    },
    {
      title: 'standardize: a shape that does not fit',
      error: 'RangeError',
      text: 'standardize: the shape [2, 1] must have rows, and the 3 elements of data',
      run: () => standardize({ ...three, shape: [2, 1] }),
    },
    {
      title: 'standardize: a number that is not finite',
      error: 'RangeError',
      text: 'standardize: column 0 of row 1 is NaN, but must be finite',
      run: () => standardize({ data: Float32Array.of(1, 2, Number.NaN, 4), shape: [2, 2] }),
    },
    {
      title: 'standardize: means of other columns',
      error: 'RangeError',
      text: 'standardize: mean must be a list of 1 numbers, one a column, not [1, 2]',
      run: () => standardize(three, { mean: [1, 2], std: [1] }),
    },
    {
      title: 'standardize: a deviation of 0',
      error: 'RangeError',
      text: 'standardize: std must be a list of 1 numbers above 0, one a column, not [0]',
      run: () => standardize(three, { mean: [1], std: [0] }),
    },
  ],
}
