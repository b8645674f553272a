// The grid of `dawngrad sweep`: what its options mean. Pure functions.
import { createHash } from 'node:crypto'

/** An option that a grid may vary. */
export interface GridOption {
  /** Its name on the command line without the dashes: `batch-size`. */
  readonly name: string
  /** The value of a text. Throws an Error that says what it must be. */
  readonly parse: (text: string) => string | number
}

/** One option and its values. */
export interface Axis {
  readonly name: string
  readonly values: readonly (string | number)[]
}

/** The value of each option of the grid at one point, in the order of the axes. */
export type Point = ReadonlyMap<string, string | number>

const OPENING = '(['
const CLOSING = ')]'
/** Larger grids are refused. */
export const MOST_POINTS = 10_000

/**
 * Reads `lr=0.05,0.1,0.3`: the name of an option, and its values. They are separated by `|` if there is one, otherwise by
 * commas. Separators inside round or square brackets are ignored, so schedules stay whole. White space around a value is
 * dropped.
 *
 * @throws SyntaxError with the text, a mark under the mistake and what would be right
 */
export function parseAxis(text: string, options: readonly GridOption[]): Axis {
  const right = `it is NAME=VALUE,VALUE,… or NAME=VALUE|VALUE|… with one of the names ${options.map(({ name }) => name).join(', ')}`
  const fail = (at: number, what: string): never => {
    const line = text.replace(/[\s\p{Cc}]/gu, ' ')
    throw new SyntaxError(`${what}\n  ${line}\n  ${' '.repeat(at)}^\n${right}`)
  }
  const equals = text.indexOf('=')
  if (equals < 0) fail(text.length, "expected '=' after the name of an option")
  const name = text.slice(0, equals).trim()
  const option = options.find((one) => one.name === name)
  if (!option) return fail(0, name === '' ? 'expected the name of an option' : `'${name}' can't be varied`)
  const values: (string | number)[] = []
  for (const { from, part } of split(text, equals + 1, fail)) {
    const at = from + part.length - part.trimStart().length
    if (part.trim() === '') fail(at, `${name}: a value is missing`)
    let value: string | number
    try {
      value = option.parse(part.trim())
    } catch (error) {
      return fail(at, `${name}: '${part.trim()}' is invalid. ${(error as Error).message}`)
    }
    if (values.includes(value)) fail(at, `${name}: ${value} is given twice`)
    values.push(value)
  }
  return { name, values }
}

/** The parts of a text from `start` on, with their positions. */
function split(text: string, start: number, fail: (at: number, what: string) => never) {
  const cuts = { '|': [] as number[], ',': [] as number[] }
  const open: number[] = []
  for (let i = start; i < text.length; i++) {
    const c = text[i]!
    if (OPENING.includes(c)) open.push(i)
    else if (CLOSING.includes(c)) {
      const at = open.pop()
      if (at === undefined) fail(i, `'${c}' was never opened`)
      else if (OPENING.indexOf(text[at]!) !== CLOSING.indexOf(c)) fail(i, `'${text[at]}' is closed by '${c}'`)
    } else if (open.length === 0 && (c === '|' || c === ',')) cuts[c].push(i)
  }
  if (open.length > 0) fail(open[0]!, `'${text[open[0]!]}' is never closed`)
  const at = cuts['|'].length > 0 ? cuts['|'] : cuts[',']
  const ends = [...at, text.length]
  return ends.map((end, i) => {
    const from = i === 0 ? start : ends[i - 1]! + 1
    return { from, part: text.slice(from, end) }
  })
}

/**
 * All combinations of the axes' values; those of the last axis change fastest.
 *
 * @throws RangeError for an option in two axes, and for more than 10,000 combinations
 */
export function pointsOf(axes: readonly Axis[]): Point[] {
  const names = axes.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) < i)
  if (twice !== undefined) throw new RangeError(`${twice} is varied twice; give all of its values at once`)
  const count = axes.reduce((product, { values }) => product * values.length, 1)
  if (count > MOST_POINTS) throw new RangeError(`the grid has ${count} points, but may have at most ${MOST_POINTS}`)
  let points: [string, string | number][][] = [[]]
  for (const { name, values } of axes) {
    points = points.flatMap((point) => values.map((value): typeof point => [...point, [name, value]]))
  }
  return points.map((point) => new Map(point))
}

/**
 * The name of a run's folder: twelve hexadecimal digits of a SHA-256 over the names and values of the options that decide
 * its numbers. Options at their defaults are left out, so that a version with more options finds the runs of this one.
 */
export function nameOf(
  options: Readonly<Record<string, unknown>>,
  defaults: Readonly<Record<string, unknown>>,
): string {
  const given = Object.keys(options)
    .filter((name) => (options[name] ?? null) !== (defaults[name] ?? null))
    .sort()
    .map((name) => [name, options[name]])
  return createHash('sha256').update(JSON.stringify(given)).digest('hex').slice(0, 12)
}

/** `lr=0.1 schedule=cosine(20)` */
export function describePoint(point: Point): string {
  return [...point].map(([name, value]) => `${name}=${value}`).join(' ')
}
