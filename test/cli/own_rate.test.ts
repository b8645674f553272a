// A rate or a momentum on the command line that the schedule would override is refused, and one that counts is not.
import { expect, it } from 'vitest'
import { checkOwnRate } from '../../src/cli/options.ts'

const check = (schedule: string, lr: number, more: { momentum?: number; lrTiming?: string; given?: string[] } = {}) => {
  const { momentum = 0, lrTiming = 'before-epoch', given = ['lr'] } = more
  return () => checkOwnRate({ schedule, lr, momentum, lrTiming }, (name) => given.includes(name))
}

it.each<[string, number]>([
  ['constant(0.2)', 0.1],
  ['cosine(20, baseLr=0.3)', 1],
  ['cosine(20, baseLr=0.3)', 1e30],
  ['oneCycleLR(0.5, 30)', 0.5],
  ['warmup(cosine(20, baseLr=0.3), steps=5)', 0.1],
  ['sequence([constant(0.1), constant(0.2)], milestones=[5])', 0.3],
  ['scale(constant(0.25), 2)', 0.5],
])('%s beside --lr %d is refused, unless nobody gave it', (schedule, lr) => {
  expect(check(schedule, lr)).toThrow(
    /^option '--lr': the schedule .* has its own rates, and .* would count for nothing/,
  )
  check(schedule, lr, { given: [] })()
  check(schedule, lr, { lrTiming: 'after-epoch' })()
})

it.each<[string, number]>([
  ['constant', 0.1],
  ['cosine(20)', 1],
  ['cosine(20)', 1e30],
  ['exponentialLR(0.9)', 2],
  ['cosine(20, baseLr=0.3)', 0.3], // the same number
  ['multiStep(lr=0.5, milestones=[15, 30], gamma=0.5)', 0.5],
  ['sequence([constant(0.1), cosine(10)], milestones=[5])', 0.3], // the second takes it
])('%s beside --lr %d is not', (schedule, lr) => {
  check(schedule, lr)()
})

it('so is a momentum', () => {
  const given = ['momentum']
  const refused = check('cyclicLR(0.1, 0.5)', 0.1, { momentum: 0.9, given })
  expect(refused).toThrow(/^option '--momentum': the schedule cyclicLR.* has its own, and 0\.9 would count for nothing/)
  check('cyclicLR(0.1, 0.5, cycleMomentum=false)', 0.1, { momentum: 0.9, given })()
  check('cosine(20)', 0.1, { momentum: 0.9, given })()
  check('cyclicLR(0.1, 0.5)', 0.1, { momentum: 0, given })()
})
