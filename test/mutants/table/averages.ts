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
      find: 'min(replay.step * weights[1], weights[0] - 1u)',
      replace: 'min(0u, weights[0] - 1u)',
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
      find: 'Math.min(tensor.size - first, ELEMENTS_A_WORKGROUP)',
      replace: 'ELEMENTS_A_WORKGROUP',
      breaks: 'The last workgroup of a parameter runs past its end.',
    },
  ]),
  ...mutantsOf('src/optim/average.ts', tests.averages, [
    {
      id: 'average-standing-in',
      find: 'standIn(this.#swapped ? this.#name : null, this.#parameters())',
      replace: 'standIn(this.#swapped ? null : this.#name, this.#parameters())',
      tests: tests.swapped,
      breaks: 'Averages that stand in the place of the parameters are trained.',
    },
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
      find: 'this.#count + use === 0 ? 1 :',
      replace: 'this.#count + use < 0 ? 1 :',
      breaks: 'The first update takes in what was in memory.',
    },
    {
      id: 'average-count-plan',
      find: 'this.#count += uses',
      replace: 'this.#count += 1',
      breaks: 'A run of many steps counts as one.',
    },
    {
      id: 'average-swap-back',
      find: ', [p, a], ])',
      replace: '])',
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
      find: "this.#check('plan.run')",
      replace: '',
      breaks: 'A plan updates an average that was disposed.',
    },
    {
      id: 'average-load',
      find: 'this.#count = count',
      replace: '',
      breaks: 'A resumed average weighs the next parameters as if it were new.',
    },
  ]),
]

const copies = mutantsOf('src/tensor/copy_into.ts', tests.averages, [
  {
    id: 'average-swap-version',
    find: 'own.storage.version++',
    replace: '',
    breaks: 'A backward does not notice that the averages came after its forward.',
  },
])

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
      id: 'sgld-scale-zero',
      find: ' || scale == 0.0',
      replace: '',
      breaks: 'At temperature 0 a parameter of -0 becomes 0.',
    },
  ]),
  ...mutantsOf('wgsl/sgld.wgsl', tests.langevin, [
    {
      id: 'sgld-step',
      find: 'replay.step * settings[1] + params.which',
      replace: 'params.which',
      breaks: 'All steps of a run have the same noise.',
    },
    {
      id: 'sgld-call',
      find: ' + params.which',
      replace: '',
      breaks: 'Several steps captured together have the same noise.',
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
      id: 'sgld-number',
      find: 'number += 4 * Math.ceil(p.size / 4)',
      replace: '',
      breaks: 'All parameters have the same noise.',
    },
    {
      id: 'sgld-resume',
      find: 'this.stepsTaken + use',
      replace: 'use',
      breaks: 'Every step, and every run of a plan, begins its noise again.',
    },
    {
      id: 'sgld-frozen',
      find: 'return p.grad ?',
      replace: 'return true ?',
      breaks: 'A parameter without a gradient is shaken.',
    },
  ]),
]

export const averaging: Area = {
  title: 'Averages and Langevin dynamics',
  mutants: [...averages, ...copies, ...langevin],
}
