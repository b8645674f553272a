import type { Gpu } from '../gpu/gpu.ts'
import type { Storage } from '../gpu/pool.ts'
import { checkOperation, currentPlace } from './anomaly.ts'
import { gradEnabled } from './modes.ts'
import { type Edge, type Saved, TapeNode } from './node.ts'
import type { Shape } from './shape.ts'
import type { Tensor } from './tensor.ts'

/** The tensors that an operation is applied to; null for one that is left out, such as a bias. */
export type Inputs = readonly (Tensor | null)[]

/** What an operation's forward returns. */
export interface Forward {
  readonly out: Tensor
  /** Tensors that backward will be given, in this order. */
  readonly saved: readonly Tensor[]
  /**
   * For an output of one element: the gradients of the inputs where the output's is 1, if forward computed them along
   * with it. `out.backward()` takes them, and asks the operation's `backward` for no others.
   */
  readonly ready?: Inputs
}

/** Where backward may write the gradients of inputs, so that an optimiser finds them beside those of others. */
export interface GradientMemory {
  /** A tensor for the gradient of an input; its elements hold whatever was in the memory before. */
  (input: number, shape: Shape): Tensor
  /** Memory for partial sums of an input's gradient, where an optimiser would add them up; else null. */
  sums(input: number, bytes: number): Storage | null
}

/** A differentiable operation. All parts are mandatory: a half-finished one does not type-check. */
export interface Op<I extends Inputs = Inputs, A = unknown> {
  readonly name: string
  /** The output's shape. Throws ShapeError for inputs that do not fit; nothing has touched the GPU yet. */
  shape(inputs: I, attributes: A): Shape
  /** Emits the kernels that compute the output, which has `shape`. */
  forward(gpu: Gpu, inputs: I, attributes: A, shape: Shape): Forward
  /** How many products its forward sums up, for an output of this shape; absent where it multiplies nothing. */
  multiplyAdds?(inputs: I, attributes: A, shape: Shape): number
  /**
   * Gradients of the inputs, each exactly where `needs` says so; `dy` has the output's shape. `memory` gives a tensor for
   * the gradient of an input; of a parameter, where its optimiser wants it.
   */
  backward(
    gpu: Gpu,
    dy: Tensor,
    saved: readonly Tensor[],
    attributes: A,
    needs: readonly boolean[],
    memory: GradientMemory,
  ): Inputs
}

let onOperation: ((multiplyAdds: number) => void) | null = null

/** Runs `fn` and tells `each` of every operation in it, with its multiply-adds. */
export function watchOperations<T>(each: (multiplyAdds: number) => void, fn: () => T): T {
  const before = onOperation
  onOperation = each
  try {
    return fn()
  } finally {
    onOperation = before
  }
}

/** Runs an operation and, where an input wants a gradient, puts it on the tape. */
export function apply<I extends Inputs, A>(op: Op<I, A>, inputs: I, attributes: A): Tensor {
  const present = inputs.filter((t) => t !== null)
  const gpu = present[0]!.gpu
  for (const t of present) {
    t.checkUsable(op.name)
    if (t.gpu !== gpu) throw new Error(`${op.name}: its tensors live on two devices`)
  }
  const shape = op.shape(inputs, attributes)
  gpu.check()
  onOperation?.(op.multiplyAdds?.(inputs, attributes, shape) ?? 0)
  const { out, saved, ready } = op.forward(gpu, inputs, attributes, shape)
  checkOperation(op.name, inputs, out)
  const ownSaved = [...saved, ...(ready ?? [])].filter((t) => t !== null && t !== out && !present.includes(t))
  if (gradEnabled() && present.some((t) => t.requiresGrad)) {
    const edges = inputs.map((t): Edge => (t?.requiresGrad ? (t.node ? { node: t.node } : { leaf: t }) : null))
    const keep = (t: Tensor): Saved => {
      const { storage, shape, dtype } = t
      return { storage: storage.retain(), shape, dtype, version: storage.version, label: t.label }
    }
    const values = { saved: saved.map(keep), ready: ready?.map((t) => t && keep(t)) ?? null }
    out.attach(new TapeNode(op as unknown as Op, attributes, edges, shape, values, currentPlace().layer))
  }
  // The tape holds the memory of what was saved; nobody else knows these tensors.
  for (const t of ownSaved) t!.release('it was an intermediate of an operation')
  return out
}
