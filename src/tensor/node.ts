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
  #saved: readonly Saved[] | null
  #references = 1

  constructor(
    op: Op,
    attributes: unknown,
    edges: readonly Edge[],
    shape: Shape,
    saved: readonly Saved[],
    layer: string | null = null,
  ) {
    this.op = op
    this.attributes = attributes
    this.edges = edges
    this.shape = shape
    this.layer = layer
    this.#saved = saved
    for (const edge of edges) if (edge && 'node' in edge) edge.node.#references++
  }

  /** What was saved; null once it has been released by a backward. */
  get saved(): readonly Saved[] | null {
    return this.#saved
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
    for (const { storage } of this.#saved ?? []) storage.release()
    this.#saved = null
  }
}
