// Automatic differentiation: operations, the tape that they are noted on, and the walk back along it.
import type { Gpu } from '../gpu/gpu.ts'
import type { Storage } from '../gpu/pool.ts'
import { gradEnabled, noGrad } from './modes.ts'
import { observing } from './observe.ts'
import { oneOf } from './one.ts'
import { releasing } from './owned.ts'
import { formatShape, type Shape, sizeOf } from './shape.ts'
import type { DType, Tensor } from './tensor.ts'

/** The tensors that an operation is applied to; null for one that is left out, such as a bias. */
export type Inputs = readonly (Tensor | null)[]

/** What an operation's forward returns; backward will be given the `saved` tensors in this order. */
export type Forward = { readonly out: Tensor; readonly saved: readonly Tensor[] }

/**
 * Makes the tensor that the gradient of an input is to be written to: of the input's shape, its elements hold whatever was
 * there before. The gradient of a parameter lies where its optimizer puts it.
 */
export type GradientOf = (input: number) => Tensor

/** A differentiable operation. All parts except multiplyAdds are mandatory: a half-finished one does not type-check. */
export interface Op<I extends Inputs = Inputs, A = unknown> {
  readonly name: string
  /** The output's shape. Throws ShapeError for inputs that do not fit; nothing has touched the GPU yet. */
  shape(inputs: I, attributes: A): Shape
  /** Emits the kernels that compute the output, which has `shape`. What they write in place counts as changed. */
  forward(gpu: Gpu, inputs: I, attributes: A, shape: Shape): Forward
  /** How many products its forward sums up, for an output of this shape; absent if it multiplies nothing. */
  multiplyAdds?(inputs: I, attributes: A, shape: Shape): number
  /** Gradients of the inputs, at least those that `needs` names; `dy` has the output's shape. */
  backward(
    gpu: Gpu,
    dy: Tensor,
    saved: readonly Tensor[],
    attributes: A,
    needs: readonly boolean[],
    grad: GradientOf,
  ): Inputs
}

/** What an operation kept of a tensor for its backward: the memory, not the tensor, so that a user may dispose that. */
type Saved = Readonly<{ storage: Storage; shape: Shape; dtype: DType; version: number; label: string }>

/** Where the gradient of an input goes: to the operation that made it, to a leaf, or nowhere. */
type Edge = { readonly node: TapeNode } | { readonly leaf: Tensor } | null

/** One applied operation. The tensor it made and the operations that used that hold it; the last one to go releases what it saved. */
export class TapeNode {
  readonly op: Op
  readonly attributes: unknown
  readonly edges: readonly Edge[]
  readonly inputShapes: readonly (Shape | null)[]
  /** What was saved; null once a backward has released it. */
  saved: readonly Saved[] | null
  #references = 1

  constructor(op: Op, attributes: unknown, inputs: Inputs, saved: readonly Saved[]) {
    this.op = op
    this.attributes = attributes
    this.edges = inputs.map((t): Edge => (t?.requiresGrad ? (t.node ? { node: t.node } : { leaf: t }) : null))
    this.inputShapes = inputs.map((t) => t?.shape ?? null)
    this.saved = saved
    for (const edge of this.edges) if (edge && 'node' in edge) edge.node.#references++
  }

  /** Gives back one reference; walks with a list, since chains are as long as the user's loop. */
  release(): void {
    const queue: TapeNode[] = [this]
    for (let node = queue.pop(); node; node = queue.pop()) {
      if (--node.#references > 0) continue
      node.releaseSaved()
      for (const edge of node.edges) if (edge && 'node' in edge) queue.push(edge.node)
    }
  }

  releaseSaved(): void {
    for (const { storage } of this.saved ?? []) storage.release()
    this.saved = null
  }
}

/** The device that all of these tensors are on. Throws if they are on two, or if one was released. */
export function requireTogether(operation: string, tensors: readonly Tensor[]): Gpu {
  const gpu = tensors[0]!.gpu
  for (const t of tensors) {
    t.checkUsable(operation)
    if (t.gpu !== gpu) throw new Error(`${operation}: its tensors are on two devices`)
  }
  return gpu
}

/** Runs an operation and, if an input requires a gradient, records it on the tape. */
export function apply<I extends Inputs, A>(op: Op<I, A>, inputs: I, attributes: A): Tensor {
  const present = inputs.filter((t) => t !== null)
  const gpu = requireTogether(op.name, present)
  const shape = op.shape(inputs, attributes)
  gpu.check()
  const { out, saved } = op.forward(gpu, inputs, attributes, shape)
  if (gradEnabled() && present.some((t) => t.requiresGrad)) {
    const kept = saved.map(({ storage, shape, dtype, label }): Saved => {
      return { storage: storage.retain(), shape, dtype, version: storage.version, label }
    })
    out.attach(new TapeNode(op as unknown as Op, attributes, inputs, kept))
  }
  // The tape holds the memory of what was saved; nobody else knows these tensors.
  for (const t of saved) if (t !== out && !present.includes(t)) t.release('it was an intermediate of an operation')
  for (const observer of observing()) observer.operation?.(op as unknown as Op, inputs, attributes, out)
  return out
}

/** What the walk needs of the kernels: to add a second gradient, and a copy in other memory. */
type Arithmetic = { add(a: Tensor, b: Tensor): Tensor; copy(x: Tensor): Tensor }
let arithmetic: Arithmetic | null = null

/** Called once by the kernels: the engine itself knows no operation. */
export function provideArithmetic(given: Arithmetic): void {
  arithmetic = given
}

const NOTHING = () => null

/** Walks the tape from `root` to the leaves; null is a gradient of 1. For Tensor.backward, which checks them. */
export function backward(root: Tensor, gradient: Tensor | null, retainGraph: boolean): void {
  noGrad(() => {
    const start = gradient?.detach() ?? root.like(oneOf(root.gpu).retain(), root.shape)
    for (const observer of observing()) observer.start?.(start, root)
    if (!root.node) {
      accumulateLeaf(root, start, start.storage)
      return start.release('it was the starting gradient')
    }
    // Gradients on their way, one for each operation not yet walked; each is released as soon as it has been used.
    const waiting = new Map<TapeNode, Tensor>([[root.node, start.keep()]])
    try {
      const order = topological(root.node)
      checkSaved(order)
      for (const node of order) {
        const dy = waiting.get(node)!
        releasing(() => step({ root, given: start.storage, waiting }, node, dy), NOTHING)
        waiting.delete(node)
        dy.release('it was an intermediate gradient')
        if (!retainGraph) node.releaseSaved()
      }
    } finally {
      for (const dy of waiting.values()) dy.release('backward failed')
      for (const observer of observing()) observer.backward?.(null)
    }
  })
}

type Walk = { readonly root: Tensor; readonly given: Storage; readonly waiting: Map<TapeNode, Tensor> }

/** Runs one operation's backward and hands the gradients on; `given` is the memory of the one that the walk began with. */
function step({ root, given, waiting }: Walk, node: TapeNode, dy: Tensor): void {
  const { op, attributes, edges, saved } = node
  const tensors = saved!.map(({ storage, shape, dtype }) => root.like(storage.retain(), shape, dtype))
  const needs = edges.map((edge) => edge !== null)
  for (const observer of observing()) observer.backward?.(node)
  const gradients = op.backward(root.gpu, dy, tensors, attributes, needs, (input) => gradientFor(root, node, input))
  for (const observer of observing()) observer.gradients?.(node, gradients)
  edges.forEach((edge, i) => {
    if (!edge) return
    const dx = gradients[i]
    if (!dx) throw new Error(`${op.name}: backward returned no gradient for input ${i}`)
    if ('leaf' in edge) accumulateLeaf(edge.leaf, dx, given)
    else {
      const before = waiting.get(edge.node)
      waiting.set(edge.node, (before ? arithmetic!.add(before, dx) : dx.detach()).keep())
      before?.release('it was an intermediate gradient')
    }
  })
}

/** Memory for the gradient of an input: for a leaf, the place that its optimizer keeps for it, if that is free. */
function gradientFor(root: Tensor, { op, edges, inputShapes }: TapeNode, input: number): Tensor {
  const shape = inputShapes[input]!
  const edge = edges[input]
  const leaf = edge && 'leaf' in edge && !edge.leaf.released ? edge.leaf : null
  const home = leaf?.grad === null ? leaf.gradientHome : null
  if (home?.holders === 1) return root.like(home.retain(), shape)
  const { pool } = root.gpu
  return root.like(pool.acquire(4 * sizeOf(shape), `${op.name} ${formatShape(shape)}`, pool.largestInParts), shape)
}

/** The gradient belongs to its leaf: it outlives every scope and is released with the leaf or by `zeroGrad`. */
function accumulateLeaf(leaf: Tensor, dx: Tensor, given: Storage): void {
  if (leaf.released) return
  for (const observer of observing()) observer.leaf?.(leaf)
  const before = leaf.grad
  // Memory that is the leaf's, everybody's 1, or the user's would be changed with the gradient, and it with that.
  const borrowed = dx.storage === leaf.storage || dx.storage === given
  const sum = before ? arithmetic!.add(before, dx) : borrowed ? arithmetic!.copy(dx) : dx.detach()
  sum.name = leaf.name === '' ? '' : `${leaf.name}.grad`
  leaf.grad = sum.keep()
  before?.release('a later gradient was added to it')
}

/** Every operation that led to `root`, each before those it got its inputs from. Walks without recursion. */
function topological(root: TapeNode): TapeNode[] {
  const order: TapeNode[] = []
  const seen = new Set<TapeNode>([root])
  const stack: [TapeNode, number][] = [[root, 0]]
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!
    const edge = top[0].edges[top[1]++]
    if (edge === undefined) {
      order.push(top[0])
      stack.pop()
    } else if (edge && 'node' in edge && !seen.has(edge.node)) {
      seen.add(edge.node)
      stack.push([edge.node, 0])
    }
  }
  return order.reverse()
}

/** Refuses before anything is computed: a graph walked twice, or a value changed since it was saved. */
function checkSaved(order: readonly TapeNode[]): void {
  for (const { saved, op } of order) {
    const changed = saved?.find(({ storage, version }) => storage.version !== version)
    if (saved && !changed) continue
    const released = `the values that ${op.name} saved were released by an earlier backward; pass { retainGraph: true } to the earlier one`
    const late = `${changed?.label}, saved by ${op.name}, was changed in place since; run backward before the update`
    throw new Error(`backward: ${saved ? late : released}`)
  }
}
