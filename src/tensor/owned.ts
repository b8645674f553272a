// Who releases a tensor: the innermost scope that it was made in, unless somebody keeps it.
import type { Tensor } from './tensor.ts'

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
 * Runs `fn` and releases the tensors made in it, except those that `returned` finds in its result. When it throws, all are
 * released.
 */
export function releasing<T>(
  fn: () => T,
  returned: (result: T, made: ReadonlySet<Tensor>) => ReadonlySet<Tensor> | null,
): T {
  const made = new Set<Tensor>()
  open.push(made)
  let kept: ReadonlySet<Tensor> | null = null
  try {
    const result = fn()
    kept = returned(result, made)
    return result
  } finally {
    open.pop()
    for (const tensor of made) {
      if (kept?.has(tensor)) register(tensor)
      else tensor.release('its scope ended')
    }
  }
}
