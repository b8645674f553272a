// The reference of recurrences by hand.
import { describe, expect, it } from 'vitest'
import { ref } from '../../support/ref.ts'
import { backward, forward } from './reference.ts'

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
const plain = { time: 0, backwards: false } as const
const one = (...values: number[]) => ref([values.length, 1], values)

describe('forward', () => {
  it('RNN: two steps of one unit', () => {
    const out = forward([ref([2, 1, 1], [0.5, -1]), one(2), ref([1], [0.1]), one(0.3), null], {
      kind: 'tanh',
      ...plain,
    })
    const first = Math.tanh(0.5 + 2 * 0.3 + 0.1)
    expect([...out.data]).toEqual([first, Math.tanh(-1 + 2 * first + 0.1)].map((v) => expect.closeTo(v, 12)))
  })

  it('backwards: the last step comes first', () => {
    const inputs = [ref([2, 1, 1], [0.5, -1]), one(2), null, one(0.3), null]
    const out = forward(inputs, { kind: 'relu', time: 0, backwards: true })
    expect([...out.data]).toEqual([0.5, 0])
  })

  it('LSTM: i, f, g, o in this order, h before c', () => {
    const inputs = [ref([1, 1, 4], [1, 2, 3, 4]), one(0, 0, 0, 0), null, one(9), one(0.5)]
    const out = forward(inputs, { kind: 'lstm', ...plain })
    const c = sigmoid(2) * 0.5 + sigmoid(1) * Math.tanh(3)
    expect([...out.data]).toEqual([sigmoid(4) * Math.tanh(c), c].map((v) => expect.closeTo(v, 12)))
  })

  it('GRU: r, z, n in this order, r on the state alone', () => {
    const inputs = [ref([1, 1, 3], [1, 2, 3]), one(0, 0, 0), ref([3], [0, 0, 0.7]), one(0.5), null]
    const out = forward(inputs, { kind: 'gru', ...plain })
    const n = Math.tanh(3 + sigmoid(1) * 0.7)
    expect(out.data[0]).toBeCloseTo((1 - sigmoid(2)) * n + sigmoid(2) * 0.5, 12)
  })

  it('has narrow bounds', () => {
    const out = forward([ref([1, 1, 4], [1, 2, 3, 4]), one(1, 1, 1, 1), null, one(1), one(1)], {
      kind: 'lstm',
      ...plain,
    })
    for (const bound of out.bound) {
      expect(bound).toBeGreaterThan(2 ** -24)
      expect(bound).toBeLessThan(3e-5)
    }
  })
})

describe('backward', () => {
  it('adds over the steps for the weight and the bias', () => {
    const inputs = [ref([2, 1, 1], [1, 2]), one(3), ref([1], [0]), one(1), null]
    // h is 4, then 14; of their sum h₂ has the slope 1 and h₁ the slope 1 + 3.
    const [x, weight, bias, h] = backward(ref([2, 1, 1], [1, 1]), inputs, { kind: 'relu', ...plain })
    expect([...x!.data, weight!.data[0], bias!.data[0], h!.data[0]]).toEqual([4, 1, 4 * 1 + 1 * 4, 5, 12])
  })
})
