// matmul: products of two matrices, each of them transposed or not.
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import { apply, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { requireOptions } from '../tensor/options.ts'
import { type Shape, ShapeError } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { full } from './fill.ts'
import * as wgsl from './generated/wgsl.ts'
import { groupsFor, requireRank, requireTensors, requireType, stripsOf, withScratch } from './support.ts'
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

/** op(a)·op(b) of two matrices, without the tape. */
function product(gpu: Gpu, a: Tensor, b: Tensor, attributes: Attributes): Tensor {
  const [M, K, N] = dimensions(a.shape, b.shape, attributes)
  if (K === 0) return full(gpu, [M, N], 0)
  const out = empty(gpu, [M, N], 'float32', 'matmul')
  if (out.size === 0) return out
  const transposeA = attributes.transposeA ? 1 : 0
  const transposeB = attributes.transposeB ? 1 : 0
  // A matrix whose fours already lie side by side is read as it is; any other is packed first.
  const packA = transposeA === 1 && M % 4 === 0 ? 0 : 1
  const packB = transposeB === 0 && N % 4 === 0 ? 0 : 1
  const params = { M, K, N, transposeA, transposeB, packA, packB }
  const tuned = tunedFor(gpu, 'matmul.matmul', () => ({ M, K, N, transposeA, transposeB }))
  const { WG } = { ...TUNING.matmul[gpu.info.adapterClass], ...tuned }
  const run = (left: Storage, right: Storage) => {
    const groups = groupsFor(Math.ceil(M / 8) * Math.ceil(N / 8), WG)
    gpu.emit(file.entry('matmul', {}, { WG }), { params, left, right, out: out.storage }, groups)
  }
  const quads = Math.ceil(M / 4) * packA + Math.ceil(N / 4) * packB
  if (quads === 0) run(a.storage, b.storage)
  else {
    withScratch(gpu, 'matmul', 4 * quads * K, (packed) => {
      gpu.emit(pack, { params, a: a.storage, b: b.storage, packed }, groupsFor(quads * stripsOf(K)))
      run(packA === 1 ? packed : a.storage, packB === 1 ? packed : b.storage)
    })
  }
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

  forward: (gpu, [a, b], attributes) => ({ out: product(gpu, a, b, attributes), saved: [a, b] }),

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
 * Sums over K run in ascending order. Throws ShapeError when the sizes do not fit.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  requireTensors('matmul', { a, b })
  requireOptions('matmul', options, ['transposeA', 'transposeB'])
  const { transposeA = false, transposeB = false } = options
  return apply(matmulOp, [a, b], { transposeA, transposeB })
}
