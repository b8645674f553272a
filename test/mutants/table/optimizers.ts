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
    find: 'g += s.weight_decay * parameter',
    replace: 'g -= s.weight_decay * parameter',
    breaks: 'Weight decay lets the weights grow.',
  },
  {
    id: 'sgd-sign',
    find: 's.lr * gradient(s, given, before)',
    replace: 's.lr * -gradient(s, given, before)',
    breaks: 'Parameters go up the gradient.',
  },
  {
    id: 'sgd-dampening',
    find: '(1.0 - s.dampening) * g',
    replace: 'g',
    breaks: 'Dampening is ignored.',
  },
  {
    id: 'sgd-first-step',
    find: 'before != UNSET',
    replace: 'before >= 0u',
    breaks: 'The first step reads a momentum buffer that holds nothing yet.',
  },
  {
    id: 'sgd-nesterov',
    find: 'g + s.momentum * m,',
    replace: 'g + m,',
    breaks: "Nesterov's look ahead is not scaled by the momentum.",
  },
  {
    id: 'sgd-buffer',
    find: 'momentum[row.at + i] = bitcast<u32>(m);',
    replace: 'momentum[row.at + i] = bitcast<u32>(g);',
    breaks: 'The momentum buffer forgets all but the last gradient.',
  },
])

const adagrad = mutantsOf('wgsl/adagrad.wgsl', tests.adagrad, [
  {
    id: 'adagrad-sum',
    find: 'sum[at] + s.first + g * g',
    replace: 's.first + g * g',
    breaks: 'The sum of squares forgets all but the last gradient.',
  },
  {
    id: 'adagrad-first',
    find: 'sum[at] + s.first + g * g',
    replace: 'sum[at] + g * g',
    breaks: 'The sum of squares starts from 0, whatever was asked for.',
  },
  {
    id: 'adagrad-decay-sign',
    find: 'g += s.weight_decay * before',
    replace: 'g -= s.weight_decay * before',
    breaks: 'Weight decay lets the weights grow.',
  },
  {
    id: 'adagrad-maximize',
    find: 'select(given, -given, s.maximize)',
    replace: 'given',
    breaks: 'maximize goes downhill.',
  },
])

const host = mutantsOf('src/optim/sgd.ts', tests.optimizer, [
  {
    id: 'sgd-host-nesterov',
    find: 'nesterov ? 1 : 0',
    replace: 'maximize ? 1 : 0',
    breaks: 'The wrong option switches Nesterov momentum on.',
  },
  {
    id: 'sgd-host-weight-decay',
    find: 'dampening, weightDecay, nesterov ?',
    replace: 'dampening, dampening, nesterov ?',
    breaks: 'Dampening is taken for weight decay.',
  },
  {
    id: 'optim-momentum-off',
    find: 'momentum === 0 ? PLAIN : MOMENTUM',
    replace: 'momentum <= 0.5 ? PLAIN : MOMENTUM',
    breaks: 'A small momentum is ignored.',
  },
])

const adam = mutantsOf('wgsl/adam.wgsl', tests.adamKernel, [
  {
    id: 'adam-first-average',
    find: 'm + s.take1 * (g - m)',
    replace: 'm + s.take1 * g',
    breaks: 'The average of the gradient forgets nothing.',
  },
  {
    id: 'adam-second-average',
    find: 's.take2 * g * g',
    replace: 's.take2 * g',
    breaks: 'The second average is that of the gradient, not of its square.',
  },
  {
    id: 'adam-decay',
    find: 'p[at] * s.keep',
    replace: 'p[at]',
    breaks: 'There is no weight decay.',
  },
  {
    id: 'adam-correction',
    find: 'root_of(v) / s.root',
    replace: 'root_of(v)',
    breaks: 'The second average is not corrected for its start at 0.',
  },
  {
    id: 'adam-largest',
    find: 'updated(s, at, largest)',
    replace: 'updated(s, at, v)',
    breaks: 'amsgrad divides by the second average of now.',
  },
  {
    id: 'adam-maximize',
    find: 'select(given, -given, s.maximize)',
    replace: 'given',
    breaks: 'maximize goes downhill.',
    tests: tests.adamw,
  },
  {
    id: 'adam-table-place',
    in: 'read_row',
    find: 'table[i], table[i + 1u], table[i + 2u]',
    replace: 'table[0], table[i + 1u], table[i + 2u]',
    breaks: 'Every workgroup updates the first parameters.',
  },
])

const optimizer = mutantsOf('src/optim/optimizer.ts', tests.optimizer, [
  {
    id: 'optim-version',
    find: 'parameter.storage.version++',
    replace: '',
    breaks: 'An update in place is not noticed by the tape.',
    tests: tests.capture,
  },
  {
    id: 'optim-group-options',
    find: '...defined(options), ...defined(group)',
    replace: '...defined(group), ...defined(options)',
    breaks: "A group's own options are overridden by the common ones.",
  },
  {
    id: 'optim-zero-grad',
    find: "forgetGradients(params, 'zeroGrad() was called')",
    replace: "for (const p of params) p.grad?.release('zeroGrad() was called')",
    breaks: 'zeroGrad leaves released gradients in place.',
  },
  {
    id: 'optim-zero-grad-memory',
    find: "forgetGradients(params, 'zeroGrad() was called')",
    replace: 'for (const p of params) p.grad = null',
    breaks: 'zeroGrad forgets gradients without giving their memory back.',
  },
  {
    id: 'optim-check-before-step',
    in: 'step(watch',
    find: 'this.#check(group)',
    replace: '',
    breaks: 'Options set wrong between steps are used.',
  },
  {
    id: 'optim-load-options',
    find: 'void Object.assign(this.paramGroups[i]!, defined(options))',
    replace: 'void i',
    breaks: 'Loading a state leaves the options as they were.',
  },
  {
    id: 'optim-new-checked',
    find: 'checkParameters(all, this.#rule.name)',
    replace: '',
    breaks: 'What is put into a group later is taken as it is.',
  },
  {
    id: 'optim-load-null',
    find: 'held.flat.clearState(name, p)',
    replace: '{}',
    breaks: 'Loading a state without momentum leaves the momentum in memory, and it is used.',
  },
  {
    id: 'optim-load-steps',
    find: 'step - (skipped?.[i] ?? 0)',
    replace: '0',
    breaks: 'A resumed run counts its steps from the beginning.',
    tests: tests.langevin,
  },
  {
    id: 'optim-rate-of-run',
    find: ') own.lr = lr',
    replace: ') void own',
    breaks: 'A rate that a run of a plan was given is not that of the group afterwards.',
    tests: tests.capture,
  },
  {
    id: 'optim-rate-in-row',
    find: 'withRate(lr, use === 0',
    replace: 'withRate(undefined, use === 0',
    breaks: 'The rates that a run of a plan is given are not used.',
    tests: tests.capture,
  },
  {
    id: 'optim-elsewhere',
    find: 'inPlace ? held.flat.gradients : storage',
    replace: 'storage',
    breaks: 'A gradient among the others is looked for in its own memory, at its place among them.',
  },
])

const checks = mutantsOf('src/optim/check.ts', tests.optimizer, [
  {
    id: 'optim-nesterov-check',
    find: '!nesterov || (momentum > 0 && dampening === 0)',
    replace: '!nesterov || momentum > 0 || dampening === 0',
    breaks: 'Nesterov momentum without a momentum, or with dampening, is accepted.',
  },
  {
    id: 'optim-twice',
    find: 'seen.add(p).add(p.storage)',
    replace: 'seen.add(p.storage)',
    breaks: 'A parameter that is listed twice is called another tensor over its memory.',
  },
  {
    id: 'optim-shared-memory',
    find: 'seen.add(p).add(p.storage)',
    replace: 'seen.add(p)',
    breaks: 'Gradients of two tensors over the same memory overwrite each other.',
  },
])

const places = [
  ...mutantsOf('src/tensor/copy_into.ts', tests.optimizer, [
    {
      id: 'optim-load-size',
      find: 'bytesPerElement[own.dtype] * own.size',
      replace: 'own.size',
      breaks: 'A quarter of each state is loaded.',
    },
    {
      id: 'optim-load-own',
      find: '!written.has(value.storage)',
      replace: 'true',
      breaks: 'A state in another order is overwritten before it is read.',
      tests: { files: ['test/optim/changed_groups.test.ts'] },
    },
  ]),
  ...mutantsOf('src/optim/flat_parameters.ts', tests.optimizer, [
    {
      id: 'flat-initial',
      find: 'for (const p of this.parameters) fill(made.storage, p, this.#initial)',
      replace: '',
      breaks: 'The first step with momentum reads what was in memory.',
    },
    {
      id: 'flat-copy',
      find: 'gpu.copy(storage, place.storage, 4 * size)',
      replace: '',
      breaks: 'An optimizer loses the values of its parameters.',
    },
  ]),
  ...mutantsOf('src/tensor/autograd.ts', tests.optimizer, [
    {
      id: 'grad-home-taken',
      find: 'home?.holders === 1',
      replace: 'home',
      breaks: 'A gradient that somebody holds is overwritten by the next.',
    },
    {
      id: 'grad-home-free',
      find: 'home?.holders === 1',
      replace: 'home?.holders === 0',
      breaks: 'Gradients lie anywhere, and each needs a dispatch for its update.',
    },
  ]),
  ...mutantsOf('src/kernels/table_cache.ts', tests.optimizer, [
    {
      id: 'tables-captured',
      find: ' && !currentOn(gpu)',
      replace: '',
      breaks: 'A captured step of many tables reads the last where it began with the first.',
    },
    {
      id: 'tables-forgotten',
      find: 'this.#tables.clear()',
      replace: '',
      breaks: 'A table is used after its memory was given back.',
    },
  ]),
]

const clipping = [
  ...mutantsOf('wgsl/clip.wgsl', tests.clipKernel, [
    {
      id: 'clip-square',
      find: 'bitcast<u32>(v * v)',
      replace: 'bitcast<u32>(abs(v))',
      breaks: 'The norm is the root of the sum of absolute values.',
    },
    {
      id: 'clip-block',
      find: 'var i = local; i < row.count; i += GROUP',
      replace: 'var i = local; i + 1u < row.count; i += GROUP',
      breaks: 'The last element does not count.',
    },
    {
      id: 'clip-row',
      find: 'sums[params.first + row.number / BLOCK]',
      replace: 'sums[params.first + group.x]',
      breaks: 'Where the gradients lie decides in which order their sums are added up.',
    },
    {
      id: 'clip-scale-place',
      find: 'g[row.at + i] *= by',
      replace: 'g[i] *= by',
      breaks: 'Every workgroup scales the first gradient.',
    },
    {
      id: 'clip-first-of-block',
      find: 'var k = 1u; k < count',
      replace: 'var k = 2u; k < count',
      breaks: 'One thread in each workgroup does not count.',
    },
    {
      id: 'clip-partials',
      find: 'i < params.size; i += TOTAL_GROUP',
      replace: 'i < min(TOTAL_GROUP, params.size); i += TOTAL_GROUP',
      breaks: 'Only 256 blocks count.',
    },
    {
      id: 'clip-largest',
      find: 'return max(a, b)',
      replace: 'return min(a, b)',
      breaks: 'The norm of type Infinity is the smallest value.',
    },
    {
      id: 'clip-root',
      find: 'params.infinite == 0u && sum != 0u',
      replace: 'sum != 0u',
      breaks: 'The root is taken of the largest value too.',
    },
    {
      id: 'clip-nan-bits',
      find: 'if (bits > INFINITY_BITS) {',
      replace: 'if (bits > 0x7fffffffu) {',
      breaks: 'A norm of NaN is laundered.',
    },
    {
      id: 'clip-infinite',
      find: 'if (bits == INFINITY_BITS) { return 0.0; }',
      replace: 'if (bits == INFINITY_BITS) { return 1.0; }',
      breaks: 'An infinite norm changes nothing.',
    },
    {
      id: 'clip-grows',
      find: '1.0, params.limit >= divisor',
      replace: '1.0, params.limit < 0.0',
      breaks: 'Gradients below the limit grow up to it.',
    },
    {
      id: 'clip-keep',
      find: '1.0, params.keep == 1u',
      replace: '1.0, params.keep == 2u',
      breaks: 'A norm of NaN hides which gradient it came from.',
    },
    {
      id: 'clamp-sign',
      find: '(bitcast<u32>(v) & 0x80000000u) | limit',
      replace: 'limit',
      breaks: 'What is below -limit becomes limit.',
    },
    {
      id: 'clamp-nan',
      find: 'size > INFINITY_BITS ||',
      replace: '',
      breaks: 'A NaN becomes the limit.',
    },
  ]),
  ...mutantsOf('src/kernels/clip.ts', tests.clipKernel, [
    {
      id: 'clip-places',
      find: 'first: buffer.first,',
      replace: 'first: 0,',
      breaks: 'Partial results of two buffers overwrite each other.',
    },
    {
      id: 'clip-order-of-blocks',
      find: 'NORM_BLOCK * (blocks - own.first)',
      replace: 'NORM_BLOCK * own.pieces.length',
      breaks: 'Partial results of a gradient of many blocks are overwritten by those of the next.',
    },
    {
      id: 'clip-version',
      find: 'storage.version++',
      replace: 'void storage',
      breaks: 'A backward that saved the gradient does not notice that it has changed.',
    },
  ]),
  ...mutantsOf('src/optim/clip.ts', tests.clip, [
    {
      id: 'clip-shared',
      find: 'if (gradient.storage.holders <= own) return gradient',
      replace: 'if (gradient.size > 0) return gradient',
      breaks: 'The gradient that was given to backward is changed.',
    },
    {
      id: 'clip-home',
      find: 'p.gradientHome === gradient.storage ? 2 : 1',
      replace: '1',
      breaks: 'Clipped gradients leave the place where the optimizer updates them all at once.',
    },
    {
      id: 'clip-once',
      find: 'return [...new Set(own)]',
      replace: 'return own',
      breaks: 'A gradient that two parameters hold is scaled twice.',
    },
    {
      id: 'clip-order',
      find: 'clampGradients(params, clipGradValue, true)',
      replace: 'clampGradients(params, clipGradValue, false)',
      breaks: 'An infinite gradient is laundered before the update looks at it.',
    },
    {
      id: 'clip-error-late',
      find: 'if (!Number.isFinite(value)) {',
      replace: 'if (Number.isNaN(value)) {',
      breaks: 'An infinite norm is no error.',
    },
  ]),
]

export const optimisation: Area = {
  title: 'Optimizers',
  mutants: [...kernel, ...adam, ...adagrad, ...host, ...optimizer, ...checks, ...places, ...clipping],
}
