// softmax and logSoftmax: rows of positive numbers whose sum is 1, and their logarithms.
import { looksAcross } from '../capture/current.ts'
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import { apply, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { tooMany } from '../tensor/options.ts'
import { type Shape, sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import * as wgsl from './generated/wgsl.ts'
import { dimOf, fold, lending } from './reduce.ts'
import { groupsFor, groupsForElements, requireTensors, requireType } from './support.ts'

const file = new KernelFile('softmax', wgsl.softmax)

/** Elements of a row from which on it is read by fours, and up to which one thread, or one workgroup, takes it. */
const FOURS_ROW = 32
const THREAD_ROW = 64
const GROUP_ROW = 4096

// As the shader's constants of these names.
const GROUP = 64
const PART = 256
const LANES = 4

interface Attributes {
  readonly dim: number
}

/**
 * Who takes a row: a thread, anyhow or by fours; several threads of a workgroup; or all threads, after passes that find the
 * largest and the sum. Where the adapter computes on the processor barriers are dear.
 */
type Way = 'thread' | 'lines' | 'groups' | 'rows'

function wayOf({ info }: Gpu, D: number, inner: number): Way {
  if (inner === 1 && D >= FOURS_ROW && D <= GROUP_ROW) return info.adapterClass === 'cpu' ? 'lines' : 'groups'
  return D <= THREAD_ROW ? 'thread' : 'rows'
}

function layoutOf(gpu: Gpu, shape: Shape, { dim }: Attributes) {
  const [outer, D, inner] = [sizeOf(shape.slice(0, dim)), shape[dim] ?? 1, sizeOf(shape.slice(dim + 1))]
  const way = wayOf(gpu, D, inner)
  const threads = LANES * 2 ** Math.ceil(Math.log2(Math.max(1, Math.ceil(D / PART))))
  const groups = {
    thread: groupsFor(outer * inner),
    lines: groupsFor(outer),
    groups: Math.ceil((outer * threads) / GROUP),
    rows: groupsForElements(sizeOf(shape)),
  }[way]
  const rows = shape.filter((_, i) => i !== dim)
  const ALIGNED = (way === 'lines' || way === 'groups') && D % 4 === 0 ? 1 : 0
  return { params: { outer, D, inner, threads }, way, groups, rows, ALIGNED }
}

function opOf(name: 'softmax' | 'logSoftmax'): Op<readonly [Tensor], Attributes> {
  const tune = { OP: name === 'softmax' ? 0 : 1 }
  return {
    name,

    shape([x]) {
      requireType(name, 'input', x)
      return x.shape
    },

    forward(gpu, [x], attributes, shape) {
      const out = empty(gpu, shape, 'float32', name)
      const { params, way, groups, rows, ALIGNED } = layoutOf(gpu, shape, attributes)
      const bindings = { params, x: x.storage, out: out.storage }
      const kernel = file.entry(`${way}_forward`, { ...tune, ALIGNED })
      if (way === 'thread') gpu.emit(kernel, bindings, groups)
      else if (way !== 'rows') gpu.emit(kernel, { ...bindings, y: null, dy: null }, groups)
      else {
        const dims = [attributes.dim]
        const largest = fold(x, dims, rows, name, { op: 'largest' })
        const total = fold(x, dims, rows, name, { op: 'sum', map: 'exponential', stat: largest })
        lending([largest, total], () =>
          gpu.emit(kernel, { ...bindings, largest: largest.storage, total: total.storage }, groups),
        )
      }
      return { out, saved: [out] }
    },

    backward(gpu, dy, [y], attributes, _, grad) {
      const dx = grad(0)
      const { params, way, groups, rows, ALIGNED } = layoutOf(gpu, dy.shape, attributes)
      const bindings = { params, y: y!.storage, dy: dy.storage }
      const kernel = file.entry(`${way}_backward`, { ...tune, ALIGNED, BACKWARD: 1 })
      if (way === 'thread') gpu.emit(kernel, { ...bindings, dx: dx.storage }, groups)
      else if (way !== 'rows') gpu.emit(kernel, { ...bindings, x: null, out: null, dx: dx.storage }, groups)
      else {
        const terms = empty(gpu, dy.shape, 'float32', name)
        gpu.emit(file.entry('weigh', tune), { ...bindings, terms: terms.storage }, groups)
        const total = lending([terms], () => fold(terms, [attributes.dim], rows, name, { op: 'sum' }))
        lending([total], () => gpu.emit(kernel, { ...bindings, total: total.storage, dx: dx.storage }, groups))
      }
      return [dx]
    },
  }
}

const softmaxOp = opOf('softmax')
const logSoftmaxOp = opOf('logSoftmax')

function along(op: Op<readonly [Tensor], Attributes>, x: Tensor, given: number): Tensor {
  requireTensors(op.name, { input: x })
  const dim = dimOf(op.name, x.shape, given)
  if (dim === 0 && (x.shape[0] ?? 1) > 1) looksAcross(`${op.name} along dim 0`, x)
  return apply(op, [x], { dim })
}

/**
 * exp(x) / Σ exp(x), the sum along `dim`, negative ones counted from the end. No number overflows. A row with NaN or infinity,
 * or with minus infinity alone, is NaN, as in PyTorch. Float32, any shape. Throws ShapeError for a `dim` that is not there.
 */
export function softmax(x: Tensor, dim = -1): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'softmax(x, dim)')
  return along(softmaxOp, x, dim)
}

/** The logarithm of `softmax`: x − log Σ exp(x), which keeps its digits where softmax is near 0. PyTorch's log_softmax. */
export function logSoftmax(x: Tensor, dim = -1): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'logSoftmax(x, dim)')
  return along(logSoftmaxOp, x, dim)
}
