import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const linear = mutantsOf('wgsl/linear.wgsl', tests.linear, [
  {
    id: 'linear-pack-weight-place',
    in: 'fn pack_forward(',
    find: 'quads_of(params.N) * params.I)',
    replace: 'quads_of(params.N))',
    breaks: 'The packed weights overwrite the packed input.',
  },
  {
    id: 'linear-forward-bias',
    find: 'bias[at - start]',
    replace: 'bias[column]',
    breaks: 'Eight neighbouring outputs get the bias of the first of them.',
  },
  {
    id: 'linear-forward-row-end',
    in: 'fn forward(',
    find: 'min(column + (half & 1u) * 4u + 4u, params.O)',
    replace: 'column + (half & 1u) * 4u + 4u',
    breaks: 'The last block of a row writes into the next row.',
  },
  {
    id: 'linear-forward-sixth-row',
    in: 'fn forward(',
    find: 's5l += x1.y * y0;',
    replace: 's5l += x1.x * y0;',
    breaks: 'The sixth row of a block is computed from the fifth.',
  },
  {
    id: 'linear-forward-last-term',
    in: 'fn forward(',
    find: 'k < params.I; k++',
    replace: 'k + 1u < params.I; k++',
    breaks: 'The last feature is left out of every sum.',
  },
  {
    id: 'linear-forward-last-quad',
    in: 'fn forward(',
    find: 'min(i0 + 1u, step_i - 1u)',
    replace: 'i0 + 1u',
    breaks: 'Past the last rows a quad of something else is read.',
    equivalent: 'Rows past the edge are never stored, and reads out of bounds are harmless in WGSL.',
  },
  {
    id: 'linear-strip-end',
    in: 'fn strip_of(',
    find: 'min(k + STRIP, size_k)',
    replace: '(k + STRIP)',
    breaks: 'Packing runs past the end of an operand, into the other one and the memory behind.',
  },
  {
    id: 'linear-pack-backward-place',
    in: 'fn pack_backward(',
    find: '(quads_o + quads_i) * params.N * params.needW',
    replace: '(quads_o + quads_i) * params.N',
    breaks: 'Where only the input needs a gradient its operands are packed elsewhere than they are read.',
  },
  {
    id: 'linear-backward-share',
    find: 'select(BLOCK, params.N, params.parts == 1u)',
    replace: 'BLOCK',
    breaks: 'A thread that has all rows to itself sums the first 32.',
  },
  {
    id: 'linear-backward-bias-blocks',
    find: 'let stop = min(n + BLOCK, end);',
    replace: 'let stop = end;',
    breaks: 'The bias gradient is no longer summed in blocks of 32 rows: other bits.',
  },
  {
    id: 'linear-backward-weight-blocks',
    find: 'let block = select(params.O, BLOCK, for_w);',
    replace: 'let block = select(params.O, params.N, for_w);',
    breaks: 'The weight gradient is no longer summed in blocks of 32 rows: other bits.',
  },
  {
    id: 'linear-backward-part-row',
    find: 'let row = (t - part * blocks_w) / across * 8u;',
    replace: 'let row = t / across * 8u;',
    breaks: 'Where the rows are split among threads, all parts but the first write to the wrong rows.',
  },
  {
    id: 'linear-backward-accumulate',
    find: 't3h += s3h;',
    replace: 't3h = s3h;',
    breaks: 'A part of the weight gradient counts the last block of rows only.',
  },
  {
    id: 'linear-backward-bias-end',
    find: 'min(4u, params.O - o)',
    replace: '4u',
    breaks: 'The bias gradient is written past its end.',
  },
  {
    id: 'linear-in-turn',
    in: 'fn in_turn(',
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

const matmul = mutantsOf('wgsl/matmul.wgsl', tests.matmul, [
  {
    id: 'matmul-pack-transposed',
    find: 'select(m * params.K + k, k * params.M + m, params.transposeA == 1u)',
    replace: 'select(m * params.K + k, k * params.M + m, params.transposeA == 0u)',
    breaks: 'a is packed as if it were stored the other way round.',
  },
  {
    id: 'matmul-pack-step',
    find: 'select(params.N, 1u, params.transposeB == 1u)',
    replace: 'select(1u, params.N, params.transposeB == 1u)',
    breaks: 'Packing b goes on to the wrong element.',
  },
  {
    id: 'matmul-pack-place',
    find: 'let first = quads_a * params.K * params.packA;',
    replace: 'let first = quads_a * params.K;',
    breaks: 'Where a needs no packing b is packed to the wrong place.',
  },
  {
    id: 'matmul-pack-end',
    find: 'min(k + STRIP, params.K) * quads_b',
    replace: '(k + STRIP) * quads_b',
    breaks: 'Packing b runs past the end of the memory lent to it.',
    tests: tests.scratch,
  },
  {
    id: 'matmul-right-place',
    find: 'params.K * params.packA * params.packB',
    replace: 'params.K * params.packA',
    breaks: 'Where b needs no packing it is read from behind a.',
  },
  {
    id: 'matmul-high-columns',
    find: 's2h += x0.z * y1;',
    replace: 's2h += x0.z * y0;',
    breaks: 'Four elements of a block are computed from the wrong columns.',
  },
  {
    id: 'matmul-last-term',
    find: 'k < params.K; k++',
    replace: 'k + 1u < params.K; k++',
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
    find: 'transposeB: !transposeB })',
    replace: 'transposeB })',
    breaks: 'The gradient of a multiplies by b instead of its transpose.',
  },
  {
    id: 'matmul-host-pack-condition',
    find: 'transposeB === 0 && N % 4 === 0',
    replace: 'transposeB === 0 && N % 2 === 0',
    breaks: 'A matrix is read in fours that do not lie side by side.',
  },
])

const linearHost = mutantsOf('src/kernels/linear.ts', tests.linear, [
  {
    id: 'linear-host-parts',
    find: "gpu.info.adapterClass === 'gpu' ? blocksOf(N) : 1",
    replace: "gpu.info.adapterClass === 'gpu' ? blocksOf(N + 32) : 1",
    breaks: 'On a GPU one part too many is added to the gradients.',
    equivalent: 'A part past the last row has no terms: what it adds is +0.',
  },
  {
    id: 'linear-host-gradients-asked',
    find: 'const needsParameters = needsWeight || needsBias',
    replace: 'const needsParameters = needsWeight',
    breaks: 'A bias whose weight needs no gradient gets none.',
  },
])

export const matrices: Area = {
  title: 'matmul and linear',
  mutants: [...matmul, ...matmulHost, ...linear, ...linearHost],
}
