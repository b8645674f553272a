// The one grammar for schedules: `name(arg=value, …)`.
// Arguments may be positional, in the order of the table, then named; a value is a number, a word, a list `[15, 30]` or
// another schedule; a name alone is a call without arguments.

import { shown } from '../tensor/options.ts'
import { type Arg, type Args, check, fault, type Schedule } from './kinds.ts'
import { onlyKnown, signature } from './options.ts'
import { TABLE } from './table.ts'

/** What a schedule must look like. */
const KNOWN = `a schedule is name(arg=value, …) with one of the names ${[...TABLE.keys()].join(', ')}`

/** Deeper texts are refused: the parser is recursive, and no schedule needs more. */
const MAX_DEPTH = 32

/**
 * The schedule that a text names, such as `warmup(cosine(baseLr=0.3, maxUpdate=15), steps=5)`. If the text does not give
 * the base rate (lr or baseLr), it is `defaults.lr` if given, otherwise the schedule's default.
 *
 * Throws SyntaxError with the text, a mark under the mistake and what would be right; RangeError or TypeError if
 * `defaults` is wrong.
 */
export function parse(text: string, defaults: { readonly lr?: number } = {}): Schedule {
  if (typeof text !== 'string') throw new TypeError(`parse: a schedule must be a string, got ${shown(text)}`)
  onlyKnown('parse', ['lr'], defaults)
  if (defaults.lr !== undefined) check('parse', 'lr', 'number', defaults.lr)
  return new Parser(text).all(defaults.lr)
}

/** The values of a text of arguments alone, such as `factor=0.1, patience=3`. Throws SyntaxError as `parse` does. */
export function parseArguments(owner: string, args: Args, text: string): Record<string, unknown> {
  return new Parser(text).alone(owner, args)
}

/** Values by the names of their arguments, with their positions in the text. */
type Given = Map<string, { readonly value: unknown; readonly at: number }>

class Parser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  all(lr: number | undefined): Schedule {
    const schedule = this.#schedule(lr, 1)
    const end = this.#skip()
    if (end < this.#text.length) this.#fail(end, `nothing may follow the schedule, got ${this.#seen()}`, KNOWN)
    return schedule
  }

  alone(owner: string, args: Args): Record<string, unknown> {
    const right = `it is ${signature(owner, args).slice(owner.length + 1, -1)}`
    const given: Given = new Map()
    if (this.#skip() < this.#text.length) this.#list(owner, args, given, right, undefined, 1)
    const end = this.#skip()
    if (end < this.#text.length) this.#fail(end, `${owner}: expected ',' or the end, got ${this.#seen()}`, right)
    return valuesOf(given)
  }

  #schedule(lr: number | undefined, depth: number): Schedule {
    const start = this.#skip()
    if (depth > MAX_DEPTH) this.#fail(start, `schedules are nested more than ${MAX_DEPTH} deep`, KNOWN)
    const seen = this.#seen()
    const name = this.#match(/[A-Za-z_]\w*/y)
    if (name === undefined) this.#fail(start, `expected the name of a schedule, got ${seen}`, KNOWN)
    const known = TABLE.get(name)
    if (known === undefined) this.#fail(start, `unknown schedule '${name}'`, KNOWN)
    const right = `it is ${signature(name, known.args)}`
    const bare = this.#text[this.#skip()] !== '('
    const given = this.#arguments(name, known.args, right, lr, depth)
    for (const [arg, kind] of Object.entries(known.args)) {
      if (given.has(arg)) continue
      if (kind.base === true && lr !== undefined) given.set(arg, { value: lr, at: start })
      else if (kind.default === undefined && kind.sameAs === undefined) {
        // There may be arguments without a bracket.
        if (bare && !this.#ends()) this.#fail(this.#at, `${name}: expected '(', got ${this.#seen()}`, right)
        this.#fail(start, `${name}: ${arg} is required`, right)
      }
    }
    try {
      // Names and kinds were checked against the row, so the values have the types that its builder takes.
      return known.build(valuesOf(given) as never)
    } catch (error) {
      // Only the schedule itself knows whether its arguments fit together. Its message names them, the one to change
      // first. Arguments that the text omits have no position in it.
      const message = error instanceof Error ? error.message : String(error)
      const named = message.split(/\W+/).find((word, i) => i > 0 && given.has(word))
      return this.#fail(given.get(named ?? '')?.at ?? start, message, right)
    }
  }

  #arguments(name: string, args: Args, right: string, lr: number | undefined, depth: number): Given {
    const given: Given = new Map()
    if (!this.#take('(') || this.#take(')')) return given
    this.#list(name, args, given, right, lr, depth)
    this.#close(')', name, right)
    return given
  }

  #list(name: string, args: Args, given: Given, right: string, lr: number | undefined, depth: number): void {
    let named = false
    do {
      const at = this.#skip()
      let arg = this.#match(/[A-Za-z_]\w*(?=\s*=)/y)
      if (arg === undefined) {
        if (named) this.#fail(at, `${name}: an argument without a name must come before the named ones`, right)
        arg = Object.keys(args)[given.size]
        if (arg === undefined) this.#fail(at, `${name}: too many arguments`, right)
      } else {
        named = true
        this.#take('=')
        if (!Object.hasOwn(args, arg)) this.#fail(at, `${name}: unknown argument '${arg}'`, right)
        if (given.has(arg)) this.#fail(at, `${name}: ${arg} is given twice`, right)
      }
      given.set(arg, { at: this.#skip(), value: this.#value(name, arg, args[arg]!, right, lr, depth) })
    } while (this.#another('an argument', name, right))
  }

  #value(name: string, arg: string, kind: Arg, right: string, lr: number | undefined, depth: number): unknown {
    const at = this.#skip()
    if (kind.kind === 'schedule') return this.#schedule(lr, depth + 1)
    const seen = this.#seen()
    const value =
      kind.kind === 'schedules'
        ? this.#schedules(name, kind, right, lr, depth)
        : kind.kind === 'milestones'
          ? this.#numbers(name, arg, kind, right)
          : this.#plain(kind)
    // If the text has no value of that form the text itself.
    const message = fault(name, arg, kind, value, value === undefined ? seen : undefined)
    if (message !== undefined) this.#fail(at, message, right)
    return value
  }

  /** A list of schedules; undefined if there is none here. */
  #schedules(
    name: string,
    { baseOfOthers }: Arg,
    right: string,
    lr: number | undefined,
    depth: number,
  ): Schedule[] | undefined {
    const schedules: Schedule[] = []
    if (!this.#take('[')) return undefined
    if (this.#take(']')) return schedules
    do {
      schedules.push(this.#schedule(schedules.length > 0 ? (baseOfOthers ?? lr) : lr, depth + 1))
    } while (this.#another('a schedule', name, right))
    this.#close(']', name, right)
    return schedules
  }

  #plain(kind: Arg): unknown {
    if (kind.kind !== 'flag' && kind.kind !== 'choice') return this.#number()
    const word = this.#match(/[A-Za-z_]\w*/y)
    return kind.kind === 'flag' && (word === 'true' || word === 'false') ? word === 'true' : word
  }

  #number(): number | undefined {
    const digits = this.#match(/[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])/y)
    return digits === undefined ? undefined : Number(digits)
  }

  /** A list of numbers, each compared with the one before it; undefined if there is none here. */
  #numbers(name: string, arg: string, kind: Arg, right: string): number[] | undefined {
    const values: number[] = []
    if (!this.#take('[')) return undefined
    if (this.#take(']')) return values
    do {
      const at = this.#skip()
      const seen = this.#seen()
      const value = this.#number()
      const before = values.slice(-1)
      const pair = value === undefined ? undefined : [...before, value]
      const shown = value === undefined ? seen : [value, ...before].join(' after ')
      const message = fault(name, arg, kind, pair, shown)
      if (message !== undefined) this.#fail(at, message, right)
      values.push(value!)
    } while (this.#another('a number', name, right))
    this.#close(']', name, right)
    return values
  }

  /** Consumes a comma, if there is one; an item must follow it. */
  #another(item: string, name: string, right: string): boolean {
    const at = this.#skip()
    if (!this.#take(',')) return false
    if (this.#ends()) {
      this.#fail(at, `${name}: ${item} must follow the comma, got ${this.#seen()}`, right)
    }
    return true
  }

  /** Whether the text, an item or a list ends here. */
  #ends(): boolean {
    const next = this.#text[this.#skip()]
    return next === undefined || ',)]'.includes(next)
  }

  #close(bracket: string, name: string, right: string): void {
    const at = this.#skip()
    if (!this.#take(bracket)) this.#fail(at, `${name}: expected ',' or '${bracket}', got ${this.#seen()}`, right)
  }

  /** The text from here to the next delimiter, for an error. */
  #seen(): string {
    const rest = this.#text.slice(this.#at)
    const part = /^(?:\[[^\]]*\]?|[^,()[\]=]+|.)/s.exec(rest)?.[0].trim().replace(/\s+/g, ' ')
    // Invisible characters are spelt out.
    const shown = part?.replace(/[\p{Cc}\p{Cf}]/gu, (c) => {
      const code = c.codePointAt(0)!.toString(16)
      return code.length > 2 ? `\\u{${code}}` : `\\x${code.padStart(2, '0')}`
    })
    return shown === undefined ? 'the end' : `'${shown}'`
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
    // Every character takes one column, so that the mark is under the mistake.
    const line = this.#text.replace(/[\s\p{Cc}\p{Cf}]/gu, ' ')
    throw new SyntaxError(`${what}\n  ${line}\n  ${' '.repeat(at)}^\n${right}`)
  }
}

function valuesOf(given: Given): Record<string, unknown> {
  return Object.fromEntries([...given].map(([arg, { value }]) => [arg, value]))
}
