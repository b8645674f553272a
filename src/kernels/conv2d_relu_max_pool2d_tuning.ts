// The `// tune` numbers of conv2d_relu_max_pool2d.wgsl, chosen by the table in tuning.ts. They change only the speed: the order
// in which anything is added up depends on just three of them, IMAGES, which is the same everywhere, LANES, which is the same on
// all adapters of a class, and KW_FIXED, which depends on the layer alone (in dx, 0 takes filters before rows).
import { type AdapterClass, type Numbers, TUNING } from './tuning.ts'

/** One number for each `// tune` line, which explains it. */
export interface FusedTuning extends Readonly<Record<(typeof NAMES)[number], number>> {
  /** vec4f of packed weights; no number of the shader's. */
  readonly quads: number
  /** Threads in a workgroup of backward_weight. */
  readonly WG: number
}

const NAMES = [
  'RUN',
  'KW_FIXED',
  'PADDED',
  'WEIGHTS_UNIFORM',
  'OCB',
  'DX_C',
  'DX_T',
  'DX_WINDOWS',
  'DX_BACK',
  'DX_SHIFT',
  'DX_WHOLE',
  'IMAGES',
  'LANES',
  'DW_OC',
  'DW_TY',
  'DW_TX',
] as const

export interface FusedLayer {
  readonly C: number
  readonly F: number
  readonly KH: number
  readonly KW: number
  /** Columns of the input. */
  readonly W: number
  /** Rows and columns of the pooled result. */
  readonly OH: number
  readonly OW: number
  /** Rows and columns of padding. */
  readonly PH: number
  readonly PW: number
}

const UNIFORM_BYTES = 65_536
const LARGEST_FIXED = 7
/** Multiply-adds an image from which a separate variant is worth the second that it takes to compile. */
const WORTH_A_VARIANT = 100_000

/** `unitSteps`: whether stride and dilation are 1; `chosen` goes before the table. */
export function tuneFused(
  layer: FusedLayer,
  unitSteps: boolean,
  adapterClass: AdapterClass,
  chosen: Numbers = {},
): FusedTuning {
  const { C, F, KH, KW, OH, OW, PH, PW } = layer
  const fixed = unitSteps && KW <= LARGEST_FIXED && C * F * KH * KW * 4 * OH * OW >= WORTH_A_VARIANT
  const blocks = fixed
    ? { ...tile(OW, F, adapterClass), ...chosen, ...tileOfInput(layer, adapterClass, chosen) }
    : { ...GENERIC, ...chosen }
  const { WG, LANES, DW_OC, DW_TY, DW_TX } = TUNING.fused_weight[adapterClass]
  const quads = Math.ceil(F / blocks.OCB) * C * KH * KW + Math.ceil(C / blocks.DX_C) * F * (KH + 4) * KW
  return {
    ...blocks,
    quads,
    KW_FIXED: fixed ? KW : 0,
    PADDED: fixed && PH === 0 && PW === 0 ? 0 : 1,
    WEIGHTS_UNIFORM: 16 * quads <= UNIFORM_BYTES ? 1 : 0,
    IMAGES: 32,
    LANES,
    WG: chosen.WG ?? WG,
    DW_OC: chosen.DW_OC ?? Math.min(F, DW_OC),
    DW_TY: chosen.DW_TY ?? (!fixed ? 1 : KH <= 5 ? Math.min(KH, DW_TY) : Math.min(3, DW_TY)),
    DW_TX: chosen.DW_TX ?? (fixed && KW <= 5 ? Math.min(KW, DW_TX) : 3),
  }
}

/** For any kernel, stride and dilation. */
const GENERIC = { RUN: 2, OCB: 4, DX_C: 4, DX_T: 4, DX_WINDOWS: 1, DX_BACK: 0, DX_SHIFT: 0, DX_WHOLE: 0 }

/** Windows and filters a thread: as many as it can hold, as near as can be to divisors of the row and of the filters. */
function tile(OW: number, F: number, adapterClass: AdapterClass) {
  const { mostSums, mostRun } = TUNING.fused_forward[adapterClass]
  let best = { RUN: 1, OCB: 1, cost: Infinity }
  for (let RUN = 1; RUN <= mostRun; RUN++) {
    for (let OCB = 1; OCB <= 4; OCB++) {
      if (4 * RUN * OCB > mostSums) continue
      const computed = Math.ceil(OW / RUN) * RUN * Math.ceil(F / OCB) * OCB
      // Loads a sum: cells and weights.
      const cost = computed * (1 + 8 / (2 * OCB) + 8 / (4 * RUN))
      if (cost < best.cost) best = { RUN, OCB, cost }
    }
  }
  const { RUN, OCB } = best
  return { RUN, OCB }
}

/** The tile of dx that a thread makes: whole rows where they are short, for then nothing outside is computed. */
function tileOfInput({ C, KW, W, OW, PW }: FusedLayer, adapterClass: AdapterClass, chosen: Numbers) {
  const row = TUNING.fused_input[adapterClass]
  const even = 2 * Math.ceil(W / 2)
  if (chosen.DX_WHOLE === undefined ? even <= row.mostWhole : chosen.DX_WHOLE === 1) {
    const DX_C = chosen.DX_C ?? Math.max(1, Math.min(C, row.DX_C, Math.floor(row.mostSums / (2 * even))))
    return { DX_C, DX_T: even, DX_WINDOWS: OW, DX_BACK: 0, DX_SHIFT: PW, DX_WHOLE: 1 }
  }
  const back = Math.max(0, -Math.floor((PW - KW + 1) / 2))
  const DX_SHIFT = PW + 2 * back
  const DX_T = chosen.DX_T ?? row.DX_T
  return {
    DX_C: chosen.DX_C ?? Math.min(C, row.DX_C),
    DX_T,
    DX_WINDOWS: Math.ceil((DX_T + DX_SHIFT) / 2),
    DX_BACK: back,
    DX_SHIFT,
    DX_WHOLE: 0,
  }
}
