import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const chapter = mutantsOf('src/sched/chapter.ts', tests.chapter, [
  {
    id: 'sched-square-root',
    find: 'Math.sqrt(t + 1)',
    replace: 'Math.sqrt(Math.max(t, 1))',
    breaks: 'The square root counts from 0 instead of 1.',
  },
  {
    id: 'sched-factor-exponent',
    find: 'values.factor ** (t + 1)',
    replace: 'values.factor ** t',
    breaks: 'The first rate is not multiplied yet.',
  },
  {
    id: 'sched-factor-floor',
    find: 'Math.max(values.stopFactorLr',
    replace: 'Math.min(values.stopFactorLr',
    breaks: 'The floor of the rate is a ceiling.',
  },
  {
    id: 'sched-multi-step',
    find: 'milestone <= t',
    replace: 'milestone < t',
    breaks: 'A milestone takes effect one step late.',
  },
  {
    id: 'sched-cosine-end',
    find: 't >= maxUpdate) return finalLr',
    replace: 't > maxUpdate) return finalLr',
    breaks: 'With a warm-up as long as the schedule the rate at its end is no number.',
  },
  {
    id: 'sched-cosine-length',
    find: '(maxUpdate - warmupSteps)',
    replace: 'maxUpdate',
    breaks: 'The decay after a warm-up ends too late.',
  },
  {
    id: 'sched-cosine-half',
    find: '(1 + Math.cos(angle))) / 2',
    replace: '(1 - Math.cos(angle))) / 2',
    breaks: 'The rate rises instead of falling.',
  },
  {
    id: 'sched-polynomial-end',
    find: 't > maxUpdate) return finalLr',
    replace: 't >= maxUpdate) return finalLr',
    breaks: 'With power 0 the last rate is the final one instead of the base rate.',
  },
  {
    id: 'sched-ramp',
    find: '((end - begin) * t) / steps',
    replace: '((end - begin) * (t + 1)) / steps',
    breaks: 'The warm-up is one step ahead.',
  },
])

const driving = [
  ...mutantsOf('src/sched/options.ts', tests.chapter, [
    {
      id: 'sched-guard',
      find: 'if (!isCount(t)) throw',
      replace: 'if (t < 0) throw',
      breaks: 'Schedules take fractions and NaN for t.',
    },
    {
      id: 'sched-milestones-copy',
      find: 'Array.isArray(value) ? [...value] : value',
      replace: 'value',
      breaks: 'A change of the list of milestones reaches into the schedule.',
    },
  ]),
  ...mutantsOf('src/sched/kinds.ts', tests.chapter, [
    {
      id: 'sched-milestones-order',
      find: 'm >= value[i - 1]',
      replace: 'm > value[i - 1]',
      breaks: 'A milestone named twice is refused.',
    },
  ]),
  ...mutantsOf('src/sched/parse.ts', tests.parse, [
    {
      id: 'sched-parse-zero-rate',
      find: 'kind.base === true && lr !== undefined',
      replace: 'kind.base === true && lr',
      breaks: "A caller's rate of 0 is ignored.",
    },
    {
      id: 'sched-parse-twice',
      find: 'if (given.has(arg)) this',
      replace: 'if (given.has(name)) this',
      breaks: 'An argument that is given twice is accepted.',
    },
    {
      id: 'sched-parse-base-of-others',
      find: '(baseOfOthers ?? lr)',
      replace: 'lr',
      breaks: 'In a chain every part has the base rate, which is multiplied by itself.',
    },
    {
      id: 'sched-parse-flag',
      find: "word === 'true' || word === 'false'",
      replace: "word === 'true'",
      breaks: 'A flag can be set and not cleared.',
    },
    {
      id: 'sched-parse-mark',
      find: "given.get(named ?? '')?.at ?? start",
      replace: 'start',
      breaks: 'Arguments that do not fit each other are marked at the name of their schedule.',
    },
    {
      id: 'sched-parse-rest',
      in: 'all',
      find: 'if (end < this.#text.length)',
      replace: 'if (end < 0)',
      breaks: 'What follows a schedule is ignored.',
    },
  ]),
  ...mutantsOf('src/sched/scheduler.ts', tests.scheduler, [
    {
      id: 'scheduler-step',
      find: 'this.#moveTo(this.#t + 1)',
      replace: 'this.#moveTo(this.#t + 2)',
      breaks: 'A step counts twice.',
    },
    {
      id: 'scheduler-groups',
      find: 'schedules[i]!',
      replace: 'schedules[0]!',
      breaks: 'Every group follows the first schedule.',
    },
    {
      id: 'scheduler-rate-check',
      find: `check('Scheduler', \`the \${what} of \${of} at t = \${t}\`, 'number', value)`,
      replace: '',
      breaks: 'A schedule may set a rate that is no number.',
    },
  ]),
]

const pytorch = mutantsOf('src/sched/pytorch.ts', tests.pytorchSchedules, [
  {
    id: 'sched-step-lr',
    find: 'Math.floor(t / stepSize)',
    replace: 'Math.round(t / stepSize)',
    breaks: 'The first step is half as long.',
  },
  {
    id: 'sched-multi-step-lr',
    find: 'milestone <= t) + 1',
    replace: 'milestone < t) + 1',
    breaks: 'A milestone takes effect one step late.',
  },
  {
    id: 'sched-constant-lr',
    find: 't < totalIters ? lr * factor',
    replace: 't <= totalIters ? lr * factor',
    breaks: 'The full rate comes one step late.',
  },
  {
    id: 'sched-linear-lr',
    find: '(endFactor - startFactor) * t',
    replace: '(endFactor - startFactor) * (t + 1)',
    breaks: 'The line is one step ahead.',
  },
  {
    id: 'sched-exponential-lr',
    find: 'lr * gamma ** t)',
    replace: 'lr * gamma ** (t + 1))',
    breaks: 'The first rate is multiplied already.',
  },
  {
    id: 'sched-polynomial-lr',
    find: 'Math.min(t, totalIters)',
    replace: 't',
    breaks: 'Behind its end the rate is no longer 0.',
  },
  {
    id: 'sched-annealing-period',
    find: 't % (2 * tMax)',
    replace: 't % tMax',
    breaks: 'The rate jumps back instead of climbing.',
  },
  {
    id: 'sched-restarts-boundary',
    find: 'since >= length',
    replace: 'since > length',
    breaks: 'A restart comes one step late.',
  },
  { id: 'sched-restarts-length', find: 'length *= tMult', replace: 'length += tMult', breaks: 'Cycles grow by a sum.' },
  {
    id: 'sched-inverse-sqrt',
    find: 'const step = t + 1',
    replace: 'const step = t',
    breaks: 'The steps count from 0.',
  },
])

const cycles = mutantsOf('src/sched/cycles.ts', tests.cycles, [
  {
    id: 'sched-one-cycle-peak',
    find: 'pctStart * totalSteps - 1',
    replace: 'pctStart * totalSteps',
    breaks: 'The peak is one step late.',
  },
  {
    id: 'sched-one-cycle-momentum',
    find: 'momenta: [maxMomentum, baseMomentum]',
    replace: 'momenta: [baseMomentum, maxMomentum]',
    breaks: 'The momentum rises with the rate.',
  },
  {
    id: 'sched-one-cycle-end',
    find: 'Math.min(t, last)',
    replace: 'Math.min(t, totalSteps)',
    breaks: 'Behind its end the rate climbs again.',
  },
  {
    id: 'sched-one-cycle-empty',
    find: 'to > from ? (now - from) / (to - from) : 1',
    replace: '(now - from) / (to - from)',
    breaks: 'A phase of no length gives NaN.',
  },
  {
    id: 'sched-cyclic-down',
    find: '(total - since) / stepSizeDown',
    replace: '(total - since) / stepSizeUp',
    breaks: 'A longer way down begins above the top.',
  },
  {
    id: 'sched-cyclic-half',
    find: '0.5 ** Math.floor(t / total)',
    replace: '0.5 ** (t / total)',
    breaks: 'The height shrinks within a cycle.',
  },
  {
    id: 'sched-cyclic-momentum',
    find: 'maxMomentum - (maxMomentum',
    replace: 'baseMomentum + (maxMomentum',
    breaks: 'The momentum rises with the rate.',
  },
])

const combinators = mutantsOf('src/sched/combinators.ts', tests.combinators, [
  {
    id: 'sched-warmup-shift',
    find: 'inner(t - steps)',
    replace: 'inner(t)',
    breaks: 'The schedule behind a warm-up has lost its first steps.',
  },
  {
    id: 'sched-sequence-boundary',
    find: 'milestone <= t',
    replace: 'milestone < t',
    breaks: 'A part begins one step late.',
  },
  {
    id: 'sched-sequence-start',
    find: 't - (milestones[passed] ?? 0)',
    replace: 't',
    breaks: 'A part does not count from its own start.',
  },
  {
    id: 'sched-sequence-copy',
    find: 'const parts = [...schedules]\n  const { milestones }',
    replace: 'const parts = schedules\n  const { milestones }',
    breaks: 'A change of the list reaches into the schedule.',
  },
  { id: 'sched-chain', find: 'product * part(t)', replace: 'product + part(t)', breaks: 'A chain adds.' },
  {
    id: 'sched-warmup-momentum',
    find: 'momentum(Math.max(0, t - steps))',
    replace: 'momentum(t)',
    breaks: 'The momentum runs ahead of the rate by the warm-up.',
  },
])

const plateau = [
  ...mutantsOf('src/sched/plateau.ts', tests.plateau, [
    {
      id: 'plateau-patience',
      find: 'this.#badEpochs <= this.#options.patience',
      replace: 'this.#badEpochs < this.#options.patience',
      breaks: 'One epoch less is waited.',
    },
    {
      id: 'plateau-cooldown',
      find: 'this.#cooldownLeft -= 1\n      this.#badEpochs = 0',
      replace: 'this.#cooldownLeft -= 1',
      breaks: 'The epochs of a cooldown count as bad.',
    },
    {
      id: 'plateau-eps',
      find: 'group.lr - lr <= eps',
      replace: 'group.lr - lr < 0',
      breaks: 'The smallest reduction is made.',
    },
    {
      id: 'plateau-threshold',
      find: 'this.#best * (1 + margin)',
      replace: 'this.#best * (1 - margin)',
      breaks: 'What is a little worse is better.',
    },
    {
      id: 'plateau-floor',
      find: 'Math.max(group.lr * factor, minLr)',
      replace: 'group.lr * factor',
      breaks: 'There is no floor.',
    },
    {
      id: 'plateau-state',
      find: 'this.#cooldownLeft = state.cooldownLeft',
      replace: '',
      breaks: 'A resumed plateau has no cooldown.',
    },
    {
      id: 'plateau-nan',
      find: 'if (!Number.isFinite(metric)) return false',
      replace: '',
      breaks: 'The first metric may be NaN, and nothing is ever better.',
    },
  ]),
  ...mutantsOf('src/train/rates.ts', tests.runMomentum, [
    {
      id: 'momentum-late',
      find: "timing === 'before-epoch' ? count : Math.max(0, count - 1)",
      replace: "timing === 'before-epoch' ? count + 1 : Math.max(0, count - 1)",
      breaks: 'The momentum runs ahead of the rate.',
    },
  ]),
  ...mutantsOf('src/train/loop.ts', tests.runMomentum, [
    {
      id: 'momentum-submit',
      find: '!== momentum) return count',
      replace: '=== null) return count',
      breaks: 'All the steps of a submit have the momentum of the first.',
    },
  ]),
  ...mutantsOf('src/figures/text.ts', tests.textFigure, [
    {
      id: 'text-figure-dots',
      find: 'py % 4]![px % 2]',
      replace: 'py % 4]![1 - (px % 2)]',
      breaks: 'Left and right dots are exchanged.',
    },
    {
      id: 'text-figure-width',
      find: 'columns - left - 2',
      replace: 'columns - left',
      breaks: 'Lines are wider than the terminal.',
    },
    {
      id: 'text-figure-gap',
      find: 'before = null\n      continue',
      replace: 'continue',
      breaks: 'A gap is bridged by a line that nobody asked for.',
    },
  ]),
]

export const schedules: Area = {
  title: 'Schedules',
  mutants: [...chapter, ...driving, ...pytorch, ...cycles, ...combinators, ...plateau],
}
