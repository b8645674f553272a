// How linear divides its work, from the table in tuning.ts.
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
