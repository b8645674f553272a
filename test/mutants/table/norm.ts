// Mutants of normalisation.
import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const kernel = mutantsOf('wgsl/batch_norm.wgsl', tests.batchNormOwn, [
  {
    id: 'batch-norm-own-mean',
    find: 'let moved = count_of(lane_of(i)) * d;',
    replace: 'let moved = 0.0;',
    breaks: 'The variance lacks how far the means of the lanes are apart.',
  },
  {
    id: 'batch-norm-rest',
    in: 'normalise',
    find: 'stat.mean - stat.rest',
    replace: 'stat.mean',
    breaks: 'The mean has the rounding errors of a long sum.',
  },
  {
    id: 'batch-norm-unbiased',
    find: 'found.y / (values_of_channel() - 1.0)',
    replace: 'found.y / values_of_channel()',
    breaks: 'The running variance is the biased one.',
  },
  {
    id: 'batch-norm-momentum',
    find: '(1.0 - f) * running_mean[c] + f * found.x',
    replace: 'f * running_mean[c] + (1.0 - f) * found.x',
    breaks: 'What momentum weighs is exchanged.',
  },
  {
    id: 'batch-norm-cumulative',
    find: '1.0 / f32(before + 1)',
    replace: '1.0 / f32(before)',
    breaks: 'The average of all batches is over one too few.',
  },
  {
    id: 'batch-norm-counted',
    find: 'if (local == 0u) { batches[0] = before + 1; }',
    replace: '',
    breaks: 'Batches are not counted.',
  },
  {
    id: 'batch-norm-channels',
    in: 'finish_tracked',
    find: 'c += GROUP',
    replace: 'c += params.C',
    breaks: 'Of more channels than a workgroup has threads the others keep their statistics.',
  },
  {
    id: 'batch-norm-nan',
    find: 'select(difference, 0.0, difference < 0.0)',
    replace: 'max(difference, 0.0)',
    breaks: 'The variance of a channel with a NaN becomes 0 on adapters whose max drops it.',
  },
])

const rows = mutantsOf('wgsl/batch_norm.wgsl', tests.batchNorm, [
  {
    id: 'batch-norm-weight',
    find: 'scale *= weight[c]',
    replace: 'scale = weight[c]',
    breaks: 'The weight takes the place of the scale.',
  },
  {
    id: 'batch-norm-next-channel',
    find: 'select(c + 1u, 0u, c + 1u == params.C)',
    replace: 'c + 1u',
    breaks: 'After the last channel a thread continues with one that does not exist.',
  },
  {
    id: 'batch-norm-dx-mean',
    find: 'dy[i] - means.x - xhat * means.y',
    replace: 'dy[i] - means.x',
    breaks: 'dx lacks what the variance hands back.',
  },
  {
    id: 'batch-norm-dweight',
    find: 'vec2f(dy[row + s], dy[row + s] * xhat)',
    replace: 'vec2f(dy[row + s], dy[row + s] * x[row + s])',
    breaks: 'The gradient of the weight is taken with x instead of its normalised value.',
  },
  {
    id: 'batch-norm-lanes',
    in: 'backward_reduce',
    find: 'i < first + params.lanes',
    replace: 'i < first + 1u',
    breaks: 'One lane of each block counts in the gradients.',
  },
])

const fused = mutantsOf('wgsl/norm.wgsl', tests.norms, [
  {
    id: 'norm-near',
    in: 'forward',
    find: 'own += x_4[i] - stat.mean;',
    replace: 'own += x_4[i] - x_4[i];',
    breaks: 'The mean has the rounding errors of a long sum.',
  },
  {
    id: 'norm-rest',
    in: 'xhat_at',
    find: 'x_4[i] - stat.mean - stat.rest',
    replace: 'x_4[i] - stat.mean',
    breaks: 'The mean has the rounding errors of a long sum where the elements are normalised.',
  },
  {
    id: 'norm-last-thread',
    in: 'total_of',
    find: 'i < GROUP',
    replace: 'i < GROUP - 4',
    breaks: 'The last four threads do not count.',
  },
  {
    id: 'norm-groups',
    in: 'row_at',
    find: 'row % params.G * params.K',
    replace: '0u',
    breaks: 'All groups have the weights of the first.',
  },
  {
    id: 'norm-next-channel',
    in: 'channels_of',
    find: 'c + (4 * v + vec4u(0, 1, 2, 3)) / params.S',
    replace: 'vec4u(c + 4 * v / params.S)',
    breaks: 'A channel that begins within a vector has the weight of the one before.',
  },
  {
    id: 'norm-last-block',
    in: 'column_sums',
    find: 'n < min(first + ROWS_PER_BLOCK, params.N)',
    replace: 'n < first + ROWS_PER_BLOCK',
    breaks: 'The last block reads rows that do not exist.',
  },
  {
    id: 'norm-group-of-column',
    in: 'column_sums',
    find: 'let g = 4 * column / params.K;',
    replace: 'let g = 0u;',
    breaks: 'Every channel is normalised as those of the first group.',
  },
  {
    id: 'norm-group-of-lane',
    in: 'lane_sums',
    find: 'let g = c / params.K;',
    replace: 'let g = 0u;',
    breaks: 'Every channel is normalised as those of the first group.',
  },
  {
    id: 'norm-lanes',
    in: 'add_up',
    find: 'i < first + params.lanes',
    replace: 'i < first + 1u',
    breaks: 'One lane of each block counts in the gradients.',
  },
  {
    id: 'norm-not-finite',
    in: 'means_of',
    find: 'any(bits >= vec2u(INFINITY_BITS))',
    replace: 'false',
    breaks: 'An infinity in the gradient leaves some of a row finite.',
  },
])

const composed = mutantsOf('src/kernels/norms.ts', tests.norms, [
  {
    id: 'norms-near',
    find: 'const moved = sub(x, near)',
    replace: 'const moved = x; void near',
    breaks: 'A large mean costs the digits that its rounding takes.',
  },
  {
    id: 'norms-centre',
    find: 'sub(moved, mean(moved, dims, KEEP))',
    replace: 'moved',
    breaks: 'The mean is taken off without a gradient.',
  },
  {
    id: 'norms-eps',
    find: 'rsqrt(add(mean(square(x), dims, KEEP), eps))',
    replace: 'rsqrt(mean(square(x), dims, KEEP))',
    breaks: 'Nothing is added to the variance.',
  },
  {
    id: 'norms-groups',
    find: '[N, groups, channels * sizeOf(rest)]',
    replace: '[N, channels, groups * sizeOf(rest)]',
    breaks: 'Groups are as many as a group has channels.',
  },
])

export const norm: Area = {
  title: 'batchNorm and the other norms',
  mutants: [...kernel, ...rows, ...fused, ...composed],
}
