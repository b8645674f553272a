import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const averages = [
  ...mutantsOf('wgsl/average.wgsl', tests.averageKernel, [
    {
      id: 'average-order',
      find: 'average += weight * (parameter - average);',
      replace: 'average = (1.0 - weight) * average + weight * parameter;',
      breaks: 'An average of equal parameters drifts: 1 - weight and two products are rounded.',
    },
    {
      id: 'average-copy',
      find: 'weight != 1.0',
      replace: 'weight != 2.0',
      breaks: 'The first update reads averages that hold nothing yet.',
    },
    {
      id: 'average-place',
      find: 'p[at_p + i]',
      replace: 'p[at_a + i]',
      breaks: 'Parameters are looked for where their averages lie.',
    },
  ]),
  ...mutantsOf('wgsl/average.wgsl', tests.averages, [
    {
      id: 'average-step',
      find: 'min(replay.step, u32(weights[0]) - 1u)',
      replace: 'min(0u, u32(weights[0]) - 1u)',
      breaks: 'Every step of a run has the weight of the first.',
    },
  ]),
  ...mutantsOf('src/kernels/rows.ts', tests.averageKernel, [
    {
      id: 'rows-other',
      find: 'other + first, count]',
      replace: 'other, count]',
      breaks: "Every row of a large parameter takes the first row's elements.",
    },
    {
      id: 'rows-end',
      find: 'Math.min(size - first, most)',
      replace: 'most',
      breaks: 'The last workgroup of a parameter goes on past its end.',
    },
  ]),
  ...mutantsOf('src/optim/average.ts', tests.averages, [
    {
      id: 'swa-weight',
      find: '1 / (count + 1)',
      replace: '1 / count',
      breaks: 'The average has lost what it began with.',
    },
    {
      id: 'ema-weight',
      find: 'return 1 - this.decay',
      replace: 'return this.decay',
      breaks: 'The average forgets as fast as it should remember.',
    },
    {
      id: 'average-first',
      find: 'count === 0 ? 1 :',
      replace: 'count < 0 ? 1 :',
      breaks: 'The first update takes in what was in memory.',
    },
    {
      id: 'average-count-plan',
      find: 'this.#count += steps',
      replace: 'this.#count += 1',
      breaks: 'A run of many steps counts as one.',
    },
    {
      id: 'average-same-weights',
      find: 'weights.at(-1) === weights.at(-2)',
      replace: 'weights.length > 1',
      breaks: 'All steps of a run have the weight of the first.',
    },
    {
      id: 'average-swap-version',
      find: 'storage.version++',
      replace: '',
      breaks: 'Packed copies of weights are evaluated instead of the averages.',
    },
    {
      id: 'average-swap-back',
      find: 'gpu.copy(between, average, 4 * size)',
      replace: '',
      breaks: 'The parameters are lost in the exchange.',
    },
    {
      id: 'average-throws',
      find: '      back()\n      throw error',
      replace: '      throw error',
      breaks: 'A failed evaluation leaves the averages in the place of the parameters.',
    },
    {
      id: 'average-promise',
      find: 'if (result instanceof Promise) return result.finally(back) as T',
      replace: '',
      breaks: 'An asynchronous evaluation runs on the parameters themselves.',
    },
    {
      id: 'average-swapped-plan',
      find: "check: () => this.#check('plan.run')",
      replace: 'check: () => undefined',
      breaks: 'A plan averages averages.',
    },
    {
      id: 'average-load',
      find: 'this.#count = count',
      replace: '',
      breaks: 'A resumed average weighs the next parameters as if it were new.',
    },
  ]),
]

const langevin = [
  ...mutantsOf('wgsl/sgld.wgsl', tests.sgldKernel, [
    {
      id: 'sgld-rounds',
      find: 'round < 10u',
      replace: 'round < 9u',
      breaks: 'The random words are those of another generator.',
    },
    {
      id: 'sgld-carry',
      find: '(carry >> 16u)',
      replace: '0u',
      breaks: 'The high half of a product lacks a carry.',
    },
    {
      id: 'sgld-quarter',
      find: 'vec2f(-s, c)',
      replace: 'vec2f(s, c)',
      breaks: 'A quarter of the angles is mirrored.',
    },
    {
      id: 'sgld-cosine',
      find: '0.0416666667',
      replace: '0.0416',
      breaks: 'The cosine is off in the fifth place.',
    },
    {
      id: 'sgld-logarithm',
      find: '0.333333333 + q * (0.2 + q * (0.142857143 + q * 0.111111111))',
      replace: '0.333333333',
      breaks: 'The series of the logarithm ends too early.',
    },
    {
      id: 'sgld-mantissa',
      find: 'm > 1.41421356',
      replace: 'm > 2.5',
      breaks: 'The logarithm near 1 is what is left of two that cancel.',
    },
    {
      id: 'sgld-element',
      find: 'block + i / 4u',
      replace: 'i / 4u',
      breaks: 'Every parameter, and every workgroup, has the same noise.',
    },
    {
      id: 'sgld-copies',
      find: 'copies[table[places + 2u * (i + j)]] = parameter;',
      replace: '',
      breaks: 'A convolution computes with weights that lack the noise.',
    },
    {
      id: 'sgld-copies-second',
      find: 'copies[table[places + 2u * (i + j) + 1u]] = parameter;',
      replace: '',
      breaks: "The gradient of a convolution's input is computed with weights that lack the noise.",
    },
    {
      id: 'sgld-scale-zero',
      find: ' || scale == 0.0',
      replace: '',
      breaks: 'At temperature 0 a parameter of -0 becomes 0.',
    },
  ]),
  ...mutantsOf('wgsl/sgld.wgsl', tests.langevin, [
    {
      id: 'sgld-step',
      find: 'replay.step * settings[2]',
      replace: 'settings[2]',
      breaks: 'All steps of a run have the same noise.',
    },
    {
      id: 'sgld-call',
      find: ' + params.call',
      replace: '',
      breaks: 'Several steps captured together have the same noise.',
    },
    {
      id: 'sgld-rate',
      find: 'min(replay.step, settings[0] - 1u)',
      replace: 'min(0u, settings[0] - 1u)',
      breaks: 'All steps of a run have the noise of the first rate.',
    },
  ]),
  ...mutantsOf('src/optim/sgld.ts', tests.langevin, [
    {
      id: 'sgld-scale',
      find: 'Math.sqrt(2 * lr * this.temperature)',
      replace: 'Math.sqrt(lr * this.temperature)',
      breaks: 'The samples come from half the temperature.',
    },
    {
      id: 'sgld-packed-again',
      find: 'storage.written(copy)',
      replace: 'storage.written(null)',
      breaks: 'Weights are packed anew in every step, though the noise was added to their copies.',
    },
    {
      id: 'sgld-number',
      find: 'number += 4 * Math.ceil(size / 4)',
      replace: '',
      breaks: 'All parameters have the same noise.',
    },
    {
      id: 'sgld-resume',
      find: 'this.#step = step\n',
      replace: '\n',
      breaks: 'A resumed run begins its noise again.',
    },
    {
      id: 'sgld-frozen',
      find: 'if (!grad) continue',
      replace: '',
      breaks: 'A parameter without a gradient is shaken all the same.',
    },
    {
      id: 'sgld-stepped',
      find: 'steps * use.calls)',
      replace: 'steps)',
      breaks: 'A plan of several steps repeats its noise.',
    },
  ]),
]

export const averaging: Area = { title: 'Averages and Langevin dynamics', mutants: [...averages, ...langevin] }
