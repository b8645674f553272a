// matmul: products of two matrices, each of them transposed or not, or of batches of them.
import { looksAcross } from '../capture/current.ts'
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile, type Numbers } from '../gpu/kernel.ts'
import { apply, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { requireFlags, requireOptions, tooMany } from '../tensor/options.ts'
import {
  broadcastStrides,
  joined,
  LARGEST_RANK,
  type Shape,
  ShapeError,
  type ShapeLine,
  sizeOf,
} from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { broadcast } from './binary.ts'
import { full } from './fill.ts'
import * as wgsl from './generated/wgsl.ts'
import { sumTo } from './reduce.ts'
import { TERMS, withBuffers } from './sum_parts.ts'
import { groupsFor, requireTensors, requireType, stripsOf } from './support.ts'
import { tunedFor } from './tuned.ts'
import { TUNING } from './tuning.ts'

const file = new KernelFile('matmul', wgsl.matmul)

/** Dimensions of a batch at most, as the shader counts them. */
const BATCH_DIMENSIONS = LARGEST_RANK - 2

/** Options of {@link matmul}: whether a matrix is taken transposed, not unless given. */
export interface MatmulOptions {
  readonly transposeA?: boolean
  readonly transposeB?: boolean
}

interface Attributes {
  readonly transposeA: boolean
  readonly transposeB: boolean
}

/** [M, K, N] of op(a)·op(b), matrix by matrix. */
function dimensions(a: Shape, b: Shape, { transposeA, transposeB }: Attributes): [number, number, number] {
  const [down, right] = a.slice(-2) as [number, number]
  return [transposeA ? right : down, transposeA ? down : right, b.at(transposeB ? -2 : -1)!]
}

type Matrices = Pick<Tensor, 'storage' | 'shape'>

/** The same elements as one matrix. */
const matrix = ({ storage }: Matrices, down: number, right: number): Matrices => ({ storage, shape: [down, right] })

/** The dimensions before those of a matrix, and how many matrices they are. */
const batchOf = (shape: Shape) => shape.slice(0, -2)
const matricesIn = (shape: Shape) => sizeOf(batchOf(shape))

/** Float32 numbers in each buffer of packed operands: those of as many k as one accumulator adds. @internal */
export function packedFloats(
  { M, K, N, packA, packB }: Readonly<Record<'M' | 'K' | 'N' | 'packA' | 'packB', number>>,
  [matricesA, matricesB]: readonly [number, number] = [1, 1],
) {
  const most = Math.min(K, TERMS)
  const floats = (rows: number) => 4 * Math.ceil(rows / 4) * most
  return [...(packA === 1 ? [matricesA * floats(M)] : []), ...(packB === 1 ? [matricesB * floats(N)] : [])]
}

/** The shader's numbers of a list of matrices, `batch` of them in out. */
function batchParams(a: Shape, b: Shape, batch: Shape): { numbers: Numbers; RANK: number } {
  const strides = [a, b].map((own) => broadcastStrides(batchOf(own), batch))
  const { sizes, strides: joint } = joined(batch, strides)
  const numbers: Record<string, number> = { matrices_a: matricesIn(a), matrices_b: matricesIn(b) }
  for (let d = 0; d < BATCH_DIMENSIONS; d++) {
    const from = sizes.length - 1 - d
    Object.assign(numbers, {
      [`n${d}`]: sizes[from] ?? 1,
      [`a${d}`]: joint[0]![from] ?? 0,
      [`b${d}`]: joint[1]![from] ?? 0,
    })
  }
  return { numbers, RANK: sizes.length <= 1 ? 1 : BATCH_DIMENSIONS }
}

/** op(a)·op(b), without the tape, of the matrices of a batch of this shape; `name` is for errors. */
function product(
  gpu: Gpu,
  a: Matrices,
  b: Matrices,
  attributes: Attributes,
  batch: Shape,
  name = "matmul's backward",
): Tensor {
  const [M, K, N] = dimensions(a.shape, b.shape, attributes)
  const shape = [...batch, M, N]
  if (K === 0) return full(gpu, shape, 0)
  const out = empty(gpu, shape, 'float32', 'matmul')
  if (out.size === 0) return out
  const many = sizeOf(batch)
  // With one b for all, the rows of all matrices of a are those of one.
  const joint = many > 1 && !attributes.transposeA && matricesIn(b.shape) === 1
  const left = joint ? matrix(a, many * M, K) : a
  const right = joint ? matrix(b, ...(b.shape.slice(-2) as [number, number])) : b
  emitProduct(gpu, left, right, attributes, many > 1 && !joint ? batch : null, out, name)
  return out
}

/** Emits the products of the matrices of a batch, or of one matrix each if that is null. */
function emitProduct(
  gpu: Gpu,
  a: Matrices,
  b: Matrices,
  attributes: Attributes,
  batch: Shape | null,
  out: Matrices,
  name: string,
): void {
  const [M, K, N] = dimensions(a.shape, b.shape, attributes)
  const transposeA = attributes.transposeA ? 1 : 0
  const transposeB = attributes.transposeB ? 1 : 0
  // A matrix whose fours already lie side by side is read as it is; any other is packed first.
  const packA = transposeA === 1 && M % 4 === 0 ? 0 : 1
  const packB = transposeB === 0 && N % 4 === 0 ? 0 : 1
  const tuned = tunedFor(gpu, 'matmul.matmul', () => ({ M, K, N, transposeA, transposeB }))
  const { WG } = { ...TUNING.matmul[gpu.info.adapterClass], ...tuned }
  const { numbers, RANK } = batchParams(a.shape, b.shape, batch ?? [])
  const BATCH = batch ? 1 : 0
  const pack = file.entry('pack', { BATCH })
  const kernel = file.entry('matmul', { BATCH, RANK }, { WG })
  const [ofA, ofB] = [matricesIn(a.shape), matricesIn(b.shape)]
  const quads = ofA * Math.ceil(M / 4) * packA + ofB * Math.ceil(N / 4) * packB
  const blocks = sizeOf(batch ?? []) * Math.ceil(M / 8) * Math.ceil(N / 8)
  withBuffers(gpu, name, packedFloats({ M, K, N, packA, packB }, [ofA, ofB]), (buffers) => {
    const [packed_a, packed_b] = packA === 1 ? [buffers[0]!, buffers[1] ?? null] : [null, buffers[0] ?? null]
    const left = packed_a ?? a.storage
    const right = packed_b ?? b.storage
    for (let k0 = 0; k0 < K; k0 += TERMS) {
      const count = Math.min(TERMS, K - k0)
      const params = { M, K, N, transposeA, transposeB, packA, packB, k0, count, more: k0 > 0 ? 1 : 0, ...numbers }
      const bindings = { params, a: a.storage, b: b.storage, packed_a, packed_b }
      gpu.emit(pack, bindings, groupsFor(quads * stripsOf(count)))
      gpu.emit(kernel, { params, left, right, out: out.storage }, groupsFor(blocks, WG))
    }
  })
}

const matmulOp: Op<readonly [Tensor, Tensor], Attributes> = {
  name: 'matmul',

  shape([a, b], attributes) {
    requireType('matmul', 'a', a)
    requireType('matmul', 'b', b)
    const lettersA = attributes.transposeA ? 'K M' : 'M K'
    const lettersB = attributes.transposeB ? 'N K' : 'K N'
    requireMatrices('a', a.shape, lettersA)
    requireMatrices('b', b.shape, lettersB)
    const [M, K, N] = dimensions(a.shape, b.shape, attributes)
    const other = b.shape.at(attributes.transposeB ? -1 : -2)!
    const more = (shape: Shape) => (shape.length > 2 ? '… ' : '')
    const lines: readonly ShapeLine[] = [
      ['a', a.shape, `${more(a.shape)}${lettersA}${attributes.transposeA ? '  transposed' : ''}`],
      ['b', b.shape, `${more(b.shape)}${lettersB}${attributes.transposeB ? '  transposed' : ''}`],
    ]
    if (other !== K) throw new ShapeError('matmul', `a sums over ${K} elements, b over ${other}`, lines)
    return [...broadcast('matmul', lines, 2), M, N]
  },

  multiplyAdds: ([a], { transposeA }, shape) => sizeOf(shape) * a.shape.at(transposeA ? -2 : -1)!,

  forward: (gpu, [a, b], attributes, shape) => ({
    out: product(gpu, a, b, attributes, batchOf(shape), 'matmul'),
    saved: [a, b],
  }),

  backward(gpu, dy, saved, { transposeA, transposeB }, [needsA, needsB]) {
    const [a, b] = saved as [Tensor, Tensor]
    const batch = batchOf(dy.shape)
    const da = () =>
      transposeA
        ? product(gpu, b, dy, { transposeA: transposeB, transposeB: true }, batch)
        : product(gpu, dy, b, { transposeA: false, transposeB: !transposeB }, batch)
    const db = () => {
      // The sum over the matrices of a batch is one over more rows.
      const joint = !transposeA && matricesIn(b.shape) === 1
      const rows = (t: Matrices) => matrix(t, sizeOf(t.shape.slice(0, -1)), t.shape.at(-1)!)
      const [left, right, of] = joint ? [rows(a), rows(dy), b.shape.slice(0, -2)] : [a, dy, batch]
      return transposeB
        ? product(gpu, right, left, { transposeA: true, transposeB: transposeA }, of)
        : product(gpu, left, right, { transposeA: !transposeA, transposeB: false }, of)
    }
    return [needsA ? sumTo(da(), a.shape) : null, needsB ? sumTo(db(), b.shape) : null]
  },
}

/** Throws ShapeError for a tensor of less than two dimensions. */
function requireMatrices(role: string, shape: Shape, letters: string): void {
  if (shape.length >= 2) return
  const sentence = `${role} has ${shape.length} dimensions, it must have 2 (${letters}) or more`
  throw new ShapeError('matmul', sentence, [[role, shape]])
}

/**
 * The product of two matrices, a [M, K] and b [K, N] → [M, N]; `transposeA` takes a as [K, M], `transposeB` b as [N, K]. With
 * more dimensions than two each is a batch of matrices: a [..., M, K] and b [..., K, N] → [..., M, N], where the dimensions
 * before the last two broadcast as NumPy's do. Sums over K run in ascending order, 4,096 products at a time. The gradient of
 * what was broadcast is a sum in a fixed order; unless it is one b for a that is not transposed, all its terms are in memory
 * first. Throws ShapeError when the sizes do not fit.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'matmul(a, b, options)')
  requireTensors('matmul', { a, b })
  requireOptions('matmul', options, ['transposeA', 'transposeB'])
  requireFlags('matmul', options, ['transposeA', 'transposeB'])
  const { transposeA = false, transposeB = false } = options
  const rank = Math.max(a.shape.length, b.shape.length)
  // Dimension 0 is one of the batch, or that of a matrix: summed over, or of columns, or of rows within the batch.
  const mixed = [...(rank === 2 ? [b] : []), ...(rank === 2 && transposeA ? [a] : [])]
  looksAcross('matmul', ...mixed, ...[a, b].filter(({ shape }) => shape.length < rank))
  return apply(matmulOp, [a, b], { transposeA, transposeB })
}
