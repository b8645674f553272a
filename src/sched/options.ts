/**
 * What the arguments of a schedule may be. One description an argument serves three readers: the constructor (which
 * checks its options against it), the text that names the schedule, and the parser of that text.
 */

/**
 * A learning-rate schedule: the rate of step or epoch t = 0, 1, 2 …, a pure function of t. `spec`, where there is one,
 * is the text that names it: `parse(s.spec)` is the same schedule. Any function of t will do; it then has no text.
 */
export type Schedule = {
  (t: number): number
  readonly spec?: string
}

/** The kinds of argument, each with the words an error uses for it. */
const KINDS = {
  number: 'a finite number ≥ 0',
  count: 'an integer ≥ 0',
  length: 'an integer ≥ 1',
  milestones: 'a list of integers ≥ 0 in ascending order',
  schedule: 'a schedule, a function of t',
} as const

export type Kind = keyof typeof KINDS

/** `base` marks the rate that a caller may supply for a schedule that names none; no default means required. */
export type Arg = { readonly kind: Kind; readonly default?: number; readonly base?: true }

/** The arguments of one schedule, in their positional order. */
export type Args = Readonly<Record<string, Arg>>

type ValueOf<K extends Kind> = K extends 'schedule' ? Schedule : K extends 'milestones' ? readonly number[] : number
export type Values<A extends Args> = { readonly [N in keyof A]: ValueOf<A[N]['kind']> }

const isCount = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0

function fits(kind: Kind, value: unknown): boolean {
  switch (kind) {
    case 'number':
      return Number.isFinite(value) && (value as number) >= 0
    case 'count':
      return isCount(value)
    case 'length':
      return isCount(value) && value >= 1
    case 'milestones':
      return Array.isArray(value) && value.every((m, i) => isCount(m) && (i === 0 || m >= value[i - 1]))
    case 'schedule':
      return typeof value === 'function'
  }
}

/** A value as an error shows it. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'object' && value !== null) return 'an object'
  return String(value)
}

/** What is wrong with the value of an argument, shown as `shown`, as a sentence; undefined if nothing is. */
export function fault(owner: string, arg: string, kind: Kind, value: unknown, shown = show(value)): string | undefined {
  return fits(kind, value) ? undefined : `${owner}: ${arg} must be ${KINDS[kind]}, got ${shown}`
}

/** Throws a RangeError if the value is not of its kind. */
export function check(owner: string, arg: string, kind: Kind, value: unknown): void {
  const message = fault(owner, arg, kind, value)
  if (message !== undefined) throw new RangeError(message)
}

/** Throws a TypeError unless `options` is an object with no keys but those named. */
export function onlyKnown(owner: string, names: readonly string[], options: unknown): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`${owner}: options must be an object with ${names.join(', ')}, got ${show(options)}`)
  }
  for (const key of Object.keys(options)) {
    if (!names.includes(key)) throw new TypeError(`${owner}: unknown option '${key}'; it takes ${names.join(', ')}`)
  }
}

/** The options with their defaults filled in, each checked. Lists are copied, so that later changes do not reach in. */
export function readOptions<A extends Args>(owner: string, args: A, options: object): Values<A> {
  onlyKnown(owner, Object.keys(args), options)
  const given = options as Readonly<Record<string, unknown>>
  const values: Record<string, unknown> = {}
  for (const [arg, { kind, default: fallback }] of Object.entries(args)) {
    const value = given[arg] === undefined ? fallback : given[arg]
    if (value === undefined) throw new TypeError(`${owner}: ${arg} is required`)
    check(owner, arg, kind, value)
    values[arg] = Array.isArray(value) ? [...value] : value
  }
  return values as Values<A>
}

/**
 * The text that names a schedule. Defaults are left out, but the base rate never is: the reader of the text may have
 * another one. Undefined if a schedule inside has no text.
 */
function specOf<A extends Args>(name: string, args: A, values: Values<A>): string | undefined {
  const parts: string[] = []
  for (const [arg, { kind, default: fallback, base }] of Object.entries(args)) {
    const value: unknown = values[arg]
    if (kind === 'schedule') {
      const inner = (value as Schedule).spec
      if (inner === undefined) return undefined
      parts.push(inner)
    } else if (base === true || value !== fallback) {
      parts.push(`${arg}=${show(value)}`)
    }
  }
  return `${name}(${parts.join(', ')})`
}

/** Makes a schedule of a closed form: guards t and attaches the text. */
export function schedule<A extends Args>(
  name: string,
  args: A,
  values: Values<A>,
  rate: (t: number) => number,
): Schedule {
  const guarded = (t: number): number => {
    if (!isCount(t)) throw new RangeError(`${name}: t must be an integer ≥ 0, got ${show(t)}`)
    return rate(t)
  }
  const spec = specOf(name, args, values)
  if (spec !== undefined) Object.defineProperty(guarded, 'spec', { value: spec, enumerable: true })
  return guarded
}
