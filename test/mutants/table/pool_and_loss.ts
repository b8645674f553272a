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
    in: 'fn forward(',
    find: 'let top = max(oh * params.SH, params.PH) - params.PH;',
    replace: 'let top = oh * params.SH;',
    breaks: 'The padding above the image is ignored at the top of a window.',
  },
  {
    id: 'max-pool2d-padding-bottom',
    find: 'min(oh * params.SH + params.KH - params.PH, params.H)',
    replace: 'min(oh * params.SH + params.KH, params.H)',
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
    in: 'fn forward(',
    find: 'at = h * params.W + w;',
    replace: 'at = plane + h * params.W + w;',
    breaks: 'The winner is counted in the whole tensor instead of in its plane.',
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
    in: 'fn backward(',
    find: 'plane_number * params.OH * params.OW',
    replace: 'plane_number * cells',
    breaks: 'Gradients of planes after the first are taken from the wrong place.',
  },
  {
    id: 'max-pool2d-disjoint-leftover',
    find: 'select((oh + 1u) * params.SH - params.PH, params.H, oh + 1u == params.OH)',
    replace: '(oh + 1u) * params.SH - params.PH',
    breaks: 'Rows below the last window get no gradient at all.',
  },
  {
    id: 'max-pool2d-disjoint-winner',
    find: 'select(0.0, value, cell == at)',
    replace: 'select(0.0, value, cell >= at)',
    breaks: 'Cells after the winner get its gradient too.',
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
    find: 'if (v > m || is_nan(v)) { m = v; }',
    replace: 'if (v < m || is_nan(v)) { m = v; }',
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
    in: 'fn forward(',
    find: 'exp(x[row + c] - m)',
    replace: 'exp(x[row + c])',
    breaks: 'The sum of exponentials is not shifted by the maximum.',
  },
  {
    id: 'cross-entropy-loss-max',
    find: 'log(z) + (m - x[row + t])',
    replace: 'log(z) + m + x[row + t]',
    breaks: 'The logit of the label is added instead of taken away.',
  },
  {
    id: 'cross-entropy-order-of-subtraction',
    find: 'log(z) + (m - x[row + t])',
    replace: '(log(z) + m) - x[row + t]',
    breaks: 'A small loss is lost in the rounding of large logits.',
  },
  {
    id: 'cross-entropy-bad-label',
    find: 'if (t < params.C) { result = log(z)',
    replace: 'if (t <= params.C) { result = log(z)',
    breaks: 'A label one past the last class gives a number instead of NaN.',
  },
  {
    id: 'cross-entropy-stats',
    find: 'vec2f(m, z)',
    replace: 'vec2f(m, log(z))',
    breaks: 'Backward divides by the logarithm of the sum.',
  },
  {
    id: 'cross-entropy-divisor',
    find: 'out[0] = sum / params.divisor;',
    replace: 'out[0] = sum;',
    breaks: 'The mean is not divided by the number of rows.',
  },
  {
    id: 'cross-entropy-block-end',
    find: 'min(first + ROWS_PER_BLOCK, params.N); n++',
    replace: 'min(first + ROWS_PER_BLOCK - 1u, params.N); n++',
    breaks: 'The last row of every block of 32 is missing in the loss.',
  },
  {
    id: 'cross-entropy-reduce-block',
    in: 'fn reduce()',
    find: 'sum += partial[block];',
    replace: 'sum = partial[block];',
    breaks: 'Only the last block of rows counts in the loss.',
  },
  {
    id: 'cross-entropy-backward-label',
    find: 'if (c == t) { p -= 1.0; }',
    replace: '',
    breaks: 'The gradient is the softmax alone: the label does not enter.',
  },
  {
    id: 'cross-entropy-backward-dy',
    find: 'dy[n * params.dy_stride]',
    replace: 'dy[0]',
    breaks: 'Without reduction every row gets the gradient of the first.',
  },
  {
    id: 'cross-entropy-backward-divisor',
    find: '] / params.divisor;',
    replace: '];',
    breaks: 'The gradient of the mean is not divided by the number of rows.',
  },
  {
    id: 'cross-entropy-backward-bad-label',
    find: 'if (t >= params.C) { result = nan(); }',
    replace: '',
    breaks: 'A label that is no class gives a finite gradient.',
  },
  {
    id: 'cross-entropy-label-bytes',
    find: '(8u * (n % 4u))',
    replace: '(8u * (n % 2u))',
    breaks: 'Labels given as bytes are taken from the first half of their word.',
  },
])

const crossEntropyHost = mutantsOf('src/kernels/cross_entropy.ts', tests.crossEntropy, [
  {
    id: 'cross-entropy-host-range',
    find: 'range[1] >= C)',
    replace: 'range[1] > C)',
    breaks: 'The host accepts a label one past the last class.',
  },
  {
    id: 'cross-entropy-host-empty-mean',
    find: "reduction === 'mean' ? Number.NaN : 0",
    replace: '0',
    breaks: 'The mean of no rows is 0 instead of NaN.',
  },
])

export const poolAndLoss: Area = {
  title: 'maxPool2d and crossEntropy',
  mutants: [...maxPool2d, ...maxPool2dHost, ...crossEntropy, ...crossEntropyHost],
}
