import { expect, it } from 'vitest'
import { rateAt } from '../../src/train/rates.ts'

/** Tells its t. */
const schedule = (t: number) => 100 + t

it.each([
  ['epoch', 'before-epoch', [100, 100, 101, 107]],
  ['step', 'before-epoch', [100, 101, 105, 137]],
  ['epoch', 'after-epoch', [0.5, 0.5, 100, 106]],
  ['step', 'after-epoch', [0.5, 100, 104, 136]],
] as const)('the rate per %s, %s', (per, timing, rates) => {
  const places = [
    [0, 0],
    [0, 1],
    [1, 5],
    [7, 37],
  ] as const
  expect(places.map(([epoch, step]) => rateAt({ schedule, per, timing, lr: 0.5 }, epoch, step))).toEqual(rates)
})
