// Checks what callbacks keep in a checkpoint: JSON would change some values without a word.
import { shown } from '../tensor/options.ts'
import type { CallbackState } from './saved_state.ts'

/** Throws TypeError for a state of callback `index` with values that JSON would not give back; null is one that keeps nothing. */
export function checkKept(state: CallbackState | null | undefined, index: number): void {
  if (state === null || state === undefined) return
  const lost = firstLost(state.values, 'values', [])
  if (lost === null) return
  throw new TypeError(
    `fit: callback ${index}: its stateDict() gives ${lost.place}: ${lost.kind}, which a checkpoint can't hold; give { values } of null, booleans, finite ` +
      'numbers, texts, arrays and plain objects of these, and keep arrays of numbers in its tensors',
  )
}

interface Lost {
  readonly place: string
  readonly kind: string
}

/** The first value that JSON would change, with its place; null if there is none. `around` are the objects that it lies in. */
function firstLost(value: unknown, place: string, around: readonly unknown[]): Lost | null {
  if (value === null || typeof value === 'boolean' || typeof value === 'string' || Number.isFinite(value)) return null
  if (around.includes(value)) return { place, kind: 'an object that holds itself' }
  const inside = [...around, value]
  if (Array.isArray(value)) {
    for (const [i, one] of value.entries()) {
      const lost = firstLost(one, `${place}[${i}]`, inside)
      if (lost !== null) return lost
    }
    return null
  }
  if (!isPlain(value)) return { place, kind: shown(value) }
  for (const [name, one] of Object.entries(value)) {
    if (one === undefined) continue // absent afterwards, which reads the same
    const at = /^[\w$]+$/.test(name) ? `${place}.${name}` : `${place}[${JSON.stringify(name)}]`
    const lost = firstLost(one, at, inside)
    if (lost !== null) return lost
  }
  return null
}

/** Whether its prototype is that of plain objects, in any realm, or it has none. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
