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
      title: 'parse: something that is no text',
      error: 'TypeError',
      text: 'parse: a schedule must be a text, got 0.3',
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
      text: `cosine: an argument without a name must come before those with one
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
      title: 'Scheduler: a text in place of a schedule',
      error: 'TypeError',
      text: "Scheduler: a schedule must be a function of t, got 'cosine(20)'; sched.parse makes one of a text",
      run: () => new sched.Scheduler(groups(1), loose('cosine(20)')),
    },
    {
      title: 'Scheduler: not one schedule a group',
      error: 'TypeError',
      text: 'Scheduler: 1 schedules for 2 parameter groups; give one schedule for all groups, or a list with one a group',
      run: () => new sched.Scheduler(groups(2), [sched.constant(0.1)]),
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
      text: 'Scheduler.loadStateDict: the state must be { t }, as stateDict gives it, got {"lastLr":[0.1]}',
      run: () => new sched.Scheduler(groups(1), sched.constant(0.1)).loadStateDict(loose({ lastLr: [0.1] })),
    },
    {
      title: 'Scheduler.loadStateDict: a t that is none',
      error: 'RangeError',
      text: 'Scheduler.loadStateDict: t must be an integer ≥ 0, got -1',
      run: () => new sched.Scheduler(groups(1), sched.constant(0.1)).loadStateDict({ t: -1 }),
    },
  ],
}
