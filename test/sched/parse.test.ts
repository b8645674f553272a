import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as sched from '../../src/sched/index.ts'

const { parse } = sched
const KNOWN =
  'a schedule is name(arg=value, …) with one of the names ' +
  'constant, squareRoot, factor, multiStep, cosine, polynomial, stepLR, multiStepLR, constantLR, linearLR, ' +
  'exponentialLR, polynomialLR, cosineAnnealingLR, cosineAnnealingWarmRestarts, inverseSqrt, oneCycleLR, cyclicLR, ' +
  'warmup, sequence, chain, scale'
const ONE_CYCLE =
  'it is oneCycleLR(maxLr, totalSteps, pctStart=0.3, annealStrategy=cos, cycleMomentum=true, baseMomentum=0.85, ' +
  'maxMomentum=0.95, divFactor=25, finalDivFactor=10000, threePhase=false)'
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
    ['stepLR(7, gamma=0.5, lr=0.3)', 'stepLR(stepSize=7, gamma=0.5, lr=0.3)'],
    ['oneCycleLR(0.5, 60, threePhase=true)', 'oneCycleLR(maxLr=0.5, totalSteps=60, threePhase=true)'],
    [
      'oneCycleLR(1, 9, cycleMomentum = false, annealStrategy=linear, threePhase=false)',
      'oneCycleLR(maxLr=1, totalSteps=9, annealStrategy=linear, cycleMomentum=false)',
    ],
    ['cyclicLR(0, 1, 5, 5, triangular2)', 'cyclicLR(baseLr=0, maxLr=1, stepSizeUp=5, mode=triangular2)'],
    ['cyclicLR(0, 1, stepSizeDown=2000)', 'cyclicLR(baseLr=0, maxLr=1)'],
    ['cyclicLR(0, 1, stepSizeDown=7)', 'cyclicLR(baseLr=0, maxLr=1, stepSizeDown=7)'],
    [
      'sequence([ constant(1) ,squareRoot], milestones=[5])',
      'sequence([constant(lr=1), squareRoot(lr=0.1)], milestones=[5])',
    ],
    ['chain([constant(1), stepLR(2)])', 'chain([constant(lr=1), stepLR(stepSize=2, lr=1)])'],
    ['scale(chain([factor(0.9)]), 2)', 'scale(chain([factor(factor=0.9, baseLr=0.1)]), factor=2)'],
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
      'stepLR(stepSize, gamma=0.1, lr)',
      'multiStepLR(milestones, gamma=0.1, lr)',
      'constantLR(factor=0.3333333333333333, totalIters=5, lr)',
      'linearLR(startFactor=0.3333333333333333, endFactor=1, totalIters=5, lr)',
      'exponentialLR(gamma, lr)',
      'polynomialLR(totalIters=5, power=1, lr)',
      'cosineAnnealingLR(tMax, etaMin=0, lr)',
      'cosineAnnealingWarmRestarts(t0, tMult=1, etaMin=0, lr)',
      'inverseSqrt(warmupSteps, lr)',
      ONE_CYCLE.slice(6),
      'cyclicLR(baseLr, maxLr, stepSizeUp=2000, stepSizeDown=stepSizeUp, mode=triangular, gamma=1, ' +
        'cycleMomentum=true, baseMomentum=0.8, maxMomentum=0.9)',
      'warmup(schedule, steps, beginLr=0)',
      'sequence(schedules, milestones)',
      'chain(schedules)',
      'scale(schedule, factor)',
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
    ['inverseSqrt(9)', 'inverseSqrt(warmupSteps=9, lr=0.7)'],
    ['oneCycleLR(totalSteps=9)', 'oneCycleLR(maxLr=0.7, totalSteps=9)'],
    ['cyclicLR(maxLr=1)', 'cyclicLR(baseLr=0.7, maxLr=1)'],
    ['sequence([constant, squareRoot], [5])', 'sequence([constant(lr=0.7), squareRoot(lr=0.7)], milestones=[5])'],
    [
      'chain([constant, exponentialLR(0.9), constant(2)])',
      'chain([constant(lr=0.7), exponentialLR(gamma=0.9, lr=1), constant(lr=2)])',
    ],
    ['scale(constant, 2)', 'scale(constant(lr=0.7), factor=2)'],
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
    expect(() => parse(text)).toThrow(new TypeError('parse: a schedule must be a string, got 5'))
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
  const length = fc.integer({ min: 1, max: 30 })
  const part = fc.double({ min: 0.01, max: 1, noNaN: true })
  const share = fc.double({ min: 0.01, max: 0.99, noNaN: true })
  const order = (a: number, b: number): [number, number] => [Math.min(a, b), Math.max(a, b)]
  const torch = fc.oneof(
    fc.record({ lr: rate, stepSize: length, gamma: rate }).map(sched.stepLR),
    fc.record({ lr: rate, factor: part, totalIters: steps }).map(sched.constantLR),
    fc.record({ lr: rate, startFactor: part, endFactor: part, totalIters: length }).map(sched.linearLR),
    fc.record({ lr: rate, gamma: rate }).map(sched.exponentialLR),
    fc.record({ lr: rate, totalIters: length, power: rate }).map(sched.polynomialLR),
    fc.record({ lr: rate, tMax: length, etaMin: rate }).map(sched.cosineAnnealingLR),
    fc.record({ lr: rate, t0: length, tMult: length, etaMin: rate }).map(sched.cosineAnnealingWarmRestarts),
    fc.record({ lr: rate, warmupSteps: length }).map(sched.inverseSqrt),
    fc
      .tuple(rate, length, part, fc.boolean(), fc.boolean(), share, share)
      .map(([maxLr, totalSteps, pctStart, a, b, m, n]) => {
        const [baseMomentum, maxMomentum] = order(m, n)
        const flags = { annealStrategy: a ? ('cos' as const) : ('linear' as const), cycleMomentum: b, threePhase: a }
        return sched.oneCycleLR({ maxLr, totalSteps, pctStart, ...flags, baseMomentum, maxMomentum, divFactor: 1 + m })
      }),
    fc
      .tuple(rate, rate, length, length, fc.constantFrom('triangular', 'triangular2', 'expRange'), part)
      .map(([a, b, stepSizeUp, stepSizeDown, mode, gamma]) => {
        const [baseLr, maxLr] = order(a, b)
        return sched.cyclicLR({ baseLr, maxLr, stepSizeUp, stepSizeDown, mode: mode as 'expRange', gamma })
      }),
  )
  const still = flat.filter(({ momentum }) => momentum === undefined)
  const single = fc.oneof(flat, torch)
  const any = fc.oneof(
    single,
    fc.tuple(single, steps, rate).map(([s, w, beginLr]) => sched.warmup(s, { steps: w, beginLr })),
    fc.tuple(single, rate).map(([s, factor]) => sched.scale(s, { factor })),
    fc.tuple(single, still).map((parts) => sched.chain(parts)),
    fc.tuple(still, still, steps).map(([a, b, at]) => sched.sequence([a, b], { milestones: [at] })),
  )
  fc.assert(
    fc.property(any, (s) => {
      const back = parse(s.spec!, { lr: 0.123 })
      expect(back.spec).toBe(s.spec)
      for (const t of [0, 1, 2, 7, 39, 40, 41, 100]) {
        expect(back(t)).toBe(s(t))
        expect(back.momentum?.(t)).toBe(s.momentum?.(t))
      }
    }),
    { seed: 1, numRuns: 600 },
  )
})

describe('mistakes are pointed at', () => {
  const lr = 'constant: lr must be a finite number ≥ 0'
  const list = 'multiStep: milestones must be a list of integers ≥ 0 in ascending order'
  const schedules = 'sequence: schedules must be a list of at least one schedule, each a function of t'
  const SEQUENCE = 'it is sequence(schedules, milestones)'
  const LINEAR = 'it is linearLR(startFactor=0.3333333333333333, endFactor=1, totalIters=5, lr)'
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
    ['constant(1,)', 10, "constant: an argument must follow the comma, got ')'", 'it is constant(lr)'],
    ['constant(1 ,, 2)', 11, "constant: an argument must follow the comma, got ','", 'it is constant(lr)'],
    ['cosine(maxUpdate=20,)', 19, "cosine: an argument must follow the comma, got ')'", COSINE],
    ['cosine(20, ', 9, 'cosine: an argument must follow the comma, got the end', COSINE],
    ['cosine(maxUpdate=, finalLr=0)', 17, "cosine: maxUpdate must be an integer ≥ 1, got ','", COSINE],
    ['constant 1)', 9, "constant: expected '(', got '1'", 'it is constant(lr)'],
    ['warmup(cosine 20, 5)', 14, "cosine: expected '(', got '20'", COSINE],
    ['chain([squareRoot squareRoot])', 18, "chain: expected ',' or ']', got 'squareRoot'", 'it is chain(schedules)'],
    ['warmup(, 5)', 7, "expected the name of a schedule, got ','", KNOWN],
    ['cosine(20', 9, "cosine: expected ',' or ')', got the end", COSINE],
    ['constant(lr=-1)', 12, `${lr}, got -1`, 'it is constant(lr)'],
    ['constant(1e999)', 9, `${lr}, got Infinity`, 'it is constant(lr)'],
    ['constant(NaN)', 9, `${lr}, got 'NaN'`, 'it is constant(lr)'],
    ['constant(5abc)', 9, `${lr}, got '5abc'`, 'it is constant(lr)'],
    ['constant(1.2.3)', 9, `${lr}, got '1.2.3'`, 'it is constant(lr)'],
    ['constant($&)', 9, `${lr}, got '$&'`, 'it is constant(lr)'],
    ['constant(', 9, `${lr}, got the end`, 'it is constant(lr)'],
    ['constant(lr=constant(1))', 12, `${lr}, got 'constant'`, 'it is constant(lr)'],
    ['multiStep(1, [9, 30, 15])', 21, `${list}, got 15 after 30`, MULTI_STEP],
    ['multiStep(1, [30, a])', 18, `${list}, got 'a'`, MULTI_STEP],
    ['multiStep(1, [30, [40]])', 18, `${list}, got '[40]'`, MULTI_STEP],
    ['multiStep(1, [-30])', 14, `${list}, got -30`, MULTI_STEP],
    ['multiStep(1, [, 30])', 14, `${list}, got ','`, MULTI_STEP],
    ['multiStep(1, [', 14, `${list}, got the end`, MULTI_STEP],
    ['multiStep(1, [15, 30, ])', 20, "multiStep: a number must follow the comma, got ']'", MULTI_STEP],
    ['scale(multiStep(1, [5,, 6]), 2)', 21, "multiStep: a number must follow the comma, got ','", MULTI_STEP],
    [
      `sequence([${Array(9).fill('squareRoot').join(', ')}], [1, 2, 3, 4, 5, 6, 7, x])`,
      141,
      "sequence: milestones must be a list of integers ≥ 0 in ascending order, got 'x'",
      SEQUENCE,
    ],
    ['multiStep(1, [30', 16, "multiStep: expected ',' or ']', got the end", MULTI_STEP],
    ['multiStep(1, [15, 30)', 20, "multiStep: expected ',' or ']', got ')'", MULTI_STEP],
    ['multiStep(1, [15 30])', 17, "multiStep: expected ',' or ']', got '30'", MULTI_STEP],
    ['sequence(constant(1), [5])', 9, `${schedules}, got 'constant'`, SEQUENCE],
    ['sequence([], [5])', 9, `${schedules}, got []`, SEQUENCE],
    ['sequence([constant(1)', 21, "sequence: expected ',' or ']', got the end", SEQUENCE],
    ['chain([constant(1),])', 18, "chain: a schedule must follow the comma, got ']'", 'it is chain(schedules)'],
    ['chain([constant(1), 2])', 20, "expected the name of a schedule, got '2'", KNOWN],
    [
      'sequence([constant(1), constant(2)], [5, 6])',
      37,
      'sequence: milestones must be one fewer than the schedules, 1 for 2 schedules, got [5, 6]',
      SEQUENCE,
    ],
    [
      'warmup(oneCycleLR(1, 9, annealStrategy=sin), 5)',
      39,
      "oneCycleLR: annealStrategy must be one of cos, linear, got 'sin'",
      ONE_CYCLE,
    ],
    ['oneCycleLR(1, 9, threePhase=1)', 28, "oneCycleLR: threePhase must be true or false, got '1'", ONE_CYCLE],
    ['oneCycleLR(1, 9, threePhase=yes)', 28, "oneCycleLR: threePhase must be true or false, got 'yes'", ONE_CYCLE],
    ['oneCycleLR(1, 9, pctStart=1.5)', 26, 'oneCycleLR: pctStart must be a number from 0 to 1, got 1.5', ONE_CYCLE],
    ['oneCycleLR(1, 9, divFactor=0)', 27, 'oneCycleLR: divFactor must be a finite number > 0, got 0', ONE_CYCLE],
    [
      'oneCycleLR(1, 9, baseMomentum=0.9, maxMomentum=0.8)',
      30,
      'oneCycleLR: baseMomentum must be at most maxMomentum = 0.8, got 0.9',
      ONE_CYCLE,
    ],
    [
      'oneCycleLR(1, 9, maxMomentum=0.8)',
      29,
      'oneCycleLR: baseMomentum must be at most maxMomentum = 0.8, got 0.85',
      ONE_CYCLE,
    ],
    ['linearLR(0, lr=1)', 9, 'linearLR: startFactor must be a number > 0 and ≤ 1, got 0', LINEAR],
    ['cosine(4, warmupSteps=5)', 22, 'cosine: warmupSteps must be at most maxUpdate = 4, got 5', COSINE],
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
  test('what it shows of the text is one line, and nothing in it is hidden', () => {
    const behind = "nothing may follow the schedule, got 'a b'\n  constant(1) a  b\n              ^\n"
    expect(() => parse('constant(1) a \nb')).toThrow(new SyntaxError(behind + KNOWN))
    const hidden = `constant: lr must be a finite number ≥ 0, got '\\u{200b}1\\x00'\n  constant( 1 )\n           ^\n`
    expect(() => parse('constant(\u200b1\0)')).toThrow(new SyntaxError(`${hidden}it is constant(lr)`))
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
