// The `// tune` numbers of conv2d.wgsl, chosen by the table in tuning.ts. They change only the speed: the order in which
// anything is added up depends on just two of them, IMAGES, which is the same everywhere, and LANES, which is the same on all
// adapters of a class.
import { type PartsPlan, planParts, scratchLimit, TERMS } from './sum_parts.ts'
import { type AdapterClass, type Numbers, TUNING } from './tuning.ts'

/** For pack_*, forward and backward_input. */
export interface CorrelateTuning extends Readonly<Record<string, number>> {
  /** Threads in a workgroup. */
  readonly WG: number
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
  /** Threads in a workgroup of backward_weight. */
  readonly WG: number
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
  /** Groups, of which inChannels and outChannels are one's; 1 unless given. */
  readonly groups?: number
}

/** The sizes that a shape consists of, as tunings are keyed by it: those of the kernels' Params. */
export const CONV_SIZES = ['N', 'C', 'H', 'W', 'F', 'KH', 'KW', 'OH', 'OW', 'SH', 'SW', 'PH', 'PW', 'DH', 'DW'] as const
export type ConvShape = Readonly<Record<(typeof CONV_SIZES)[number], number>>

export function sizesOf(params: ConvShape): Numbers {
  return Object.fromEntries(CONV_SIZES.map((name) => [name, params[name]]))
}

const UNIFORM_BYTES = 65_536
const LARGEST_FIXED = 7
/** A row of this many taps is in one thread's block if the table allows it. */
const LARGEST_ROW = 5
/** Multiply-adds an image from which a separate variant is worth the second that it takes to compile. */
export const WORTH_A_VARIANT = 100_000

/** Products per load decide on the processor: many outputs a thread, as near as can be to a divisor of the row. */
function outputsPerThread(OW: number, OCB: number, adapterClass: AdapterClass): number {
  const { PX, mostSums } = TUNING.conv2d_correlate[adapterClass]
  const candidates: readonly number[] = PX.filter((px) => px * OCB <= mostSums)
  const computed = (px: number) => Math.ceil(OW / px) * px
  return candidates.reduce((best, px) => (computed(px) < computed(best) ? px : best))
}

/** Bytes of a block's packed weights. */
const blockBytes = ({ inChannels, KH, KW }: Correlation, OCB: number) => 16 * inChannels * KH * KW * Math.ceil(OCB / 4)

/** Whether a uniform binding can begin and end with a block's weights. */
const bindable = (bytes: number) => bytes <= UNIFORM_BYTES && bytes % 256 === 0

/** Whether a layer of this many multiply-adds may be several dispatches, so that the weights of each fit a uniform buffer. */
export function maySlice(multiplyAdds: number, adapterClass: AdapterClass): boolean {
  return multiplyAdds >= TUNING.conv2d_correlate[adapterClass].worthDispatches
}

/** Output channels of a variant that serves many layers. Groups may have few: one, as in depthwise convolutions, or four. */
function anyBlock(outChannels: number, groups: number, any: number): number {
  if (groups === 1 || outChannels > 4) return any
  return outChannels === 1 ? 1 : Math.min(any, 4)
}

/** `unitStep`: whether horizontal stride and dilation are 1; `slices` as `maySlice` says; `chosen` goes before the table. */
export function tuneCorrelate(
  layer: Correlation,
  { unitStep, slices }: { readonly unitStep: boolean; readonly slices: boolean },
  adapterClass: AdapterClass,
  chosen: Numbers = {},
): CorrelateTuning {
  const { inChannels, outChannels, KH, KW, OH, OW, groups = 1 } = layer
  const work = groups * inChannels * outChannels * KH * KW * OH * OW
  const fixed = unitStep && KW <= LARGEST_FIXED && work >= WORTH_A_VARIANT
  const row = TUNING.conv2d_correlate[adapterClass]
  const widest = chosen.OCB ?? (fixed ? Math.min(outChannels, row.OCB) : anyBlock(outChannels, groups, row.anyOCB))
  const whole = groups * Math.ceil(outChannels / widest) * blockBytes(layer, widest) <= UNIFORM_BYTES
  const narrower = chosen.OCB === undefined ? [widest, 4] : [widest]
  const sliced = slices && !whole ? narrower.find((OCB) => bindable(blockBytes(layer, OCB))) : undefined
  const OCB = sliced ?? widest
  return {
    WG: row.WG,
    PX: fixed ? outputsPerThread(OW, OCB, adapterClass) : row.anyPX,
    WEIGHTS_UNIFORM: whole || sliced !== undefined ? 1 : 0,
    KW_FIXED: fixed ? KW : 0,
    ...chosen,
    OCB,
  }
}

/** How a correlation is cut. Only `channels` decides bits, and depends on the shape alone. */
export interface CorrelatePlan {
  /** Blocks of output channels: in all, packed at a time, and in one dispatch. */
  readonly blocks: number
  readonly blocksPacked: number
  readonly blocksADispatch: number
  /** Input channels that one accumulator adds. */
  readonly channels: number
  /** vec4f of the packed weights of a block and so many input channels. */
  quadsOfBlock(channels: number): number
  /** Float32 numbers of the packed weights. */
  readonly floats: number
}

export function planCorrelate(layer: Correlation, { OCB, WEIGHTS_UNIFORM }: CorrelateTuning): CorrelatePlan {
  const { inChannels, outChannels, KH, KW, groups = 1 } = layer
  const blocks = groups * Math.ceil(outChannels / OCB)
  const sums = Math.ceil(inChannels / Math.max(1, Math.floor(TERMS / (KH * KW))))
  const channels = Math.ceil(inChannels / sums)
  const quadsOfBlock = (channels: number) => channels * KH * KW * Math.ceil(OCB / 4)
  const perBlock = 4 * quadsOfBlock(channels)
  const blocksPacked = Math.min(blocks, Math.max(1, Math.floor(scratchLimit.floats / perBlock)))
  const uniform = Math.max(1, Math.floor(UNIFORM_BYTES / blockBytes(layer, OCB)))
  const blocksADispatch = Math.min(blocksPacked, WEIGHTS_UNIFORM === 1 ? uniform : blocks)
  // As a uniform buffer the whole declared 64 KiB must be there, from the last dispatch's first block on.
  const last = perBlock * Math.floor((blocksPacked - 1) / blocksADispatch) * blocksADispatch
  const floats = Math.max(perBlock * blocksPacked, last + UNIFORM_BYTES / 4)
  return { blocks, blocksPacked, blocksADispatch, channels, quadsOfBlock, floats }
}

/** All taps of one axis where they are few, else `most`, or `any` of them. */
function taps(K: number, fixed: boolean, most: number, any: number): number {
  if (!fixed || K > LARGEST_ROW) return any
  return Math.min(K, most)
}

/** `slides`: whether horizontal stride and dilation are equal. */
export function tuneWeight(
  { inChannels, outChannels, KH, KW, OH, OW, groups = 1 }: Correlation,
  slides: boolean,
  adapterClass: AdapterClass,
  chosen: Numbers = {},
): WeightTuning {
  const row = TUNING.conv2d_weight[adapterClass]
  const fixed = groups * inChannels * outChannels * KH * KW * OH * OW >= WORTH_A_VARIANT
  return {
    WG: row.WG,
    IMAGES: 32,
    LANES: row.LANES,
    DW_OC: fixed ? Math.min(outChannels, row.DW_OC) : anyBlock(outChannels, groups, row.anyOC),
    DW_TY: taps(KH, fixed, row.DW_TY, row.anyTY),
    DW_TX: taps(KW, fixed, row.DW_TX, row.anyTX),
    DW_SLIDE: slides ? 1 : 0,
    ...chosen,
  }
}

/** How the sums of a weight gradient are divided, which the shape alone decides, and how many parts are made at a time. */
export interface WeightParts {
  /** Pieces of a block of images and rows of each, segments of a row: numbers of the shader's. */
  readonly cut: { readonly pieces: number; readonly pieceRows: number; readonly segments: number }
  readonly plan: PartsPlan
}

/** C: channels that a filter has; OH and OW: rows and columns of what is summed over. */
export function weightParts(
  { N, C, F, KH, KW, OH, OW }: Pick<ConvShape, 'N' | 'C' | 'F' | 'KH' | 'KW' | 'OH' | 'OW'>,
  { IMAGES, LANES }: Pick<WeightTuning, 'IMAGES' | 'LANES'>,
): WeightParts {
  const segments = Math.ceil(OW / TERMS)
  const pieceRows = LANES * Math.max(1, Math.floor(TERMS / OW))
  const piecesOf = (images: number) => Math.ceil((images * OH) / pieceRows)
  const pieces = piecesOf(IMAGES)
  const whole = Math.ceil(N / IMAGES) - 1 // blocks before the last one
  const images = N - whole * IMAGES
  const last = piecesOf(images) - 1 // pieces of the last block before the last one
  // In the last segment of the last piece, lanes without rows are left out.
  const parts = LANES * (segments * (whole * pieces + last + 1) - 1) + Math.min(LANES, images * OH - last * pieceRows)
  return { cut: { pieces, pieceRows, segments }, plan: planParts(parts, [F * C * KH * KW + F]) }
}
