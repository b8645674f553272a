import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const maxPool2d = mutantsOf('wgsl/max_pool2d.wgsl', tests.maxPool2d, [
  {
    id: 'max-pool2d-ties',
    find: 'v > best || is_nan(v)',
    replace: 'v >= best || is_nan(v)',
    breaks: 'Of equal maxima the last wins instead of the first.',
  },
  {
    id: 'max-pool2d-nan',
    find: 'v > best || is_nan(v)',
    replace: 'v > best',
    breaks: 'NaN does not win.',
  },
  {
    id: 'max-pool2d-padding-top',
    in: 'forward',
    find: 'let top = max(s.oh * params.SH, params.PH) - params.PH;',
    replace: 'let top = s.oh * params.SH;',
    breaks: 'The padding above the image is ignored at the top of a window.',
  },
  {
    id: 'max-pool2d-padding-bottom',
    find: 'min(s.oh * params.SH + params.KH - params.PH, params.H)',
    replace: 'min(s.oh * params.SH + params.KH, params.H)',
    breaks: 'Windows reach too far down where there is padding.',
  },
  {
    id: 'max-pool2d-right-edge',
    find: 'min(ow * params.SW + params.KW - params.PW, params.W)',
    replace: 'ow * params.SW + params.KW - params.PW',
    breaks: 'Windows at the right edge take the beginning of the next row.',
  },
  {
    id: 'max-pool2d-winner',
    in: 'forward',
    find: 'at = h * params.W + w;',
    replace: 'at = plane + h * params.W + w;',
    breaks: 'The winner is counted in the whole tensor instead of in its plane.',
  },
  {
    id: 'max-pool2d-strip-first',
    find: 'let first = (i - row * strips) * STRIP;',
    replace: 'let first = (i - row * strips) * (STRIP + 1u);',
    breaks: 'A window between two strips is left out.',
  },
  {
    id: 'max-pool2d-pairs-ties',
    find: 'lower.x > best.value || is_nan(lower.x)',
    replace: 'lower.x >= best.value || is_nan(lower.x)',
    breaks: 'Where cells come by twos, of equal maxima the lower wins.',
  },
  {
    id: 'max-pool2d-pairs-nan',
    find: 'upper.y > best.value || is_nan(upper.y)',
    replace: 'upper.y > best.value',
    breaks: 'Where cells come by twos, NaN in the second does not win.',
  },
  {
    id: 'max-pool2d-pairs-winner',
    find: 'select(best.at, 2u * first + params.W + 1u, wins)',
    replace: 'select(best.at, 2u * first + params.W, wins)',
    breaks: 'Where cells come by twos, the gradient of the last goes to the one before.',
  },
  {
    id: 'max-pool2d-values',
    find: 'best_of_pairs(s, ow).value',
    replace: 'best_of_pairs(s, s.first).value',
    breaks: 'Where no gradient is wanted, a strip has the value of its first window throughout.',
  },
  {
    id: 'max-pool2d-backward-first-window',
    find: '(max(h + params.SH, params.KH) - params.KH) / params.SH',
    replace: 'h / params.SH',
    breaks: 'Of the windows that overlap over a cell only the last is looked at.',
  },
  {
    id: 'max-pool2d-backward-last-window',
    find: 'min(w / params.SW + 1u, params.OW)',
    replace: 'min(w / params.SW, params.OW)',
    breaks: 'The last window over a cell is left out.',
  },
  {
    id: 'max-pool2d-backward-sum',
    find: 'sum += dy[o];',
    replace: 'sum = dy[o];',
    breaks: 'Of several windows that a cell wins only the last one’s gradient counts.',
  },
  {
    id: 'max-pool2d-backward-plane',
    in: 'backward',
    find: 'plane_number * params.OH * params.OW',
    replace: 'plane_number * cells',
    breaks: 'Gradients of planes after the first are taken from the wrong place.',
  },
  {
    id: 'max-pool2d-disjoint-leftover',
    find: 'select((s.oh + 1u) * params.SH - params.PH, params.H, s.oh + 1u == params.OH)',
    replace: '(s.oh + 1u) * params.SH - params.PH',
    breaks: 'Rows below the last window get no gradient at all.',
  },
  {
    id: 'max-pool2d-disjoint-winner',
    find: 'select(0.0, value, cell == at)',
    replace: 'select(0.0, value, cell >= at)',
    breaks: 'Cells after the winner get its gradient too.',
  },
])

const avgPool2d = mutantsOf('wgsl/avg_pool2d.wgsl', tests.avgPool2d, [
  {
    id: 'avg-pool-rows',
    in: 'forward',
    find: 'top + ky * params.W',
    replace: 'top + ky * params.OW',
    breaks: 'A window takes cells of other columns.',
  },
  {
    id: 'avg-pool-beyond',
    in: 'backward',
    find: 'below || w >= right',
    replace: 'below',
    breaks: 'Cells to the right of the last window have a gradient.',
  },
  {
    id: 'avg-pool-below',
    in: 'backward',
    find: 'below || w >= right',
    replace: 'w >= right',
    breaks: 'Cells below the last window have a gradient.',
  },
  {
    id: 'avg-pool-pairs-below',
    in: 'backward_pairs',
    find: 'params.H == 2 * params.OH || s.oh + 1 < params.OH',
    replace: 'true',
    breaks: 'The row below the last window is not written.',
  },
  {
    id: 'avg-pool-strip',
    in: 'strip_of',
    find: 'params.OH, first, select',
    replace: 'params.OH, 0u, select',
    breaks: 'Every strip begins with the first window.',
  },
])

const maxPool2dHost = mutantsOf('src/kernels/max_pool2d.ts', tests.maxPool2d, [
  {
    id: 'max-pool2d-host-disjoint',
    find: 'params.KH <= params.SH && params.KW <= params.SW',
    replace: 'params.KH <= params.SH || params.KW <= params.SW',
    breaks: 'Windows that overlap in one direction are taken for disjoint ones.',
  },
  {
    id: 'max-pool2d-host-pairs',
    find: ' && W % 2 === 0',
    replace: '',
    breaks: 'Rows of an odd number of cells are read as if they were of whole pairs.',
  },
  {
    id: 'max-pool2d-host-pairs-padding',
    find: ' && PH === 0 && PW === 0',
    replace: '',
    breaks: 'Windows of 2 × 2 with padding are taken as if there were none.',
  },
  {
    id: 'max-pool2d-host-stride',
    find: 'options.stride ?? options.kernelSize',
    replace: 'options.stride ?? 1',
    breaks: 'The default stride is 1 instead of the kernel size.',
  },
  {
    id: 'max-pool2d-host-padding-limit',
    find: '2 * padding[i]! > kernel[i]!',
    replace: '2 * padding[i]! > kernel[i]! + 1',
    breaks: 'Padding of more than half a window is accepted: windows may be empty.',
  },
])

const crossEntropy = mutantsOf('wgsl/cross_entropy.wgsl', tests.crossEntropy, [
  {
    id: 'cross-entropy-max',
    find: 'if (v > m || is_nan(v)) {',
    replace: 'if (v < m || is_nan(v)) {',
    breaks: 'The smallest logit is taken away instead of the largest: exp overflows.',
  },
  {
    id: 'cross-entropy-max-nan',
    find: 'v > m || is_nan(v)',
    replace: 'v > m',
    breaks: 'NaN in a row is found only where it stands first.',
  },
  {
    id: 'cross-entropy-shift',
    find: 'exp(x[first + c] - m)',
    replace: 'exp(x[first + c])',
    breaks: 'The sum of exponentials is not shifted by the maximum.',
  },
  {
    id: 'cross-entropy-loss-max',
    find: 'log(z) + (m - x[first + t])',
    replace: 'log(z) + m + x[first + t]',
    breaks: 'The logit of the label is added instead of taken away.',
  },
  {
    id: 'cross-entropy-order-of-subtraction',
    find: 'log(z) + (m - x[first + t])',
    replace: '(log(z) + m) - x[first + t]',
    breaks: 'A small loss is lost in the rounding of large logits.',
  },
  {
    id: 'cross-entropy-bad-label',
    find: 'if (t < params.C) { loss = log(z)',
    replace: 'if (t <= params.C) { loss = log(z)',
    breaks: 'A label one past the last class gives a number instead of NaN.',
  },
  {
    id: 'cross-entropy-rows',
    find: 'Row(m, z, loss, counts)',
    replace: 'Row(m, log(z), loss, counts)',
    breaks: 'Backward divides by the logarithm of the sum.',
  },
  {
    id: 'cross-entropy-divisor',
    find: 'var result = s.loss / s.divisor;',
    replace: 'var result = s.loss;',
    breaks: 'The mean is not divided by the number of rows.',
  },
  {
    id: 'cross-entropy-block-end',
    find: 'min(begin + ROWS_PER_BLOCK, params.N); n++',
    replace: 'min(begin + ROWS_PER_BLOCK - 1u, params.N); n++',
    breaks: 'The last row of every block of 32 is missing in the loss.',
  },
  {
    id: 'cross-entropy-reduce-block',
    find: 'of_blocks += block_loss[block];',
    replace: 'of_blocks = block_loss[block];',
    breaks: 'Only the last block of rows counts in the loss.',
  },
  {
    id: 'cross-entropy-reduce-group',
    find: 's.loss += group_loss;',
    replace: 's.loss = group_loss;',
    breaks: 'Past 8192 rows only the last ones count in the loss.',
  },
  {
    id: 'cross-entropy-ranges',
    find: 'if (lane == 0u && params.more == 1u) { s = state[0]; }',
    replace: '',
    breaks: 'Of a batch in several dispatches only the last one counts in the loss.',
    tests: tests.sumParts,
  },
  {
    id: 'cross-entropy-many-blocks',
    find: 'let begin = (first + lane) * ROWS_PER_BLOCK;',
    replace: 'let begin = lane * ROWS_PER_BLOCK;',
    breaks: 'Past 8192 rows the first ones are added again.',
  },
  {
    id: 'cross-entropy-ignored-loss',
    find: 'loss = 0.0;\n    counts = 0u;',
    replace: 'counts = 0u;',
    breaks: 'The loss of ignored rows is added.',
  },
  {
    id: 'cross-entropy-ignored-gradient',
    find: 'if (row.counts == 0u) { result = 0.0; }',
    replace: '',
    breaks: 'Ignored rows have a gradient.',
  },
  {
    id: 'cross-entropy-none-counted',
    find: 'if (params.mean == 1u && s.counted == 0u) { result = nan(); }',
    replace: '',
    breaks: 'The mean of no rows is 0 instead of NaN.',
  },
  {
    id: 'cross-entropy-fused-rows',
    in: 'fused',
    find: 'n += GROUP) {\n    backward_row',
    replace: 'n += params.N) {\n    backward_row',
    breaks: 'Rows past the workgroup have no gradient.',
  },
  {
    id: 'cross-entropy-backward-label',
    find: 'if (c == t) { p -= 1.0; }',
    replace: '',
    breaks: 'The gradient is the softmax alone: the label does not enter.',
  },
  {
    id: 'cross-entropy-backward-dy',
    find: 'dy[(params.n0 + n) * params.each]',
    replace: 'dy[0]',
    breaks: 'Without reduction every row gets the gradient of the first.',
  },
  {
    id: 'cross-entropy-backward-divisor',
    find: 'if (params.each == 0u) { g /= saved_state[0].divisor; }',
    replace: '',
    breaks: 'The gradient of the mean is not divided by the number of rows.',
  },
  {
    id: 'cross-entropy-backward-bad-label',
    find: 'let wrong = t >= params.C ||',
    replace: 'let wrong =',
    breaks: 'A label that is no class gives a finite gradient.',
  },
  {
    id: 'cross-entropy-label-bytes',
    find: '(8u * (n % 4u))',
    replace: '(8u * (n % 2u))',
    breaks: 'Labels given as bytes are taken from the first half of their word.',
  },
])

const totals = mutantsOf('wgsl/cross_entropy.wgsl', tests.totals, [
  {
    id: 'totals-ties',
    find: 'v > m || is_nan(v)',
    replace: 'v >= m || is_nan(v)',
    breaks: 'Of equal logits the last counts as the prediction instead of the first.',
  },
  {
    id: 'totals-extra-row',
    find: 'if (n < params.N) { forward_row(n); }',
    replace: 'if (n <= params.N) { forward_row(n); }',
    breaks: 'A loss is written past the last row.',
    tests: tests.crossEntropy,
  },
  {
    id: 'totals-nan-row',
    find: 'largest == t && size <= INFINITY_BITS',
    replace: 'largest == t',
    breaks: 'A row that holds NaN may count as right.',
  },
  {
    id: 'totals-count',
    find: 'atomicAdd(&totals[1], counted)',
    replace: 'atomicAdd(&totals[1], params.N)',
    breaks: 'Ignored rows are counted.',
  },
  {
    id: 'totals-loss-weight',
    find: 'add_to_totals(s.loss, s.counted',
    replace: 'add_to_totals(result, s.counted',
    breaks: 'The last, smaller batch weighs as much in the loss as the others.',
  },
  {
    id: 'totals-carry',
    find: 'carry = u32(added < before) | u32(after < added);',
    replace: 'carry = u32(added < before);',
    tests: tests.exactSum,
    breaks: 'A carry into a word of ones is lost.',
  },
  {
    id: 'totals-negative',
    find: 'var carry = flip & 1u;',
    replace: 'var carry = 0u;',
    tests: tests.exactSum,
    breaks: 'A negative loss counts one unit too much.',
  },
  {
    id: 'totals-high-digits',
    find: '(mantissa >> 1u) >> (31u - shift)',
    replace: 'mantissa >> (32u - shift)',
    tests: tests.exactSum,
    breaks: 'A mantissa within one word is added twice: shifts are modulo 32.',
  },
  {
    id: 'totals-last-class',
    in: 'forward_row',
    find: 'for (var c = 1u; c < params.C; c++)',
    replace: 'for (var c = 1u; c < params.C - 1u; c++)',
    breaks: 'The last class is never the prediction.',
  },
  {
    id: 'totals-clock',
    find: 'let now = atomicAdd(&totals[1], counted) + counted;',
    replace: 'let now = atomicAdd(&totals[1], counted);',
    breaks: 'What a batch notes is taken for that of the one before.',
  },
  {
    id: 'totals-logits',
    find: 'if (!logits_are_finite) { note(now, CODE_LOGITS); }',
    replace: '',
    breaks: 'Logits that are not finite are taken for a loss that is not, or pass unseen.',
  },
  {
    id: 'totals-ignored-note',
    find: 'loss = 0.0;\n    counts = 0u;',
    replace: 'loss = 0.0;\n    counts = counts & NOT_FINITE;',
    breaks: 'Logits of ignored rows are noted.',
  },
  {
    id: 'totals-right',
    find: 'all / RIGHT % (NOT_FINITE / RIGHT)',
    replace: 'all / RIGHT',
    breaks: 'A row that is not finite counts as 256 that are right.',
  },
])

const crossEntropyHost = mutantsOf('src/kernels/cross_entropy.ts', tests.crossEntropy, [
  {
    id: 'cross-entropy-host-empty-mean',
    find: "reduction === 'mean' ? Number.NaN : 0",
    replace: '0',
    breaks: 'The mean of no rows is 0 instead of NaN.',
  },
  {
    id: 'cross-entropy-host-gradient',
    find: 'if (!(logits.requiresGrad && gradEnabled())) {',
    replace: 'if (!logits.requiresGrad) {',
    breaks: 'Under noGrad a gradient is computed that nobody can ask for.',
  },
  {
    id: 'cross-entropy-host-fused-rows',
    find: 'N > FUSED_ROWS ||',
    replace: 'N >= FUSED_ROWS ||',
    breaks: 'A batch of 4096 rows takes several dispatches.',
  },
])

export const poolAndLoss: Area = {
  title: 'maxPool2d and crossEntropy',
  mutants: [...maxPool2d, ...maxPool2dHost, ...avgPool2d, ...crossEntropy, ...totals, ...crossEntropyHost],
}
