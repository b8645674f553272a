// PyTorch's schedules that cycle the momentum against the rate: low where the rate is high.
import type { Args, Options, Schedule } from './kinds.ts'
import { readOptions, schedule } from './options.ts'
import { annealed } from './pytorch.ts'

export const ONE_CYCLE_LR = {
  maxLr: { kind: 'number', base: true },
  totalSteps: { kind: 'length' },
  pctStart: { kind: 'fraction', default: 0.3 },
  annealStrategy: { kind: 'choice', of: ['cos', 'linear'], default: 'cos' },
  cycleMomentum: { kind: 'flag', default: true },
  // The momentum is never 0: without momentum SGD takes another kind of step and has no buffers. So `between` excludes 0.
  baseMomentum: { kind: 'between', default: 0.85 },
  maxMomentum: { kind: 'between', default: 0.95 },
  divFactor: { kind: 'positive', default: 25 },
  finalDivFactor: { kind: 'positive', default: 1e4 },
  threePhase: { kind: 'flag', default: false },
} as const satisfies Args
/**
 * Options of {@link oneCycleLR}.
 * @interface
 */
export type OneCycleLROptions = Options<typeof ONE_CYCLE_LR>

type Span = readonly [from: number, to: number]
/** A part of a cycle up to t = end, with the rate and the momentum at both ends. */
type Phase = { readonly end: number; readonly rates: Span; readonly momenta: Span }

/**
 * Super-convergence, Smith and Topin 2018; PyTorch's OneCycleLR with N = totalSteps and p = pctStart. The rate rises from
 * η_max/divFactor to η_max at t = p N − 1, then falls to η_max/(divFactor finalDivFactor) at t = N − 1, along half a cosine
 * wave or a line. With threePhase it is back at η_max/divFactor at t = 2 p N − 2, and falls from there. After t = N − 1
 * the last rate is kept; PyTorch continues at t = N and then fails. A phase of no steps, at p N = 1, is at its end;
 * PyTorch divides by 0.
 *
 * The momentum moves the other way: from maxMomentum down to baseMomentum at the peak, and up again.
 * `cycleMomentum: false` does not change it. RangeError unless baseMomentum ≤ maxMomentum.
 */
export function oneCycleLR(options: OneCycleLROptions): Schedule {
  const values = readOptions('oneCycleLR', ONE_CYCLE_LR, options)
  const { maxLr, totalSteps, pctStart, annealStrategy, divFactor, finalDivFactor, threePhase } = values
  checkMomentum('oneCycleLR', values)
  const { cycleMomentum, baseMomentum, maxMomentum } = values
  const initial = maxLr / divFactor
  const final = initial / finalDivFactor
  const peak = pctStart * totalSteps - 1
  const last = totalSteps - 1
  const up: Phase = { end: peak, rates: [initial, maxLr], momenta: [maxMomentum, baseMomentum] }
  const down = (end: number, to: number): Phase => ({ end, rates: [maxLr, to], momenta: [baseMomentum, maxMomentum] })
  const out: Phase = { end: last, rates: [initial, final], momenta: [maxMomentum, maxMomentum] }
  const phases = threePhase ? [up, down(2 * peak, initial), out] : [up, down(last, final)]
  const between = annealStrategy === 'cos' ? annealed : ([a, b]: Span, part: number) => a + (b - a) * part
  const at = (t: number, spanOf: (phase: Phase) => Span): number => {
    const now = Math.min(t, last)
    const i = phases.findIndex(({ end }) => now <= end)
    const [from, to] = [phases[i - 1]?.end ?? 0, phases[i]!.end]
    return between(spanOf(phases[i]!), to > from ? (now - from) / (to - from) : 1)
  }
  const rate = (t: number): number => at(t, ({ rates }) => rates)
  const momentum = (t: number): number => at(t, ({ momenta }) => momenta)
  return schedule('oneCycleLR', ONE_CYCLE_LR, values, rate, cycleMomentum ? momentum : undefined)
}

export const CYCLIC_LR = {
  baseLr: { kind: 'number', base: true },
  maxLr: { kind: 'number' },
  stepSizeUp: { kind: 'length', default: 2000 },
  stepSizeDown: { kind: 'length', sameAs: 'stepSizeUp' },
  mode: { kind: 'choice', of: ['triangular', 'triangular2', 'expRange'], default: 'triangular' },
  gamma: { kind: 'fraction', default: 1 },
  cycleMomentum: { kind: 'flag', default: true },
  // `between` as in ONE_CYCLE_LR.
  baseMomentum: { kind: 'between', default: 0.8 },
  maxMomentum: { kind: 'between', default: 0.9 },
} as const satisfies Args
/**
 * Options of {@link cyclicLR}.
 * @interface
 */
export type CyclicLROptions = Options<typeof CYCLIC_LR>

/**
 * Cyclical rates, Smith 2017: η_base + (η_max − η_base) h(t) g, where h rises from 0 to 1 over stepSizeUp steps and falls
 * back over stepSizeDown. PyTorch: CyclicLR, without its scale_fn. g is 1 with mode triangular, 2^−c in cycle c = 0, 1 …
 * with triangular2, γ^t with expRange (PyTorch's exp_range).
 *
 * The momentum moves the other way: maxMomentum − (maxMomentum − baseMomentum) h(t) g; `cycleMomentum: false` does not
 * change it. RangeError unless η_base ≤ η_max and baseMomentum ≤ maxMomentum.
 */
export function cyclicLR(options: CyclicLROptions): Schedule {
  const values = readOptions('cyclicLR', CYCLIC_LR, options)
  const { baseLr, maxLr, stepSizeUp, stepSizeDown, mode, gamma, cycleMomentum, baseMomentum, maxMomentum } = values
  if (maxLr < baseLr) throw new RangeError(`cyclicLR: maxLr must be at least baseLr = ${baseLr}, got ${maxLr}`)
  checkMomentum('cyclicLR', values)
  const total = stepSizeUp + stepSizeDown
  const height = (t: number): number => {
    const since = t % total
    const triangle = since <= stepSizeUp ? since / stepSizeUp : (total - since) / stepSizeDown
    if (mode === 'triangular') return triangle
    return triangle * (mode === 'triangular2' ? 0.5 ** Math.floor(t / total) : gamma ** t)
  }
  const rate = (t: number): number => baseLr + (maxLr - baseLr) * height(t)
  const momentum = (t: number): number => maxMomentum - (maxMomentum - baseMomentum) * height(t)
  return schedule('cyclicLR', CYCLIC_LR, values, rate, cycleMomentum ? momentum : undefined)
}

/** Throws a RangeError if the first exceeds the second. */
function checkMomentum(owner: string, { baseMomentum, maxMomentum }: { baseMomentum: number; maxMomentum: number }) {
  if (baseMomentum <= maxMomentum) return
  throw new RangeError(`${owner}: baseMomentum must be at most maxMomentum = ${maxMomentum}, got ${baseMomentum}`)
}
