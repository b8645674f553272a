// One direction of a recurrent layer over a whole sequence: two dispatches a step beside the products.
import { looksAcross } from '../capture/current.ts'
import { KernelFile } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import { apply, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { noGrad } from '../tensor/modes.ts'
import { type Shape, ShapeError, sameShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { add } from './binary.ts'
import { copyOf } from './copy.ts'
import { full } from './fill.ts'
import * as wgsl from './generated/wgsl.ts'
import { linear, linearGradients } from './linear.ts'
import { groupsForElements, requireType } from './support.ts'

const file = new KernelFile('rnn_gates', wgsl.rnn_gates)

/** Of each kind: its number in the shader, gates and states a hidden unit, and numbers that backward is left. */
const KINDS = {
  tanh: { KIND: 0, gates: 1, states: 1, kept: 0 },
  relu: { KIND: 1, gates: 1, states: 1, kept: 0 },
  lstm: { KIND: 2, gates: 4, states: 2, kept: 5 },
  gru: { KIND: 3, gates: 3, states: 1, kept: 5 },
} as const

/** What a recurrent layer computes in a step: RNN's two nonlinearities, LSTM or GRU. */
export type RecurrenceKind = keyof typeof KINDS

/** A recurrence's own options. */
export interface Recurrence {
  readonly kind: RecurrenceKind
  /** The dimension of the steps, 0 or 1; the other of the two is the batch. */
  readonly time: 0 | 1
  /** Whether the last step comes first. */
  readonly backwards: boolean
}

type Inputs = readonly [ofInput: Tensor, weight: Tensor, bias: Tensor | null, h: Tensor, c: Tensor | null]

/** The rows of a step of a sequence, in the order in which the recurrence comes to them. */
function rowsOf(shape: Shape, { time, backwards }: Recurrence): { row: number; stride: number }[] {
  const [steps, batch] = [shape[time]!, shape[1 - time]!]
  const rows = Array.from({ length: steps }, (_, t) =>
    time === 0 ? { row: t * batch, stride: 1 } : { row: t, stride: steps },
  )
  return backwards ? rows.reverse() : rows
}

const recurrenceOp: Op<Inputs, Recurrence> = {
  name: 'recurrence',

  shape([ofInput, weight, bias, h, c], { kind, time }) {
    const { gates, states } = KINDS[kind]
    const H = h.shape.at(-1)!
    const tensors = Object.entries({ ofInput, weight, bias, h, c }).flatMap(([role, t]) =>
      t ? [[role, t] as const] : [],
    )
    for (const [role, t] of tensors) requireType('recurrence', role, t)
    const wanted = {
      ofInput: [...ofInput.shape.slice(0, 2), gates * H],
      weight: [gates * H, H],
      bias: [gates * H],
      h: [ofInput.shape[1 - time]!, H],
      c: [ofInput.shape[1 - time]!, H],
    }
    for (const [role, { shape }] of tensors) {
      if (sameShape(shape, wanted[role as keyof typeof wanted])) continue
      const lines = tensors.map(([name, t]) => [name, t.shape] as const)
      throw new ShapeError('recurrence', `${role} does not fit ${kind} with ${H} hidden units`, lines)
    }
    return [...ofInput.shape.slice(0, 2), states * H]
  },

  forward(gpu, [ofInput, weight, bias, h0, c0], attributes, shape) {
    const { KIND, kept: numbers } = KINDS[attributes.kind]
    const [N, H] = h0.shape as [number, number]
    const rows = shape.slice(0, 2)
    const out = empty(gpu, shape, 'float32', 'recurrence')
    const before = empty(gpu, [...rows, H], 'float32', 'recurrence')
    const kept = numbers === 0 ? null : empty(gpu, [...rows, numbers * H], 'float32', 'recurrence')
    const [h, c] = [copyOf(h0), c0 && copyOf(c0)]
    const results = { out: out.storage, before: before.storage, kept: kept?.storage ?? null }
    for (const place of rowsOf(shape, attributes)) {
      const ofState = noGrad(() => linear(h, weight, bias))
      const states = { h: h.storage, c: c?.storage ?? null }
      const sums = { of_input: ofInput.storage, of_state: ofState.storage }
      const bindings = { params: { N, H, ...place }, ...sums, ...states, ...results }
      gpu.emit(file.entry('forward', { KIND }), bindings, groupsForElements(N * H))
      ofState.dispose()
    }
    h.dispose()
    c?.dispose()
    return { out, saved: [weight, before, kept ?? out] }
  },

  backward(gpu, dy, [weight, before, held], attributes, needs, grad) {
    const { KIND, gates } = KINDS[attributes.kind]
    const H = before!.shape[2]!
    const N = before!.shape[1 - attributes.time]!
    const rows = before!.shape.slice(0, 2)
    const [ofInput, ofWeight, ofBias, ofH, ofC] = needs
    const dInput = ofInput ? grad(0) : empty(gpu, [...rows, gates * H], 'float32', 'recurrence')
    // Elsewhere the two sums are added first: their gradient is one.
    const dState = attributes.kind === 'gru' ? empty(gpu, dInput.shape, 'float32', 'recurrence') : dInput
    const carry = full(gpu, [N, H], 0)
    const dStep = empty(gpu, [N, gates * H], 'float32', 'recurrence')
    let dh = full(gpu, [N, H], 0)
    const places = rowsOf(before!.shape, attributes)
    for (let t = places.length - 1; t >= 0; t--) {
      const gradients: Record<string, Storage | null> = {
        ...{ held: held!.storage, dy: dy.storage, dh: dh.storage, carry: carry.storage },
        ...{ d_input: dInput.storage, d_step: dStep.storage, d_state: dState === dInput ? null : dState.storage },
      }
      const bindings = { params: { N, H, ...places[t]! }, ...gradients }
      gpu.emit(file.entry('backward', { KIND }), bindings, groupsForElements(N * H))
      if (t === 0 && !ofH) break
      const operands = { dy: dStep, input: dh, weight: weight!, y: null, masksInput: false }
      const make = () => empty(gpu, [N, H], 'float32', 'recurrence')
      const [before] = linearGradients(gpu, operands, [true, false, false], make)
      dh.dispose()
      dh = before!
    }
    const operands = { dy: dState, input: before!, weight: weight!, y: null, masksInput: false }
    const [, dw, db] = linearGradients(gpu, operands, [false, ofWeight!, ofBias!], (i) => grad(i))
    const dh0 = !ofH ? null : attributes.kind === 'gru' ? add(dh, carry) : dh
    return [ofInput ? dInput : null, dw, db, dh0, ofC ? carry : null]
  },
}

/**
 * The states of a recurrent layer after every step of a sequence, from the states h and, of an LSTM, c [N, H] before it. ofInput
 * is what its gates get from the input, W_ih x + b_ih, [L, N, gates · H] or with time 1 [N, L, gates · H]; weight [gates · H, H]
 * and bias are W_hh and b_hh. Returns [L, N, H] or [N, L, H], in the order of the sequence; of an LSTM [.., 2 H], every h followed
 * by its c. As the composition of `nn.LSTMCell` and its like over the steps; the gradient of the weight is one product.
 */
export function recurrence(
  ofInput: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  states: readonly Tensor[],
  options: Recurrence,
): Tensor {
  if (options.time === 0) looksAcross('recurrence', ofInput)
  return apply(recurrenceOp, [ofInput, weight, bias, states[0]!, states[1] ?? null], options)
}
