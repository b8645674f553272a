// add: a sum of two tensors, the second perhaps one value a channel.
import { KernelFile } from '../gpu/kernel.ts'
import { apply, type Op, provideArithmetic } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { type Shape, ShapeError, sameShape, sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { copyOf } from './clip.ts'
import * as wgsl from './generated/wgsl.ts'
import { blocksOf, groupsFor, groupsForElements, requireTensors, requireType, withScratch } from './support.ts'

const file = new KernelFile('add', wgsl.add)
const forward = file.entry('forward')
const backwardBlock = file.entry('backward_block')
const reduce = file.entry('reduce')

interface Attributes {
  /** The input as [N, C, S]; null when both shapes are the same. */
  readonly channels: { N: number; C: number; S: number } | null
}

const addOp: Op<readonly [Tensor, Tensor], Attributes> = {
  name: 'add',

  shape([a, b], { channels }) {
    requireType('add', 'a', a)
    requireType('add', 'b', b)
    const fits = channels ? sameShape(b.shape, [channels.C]) : sameShape(a.shape, b.shape)
    if (!fits) {
      const orChannels = channels ? `, or one value for each of a's ${channels.C} channels` : ''
      const lines = [['a', a.shape] as const, ['b', b.shape] as const]
      const cure = channels ? 'Channels are dimension 1; reshape for anything else.' : ''
      throw new ShapeError('add', `b must have a's shape${orChannels}`, lines, cure)
    }
    return a.shape
  },

  forward(gpu, [a, b], { channels }, shape) {
    const out = empty(gpu, shape, 'float32', 'add')
    const params = channels ?? { N: 1, C: out.size, S: 1 }
    gpu.emit(forward, { params, a: a.storage, b: b.storage, out: out.storage }, groupsForElements(out.size))
    return { out, saved: [] }
  },

  backward(gpu, dy, _, { channels }, [, needsB], grad) {
    if (!channels || !needsB) return [dy, dy]
    const { N, C } = channels
    const db = grad(1)
    const blocks = blocksOf(N)
    withScratch(gpu, "add's backward", blocks * C, (partial) => {
      gpu.emit(backwardBlock, { params: channels, dy: dy.storage, partial_out: partial }, groupsFor(blocks * C))
      gpu.emit(reduce, { params: channels, partial, db: db.storage }, groupsFor(C))
    })
    return [dy, db]
  },
}

/**
 * a + b. `b` has a's shape, or one value for each channel: dimension 1 of a, [N, C, …]. Float32.
 * Throws ShapeError for other shapes.
 */
export function add(a: Tensor, b: Tensor): Tensor {
  requireTensors('add', { a, b })
  const same = sameShape(a.shape, b.shape) || a.shape.length < 2
  return apply(addOp, [a, b], { channels: same ? null : asChannels(a.shape) })
}

function asChannels(shape: Shape): { N: number; C: number; S: number } {
  return { N: shape[0]!, C: shape[1]!, S: sizeOf(shape.slice(2)) }
}

provideArithmetic({ add, copy: copyOf })
