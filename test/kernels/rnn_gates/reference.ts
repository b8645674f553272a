// A recurrence over a sequence in float64, forward and through time, with the error that float32 may make.
import type { Recurrence } from '../../../src/kernels/rnn_gates.ts'
import { gamma } from '../../support/close.ts'
import { type Ref, type Result, ref } from '../../support/ref.ts'
import { type Approx, exactly, minus, plus, times, ZERO } from '../../support/running_error.ts'
import { formulas } from '../unary/reference.ts'

const ONE = exactly(1)

/** Gates and states a hidden unit. */
export const SIZES = {
  tanh: { gates: 1, states: 1 },
  relu: { gates: 1, states: 1 },
  lstm: { gates: 4, states: 2 },
  gru: { gates: 3, states: 1 },
} as const

/**
 * A function whose slope is at most `slope`, of a number that is off: its own roundings are in proportion to its value, and
 * differ by less than a factor of 2 between the number and where float32 is.
 */
function smooth(own: (x: number) => Approx, slope: number): (x: Approx) => Approx {
  return ({ value, error }) => {
    const result = own(value)
    return Number.isFinite(value) ? { value: result.value, error: slope * error + 2 * result.error } : result
  }
}

const sigmoid = smooth(formulas.sigmoid.value, 1 / 4)
const tanh = smooth(formulas.tanh.value, 1)

/** A sum of products in whatever order. */
function sumOf(terms: readonly Approx[]): Approx {
  const size = terms.reduce((sum, { value, error }) => sum + Math.abs(value) + error, 0)
  const error = terms.reduce((sum, term) => sum + term.error, gamma(terms.length) * size)
  return { value: terms.reduce((sum, { value }) => sum + value, 0), error }
}

/** What a step leaves for backward. */
interface Step {
  readonly row: number
  readonly h: readonly Approx[]
  readonly c: readonly Approx[]
  /** Gate after gate of every unit: before their functions, and after. */
  readonly sums: readonly Approx[][]
  readonly gates: readonly Approx[][]
  /** The state's sum of the GRU's last gate. */
  readonly inner: readonly Approx[]
}

type Inputs = readonly (Ref | null)[]

function sizesOf([ofInput, , , h]: Inputs, { time }: Recurrence) {
  return { L: ofInput!.shape[time]!, N: ofInput!.shape[1 - time]!, H: h!.shape[1]! }
}

/** Rows of a batch entry in the order in which the recurrence comes to them. */
function rowsOf(inputs: Inputs, layout: Recurrence, n: number): number[] {
  const { L, N } = sizesOf(inputs, layout)
  const rows = Array.from({ length: L }, (_, t) => (layout.time === 0 ? t * N + n : n * L + t))
  return layout.backwards ? rows.reverse() : rows
}

/** One batch entry: its steps and the states after each. */
function runEntry(inputs: Inputs, layout: Recurrence, n: number): { steps: Step[]; after: Approx[][] } {
  const [ofInput, weight, bias, h0, c0] = inputs
  const { H } = sizesOf(inputs, layout)
  const { gates: G } = SIZES[layout.kind]
  let h = Array.from({ length: H }, (_, k) => exactly(h0!.data[n * H + k]!))
  let c = Array.from({ length: H }, (_, k) => exactly(c0?.data[n * H + k] ?? 0))
  const steps: Step[] = []
  const after: Approx[][] = []
  for (const row of rowsOf(inputs, layout, n)) {
    const ofState = Array.from({ length: G * H }, (_, g) => {
      const terms = h.map((value, k) => times(value, exactly(weight!.data[g * H + k]!)))
      return sumOf(bias ? [...terms, exactly(bias.data[g]!)] : terms)
    })
    const input = (g: number) => exactly(ofInput!.data[row * G * H + g]!)
    const units = Array.from({ length: H }, (_, k) => {
      const sum = (gate: number) => plus(input(gate * H + k), ofState[gate * H + k]!)
      if (layout.kind === 'lstm') {
        const sums = [0, 1, 2, 3].map(sum)
        const gates = sums.map((s, i) => (i === 2 ? tanh(s) : sigmoid(s)))
        const [a, f, g, o] = gates as [Approx, Approx, Approx, Approx]
        const cell = plus(times(f, c[k]!), times(a, g))
        return { sums, gates, inner: ZERO, h: times(o, tanh(cell)), c: cell }
      }
      if (layout.kind === 'gru') {
        const [r, z] = [sigmoid(sum(0)), sigmoid(sum(1))]
        const inner = ofState[2 * H + k]!
        const last = plus(input(2 * H + k), times(r, inner))
        const m = tanh(last)
        return { sums: [sum(0), sum(1), last], gates: [r, z, m], inner, h: plus(m, times(z, minus(h[k]!, m))), c: ZERO }
      }
      const s = sum(0)
      const isPast = s.value <= 0
      const value =
        layout.kind === 'tanh' ? tanh(s) : { value: isPast ? 0 : s.value, error: s.value === -Infinity ? 0 : s.error }
      return { sums: [s], gates: [value], inner: ZERO, h: value, c: ZERO }
    })
    steps.push({
      row,
      h,
      c,
      sums: units.map((u) => u.sums),
      gates: units.map((u) => u.gates),
      inner: units.map((u) => u.inner),
    })
    h = units.map((u) => u.h)
    c = units.map((u) => u.c)
    after.push(layout.kind === 'lstm' ? [...h, ...c] : h)
  }
  return { steps, after }
}

function resultOf(shape: readonly number[], approx: readonly Approx[]): Result {
  const value = ref(
    shape,
    approx.map((a) => a.value),
  )
  const bound = Float64Array.from(approx, (a) => a.error)
  return { ...value, magnitude: value.data.map(Math.abs), roundings: 0, bound }
}

const batch = (inputs: Inputs, layout: Recurrence) => Array.from({ length: sizesOf(inputs, layout).N }, (_, n) => n)

export function forward(inputs: Inputs, layout: Recurrence): Result {
  const { H } = sizesOf(inputs, layout)
  const width = SIZES[layout.kind].states * H
  const shape = [...inputs[0]!.shape.slice(0, 2), width]
  const out = new Array<Approx>(shape[0]! * shape[1]! * width)
  for (const n of batch(inputs, layout)) {
    const { steps, after } = runEntry(inputs, layout, n)
    for (const [t, { row }] of steps.entries()) {
      for (const [k, value] of after[t]!.entries()) out[row * width + k] = value
    }
  }
  return resultOf(shape, out)
}

/** Gradients of ofInput, weight, bias, h and c. */
export function backward(dy: Ref, inputs: Inputs, layout: Recurrence): (Result | null)[] {
  const [ofInput, weight, , h0, c0] = inputs
  const { H } = sizesOf(inputs, layout)
  const { gates: G, states } = SIZES[layout.kind]
  const dInput = new Array<Approx>(ofInput!.data.length)
  const ofWeight: Approx[][] = Array.from({ length: weight!.data.length }, () => [])
  const ofBias: Approx[][] = Array.from({ length: G * H }, () => [])
  const [dh0, dc0]: [Approx[], Approx[]] = [[], []]
  for (const n of batch(inputs, layout)) {
    const { steps } = runEntry(inputs, layout, n)
    let dh = new Array<Approx>(H).fill(ZERO)
    let carry = new Array<Approx>(H).fill(ZERO)
    for (const { row, h, c, sums, gates, inner } of steps.toReversed()) {
      const dState = new Array<Approx>(G * H)
      const next = new Array<Approx>(H)
      const give = (gate: number, k: number, ofInput: Approx, ofState = ofInput) => {
        dInput[(row * G + gate) * H + k] = ofInput
        dState[gate * H + k] = ofState
      }
      for (let k = 0; k < H; k++) {
        const given = (state: number) => exactly(dy.data[(row * states + state) * H + k]!)
        const slope = (gate: Approx) => times(gate, minus(ONE, gate))
        if (layout.kind === 'lstm') {
          const [a, f, g, o] = gates[k] as [Approx, Approx, Approx, Approx]
          const t = tanh(plus(times(f, c[k]!), times(a, g)))
          const d = plus(given(0), dh[k]!)
          const through = times(times(d, o), minus(ONE, times(t, t)))
          const dc = plus(plus(given(1), carry[k]!), through)
          next[k] = times(dc, f)
          give(0, k, times(times(dc, g), slope(a)))
          give(1, k, times(times(dc, c[k]!), slope(f)))
          give(2, k, times(times(dc, a), minus(ONE, times(g, g))))
          give(3, k, times(times(d, t), slope(o)))
        } else if (layout.kind === 'gru') {
          const [r, z, m] = gates[k] as [Approx, Approx, Approx]
          const d = plus(plus(given(0), dh[k]!), carry[k]!)
          next[k] = times(d, z)
          const dm = times(times(d, minus(ONE, z)), minus(ONE, times(m, m)))
          give(0, k, times(times(dm, inner[k]!), slope(r)))
          give(1, k, times(times(d, minus(h[k]!, m)), slope(z)))
          give(2, k, dm, times(dm, r))
        } else {
          const [value, sum] = [gates[k]![0]!, sums[k]![0]!]
          const d = plus(given(0), dh[k]!)
          next[k] = ZERO
          if (layout.kind === 'tanh') give(0, k, times(d, minus(ONE, times(value, value))))
          else {
            // Where the sum is nearer to 0 than float32 can tell, the gradient may be that of the other side.
            const isUnsure = Math.abs(sum.value) <= sum.error
            const error = isUnsure ? Math.abs(d.value) + d.error : value.value <= 0 ? 0 : d.error
            give(0, k, { value: value.value <= 0 ? 0 : d.value, error })
          }
        }
      }
      for (let g = 0; g < G * H; g++) {
        ofBias[g]!.push(dState[g]!)
        for (let k = 0; k < H; k++) ofWeight[g * H + k]!.push(times(dState[g]!, h[k]!))
      }
      dh = Array.from({ length: H }, (_, k) => sumOf(dState.map((d, g) => times(d, exactly(weight!.data[g * H + k]!)))))
      carry = next
    }
    for (let k = 0; k < H; k++) dh0[n * H + k] = layout.kind === 'gru' ? plus(dh[k]!, carry[k]!) : dh[k]!
    for (let k = 0; k < H; k++) dc0[n * H + k] = carry[k]!
  }
  return [
    resultOf(ofInput!.shape, dInput),
    resultOf(weight!.shape, ofWeight.map(sumOf)),
    resultOf([G * H], ofBias.map(sumOf)),
    resultOf(h0!.shape, dh0),
    c0 ? resultOf(c0.shape, dc0) : null,
  ]
}
