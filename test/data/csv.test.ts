import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseCsv, readCsv } from '../../src/data/csv.ts'
import { DataError } from '../../src/errors.ts'

const flowers = `length,width,kind,count
1.5, 2 ,b,3
-2,1e-3,"a",4
+.5,3.,"say ""x""
twice, b",5

4,NA,b,6
`

describe('parseCsv', () => {
  test('reads numbers and texts, in quotes or not', async () => {
    const table = await parseCsv(flowers)
    expect([table.columns, table.rows]).toEqual([['length', 'width', 'kind', 'count'], 4])
    expect(table.columns.map((column) => table.isNumeric(column))).toEqual([true, true, false, true])
    const { data, shape } = table.matrix(['count', 'length'])
    expect([Array.from(data), shape]).toEqual([
      [3, 1.5, 4, -2, 5, 0.5, 6, 4],
      [4, 2],
    ])
    expect(table.categories('kind')).toEqual({
      data: Int32Array.of(1, 0, 2, 1),
      names: ['a', 'b', 'say "x"\ntwice, b'],
    })
  })

  test('counts lines as an editor does, whatever ends them', async () => {
    for (const end of ['\n', '\r\n', '\r']) {
      const table = await parseCsv(flowers.replaceAll('\n', end), { name: 'f.csv' })
      expect(() => table.matrix(['length', 'width'])).toThrow("f.csv, line 7, column 'width': the number is missing")
    }
  })

  test('reads files without a header, with another delimiter, with a byte order mark, in gzip', async () => {
    const text = '\ufeff1\t2\n3\t?\n'
    const options = { columns: ['a', 'b'], delimiter: '\t', missing: ['?'] }
    for (const bytes of [new TextEncoder().encode(text), gzipSync(text)]) {
      const table = await readCsv(bytes, options)
      expect(Array.from(table.matrix(['a', 'b'], { fill: 0 }).data)).toEqual([1, 2, 3, 0])
    }
  })

  test('leaves the columns of the option text as they are', async () => {
    const table = await parseCsv('zip,n\n01234,1\n1234,2\n', { text: ['zip'] })
    expect(table.categories('zip').names).toEqual(['01234', '1234'])
    expect((await parseCsv('zip\n01234\n1234\n')).categories('zip').names).toEqual(['1234'])
  })

  test('only decimal numbers are numbers', async () => {
    const texts = ['0x10', '1_000', 'Infinity', '1e', '.', '-', '1 2', '1n', '٣', 'e5']
    for (const text of texts) expect((await parseCsv(`a\n1\n${text}\n`)).isNumeric('a')).toBe(false)
    const numbers = ['1.', '.5', '-0', '+1E+2', '007', '1e-400']
    for (const number of numbers) expect((await parseCsv(`a\n1\n${number}\n`)).isNumeric('a')).toBe(true)
  })

  test('what is written is read again', async () => {
    const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`
    const number = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e30, max: 1e30 }).map(Math.fround)
    const word = fc.string({ unit: fc.constantFrom(...'ab,"\n é;') }).map((text) => `x${text}x`)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(number, word), { minLength: 1, maxLength: 8 }), async (rows) => {
        const text = `"n","w, ""x"""\n${rows.map(([n, w]) => `${Object.is(n, -0) ? '-0' : n},${quoted(w)}`).join('\n')}`
        const table = await parseCsv(text)
        expect(Array.from(table.matrix(['n']).data)).toEqual(rows.map(([n]) => n))
        const { data, names } = table.categories('w, "x"')
        expect(Array.from(data, (k) => names[k])).toEqual(rows.map(([, w]) => w))
      }),
      { seed: 5, numRuns: 60 },
    )
  })

  test('any text is read or refused, and nothing else', async () => {
    const text = fc.string({ unit: fc.constantFrom(...'a1,"\n\r .\ufeff'), maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(text, async (text) => {
        try {
          const table = await parseCsv(text)
          for (const column of table.columns) table.categories(column, { fill: 'none' })
        } catch (error) {
          expect(error).toBeInstanceOf(DataError)
        }
      }),
      { seed: 9, numRuns: 300 },
    )
  })
})
