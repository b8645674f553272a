import { refusePromise } from './modes.ts'
import { Tensor } from './tensor.ts'

const open: Set<Tensor>[] = []

/** Notes a new tensor in the innermost scope, if there is one. */
export function register(tensor: Tensor): void {
  open[open.length - 1]?.add(tensor)
}

/** Takes a tensor out of every scope: it lives until it is disposed. */
export function unregister(tensor: Tensor): void {
  for (const tensors of open) tensors.delete(tensor)
}

/**
 * Runs `fn` and releases the tensors made in it, but for those it returns (alone, in arrays, maps and objects' properties)
 * and those kept by `keep()`. When `fn` throws, all are released. `fn` is synchronous.
 */
export function scope<T>(fn: () => T): T {
  const made = new Set<Tensor>()
  open.push(made)
  let returned: Set<Tensor> | null = null
  try {
    const result = refusePromise('scope', fn())
    returned = tensorsIn(result)
    return result
  } finally {
    open.pop()
    for (const tensor of made) {
      if (returned?.has(tensor)) register(tensor)
      else tensor.release('its scope ended')
    }
  }
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
