// What the arguments of a schedule may be, with the words that an error uses for each kind.
import { shown } from '../tensor/options.ts'

/**
 * A learning-rate schedule: the rate of step or epoch t = 0, 1, 2 …, a pure function of t. `momentum`, if present, is the
 * momentum of t. `spec`, if present, is the text form: `parse(s.spec)` is the same schedule. Any function of t is a
 * schedule, without a text form.
 */
export type Schedule = {
  (t: number): number
  /** The momentum of t. */
  readonly momentum?: (t: number) => number
  readonly spec?: string
}

type Rule = { readonly words: string; readonly fits: (value: unknown) => boolean }

const isNumber = (value: unknown): value is number => Number.isFinite(value)
const isFunction = (value: unknown): boolean => typeof value === 'function'

export const isCount = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0

const ascends = (value: unknown): boolean =>
  Array.isArray(value) && value.every((m, i) => isCount(m) && (i === 0 || m >= value[i - 1]))

const KINDS = {
  number: { words: 'a finite number ≥ 0', fits: (v) => isNumber(v) && v >= 0 },
  positive: { words: 'a finite number > 0', fits: (v) => isNumber(v) && v > 0 },
  fraction: { words: 'a number from 0 to 1', fits: (v) => isNumber(v) && v >= 0 && v <= 1 },
  positiveFraction: { words: 'a number > 0 and ≤ 1', fits: (v) => isNumber(v) && v > 0 && v <= 1 },
  shrinking: { words: 'a number ≥ 0 and < 1', fits: (v) => isNumber(v) && v >= 0 && v < 1 },
  between: { words: 'a number > 0 and < 1', fits: (v) => isNumber(v) && v > 0 && v < 1 },
  count: { words: 'an integer ≥ 0', fits: isCount },
  length: { words: 'an integer ≥ 1', fits: (v) => isCount(v) && v >= 1 },
  flag: { words: 'true or false', fits: (v) => typeof v === 'boolean' },
  milestones: { words: 'a list of integers ≥ 0 in ascending order', fits: ascends },
  function: { words: 'a function of t', fits: isFunction },
  schedule: { words: 'a schedule, a function of t', fits: isFunction },
  schedules: {
    words: 'a list of at least one schedule, each a function of t',
    fits: (v) => Array.isArray(v) && v.length > 0 && v.every(isFunction),
  },
} as const satisfies Record<string, Rule>

/** How an omitted argument gets its value. Without `default` and `sameAs` it is required. */
type Otherwise = {
  readonly default?: number | string | boolean
  /** An earlier argument whose value it takes. */
  readonly sameAs?: string
  /** In a list of schedules: the base rate of those after the first that name none. */
  readonly baseOfOthers?: number
  /** Marks the rate that a caller may supply if the text names none. */
  readonly base?: true
}

/** One argument of a schedule; `of` are the words of a choice. */
export type Arg = Otherwise &
  ({ readonly kind: keyof typeof KINDS } | { readonly kind: 'choice'; readonly of: readonly string[] })

/** The arguments of a schedule, in positional order. */
export type Args = Readonly<Record<string, Arg>>

type ValueOf<A extends Arg> = A extends { kind: 'choice'; of: readonly (infer W)[] }
  ? W
  : A['kind'] extends 'schedule'
    ? Schedule
    : A['kind'] extends 'schedules'
      ? readonly Schedule[]
      : A['kind'] extends 'function'
        ? (t: number) => number
        : A['kind'] extends 'milestones'
          ? readonly number[]
          : A['kind'] extends 'flag'
            ? boolean
            : number

export type Values<A extends Args> = { readonly [N in keyof A]: ValueOf<A[N]> }

type Optional<A extends Args> = {
  [N in keyof A]: A[N] extends { default: unknown } | { sameAs: unknown } ? N : never
}[keyof A]

/** The options of a constructor: arguments with a default are optional. */
export type Options<A extends Args> = { readonly [N in Exclude<keyof A, Optional<A>>]: ValueOf<A[N]> } & {
  readonly [N in Optional<A>]?: ValueOf<A[N]>
}

function ruleOf(arg: Arg): Rule {
  if (arg.kind !== 'choice') return KINDS[arg.kind]
  return { words: `one of ${arg.of.join(', ')}`, fits: (v) => arg.of.includes(v as string) }
}

/** A sentence that says what is wrong with an argument's value, shown as `shown`; undefined if nothing is. */
export function fault(owner: string, name: string, arg: Arg, value: unknown, text = shown(value)): string | undefined {
  const { words, fits } = ruleOf(arg)
  return fits(value) ? undefined : `${owner}: ${name} must be ${words}, got ${text}`
}

/** Throws a RangeError if the value is not of its kind. */
export function check(owner: string, name: string, kind: keyof typeof KINDS, value: unknown): void {
  const message = fault(owner, name, { kind }, value)
  if (message !== undefined) throw new RangeError(message)
}
