// Options of the command line: how they are read, checked and refused.
import { closeSync, openSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { InvalidArgumentError } from 'commander'
import { temporaryOf } from '../node/files.ts'
import type { Schedule } from '../sched/index.ts'
import * as sched from '../sched/index.ts'
import { checkRates } from '../train/index.ts'

/** An invalid option or combination of options: reported in one line, with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** A message that is safe for a terminal: quoted arguments are shortened, and control characters are escaped. */
export function plainText(message: string): string {
  return message
    .replace(/(?!\n)[\p{Cc}\p{Zl}\p{Zp}]/gu, (c) => `\\x${c.codePointAt(0)!.toString(16).padStart(2, '0')}`)
    .replace(/\S{500,}/g, (word) => `${word.slice(0, 60)}…${word.slice(-60)} (${word.length} characters)`)
}

/** Parses a whole number of at least `least`. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least || value > most) {
      const range = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `${least} to ${most}`
      throw new InvalidArgumentError(`It must be a whole number, ${range}.`)
    }
    return value
  }
}

const DECIMAL = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i

/** Parses a finite decimal number, 0 or more, and below `below` if given. */
export function number(below = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = DECIMAL.test(text) ? Number(text) : Number.NaN
    if (!Number.isFinite(value) || value < 0 || value >= below) {
      const range = below === Number.POSITIVE_INFINITY ? '0 or more' : `0 or more and below ${below}`
      throw new InvalidArgumentError(`It must be a decimal number, ${range}.`)
    }
    return value
  }
}

/** Throws UsageError if the file that an option names can't be written, before any work begins. */
export function checkFile(option: string, path: string): void {
  const at = (name: string) => statSync(name, { throwIfNoEntry: false })
  if (path === '') throw new UsageError(`option '${option}': the name of a file is needed`)
  try {
    if (!at(dirname(path))?.isDirectory())
      throw new UsageError(`option '${option}': there is no folder '${dirname(path)}'`)
    if (at(path)?.isFile() === false) throw new UsageError(`option '${option}': ${path} is not a regular file`)
    // To find missing rights, read-only disks and /proc, make the file that `writeWhole` would make first.
    const trial = temporaryOf(path)
    closeSync(openSync(trial, 'wx'))
    rmSync(trial)
  } catch (error) {
    if (error instanceof UsageError) throw error
    const { code } = error as NodeJS.ErrnoException
    throw new UsageError(`option '${option}': ${path} can't be written (${code}); choose another file`)
  }
}

/** What sets a run's rates: a schedule, or a plateau, which cuts the rate when a metric stops improving. */
export interface Rates {
  readonly schedule: Schedule
  readonly plateau: ReturnType<typeof sched.parsePlateau> | null
}

/**
 * The rates that the options ask for; `lr` is the base rate of a schedule that names none. Throws UsageError that shows
 * the position of the mistake.
 */
export function ratesOf(given: {
  readonly schedule: string
  readonly lr: number
  readonly plateau?: string | undefined
}): Rates {
  const schedule = refusing(parseSchedule(given.schedule, given.lr), given.schedule)
  if (given.plateau === undefined) return { schedule, plateau: null }
  if (given.schedule !== 'constant') {
    throw new UsageError(`option '--plateau': it changes the rate itself, and so does --schedule; give one of the two`)
  }
  const text = given.plateau
  return { schedule, plateau: pointing("option '--plateau'", () => sched.parsePlateau(text)) }
}

/** The same schedule, which throws UsageError where a rate or a momentum can't be one: at some t it may overflow. */
function refusing(schedule: Schedule, given: string): Schedule {
  const { spec, momentum } = schedule
  const checked = (what: string, at: (t: number) => number) => (t: number) => {
    const value = at(t)
    if (Number.isFinite(value) && value >= 0) return value
    throw new UsageError(
      `option '--schedule': ${spec ?? given}: the ${what} at t = ${t} must be a finite number ≥ 0, got ${value}`,
    )
  }
  return Object.assign(checked('rate', schedule), {
    ...(spec !== undefined && { spec }),
    ...(momentum && { momentum: checked('momentum', momentum) }),
  })
}

/** Whether a schedule of this text has the same rates with every `--lr`. */
export function hasOwnRate(text: string): boolean {
  return parseSchedule(text, 1).spec === parseSchedule(text, 2).spec
}

/**
 * Throws UsageError where `--lr` or `--momentum` is given and would count for nothing, since the schedule has its own; the same
 * number twice is let pass. With `--lr-timing after-epoch` the first epoch runs at them.
 */
export function checkOwnRate(
  given: { readonly schedule: string; readonly lr: number; readonly momentum: number; readonly lrTiming: string },
  isGiven: (option: 'lr' | 'momentum') => boolean,
): void {
  const { lr, momentum, lrTiming } = given
  if (lrTiming === 'after-epoch') return
  const schedule = parseSchedule(given.schedule, lr)
  const { spec = given.schedule } = schedule
  const isSame = [...spec.matchAll(/\b(?:lr|baseLr)=([^,)]+)/g)].some(([, own]) => Number(own) === lr)
  if (isGiven('lr') && hasOwnRate(given.schedule) && !isSame) {
    throw new UsageError(
      `option '--lr': the schedule ${spec} has its own rates, and ${lr} would count for nothing; leave one of the two out`,
    )
  }
  if (isGiven('momentum') && momentum > 0 && schedule.momentum) {
    throw new UsageError(
      `option '--momentum': the schedule ${spec} has its own, and ${momentum} would count for nothing; leave it out, or give the ` +
        'schedule cycleMomentum=false',
    )
  }
}

/** Throws UsageError for a schedule that gives something other than a rate, or a momentum, at one of the first `count` t. */
export function checkSchedule({ schedule }: Rates, count: number): void {
  checkRates({ schedule, per: 'epoch', timing: 'before-epoch', lr: 0 }, count, 1)
}

/** Parses a schedule; `lr` is the base rate of one that names none. Throws UsageError that shows the mistake. */
export function parseSchedule(text: string, lr: number, where = "option '--schedule'"): Schedule {
  return pointing(where, () => sched.parse(text, { lr }))
}

/** How many characters are shown on each side of a mistake: half a line of a terminal. */
const AROUND = 36

/** Adds to the grammar's errors where the text comes from, and shortens the text to a line of a terminal. */
export function pointing<T>(where: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    const [sentence = '', text = '', mark = '', cure = ''] = error.message.split('\n')
    const at = mark.indexOf('^')
    const from = at <= 2 * AROUND ? 2 : at - AROUND
    const part = `${from > 2 ? '…' : ''}${text.slice(from, at + AROUND)}${text.length > at + AROUND ? '…' : ''}`
    const column = at - from + (from > 2 ? 1 : 0)
    throw new UsageError(`${where}: ${sentence}\n  ${part}\n  ${' '.repeat(column)}^\n${cure}`)
  }
}
