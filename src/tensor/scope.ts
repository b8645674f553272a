// Scopes: what is made inside is released at the end.
import { refusePromise } from './modes.ts'
import { tooMany } from './options.ts'
import { releasing } from './owned.ts'
import { Tensor } from './tensor.ts'

/**
 * Runs `fn` and releases the tensors made in it, except those that it returns (alone, in arrays, maps and objects'
 * properties) and those kept by `keep()`. When `fn` throws, all are released. `fn` is synchronous.
 */
export function scope<T>(fn: () => T): T {
  if (arguments.length > 1) throw tooMany(arguments, 'scope(fn)')
  return releasing(() => refusePromise('scope', fn()), tensorsIn)
}

function partsOf(value: object): Iterable<unknown> {
  if (value instanceof Map) return value.values()
  if (Array.isArray(value) || value instanceof Set) return value
  return ArrayBuffer.isView(value) ? [] : Object.values(value)
}

/** The tensors in a value: itself, or in arrays, sets, maps and objects' properties, however deep. */
export function tensorsIn(result: unknown): Set<Tensor> {
  const tensors = new Set<Tensor>()
  const seen = new Set<unknown>()
  const queue = [result]
  while (queue.length > 0) {
    const value = queue.pop()
    if (typeof value !== 'object' || value === null || seen.has(value)) continue
    seen.add(value)
    if (value instanceof Tensor) tensors.add(value)
    else for (const part of partsOf(value)) queue.push(part)
  }
  return tensors
}
