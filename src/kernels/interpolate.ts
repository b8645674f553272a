// interpolate: an image of another height and width.
import { currentOn } from '../capture/current.ts'
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import { apply, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { requireOptions, shown, tooMany } from '../tensor/options.ts'
import { pair, type Shape, ShapeError, type ShapeLine } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { full } from './fill.ts'
import * as wgsl from './generated/wgsl.ts'
import { groupsFor, requireRank, requireTensors, requireType } from './support.ts'

const NAME = 'interpolate'
const file = new KernelFile('interpolate', wgsl.interpolate)

/** Options of {@link interpolate}: either a scale or a size. */
export interface InterpolateOptions {
  /** How many times as high and as wide the output is, a number or [height, width]; it need not be whole. */
  readonly scale?: number | readonly number[]
  /** Height and width of the output, or a number for both. */
  readonly size?: number | readonly number[]
  /** 'nearest' unless given. */
  readonly mode?: 'nearest' | 'bilinear'
}

/** The options as they were read: of `scale` and `size` one is not null. */
export interface Interpolation {
  readonly scale: readonly [number, number] | null
  readonly size: readonly [number, number] | null
  readonly mode: 'nearest' | 'bilinear'
}

/** Throws TypeError, RangeError or ShapeError for options that do not fit. */
export function readInterpolation(name: string, options: InterpolateOptions): Interpolation {
  requireOptions(name, options, ['scale', 'size', 'mode'])
  const { scale, size, mode = 'nearest' } = options
  if ((scale === undefined) === (size === undefined)) {
    throw new TypeError(`${name}: give either a scale or a size${scale === undefined ? '' : ', not both'}`)
  }
  if (mode !== 'nearest' && mode !== 'bilinear') {
    throw new TypeError(`${name}: mode must be 'nearest' or 'bilinear', not ${shown(mode)}`)
  }
  if (size !== undefined) return { scale: null, size: pair(name, 'size', size, 1), mode }
  const scales: readonly unknown[] = Array.isArray(scale) ? scale : [scale, scale]
  if (scales.length !== 2 || !scales.every((s) => typeof s === 'number' && s > 0 && s < Infinity)) {
    throw new RangeError(`${name}: scale must be a number above 0, or two of them, not ${shown(scale)}`)
  }
  return { scale: scales as [number, number], size: null, mode }
}

/** Outputs of an axis at most: their products with its cells are exact. */
const LARGEST_OUTPUT = 65_535

/** One axis: its cells, its outputs, and the scale that was asked for, if one was. */
interface Axis {
  readonly cells: number
  readonly outputs: number
  readonly scale: number | null
}

interface Attributes {
  readonly mode: Interpolation['mode']
  readonly input: Shape
  readonly scale: Interpolation['scale']
}

/** The first cell of output o, and the weight of the next one, which a float32 number rounds. */
function cellOf(mode: Interpolation['mode'], { cells, outputs, scale }: Axis, o: number): readonly [number, number] {
  if (mode === 'nearest') {
    // As PyTorch does it, in float32.
    const step = Math.fround(scale === null ? cells / outputs : 1 / scale)
    return [Math.min(Math.floor(Math.fround(o * step)), cells - 1), 0]
  }
  // The middle of output o is (o + ½) · cells / outputs − ½ cells from the middle of the first one: whole numbers keep it exact.
  const exact = (2 * o + 1) * cells - outputs
  const at = Math.max(0, scale === null ? exact / (2 * outputs) : (o + 0.5) / scale - 0.5)
  const first = Math.min(Math.floor(at), cells - 1)
  const l = Math.fround(scale === null && exact > 0 ? (exact % (2 * outputs)) / (2 * outputs) : at - first)
  if (first === cells - 1) return [first, 0]
  return l === 1 ? [first + 1, 0] : [first, l]
}

/** The words of an axis, as the shader describes them. */
function wordsOf(mode: Interpolation['mode'], axis: Axis): Uint32Array {
  const { cells, outputs } = axis
  const words = new Uint32Array(2 * outputs + cells + 1)
  const weights = new Float32Array(words.buffer, 4 * outputs, outputs)
  let next = 0 // the cell whose start comes next
  for (let o = 0; o < outputs; o++) {
    const [first, l] = cellOf(mode, axis, o)
    words[o] = first
    weights[o] = l
    for (; next <= first; next++) words[2 * outputs + next] = o
  }
  return words.fill(outputs, 2 * outputs + next)
}

/** Tables kept: networks have few sizes. */
const MOST_TABLES = 64

/** Tables of each device, by the sizes and scales of their axes. A plan holds those that it was captured with. */
const tables = new WeakMap<Gpu, Map<string, Storage>>()

/** The table of both axes. It belongs to the device, not to a tensor. */
function tableOf(gpu: Gpu, { mode, input, scale }: Attributes, output: Shape): Storage {
  const own = tables.get(gpu) ?? new Map<string, Storage>()
  tables.set(gpu, own)
  const axes = [0, 1].map((i): Axis => {
    return { cells: input[2 + i]!, outputs: output[2 + i]!, scale: scale?.[i] ?? null }
  })
  const key = [mode, ...axes.flatMap(({ cells, outputs, scale }) => [cells, outputs, scale])].join(' ')
  const found = own.get(key)
  if (found) return found
  // What a function that is being captured uses must last until its plan holds it.
  if (own.size >= MOST_TABLES && !currentOn(gpu)) {
    for (const storage of own.values()) storage.release()
    own.clear()
  }
  const [rows, columns] = axes.map((axis) => wordsOf(mode, axis)) as [Uint32Array, Uint32Array]
  const words = new Uint32Array(rows.length + columns.length)
  words.set(rows)
  words.set(columns, rows.length)
  // Always the same for this key: in a function that is captured it is not part of the step.
  const made = gpu.during(null, () => {
    const storage = gpu.pool.acquire(words.byteLength, 'the table of interpolate')
    gpu.write(storage, words)
    return storage
  })
  own.set(key, made)
  return made
}

/** Neighbours of a row that one thread takes, as the kernel's `const STRIP` says. */
const STRIP = 8

function paramsOf(input: Shape, output: Shape) {
  const [N, C, H, W] = input as [number, number, number, number]
  return { planes: N * C, H, W, OH: output[2]!, OW: output[3]! }
}

/** Columns and rows of a plane that a thread of `forward` takes, as the constants of these names say. */
const [COLUMNS, ROWS] = [4, 16]

/** Workgroups of threads that take so many rows and columns of the planes of the tensor that is made. */
function groupsOf([N, C, H, W]: Shape, rows: number, columns: number): number {
  return groupsFor(N! * C! * Math.ceil(H! / rows) * Math.ceil(W! / columns))
}

const tuneOf = (mode: Interpolation['mode']) => ({ BILINEAR: mode === 'bilinear' ? 1 : 0 })

const interpolateOp: Op<readonly [Tensor], Attributes & { readonly output: Shape }> = {
  name: 'interpolate',

  shape: (_, { output }) => output,

  forward(gpu, [x], attributes, shape) {
    const out = empty(gpu, shape, 'float32', NAME)
    if (out.size === 0) return { out, saved: [] }
    const table = tableOf(gpu, attributes, shape)
    const bindings = { params: paramsOf(x.shape, shape), x: x.storage, out: out.storage, table }
    gpu.emit(file.entry('forward', tuneOf(attributes.mode)), bindings, groupsOf(shape, ROWS, COLUMNS))
    return { out, saved: [] }
  },

  backward(gpu, dy, _, attributes) {
    const { input, mode } = attributes
    if (dy.size === 0) return [full(gpu, input, 0)]
    const dx = empty(gpu, input, 'float32', NAME)
    const table = tableOf(gpu, attributes, dy.shape)
    const bindings = { params: paramsOf(input, dy.shape), dy: dy.storage, dx: dx.storage, table }
    gpu.emit(file.entry('backward', tuneOf(mode)), bindings, groupsOf(input, 1, STRIP))
    return [dx]
  },
}

/**
 * An image of another size, PyTorch's interpolate with alignCorners false: [N, C, H, W] → [N, C, OH, OW], where `size` is
 * [OH, OW], or OH = ⌊H · scale⌋. 'nearest' takes the cell ⌊o · s⌋ for output o, s being H / OH or 1 / scale in float32.
 * 'bilinear' takes the position (o + ½) · s − ½, but 0 at least, and the two cells beside it, each by how near it is; past the last
 * cell there is that one alone. A cell of weight 0 is left out: its NaN does not reach the output.
 *
 * Throws TypeError for an unknown mode, and unless there is either a scale or a size; ShapeError for an input of other than four
 * dimensions, and for an output without rows or columns.
 */
export function interpolate(x: Tensor, options: InterpolateOptions): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'interpolate(x, options)')
  requireTensors(NAME, { input: x })
  const { scale, size, mode } = readInterpolation(NAME, options)
  requireType(NAME, 'input', x)
  requireRank(NAME, 'input', x.shape, 4, 'N C H W')
  const lines: ShapeLine[] = [['input', x.shape, 'N C H W']]
  const [N, C, H, W] = x.shape as [number, number, number, number]
  if (H === 0 || W === 0) throw new ShapeError(NAME, 'the input has no rows or no columns', lines)
  const [OH, OW] = size ?? [Math.floor(H * scale![0]), Math.floor(W * scale![1])]
  if (Math.min(OH, OW) < 1 || Math.max(OH, OW) > LARGEST_OUTPUT) {
    const sentence = `scale ${shown(scale)} makes ${OH} × ${OW} of the image; its sides must be from 1 to 65,535`
    throw new ShapeError(NAME, sentence, lines)
  }
  return apply(interpolateOp, [x], { mode, input: x.shape, scale, output: [N, C, OH, OW] })
}
