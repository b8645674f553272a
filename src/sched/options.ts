// One description of an argument, for the constructor that checks it, the text and the parser.

import { shown } from '../tensor/options.ts'
import { type Arg, type Args, fault, isCount, type Schedule, type Values } from './kinds.ts'

/** Throws a TypeError unless `options` is an object with no keys but those named. */
export function onlyKnown(owner: string, names: readonly string[], options: unknown): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`${owner}: options must be an object with ${names.join(', ')}, got ${shown(options)}`)
  }
  for (const key of Object.keys(options)) {
    if (!names.includes(key)) throw new TypeError(`${owner}: unknown option '${key}'; it takes ${names.join(', ')}`)
  }
}

/** The value of an omitted argument; undefined if it is required. */
function fallbackOf(arg: Arg, values: Readonly<Record<string, unknown>>): unknown {
  return arg.sameAs === undefined ? arg.default : values[arg.sameAs]
}

/** The options, checked, with defaults filled in. Lists are copied, so later changes by the caller have no effect. */
export function readOptions<A extends Args>(owner: string, args: A, options: object): Values<A> {
  onlyKnown(owner, Object.keys(args), options)
  const given = options as Readonly<Record<string, unknown>>
  const values: Record<string, unknown> = {}
  for (const [name, arg] of Object.entries(args)) {
    const value = given[name] === undefined ? fallbackOf(arg, values) : given[name]
    if (value === undefined) throw new TypeError(`${owner}: ${name} is required`)
    const message = fault(owner, name, arg, value)
    if (message !== undefined) throw new RangeError(message)
    values[name] = Array.isArray(value) ? [...value] : value
  }
  return values as Values<A>
}

/** The signature of a schedule, with its arguments in order and their defaults: `squareRoot(lr=0.1)`. */
export function signature(name: string, args: Args): string {
  const parts = Object.entries(args).map(([arg, { default: fallback, sameAs }]) => {
    const otherwise = sameAs ?? fallback
    return otherwise === undefined ? arg : `${arg}=${otherwise}`
  })
  return `${name}(${parts.join(', ')})`
}

/** The value of an argument in the grammar; undefined for a schedule without a text form. */
function written(value: unknown): string | undefined {
  if (typeof value === 'function') return (value as Schedule).spec
  if (!Array.isArray(value)) return String(value)
  const parts = value.map(written)
  return parts.includes(undefined) ? undefined : `[${parts.join(', ')}]`
}

/**
 * The text form of a schedule, without defaults. It always contains the base rate, since the reader of the text may have
 * another default. Undefined if an argument has no text form.
 */
function specOf<A extends Args>(name: string, args: A, values: Values<A>): string | undefined {
  const parts: string[] = []
  for (const [key, arg] of Object.entries(args)) {
    const value: unknown = values[key]
    if (arg.base !== true && value === fallbackOf(arg, values)) continue
    const text = written(value)
    if (text === undefined) return undefined
    const bare = arg.kind === 'schedule' || arg.kind === 'schedules'
    parts.push(bare ? text : `${key}=${text}`)
  }
  return `${name}(${parts.join(', ')})`
}

/** Makes a schedule from closed forms: checks t, and attaches the momentum, if any, and the text form. */
export function schedule<A extends Args>(
  name: string,
  args: A,
  values: Values<A>,
  rate: (t: number) => number,
  momentum?: (t: number) => number,
): Schedule {
  const guard = (of: (t: number) => number) => (t: number) => {
    if (!isCount(t)) throw new RangeError(`${name}: t must be an integer ≥ 0, got ${shown(t)}`)
    return of(t)
  }
  const guarded = guard(rate)
  if (momentum) Object.defineProperty(guarded, 'momentum', { value: guard(momentum), enumerable: true })
  const spec = specOf(name, args, values)
  if (spec !== undefined) Object.defineProperty(guarded, 'spec', { value: spec, enumerable: true })
  return guarded
}
