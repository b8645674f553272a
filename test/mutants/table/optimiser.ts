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
    find: 'before != NO_MOMENTUM',
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
    find: 'b[row.at + i] = bitcast<u32>(m);',
    replace: 'b[row.at + i] = bitcast<u32>(g);',
    breaks: 'The momentum buffer forgets all but the last gradient.',
  },
])

const host = mutantsOf('src/kernels/sgd.ts', tests.sgdKernel, [
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
])

const keptInKernel = mutantsOf('wgsl/sgd.wgsl', tests.kept, [
  {
    id: 'sgd-sums-stride',
    find: 'k * row.stride',
    replace: 'k',
    breaks: 'Neighbours are added up instead of the partial sums of one weight.',
  },
  {
    id: 'sgd-sums-gradient',
    find: 'dp[row.at_dp + i] = sum;',
    replace: '',
    breaks: 'The gradient that the update has made is nowhere to be read.',
  },
  {
    id: 'sgd-copies-second',
    find: 'copies[table[row.places + 2u * i + 1u]] = parameter;',
    replace: '',
    breaks: 'The copy for the gradient of the input stays behind.',
  },
])

const keptOnHost = [
  ...mutantsOf('src/kernels/sgd.ts', tests.kept, [
    {
      id: 'sgd-host-sums-row',
      find: 'partial.at + first, partial.stride',
      replace: 'partial.at, partial.stride',
      breaks: "Every row of a large weight adds up the first row's sums.",
    },
  ]),
  ...mutantsOf('src/kernels/rows.ts', tests.kept, [
    {
      id: 'sgd-host-places-row',
      find: 'end + 2 * first : 0',
      replace: 'end : 0',
      breaks: "Every row of a large weight is copied to the first row's places.",
    },
  ]),
  ...mutantsOf('src/kernels/packed_weight.ts', tests.kept, [
    {
      id: 'copy-version',
      find: 'if (copy.version === storage.version) return',
      replace: 'if (copy.version >= 0) return',
      breaks: 'A parameter that was loaded is not packed again.',
    },
    {
      id: 'copy-before-run',
      find: 'before: refresh,',
      replace: 'before: () => undefined,',
      breaks: 'A plan computes with the parameters of when it last ran.',
    },
    {
      id: 'copy-layout',
      find: 'if (copy?.layout !== layout.name) return null',
      replace: 'if (!copy) return null',
      breaks: 'A weight used at two sizes is read in the order of the other.',
    },
  ]),
  ...mutantsOf('src/kernels/conv2d_relu_max_pool2d.ts', tests.kept, [
    {
      id: 'copy-places-dx',
      find: '(c % DX_C)',
      replace: '0',
      breaks: 'The copy for the gradient of the input has all channels in one.',
    },
    {
      id: 'deferred-bias',
      find: 'at: parts * weights, stride: F',
      replace: 'at: weights, stride: F',
      breaks: "The bias's sums are looked for among those of the weights.",
    },
  ]),
  ...mutantsOf('src/optim/arena.ts', tests.kept, [
    {
      id: 'sums-place',
      find: 'this.#sumsEnd += alignedSize(bytes)',
      replace: '',
      breaks: 'Two layers write their partial sums to the same place.',
    },
    {
      id: 'sums-again',
      find: 'if (this.#sumsHeld === 0) this.#sumsEnd = 0',
      replace: '',
      breaks: 'After some steps there is no memory for partial sums left.',
      equivalent: 'Then each layer adds them up in a dispatch of its own: the same bits, more dispatches.',
    },
  ]),
  ...mutantsOf('src/gpu/bind.ts', tests.kept, [
    {
      id: 'copy-written',
      find: 'value.dropCopy()',
      replace: '',
      breaks: "Another kernel's writes are not in the copy.",
    },
  ]),
  ...mutantsOf('src/gpu/gpu.ts', tests.kept, [
    {
      id: 'deferred-emit',
      find: 'storages.some((storage) => sums.concerns(storage))',
      replace: 'false',
      breaks: 'A gradient is added to before it is made.',
    },
    {
      id: 'deferred-read',
      in: 'read',
      find: 'this.#settle()',
      replace: '',
      breaks: 'A gradient is read before it is made.',
    },
    {
      id: 'deferred-recording',
      find: `      const result = fn()
      this.#settle()`,
      replace: '      const result = fn()',
      breaks: 'A plan without an optimiser leaves its last gradient unmade.',
    },
  ]),
  ...mutantsOf('src/gpu/pool.ts', tests.kept, [
    {
      id: 'copy-stepped',
      find: 'if (copy && current) copy.version = this.version',
      replace: '',
      breaks: 'A copy is packed anew in every step, though the update has written it.',
    },
  ]),
  ...mutantsOf('src/optim/sgd.ts', tests.kept, [
    {
      id: 'copy-of-another',
      find: 'p.storage.written(copy)',
      replace: 'p.storage.written(p.storage.copy)',
      breaks: "A plan's update is taken to be in a copy that was made after the plan.",
    },
    {
      id: 'deferred-groups',
      find: 'sums.results.every(',
      replace: 'sums.results.some(',
      breaks: 'Gradients that belong to another group are taken for made.',
    },
  ]),
]

const optimiser = mutantsOf('src/optim/sgd.ts', tests.optimiser, [
  {
    id: 'optim-version',
    find: 'p.storage.written(copy)',
    replace: '',
    breaks: 'An update in place is not noticed by the tape.',
    tests: tests.capture,
  },
  {
    id: 'optim-momentum-off',
    find: 'own, group.momentum !== 0,',
    replace: 'own, group.momentum > 0.5,',
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
    in: 'step',
    find: 'checkGroup(group)',
    replace: '',
    breaks: 'Options set wrong between steps are used.',
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
    id: 'optim-new-checked',
    find: 'checkParameters(this.parameters())',
    replace: '',
    breaks: 'What is put into a group later is taken as it is.',
  },
  {
    id: 'optim-load-null',
    find: 'arena.forgetMomentum(p)',
    replace: '{}',
    breaks: 'Loading a state without momentum leaves the momentum in memory, and it is used.',
  },
])

const checks = mutantsOf('src/optim/check.ts', tests.optimiser, [
  {
    id: 'optim-nesterov-check',
    find: 'group.momentum === 0 || group.dampening !== 0',
    replace: 'group.momentum === 0 && group.dampening !== 0',
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
  ...mutantsOf('src/optim/arena.ts', tests.optimiser, [
    {
      id: 'arena-empty',
      find: '.fill(NO_MOMENTUM)',
      replace: '',
      breaks: 'The first step of momentum is dampened: it starts from zero.',
    },
    {
      id: 'arena-copy',
      find: 'gpu.copy(storage, { buffer: whole.storage.buffer, offset }, 4 * size)',
      replace: '',
      breaks: 'An optimiser loses the values of its parameters.',
    },
  ]),
  ...mutantsOf('src/optim/group_update.ts', tests.optimiser, [
    {
      id: 'group-update-written',
      find: 'this.#written?.length === words.length &&',
      replace: 'this.#written?.length === words.length ||',
      breaks: 'Options that are changed later are not used.',
    },
    {
      id: 'group-update-elsewhere',
      find: 'inPlace ? gradient.storage.offset / 4 : 0',
      replace: 'gradient.storage.offset / 4',
      breaks: 'A gradient in a place of its own is read from a place among the others.',
      equivalent:
        'A gradient elsewhere begins at the start of its buffer, unless it lies among those of another optimiser.',
    },
  ]),
  ...mutantsOf('src/kernels/table_cache.ts', tests.optimiser, [
    {
      id: 'tables-captured',
      find: ' && !isCapturing(gpu)',
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
  ...mutantsOf('src/tensor/parameter_place.ts', tests.optimiser, [
    {
      id: 'grad-place-taken',
      find: 'this.#taken = true',
      replace: '',
      breaks: 'A gradient that somebody holds is overwritten by the next.',
    },
    {
      id: 'grad-place-free',
      find: 'this.#taken = false\n    })',
      replace: '})',
      breaks: 'From the second step on gradients lie anywhere, and each needs a dispatch of its own.',
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
      find: 'if (!gradient.storage.shared) return gradient',
      replace: 'if (gradient.size > 0) return gradient',
      breaks: 'The gradient that was given to backward is changed.',
    },
    {
      id: 'clip-once',
      find: 'return [...new Set(own)]',
      replace: 'return own',
      breaks: 'A gradient that two parameters hold is scaled twice.',
    },
    {
      id: 'clip-deferred',
      find: 'sums.run()',
      replace: 'sums.release()',
      breaks: 'Gradients that are still in partial sums are never made.',
      tests: tests.clip,
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
  title: 'Optimiser',
  mutants: [...kernel, ...host, ...keptInKernel, ...keptOnHost, ...optimiser, ...checks, ...places, ...clipping],
}
