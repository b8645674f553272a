// matmul: products of two matrices, each of them transposed or not.
import { looksAcross } from '../capture/current.ts'
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import { apply, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { requireFlags, requireOptions, tooMany } from '../tensor/options.ts'
import { type Shape, ShapeError } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { full } from './fill.ts'
import * as wgsl from './generated/wgsl.ts'
import { TERMS, withBuffers } from './sum_parts.ts'
import { groupsFor, requireRank, requireTensors, requireType, stripsOf } from './support.ts'
import { tunedFor } from './tuned.ts'
import { TUNING } from './tuning.ts'

const file = new KernelFile('matmul', wgsl.matmul)
const pack = file.entry('pack')

/** Options of {@link matmul}: whether a matrix is taken transposed, not unless given. */
export interface MatmulOptions {
  readonly transposeA?: boolean
  readonly transposeB?: boolean
}

interface Attributes {
  readonly transposeA: boolean
  readonly transposeB: boolean
}

/** [M, K, N] of op(a)·op(b). */
function dimensions(a: Shape, b: Shape, { transposeA, transposeB }: Attributes): [number, number, number] {
  const [M, K] = transposeA ? [a[1]!, a[0]!] : [a[0]!, a[1]!]
  return [M, K, transposeB ? b[0]! : b[1]!]
}

/** Float32 numbers in each buffer of packed operands: those of as many k as one accumulator adds. @internal */
export function packedFloats({ M, K, N, packA, packB }: Readonly<Record<'M' | 'K' | 'N' | 'packA' | 'packB', number>>) {
  const most = Math.min(K, TERMS)
  const floats = (rows: number) => 4 * Math.ceil(rows / 4) * most
  return [...(packA === 1 ? [floats(M)] : []), ...(packB === 1 ? [floats(N)] : [])]
}

/** op(a)·op(b) of two matrices, without the tape; `name` is for errors. */
function product(gpu: Gpu, a: Tensor, b: Tensor, attributes: Attributes, name = "matmul's backward"): Tensor {
  const [M, K, N] = dimensions(a.shape, b.shape, attributes)
  if (K === 0) return full(gpu, [M, N], 0)
  const out = empty(gpu, [M, N], 'float32', 'matmul')
  if (out.size === 0) return out
  const transposeA = attributes.transposeA ? 1 : 0
  const transposeB = attributes.transposeB ? 1 : 0
  // A matrix whose fours already lie side by side is read as it is; any other is packed first.
  const packA = transposeA === 1 && M % 4 === 0 ? 0 : 1
  const packB = transposeB === 0 && N % 4 === 0 ? 0 : 1
  const tuned = tunedFor(gpu, 'matmul.matmul', () => ({ M, K, N, transposeA, transposeB }))
  const { WG } = { ...TUNING.matmul[gpu.info.adapterClass], ...tuned }
  const kernel = file.entry('matmul', {}, { WG })
  const quads = Math.ceil(M / 4) * packA + Math.ceil(N / 4) * packB
  withBuffers(gpu, name, packedFloats({ M, K, N, packA, packB }), (buffers) => {
    const [packed_a, packed_b] = packA === 1 ? [buffers[0]!, buffers[1] ?? null] : [null, buffers[0] ?? null]
    const left = packed_a ?? a.storage
    const right = packed_b ?? b.storage
    for (let k0 = 0; k0 < K; k0 += TERMS) {
      const count = Math.min(TERMS, K - k0)
      const params = { M, K, N, transposeA, transposeB, packA, packB, k0, count, more: k0 > 0 ? 1 : 0 }
      const bindings = { params, a: a.storage, b: b.storage, packed_a, packed_b }
      gpu.emit(pack, bindings, groupsFor(quads * stripsOf(count)))
      gpu.emit(kernel, { params, left, right, out: out.storage }, groupsFor(Math.ceil(M / 8) * Math.ceil(N / 8), WG))
    }
  })
  return out
}

const matmulOp: Op<readonly [Tensor, Tensor], Attributes> = {
  name: 'matmul',

  shape([a, b], attributes) {
    requireType('matmul', 'a', a)
    requireType('matmul', 'b', b)
    const lettersA = attributes.transposeA ? 'K M' : 'M K'
    const lettersB = attributes.transposeB ? 'N K' : 'K N'
    requireRank('matmul', 'a', a.shape, 2, lettersA)
    requireRank('matmul', 'b', b.shape, 2, lettersB)
    const [M, K, N] = dimensions(a.shape, b.shape, attributes)
    const other = attributes.transposeB ? b.shape[1]! : b.shape[0]!
    if (other !== K) {
      throw new ShapeError('matmul', `a sums over ${K} elements, b over ${other}`, [
        ['a', a.shape, attributes.transposeA ? `${lettersA}  transposed` : lettersA],
        ['b', b.shape, attributes.transposeB ? `${lettersB}  transposed` : lettersB],
      ])
    }
    return [M, N]
  },

  multiplyAdds: ([a, b], attributes) => dimensions(a.shape, b.shape, attributes).reduce((product, n) => product * n, 1),

  forward: (gpu, [a, b], attributes) => ({ out: product(gpu, a, b, attributes, 'matmul'), saved: [a, b] }),

  backward(gpu, dy, saved, { transposeA, transposeB }, [needsA, needsB]) {
    const [a, b] = saved as [Tensor, Tensor]
    const da = () =>
      transposeA
        ? product(gpu, b, dy, { transposeA: transposeB, transposeB: true })
        : product(gpu, dy, b, { transposeA: false, transposeB: !transposeB })
    const db = () =>
      transposeB
        ? product(gpu, dy, a, { transposeA: true, transposeB: transposeA })
        : product(gpu, a, dy, { transposeA: !transposeA, transposeB: false })
    return [needsA ? da() : null, needsB ? db() : null]
  },
}

/**
 * The product of two matrices, a [M, K] and b [K, N] → [M, N]; `transposeA` takes a as [K, M], `transposeB` b as [N, K].
 * Sums over K run in ascending order, 4,096 products at a time. Throws ShapeError when the sizes do not fit.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'matmul(a, b, options)')
  requireTensors('matmul', { a, b })
  requireOptions('matmul', options, ['transposeA', 'transposeB'])
  requireFlags('matmul', options, ['transposeA', 'transposeB'])
  const { transposeA = false, transposeB = false } = options
  looksAcross('matmul', b, ...(transposeA ? [a] : []))
  return apply(matmulOp, [a, b], { transposeA, transposeB })
}
