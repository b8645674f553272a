/**
 * The one grammar for schedules: `name(arg=value, …)`. Arguments may be positional, in the order of the table below,
 * then named; a value is a number, a list `[15, 30]` or another schedule; a name alone is a call without arguments.
 */

import { type Arg, type Args, check, fault, onlyKnown, type Schedule, show, type Values } from './options.ts'
import * as schedules from './schedules.ts'

type Row = { readonly args: Args; readonly build: (values: never) => Schedule }

/** Ties the arguments of a row to what its builder takes. */
function row<A extends Args>(args: A, build: (values: Values<A>) => Schedule): Row {
  return { args, build }
}

/** Every schedule that a text can name: to add one, add its row. */
const TABLE: ReadonlyMap<string, Row> = new Map(
  Object.entries({
    constant: row(schedules.CONSTANT, ({ lr }) => schedules.constant(lr)),
    squareRoot: row(schedules.SQUARE_ROOT, schedules.squareRoot),
    factor: row(schedules.FACTOR, schedules.factor),
    multiStep: row(schedules.MULTI_STEP, schedules.multiStep),
    cosine: row(schedules.COSINE, schedules.cosine),
    polynomial: row(schedules.POLYNOMIAL, schedules.polynomial),
    warmup: row(schedules.WARMUP, ({ schedule, ...options }) => schedules.warmup(schedule, options)),
  }),
)

/** What would be right where a schedule should stand. */
const KNOWN = `a schedule is name(arg=value, …) with one of the names ${[...TABLE.keys()].join(', ')}`

/** Deeper texts are refused: nesting is recursion, and no schedule needs as much. */
const MAX_DEPTH = 32

/** How a schedule is written, its arguments in order with their defaults: `squareRoot(lr=0.1)`. */
function signature(name: string, args: Args): string {
  const parts = Object.entries(args).map(([arg, a]) => (a.default === undefined ? arg : `${arg}=${a.default}`))
  return `${name}(${parts.join(', ')})`
}

/** The signatures of all schedules a text can name, for help texts. */
export function signatures(): string[] {
  return [...TABLE].map(([name, { args }]) => signature(name, args))
}

/**
 * The schedule that a text names, e.g. `warmup(cosine(baseLr=0.3, maxUpdate=15), steps=5)`. Where a schedule's base
 * rate (lr or baseLr) is not in the text, `defaults.lr` is taken if given, else the schedule's own default.
 *
 * Errors: SyntaxError with the text, a mark under the mistake and what would be right; RangeError or TypeError if
 * `defaults` is wrong.
 */
export function parse(text: string, defaults: { readonly lr?: number } = {}): Schedule {
  if (typeof text !== 'string') throw new TypeError(`parse: a schedule must be a text, got ${show(text)}`)
  onlyKnown('parse', ['lr'], defaults)
  if (defaults.lr !== undefined) check('parse', 'lr', 'number', defaults.lr)
  return new Parser(text, defaults.lr).all()
}

class Parser {
  readonly #text: string
  readonly #lr: number | undefined
  #at = 0

  constructor(text: string, lr: number | undefined) {
    this.#text = text
    this.#lr = lr
  }

  all(): Schedule {
    const schedule = this.#schedule(1)
    const end = this.#skip()
    if (end < this.#text.length) this.#fail(end, `nothing may follow the schedule, got ${this.#seen()}`, KNOWN)
    return schedule
  }

  #schedule(depth: number): Schedule {
    const start = this.#skip()
    if (depth > MAX_DEPTH) this.#fail(start, `schedules are nested more than ${MAX_DEPTH} deep`, KNOWN)
    const seen = this.#seen()
    const name = this.#match(/[A-Za-z_]\w*/y)
    if (name === undefined) this.#fail(start, `expected the name of a schedule, got ${seen}`, KNOWN)
    const known = TABLE.get(name)
    if (known === undefined) this.#fail(start, `unknown schedule '${name}'`, KNOWN)
    const right = `it is ${signature(name, known.args)}`
    const given = this.#arguments(name, known.args, right, depth)
    for (const [arg, { base, default: fallback }] of Object.entries(known.args)) {
      if (given.has(arg)) continue
      if (base === true && this.#lr !== undefined) given.set(arg, this.#lr)
      else if (fallback === undefined) this.#fail(start, `${name}: ${arg} is required`, right)
    }
    try {
      // Names and kinds have been checked against the row, so these are the values that its builder takes.
      return known.build(Object.fromEntries(given) as never)
    } catch (error) {
      // What only the schedule itself can know: arguments that do not fit each other.
      return this.#fail(start, error instanceof Error ? error.message : String(error), right)
    }
  }

  #arguments(name: string, args: Args, right: string, depth: number): Map<string, unknown> {
    const given = new Map<string, unknown>()
    if (!this.#take('(') || this.#take(')')) return given
    let named = false
    do {
      const at = this.#skip()
      let arg = this.#match(/[A-Za-z_]\w*(?=\s*=)/y)
      if (arg === undefined) {
        if (named) this.#fail(at, `${name}: an argument without a name must come before those with one`, right)
        arg = Object.keys(args)[given.size]
        if (arg === undefined) this.#fail(at, `${name}: too many arguments`, right)
      } else {
        named = true
        this.#take('=')
        if (!Object.hasOwn(args, arg)) this.#fail(at, `${name}: unknown argument '${arg}'`, right)
        if (given.has(arg)) this.#fail(at, `${name}: ${arg} is given twice`, right)
      }
      given.set(arg, this.#value(name, arg, args[arg]!, right, depth))
    } while (this.#take(','))
    const end = this.#skip()
    if (!this.#take(')')) this.#fail(end, `${name}: expected ',' or ')', got ${this.#seen()}`, right)
    return given
  }

  #value(name: string, arg: string, { kind }: Arg, right: string, depth: number): unknown {
    const at = this.#skip()
    if (kind === 'schedule') return this.#schedule(depth + 1)
    const seen = this.#seen()
    const value = kind === 'milestones' ? this.#list() : this.#number()
    // Where the text holds no value of that shape, the text itself is shown.
    const message = fault(name, arg, kind, value, value === undefined ? seen : undefined)
    if (message !== undefined) this.#fail(at, message, right)
    return value
  }

  #number(): number | undefined {
    const digits = this.#match(/[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])/y)
    return digits === undefined ? undefined : Number(digits)
  }

  #list(): number[] | undefined {
    const values: number[] = []
    if (!this.#take('[')) return undefined
    if (this.#take(']')) return values
    do {
      this.#skip()
      const value = this.#number()
      if (value === undefined) return undefined
      values.push(value)
    } while (this.#take(','))
    return this.#take(']') ? values : undefined
  }

  /** What stands here, up to the next delimiter, for an error. */
  #seen(): string {
    const rest = this.#text.slice(this.#at)
    const part = /^(?:\[[^\]]*\]?|[^,()[\]=]+|.)/s.exec(rest)?.[0].trim()
    return part === undefined ? 'the end' : `'${part}'`
  }

  #skip(): number {
    this.#match(/\s*/y)
    return this.#at
  }

  #take(token: string): boolean {
    this.#skip()
    if (!this.#text.startsWith(token, this.#at)) return false
    this.#at += token.length
    return true
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }

  #fail(at: number, what: string, right: string): never {
    // One column a character, whatever white space the text has, or the mark would miss its place.
    const line = this.#text.replace(/\s/g, ' ')
    throw new SyntaxError(`${what}\n  ${line}\n  ${' '.repeat(at)}^\n${right}`)
  }
}
