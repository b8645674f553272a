import { readFileSync } from 'node:fs'
import { Resvg } from '@resvg/resvg-js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { drawCurves } from '../../src/figures/curves.ts'
import { drawFigure, escapeXml, niceRange, niceStep, niceTicks, tickLabels } from '../../src/figures/svg.ts'
import type { CurvePoint, CurvePoints } from '../../src/train/history.ts'

type Epoch = { epoch: number; train_loss: number; train_acc: number; test_acc: number }
const reference = JSON.parse(readFileSync(new URL('../reference/curves.json', import.meta.url), 'utf8')) as {
  runs: { run: string; epochs: Epoch[] }[]
}
const epochs = reference.runs[0]!.epochs
const run: CurvePoints = {
  trainLoss: epochs.map((e): CurvePoint => [e.epoch + 199 / 235, e.train_loss]),
  trainAcc: epochs.map((e): CurvePoint => [e.epoch + 199 / 235, e.train_acc]),
  testAcc: epochs.map((e): CurvePoint => [e.epoch + 1, e.test_acc]),
}
const empty: CurvePoints = { trainLoss: [], trainAcc: [], testAcc: [] }

const blue = '#1f77b4'
const magenta = '#bf00bf'
const green = '#008000'

/** The texts of a figure in their order: title, legend, tick labels, axis label, notes. */
const texts = (svg: string): string[] => [...svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map((match) => match[1]!)

/** The paths of one colour behind its legend entry, as lists of pixel positions. */
function paths(svg: string, color: string): [number, number][][] {
  return [...svg.matchAll(new RegExp(`<path d="M([^"]*)" fill="none" stroke="${color}"`, 'g'))]
    .slice(1)
    .map((match) => match[1]!.split('L').map((pair) => pair.split(' ').map(Number) as [number, number]))
}

const dots = (svg: string, color: string): number => svg.split(`r="3" fill="${color}"`).length - 1

/** The frame's edges in pixels. */
function frame(svg: string): { left: number; top: number; right: number; bottom: number } {
  const match = /<rect x="(.*?)" y="(.*?)" width="(.*?)" height="(.*?)" fill="none"/.exec(svg)!
  const [left, top, width, height] = match.slice(1).map(Number) as [number, number, number, number]
  return { left, top, right: left + width, bottom: top + height }
}

/** Throws unless the text is well-formed, and gives the colour of a pixel. */
function render(svg: string): (x: number, y: number) => string {
  const image = new Resvg(svg, { font: { loadSystemFonts: false } }).render()
  const bytes = image.pixels
  return (x, y) => `#${bytes.subarray((y * image.width + x) * 4, (y * image.width + x) * 4 + 3).toString('hex')}`
}

describe('drawCurves', () => {
  test('draws the three curves of 30 epochs in the styles of the chapter', () => {
    const svg = drawCurves(run, { epochs: 30, title: 'constant 0.3' })
    expect(texts(svg)).toEqual([
      'constant 0.3',
      ...['train loss', 'train acc', 'test acc'],
      ...['0', '5', '10', '15', '20', '25', '30'],
      ...['0.0', '0.2', '0.4', '0.6', '0.8', '1.0', '1.2', '1.4'],
      'epoch',
    ])
    for (const color of [blue, magenta, green]) expect(paths(svg, color).map((path) => path.length)).toEqual([30])
    expect(svg).toContain(`stroke="${blue}" stroke-width="1.6" stroke-linejoin="round"/>`)
    expect(svg).toContain(`stroke="${magenta}" stroke-width="1.6" stroke-linejoin="round" stroke-dasharray="6 3"/>`)
    expect(svg).toContain(`stroke="${green}" stroke-width="1.6" stroke-linejoin="round" stroke-dasharray="8 3 2 3"/>`)
  })

  test('puts every point where its numbers say', () => {
    const svg = drawCurves({ ...empty, trainLoss: [[0, 0], [1.5, 0.5], [3, 1]] }, { epochs: 3 }) // biome-ignore format: one row
    const { left, top, right, bottom } = frame(svg)
    const [path] = paths(svg, blue)
    const expected = [
      [left, bottom],
      [(left + right) / 2, (top + bottom) / 2],
      [right, top],
    ].flat()
    // Coordinates are written to a hundredth, the frame's edges too: 0.005 for each, and as much again for its far edge.
    for (const [k, value] of path!.flat().entries()) expect(Math.abs(value - expected[k]!)).toBeLessThanOrEqual(0.0151)
  })

  test('the picture has a white ground, coloured lines, and a frame', () => {
    const svg = drawCurves({ ...empty, trainLoss: [[0, 0.5], [3, 0.5]] }, { epochs: 3 }) // biome-ignore format: one row
    const pixel = render(svg)
    const { left, right } = frame(svg)
    const y = Math.floor(paths(svg, blue)[0]![0]![1])
    const column = Math.round(left + (right - left) * 0.27)
    expect(pixel(1, 1)).toBe('#ffffff')
    expect([y - 1, y, y + 1].map((row) => pixel(column, row))).toContain(blue)
  })

  test('one epoch: four training points make a line, one test accuracy a dot', () => {
    const x = [49, 99, 149, 199].map((i) => i / 235)
    const points: CurvePoints = {
      trainLoss: x.map((at): CurvePoint => [at, 2.3 - at]),
      trainAcc: x.map((at): CurvePoint => [at, at / 2]),
      testAcc: [[1, 0.57]],
    }
    const svg = drawCurves(points, { epochs: 1 })
    expect([blue, magenta, green].map((color) => paths(svg, color).length)).toEqual([1, 1, 0])
    expect([blue, magenta, green].map((color) => dots(svg, color))).toEqual([0, 0, 1])
    expect(texts(svg)).toContain('0.2')
    render(svg)
  })

  test('no points: axes from 0 to 1, and the legend', () => {
    const svg = drawCurves(empty, { epochs: 10 })
    expect(texts(svg).slice(-7)).toEqual(['0.0', '0.2', '0.4', '0.6', '0.8', '1.0', 'epoch'])
    render(svg)
  })

  test.each([
    [0.3, '1.0'],
    [1, '1.0'],
    [1.32, '1.4'],
    [2.31, '2.5'],
    [1000, '1000'],
    [3.4e38, '3.5e+38'],
  ])('a loss of %d has its place under %s', (loss, label) => {
    const svg = drawCurves({ ...empty, trainLoss: [[0.5, loss], [1, 0.1]] }, { epochs: 1 }) // biome-ignore format: one row
    expect(texts(svg).at(-2)).toBe(label)
    expect(paths(svg, blue)[0]![0]![1]).toBeGreaterThanOrEqual(frame(svg).top)
    // The label ends 8 units left of the frame; a digit of DejaVu Sans is 0.636 em wide.
    expect(frame(svg).left - 8 - label.length * 0.636 * 12).toBeGreaterThan(2)
  })

  test('leaves a gap where a loss is not finite, and says so', () => {
    const losses = [2, 1, Number.NaN, 0.5, Number.POSITIVE_INFINITY, 0.25, 0.125, 0.1]
    const svg = drawCurves({ ...empty, trainLoss: losses.map((y, k) => [k, y]) }, { epochs: 8 })
    expect(paths(svg, blue).map((path) => path.length)).toEqual([2, 3])
    expect(dots(svg, blue)).toBe(1)
    expect(texts(svg).at(-1)).toBe('train loss: 2 of 8 points left out because they are not finite')
    expect(svg).not.toMatch(/NaN|Infinity/)
    expect(svg).toContain('height="367"')
    render(svg)
  })

  test('the horizontal axis reaches a point beyond the last epoch', () => {
    const svg = drawCurves({ ...empty, testAcc: [[1, 0.5], [12, 0.75]] }, { epochs: 3 }) // biome-ignore format: one row
    expect(paths(svg, green)[0]![1]![0]).toBeCloseTo(frame(svg).right, 1)
  })

  test('escapes the title', () => {
    const svg = drawCurves(empty, { epochs: 1, title: '</title><script>"&\'\u0000\ud800' })
    expect(svg).not.toContain('<script>')
    expect(texts(svg)[0]).toBe('&lt;/title&gt;&lt;script&gt;&quot;&amp;&#39;\ufffd\ufffd')
    render(svg)
  })

  test('any title gives well-formed SVG', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (title) => {
        render(drawCurves(empty, { epochs: 1, title }))
      }),
      { seed: 1, numRuns: 30 },
    )
  })

  test('a long title is set smaller, and cut at last', () => {
    const long = drawCurves(empty, { epochs: 1, title: 'x'.repeat(65) })
    expect(long).toContain(`font-size="11" font-weight="bold">${'x'.repeat(65)}</text>`)
    expect(texts(drawCurves(empty, { epochs: 1, title: 'x'.repeat(500) }))[0]).toBe(`${'x'.repeat(84)}…`)
  })

  test.each([0, -1, 1.5, Number.NaN])('refuses %d epochs', (bad) => {
    expect(() => drawCurves(empty, { epochs: bad })).toThrow(
      new Error(`drawCurves: epochs must be a positive integer, got ${bad}`),
    )
  })
})

describe('axes', () => {
  test.each([
    [1, 5, 0.2],
    [2.31, 5, 0.5],
    [30, 6, 5],
    [5, 6, 1],
    [1e-6, 5, 2e-7],
    [7.2, 1, 10],
  ])('a span of %d in about %d parts has steps of %d', (span, count, step) => {
    expect(niceStep(span, count)).toBe(step)
  })

  test('ticks are multiples of the step, without the dust of multiplication', () => {
    expect(niceTicks([0, 1], 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1])
    expect(niceTicks([0, 29], 6)).toEqual([0, 5, 10, 15, 20, 25])
    expect(niceTicks([-1, 1], 4)).toEqual([-1, -0.5, 0, 0.5, 1])
  })

  test('a nice range encloses what it is made for, and its ticks lie inside it with labels of their own', () => {
    const ranges = fc.record({
      from: fc.double({ min: -1e6, max: 1e6, noNaN: true }),
      span: fc.double({ min: 1e-3, max: 1e9, noNaN: true }),
      count: fc.integer({ min: 1, max: 10 }),
    })
    fc.assert(
      fc.property(ranges, ({ from, span, count }) => {
        const range = niceRange(from, from + span, count)
        const step = niceStep(span, count)
        // The slack is 1e-9 of a step; an ulp of the largest end, 1.2e-10, is at most 1.2e-6 of the smallest, 1e-4.
        expect(range[0]).toBeLessThanOrEqual(from + step * 1e-5)
        expect(range[1]).toBeGreaterThanOrEqual(from + span - step * 1e-5)
        const ticks = niceTicks(range, count)
        for (const tick of ticks) {
          expect(tick).toBeGreaterThanOrEqual(range[0] - step * 1e-5)
          expect(tick).toBeLessThanOrEqual(range[1] + step * 1e-5)
        }
        expect(ticks.length).toBeGreaterThan(0)
        expect(new Set(tickLabels(ticks)).size).toBe(ticks.length)
      }),
      { seed: 1 },
    )
  })

  test('labels share their precision, and turn to powers of ten where zeros would fill them', () => {
    expect(tickLabels([0, 0.5, 1])).toEqual(['0.0', '0.5', '1.0'])
    expect(tickLabels([0, 5, 10])).toEqual(['0', '5', '10'])
    expect(tickLabels([0, 2e-7, 4e-7])).toEqual(['0', '2e-7', '4e-7'])
    expect(tickLabels([0, 100000, 200000])).toEqual(['0', '1e+5', '2e+5'])
  })

  test.each([
    [0, 0],
    [1, 0],
    [0, Number.NaN],
    [0, Number.POSITIVE_INFINITY],
  ])('refuses an axis from %d to %d', (from, to) => {
    expect(() => drawFigure({ xLabel: 't', x: [from, to], y: [0, 1], lines: [] })).toThrow(
      new Error(`drawFigure: an axis must run from a number to a larger one, got ${from} to ${to}`),
    )
  })
})

describe('drawFigure', () => {
  test('a legend too wide for one row takes another', () => {
    const labels = ['square root 0.1', 'factor(0.9, 0.01, 2.0)', 'cosine(baseLr=0.3, maxUpdate=20)', 'constant']
    const lines = labels.map((label) => ({ label, color: '#000', points: [] }))
    const svg = drawFigure({ xLabel: 't', yLabel: 'learning rate', x: [0, 29], y: [0, 0.5], lines })
    const rows = labels.map((label) => new RegExp(`y="([^"]*)"[^>]*>${label.replace(/[().]/g, '\\$&')}<`).exec(svg)![1])
    expect(new Set(rows).size).toBe(2)
    expect(texts(svg)).toContain('learning rate')
    render(svg)
  })

  test.each([
    ['fits', 40, 12, 40],
    ['is long', 84, 8, 84],
    ['is longer than that', 200, 8, 88],
  ])('a label that %s has a size at which it ends inside the figure, or is cut', (_, length, size, shown) => {
    const lines = [{ label: 'a'.repeat(length), color: '#000', points: [] }]
    const svg = drawFigure({ xLabel: 't', x: [0, 1], y: [0, 1], lines })
    const [, x, more, label] = /<text x="([^"]*)" y="[^"]*" text-anchor="start"([^>]*)>(a+…?)</.exec(svg)!
    expect([label!.length, label!.endsWith('…')]).toEqual([shown, shown < length])
    expect(more).toBe(size === 12 ? '' : ` font-size="${size}"`)
    expect(Number(x) + 0.6 * size * shown).toBeLessThanOrEqual(490 - 14)
  })

  test('lines of one label, colour and dash share an entry of the legend, others do not', () => {
    const line = { label: 'seed', color: '#123456', points: [[0, 0] as const, [1, 1] as const] }
    const lines = [line, { ...line, width: 0.5 }, { ...line, dash: '2 3' }]
    const svg = drawFigure({ xLabel: 't', x: [0, 1], y: [0, 1], lines })
    expect(texts(svg).filter((one) => one === 'seed')).toHaveLength(2)
    expect(svg).toContain('<title>seed</title>')
    expect(svg.match(/stroke="#123456" stroke-width="0.5"/g)).toHaveLength(1)
  })

  test('a band lies between its two lines, behind others; what is beyond the frame is cut off where it is to be', () => {
    const at = (y: number) => [[0, y] as const, [1, y] as const]
    const bands = [{ color: '#ff0000', low: at(0.25), high: at(4) }]
    const figure = { xLabel: 't', x: [0, 1], y: [0, 1], lines: [], bands } as const
    const colors = (clip: boolean) => {
      const svg = drawFigure({ ...figure, clip })
      const [pixel, { left, right, top, bottom }] = [render(svg), frame(svg)]
      const middle = Math.round((left + right) / 2) + 10
      const ys = [top - 4, top + 0.5 * (bottom - top) + 4, top + 0.9 * (bottom - top)]
      return ys.map((y) => pixel(middle, Math.round(y)))
    }
    // A fifth of red on white: 0.8 · 255 = 204 = cc.
    expect(colors(false)).toEqual(['#ffcccc', '#ffcccc', '#ffffff'])
    expect(colors(true)).toEqual(['#ffffff', '#ffcccc', '#ffffff'])
  })

  test('has a lighter colour for every curve of a run on a dark page', () => {
    const svg = drawCurves(run, { epochs: 30 })
    for (const color of [blue, magenta, green]) expect(svg).toMatch(new RegExp(`\\[stroke="${color}"\\]{stroke:#`))
  })

  test('escapes what goes into attributes', () => {
    expect(escapeXml(`a<b>&"c"'\u0007`)).toBe('a&lt;b&gt;&amp;&quot;c&quot;&#39;\ufffd')
    const line = { label: '"', color: '"><script>', dash: '"', points: [[0, 0] as const] }
    const svg = drawFigure({ xLabel: '<', x: [0, 1], y: [0, 1], lines: [line] })
    expect(svg).not.toContain('<script>')
  })
})
