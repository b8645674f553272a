import { InvalidArgumentError } from 'commander'
import type { Schedule } from '../sched/index.ts'
import * as sched from '../sched/index.ts'

/** An option, or a combination of options, that can't be: reported in one line, with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** A message as a terminal may show it: what it quotes of the arguments is shortened, and moves no cursor. */
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

/** Parses a finite number, 0 or more, and below `below` where that is given. */
export function number(below = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text)
    if (!Number.isFinite(value) || value < 0 || value >= below) {
      const range = below === Number.POSITIVE_INFINITY ? '0 or more' : `0 or more and below ${below}`
      throw new InvalidArgumentError(`It must be a number, ${range}.`)
    }
    return value
  }
}

/** Parses a schedule; `lr` is the base rate of one that names none. Throws UsageError with the place of the mistake. */
export function parseSchedule(text: string, lr: number): Schedule {
  try {
    return sched.parse(text, { lr })
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    const [sentence = '', , mark = '', cure = ''] = error.message.split('\n')
    throw new UsageError(`option '--schedule': ${sentence} at character ${mark.indexOf('^') - 1} of '${text}'; ${cure}`)
  }
}
