// What `dawngrad tune` may choose from: the free settings of each kernel, and their values by class of adapter.
// IMAGES, LANES and KW_FIXED are not among them: they would change the order of sums, and so bits.
import { tuneFused } from '../kernels/conv2d_relu_max_pool2d_tuning.ts'
import { CONV_SIZES, type ConvShape, maySlice, tuneCorrelate, tuneWeight } from '../kernels/conv2d_tuning.ts'
import * as wgsl from '../kernels/generated/wgsl.ts'
import { canBeDirect, tuneLinearBackward, tuneLinearForward } from '../kernels/linear_tuning.ts'
import { type AdapterClass, type Numbers, TUNING } from '../kernels/tuning.ts'

/** A kernel whose settings can be searched. */
export interface Tunable {
  /** Its name in errors and benchmarks: `conv2d.forward`. */
  readonly kernel: string
  /** The text of the shader; a tuning is bound to its hash. */
  readonly code: string
  /** The names of a shape's sizes, in order. */
  readonly sizes: readonly string[]
  /** The settings of the table. */
  standard(shape: Numbers, adapterClass: AdapterClass): Numbers
  /** Alternatives with the same names; none if this shape leaves no choice. */
  candidates(shape: Numbers, adapterClass: AdapterClass): readonly Numbers[]
}

const LINEAR = ['N', 'I', 'O', 'relu'] as const
const MATMUL = ['M', 'K', 'N', 'transposeA', 'transposeB'] as const

const SPACE = {
  correlate: {
    cpu: { PX: [4, 5, 7, 8, 10, 14], OCB: [4, 8], WG: [64], mostSums: TUNING.conv2d_correlate.cpu.mostSums },
    gpu: { PX: [1, 2, 4, 8], OCB: [4, 8, 16], WG: [64, 128, 256], mostSums: 64 },
  },
  weight: {
    cpu: { DW_OC: [2, 4, 8], taps: [1, 3, 5], WG: [16], mostSums: TUNING.conv2d_weight.cpu.mostSums },
    gpu: { DW_OC: [1, 2, 4, 8], taps: [1, 3, 5], WG: [32, 64, 128], mostSums: 64 },
  },
  fusedForward: {
    cpu: { RUN: [2, 3, 4, 5, 7], OCB: [2, 3, 4], mostSums: TUNING.fused_forward.cpu.mostSums },
    gpu: { RUN: [1, 2, 4], OCB: [1, 2, 4], mostSums: 64 },
  },
  fusedInput: {
    cpu: { DX_T: [4, 8, 14], DX_C: [1, 2, 3, 4], mostSums: TUNING.fused_input.cpu.mostSums },
    gpu: { DX_T: [2, 4, 8, 14], DX_C: [1, 2, 4], mostSums: 64 },
  },
  fusedWeight: {
    cpu: { DW_OC: [2, 3, 4], taps: [1, 3, 5], WG: [16, 32], mostSums: TUNING.fused_weight.cpu.mostSums },
    gpu: { DW_OC: [1, 2, 4], taps: [1, 3, 5], WG: [32, 64, 128], mostSums: 64 },
  },
  matmul: { cpu: { WG: [16, 64] }, gpu: { WG: [32, 64, 128, 256] } },
} as const satisfies Record<string, Record<AdapterClass, object>>

/** All combinations of values. */
function combinations(values: Readonly<Record<string, readonly number[]>>): Numbers[] {
  return Object.entries(values).reduce<Numbers[]>(
    (all, [name, some]) => all.flatMap((before) => some.map((value) => ({ ...before, [name]: value }))),
    [{}],
  )
}

/** The values up to a size, and the size itself if it is below the largest value. */
function upTo(size: number, values: readonly number[]): number[] {
  const most = Math.min(size, Math.max(...values))
  return [...new Set([...values.filter((value) => value < most), most])]
}

function pick(numbers: Numbers, names: readonly string[]): Numbers {
  return Object.fromEntries(names.map((name) => [name, numbers[name]!]))
}

export function sameNumbers(a: Numbers, b: Numbers): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
}

/** A tunable whose candidates come from `space`, without the table's settings. */
function tunable(
  given: Omit<Tunable, 'candidates'>,
  space: (shape: Numbers, adapterClass: AdapterClass) => readonly Numbers[],
): Tunable {
  const candidates: Tunable['candidates'] = (shape, adapterClass) => {
    const standard = given.standard(shape, adapterClass)
    return space(shape, adapterClass).filter((candidate) => !sameNumbers(candidate, standard))
  }
  return { ...given, candidates }
}

function correlation(direction: 'forward' | 'backward_input'): Tunable {
  const layerOf = (shape: Numbers) => {
    const { C, F, H, W, KH, KW, OH, OW } = shape as ConvShape
    return direction === 'forward'
      ? { inChannels: C, outChannels: F, KH, KW, OH, OW }
      : { inChannels: F, outChannels: C, KH, KW, OH: H, OW: W }
  }
  const standard: Tunable['standard'] = (shape, adapterClass) => {
    const { N, C, F, SW, DW } = shape as ConvShape
    const layer = layerOf(shape)
    const slices = maySlice(N * layer.OH * layer.OW * F * C * layer.KH * layer.KW, adapterClass)
    return pick(tuneCorrelate(layer, { unitStep: SW === 1 && DW === 1, slices }, adapterClass), ['PX', 'OCB', 'WG'])
  }
  return tunable(
    { kernel: `conv2d.${direction}`, code: wgsl.conv2d, sizes: CONV_SIZES, standard },
    (shape, adapterClass) => {
      const { outChannels } = layerOf(shape)
      const { PX, OCB, WG, mostSums } = SPACE.correlate[adapterClass]
      const all = combinations({ PX, OCB: upTo(outChannels, OCB), WG })
      return all.filter((numbers) => numbers.PX! * numbers.OCB! <= mostSums)
    },
  )
}

const convWeight = tunable(
  {
    kernel: 'conv2d.backward_weight',
    code: wgsl.conv2d,
    sizes: CONV_SIZES,
    standard(shape, adapterClass) {
      const { C, F, KH, KW, OH, OW, SW, DW } = shape as ConvShape
      const layer = { inChannels: C, outChannels: F, KH, KW, OH, OW }
      return pick(tuneWeight(layer, SW === DW, adapterClass), ['DW_OC', 'DW_TY', 'DW_TX', 'WG'])
    },
  },
  (shape, adapterClass) => weightBlocks(shape as ConvShape, SPACE.weight[adapterClass]),
)

interface WeightSpace {
  readonly DW_OC: readonly number[]
  readonly taps: readonly number[]
  readonly WG: readonly number[]
  readonly mostSums: number
}

function weightBlocks({ F, KH, KW }: ConvShape, { DW_OC, taps, WG, mostSums }: WeightSpace): Numbers[] {
  const all = combinations({ DW_OC: upTo(F, DW_OC), DW_TY: upTo(KH, taps), DW_TX: upTo(KW, taps), WG })
  return all.filter((numbers) => numbers.DW_OC! * numbers.DW_TY! * numbers.DW_TX! <= mostSums)
}

function fused(
  entryPoint: string,
  free: readonly string[],
  space: (shape: ConvShape, adapterClass: AdapterClass) => readonly Numbers[],
): Tunable {
  const tuneAll = (shape: Numbers, adapterClass: AdapterClass) => {
    const { SH, SW, DH, DW, ...layer } = shape as ConvShape
    return tuneFused(layer, SH === 1 && SW === 1 && DH === 1 && DW === 1, adapterClass)
  }
  const standard: Tunable['standard'] = (shape, adapterClass) => pick({ ...tuneAll(shape, adapterClass) }, free)
  const kernel = `conv2d_relu_max_pool2d.${entryPoint}`
  return tunable({ kernel, code: wgsl.conv2d_relu_max_pool2d, sizes: CONV_SIZES, standard }, (shape, adapterClass) => {
    // Only kernels compiled for the layer are searched.
    return tuneAll(shape, adapterClass).KW_FIXED === 0 ? [] : space(shape as ConvShape, adapterClass)
  })
}

const fusedForward = fused('forward', ['RUN', 'OCB'], ({ F, OW }, adapterClass) => {
  const { RUN, OCB, mostSums } = SPACE.fusedForward[adapterClass]
  const all = combinations({ RUN: upTo(OW, RUN), OCB: upTo(F, OCB) })
  return all.filter((numbers) => 4 * numbers.RUN! * numbers.OCB! <= mostSums)
})

const fusedInput = fused('backward_input', ['DX_C', 'DX_T', 'DX_WHOLE'], ({ C, W }, adapterClass) => {
  const { DX_T, DX_C, mostSums } = SPACE.fusedInput[adapterClass]
  const even = 2 * Math.ceil(W / 2)
  const some = combinations({ DX_C: upTo(C, DX_C), DX_T: DX_T.filter((cells) => cells < even), DX_WHOLE: [0] })
  const whole = combinations({ DX_C: upTo(C, DX_C), DX_T: [even], DX_WHOLE: [1] })
  return [...some, ...whole].filter((numbers) => 2 * numbers.DX_C! * numbers.DX_T! <= mostSums)
})

const fusedWeight = fused('backward_weight', ['DW_OC', 'DW_TY', 'DW_TX', 'WG'], (shape, adapterClass) =>
  weightBlocks(shape, SPACE.fusedWeight[adapterClass]),
)

const linearForward = tunable(
  {
    kernel: 'linear.forward',
    code: wgsl.linear,
    sizes: LINEAR,
    standard: (shape, adapterClass) => tuneLinearForward(shape as Record<'N' | 'I' | 'O', number>, adapterClass),
  },
  () => combinations({ DIRECT: [0, 1] }),
)

const linearBackward = tunable(
  {
    kernel: 'linear.backward',
    code: wgsl.linear,
    sizes: LINEAR,
    standard: (shape, adapterClass) =>
      tuneLinearBackward(shape as Record<'N' | 'I' | 'O' | 'relu', number>, adapterClass),
  },
  (shape) => {
    const direct = canBeDirect(shape as Record<'I' | 'relu', number>)
    return combinations({ DIRECT: direct ? [0, 1] : [0], PARTS: [0, 1] })
  },
)

const matmul = tunable(
  {
    kernel: 'matmul.matmul',
    code: wgsl.matmul,
    sizes: MATMUL,
    standard: (_, adapterClass) => TUNING.matmul[adapterClass],
  },
  (_, adapterClass) => combinations(SPACE.matmul[adapterClass]),
)

export const TUNABLES: readonly Tunable[] = [
  correlation('forward'),
  correlation('backward_input'),
  convWeight,
  fusedForward,
  fusedInput,
  fusedWeight,
  linearForward,
  linearBackward,
  matmul,
]
