import type { Storage } from '../gpu/pool.ts'
import type { Op } from './op.ts'
import type { Shape } from './shape.ts'
import type { DType, Tensor } from './tensor.ts'

/** What an operation kept of a tensor for its backward: the memory, not the tensor, so that a user may dispose that. */
export interface Saved {
  readonly storage: Storage
  readonly shape: Shape
  readonly dtype: DType
  readonly version: number
  readonly label: string
}

/** All that an operation left for backward: what its own takes, and the gradients that need none, as `Forward` has them. */
export interface Left {
  readonly saved: readonly Saved[]
  readonly ready: readonly (Saved | null)[] | null
}

/** Where the gradient of an input goes: to the operation that made it, to a leaf, or nowhere. */
export type Edge = { readonly node: TapeNode } | { readonly leaf: Tensor } | null

/**
 * One applied operation on the tape. It is held by the tensors it made and by the operations that consumed them; when
 * nobody holds it any more, what it saved is released.
 */
export class TapeNode {
  readonly op: Op
  readonly attributes: unknown
  readonly edges: readonly Edge[]
  readonly shape: Shape
  /** The layer that applied the operation, where that was noted. */
  readonly layer: string | null
  #left: Left | null
  #references = 1

  constructor(
    op: Op,
    attributes: unknown,
    edges: readonly Edge[],
    shape: Shape,
    left: Left,
    layer: string | null = null,
  ) {
    this.op = op
    this.attributes = attributes
    this.edges = edges
    this.shape = shape
    this.layer = layer
    this.#left = left
    for (const edge of edges) if (edge && 'node' in edge) edge.node.#references++
  }

  /** What was saved; null once it has been released by a backward. */
  get saved(): readonly Saved[] | null {
    return this.#left?.saved ?? null
  }

  /** The gradients of the inputs for an output's gradient of 1, where forward computed them. */
  get ready(): Left['ready'] {
    return this.#left?.ready ?? null
  }

  retain(): this {
    this.#references++
    return this
  }

  /** Gives back one reference; walks with a list of its own, since chains are as long as the user's loop. */
  release(): void {
    const queue: TapeNode[] = [this]
    for (let node = queue.pop(); node; node = queue.pop()) {
      if (--node.#references > 0) continue
      node.releaseSaved()
      for (const edge of node.edges) if (edge && 'node' in edge) queue.push(edge.node)
    }
  }

  releaseSaved(): void {
    const { saved = [], ready } = this.#left ?? {}
    for (const kept of [...saved, ...(ready ?? [])]) kept?.storage.release()
    this.#left = null
  }
}
