// Random values for tests, the same everywhere.

/** A generator of 32 random bits (mulberry32, by Tommy Ettinger): small, fast and the same everywhere. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }
}

/**
 * 'normal': bell-shaped with mean 0 and variance 1, within ±2√3. 'smallInts': integers −4 … 4, so that float32 sums
 * of up to 2²⁰ products are exact. 'ties': −1, 0, ½ and 1, half of them 0, for equal maxima and for the kink of ReLU.
 */
export type FillKind = 'normal' | 'smallInts' | 'ties'

const TIES = [-1, 0, 0, 0, 0, 0.5, 1, 1] as const

/** n values that depend on the arguments alone. */
export function fill(n: number, seed: number, kind: FillKind): Float32Array {
  const next = mulberry32(seed)
  const draw = {
    // The sum of four uniforms has variance 1/3; unlike the usual transforms it needs no function that engines round
    // differently.
    normal: () => ((next() + next() + next() + next()) / 2 ** 32 - 2) * Math.sqrt(3),
    smallInts: () => (next() % 9) - 4,
    ties: () => TIES[next() % 8]!,
  }[kind]
  return Float32Array.from({ length: n }, draw)
}
