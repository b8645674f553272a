import type { Gpu } from '../gpu/gpu.ts'
import { at, checkGradients, detector } from './anomaly.ts'
import { noteGradient } from './capture.ts'
import { empty } from './create.ts'
import { noGrad } from './modes.ts'
import type { Saved, TapeNode } from './node.ts'
import { scope } from './scope.ts'
import { type Shape, ShapeError, sameShape } from './shape.ts'
import { Tensor } from './tensor.ts'

/** What the engine needs of the kernels: to add a second gradient, and the gradient 1 to start with. */
interface Arithmetic {
  readonly add: (a: Tensor, b: Tensor) => Tensor
  readonly onesLike: (x: Tensor) => Tensor
  readonly copy: (x: Tensor) => Tensor
}
let arithmetic: Arithmetic | null = null

/** Called once by the kernels: the engine itself knows no operation. */
export function provideArithmetic(given: Arithmetic): void {
  arithmetic = given
}

/** See Tensor.backward. */
export function backward(root: Tensor, gradient: Tensor | null, retainGraph: boolean): void {
  root.checkUsable('backward')
  gradient?.checkUsable('backward')
  checkStart(root, gradient)
  noGrad(() => {
    const { node: first } = root
    // Null for a 1 that nobody needs as a tensor.
    const start = gradient?.detach() ?? (first?.ready ? null : arithmetic!.onesLike(root))
    const part = 'the gradient to start with'
    if (start) detector()?.check(start, { operation: 'backward', direction: 'backward', layer: null, part })
    if (!first) {
      accumulateLeaf(root, start!)
      return start!.release('it was the gradient to start with')
    }
    // Gradients on their way, one for each operation not yet walked; each is released as soon as it has been used.
    const waiting = new Map<TapeNode, Tensor>()
    if (start) waiting.set(first, start.keep())
    try {
      const order = topological(first)
      checkSaved(order)
      for (const node of order) {
        const dy = waiting.get(node) ?? null
        at({ direction: 'backward', layer: node.layer }, () => scope(() => step(root.gpu, node, dy, waiting)))
        waiting.delete(node)
        dy?.release('it was an intermediate gradient')
        if (!retainGraph) node.releaseSaved()
      }
    } finally {
      for (const dy of waiting.values()) dy.release('backward failed')
    }
  })
}

/** Runs one operation's backward, or takes what is ready where `dy` is null, and hands the gradients on. */
function step(gpu: Gpu, node: TapeNode, dy: Tensor | null, waiting: Map<TapeNode, Tensor>): void {
  const { op, attributes, edges } = node
  const tensorOf = (s: Saved) => new Tensor(gpu, s.storage.retain(), s.shape, s.dtype)
  const needs = edges.map((edge) => edge !== null)
  const memory = Object.assign((input: number, shape: Shape) => memoryFor(gpu, node, input, shape), {
    sums: (input: number, bytes: number) => leafOf(node, input)?.place?.sums(bytes) ?? null,
  })
  const gradients = dy
    ? op.backward(gpu, dy, node.saved!.map(tensorOf), attributes, needs, memory)
    : node.ready!.map((s) => s && tensorOf(s))
  checkGradients(op.name, gradients)
  edges.forEach((edge, i) => {
    if (!edge) return
    const dx = gradients[i]
    if (!dx) throw new Error(`${op.name}: backward gave no gradient for input ${i}`)
    if ('leaf' in edge) accumulateLeaf(edge.leaf, dx)
    else {
      const before = waiting.get(edge.node)
      waiting.set(edge.node, (before ? arithmetic!.add(before, dx) : dx.detach()).keep())
      before?.release('it was an intermediate gradient')
    }
  })
}

/** Memory for the gradient of an input: where the leaf has a place for it that is free, there. */
function memoryFor(gpu: Gpu, node: TapeNode, input: number, shape: Shape): Tensor {
  const leaf = leafOf(node, input)
  const place = leaf && leaf.grad === null && sameShape(leaf.shape, shape) ? leaf.place : null
  return (leaf && place?.gradient(leaf)) ?? empty(gpu, shape, 'float32', node.op.name)
}

function leafOf({ edges }: TapeNode, input: number): Tensor | null {
  const edge = edges[input]
  return edge && 'leaf' in edge && !edge.leaf.released ? edge.leaf : null
}

function checkStart(root: Tensor, gradient: Tensor | null): void {
  if (!root.requiresGrad) {
    throw new Error(`backward: ${root.label} requires no gradient: none of what it was computed from does`)
  }
  if (gradient && gradient.gpu !== root.gpu) throw new Error('backward: its tensors live on two devices')
  if (gradient && gradient.dtype !== 'float32') {
    throw new TypeError(`backward: the gradient must be float32, it is ${gradient.dtype}`)
  }
  if (gradient && !sameShape(gradient.shape, root.shape)) {
    throw new ShapeError('backward', "the gradient must have the tensor's shape", [
      ['tensor', root.shape],
      ['gradient', gradient.shape],
    ])
  }
  if (!gradient && root.size !== 1) {
    const cure = 'Pass the gradient of this tensor, or reduce it to one element first.'
    throw new ShapeError(
      'backward',
      `a tensor of ${root.size} elements needs a gradient`,
      [['tensor', root.shape]],
      cure,
    )
  }
}

/** Every operation that led to `root`, each before those it got its inputs from. Walks without recursion. */
function topological(root: TapeNode): TapeNode[] {
  const order: TapeNode[] = []
  const seen = new Set<TapeNode>()
  const stack: [TapeNode, number][] = [[root, 0]]
  seen.add(root)
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
    if (saved === null) {
      throw new Error(
        `backward: the values that ${op.name} saved were released by an earlier backward; pass { retainGraph: true } to that one`,
      )
    }
    for (const { storage, version, label } of saved) {
      if (storage.version !== version) {
        throw new Error(
          `backward: ${label}, saved by ${op.name}, was changed in place since; run backward before the update`,
        )
      }
    }
  }
}

/** The gradient belongs to its leaf: it outlives every scope and is released with the leaf or by `zeroGrad`. */
function accumulateLeaf(leaf: Tensor, dx: Tensor): void {
  if (leaf.released) return
  noteGradient(leaf)
  const before = leaf.grad
  // A gradient that is the leaf itself would be read and written by one update: it gets memory of its own.
  const sum = before ? arithmetic!.add(before, dx) : dx.storage === leaf.storage ? arithmetic!.copy(dx) : dx.detach()
  sum.name = leaf.name === '' ? '' : `${leaf.name}.grad`
  leaf.grad = sum.keep()
  before?.release('a later gradient was added to it')
}
