import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const reduce = mutantsOf('wgsl/reduce.wgsl', tests.reduce, [
  {
    id: 'reduce-keys-negative',
    in: 'keys',
    find: 'select(bits | vec4u(SIGN), ~bits,',
    replace: 'select(bits | vec4u(SIGN), bits,',
    breaks: 'Of two negative numbers the smaller one is the largest.',
  },
  {
    id: 'reduce-keys-nan',
    in: 'keys',
    find: '> vec4u(INFINITY_BITS)',
    replace: '> vec4u(ALL)',
    breaks: 'A negative NaN is the smallest number.',
  },
  {
    id: 'reduce-divided-by-nothing',
    in: 'divided',
    find: 'select(infinite, not_number,',
    replace: 'select(infinite, infinite,',
    breaks: 'The variance of one element is infinite.',
  },
  {
    id: 'reduce-part-block',
    in: 'part_of',
    find: 'before * FOLD + (j - before)',
    replace: 'before * FOLD + j',
    breaks: 'From the second block on a part begins at the wrong row.',
  },
  {
    id: 'reduce-part-end',
    in: 'part_of',
    find: 'min((before + W) * FOLD, M)',
    replace: 'M',
    breaks: 'A part goes on into the following ones.',
  },
  {
    id: 'reduce-place-of-runs',
    in: 'place',
    find: 'stride *= runs.k2;',
    replace: 'stride *= runs.k1;',
    breaks: 'Where four runs of dimensions are reduced, elements take the statistics of other results.',
  },
  {
    id: 'reduce-block-tail',
    in: 'four',
    find: 'if (i + 4 <= params.M)',
    replace: 'if (i + 4 <= params.M + 4)',
    breaks: 'What lies behind the last element is added up with it.',
  },
  {
    id: 'reduce-line-lanes',
    in: 'fold_lines',
    find: 'if (i + 8 < end)',
    replace: 'if (i + 12 < end)',
    breaks: 'The third vector of the last ones of a part is missing where a thread makes a result.',
  },
  {
    id: 'reduce-block-parts',
    in: 'fold_blocks',
    find: 'own_place / LANES * PART',
    replace: 'own_place / LANES * LANES',
    breaks: 'The threads of a result add up the same elements.',
  },
  {
    id: 'reduce-block-order',
    in: 'fold_blocks',
    find: 'found[k], found[k + 1], found[k + 2], found[k + 3]',
    replace: 'found[k], found[k + 2], found[k + 1], found[k + 3]',
    breaks: 'Several threads make other bits than one.',
  },
  {
    id: 'reduce-same-zeros',
    in: 'same',
    find: '| ((sizes | others) == vec4u())',
    replace: '',
    breaks: 'Zeros of both signs are not ties.',
  },
  {
    id: 'reduce-same-nan',
    in: 'same',
    find: '| nans',
    replace: '',
    breaks: 'NaNs of other bits have no gradient, and argmax does not find them.',
  },
  {
    id: 'reduce-centred-rest',
    in: 'taken',
    find: 'let d = v - s - t;',
    replace: 'let d = v - s;',
    breaks: 'A variance has the error of a rounded mean.',
  },
  {
    id: 'reduce-mean-plus',
    in: 'finished',
    find: 'divided(v) + s',
    replace: 'divided(v)',
    breaks: 'The distances are taken from a number that is far from the mean.',
  },
  {
    id: 'reduce-of-product-zero',
    in: 'of_product',
    find: 'select(product, others, zeros == vec4f(1.0))',
    replace: 'select(product, others, zeros >= vec4f(1.0))',
    breaks: 'Beside another 0, a 0 has the product of all that are not 0 as its gradient.',
  },
  {
    id: 'reduce-of-deviation-zero',
    in: 'gradient_of',
    find: 'runs.by, vec4f(), is_zero(u)',
    replace: 'runs.by, vec4f(), is_zero(u + 1.0)',
    breaks: 'The gradient of a standard deviation of 0 is NaN.',
  },
  {
    id: 'reduce-write-tail',
    in: 'write',
    find: 'if (runs.fours != 0 || 4 * i + 4 <= runs.size)',
    replace: 'if (true)',
    breaks: 'What lies behind the last element of a gradient is overwritten.',
  },
  {
    id: 'reduce-first-of-step',
    in: 'first_of',
    find: 'r += search.lanes;',
    replace: 'r += 1u;',
    breaks: 'argmax counts rows that are taken together as one.',
  },
  {
    id: 'reduce-scan-reverse',
    in: 'rows_of',
    find: 'select(begin, scans.R - 1u - begin,',
    replace: 'select(begin, scans.R - 1u,',
    breaks: 'In the gradient of cumsum every block begins at the last row.',
  },
  {
    id: 'reduce-scan-carry',
    in: 'scan',
    find: 'earlier[result - scans.inner]',
    replace: 'earlier[result]',
    breaks: 'A block adds its own sum to each of its elements.',
  },
])

const reduceHost = mutantsOf('src/kernels/reduce.ts', tests.reduce, [
  {
    id: 'reduce-host-several-runs',
    find: 'sizes.length <= 3 ? 1 : 0',
    replace: '1',
    breaks: 'Results of several runs of dimensions are looked for as if one were reduced.',
  },
  {
    id: 'reduce-host-block-alignment',
    find: '(outer === 1 || R % 4 === 0)',
    replace: 'true',
    breaks: 'Rows that begin within a vector of four are read from its start.',
  },
])

const softmax = mutantsOf('wgsl/softmax.wgsl', tests.softmax, [
  {
    id: 'softmax-largest',
    in: 'key',
    find: 'select(bits | SIGN, ~bits,',
    replace: 'select(bits | SIGN, bits,',
    breaks: 'The exponentials of a row of negative numbers overflow.',
  },
  {
    id: 'softmax-not-finite',
    in: 'value',
    find: 'if (size_bits(m) >= INFINITY_BITS) { return nan(); }',
    replace: '',
    breaks: 'A row with infinity has numbers beside NaN.',
  },
  {
    id: 'softmax-log-gradient',
    in: 'gradient',
    find: 'power(of_y) * sum',
    replace: 'of_y * sum',
    breaks: 'The gradient of logSoftmax takes logarithms for shares.',
  },
  {
    id: 'softmax-group-sum',
    in: 'sum_of_threads',
    find: 'part * PART < params.D',
    replace: 'part * PART + PART < params.D',
    breaks: 'The last part is missing in the sum of a row, where several threads make it.',
  },
  {
    id: 'softmax-line-sum',
    in: 'sum_of_row',
    find: 'if (i + 8 < end)',
    replace: 'if (i + 12 < end)',
    breaks: 'The third vector of the last ones of a part is missing in the sum of a row.',
  },
  {
    id: 'softmax-within',
    in: 'within',
    find: 'if (left >= 4u)',
    replace: 'if (left >= 1u)',
    breaks: 'The last element of a row is counted up to four times.',
  },
  {
    id: 'softmax-row-of',
    in: 'row_of',
    find: 'before / params.D * params.inner + (i - before * params.inner)',
    replace: 'before / params.D * params.inner',
    breaks: 'Long columns take the statistics of the first of them.',
  },
])

export const reductions: Area = {
  title: 'Reductions and softmax',
  mutants: [...reduce, ...reduceHost, ...softmax],
}
