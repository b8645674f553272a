import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as sched from '../../src/sched/index.ts'

const { parse } = sched
const KNOWN =
  'a schedule is name(arg=value, …) with one of the names ' +
  'constant, squareRoot, factor, multiStep, cosine, polynomial, warmup'
const COSINE = 'it is cosine(maxUpdate, baseLr=0.01, finalLr=0, warmupSteps=0, warmupBeginLr=0)'
const MULTI_STEP = 'it is multiStep(lr, milestones, gamma=0.1)'

describe('texts and the schedules they name', () => {
  const cases: [string, string][] = [
    ['constant(0.3)', 'constant(lr=0.3)'],
    ['constant(lr=0.3)', 'constant(lr=0.3)'],
    ['squareRoot', 'squareRoot(lr=0.1)'],
    ['squareRoot()', 'squareRoot(lr=0.1)'],
    ['factor(0.9, 0.01, 2)', 'factor(factor=0.9, stopFactorLr=0.01, baseLr=2)'],
    ['multiStep(milestones=[15, 30], lr=0.5, gamma=0.5)', 'multiStep(lr=0.5, milestones=[15, 30], gamma=0.5)'],
    ['multiStep(.5,[])', 'multiStep(lr=0.5, milestones=[])'],
    ['cosine(20, baseLr=3e-1, finalLr=0.01)', 'cosine(maxUpdate=20, baseLr=0.3, finalLr=0.01)'],
    ['polynomial(maxUpdate=20, power=2)', 'polynomial(maxUpdate=20, baseLr=0.01)'],
    ['warmup(cosine(baseLr=0.3, maxUpdate=15), steps=5)', 'warmup(cosine(maxUpdate=15, baseLr=0.3), steps=5)'],
    ['warmup(schedule=constant(1), beginLr=+0.5, steps=5.)', 'warmup(constant(lr=1), steps=5, beginLr=0.5)'],
    [' warmup (\n warmup( constant( 1 ) , 2 ), 3 ) ', 'warmup(warmup(constant(lr=1), steps=2), steps=3)'],
  ]
  test.each(cases)('%s', (text, spec) => {
    expect(parse(text).spec).toBe(spec)
    expect(parse(spec).spec).toBe(spec)
  })
  test('the constructors give the same text', () => {
    const s = sched.cosine({ maxUpdate: 20, baseLr: 0.3, finalLr: 0.01 })
    expect(s.spec).toBe('cosine(maxUpdate=20, baseLr=0.3, finalLr=0.01)')
    expect(sched.warmup(s, { steps: 5, beginLr: 1e-7 }).spec).toBe(`warmup(${s.spec}, steps=5, beginLr=1e-7)`)
  })
  test('signatures', () => {
    expect(sched.signatures()).toEqual([
      'constant(lr)',
      'squareRoot(lr=0.1)',
      'factor(factor=1, stopFactorLr=1e-7, baseLr=0.1)',
      'multiStep(lr, milestones, gamma=0.1)',
      'cosine(maxUpdate, baseLr=0.01, finalLr=0, warmupSteps=0, warmupBeginLr=0)',
      'polynomial(maxUpdate, baseLr=0.01, finalLr=0, power=2)',
      'warmup(schedule, steps, beginLr=0)',
    ])
  })
})

describe('the base rate', () => {
  const cases: [string, string][] = [
    ['constant', 'constant(lr=0.7)'],
    ['squareRoot', 'squareRoot(lr=0.7)'],
    ['factor(0.9)', 'factor(factor=0.9, baseLr=0.7)'],
    ['multiStep(milestones=[1])', 'multiStep(lr=0.7, milestones=[1])'],
    ['cosine(20)', 'cosine(maxUpdate=20, baseLr=0.7)'],
    ['polynomial(20)', 'polynomial(maxUpdate=20, baseLr=0.7)'],
    ['warmup(cosine(15), 5)', 'warmup(cosine(maxUpdate=15, baseLr=0.7), steps=5)'],
    ['constant(0.3)', 'constant(lr=0.3)'],
    ['cosine(20, baseLr=0.01)', 'cosine(maxUpdate=20, baseLr=0.01)'],
  ]
  test.each(cases)('%s takes the caller’s where it names none', (text, spec) => {
    expect(parse(text, { lr: 0.7 }).spec).toBe(spec)
  })
  test('0 is a rate; a text made by a schedule never takes another', () => {
    expect(parse('squareRoot', { lr: 0 })(0)).toBe(0)
    expect(parse(sched.squareRoot().spec!, { lr: 0.7 })(0)).toBe(0.1)
  })
  test('a wrong one is refused', () => {
    const message = 'parse: lr must be a finite number ≥ 0, got NaN'
    expect(() => parse('constant', { lr: Number.NaN })).toThrow(new RangeError(message))
    const wrong = { rate: 1 } as object
    expect(() => parse('constant', wrong)).toThrow(new TypeError("parse: unknown option 'rate'; it takes lr"))
    const text = 5 as unknown as string
    expect(() => parse(text)).toThrow(new TypeError('parse: a schedule must be a text, got 5'))
  })
})

test('the text of every schedule gives that schedule back, bit for bit, whatever the default rate', () => {
  const rate = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true })
  const steps = fc.nat({ max: 40 })
  const flat = fc.oneof(
    rate.map((lr) => sched.constant(lr)),
    rate.map((lr) => sched.squareRoot({ lr })),
    fc.tuple(rate, rate, rate).map(([factor, stopFactorLr, baseLr]) => sched.factor({ factor, stopFactorLr, baseLr })),
    fc.tuple(rate, fc.array(steps), rate).map(([lr, list, gamma]) => {
      return sched.multiStep({ lr, milestones: list.sort((a, b) => a - b), gamma })
    }),
    fc.tuple(steps, steps, rate, rate, rate).map(([w, more, baseLr, finalLr, warmupBeginLr]) => {
      return sched.cosine({ maxUpdate: w + more + 1, baseLr, finalLr, warmupSteps: w, warmupBeginLr })
    }),
    fc.tuple(steps, rate, rate, rate).map(([t, baseLr, finalLr, power]) => {
      return sched.polynomial({ maxUpdate: t + 1, baseLr, finalLr, power })
    }),
  )
  const any = fc.oneof(
    flat,
    fc.tuple(flat, steps, rate).map(([s, w, beginLr]) => sched.warmup(s, { steps: w, beginLr })),
  )
  fc.assert(
    fc.property(any, (s) => {
      const back = parse(s.spec!, { lr: 0.123 })
      expect(back.spec).toBe(s.spec)
      for (const t of [0, 1, 2, 7, 39, 40, 41, 100]) expect(back(t)).toBe(s(t))
    }),
    { seed: 1, numRuns: 300 },
  )
})

describe('mistakes are pointed at', () => {
  const lr = 'constant: lr must be a finite number ≥ 0'
  const list = 'multiStep: milestones must be a list of integers ≥ 0 in ascending order'
  /** text, column of the mark, what is wrong, what would be right */
  const cases: [string, number, string, string][] = [
    ['', 0, 'expected the name of a schedule, got the end', KNOWN],
    ['__proto__(1)', 0, "unknown schedule '__proto__'", KNOWN],
    ['0.3', 0, "expected the name of a schedule, got '0.3'", KNOWN],
    ['constant(1))', 11, "nothing may follow the schedule, got ')'", KNOWN],
    ['constant', 0, 'constant: lr is required', 'it is constant(lr)'],
    ['cosine(baseLr=0.3)', 0, 'cosine: maxUpdate is required', COSINE],
    ['constant(toString=1)', 9, "constant: unknown argument 'toString'", 'it is constant(lr)'],
    ['constant(lr=1, lr=1)', 15, 'constant: lr is given twice', 'it is constant(lr)'],
    ['constant(1,)', 11, 'constant: too many arguments', 'it is constant(lr)'],
    ['cosine(20', 9, "cosine: expected ',' or ')', got the end", COSINE],
    ['constant(lr=-1)', 12, `${lr}, got -1`, 'it is constant(lr)'],
    ['constant(1e999)', 9, `${lr}, got Infinity`, 'it is constant(lr)'],
    ['constant(NaN)', 9, `${lr}, got 'NaN'`, 'it is constant(lr)'],
    ['constant(5abc)', 9, `${lr}, got '5abc'`, 'it is constant(lr)'],
    ['constant(1.2.3)', 9, `${lr}, got '1.2.3'`, 'it is constant(lr)'],
    ['constant($&)', 9, `${lr}, got '$&'`, 'it is constant(lr)'],
    ['constant(', 9, `${lr}, got the end`, 'it is constant(lr)'],
    ['constant(lr=constant(1))', 12, `${lr}, got 'constant'`, 'it is constant(lr)'],
    ['multiStep(1, [30, 15])', 13, `${list}, got [30, 15]`, MULTI_STEP],
    ['multiStep(1, [30, a])', 13, `${list}, got '[30, a]'`, MULTI_STEP],
    ['multiStep(1, [30', 13, `${list}, got '[30'`, MULTI_STEP],
    ['multiStep(1, 5)', 13, `${list}, got '5'`, MULTI_STEP],
  ]
  test.each(cases)('%s', (text, column, what, right) => {
    const message = `${what}\n  ${text}\n  ${' '.repeat(column)}^\n${right}`
    expect(() => parse(text)).toThrow(new SyntaxError(message))
  })
  test('the mark keeps its place in a text of several lines', () => {
    const message = `unknown schedule 'cosin'\n  warmup(  cosin(20), 5)\n           ^\n${KNOWN}`
    expect(() => parse('warmup(\n\tcosin(20), 5)')).toThrow(new SyntaxError(message))
  })
  test('nesting has a limit, far below that of the stack', () => {
    const nested = (depth: number): string => `${'warmup('.repeat(depth - 1)}constant(1)${', 1)'.repeat(depth - 1)}`
    expect(parse(nested(32))(40)).toBe(1)
    const text = nested(20_000)
    const message = `schedules are nested more than 32 deep\n  ${text}\n  ${' '.repeat(32 * 7)}^\n${KNOWN}`
    expect(() => parse(text)).toThrow(new SyntaxError(message))
  })
  test('any text at all gives a schedule or a SyntaxError', () => {
    const words = [
      'warmup',
      'cosine',
      'multiStep',
      'constant',
      'lr',
      'steps',
      '(',
      ')',
      '[',
      ']',
      ',',
      '=',
      '5',
      '.3',
      ' ',
    ]
    const text = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom(...words)).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(text, (s) => {
        try {
          expect(typeof parse(s)(0)).toBe('number')
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError)
        }
      }),
      { seed: 1, numRuns: 2000 },
    )
  })
})
