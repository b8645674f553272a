import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const elementwise = [
  ...mutantsOf('wgsl/rmsprop.wgsl', tests.rmsprop, [
    {
      id: 'rmsprop-average',
      find: 's.alpha * squareAvg[at] + s.take * g * g',
      replace: 's.alpha * squareAvg[at] + s.take * g',
      breaks: 'The average is that of the gradient, not of its square.',
    },
    {
      id: 'rmsprop-centre',
      find: 'squares - mean * mean',
      replace: 'squares - mean',
      breaks: 'The variance is less the mean, not its square.',
    },
    {
      id: 'rmsprop-momentum',
      find: 's.momentum * momentumBuffer[at] + step',
      replace: 'momentumBuffer[at] + step',
      breaks: 'Momentum forgets nothing.',
    },
  ]),
  ...mutantsOf('wgsl/adadelta.wgsl', tests.adadelta, [
    {
      id: 'adadelta-delta',
      find: 's.take * delta * delta',
      replace: 's.take * g * g',
      breaks: 'The average of the steps is that of the gradients.',
    },
    {
      id: 'adadelta-roots',
      find: 'root_of(before + s.eps)',
      replace: 'root_of(before)',
      breaks: 'The first step is 0, and so are all.',
    },
  ]),
  ...mutantsOf('wgsl/lion.wgsl', tests.lion, [
    {
      id: 'lion-betas',
      find: 'before + s.take2 * apart',
      replace: 'before + s.take1 * apart',
      breaks: 'What is kept is what the step was taken along.',
    },
    {
      id: 'lion-sign',
      find: '(bits & 0x80000000u) | 0x3f800000u',
      replace: '0x3f800000u',
      breaks: 'Every step goes down.',
    },
    {
      id: 'lion-zero',
      find: 'size == 0u || size > 0x7f800000u',
      replace: 'size > 0x7f800000u',
      breaks: 'An element without a gradient moves.',
      tests: tests.moreOptimizers,
    },
    {
      id: 'lion-nan',
      find: 'size == 0u || size > 0x7f800000u',
      replace: 'size == 0u',
      breaks: 'A NaN in a gradient is a step like any other.',
      tests: tests.optimizerFamily,
    },
  ]),
  ...mutantsOf('src/optim/adam.ts', tests.moreOptimizers, [
    {
      id: 'adam-coupled',
      find: '[1, weightDecay]',
      replace: '[1 - lr * weightDecay, 0]',
      breaks: 'Adam decays as AdamW does.',
    },
  ]),
]

const scheduleFree = [
  ...mutantsOf('wgsl/schedule_free.wgsl', tests.scheduleFree, [
    {
      id: 'schedule-free-start',
      find: 'z[at] != UNSET',
      replace: 'true',
      breaks: 'The first step reads a z that holds nothing yet.',
    },
    {
      id: 'schedule-free-square',
      find: 'before != UNSET',
      replace: 'false',
      breaks: 'The average of squares forgets all but the last gradient.',
    },
    {
      id: 'schedule-free-pull',
      find: 's.pull * d',
      replace: 's.rate * d',
      breaks: 'y goes up the gradient.',
    },
  ]),
  ...mutantsOf('src/optim/schedule_free.ts', tests.moreOptimizers, [
    {
      id: 'schedule-free-largest',
      find: 'Math.max(rate, group.lrMax)',
      replace: 'rate',
      breaks: 'A step weighs by its own rate, not by the largest so far.',
    },
    {
      id: 'schedule-free-warmup',
      find: 'k / Math.max(1, warmupSteps)',
      replace: '(k + 1) / Math.max(1, warmupSteps)',
      breaks: 'The rate rises a step early.',
    },
    {
      id: 'schedule-free-mean',
      find: '1 - 1 / this.betaOf(group)',
      replace: '1 - this.betaOf(group)',
      breaks: 'What is evaluated is not the mean.',
    },
    {
      id: 'schedule-free-back',
      find: "this.clearState('y', p)",
      replace: '',
      breaks: 'A state that is saved in training says that it was in evaluation.',
      tests: tests.optimizerFamily,
    },
    {
      id: 'schedule-free-ready',
      in: 'checkReady',
      find: 'if (this.#training) return',
      replace: 'return',
      breaks: 'A step in evaluation mode trains the mean.',
      tests: tests.optimizerFamily,
    },
  ]),
  ...mutantsOf('src/optim/optimizer.ts', tests.optimizerFamily, [
    {
      id: 'optim-after-row',
      find: 'if (rule.after) left = { ...options, ...rule.after(options) }',
      replace: '',
      breaks: 'All steps of one submit weigh as much as the first.',
    },
    {
      id: 'optim-after-advance',
      find: 'Object.assign(group(), rule.after?.(group()))',
      replace: '',
      breaks: 'A group counts nothing.',
    },
  ]),
  ...mutantsOf('src/train/loop.ts', tests.fitContinued, [
    {
      id: 'fit-saved-mode',
      find: "checkNotSwapped('fit: checkpoint', paramGroups)\n    this.#evalMode()",
      replace: "checkNotSwapped('fit: checkpoint', paramGroups)",
      breaks: 'A checkpoint in the middle of an epoch has the parameters that are trained.',
    },
    {
      id: 'fit-train-mode',
      find: 'for (const optimizer of this.#options.optimizers) optimizer.train()',
      replace: '',
      breaks: 'fit can not go on after the first evaluation.',
    },
  ]),
]

const layerWise = [
  ...mutantsOf('wgsl/layer_wise.wgsl', tests.layerWise, [
    {
      id: 'layer-wise-row',
      find: 'sum += vec2f(sums[2u * i], sums[2u * i + 1u])',
      replace: 'sum = vec2f(sums[2u * i], sums[2u * i + 1u])',
      breaks: 'Of the rows of a thread only the last counts.',
    },
    {
      id: 'layer-wise-parameter',
      find: 'read_row(first - 1u).code_p != code',
      replace: 'false',
      breaks: 'Only the first parameter has a norm.',
    },
    {
      id: 'layer-wise-lars-decay',
      find: 'of_dp + s.decay * of_p + s.eps',
      replace: 'of_dp + s.eps',
      breaks: "The local rate of LARS leaves the weight decay's pull out.",
    },
    {
      id: 'layer-wise-lamb-correction',
      find: 's.scale1 * expAvg[at]',
      replace: 'expAvg[at]',
      breaks: "LAMB's average is not corrected for its start at 0.",
    },
    {
      id: 'layer-wise-zero',
      find: 'select(quotient, 1.0, a == 0.0 || b == 0.0)',
      replace: 'quotient',
      breaks: 'A parameter of zeros never moves.',
      tests: tests.optimizerFamily,
    },
    {
      id: 'layer-wise-overflow',
      find: 'not_finite(a) || not_finite(b)',
      replace: 'false',
      breaks: 'A gradient whose norm overflows moves nothing, without a word.',
      tests: tests.optimizerFamily,
    },
  ]),
  ...mutantsOf('wgsl/muon.wgsl', tests.muon, [
    {
      id: 'muon-nesterov',
      find: 'g + s.momentum * (buffer - g)',
      replace: 'g',
      breaks: 'Nesterov takes the gradient alone.',
      tests: tests.layerWisePaths,
    },
    {
      id: 'muon-norm',
      find: 'sum += found[k]',
      replace: 'sum = found[k]',
      breaks: 'The norm is that of a few elements.',
    },
    {
      id: 'muon-combine',
      find: 'params.c * z[i]',
      replace: 'params.c * y[i]',
      breaks: 'The iteration has no fifth power.',
    },
  ]),
  ...mutantsOf('src/kernels/muon.ts', tests.muon, [
    {
      id: 'muon-scale',
      find: 'i === ITERATIONS - 1 ? scale * each : each',
      replace: 'each',
      breaks: 'Tall matrices are not scaled.',
    },
  ]),
]

export const moreOptimizers: Area = {
  title: 'Adam, RMSprop, Adadelta, Lion, schedule-free, LARS, LAMB, Muon',
  mutants: [...elementwise, ...scheduleFree, ...layerWise],
}
