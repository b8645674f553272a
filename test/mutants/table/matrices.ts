import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const linear = mutantsOf('wgsl/linear.wgsl', tests.linear, [
  {
    id: 'linear-pack-weight-place',
    in: 'pack_forward',
    find: 'right_out[s.to] =',
    replace: 'right_out[s.to + 1u] =',
    breaks: 'The packed weights are shifted.',
    tests: tests.smallLinear,
  },
  {
    id: 'linear-forward-bias',
    in: 'forward_direct',
    find: 'finished(s0l.x, at - start)',
    replace: 'finished(s0l.x, column)',
    breaks: 'Eight neighbouring outputs get the bias of the first of them.',
  },
  {
    id: 'linear-forward-row-end',
    in: 'forward',
    find: 'min(column + (half & 1u) * 4u + 4u, params.O)',
    replace: 'column + (half & 1u) * 4u + 4u',
    breaks: 'The last block of a row writes into the next row.',
  },
  {
    id: 'linear-forward-sixth-row',
    in: 'forward',
    find: 's5l += x1.y * y0;',
    replace: 's5l += x1.x * y0;',
    breaks: 'The sixth row of a block is computed from the fifth.',
    tests: tests.smallLinear,
  },
  {
    id: 'linear-forward-last-term',
    in: 'forward',
    find: 'k < params.count; k++',
    replace: 'k + 1u < params.count; k++',
    breaks: 'The last feature is left out of every sum.',
    tests: tests.smallLinear,
  },
  {
    id: 'linear-forward-last-quad',
    in: 'forward',
    find: 'min(i0 + 1u, step_i - 1u)',
    replace: 'i0 + 1u',
    breaks: 'Past the last rows a quad of something else is read.',
    equivalent: 'Rows past the edge are never stored, and reads out of bounds are harmless in WGSL.',
  },
  {
    id: 'linear-strip-end',
    in: 'strip_of',
    find: 'min(k + STRIP, size_k)',
    replace: '(k + STRIP)',
    breaks: 'Packing runs past the end of an operand, into the other one and the memory behind.',
  },
  {
    id: 'linear-pack-backward-place',
    in: 'pack_backward',
    find: 'quads_o * params.rows * params.needW',
    replace: 'quads_o * params.N',
    breaks: 'Where only the input needs a gradient its operands are packed elsewhere than they are read.',
  },
  {
    id: 'linear-packed-bias',
    in: 'forward',
    find: 'finished(s0l.x, at - start)',
    replace: 'finished(s0l.x, column)',
    breaks: 'In a large layer eight neighbouring outputs get the bias of the first of them.',
    tests: tests.smallLinear,
  },
  {
    id: 'linear-relu-nan',
    find: 'select(result, 0.0, params.relu == 1u && result <= 0.0)',
    replace: 'select(0.0, result, params.relu == 0u || result > 0.0)',
    breaks: 'ReLU makes NaN 0.',
    tests: tests.linearRelu,
  },
  {
    id: 'linear-relu-before-bias',
    find: 'params.relu == 1u && result <= 0.0',
    replace: 'params.relu == 1u && sum <= 0.0',
    breaks: 'ReLU looks at the sum without the bias.',
    tests: tests.linearRelu,
  },
  {
    id: 'linear-relu-gradient',
    find: 'params.relu == 1u && y[i] <= 0.0',
    replace: 'params.relu == 1u && y[i] < 0.0',
    breaks: 'The gradient passes where ReLU gave 0.',
    tests: tests.linearRelu,
  },
  {
    id: 'linear-direct-columns',
    in: 'forward_direct',
    find: 's2h += x0.z * y1;',
    replace: 's2h += x0.z * y0;',
    breaks: 'Four elements of a block are computed from the wrong weights.',
  },
  {
    id: 'linear-direct-last-column',
    in: 'forward_direct',
    find: 'min(column + four, vec4u(params.O - 1u))',
    replace: 'min(column + four, vec4u(params.O))',
    breaks: 'Past the last output the weights of none are read.',
    equivalent: 'Columns past the edge are never stored, and reads out of bounds are harmless in WGSL.',
  },
  {
    id: 'linear-direct-operand',
    in: 'backward_direct',
    find: 'let y0 = weight_quads[j0];',
    replace: 'let y0 = x_quads[j0];',
    breaks: "In a small layer the input's gradient multiplies by the input.",
  },
  {
    id: 'linear-direct-blocks',
    in: 'backward_direct',
    find: 'let stop = min(n + BLOCK, end);\n      var s0l',
    replace: 'let stop = end;\n      var s0l',
    breaks: 'In a small layer the weight gradient is not summed in blocks of 32 rows: other bits.',
  },
  {
    id: 'linear-direct-last-quad',
    in: 'backward_direct',
    find: '* 4u + 4u, params.I)',
    replace: '* 4u + 4u, params.I + 4u)',
    breaks: 'In a small layer the last block of columns writes into the next row.',
  },
  {
    id: 'linear-direct-mask',
    in: 'backward_direct',
    find: '<= vec4f()',
    replace: '< vec4f()',
    breaks: 'Between small layers the gradient passes where ReLU gave 0.',
    tests: tests.fusion,
  },
  {
    id: 'linear-direct-mask-place',
    in: 'backward_direct',
    find: 'min(column + (half & 1u), quads_i - 1u)]',
    replace: 'column]',
    breaks: 'Between small layers every second four elements are masked as the four before them.',
    tests: tests.fusion,
  },
  {
    id: 'linear-packed-mask',
    in: 'masked',
    find: 'x[at] <= 0.0',
    replace: 'x[at] < 0.0',
    breaks: 'Between other layers the gradient passes where ReLU gave 0.',
    tests: tests.fusion,
  },
  {
    id: 'linear-direct-bias-blocks',
    in: 'backward_direct',
    find: 'let stop = min(n + BLOCK, end);\n      var sum',
    replace: 'let stop = end;\n      var sum',
    breaks: 'In a small layer the bias gradient is not summed in blocks of 32 rows: other bits.',
  },
  {
    id: 'linear-direct-last-row',
    in: 'backward_direct',
    find: 'let last = min(row + 8u, height);',
    replace: 'let last = row + 8u;',
    breaks: 'In a small layer the last block of rows is written past the end.',
  },
  {
    id: 'linear-backward-share',
    in: 'backward',
    find: 'min(begin + params.share, params.rows)',
    replace: 'min(begin + BLOCK, params.rows)',
    breaks: 'A thread that has all rows to itself sums the first 32.',
  },
  {
    id: 'linear-backward-bias-blocks',
    in: 'backward',
    find: 'let stop = min(n + BLOCK, end);',
    replace: 'let stop = end;',
    breaks: 'The bias gradient is no longer summed in blocks of 32 rows: other bits.',
  },
  {
    id: 'linear-backward-weight-blocks',
    in: 'backward',
    find: 'let block = select(params.count, BLOCK, for_w);',
    replace: 'let block = select(params.count, params.N, for_w);',
    breaks: 'The weight gradient is no longer summed in blocks of 32 rows: other bits.',
  },
  {
    id: 'linear-backward-part-row',
    in: 'backward',
    find: 'let row = (t - part * blocks_w) / across * 8u;',
    replace: 'let row = t / across * 8u;',
    breaks: 'Where the rows are split among threads, all parts but the first write to the wrong rows.',
  },
  {
    id: 'linear-backward-accumulate',
    in: 'backward',
    find: 't3h += s3h;',
    replace: 't3h = s3h;',
    breaks: 'A part of the weight gradient counts the last block of rows only.',
  },
  {
    id: 'linear-backward-bias-end',
    in: 'backward',
    find: 'min(4u, params.O - o)',
    replace: '4u',
    breaks: 'The bias gradient is written past its end.',
  },
  {
    id: 'linear-long-sum-relu',
    in: 'forward',
    find: 'if (params.last == 1u)',
    replace: 'if (params.last <= 1u)',
    breaks: 'Of a long sum every piece gets the bias and the ReLU.',
    tests: tests.longSums,
  },
  {
    id: 'linear-long-sum-input',
    in: 'backward',
    find: 't0l.x += dx[at];',
    replace: '',
    breaks: 'Of the sum over many outputs only the last piece is left.',
    tests: tests.longSums,
  },
  {
    id: 'linear-pack-backward-rows',
    find: 'strip_of(i, params.O, params.n0,',
    replace: 'strip_of(i, params.O, 0u,',
    breaks: 'Where not all parts are made at a time, each is given the gradient of the first rows.',
    tests: tests.sumParts,
  },
  {
    id: 'linear-in-turn',
    in: 'in_turn',
    find: 'heavy + g - before',
    replace: 'g - before',
    breaks: 'Some workgroups run twice and others not at all.',
  },
  {
    id: 'linear-reduce-bias',
    find: 'partial_b[p * params.O + i - size_w]',
    replace: 'partial_b[i - size_w]',
    breaks: 'The bias gradient adds the first part again and again.',
  },
])

const sumParts = mutantsOf('wgsl/sum_parts.wgsl', tests.sumParts, [
  {
    id: 'sum-parts-more',
    find: 'params.more == 1u',
    replace: 'params.more == 2u',
    breaks: 'Of a sum that is made slice by slice only the last slice is left.',
  },
  {
    id: 'sum-parts-end',
    find: 'min(first + GROUP, params.count)',
    replace: 'first + GROUP',
    breaks: 'A group adds rows past the last part.',
  },
  {
    id: 'sum-parts-group',
    find: 'const GROUP: u32 = 256u;',
    replace: 'const GROUP: u32 = 128u;',
    breaks: 'Half of all parts are left out.',
  },
])

const sumPartsHost = mutantsOf('src/kernels/sum_parts.ts', tests.sumParts, [
  {
    id: 'sum-parts-host-from',
    find: 'add(l, rows, from % group !== 0)',
    replace: 'add(l, rows, first % group !== 0)',
    breaks: 'A group of groups begins with whatever is in its memory.',
  },
  {
    id: 'sum-parts-host-complete',
    find: 'if (slots < group && end % group !== 0 && end < parts) break',
    replace: '',
    breaks: 'A group that is not complete is added to the next level, again and again.',
  },
  {
    id: 'sum-parts-host-fits',
    find: '<= scratchLimit.floats',
    replace: '<= 16 * scratchLimit.floats',
    breaks: 'Parts take more memory than they may.',
    tests: tests.scratchOfShapes,
  },
])

const matmul = mutantsOf('wgsl/matmul.wgsl', tests.matmul, [
  {
    id: 'matmul-pack-transposed',
    find: 'select(m * params.K + params.k0 + k, (params.k0 + k) * params.M + m, params.transposeA == 1u)',
    replace: 'select(m * params.K + params.k0 + k, (params.k0 + k) * params.M + m, params.transposeA == 0u)',
    breaks: 'a is packed as if it were stored the other way round.',
  },
  {
    id: 'matmul-pack-step',
    find: 'select(params.N, 1u, params.transposeB == 1u)',
    replace: 'select(1u, params.N, params.transposeB == 1u)',
    breaks: 'Packing b continues at the wrong element.',
  },
  {
    id: 'matmul-pack-place',
    find: 'var to = packed_before + k * quads_b + i % quads_b;',
    replace: 'var to = packed_before + k * quads_b;',
    breaks: 'All columns of b are packed to the place of the first ones.',
  },
  {
    id: 'matmul-pack-end',
    find: 'min(k + STRIP, params.count) * quads_b',
    replace: '(k + STRIP) * quads_b',
    breaks: 'Packing b runs past the end of the memory lent to it.',
    tests: tests.scratch,
  },
  {
    id: 'matmul-right-place',
    find: 'select(params.k0 * step_j, 0u, params.packB == 1u)',
    replace: '0u',
    breaks: 'Where b needs no packing every piece of a long sum takes its first rows.',
    tests: tests.longSums,
  },
  {
    id: 'matmul-long-sum',
    find: 's0l.x += out[at];',
    replace: '',
    breaks: 'Of a long sum only the last piece is left.',
    tests: tests.longSums,
  },
  {
    id: 'matmul-high-columns',
    find: 's2h += x0.z * y1;',
    replace: 's2h += x0.z * y0;',
    breaks: 'Four elements of a block are computed from the wrong columns.',
  },
  {
    id: 'matmul-last-term',
    find: 'k < params.count; k++',
    replace: 'k + 1u < params.count; k++',
    breaks: 'The last term of every sum is missing.',
  },
  {
    id: 'matmul-row-bound',
    find: 'let end = min(row + 8u, params.M);',
    replace: 'let end = row + 8u;',
    breaks: 'The last block of rows is written past the end of the product.',
  },
  {
    id: 'matmul-extra-block',
    find: 'row >= params.M',
    replace: 'row > params.M',
    breaks: 'A thread past the last block goes to work.',
    equivalent: 'At row = M the rows to be stored end where they begin: nothing is written.',
  },
])

const matmulHost = mutantsOf('src/kernels/matmul.ts', tests.matmul, [
  {
    id: 'matmul-host-gradient-a',
    find: 'transposeB: !transposeB }, batch)',
    replace: 'transposeB }, batch)',
    breaks: 'The gradient of a multiplies by b instead of its transpose.',
  },
  {
    id: 'matmul-host-pack-condition',
    find: 'transposeB === 0 && N % 4 === 0',
    replace: 'transposeB === 0 && N % 2 === 0',
    breaks: 'A matrix is read in fours that do not lie side by side.',
  },
])

const batched = [
  ...mutantsOf('wgsl/matmul.wgsl', tests.matmul, [
    {
      id: 'matmul-batch-packed-from',
      find: 'select(params.N, params.M, in_a)',
      replace: 'select(params.M, params.N, in_a)',
      breaks: 'The matrices of a batch are packed from the wrong places.',
    },
    {
      id: 'matmul-batch-out',
      find: 'first = g * params.M * params.N;',
      replace: 'first = g * params.M * params.K;',
      breaks: 'The products of a batch are written to the wrong places.',
    },
    {
      id: 'matmul-batch-coordinates',
      find: 'at += rest % params.n1',
      replace: 'at += rest % params.n0',
      breaks: 'Where both batches broadcast, matrices are paired wrongly.',
    },
    {
      id: 'matmul-batch-packed-k',
      in: 'matmul',
      find: 'select(params.K, params.count, params.packB == 1u)',
      replace: 'params.K',
      breaks: 'Of more than 4,096 terms the packed matrices of a batch are read from the wrong places.',
    },
    {
      id: 'matmul-batch-end',
      find: 'if (!in_a && matrix >= params.matrices_b)',
      replace: 'if (!in_a && matrix > params.matrices_b)',
      breaks: 'Threads past the last matrix pack one that is not there.',
    },
  ]),
  ...mutantsOf('src/kernels/matmul.ts', tests.matmul, [
    {
      id: 'matmul-batch-joint',
      find: 'many > 1 && !attributes.transposeA && matricesIn',
      replace: 'many > 1 && matricesIn',
      breaks: 'The columns of transposed matrices are taken for those of one.',
    },
    {
      id: 'matmul-batch-gradient',
      find: 'needsB ? sumTo(db(), b.shape) : null',
      replace: 'needsB ? db() : null',
      breaks: 'The gradient of what a batch shares has the shape of the batch.',
    },
    {
      id: 'matmul-batch-rows',
      find: 'shape.length < rank',
      replace: 'shape.length > rank',
      breaks: 'A plan does not notice that rows of a batch become rows of every matrix.',
      tests: tests.batches,
    },
  ]),
  ...mutantsOf('src/kernels/linear.ts', tests.batches, [
    {
      id: 'linear-one-dimension',
      find: 'input.shape.length === 1 ? [input] : []',
      replace: '[]',
      breaks: 'A plan does not notice that an input of one dimension is summed over.',
    },
  ]),
]

const attention = mutantsOf('src/kernels/attention.ts', tests.attention, [
  {
    id: 'attention-seen',
    find: 'scores = where(tensor, scores, Number.NEGATIVE_INFINITY)',
    replace: 'scores = where(tensor, Number.NEGATIVE_INFINITY, scores)',
    breaks: 'A mask hides what it should show.',
  },
  {
    id: 'attention-causal',
    find: 'NEGATIVE_INFINITY), 1)',
    replace: 'NEGATIVE_INFINITY), 0)',
    breaks: 'A query does not see its own key.',
  },
  {
    id: 'attention-scale',
    find: 'matmul(mul(q, scale), k, { transposeB: true })',
    replace: 'matmul(q, k, { transposeB: true })',
    breaks: 'The scores are not scaled.',
  },
])

const linearTuning = mutantsOf('src/kernels/linear_tuning.ts', tests.linear, [
  {
    id: 'linear-host-direct',
    find: 'return relu === 0 && ',
    replace: 'return ',
    breaks: 'Small layers with ReLU pass gradients where the output is 0.',
    tests: tests.linearRelu,
  },
  {
    id: 'linear-host-direct-features',
    find: 'I % 4 === 0',
    replace: 'I % 2 === 0',
    breaks: 'Rows that begin between two fours are read from the wrong place.',
  },
  {
    id: 'linear-host-direct-size',
    find: 'N * I * O <= directBackward',
    replace: 'N * I * O <= 0',
    breaks: 'Small layers are packed for backward as large ones are.',
    tests: tests.smallLinear,
  },
])

const linearHost = mutantsOf('src/kernels/linear.ts', tests.linear, [
  {
    id: 'linear-host-rows',
    find: 'N - first * share)',
    replace: 'N)',
    breaks: 'Where not all parts are made at a time, the last ones are given rows past the end.',
    tests: tests.sumParts,
  },
  {
    id: 'linear-host-gradients-asked',
    find: 'const needsParameters = needsWeight || needsBias',
    replace: 'const needsParameters = needsWeight',
    breaks: 'A bias whose weight needs no gradient gets none.',
  },
])

const largeLinear = [
  ...mutantsOf('src/kernels/linear.ts', tests.largeLinear, [
    {
      id: 'linear-parts-more',
      find: 'more: first > 0 ? 1 : 0',
      replace: 'more: 0',
      breaks: "Of a weight in parts only the last part's terms of dx are there.",
    },
  ]),
  ...mutantsOf('src/kernels/windows.ts', tests.largeLinear, [
    {
      id: 'windows-first',
      find: 'at(piece) + first',
      replace: 'at(piece)',
      breaks: 'The first window of a large parameter is updated several times, the others never.',
    },
  ]),
]

const linearFusion = mutantsOf('src/nn/fusion.ts', tests.fusion, [
  {
    id: 'linear-fusion-masks',
    find: 'masksInput: i > 0',
    replace: 'masksInput: i > 1',
    breaks: 'The first ReLU of a run of linear layers has no backward.',
  },
  {
    id: 'linear-fusion-last',
    find: 'masked: i + 1 < layers.length',
    replace: 'masked: true',
    breaks: 'The ReLU after the last linear layer has no backward.',
  },
  {
    id: 'linear-fusion-neighbours',
    find: 'for (let i = 0; relus === layers.length; i += 2)',
    replace: 'for (let i = 0; i < modules.length; i += 2)',
    breaks: 'The run of layers continues although a ReLU is missing.',
  },
])

export const matrices: Area = {
  title: 'matmul, linear, attention and long sums',
  mutants: [
    ...matmul,
    ...matmulHost,
    ...batched,
    ...attention,
    ...linear,
    ...linearHost,
    ...linearTuning,
    ...largeLinear,
    ...linearFusion,
    ...sumParts,
    ...sumPartsHost,
  ],
}
