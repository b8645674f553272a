import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const copy = mutantsOf('wgsl/copy.wgsl', tests.copy, [
  {
    id: 'copy-digits-order',
    in: 'digits_of',
    find: 'c[d] = rest - quotient * sizes[d];',
    replace: 'c[d] = quotient;',
    breaks: 'A thread begins at other coordinates than those of its element.',
  },
  {
    id: 'copy-advance-carry',
    in: 'advance',
    find: 'sum >= sizes[d]',
    replace: 'sum > sizes[d]',
    breaks: 'A coordinate may become its size instead of 0.',
  },
  {
    id: 'copy-advance-first',
    find: 'c[0] += steps[0] + carry;',
    replace: 'c[0] += steps[0];',
    breaks: 'The slowest coordinate misses what is carried over.',
  },
  {
    id: 'copy-strided-base',
    in: 'source_of',
    find: 'var place = params.base;',
    replace: 'var place = 0u;',
    breaks: 'A slice begins at the first element.',
  },
  {
    id: 'copy-strided-out-base',
    find: 'var place = params.out_base;',
    replace: 'var place = 0u;',
    breaks: 'All tensors of cat lie at its beginning.',
  },
  {
    id: 'copy-strided-last',
    in: 'strided',
    find: 'min(start + WG * PER, params.size)',
    replace: 'min(start + WG * PER, params.size - 1u)',
    breaks: 'The last element is not copied.',
  },
  {
    id: 'copy-fours-last',
    in: 'strided_4',
    find: 'min(start + WG * (PER / 4), params.size)',
    replace: 'min(start + WG * (PER / 4), params.size - 1u)',
    breaks: 'The last vector is not copied.',
  },
  {
    id: 'copy-padded-inside',
    find: 'inside && own < e[d]',
    replace: 'inside && own <= e[d]',
    breaks: 'The element after the last one of a row is the first of the next instead of the constant.',
  },
  {
    id: 'copy-padded-all-dimensions',
    find: 'inside = inside && own < e[d];',
    replace: 'inside = own < e[d];',
    breaks: 'Only the last dimension tells what is padding.',
  },
  {
    id: 'copy-bytes-keep',
    find: 'byte = (word >> (8 * k)) & 0xffu;',
    replace: 'byte = word & 0xffu;',
    breaks: 'Of the bytes of tensors before it in cat only the first of a word stays.',
  },
  {
    id: 'copy-triangle-diagonal',
    find: 'above <= params.diagonal',
    replace: 'above <= params.diagonal - 1',
    breaks: 'The lower triangle misses its diagonal.',
  },
  {
    id: 'copy-triangle-side',
    find: 'UPPER == 1)',
    replace: 'UPPER == 0)',
    breaks: 'triu and tril are exchanged.',
  },
  {
    id: 'copy-reflect-edge',
    find: 'own = last - abs(last - abs(own));',
    replace: 'own = last - abs(last - abs(own + 1));',
    breaks: 'Everything is mirrored one element beside the edge.',
  },
  {
    id: 'copy-edges-back-image',
    find: 'let right = place + 2 * (last - own);',
    replace: 'let right = place + 2 * (last - own) + 1;',
    breaks: 'The gradient takes its mirror image at the last edge from the place beside it.',
  },
  {
    id: 'copy-edges-back-first',
    find: 'select(place, 0, own == 0)',
    replace: 'place',
    breaks: 'The gradient of the first element misses its copies before it.',
  },
  {
    id: 'copy-edges-back-block',
    find: 'sum += part;',
    replace: 'sum = part;',
    breaks: 'Of many copies only the last 32 count in the gradient.',
  },
])

const copyHost = mutantsOf('src/kernels/copy.ts', tests.copy, [
  {
    id: 'copy-host-fours',
    find: 'inFours(last.size, from.base, to.base, ...rest.flatMap(({ a, b }) => [a, b]))',
    replace: 'inFours(last.size, ...rest.flatMap(({ a, b }) => [a, b]))',
    breaks: 'Vectors of four are read from places between two of them.',
  },
  {
    id: 'copy-host-step',
    find: 'Math.floor(step / size)',
    replace: 'Math.ceil(step / size)',
    breaks: 'The next element of a thread is taken to be farther away than it is.',
  },
  {
    id: 'copy-host-slice-count',
    find: 'Math.ceil((inside(end) - first) / step)',
    replace: 'Math.floor((inside(end) - first) / step)',
    breaks: 'A slice whose step does not divide its length misses the last element.',
  },
  {
    id: 'copy-host-slice-range',
    in: 'function rangeOf(name: string)',
    find: 'const out = empty(gpu, shape, x.dtype, name)',
    replace: 'const out = outputOf(gpu, shape, x, name)',
    breaks: 'A part of labels is refused for a label that is not in it.',
  },
  {
    id: 'copy-host-cat-gradient',
    in: 'const catOp',
    find: 'start += count',
    replace: 'start += 0',
    breaks: 'Every tensor of cat has the gradient of the first.',
  },
])

const joinedHost = mutantsOf('src/tensor/shape.ts', tests.copy, [
  {
    id: 'joined-host-some',
    find: 'tensors.every((own, i) => strides[i]![outer] === size * own[d]!)',
    replace: 'tensors.some((own, i) => strides[i]![outer] === size * own[d]!)',
    breaks: 'Dimensions are joined that follow each other in one of the tensors alone.',
  },
])

const take = mutantsOf('wgsl/take.wgsl', tests.take, [
  {
    id: 'take-scatter-first',
    in: 'scatter',
    find: 'if (before < j) { continue; }',
    replace: '',
    breaks: 'What several elements of a block are added to is added to once more for each.',
  },
  {
    id: 'take-scatter-block',
    in: 'scatter',
    find: 'dx[(o * params.R + r) * params.I + i] += part;',
    replace: 'dx[(o * params.R + r) * params.I + i] = part;',
    breaks: 'Of several blocks the last counts.',
  },
  {
    id: 'take-scatter-wrong',
    in: 'scatter',
    find: 'r >= params.R || is_skipped(r)',
    replace: 'is_skipped(r)',
    breaks: 'An index that is not there writes to another row, or behind the end.',
  },
  {
    id: 'take-index-byte',
    find: '(8 * (at % 4))',
    replace: '(24 - 8 * (at % 4))',
    breaks: 'The bytes of a word are read in the wrong order.',
  },
  {
    id: 'take-rows-wrong',
    in: 'rows',
    find: 'if (r < params.R) { word',
    replace: 'if (r <= params.R) { word',
    breaks: 'The row after the last one is read instead of giving NaN.',
  },
  {
    id: 'take-rows-fours-wrong',
    in: 'rows_4',
    find: 'vec4u(params.wrong)',
    replace: 'vec4u()',
    breaks: 'Rows that are not there are 0 without a word.',
  },
  {
    id: 'take-advance-row',
    in: 'advance',
    find: 'params.step_j + over_i',
    replace: 'params.step_j',
    breaks: 'A thread stays in its row when the row is over.',
  },
  {
    id: 'take-advance-outer',
    in: 'advance',
    find: 'params.step_o + over_j',
    replace: 'params.step_o',
    breaks: 'A thread takes the rows of the first block again.',
  },
  {
    id: 'take-elements-back-row',
    in: 'elements_back',
    find: 'index_at(at) == r',
    replace: 'index_at(at) <= r',
    breaks: 'Gradients of other rows are added.',
  },
  {
    id: 'take-padding',
    find: 'r < params.R && i32(r) != params.padding',
    replace: 'r < params.R',
    breaks: 'The padding has a gradient.',
  },
  {
    id: 'take-sort-stable',
    find: 'a.x < b.x || (a.x == b.x && a.y < b.y)',
    replace: 'a.x < b.x || (a.x == b.x && a.y > b.y)',
    breaks: 'Equal indices are added in the reverse order.',
  },
  {
    id: 'take-sort-last-block',
    find: 'k < min(first + BLOCK, params.J)',
    replace: 'k < min(first + BLOCK, params.J - 1u)',
    breaks: 'The last index is not counted among those before others.',
  },
  {
    id: 'take-merge-other',
    find: 'select(both, min(both + params.run, params.J), own == both)',
    replace: 'min(both + params.run, params.J)',
    breaks: 'The second of two runs is merged with itself.',
  },
  {
    id: 'take-merge-place',
    find: 'both + at - own + count_below',
    replace: 'own + at - own + count_below',
    breaks: 'The pairs of the second run are put behind the first.',
  },
  {
    id: 'take-starts',
    find: 'count_below(vec2u(r, 0), 0, params.J)',
    replace: 'count_below(vec2u(r, 1), 0, params.J)',
    breaks: 'The row of the very first index misses it.',
  },
  {
    id: 'take-rows-back-block',
    in: 'rows_back',
    find: 'sum += part;',
    replace: 'sum = part;',
    breaks: 'Of an index that comes often only the last terms count.',
  },
  {
    id: 'take-rows-back-outer',
    in: 'rows_back_4',
    find: 'o * params.J + pairs[k].y',
    replace: 'pairs[k].y',
    breaks: 'Every block of rows has the gradient of the first.',
  },
  {
    id: 'take-one-hot-wrong',
    find: 'if (r >= params.I) { word = params.wrong; }',
    replace: '',
    breaks: 'A label that is not a class is a row of zeros without a word.',
  },
])

const takeHost = mutantsOf('src/kernels/take.ts', tests.take, [
  {
    id: 'take-host-range',
    find: 'i < 0 || i >= count',
    replace: 'i < 0 || i > count',
    breaks: 'The index after the last one is not refused.',
  },
  {
    id: 'take-host-merges',
    find: 'run < J; run *= 2',
    replace: 'run < J; run *= 4',
    breaks: 'Runs are left unmerged.',
  },
  {
    id: 'take-host-reach',
    find: '(d === own || n === t.shape[d] ? t : slice(t, d, 0, n))',
    replace: 't',
    breaks: 'With a smaller index elements of other rows are gathered.',
  },
])

export const moving: Area = {
  title: 'Elements moved and taken',
  mutants: [...copy, ...copyHost, ...joinedHost, ...take, ...takeHost],
}
