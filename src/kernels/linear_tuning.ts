// How linear divides its work: by the table in tuning.ts, and so that its scratch memory is bounded. No choice here changes
// a bit: the shape alone decides the order of the sums.
import { PARTS_A_GROUP, type PartsPlan, planParts, scratchLimit, scratchOfParts, TERMS } from './sum_parts.ts'
import { blocksOf, ROWS_PER_BLOCK } from './support.ts'
import { type AdapterClass, type Numbers, TUNING } from './tuning.ts'

interface LinearSizes {
  readonly N: number
  readonly I: number
  readonly O: number
}

/** DIRECT 1: in one dispatch, from the operands as they lie. `chosen` goes before the table. */
export function tuneLinearForward({ N, I, O }: LinearSizes, adapterClass: AdapterClass, chosen?: Numbers) {
  const DIRECT = N * I * O <= TUNING.linear[adapterClass].directForward ? 1 : 0
  return { DIRECT, ...chosen }
}

/** PARTS 1: the blocks of rows are summed by threads of their own. Direct kernels take no ReLU, and only an I of fours. */
export function tuneLinearBackward(
  { N, I, O, relu }: LinearSizes & { readonly relu: number },
  adapterClass: AdapterClass,
  chosen?: Numbers,
) {
  const { directBackward, parts } = TUNING.linear[adapterClass]
  const can = canBeDirect({ I, relu })
  const { DIRECT, PARTS } = { DIRECT: can && N * I * O <= directBackward ? 1 : 0, PARTS: parts, ...chosen }
  return { DIRECT: can ? DIRECT : 0, PARTS }
}

export function canBeDirect({ I, relu }: { readonly I: number; readonly relu: number }): boolean {
  return relu === 0 && I % 4 === 0
}

/**
 * Float32 numbers that a weight, and what it is packed to, may have before it is cut: a binding of WebGPU's default limits, on
 * every device, as the order of a sum depends on it. Tests lower it.
 */
export const bindingLimit = { floats: 2 ** 25 }

/**
 * Rows of a weight [O, I] in each part that the kernels are given: all, unless it is larger than a binding. A part begins
 * where a binding may, and one accumulator adds the terms of dx that it has. A row that is too long for that is not cut.
 */
export function rowsAPart({ I, O }: Omit<LinearSizes, 'N'>): number {
  if (O * fours(I) <= bindingLimit.floats) return O
  const rows = 64 * Math.floor(bindingLimit.floats / fours(I) / 64)
  return rows === 0 ? O : Math.min(O, TERMS, rows)
}

const fours = (n: number) => 4 * Math.ceil(n / 4)

/** Float32 numbers of the packed operands left and right, of at most so many terms as one accumulator adds. */
export function packedForward({ N, I, O }: LinearSizes): [left: number, right: number] {
  const count = Math.min(I, TERMS)
  return [fours(N) * count, fours(O) * count]
}

/** What backward does. */
export interface BackwardPlan {
  /** In one dispatch, from the operands as they lie. */
  readonly direct: boolean
  /** All gradients in one dispatch; else the input's and the weight's by themselves. */
  readonly together: boolean
  /** Rows of the batch in a part of the weight's gradient. */
  readonly share: number
  readonly plan: PartsPlan
  /** Float32 numbers that it takes at a time. */
  readonly scratch: number
}

/** `needX`, `needW`: whether the input's gradient is wanted, and the weight's and bias's. */
export function planLinearBackward(
  sizes: LinearSizes & { readonly relu: number },
  { needX, needW }: { readonly needX: boolean; readonly needW: boolean },
  adapterClass: AdapterClass,
  chosen?: Numbers,
): BackwardPlan {
  const { N, I, O } = sizes
  const { DIRECT, PARTS } = tuneLinearBackward(sizes, adapterClass, chosen)
  const gradients = [O * I, O]
  const oneBlock = planParts(blocksOf(N), gradients)
  const share = PARTS === 1 && oneBlock.slots === oneBlock.parts ? ROWS_PER_BLOCK : ROWS_PER_BLOCK * PARTS_A_GROUP
  const parts = Math.ceil(N / share)
  const forX = needX ? packedForX(sizes) : [0, 0]
  const forW = needW ? packedForW(sizes, N) : [0, 0]
  const packed = forX[0]! + forX[1]! + forW[0]! + forW[1]!
  const whole = planParts(parts, gradients)
  const inOne = whole.slots === parts && !(needX && O > TERMS)
  const sums = (plan: PartsPlan) => (needW && parts > 1 ? scratchOfParts(plan) : 0)
  if (inOne && DIRECT === 1) return { direct: true, together: true, share, plan: whole, scratch: sums(whole) }
  if (inOne && packed <= scratchLimit.floats)
    return { direct: false, together: true, share, plan: whole, scratch: sums(whole) + packed }
  const [left, right] = packedForW(sizes, Math.min(N, share))
  const plan = planParts(parts, gradients, Math.floor(scratchLimit.floats / (left + right)))
  const rows = Math.min(N, plan.slots * share)
  const [dyW, xW] = needW ? packedForW(sizes, rows) : [0, 0]
  const scratch = Math.max(forX[0]! + forX[1]!, dyW + xW + sums(plan))
  return { direct: false, together: false, share, plan, scratch }
}

/** Float32 numbers of the packed operands of the input's gradient. */
export function packedForX({ N, I, O }: LinearSizes): [left: number, right: number] {
  const count = Math.min(O, TERMS)
  return [fours(N) * count, fours(I) * count]
}

/** The same of so many rows of the weight's. */
export function packedForW({ I, O }: LinearSizes, rows: number): [left: number, right: number] {
  return [fours(O) * rows, fours(I) * rows]
}
