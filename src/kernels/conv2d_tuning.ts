// The `// tune` numbers of conv2d.wgsl. They change the speed only: every output and every partial sum is added up in the
// same order with all of them, but for IMAGES and LANES, which are therefore the same everywhere.

/** For pack_*, forward and backward_input. */
export interface CorrelateTuning extends Readonly<Record<string, number>> {
  /** Neighbouring outputs of a row in one thread. */
  readonly PX: number
  /** Output channels in one thread. */
  readonly OCB: number
  /** 1 when the packed weights are read as a uniform buffer: those of a dispatch must fit 64 KiB. */
  readonly WEIGHTS_UNIFORM: number
  /** The kernel's width when it is compiled in, else 0. */
  readonly KW_FIXED: number
}

/** For backward_weight and reduce. */
export interface WeightTuning extends Readonly<Record<string, number>> {
  /** Images whose rows one partial sum owns. */
  readonly IMAGES: number
  /** Threads that share those rows. */
  readonly LANES: number
  /** Filters, rows and columns of the kernel in one thread. */
  readonly DW_OC: number
  readonly DW_TY: number
  readonly DW_TX: number
  /** 1 where horizontal stride and dilation are equal: the window of x slides along the row. */
  readonly DW_SLIDE: number
}

export interface Correlation {
  readonly inChannels: number
  readonly outChannels: number
  readonly KH: number
  readonly KW: number
  /** Height and width of what is computed. */
  readonly OH: number
  readonly OW: number
}

const UNIFORM_BYTES = 65_536
const LARGEST_FIXED = 7
/** Multiply-adds an image from which a variant of its own is worth the second that it takes to compile. */
const WORTH_A_VARIANT = 100_000
/** Accumulators a thread can hold before compile time jumps from one or two seconds to twenty. */
const MOST_ACCUMULATORS = 80

/** Products per load decide on the processor: many outputs a thread, as near as can be to a divisor of the row. */
function outputsPerThread(OW: number, OCB: number): number {
  const candidates = [14, 10, 8, 7, 4].filter((px) => px * OCB <= MOST_ACCUMULATORS)
  const computed = (px: number) => Math.ceil(OW / px) * px
  return candidates.reduce((best, px) => (computed(px) < computed(best) ? px : best))
}

/** Bytes of a block's packed weights. */
const blockBytes = ({ inChannels, KH, KW }: Correlation, OCB: number) => 16 * inChannels * KH * KW * Math.ceil(OCB / 4)

/** Whether a uniform binding can begin and end with a block's weights. */
const bindable = (bytes: number) => bytes <= UNIFORM_BYTES && bytes % 256 === 0

/**
 * `unitStep`: whether horizontal stride and dilation are 1. `slices`: whether a layer whose weights fit no uniform buffer
 * may be several dispatches, so that those of each do.
 */
export function tuneCorrelate(layer: Correlation, unitStep: boolean, slices: boolean): CorrelateTuning {
  const { inChannels, outChannels, KH, KW, OH, OW } = layer
  const work = inChannels * outChannels * KH * KW * OH * OW
  const fixed = unitStep && KW <= LARGEST_FIXED && work >= WORTH_A_VARIANT
  const widest = fixed ? Math.min(outChannels, 8) : 8
  const whole = Math.ceil(outChannels / widest) * blockBytes(layer, widest) <= UNIFORM_BYTES
  const sliced = slices && !whole ? [widest, 4].find((OCB) => bindable(blockBytes(layer, OCB))) : undefined
  const OCB = sliced ?? widest
  return {
    PX: fixed ? outputsPerThread(OW, OCB) : 4,
    OCB,
    WEIGHTS_UNIFORM: whole || sliced !== undefined ? 1 : 0,
    KW_FIXED: fixed ? KW : 0,
  }
}

/** Blocks of output channels that one dispatch makes. */
export function blocksADispatch(layer: Correlation, { OCB, WEIGHTS_UNIFORM }: CorrelateTuning): number {
  const all = Math.ceil(layer.outChannels / OCB)
  return WEIGHTS_UNIFORM === 0 ? all : Math.min(all, Math.max(1, Math.floor(UNIFORM_BYTES / blockBytes(layer, OCB))))
}

export function tuneWeight({ inChannels, outChannels, KH, KW, OH, OW }: Correlation, slides: boolean): WeightTuning {
  const fixed = inChannels * outChannels * KH * KW * OH * OW >= WORTH_A_VARIANT
  return {
    IMAGES: 32,
    LANES: 8,
    DW_OC: fixed ? Math.min(outChannels, 8) : 4,
    DW_TY: fixed && KH <= 5 ? KH : 3,
    DW_TX: fixed && KW <= 5 ? KW : 3,
    DW_SLIDE: slides ? 1 : 0,
  }
}
