import { scheduleFigure } from '../../src/figures/schedules.ts'
import { sched } from '../../src/index.ts'
import { type Area, loose } from './refusal.ts'

const { parse } = sched
const groups = (n: number) => ({ paramGroups: Array.from({ length: n }, () => ({ lr: 0.1 })) })

export const schedules: Area = {
  title: 'Schedules and their grammar',
  refusals: [
    {
      title: 'an argument that is no rate, count or list of milestones',
      error: 'RangeError',
      text: 'multiStep: milestones must be a list of integers ≥ 0 in ascending order, got [30, 15]',
      run: () => sched.multiStep({ lr: 0.5, milestones: [30, 15] }),
    },
    {
      title: 'an argument of a rate that is none',
      error: 'RangeError',
      text: 'constant: lr must be a finite number ≥ 0, got NaN',
      run: () => sched.constant(Number.NaN),
    },
    {
      title: 'an argument left out',
      error: 'TypeError',
      text: 'cosine: maxUpdate is required',
      cure: 'Give it a value; sched.signatures() lists what has a default.',
      run: () => sched.cosine(loose({ baseLr: 0.3 })),
    },
    {
      title: 'an argument in place of the options',
      error: 'TypeError',
      text: 'cosine: options must be an object with maxUpdate, baseLr, finalLr, warmupSteps, warmupBeginLr, got 20',
      run: () => sched.cosine(loose(20)),
    },
    {
      title: 'an unknown option of a schedule',
      error: 'TypeError',
      text: "cosine: unknown option 'max_update'; it takes maxUpdate, baseLr, finalLr, warmupSteps, warmupBeginLr",
      run: () => sched.cosine(loose({ max_update: 20 })),
    },
    {
      title: 'cosine: a warm-up longer than the schedule',
      error: 'RangeError',
      text: 'cosine: warmupSteps must be at most maxUpdate = 20, got 25',
      cure: 'maxUpdate counts the warm-up too.',
      run: () => sched.cosine({ maxUpdate: 20, warmupSteps: 25 }),
    },
    {
      title: 'a schedule asked for a t that is none',
      error: 'RangeError',
      text: 'squareRoot: t must be an integer ≥ 0, got 0.5',
      cure: 't counts whole epochs or updates; for fractions, let it count updates.',
      run: () => sched.squareRoot()(0.5),
    },
    {
      title: 'sequence: not one milestone between each two schedules',
      error: 'RangeError',
      text: 'sequence: milestones must be one fewer than the schedules, 1 for 2 schedules, got [5, 10]',
      run: () => sched.sequence([sched.constant(0.1), sched.constant(0.2)], { milestones: [5, 10] }),
    },
    {
      title: 'sequence: some schedules that set the momentum',
      error: 'RangeError',
      text: 'sequence: schedules must all set the momentum, or none: schedule 1 sets the momentum and schedule 0 does not',
      cure: 'cycleMomentum: false leaves it alone; warmup(…) carries the momentum of its schedule on.',
      run: () => sched.sequence([sched.constant(0.1), sched.cyclicLR({ baseLr: 0.1, maxLr: 1 })], { milestones: [5] }),
    },
    {
      title: 'chain: two schedules that set the momentum',
      error: 'RangeError',
      text: 'chain: schedules must set the momentum at most once, here 2 do',
      cure: 'cycleMomentum: false leaves it alone.',
      run: () => {
        const cyclic = sched.cyclicLR({ baseLr: 0.1, maxLr: 1 })
        sched.chain([cyclic, cyclic])
      },
    },
    {
      title: 'cyclicLR: the rates the wrong way round',
      error: 'RangeError',
      text: 'cyclicLR: maxLr must be at least baseLr = 0.5, got 0.1',
      run: () => sched.cyclicLR({ baseLr: 0.5, maxLr: 0.1 }),
    },
    {
      title: 'oneCycleLR, cyclicLR: the momenta the wrong way round',
      error: 'RangeError',
      text: 'oneCycleLR: baseMomentum must be at most maxMomentum = 0.8, got 0.85',
      run: () => sched.oneCycleLR({ maxLr: 0.5, totalSteps: 100, maxMomentum: 0.8 }),
    },
    {
      title: 'lambdaLR, multiplicativeLR: a function that gives no factor',
      error: 'RangeError',
      text: 'lambdaLR: lambda(0) must be a finite number ≥ 0, got Infinity',
      run: () => sched.lambdaLR({ lr: 0.1, lambda: (t) => 1 / t })(0),
    },
    {
      title: 'parse: something that is no text',
      error: 'TypeError',
      text: 'parse: a schedule must be a string, got 0.3',
      run: () => parse(loose(0.3)),
    },
    {
      title: 'grammar: no name',
      error: 'SyntaxError',
      text: `expected the name of a schedule, got '0.3'
  warmup(0.3, 5)
         ^
a schedule is name(arg=value, …) with one of the names constant, squareRoot, factor, multiStep, cosine, polynomial, stepLR, multiStepLR, constantLR, linearLR, exponentialLR, polynomialLR, cosineAnnealingLR, cosineAnnealingWarmRestarts, inverseSqrt, oneCycleLR, cyclicLR, warmup, sequence, chain, scale`,
      run: () => parse('warmup(0.3, 5)'),
    },
    {
      title: 'grammar: an unknown name',
      error: 'SyntaxError',
      text: `unknown schedule 'cosin'
  cosin(20)
  ^
a schedule is name(arg=value, …) with one of the names constant, squareRoot, factor, multiStep, cosine, polynomial, stepLR, multiStepLR, constantLR, linearLR, exponentialLR, polynomialLR, cosineAnnealingLR, cosineAnnealingWarmRestarts, inverseSqrt, oneCycleLR, cyclicLR, warmup, sequence, chain, scale`,
      run: () => parse('cosin(20)'),
    },
    {
      title: 'grammar: something behind the schedule',
      error: 'SyntaxError',
      text: `nothing may follow the schedule, got '('
  constant(1) (2)
              ^
a schedule is name(arg=value, …) with one of the names constant, squareRoot, factor, multiStep, cosine, polynomial, stepLR, multiStepLR, constantLR, linearLR, exponentialLR, polynomialLR, cosineAnnealingLR, cosineAnnealingWarmRestarts, inverseSqrt, oneCycleLR, cyclicLR, warmup, sequence, chain, scale`,
      run: () => parse('constant(1) (2)'),
    },
    {
      title: 'grammar: schedules in schedules in schedules …',
      error: 'SyntaxError',
      text: `schedules are nested more than 32 deep
  <text>
  <mark>
a schedule is name(arg=value, …) with one of the names constant, squareRoot, factor, multiStep, cosine, polynomial, stepLR, multiStepLR, constantLR, linearLR, exponentialLR, polynomialLR, cosineAnnealingLR, cosineAnnealingWarmRestarts, inverseSqrt, oneCycleLR, cyclicLR, warmup, sequence, chain, scale`,
      varies: { '<text>': /.+/, '<mark>': / +\^/ },
      cure: 'One warm-up, or two, will do.',
      run: () => parse(`${'warmup('.repeat(33)}constant`),
    },
    {
      title: 'grammar: an argument left out',
      error: 'SyntaxError',
      text: `warmup: steps is required
  warmup(cosine(15))
  ^
it is warmup(schedule, steps, beginLr=0)`,
      run: () => parse('warmup(cosine(15))'),
    },
    {
      title: 'grammar: a name before what has none',
      error: 'SyntaxError',
      text: `cosine: an argument without a name must come before the named ones
  cosine(maxUpdate=20, 0.3)
                       ^
it is cosine(maxUpdate, baseLr=0.01, finalLr=0, warmupSteps=0, warmupBeginLr=0)`,
      run: () => parse('cosine(maxUpdate=20, 0.3)'),
    },
    {
      title: 'grammar: too many arguments',
      error: 'SyntaxError',
      text: `constant: too many arguments
  constant(1, 2)
              ^
it is constant(lr)`,
      run: () => parse('constant(1, 2)'),
    },
    {
      title: 'grammar: an unknown argument',
      error: 'SyntaxError',
      text: `cosine: unknown argument 'foo'
  warmup(cosine(15, foo=1), steps=5)
                    ^
it is cosine(maxUpdate, baseLr=0.01, finalLr=0, warmupSteps=0, warmupBeginLr=0)`,
      run: () => parse('warmup(cosine(15, foo=1), steps=5)'),
    },
    {
      title: 'grammar: an argument given twice',
      error: 'SyntaxError',
      text: `constant: lr is given twice
  constant(1, lr=1)
              ^
it is constant(lr)`,
      run: () => parse('constant(1, lr=1)'),
    },
    {
      title: 'grammar: a bracket or comma missing',
      error: 'SyntaxError',
      text: `cosine: expected ',' or ')', got '30'
  cosine(20 30)
            ^
it is cosine(maxUpdate, baseLr=0.01, finalLr=0, warmupSteps=0, warmupBeginLr=0)`,
      run: () => parse('cosine(20 30)'),
    },
    {
      title: 'grammar: no bracket before the arguments',
      error: 'SyntaxError',
      text: `cosine: expected '(', got '20'
  warmup(cosine 20, 5)
                ^
it is cosine(maxUpdate, baseLr=0.01, finalLr=0, warmupSteps=0, warmupBeginLr=0)`,
      run: () => parse('warmup(cosine 20, 5)'),
    },
    {
      title: 'grammar: nothing behind a comma',
      error: 'SyntaxError',
      text: `cosine: an argument must follow the comma, got ')'
  cosine(maxUpdate=20,)
                     ^
it is cosine(maxUpdate, baseLr=0.01, finalLr=0, warmupSteps=0, warmupBeginLr=0)`,
      run: () => parse('cosine(maxUpdate=20,)'),
    },
    {
      title: 'grammar: a value of another kind',
      error: 'SyntaxError',
      text: `cosine: maxUpdate must be an integer ≥ 1, got 20.5
  cosine(20.5)
         ^
it is cosine(maxUpdate, baseLr=0.01, finalLr=0, warmupSteps=0, warmupBeginLr=0)`,
      run: () => parse('cosine(20.5)'),
    },
    {
      title: 'grammar: arguments that do not fit each other',
      error: 'SyntaxError',
      text: `cosine: warmupSteps must be at most maxUpdate = 20, got 25
  cosine(20, warmupSteps=25)
                         ^
it is cosine(maxUpdate, baseLr=0.01, finalLr=0, warmupSteps=0, warmupBeginLr=0)`,
      run: () => parse('cosine(20, warmupSteps=25)'),
    },
    {
      title: 'Scheduler, ReduceLROnPlateau: no optimizer',
      error: 'TypeError',
      text: 'Scheduler: the optimizer must have paramGroups, each with an lr, as optim.SGD does, got undefined',
      run: () => new sched.Scheduler(loose(undefined), sched.constant(0.1)),
    },
    {
      title: 'Scheduler: a text in place of a schedule',
      error: 'TypeError',
      text: "Scheduler: a schedule must be a function of t, got 'cosine(20)'; sched.parse makes one from a string",
      run: () => new sched.Scheduler(groups(1), loose('cosine(20)')),
    },
    {
      title: 'Scheduler: not one schedule a group',
      error: 'TypeError',
      text: 'Scheduler: 1 schedules for 2 parameter groups; give one schedule for all groups, or a list with one per group',
      run: () => new sched.Scheduler(groups(2), [sched.constant(0.1)]),
    },
    {
      title: 'Scheduler: a momentum for an optimizer without',
      error: 'TypeError',
      text: 'Scheduler: the schedule sets the momentum, but group 0 has none; set cycleMomentum to false, or use an optimizer that has one',
      run: () => new sched.Scheduler(groups(1), sched.oneCycleLR({ maxLr: 0.5, totalSteps: 100 })),
    },
    {
      title: 'Scheduler: a schedule that gives no rate',
      error: 'RangeError',
      text: 'Scheduler: the rate of group 0 at t = 0 must be a finite number ≥ 0, got Infinity',
      cure: 'A schedule returns a number for every t = 0, 1, 2 …, also beyond the last epoch.',
      run: () => new sched.Scheduler(groups(1), (t) => 1 / t),
    },
    {
      title: 'Scheduler.loadStateDict: no state',
      error: 'TypeError',
      text: 'Scheduler.loadStateDict: the state must be { t }, as stateDict() returns it, got {"lastLr":[0.1]}',
      run: () => new sched.Scheduler(groups(1), sched.constant(0.1)).loadStateDict(loose({ lastLr: [0.1] })),
    },
    {
      title: 'Scheduler.loadStateDict: a t that is none',
      error: 'RangeError',
      text: 'Scheduler.loadStateDict: t must be an integer ≥ 0, got -1',
      run: () => new sched.Scheduler(groups(1), sched.constant(0.1)).loadStateDict({ t: -1 }),
    },
    {
      title: 'plateau: something behind an argument',
      error: 'SyntaxError',
      text: `plateau: expected ',' or the end, got 'patience'
  factor=0.5 patience=3
             ^
it is metric=testAcc, factor=0.1, patience=10, threshold=0.0001, thresholdMode=rel, cooldown=0, minLr=0, eps=1e-8`,
      run: () => sched.parsePlateau('factor=0.5 patience=3'),
    },
    {
      title: 'parsePlateau: something that is no text',
      error: 'TypeError',
      text: 'parsePlateau: the rules must be a string, got an object',
      run: () => sched.parsePlateau(loose({ factor: 0.5 })),
    },
    {
      title: 'ReduceLROnPlateau.step: no metric',
      error: 'TypeError',
      text: 'ReduceLROnPlateau.step: the metric must be a number, got undefined',
      run: () => new sched.ReduceLROnPlateau(groups(1)).step(loose(undefined)),
    },
    {
      title: 'ReduceLROnPlateau.loadStateDict: no state',
      error: 'TypeError',
      text: 'ReduceLROnPlateau.loadStateDict: the state must be { best, badEpochs, cooldownLeft, lr }, as stateDict() returns it, got {"best":0.5}',
      run: () => new sched.ReduceLROnPlateau(groups(1)).loadStateDict(loose({ best: 0.5 })),
    },
    {
      title: 'ReduceLROnPlateau.loadStateDict: a best that is none',
      error: 'TypeError',
      text: "ReduceLROnPlateau.loadStateDict: best must be a finite number or null, got 'low'",
      run: () =>
        new sched.ReduceLROnPlateau(groups(1)).loadStateDict(
          loose({ best: 'low', badEpochs: 0, cooldownLeft: 0, lr: [0.1] }),
        ),
    },
    {
      title: 'ReduceLROnPlateau.loadStateDict: not one rate a group',
      error: 'TypeError',
      text: 'ReduceLROnPlateau.loadStateDict: lr must be a list of 2, one per group, got [0.1]',
      run: () =>
        new sched.ReduceLROnPlateau(groups(2)).loadStateDict({ best: 1, badEpochs: 0, cooldownLeft: 0, lr: [0.1] }),
    },
    {
      title: 'scheduleFigure: a range that is none',
      error: 'RangeError',
      text: 'scheduleFigure: range must be an integer ≥ 2, the number of t, got 1',
      run: () => scheduleFigure([{ label: 'constant', schedule: sched.constant(0.1) }], 1),
    },
  ],
}
