import { expect, it } from 'vitest'
import { agreement, choices, onPlateau, placeOf, separated, setbacks } from '../../tools/chapter/compare.ts'
import { anchorOf, listed } from '../../tools/chapter/document.ts'
import { POLICIES } from '../../tools/chapter/plan.ts'
import type { OwnRun, Run } from '../../tools/chapter/records.ts'

const runOf = (...losses: readonly number[]): Run => ({
  seed: 0,
  epochs: losses.map((trainLoss) => ({ lr: 0.1, trainLoss, trainAcc: 0, testAcc: 1 - trainLoss })),
})
const accuracies = (...values: readonly number[]) => values.map((value) => runOf(1 - value))
const outcome = (ours: readonly number[], theirs: readonly number[]) => ({
  policy: POLICIES.constant,
  ours: ours.map((loss) => runOf(loss)) as unknown as OwnRun[],
  theirs: theirs.map((loss) => runOf(loss)),
  missing: [],
})

it.each([
  [[0.125, 0.375], [0.27, 0.5], true],
  [[0.125, 0.375], [0.271, 0.5], false],
  [[0.5], [0.25, 0.481], true],
  [[0.5], [0.25, 0.479], false],
])('the mean of %j agrees with %j, widened by 0.02: %s', (ours, theirs, inside) => {
  expect(agreement(outcome(ours, theirs), 'trainLoss')!.inside).toBe(inside)
})

it('the accuracy after the tests may lie 0.01 off, no more', () => {
  expect(agreement(outcome([0.509], [0.5]), 'testAcc')!.inside).toBe(true)
  expect(agreement(outcome([0.511], [0.5]), 'testAcc')!.inside).toBe(false)
})

it('nothing agrees with nothing', () => {
  expect(agreement(outcome([], [0.5]), 'trainLoss')).toBe(null)
  expect(agreement(outcome([0.5], []), 'trainLoss')).toBe(null)
})

it('a figure lies inside an interval, its ends included, or off it by so much', () => {
  expect(placeOf(1, [1, 2])).toEqual({ where: 'inside', by: 0 })
  expect(placeOf(0.5, [1, 2])).toEqual({ where: 'below', by: 0.5 })
  expect(placeOf(2.25, [1, 2])).toEqual({ where: 'above', by: 0.25 })
})

it('counts which policy is best in every draw of one run each', () => {
  // 0.5 is above both of the second policy in one of its two runs; 0.25 above the lesser one alone.
  const policies = [accuracies(0.5, 0.25), accuracies(0.125, 0.375)]
  expect(choices(policies)).toEqual({ count: 4, best: [3, 1], orders: 2 })
  expect(choices([accuracies(0.5), accuracies(0.5)])).toEqual({ count: 1, best: [1, 1], orders: 1 })
  expect(separated(policies)).toEqual([])
  expect(separated([...policies, accuracies(0.75, 0.625)])).toEqual([
    [2, 0],
    [2, 1],
  ])
})

it('tells losses that rise by more than 0.05, one epoch after the other as one', () => {
  expect(setbacks(runOf(2, 1, 1.04, 0.5, 0.75, 1, 0.5, 0.75))).toEqual([
    { epoch: 4, from: 0.5, to: [0.75, 1] },
    { epoch: 7, from: 0.5, to: [0.75] },
  ])
})

it('knows a run that never learnt', () => {
  expect([onPlateau(runOf(Math.LN10)), onPlateau(runOf(2.2))]).toEqual([true, false])
})

it('lists words, and makes anchors as GitHub does', () => {
  expect([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(listed)).toEqual(['', 'a', 'a and b', 'a, b and c'])
  expect(anchorOf('Printed, PyTorch, ours')).toBe('printed-pytorch-ours')
})
