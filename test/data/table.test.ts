import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseCsv } from '../../src/data/csv.ts'
import { standardize } from '../../src/data/standardize.ts'

const small = () => parseCsv('a,b,k\n1,10,x\n,20,y\n3,30,\n5,,x\n')

describe('a table', () => {
  test('fills missing numbers with a mean, a number, or one for each column', async () => {
    const table = await small()
    const filled = (fill: 'mean' | number | number[]) => Array.from(table.matrix(['a', 'b'], { fill }).data)
    expect(filled('mean')).toEqual([1, 10, 3, 20, 3, 30, 5, 20])
    expect(filled(-1)).toEqual([1, 10, -1, 20, 3, 30, 5, -1])
    expect(filled([7, 8])).toEqual([1, 10, 7, 20, 3, 30, 5, 8])
    const part = table.take([0, 1])
    expect(part.mean(['a', 'b'])).toEqual([1, 15])
    expect(Array.from(part.matrix(['a'], { fill: table.mean(['a']) }).data)).toEqual([1, 3])
  })

  test('gives a part its own rows, in its order', async () => {
    const part = (await parseCsv('a,b\n1,10\n2,20\n3,30\n')).take([2, 0])
    expect(part.matrix(['b', 'a'])).toEqual({ data: Float32Array.of(30, 3, 10, 1), shape: [2, 2] })
    expect([part.rows, part.integers('a').data]).toEqual([2, Int32Array.of(3, 1)])
  })

  test('gives categories the same numbers in all its parts', async () => {
    const table = await small()
    const names = ['x', 'y', 'none']
    expect(table.categories('k', { fill: 'none' })).toEqual({ data: Int32Array.of(0, 1, 2, 0), names })
    expect(table.take([1]).categories('k')).toEqual({ data: Int32Array.of(1), names: ['x', 'y'] })
    expect(table.take([1]).categories('k', { names: ['y', 'x'] }).data).toEqual(Int32Array.of(0))
    expect(table.take([3, 1]).oneHot('k')).toEqual({
      data: Float32Array.of(1, 0, 0, 1),
      shape: [2, 2],
    })
    const numbers = await parseCsv('n\n10\n9\n-1\n10\n')
    expect(numbers.categories('n')).toEqual({ data: Int32Array.of(2, 1, 0, 2), names: ['-1', '9', '10'] })
    expect(numbers.take([2]).categories('n').data).toEqual(Int32Array.of(0))
  })

  test('gives whole numbers as they are', async () => {
    const table = await parseCsv('n\n2147483647\n-2147483648\n3.0\n')
    expect(table.integers('n')).toEqual({ data: Int32Array.of(2147483647, -2147483648, 3), shape: [3] })
  })

  test('names the row of the part that an error is in by its line in the file', async () => {
    const table = (await small()).take([2, 0]).take([1, 0])
    expect(() => table.categories('k')).toThrow("csv, line 4, column 'k': the value is missing")
  })
})

describe('split', () => {
  const text = `id,k\n${Array.from({ length: 50 }, (_, i) => `${i},${i % 10 === 0 ? 'rare' : i % 2 ? 'odd' : 'even'}`).join('\n')}`
  const ids = (table: { integers(column: string): { data: Int32Array } }) => Array.from(table.integers('id').data)

  test('is a pure function of the seed, and keeps the order and every row', async () => {
    const table = await parseCsv(text)
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 1e6 }),
        fc.double({ min: 0.02, max: 0.98, noNaN: true }),
        fc.boolean(),
        async (seed, test, by) => {
          const options = { test, seed, ...(by && { stratify: 'k' }) }
          const { train, test: tested } = table.split(options)
          const [a, b] = [ids(train), ids(tested)]
          expect(b.length).toBe(Math.round(test * 50))
          expect([...a].sort((x, y) => x - y)).toEqual(a)
          expect([...a, ...b].sort((x, y) => x - y)).toEqual(Array.from({ length: 50 }, (_, i) => i))
          expect(ids(table.split(options).test)).toEqual(b)
          if (!by) return
          for (const [kind, count] of [
            ['rare', 5],
            ['odd', 25],
            ['even', 20],
          ] as const) {
            const { data, names } = tested.categories('k')
            const found = data.filter((k) => names[k] === kind).length
            expect(Math.abs(found - (b.length * count) / 50)).toBeLessThan(1)
          }
        },
      ),
      { seed: 2, numRuns: 40 },
    )
  })

  test('other seeds give other parts, and all rows come up', async () => {
    const table = await parseCsv(text)
    const parts = Array.from({ length: 30 }, (_, seed) => ids(table.split({ test: 0.2, seed }).test))
    expect(new Set(parts.map(String)).size).toBe(30)
    expect(new Set(parts.flat()).size).toBe(50)
  })

  test('splits a part of a part', async () => {
    const { train } = (await parseCsv(text)).split({ test: 0.5, seed: 1 })
    const { train: a, test: b } = train.split({ test: 0.5, seed: 1 })
    expect([...ids(a), ...ids(b)].sort((x, y) => x - y)).toEqual(ids(train))
  })
})

describe('standardize', () => {
  test('gives mean 0 and deviation 1, as scikit-learn does, and takes the statistics of another part', () => {
    const x = standardize({ data: Float32Array.of(1, 10, 7, 2, 30, 7, 6, 20, 7), shape: [3, 3] })
    const [m, s] = [
      [3, 20, 7],
      [Math.sqrt(14 / 3), Math.sqrt(200 / 3), 1],
    ]
    for (let j = 0; j < 3; j++) {
      expect(x.mean[j]).toBeCloseTo(m[j]!, 14)
      expect(x.std[j]).toBeCloseTo(s[j]!, 14)
    }
    expect(Array.from(x.array.data)).toEqual(
      [1, 10, 7, 2, 30, 7, 6, 20, 7].map((v, i) => Math.fround((v - x.mean[i % 3]!) / x.std[i % 3]!)),
    )
    const {
      array: { data, shape },
      mean,
    } = standardize({ data: Uint8Array.of(3, 20, 8), shape: [1, 3] }, x)
    expect([Array.from(data, (v) => Math.round(v * 1e6)), shape, mean]).toEqual([[0, 0, 1e6], [1, 3], x.mean])
  })

  test('a column of equal numbers becomes 0, however the mean rounds', () => {
    const data = new Float32Array(21).fill(0.1)
    expect(standardize({ data, shape: [7, 3] })).toEqual({
      array: { data: new Float32Array(21), shape: [7, 3] },
      mean: [data[0], data[0], data[0]],
      std: [1, 1, 1],
    })
  })

  test('a large mean does not swallow the deviation', () => {
    const data = Float32Array.from({ length: 1000 }, (_, i) => 1e6 + (i % 2))
    expect(standardize({ data, shape: [1000] }).std[0]).toBeCloseTo(0.5, 10)
  })
})
