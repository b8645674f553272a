import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const cases = tests.conv2dReluMaxPool2dCases

const kernel = mutantsOf('wgsl/conv2d_relu_max_pool2d.wgsl', tests.conv2dReluMaxPool2d, [
  {
    id: 'fused-conv-bias',
    find: 'acc_l[2u * j + 1u][o]) + b;',
    replace: 'acc_l[2u * j + 1u][o]);',
    breaks: 'The bias is left out.',
    tests: cases('one window'),
  },
  {
    id: 'fused-conv-first-maximum',
    in: 'for (var k = 0u; k < 4u; k++) {\n        again',
    find: 'code = select(code, k, z[k] > best);',
    replace: 'code = select(code, k, z[k] >= best);',
    breaks: 'Of equal maxima the last one wins, and a zero wins over nobody.',
  },
  {
    id: 'fused-conv-cells',
    find: 'acc_u[2u * j + 1u][o], acc_l[2u * j][o]',
    replace: 'acc_l[2u * j][o], acc_u[2u * j + 1u][o]',
    breaks: 'The cells of a window are in another order: another of equal maxima wins.',
  },
  {
    id: 'fused-conv-rows-slide',
    find: 'upper[i] = lower[i];',
    replace: 'upper[i] = upper[i];',
    breaks: 'The upper row of cells does not move on with the row of the kernel.',
    tests: cases('its second'),
  },
  {
    id: 'fused-conv-row-end',
    find: 'if (ok && f < params.F && first + j < params.OW) {',
    replace: 'if (ok && f < params.F) {',
    breaks: 'A run writes past the end of its row.',
    tests: cases('a row and a column'),
  },
  {
    id: 'fused-conv-exact-bias',
    find: 'return sum + load_bias(f);',
    replace: 'return sum;',
    breaks: 'Cells that are made again lack the bias.',
    tests: cases('a row and a column'),
  },
  {
    id: 'fused-conv-exact-nan',
    find: 'if (v > best || is_nan(v)) {',
    replace: 'if (v > best) {',
    breaks: 'NaN does not win.',
  },
  {
    id: 'fused-conv-exact-repair',
    find: 'if (ok && again) {',
    replace: 'if (ok && again && params.N == 0u) {',
    breaks: 'Padding multiplied by an infinite weight makes NaN, and nobody repairs it.',
    tests: cases('padding wider'),
  },
  {
    id: 'fused-conv-general-stride',
    find: 'row_of_x(n, c, iy + i32(params.SH))',
    replace: 'row_of_x(n, c, iy + 1)',
    breaks: 'The lower cells of a window ignore the vertical stride.',
    tests: cases('input rows'),
  },
  {
    id: 'fused-conv-right-edge',
    in: 'load_x',
    find: 'ix < i32(params.W)',
    replace: 'ix <= i32(params.W)',
    breaks: 'The cell right of a row is the first of the next one.',
    tests: cases('padding wider'),
  },
  {
    id: 'fused-conv-pack-zeros',
    find: 'let ky = i32(rest % rows) - select(0, 2, for_dx);',
    replace: 'let ky = i32(rest % rows) - select(0, 1, for_dx);',
    breaks: "The kernels' rows are packed a row too high for the input gradient.",
    tests: cases('one window'),
  },
  {
    id: 'fused-conv-pack-channels',
    find: 'let f = select(first + j, other, for_dx);',
    replace: 'let f = select(first + j, first + j, for_dx);',
    breaks: 'For the input gradient the weights of the wrong filter are packed.',
    tests: cases('a row and a column'),
  },
  {
    id: 'fused-conv-weights-uniform',
    find: 'WEIGHTS_UNIFORM == 1u',
    replace: 'WEIGHTS_UNIFORM == 0u',
    breaks: 'Weights of more than 64 KiB are read through the binding that shows the first 64 KiB only.',
    tests: cases('as many'),
  },
  {
    id: 'fused-conv-dx-lower-row',
    find: 'select(0.0, values[j / 2u], codes[j / 2u] == 2u + j % 2u)',
    replace: 'select(0.0, values[j / 2u], codes[j / 2u] == 3u - j % 2u)',
    breaks: 'Winners in the lower row give their gradient to the neighbour.',
    tests: cases('its second'),
  },
  {
    id: 'fused-conv-dx-rows',
    find: 'let to_y = min((bottom + 1) / 2, i32(params.OH) - 1);',
    replace: 'let to_y = min(bottom / 2, i32(params.OH) - 1);',
    breaks: 'With odd padding the last row of windows that reaches a row is left out.',
    tests: cases('.*odd sizes'),
  },
  {
    id: 'fused-conv-dx-exact-repair',
    in: 'backward_input',
    find: 'if (again) {',
    replace: 'if (again && params.N == 0u) {',
    breaks: 'An infinite weight times a cell that did not win makes NaN, and nobody repairs it.',
    tests: cases('its second'),
  },
  {
    id: 'fused-conv-dx-last-row',
    find: 'if (y0 + 1u < params.H) {',
    replace: 'if (y0 < params.H) {',
    breaks: 'Where H is odd the row below the last one is written.',
    tests: cases('.*odd length'),
  },
  {
    id: 'fused-conv-dx-word',
    find: 'if (j % RUN == 0u) {',
    replace: 'if (j == 0u) {',
    breaks: 'All windows of a row take their winners from its first word.',
    tests: cases('.*two words'),
  },
  {
    id: 'fused-conv-dw-right',
    find: 'let right = (codes & vec4u(1u)) == vec4u(1u);',
    replace: 'let right = (codes & vec4u(1u)) == vec4u(0u);',
    breaks: 'The left and the right cell of a window are exchanged in the weight gradient.',
    tests: cases('its second'),
  },
  {
    id: 'fused-conv-dw-nobody',
    find: 'let g = select(vec4f(), values, codes < vec4u(NOBODY));',
    replace: 'let g = values;',
    breaks: 'Windows that nobody won pass their gradient on.',
  },
  {
    id: 'fused-conv-dw-slide',
    find: 'xs[j][i - 2u] = xs[j][i];',
    replace: 'xs[j][i - 2u] = xs[j][i - 1u];',
    breaks: 'The patch of x slides by one column, not by two.',
    tests: cases('its second'),
  },
  {
    id: 'fused-conv-dw-blocks',
    find: 'min(IMAGES, params.N - t.n0) * params.OH',
    replace: '(params.N - t.n0) * params.OH',
    breaks: 'A block of images takes all that follow.',
    tests: cases('33 images'),
  },
  {
    id: 'fused-conv-db-region',
    find: 'db[i - weights] = sum_partial(i,',
    replace: 'db[i - weights] = sum_partial(i - weights,',
    breaks: 'The bias gradient is made of the partial sums of weights.',
    tests: cases('33 images'),
  },
  {
    id: 'fused-conv-dw-pieces',
    find: 'min(first_row + params.pieceRows, min(IMAGES',
    replace: 'min(first_row + params.pieceRows + 1u, min(IMAGES',
    breaks: 'In large images a part also takes a row of the part after it.',
    tests: tests.longSums,
  },
  {
    id: 'fused-conv-dw-segments',
    find: 'var ox = max(run * RUN, t.ox0)',
    replace: 'var ox = run * RUN',
    breaks: 'In a long row windows before a segment are added twice.',
    tests: tests.longSums,
  },
])

const fusion = mutantsOf('src/nn/fusion.ts', tests.fusion, [
  {
    id: 'fusion-window',
    find: '!isBoth(kernelSize, 2) || ',
    replace: '',
    breaks: 'Windows of any size are taken for 2 × 2.',
  },
  {
    id: 'fusion-padding',
    find: ' || !isBoth(padding, 0)',
    replace: '',
    breaks: 'Padded windows are taken for such without padding.',
  },
  {
    id: 'fusion-class',
    find: 'Object.getPrototypeOf(module) === Class.prototype',
    replace: 'module instanceof Class',
    breaks: "Users' own layers, which may compute something else, are taken for the ones they extend.",
  },
  {
    id: 'fusion-own-forward',
    find: " && !Object.hasOwn(module, 'forward')",
    replace: '',
    breaks: 'A layer whose forward was replaced is passed over.',
  },
])

export const conv2dReluMaxPool2d: Area = {
  title: 'Convolution, ReLU and pooling in one',
  mutants: [...kernel, ...fusion],
}
