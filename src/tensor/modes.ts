// Whether operations are put on the tape.
import { tooMany } from './options.ts'

let enabled = true

/** Whether operations are put on the tape. */
export function gradEnabled(): boolean {
  return enabled
}

/** Runs `fn` without recording operations for backward. `fn` is synchronous. */
export function noGrad<T>(fn: () => T): T {
  if (arguments.length > 1) throw tooMany(arguments, 'noGrad(fn)')
  const before = enabled
  enabled = false
  try {
    return refusePromise('noGrad', fn())
  } finally {
    enabled = before
  }
}

/** The modes end when `fn` returns; what follows an `await` would run outside of them. */
export function refusePromise<T>(name: string, result: T): T {
  if (result instanceof Promise) {
    result.catch(() => undefined)
    throw new TypeError(`${name}(fn) takes a synchronous function; read values outside of it`)
  }
  return result
}
