// Samplers: which rows an epoch takes, where it is not each of them once.
import { kindOf } from '../kernels/support.ts'
import { requireFlags, requireOptions, shown, tooMany } from '../tensor/options.ts'
import { checkInteger, Stream } from '../tensor/random.ts'

/** Chooses the rows of every epoch; a row may come more than once, or never. */
export interface Sampler {
  /** Rows that it chooses from. */
  readonly size: number
  /** Rows in an epoch. */
  readonly count: number
  /** The rows of an epoch, `count` numbers below `size`: the same ones whenever it is asked. */
  order(epoch: number): ArrayLike<number>
}

/** Options of {@link weightedSampler}. */
export interface WeightedSamplerOptions {
  /** The rows of an epoch are a pure function of this, 0 unless given, and of the epoch's number. */
  readonly seed?: number
  /** Whether a row may come more than once in an epoch; it may unless given. */
  readonly replacement?: boolean
  /** Rows in an epoch; as many as there are weights unless given. */
  readonly count?: number
}

/**
 * A sampler for `new Batches(fields, { sampler })` that draws row i with a probability in proportion to weights[i], numbers of 0 or
 * more: PyTorch's WeightedRandomSampler. Without replacement a row that was drawn is left out of the draws that follow. To have
 * all classes equally often, give each row 1 / the size of its class.
 *
 * Throws TypeError for what is not a list of weights, RangeError for a weight that is negative or not finite, and for more rows
 * than can be drawn.
 */
export function weightedSampler(weights: ArrayLike<number>, options: WeightedSamplerOptions = {}): Sampler {
  if (arguments.length > 2) throw tooMany(arguments, 'weightedSampler(weights, options)')
  requireOptions('weightedSampler', options, ['seed', 'replacement', 'count'])
  requireFlags('weightedSampler', options, ['replacement'])
  if (!Array.isArray(weights) && !(ArrayBuffer.isView(weights) && 'length' in weights)) {
    throw new TypeError(`weightedSampler: the weights must be a list of numbers, one a row, not ${kindOf(weights)}`)
  }
  const size = weights.length
  const { seed = 0, replacement = true, count = size } = options
  checkInteger('weightedSampler: seed', seed, Number.MAX_SAFE_INTEGER)
  const sums = sumsOf(weights)
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new RangeError(`weightedSampler: count must be a whole number, 1 or more, not ${shown(count)}`)
  }
  const drawable = Array.from(weights).filter((weight) => weight > 0).length
  if (!replacement && count > drawable) {
    throw new RangeError(
      `weightedSampler: ${count} rows can't be drawn without replacement: ${drawable} have a weight above 0`,
    )
  }
  return {
    size,
    count,
    order(epoch) {
      const stream = new Stream(seed, 'shuffle', epoch)
      const left = replacement ? sums : sums.slice()
      return Uint32Array.from({ length: count }, () => draw(left, stream, !replacement))
    },
  }
}

/**
 * A binary tree of sums over the weights, as a heap: node k has the sum of nodes 2k and 2k + 1, the weights are its last half.
 * Throws RangeError for a weight that is not a finite number of 0 or more, and where all are 0.
 */
function sumsOf(weights: ArrayLike<number>): Float64Array {
  const leaves = 2 ** Math.ceil(Math.log2(Math.max(1, weights.length)))
  const sums = new Float64Array(2 * leaves)
  for (let i = 0; i < weights.length; i++) {
    const weight: unknown = weights[i]
    if (typeof weight !== 'number' || !Number.isFinite(weight) || weight < 0) {
      throw new RangeError(`weightedSampler: weight ${i} must be a finite number, 0 or more, not ${shown(weight)}`)
    }
    sums[leaves + i] = weight
  }
  for (let node = leaves - 1; node > 0; node--) sums[node] = sums[2 * node]! + sums[2 * node + 1]!
  const total = sums[1]!
  if (total > 0 && Number.isFinite(total)) return sums
  throw new RangeError(`weightedSampler: the sum of the weights must be above 0 and finite, it is ${total}`)
}

/** Draws a row; `once`: it is left out from now on. Two words a draw: u has 53 bits. */
function draw(sums: Float64Array, stream: Stream, once: boolean): number {
  const u = stream.nextUint32() * 2 ** -32 + (stream.nextUint32() >>> 11) * 2 ** -53
  let rest = u * sums[1]!
  let node = 1
  const leaves = sums.length / 2
  while (node < leaves) {
    const left = sums[2 * node]!
    // Roundings may leave a rest that belongs to a side without weight.
    if ((rest < left && left > 0) || sums[2 * node + 1] === 0) node = 2 * node
    else {
      rest -= left
      node = 2 * node + 1
    }
  }
  const row = node - leaves
  if (once) {
    sums[node] = 0
    for (let above = node >> 1; above > 0; above >>= 1) sums[above] = sums[2 * above]! + sums[2 * above + 1]!
  }
  return row
}
