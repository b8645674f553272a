import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const kernel = mutantsOf('wgsl/sgd.wgsl', tests.sgdKernel, [
  {
    id: 'sgd-maximize',
    find: 'g = -g;',
    replace: 'g = g;',
    breaks: 'maximize goes downhill.',
  },
  {
    id: 'sgd-weight-decay-sign',
    find: 'g += params.weight_decay * p[i]',
    replace: 'g -= params.weight_decay * p[i]',
    breaks: 'Weight decay lets the weights grow.',
  },
  {
    id: 'sgd-sign',
    find: 'params.lr * gradient(i)',
    replace: 'params.lr * -gradient(i)',
    breaks: 'Parameters go up the gradient.',
  },
  {
    id: 'sgd-dampening',
    find: '(1.0 - params.dampening) * g',
    replace: 'g',
    breaks: 'Dampening is ignored.',
  },
  {
    id: 'sgd-first-step',
    find: 'params.first == 0u',
    replace: 'params.first <= 1u',
    breaks: 'The first step reads a momentum buffer that holds nothing yet.',
  },
  {
    id: 'sgd-nesterov',
    find: 'g + params.momentum * m,',
    replace: 'g + m,',
    breaks: "Nesterov's look ahead is not scaled by the momentum.",
  },
  {
    id: 'sgd-buffer',
    find: 'b[i] = m;',
    replace: 'b[i] = g;',
    breaks: 'The momentum buffer forgets all but the last gradient.',
  },
])

const host = mutantsOf('src/kernels/sgd.ts', tests.sgdKernel, [
  {
    id: 'sgd-host-version',
    find: 'parameter.storage.version++',
    replace: '',
    breaks: 'An update in place is not noticed by the tape.',
  },
  {
    id: 'sgd-host-nesterov',
    find: 'nesterov: nesterov ? 1 : 0',
    replace: 'nesterov: maximize ? 1 : 0',
    breaks: 'The wrong option switches Nesterov momentum on.',
  },
  {
    id: 'sgd-host-weight-decay',
    find: 'weight_decay: weightDecay',
    replace: 'weight_decay: dampening',
    breaks: 'Dampening is taken for weight decay.',
  },
])

const optimiser = mutantsOf('src/optim/sgd.ts', tests.optimiser, [
  {
    id: 'optim-first-step',
    find: 'before === undefined',
    replace: 'false',
    breaks: 'The first step of momentum starts with whatever is in memory.',
  },
  {
    id: 'optim-momentum-off',
    find: 'group.momentum === 0 ? null',
    replace: 'group.momentum <= 0.5 ? null',
    breaks: 'A small momentum is ignored.',
  },
  {
    id: 'optim-group-options',
    find: '{ ...defined(options), ...defined(group) }',
    replace: '{ ...defined(group), ...defined(options) }',
    breaks: "A group's own options are overridden by the common ones.",
  },
  {
    id: 'optim-zero-grad',
    find: 'p.grad = null',
    replace: '',
    breaks: 'zeroGrad leaves released gradients in place.',
  },
  {
    id: 'optim-zero-grad-memory',
    find: "p.grad?.release('zeroGrad() was called')",
    replace: '',
    breaks: 'zeroGrad forgets gradients without giving their memory back.',
  },
  {
    id: 'optim-check-before-step',
    in: '  step(',
    find: 'checkGroup(group)',
    replace: '',
    breaks: 'Options set wrong between steps are used.',
  },
  {
    id: 'optim-nesterov-check',
    find: 'group.momentum === 0 || group.dampening !== 0',
    replace: 'group.momentum === 0 && group.dampening !== 0',
    breaks: 'Nesterov momentum without a momentum, or with dampening, is accepted.',
  },
  {
    id: 'optim-load-options',
    find: 'Object.assign(this.paramGroups[i]!, options)',
    replace: '',
    breaks: 'Loading a state leaves the options as they were.',
  },
  {
    id: 'optim-load-size',
    find: '4 * p.size)',
    replace: 'p.size)',
    breaks: 'A quarter of each momentum buffer is loaded.',
  },
  {
    id: 'optim-load-null',
    find: 'this.#momentum.delete(p)',
    replace: '',
    breaks: 'Loading a state without momentum keeps the released buffer.',
  },
  {
    id: 'optim-twice',
    find: 'seen.add(p)',
    replace: '',
    breaks: 'A parameter may be listed twice, and is then updated twice.',
  },
])

const schedules = mutantsOf('src/sched/schedules.ts', tests.schedules, [
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
    id: 'sched-warmup-shift',
    find: 'inner(t - steps)',
    replace: 'inner(t)',
    breaks: 'The schedule behind a warm-up has lost its first steps.',
  },
  {
    id: 'sched-ramp',
    find: '((end - begin) * t) / steps',
    replace: '((end - begin) * (t + 1)) / steps',
    breaks: 'The warm-up is one step ahead.',
  },
])

const driving = [
  ...mutantsOf('src/sched/options.ts', tests.schedules, [
    {
      id: 'sched-guard',
      find: 'if (!isCount(t)) throw',
      replace: 'if (t < 0) throw',
      breaks: 'Schedules take fractions and NaN for t.',
    },
    {
      id: 'sched-milestones-order',
      find: 'm >= value[i - 1]',
      replace: 'm > value[i - 1]',
      breaks: 'A milestone named twice is refused.',
    },
    {
      id: 'sched-milestones-copy',
      find: 'Array.isArray(value) ? [...value] : value',
      replace: 'value',
      breaks: 'A change of the list of milestones reaches into the schedule.',
    },
  ]),
  ...mutantsOf('src/sched/parse.ts', tests.parse, [
    {
      id: 'sched-parse-zero-rate',
      find: 'base === true && this.#lr !== undefined',
      replace: 'base === true && this.#lr',
      breaks: "A caller's rate of 0 is ignored.",
    },
    {
      id: 'sched-parse-twice',
      find: 'if (given.has(arg)) this',
      replace: 'if (given.has(name)) this',
      breaks: 'An argument that is given twice is accepted.',
    },
    {
      id: 'sched-parse-rest',
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
      find: 'if (message !== undefined) throw new RangeError(message)',
      replace: '',
      breaks: 'A schedule may set a rate that is no number.',
    },
  ]),
]

export const optimisation: Area = {
  title: 'Optimiser and schedules',
  mutants: [...kernel, ...host, ...optimiser, ...schedules, ...driving],
}
