import { InvalidArgumentError } from 'commander'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { describePoint, nameOf, parseAxis, pointsOf } from '../../src/node/sweep_grid.ts'

const number = (text: string) => {
  if (!/^[\d.e-]+$/.test(text)) throw new InvalidArgumentError('It must be a number.')
  return Number(text)
}
const OPTIONS = [
  { name: 'lr', parse: number },
  { name: 'schedule', parse: (text: string) => text },
]
const parse = (text: string) => parseAxis(text, OPTIONS)
const RIGHT = 'it is NAME=VALUE,VALUE,… or NAME=VALUE|VALUE|… with one of the names lr, schedule'

describe('parseAxis', () => {
  it.each([
    ['lr=0.05,0.1,3e-1', 'lr', [0.05, 0.1, 0.3]],
    [' lr = 1 | 2 ', 'lr', [1, 2]],
    ['lr=1', 'lr', [1]],
    ['schedule=cosine(maxUpdate=5)|constant', 'schedule', ['cosine(maxUpdate=5)', 'constant']],
    ['schedule=cosine(5, 0.1),constant', 'schedule', ['cosine(5, 0.1)', 'constant']],
    [
      'schedule=multiStep([1, 2], gamma=0.5), sequence([constant(1), cosine(2, 1)], [3])',
      'schedule',
      ['multiStep([1, 2], gamma=0.5)', 'sequence([constant(1), cosine(2, 1)], [3])'],
    ],
    // With a bar, commas outside of brackets belong to the value.
    ['schedule=factor=0.5, patience=3|factor=0.1', 'schedule', ['factor=0.5, patience=3', 'factor=0.1']],
  ])('%j', (text, name, values) => {
    expect(parse(text)).toEqual({ name, values })
  })

  it.each([
    ['lr', "expected '=' after the name of an option", 2],
    ['=1', 'expected the name of an option', 0],
    ['rate=1', "'rate' can't be varied", 0],
    ['lr=', 'lr: a value is missing', 3],
    ['lr=1,,2', 'lr: a value is missing', 5],
    ['lr=1, fast', "lr: 'fast' is invalid. It must be a number.", 6],
    ['lr=0.1,0.2,0.10', 'lr: 0.1 is given twice', 11],
    ['schedule=cosine(5|constant', "'(' is never closed", 15],
    ['schedule=a(b)), c', "')' was never opened", 13],
    ['schedule=a([b)], c', "'[' is closed by ')'", 13],
  ])('%j: the mark is under the mistake', (text, what, at) => {
    expect(() => parse(text)).toThrow(new SyntaxError(`${what}\n  ${text}\n  ${' '.repeat(at)}^\n${RIGHT}`))
  })

  it('gives back whatever values were joined, by bars', () => {
    const value = fc
      .array(fc.constantFrom('a', ',', '(b, c)', '[1, |2]', '=', '.'), { minLength: 1 })
      .map((p) => p.join(''))
    const values = fc.uniqueArray(value, { minLength: 2 })
    fc.assert(
      fc.property(values, (all) => {
        expect(parse(`schedule=${all.join('|')}`).values).toEqual(all)
      }),
      { seed: 1 },
    )
  })
})

describe('pointsOf', () => {
  it('has every combination, the last axis changing fastest', () => {
    const points = pointsOf([
      { name: 'lr', values: [1, 2] },
      { name: 'seed', values: [0, 1, 2] },
    ])
    expect(points.map(describePoint)).toEqual([
      'lr=1 seed=0',
      'lr=1 seed=1',
      'lr=1 seed=2',
      'lr=2 seed=0',
      'lr=2 seed=1',
      'lr=2 seed=2',
    ])
  })

  it('refuses an option twice, and more points than anyone waits for', () => {
    const lr = { name: 'lr', values: [1] }
    expect(() => pointsOf([lr, lr])).toThrow('lr is varied twice; give all of its values at once')
    const values = Array.from({ length: 101 }, (_, i) => i)
    const two = ['lr', 'seed'].map((name) => ({ name, values }))
    expect(() => pointsOf(two)).toThrow('the grid has 10201 points, but may have at most 10000')
  })
})

describe('nameOf', () => {
  const defaults = { lr: 0.3, seed: 0, limitTrain: null }

  it('depends on what differs from the defaults, and on nothing else', () => {
    const name = nameOf({ lr: 0.1, seed: 0, limitTrain: null }, defaults)
    expect(name).toBe('af8a5ef923c3')
    expect(nameOf({ seed: 0, lr: 0.1 }, defaults)).toBe(name)
    expect(nameOf({ lr: 0.1, seed: 0, limitTrain: undefined, later: 7 }, { ...defaults, later: 7 })).toBe(name)
    expect(nameOf({ seed: 1, lr: 0.1 }, defaults)).toBe(nameOf({ lr: 0.1, seed: 1 }, defaults))
    for (const other of [{ lr: 0.2 }, { lr: 0.1, seed: 1 }, { lr: 0.1, limitTrain: 0 }, { lr: 0.3 }]) {
      expect(nameOf({ ...defaults, ...other }, defaults)).not.toBe(name)
    }
  })
})
