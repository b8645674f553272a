import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Drawn, scheduleFigure } from '../../src/figures/schedules.ts'
import { drawFigure } from '../../src/figures/svg.ts'
import { drawText } from '../../src/figures/text.ts'
import * as sched from '../../src/sched/index.ts'

const drawn = (...specs: string[]): Drawn[] => specs.map((label) => ({ label, schedule: sched.parse(label) }))
const linesOf = (text: string): string[] => text.split('\n')

test('one line: the legend, Braille dots, both axes', () => {
  const line: Drawn = { label: 'a line', schedule: (t) => t }
  const text = drawText(scheduleFigure([line], 9), { columns: 40, rows: 4 })
  expect(linesOf(text)).toEqual([
    '    a line',
    '10 ┤                                 ⢀⣀⣀',
    ' 5 ┤                     ⢀⣀⣀⡠⠤⠤⠤⠒⠒⠉⠉⠉⠁',
    '   │          ⢀⣀⡠⠤⠤⠤⠒⠒⠒⠊⠉⠁',
    ' 0 ┤⣀⡠⠤⠔⠒⠒⠒⠉⠉⠉⠁',
    '   └┬────────┬────────┬───────┬────────┬',
    '    0        2        4       6        8',
    '                     t',
    '',
  ])
})

describe('several lines', () => {
  const figure = scheduleFigure(drawn('constant(0.3)', 'cosine(20, 0.2)', 'squareRoot(0.1)'), 30)
  test('each has the letter of its legend on it', () => {
    const lines = linesOf(drawText(figure))
    expect(lines.slice(0, 3)).toEqual(['     a  constant(0.3)', '     b  cosine(20, 0.2)', '     c  squareRoot(0.1)'])
    const plot = lines.slice(3).join('\n')
    for (const letter of 'abc') expect(plot.split(letter).length).toBeGreaterThan(3)
  })
  test('colours where the terminal has them, and the same characters', () => {
    const [plain, colored] = [drawText(figure), drawText(figure, { color: true })]
    expect(plain).not.toContain('\x1b')
    expect(colored).toContain('\x1b[34m')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escapes are what is removed
    expect(colored.replace(/\x1b\[\d+m/g, '')).toBe(plain)
  })
})

test('a rate that is none leaves a gap; all rates 0 have an axis', () => {
  const gap: Drawn = { label: 'gap', schedule: (t) => (t < 5 ? 1 : t < 15 ? Number.NaN : 1) }
  const rows = linesOf(drawText(scheduleFigure([gap], 20)))
  expect(rows.find((row) => row.startsWith('1.0'))).toMatch(/^1.0 ┤\S+ {30,}\S+$/)
  expect(drawText(scheduleFigure(drawn('constant(0)'), 20))).toContain('0.0 ┤⣀⣀⣀')
})

test('below 20 columns it says so, in one line', () => {
  const figure = scheduleFigure(drawn('constant(0.3)'), 30)
  expect(drawText(figure, { columns: 19 })).toBe('no figure: it needs 20 columns, but has 19\n')
  expect(drawText(figure, { columns: 0 })).toBe(drawText(figure, { columns: 80 }))
})

test('no two lines share a letter, and those beyond the last have none', () => {
  const figure = scheduleFigure(drawn(...Array.from({ length: 64 }, (_, i) => `constant(${i + 1})`)), 30)
  const letters = linesOf(drawText(figure, { columns: 100 }))
    .slice(0, 64)
    .map((line) => line.trimStart()[0])
  expect(new Set(letters.slice(0, 62)).size).toBe(62)
  expect(letters.slice(62)).toEqual(['c', 'c'])
  expect(linesOf(drawText(figure, { columns: 100 }))[63]).toMatch(/^ +constant\(64\)$/)
})

test('t has ticks at whole numbers alone', () => {
  const ticks = (range: number) =>
    linesOf(drawText(scheduleFigure(drawn('squareRoot'), range)))
      .at(-3)!
      .trim()
  expect([2, 3, 6].map(ticks).map((line) => line.split(/ +/).join(' '))).toEqual(['0 1', '0 1 2', '0 1 2 3 4 5'])
  expect(drawFigure(scheduleFigure(drawn('squareRoot'), 2))).not.toContain('>0.2</text>')
})

test('no line is wider than the terminal, whatever is drawn', () => {
  const any = fc.record({
    rates: fc.array(fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { minLength: 2, maxLength: 40 }), {
      minLength: 1,
      maxLength: 30,
    }),
    columns: fc.integer({ min: 20, max: 200 }),
    xLabel: fc.constantFrom('t', 'log10 of the learning rate'),
    rows: fc.integer({ min: 4, max: 30 }),
  })
  fc.assert(
    fc.property(any, ({ rates, columns, xLabel, rows }) => {
      const all = rates.map((list, i) => ({ label: `${i} ${'x'.repeat(90)}`, schedule: (t: number) => list[t]! }))
      const lines = linesOf(drawText({ ...scheduleFigure(all, rates[0]!.length), xLabel }, { columns, rows }))
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns)
      expect(lines.length).toBe(rates.length + rows + 4)
    }),
    { seed: 1, numRuns: 100 },
  )
})
