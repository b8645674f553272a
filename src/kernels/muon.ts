// The update of matrices along their orthogonalized momentum.
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import { empty } from '../tensor/create.ts'
import { Tensor } from '../tensor/tensor.ts'
import * as wgsl from './generated/wgsl.ts'
import { layerNorms, withSums } from './layer_wise.ts'
import { matmul } from './matmul.ts'
import { groupsForElements } from './support.ts'
import type { EmitUpdate } from './update.ts'

const file = new KernelFile('muon', wgsl.muon)
const collect = file.entry('collect')
const normalize = file.entry('normalize')
const combine = file.entry('combine')

export const muonStep = file.entry('step')

const PARAMS = { rows: 0, which: 0, watched: 0, size: 0, a: 0, b: 0, c: 0 }

/** Of the iteration's polynomial a x + b x³ + c x⁵, by Jordan et al.: as steep as may be at 0. */
const COEFFICIENTS = [3.4445, -4.775, 2.0315] as const
const ITERATIONS = 5

/**
 * Four dispatches for all matrices, and for each of them five iterations of three products and their sum. The sides are
 * chosen so that the inner product is the smaller one.
 */
export const emitMuon: EmitUpdate = (gpu, storages, rows, use, tensors) => {
  const { table, settings, parameters: p, gradients: dp, states, watch } = storages
  const params = { ...PARAMS, rows, which: use, watched: watch ? 1 : 0 }
  const whole = empty(gpu, [p.byteLength / 4], 'float32', 'muon')
  const u = whole.storage
  withSums(gpu, rows, (sums) => {
    gpu.emit(collect, { params, settings, table, dp, watch, sums, u, ...states }, rows)
    layerNorms(gpu, table, sums, rows)
    gpu.emit(normalize, { params, table, sums, u }, rows)
  })
  for (const { storage, size, shape } of tensors) {
    const x = new Tensor(gpu, u.part(storage.offset, 4 * size), shape, 'float32')
    orthogonalize(gpu, x)
    x.dispose()
  }
  gpu.emit(muonStep, { params, settings, table, p, watch, u }, rows)
  whole.dispose()
}

/** Brings the singular values of a matrix, whose norm is at most 1, near 1, in place, times √max(1, rows / columns). */
function orthogonalize(gpu: Gpu, x: Tensor): void {
  const [rows, columns] = x.shape as [number, number]
  const isTall = rows > columns
  const scale = Math.sqrt(Math.max(1, rows / columns))
  for (let i = 0; i < ITERATIONS; i++) {
    const inner = isTall ? matmul(x, x, { transposeA: true }) : matmul(x, x, { transposeB: true })
    const by = (t: Tensor) => (isTall ? matmul(t, inner) : matmul(inner, t))
    const y = by(x)
    const z = by(y)
    const [a, b, c] = COEFFICIENTS.map((each) => (i === ITERATIONS - 1 ? scale * each : each)) as [
      number,
      number,
      number,
    ]
    const params = { ...PARAMS, size: x.size, a, b, c }
    gpu.emit(combine, { params, u: x.storage, y: y.storage, z: z.storage }, groupsForElements(x.size))
    for (const t of [inner, y, z]) t.dispose()
  }
}
