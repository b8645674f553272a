// norm: layer, group, instance and root-mean-square norm in one kernel each way, for rows that a workgroup or a thread takes.
import { KernelFile } from '../gpu/kernel.ts'
import { apply, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import type { Tensor } from '../tensor/tensor.ts'
import * as wgsl from './generated/wgsl.ts'
import { blocksOf, groupsFor, withScratch } from './support.ts'

const file = new KernelFile('norm', wgsl.norm)
const laneSums = file.entry('lane_sums')
const columnSums = file.entry('column_sums')
const addUp = file.entry('add_up')

/** Elements of a row up to which one thread takes it. */
const THREAD_ROW = 64
/** Elements of a row up to which one workgroup takes it. */
const LONGEST_ROW = 16_384
/** Words that the kernels keep of a row: its mean as two numbers, and what its elements are multiplied with. */
const WORDS_OF_STATS = 3

/** The names of the norms, and whether they take the mean off. */
const CENTRED = { layerNorm: 1, rmsNorm: 0, groupNorm: 1, instanceNorm: 1 } as const

export type NormName = keyof typeof CENTRED

/** The input as [N, G, K, S]: each n and g is a row, of K channels by S places; weight and bias have a value for each g and k. */
export interface NormLayout {
  readonly N: number
  readonly G: number
  readonly K: number
  readonly S: number
  readonly eps: number
}

type Inputs = readonly [x: Tensor, weight: Tensor | null, bias: Tensor | null]

/** Whether there are kernels for such rows: short ones, and those that consist of whole vectors of four, unless they are long. */
export function isFused({ N, G, K, S }: NormLayout): boolean {
  const D = K * S
  return N * G * D > 0 && (D <= THREAD_ROW || (D % 4 === 0 && D <= LONGEST_ROW))
}

function paramsOf({ N, G, K, S, eps }: NormLayout, weight: Tensor | null, bias: Tensor | null) {
  // Lanes that share a channel's places: at least eight places each, if there is more than one lane.
  const lanes = Math.min(64, Math.max(1, Math.floor(S / 8)))
  return { N, G, K, S, D: K * S, lanes, hasWeight: weight ? 1 : 0, hasBias: bias ? 1 : 0, eps }
}

/** How weights lie along a row, as the shader's WEIGHTS says. */
const weightsOf = ({ S }: NormLayout) => (S === 1 ? 0 : S % 4 === 0 ? 1 : 2)

function opOf(name: NormName): Op<Inputs, NormLayout> {
  const tuned = (layout: NormLayout) => ({ CENTRED: CENTRED[name], WEIGHTS: weightsOf(layout) })
  const ofThread = { CENTRED: CENTRED[name] }
  return {
    name,

    shape: ([x]) => x.shape,

    forward(gpu, [x, weight, bias], layout, shape) {
      const out = empty(gpu, shape, 'float32', name)
      const rows = layout.N * layout.G
      const stats = empty(gpu, [rows, WORDS_OF_STATS], 'float32', `${name} statistics`)
      const params = paramsOf(layout, weight, bias)
      const [w, b] = [weight?.storage ?? null, bias?.storage ?? null]
      if (params.D <= THREAD_ROW) {
        const bindings = { params, x: x.storage, weight: w, bias: b, stats_out: stats.storage, out: out.storage }
        gpu.emit(file.entry('thread_forward', ofThread), bindings, groupsFor(rows))
      } else {
        const given = { params, x_4: x.storage, weight: w, weight_4: w, bias: b, bias_4: b }
        const bindings = { ...given, stats_out: stats.storage, out_4: out.storage }
        gpu.emit(file.entry('forward', tuned(layout)), bindings, rows)
      }
      return { out, saved: weight ? [x, stats, weight] : [x, stats] }
    },

    backward(gpu, dy, [x, stats, weight], layout, [needsX, needsWeight, needsBias], grad) {
      const params = paramsOf(layout, weight ?? null, null)
      const { N, G, K, S, D, lanes } = params
      const dx = needsX ? grad(0) : null
      const [dweight, dbias] = [needsWeight ? grad(1) : null, needsBias ? grad(2) : null]
      const sums = needsWeight || needsBias
      const w = weight?.storage ?? null
      const scalars = { params, x: x!.storage, dy: dy.storage, stats: stats!.storage }
      const fours = { params, x_4: x!.storage, dy_4: dy.storage, stats: stats!.storage }
      if (dx && D <= THREAD_ROW) {
        const bindings = { ...scalars, weight: w, out: dx.storage }
        gpu.emit(file.entry('thread_backward', ofThread), bindings, groupsFor(N * G))
      } else if (dx) {
        const bindings = { ...fours, weight: w, weight_4: w, out_4: dx.storage }
        gpu.emit(file.entry('backward', tuned(layout)), bindings, N * G)
      }
      if (!sums) return [dx, null, null]
      const parts = blocksOf(N) * G * K * lanes
      const what = `${name}'s backward`
      withScratch(gpu, what, 2 * parts, (partial) => {
        if (S === 1 && K % 4 === 0) gpu.emit(columnSums, { ...fours, partial_4: partial }, groupsFor(parts / 4))
        else gpu.emit(laneSums, { ...scalars, partial_out: partial }, groupsFor(parts))
        withScratch(gpu, what, G * K, (spare) => {
          const bindings = { params, partial, dweight: dweight?.storage ?? spare, dbias: dbias?.storage ?? spare }
          gpu.emit(addUp, bindings, groupsFor(G * K))
        })
      })
      return [dx, dweight, dbias]
    },
  }
}

const ops = Object.fromEntries((Object.keys(CENTRED) as NormName[]).map((name) => [name, opOf(name)])) as Readonly<
  Record<NormName, Op<Inputs, NormLayout>>
>

/** A norm of rows that `isFused` has kernels for. */
export function normalised(name: NormName, inputs: Inputs, layout: NormLayout): Tensor {
  return apply(ops[name], inputs, layout)
}
