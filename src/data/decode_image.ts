// Decodes PNG and JPEG.
import { DataError } from '../errors.ts'
import { requireOptions, shown } from '../tensor/options.ts'
import type { HostArray } from './host_array.ts'
import { inflate } from './inflate.ts'
import { needed } from './packages.ts'

/** How many values an image has a pixel: grey, RGB, or RGB and alpha. */
export type ImageChannels = 1 | 3 | 4

/** Options of {@link decodeImage}. */
export interface DecodeImageOptions {
  /** 3 by default. */
  readonly channels?: ImageChannels
  /** The most pixels of an image, 2²⁶ by default: a larger one is refused before memory is given to it. */
  readonly maxPixels?: number
  /** The file's name, for messages. */
  readonly name?: string
}

/** Decoded pixels, before the channels are chosen: of one pixel after the other, 1 to 4 values. */
export interface Pixels {
  readonly data: Uint8Array
  readonly width: number
  readonly height: number
  /** 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha. */
  readonly channels: number
}

/** The most pixels of an image unless more are allowed. */
export const MOST_PIXELS = 2 ** 26
const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
/** By the colour type of PNG: how many samples a pixel has in the file. */
const SAMPLES: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }
const PALETTE = 3
/** Where the passes of Adam7 begin, and how far apart their pixels are. */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const

type Fail = (what: string) => never

/**
 * Decodes a PNG or JPEG image to bytes [channels, height, width]. Grey is 0.299 R + 0.587 G + 0.114 B, rounded; with 1 or 3 channels
 * transparency is left out; 16 bits are rounded to 8. The orientation that a camera notes is not looked at.
 *
 * @param bytes the whole file; its first bytes tell the format
 * @throws DataError for another format, a damaged file and an image of more than `maxPixels`; TypeError and RangeError for options
 */
export async function decodeImage(bytes: Uint8Array, options: DecodeImageOptions = {}): Promise<HostArray<Uint8Array>> {
  requireOptions('decodeImage', options, ['channels', 'maxPixels', 'name'])
  const { channels = 3, maxPixels = MOST_PIXELS, name = 'image' } = options
  requireChannels('decodeImage', channels)
  if (!Number.isSafeInteger(maxPixels) || maxPixels < 1) {
    throw new RangeError(`decodeImage: maxPixels must be a whole number, 1 or more, not ${shown(maxPixels)}`)
  }
  const pixels = await pixelsOf('decodeImage', bytes, name, maxPixels)
  return { data: planes(pixels, channels), shape: [channels, pixels.height, pixels.width] }
}

/** Throws RangeError for a number of channels that images do not have. */
export function requireChannels(operation: string, channels: unknown): void {
  if (channels === 1 || channels === 3 || channels === 4) return
  throw new RangeError(`${operation}: channels must be 1 (grey), 3 (RGB) or 4 (RGB and alpha), not ${shown(channels)}`)
}

/** The pixels of a PNG or JPEG file. */
export async function pixelsOf(operation: string, bytes: Uint8Array, name: string, maxPixels: number): Promise<Pixels> {
  const fail: Fail = (what) => {
    throw new DataError(`${name}: ${what}`)
  }
  if (PNG.every((byte, i) => bytes[i] === byte)) return decodePng(operation, bytes, name, maxPixels, fail)
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return decodeJpeg(operation, bytes, maxPixels, fail)
  return fail('neither a PNG nor a JPEG image')
}

/** The channels of pixels, each as a plane of its own. */
export function planes({ data, width, height, channels: given }: Pixels, channels: ImageChannels): Uint8Array {
  const count = width * height
  const isGrey = given < 3
  const hasAlpha = given % 2 === 0
  const to = new Uint8Array(count * channels)
  for (let i = 0; i < count; i++) {
    const at = i * given
    const [r, g, b] = isGrey ? [data[at]!, data[at]!, data[at]!] : [data[at]!, data[at + 1]!, data[at + 2]!]
    if (channels === 1) to[i] = isGrey ? r : Math.round((299 * r + 587 * g + 114 * b) / 1000)
    else {
      to[i] = r
      to[count + i] = g
      to[2 * count + i] = b
    }
    if (channels === 4) to[3 * count + i] = hasAlpha ? data[at + given - 1]! : 255
  }
  return to
}

async function decodeJpeg(operation: string, bytes: Uint8Array, maxPixels: number, fail: Fail): Promise<Pixels> {
  const { default: jpeg } = await needed(operation, 'jpeg-js', () => import('jpeg-js'))
  const limits = { maxResolutionInMP: maxPixels / 1e6, maxMemoryUsageInMB: 2048 }
  try {
    const { data, width, height } = jpeg.decode(bytes, { useTArray: true, tolerantDecoding: false, ...limits })
    return { data, width, height, channels: 4 }
  } catch (error) {
    return fail(`a JPEG image that is damaged, or larger than ${maxPixels} pixels: ${(error as Error).message}`)
  }
}

async function decodePng(
  operation: string,
  bytes: Uint8Array,
  name: string,
  maxPixels: number,
  fail: Fail,
): Promise<Pixels> {
  const { width, height, depth, colour, isInterlaced, compressed, plain } = chunksOf(bytes, fail)
  if (width * height > maxPixels) fail(`it has ${width} × ${height} pixels, it must have at most ${maxPixels} in all`)
  // fast-png takes such samples for bytes.
  if (isInterlaced && depth < 8) fail(`it is interlaced with ${depth} bits a sample; only 8 or 16 are supported then`)
  // fast-png trusts the compressed data, which may hold any number of bytes: they are counted first.
  const lines = isInterlaced ? ADAM7.map((pass) => linesOf(width, height, pass)) : [{ width, height }]
  const bits = SAMPLES[colour]! * depth
  const size = lines.reduce(
    (sum, pass) => sum + (pass.width > 0 ? pass.height * (1 + Math.ceil((pass.width * bits) / 8)) : 0),
    0,
  )
  const raw = await inflate(compressed, 'deflate', size, name)
  if (raw.length !== size) fail(`cut off: its pixels have ${raw.length} bytes, but ${width} × ${height} need ${size}`)
  const { decode } = await needed(operation, 'fast-png', () => import('fast-png'))
  let png: ReturnType<typeof decode>
  try {
    png = decode(plain, { checkCrc: true })
  } catch (error) {
    return fail(`a PNG image that is damaged: ${(error as Error).message}`)
  }
  const samples = samplesOf(png.data, width, height, SAMPLES[colour]!, depth)
  return colour === PALETTE
    ? { ...inColours(samples, png.palette ?? [], fail), width, height }
    : { data: scaled(samples, depth), width, height, channels: SAMPLES[colour]! }
}

/** The chunks that say what the pixels are: the others may hold anything. */
function chunksOf(bytes: Uint8Array, fail: Fail) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const kept: Uint8Array[] = [Uint8Array.from(PNG)]
  const data: Uint8Array[] = []
  let type = ''
  for (let at = 8; type !== 'IEND'; ) {
    const length = at + 12 <= bytes.length ? view.getUint32(at) : Number.POSITIVE_INFINITY
    if (at + 12 + length > bytes.length) return fail('cut off: a PNG image must end with IEND')
    type = String.fromCharCode(...bytes.subarray(at + 4, at + 8))
    if (at === 8 && (type !== 'IHDR' || length !== 13)) fail('damaged: a PNG image must begin with IHDR')
    if (['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND'].includes(type)) kept.push(bytes.subarray(at, at + 12 + length))
    if (type === 'IDAT') data.push(bytes.subarray(at + 8, at + 8 + length))
    at += 12 + length
  }
  const [width, height, depth, colour] = [view.getUint32(16), view.getUint32(20), bytes[24]!, bytes[25]!]
  const depths = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] }[colour]
  if (width === 0 || height === 0 || !depths?.includes(depth) || bytes[28]! > 1) {
    fail(`damaged: ${width} × ${height} pixels of colour type ${colour} and ${depth} bits, interlaced by ${bytes[28]}`)
  }
  return { width, height, depth, colour, isInterlaced: bytes[28] === 1, compressed: joined(data), plain: joined(kept) }
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

function linesOf(width: number, height: number, [x, y, right, down]: readonly [number, number, number, number]) {
  return { width: Math.ceil(Math.max(0, width - x) / right), height: Math.ceil(Math.max(0, height - y) / down) }
}

/** One number a sample, of lines in which several may share a byte. */
function samplesOf(
  data: ArrayLike<number>,
  width: number,
  height: number,
  samples: number,
  depth: number,
): ArrayLike<number> {
  if (depth >= 8) return data
  const bytesPerLine = Math.ceil((width * samples * depth) / 8)
  return Uint8Array.from({ length: width * height }, (_, i) => {
    const bit = (i % width) * depth
    const byte = data[Math.floor(i / width) * bytesPerLine + (bit >> 3)]!
    return (byte >> (8 - depth - (bit & 7))) & ((1 << depth) - 1)
  })
}

/** Samples of any depth as bytes: the largest becomes 255. */
function scaled(samples: ArrayLike<number>, depth: number): Uint8Array {
  const largest = 2 ** depth - 1
  return Uint8Array.from(samples, (sample) => Math.round((sample * 255) / largest))
}

function inColours(samples: ArrayLike<number>, palette: readonly (readonly number[])[], fail: Fail) {
  const channels = palette[0]?.length ?? 3
  const data = new Uint8Array(samples.length * channels)
  for (let i = 0; i < samples.length; i++) {
    const colour = palette[samples[i]!]
    if (colour === undefined)
      return fail(`damaged: pixel ${i} has colour ${samples[i]} of a palette of ${palette.length}`)
    data.set(colour, i * channels)
  }
  return { data, channels }
}
