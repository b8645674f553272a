// The update of Muon: one matrix, five iterations of three products.
import { emitMuon } from '../src/kernels/muon.ts'
import { updateCases } from './update_cases.ts'

const [LR, KEEP, MOMENTUM, BUFFER] = [0.125, 0.9375, 0.75, 0.25]

/** a · bᵀ of matrices [M, K] and [N, K] by rows. */
function product(a: Float64Array, b: Float64Array, K: number): Float64Array {
  const [M, N] = [a.length / K, b.length / K]
  const out = new Float64Array(M * N)
  for (let i = 0; i < M; i++) {
    for (let j = 0; j < N; j++) {
      let sum = 0
      for (let k = 0; k < K; k++) sum += a[i * K + k]! * b[j * K + k]!
      out[i * N + j] = sum
    }
  }
  return out
}

function transposed(a: Float64Array, columns: number): Float64Array {
  const rows = a.length / columns
  return Float64Array.from(a, (_, i) => a[(i % rows) * columns + Math.floor(i / rows)]!)
}

export const cases = updateCases(
  {
    name: 'muon',
    emit: emitMuon,
    settings: [LR, KEEP, MOMENTUM, 1 - MOMENTUM, 1],
    states: { momentumBuffer: BUFFER },
    // Of a matrix with as many rows as columns, which they nearly have.
    flops: (size) => 5 * 6 * size ** 1.5,
    bytes: 32,
    updated(p, dp, [rows, columns]) {
      const u = Float64Array.from(dp, (g) => g + MOMENTUM * (MOMENTUM * BUFFER + (1 - MOMENTUM) * g - g))
      const norm = Math.sqrt(u.reduce((sum, v) => sum + v * v, 0)) + 1e-7
      let x = u.map((v) => v / norm)
      for (let i = 0; i < 5; i++) {
        const inner = product(x, x, columns!)
        const y = product(inner, transposed(x, columns!), rows!)
        const z = product(inner, transposed(y, columns!), rows!)
        x = x.map((v, k) => 3.4445 * v - 4.775 * y[k]! + 2.0315 * z[k]!)
      }
      const scale = Math.sqrt(Math.max(1, rows! / columns!))
      // Five iterations enlarge the roundings of about 1e-6 by up to 4 each.
      return (i) => ({ value: KEEP * p[i]! - LR * scale * x[i]!, bound: LR * 1e-3 })
    },
  },
  [
    [84, 120],
    [256, 512],
    [512, 512],
  ],
)
