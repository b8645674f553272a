// The `// tune` numbers of conv2d_relu_max_pool2d.wgsl. They change the speed only: every result and every partial sum is
// added up in the same order with all of them, but for IMAGES and LANES, which are therefore the same everywhere.

/** One number for each `// tune` line; what they mean is told there. */
export type FusedTuning = Readonly<Record<(typeof NAMES)[number], number>>

const NAMES = [
  'RUN',
  'KW_FIXED',
  'WEIGHTS_UNIFORM',
  'WEIGHT_QUADS',
  'OCB',
  'DX_C',
  'DX_T',
  'DX_WINDOWS',
  'DX_BACK',
  'DX_SHIFT',
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
  /** Columns of padding. */
  readonly PW: number
}

const UNIFORM_BYTES = 65_536
const LARGEST_FIXED = 7
/** Multiply-adds an image from which a variant of its own is worth the second that it takes to compile. */
const WORTH_A_VARIANT = 100_000
/** Sums a thread can hold before compile time jumps from one or two seconds to twenty. */
const MOST_SUMS = 84

/** `unitSteps`: whether stride and dilation are 1. */
export function tuneFused(layer: FusedLayer, unitSteps: boolean): FusedTuning {
  const { C, F, KH, KW, W, OH, OW, PW } = layer
  const weights = C * F * KH * KW
  const fixed = unitSteps && KW <= LARGEST_FIXED && weights * 4 * OH * OW >= WORTH_A_VARIANT
  if (!fixed) {
    const generic = { RUN: 2, KW_FIXED: 0, WEIGHTS_UNIFORM: 0, WEIGHT_QUADS: 1, OCB: 4 }
    const dx = { DX_C: 4, DX_T: 4, DX_WINDOWS: 1, DX_BACK: 0, DX_SHIFT: 0 }
    return { ...generic, ...dx, IMAGES: 32, LANES: 8, DW_OC: 4, DW_TY: 1, DW_TX: 3 }
  }
  const uniform = 4 * weights <= UNIFORM_BYTES
  const { RUN, OCB } = tile(OW, F)
  return {
    RUN,
    KW_FIXED: KW,
    WEIGHTS_UNIFORM: uniform ? 1 : 0,
    WEIGHT_QUADS: uniform ? Math.ceil(weights / 4) : 1,
    OCB,
    ...tileOfInput(C, KW, W, OW, PW),
    IMAGES: 32,
    LANES: 8,
    DW_OC: Math.min(F, 4),
    DW_TY: KH <= 5 ? KH : 3,
    DW_TX: KW <= 5 ? KW : 3,
  }
}

/** Windows and filters a thread: as many as it can hold, as near as can be to divisors of the row and of the filters. */
function tile(OW: number, F: number): { RUN: number; OCB: number } {
  let best = { RUN: 1, OCB: 1, cost: Infinity }
  for (let RUN = 1; RUN <= 8; RUN++) {
    for (let OCB = 1; OCB <= 4; OCB++) {
      if (4 * RUN * OCB > MOST_SUMS) continue
      const computed = Math.ceil(OW / RUN) * RUN * Math.ceil(F / OCB) * OCB
      // Loads a sum: cells and weights.
      const cost = computed * (1 + 8 / (2 * OCB) + 8 / (4 * RUN))
      if (cost < best.cost) best = { RUN, OCB, cost }
    }
  }
  return best
}

/** The tile of dx that a thread makes: whole rows where they are short, for then nothing outside is computed. */
function tileOfInput(C: number, KW: number, W: number, OW: number, PW: number) {
  const even = 2 * Math.ceil(W / 2)
  if (even <= 14) {
    const DX_C = Math.max(1, Math.min(C, 4, Math.floor(MOST_SUMS / (2 * even))))
    return { DX_C, DX_T: even, DX_WINDOWS: OW, DX_BACK: 0, DX_SHIFT: PW }
  }
  const back = Math.max(0, -Math.floor((PW - KW + 1) / 2))
  const DX_SHIFT = PW + 2 * back
  const DX_T = 8
  return {
    DX_C: Math.min(C, 4),
    DX_T,
    DX_WINDOWS: Math.ceil((DX_T + DX_SHIFT) / 2),
    DX_BACK: back,
    DX_SHIFT,
  }
}
