import type { Gpu } from '../gpu/gpu.ts'
import { Kernel } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import { empty } from '../tensor/create.ts'
import { apply, type Op } from '../tensor/op.ts'
import { type Shape, ShapeError, sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { full } from './fill.ts'
import { blocksOf, groupsFor, requireRank, requireTensors, requireType, stripsOf, withScratch } from './support.ts'
import * as wgsl from './wgsl.ts'

const packForward = new Kernel('linear', wgsl.linear, 'pack_forward')
const forward = new Kernel('linear', wgsl.linear, 'forward')
const packBackward = new Kernel('linear', wgsl.linear, 'pack_backward')
const backward = new Kernel('linear', wgsl.linear, 'backward')
const reduce = new Kernel('linear', wgsl.linear, 'reduce')

const quads = (n: number) => Math.ceil(n / 4)
const eights = (n: number) => Math.ceil(n / 8)

/** [rows, features]: what comes before the last dimension is one batch. */
function asRows(t: Tensor): [number, number] {
  return [sizeOf(t.shape.slice(0, -1)), t.shape.at(-1)!]
}

const linearOp: Op<readonly [Tensor, Tensor, Tensor | null], null> = {
  name: 'linear',

  shape([input, weight, bias]) {
    requireType('linear', 'input', input)
    requireType('linear', 'weight', weight)
    if (bias) requireType('linear', 'bias', bias)
    const letters = input.shape.length === 2 ? 'N I' : '… I'
    if (input.shape.length === 0) requireRank('linear', 'input', input.shape, 2, 'N I')
    requireRank('linear', 'weight', weight.shape, 2, 'O I')
    const I = input.shape.at(-1)!
    const [O, features] = weight.shape as [number, number]
    if (features !== I) {
      throw new ShapeError('linear', `weight takes ${features} input features, input has ${I}`, [
        ['input', input.shape, letters],
        ['weight', weight.shape, 'O I'],
      ])
    }
    if (bias && (bias.shape.length !== 1 || bias.shape[0] !== O)) {
      throw new ShapeError('linear', `bias must have one value for each of the ${O} output features`, [
        ['weight', weight.shape, 'O I'],
        ['bias', bias.shape, 'O'],
      ])
    }
    return [...input.shape.slice(0, -1), O]
  },

  forward(gpu, [input, weight, bias], _, shape) {
    const [N, I] = asRows(input)
    const O = weight.shape[0]!
    const out = empty(gpu, shape, 'float32', 'linear')
    if (out.size > 0) {
      const params = { N, I, O, hasBias: bias ? 1 : 0, needX: 0, needW: 0, parts: 1 }
      const [x, w] = [input.storage, weight.storage]
      const packed = quads(N) + quads(O)
      withScratch(gpu, 'linear', 4 * packed * I, (scratch) => {
        gpu.emit(packForward, { params, x, weight: w, packed: scratch }, groupsFor(packed * stripsOf(I)))
        const bindings = { params, quads: scratch, bias: bias?.storage ?? w, out: out.storage }
        gpu.emit(forward, bindings, groupsFor(eights(N) * eights(O)))
      })
    }
    return { out, saved: [input, weight] }
  },

  backward(gpu, dy, saved, _, [needsInput, needsWeight, needsBias], memory) {
    const [input, weight] = saved as [Tensor, Tensor]
    const [N, I] = asRows(input)
    const O = weight.shape[0]!
    const needsParameters = needsWeight || needsBias
    // Where a sum has no terms its result is 0; nothing is left for the kernels then.
    const none = N === 0 || O === 0 || I === 0
    const result = (i: number, shape: Shape) => (none ? full(gpu, shape, 0) : memory(i, shape))
    const dx = needsInput ? result(0, input.shape) : null
    const dw = needsParameters ? result(1, weight.shape) : null
    const db = !needsParameters ? null : none ? biasOnly(gpu, dy) : result(2, [O])
    if (!none && (dx || dw)) gradients(gpu, { input, weight, dy }, dx, dw, db)
    return [dx, dw, db]
  },
}

/** The bias's gradient where there are no input features: a layer of one feature that is zero has the same. */
function biasOnly(gpu: Gpu, dy: Tensor): Tensor {
  const [N, O] = asRows(dy)
  if (dy.size === 0) return full(gpu, [O], 0)
  const db = empty(gpu, [O], 'float32', 'linear')
  const input = full(gpu, [N, 1], 0)
  const weight = full(gpu, [O, 1], 0)
  gradients(gpu, { input, weight, dy }, null, full(gpu, [O, 1], 0), db)
  return db
}

function gradients(
  gpu: Gpu,
  { input, weight, dy }: { input: Tensor; weight: Tensor; dy: Tensor },
  dx: Tensor | null,
  dw: Tensor | null,
  db: Tensor | null,
): void {
  const [N, I] = asRows(input)
  const O = weight.shape[0]!
  const needX = dx ? 1 : 0
  const needW = dw ? 1 : 0
  // The sum over rows is made of fixed blocks either way, with the same bits. Splitting it among threads pays only where
  // there are thousands of them.
  const parts = needW === 1 && gpu.info.adapterClass === 'gpu' ? blocksOf(N) : 1
  const params = { N, I, O, hasBias: 0, needX, needW, parts }
  const packedAlongN = needW * (quads(O) + quads(I))
  const packedAlongO = needX * (quads(N) + quads(I))
  const packThreads = packedAlongN * stripsOf(N) + packedAlongO * stripsOf(O)
  const threads = needW * parts * (eights(O) * eights(I) + quads(O)) + needX * eights(N) * eights(I)
  const run = (packed: Storage, partialW: Storage, partialB: Storage, unused: Storage) => {
    const inputs = { x: input.storage, weight: weight.storage, dy: dy.storage }
    gpu.emit(packBackward, { params, ...inputs, packed }, groupsFor(packThreads))
    const bindings = { params, quads: packed, dx: dx?.storage ?? unused, dw: partialW, db: partialB }
    gpu.emit(backward, bindings, groupsFor(threads))
  }
  withScratch(gpu, 'linear', 4 * (packedAlongN * N + packedAlongO * O), (packed) =>
    withScratch(gpu, 'linear', 1, (unused) => {
      if (!dw || !db)
        return withScratch(gpu, 'linear', 1, (b) => withScratch(gpu, 'linear', 1, (w) => run(packed, w, b, unused)))
      if (parts === 1) return run(packed, dw.storage, db.storage, unused)
      return withScratch(gpu, 'linear', parts * O * I, (w) =>
        withScratch(gpu, 'linear', parts * O, (b) => {
          run(packed, w, b, unused)
          const sums = { partial_w: w, partial_b: b, dw: dw.storage, db: db.storage }
          gpu.emit(reduce, { params, ...sums }, groupsFor(O * I + O))
        }),
      )
    }),
  )
}

/**
 * input [N, I] times the transpose of weight [O, I], plus bias [O] or null → [N, O]: PyTorch's layout. Instead of N the
 * input may have any number of dimensions. Throws ShapeError when the sizes do not fit.
 */
export function linear(input: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  requireTensors('linear', bias === null ? { input, weight } : { input, weight, bias })
  return apply(linearOp, [input, weight, bias], null)
}
