import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const kernel = mutantsOf('wgsl/conv2d.wgsl', tests.conv2d, [
  {
    id: 'conv2d-forward-bias',
    find: 'acc[p * OCV + v][j] + b;',
    replace: 'acc[p * OCV + v][j];',
    breaks: 'The bias is left out.',
  },
  {
    id: 'conv2d-padding-sign',
    find: 'i32(ox) * g.step.x - g.pad.x',
    replace: 'i32(ox) * g.step.x + g.pad.x',
    breaks: 'Horizontal padding shifts the window the wrong way.',
  },
  {
    id: 'conv2d-dilation-rows',
    in: 'correlate',
    find: 'i32(ky) * g.dilate.y',
    replace: 'i32(ky)',
    breaks: 'Vertical dilation is ignored.',
  },
  {
    id: 'conv2d-fixed-tap',
    find: 'xs[p + kx] * w',
    replace: 'xs[p] * w',
    breaks: 'With a compiled-in width every tap meets the same cell.',
  },
  {
    id: 'conv2d-fixed-right-edge',
    in: 'correlate',
    find: 'ix < i32(g.IW)',
    replace: 'ix <= i32(g.IW)',
    breaks: 'With a compiled-in width the cell right of a row is the first of the next one.',
  },
  {
    id: 'conv2d-general-step',
    find: 'left + i32(p) * g.step.x',
    replace: 'left + i32(p)',
    breaks: 'The neighbours that a thread makes ignore the horizontal stride.',
  },
  {
    id: 'conv2d-tiles',
    find: '(g.OW + PX - 1u) / PX',
    replace: 'max(g.OW / PX, 1u)',
    breaks: 'Columns beyond the last whole tile are not computed.',
  },
  {
    id: 'conv2d-row-end',
    find: 'oc < oc1 && ox + p < g.OW',
    replace: 'oc < oc1',
    breaks: 'A tile writes past the end of its row.',
  },
  {
    id: 'conv2d-stride-holes',
    find: 't >= 0 && q * i32(part) == t && q < i32(size)',
    replace: 't >= 0 && q < i32(size)',
    breaks: 'With a stride the input gradient also takes cells that no window reaches.',
  },
  {
    id: 'conv2d-backward-input-pad',
    find: 'i32((params.KH - 1u) * params.DH) - i32(params.PH)',
    replace: 'i32(params.KH - 1u) - i32(params.PH)',
    breaks: 'The input gradient is shifted where the kernel is dilated.',
  },
  {
    id: 'conv2d-backward-input-stride',
    find: 'vec2u(params.SW, params.SH)',
    replace: 'vec2u(params.SH, params.SW)',
    breaks: 'Height and width of the stride are exchanged in the input gradient.',
  },
  {
    id: 'conv2d-pack-turn',
    find: 'kernel - 1u - tap',
    replace: 'tap',
    breaks: 'The kernel is not turned round for the input gradient.',
  },
  {
    id: 'conv2d-pack-filter',
    find: 'place.x * params.FG + select(out, in, turned)',
    replace: 'place.x * params.FG + out',
    breaks: 'For the input gradient the weights of the wrong filter are packed.',
  },
  {
    id: 'conv2d-group-channels',
    find: 'let ic0 = place.x * g.ICG;',
    replace: 'let ic0 = 0u;',
    breaks: 'Filters of every group see the channels of the first.',
  },
  {
    id: 'conv2d-group-end',
    find: 'min(oc0 + OCB, (place.x + 1u) * g.OCG)',
    replace: 'min(oc0 + OCB, g.OC)',
    breaks: 'The last block of a group writes filters of the next one.',
  },
  {
    id: 'conv2d-group-exact',
    in: 'exact_output',
    find: 'g.IC + ic0 + ic',
    replace: 'g.IC + ic',
    breaks: 'What is made again because it is not finite is made of the channels of the first group.',
  },
  {
    id: 'conv2d-group-pack',
    find: 'place.x * params.FG + select(out, in, turned)',
    replace: 'select(out, in, turned)',
    breaks: 'Every group has the weights of the first.',
  },
  {
    id: 'conv2d-group-weight-channel',
    find: 't.channel = g * params.CG + t.c;',
    replace: 't.channel = t.c;',
    breaks: 'The weight gradient of every group is made of the channels of the first.',
  },
  {
    id: 'conv2d-group-weight-end',
    find: 'min(t.f0 + DW_OC, (g + 1u) * params.FG)',
    replace: 'min(t.f0 + DW_OC, params.F)',
    breaks: 'The last filters of a group overwrite the weight gradients of the next one.',
  },
  {
    id: 'conv2d-weights-uniform',
    find: 'WEIGHTS_UNIFORM == 1u',
    replace: 'WEIGHTS_UNIFORM == 0u',
    breaks: 'Weights of more than 64 KiB are read through the binding that shows the first 64 KiB only.',
  },
  {
    id: 'conv2d-exact-repair',
    find: 'if (ok && again)',
    replace: 'if (ok && again && params.N == 0u)',
    breaks: 'Padding multiplied by an infinite weight makes NaN, and nobody repairs it.',
  },
  {
    id: 'conv2d-exact-slice',
    in: 'exact_output',
    find: '(part * params.ins',
    replace: '((part + params.firstBlock) * params.ins',
    breaks: 'What is made again because it is not finite gets other weights, where a layer is several dispatches.',
    tests: tests.conv2dBits,
  },
  {
    id: 'conv2d-slice-block',
    find: 'place_of(params.firstBlock + part, g.OCG)',
    replace: 'place_of(part, g.OCG)',
    breaks: 'Every dispatch of a layer writes the channels of the first.',
    tests: tests.conv2dBits,
  },
  {
    id: 'conv2d-exact-bound',
    in: 'exact_output',
    find: 'iy >= 0 && ix >= 0',
    replace: 'iy >= 0',
    breaks: 'The repair of sums that are not finite reads cells outside of a row.',
  },
  {
    id: 'conv2d-repair-nan-only',
    find: '(bitcast<u32>(v) & 0x7f800000u) == 0x7f800000u',
    replace: '(bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u',
    breaks: 'Sums that are infinite are not made again.',
    equivalent:
      'A cell outside the image changes a sum only as 0 times infinity or NaN, which is NaN: an infinite sum is right as it is.',
  },
  {
    id: 'conv2d-repair-bias',
    find: 'sum + load_bias(oc);',
    replace: 'sum;',
    breaks: 'Outputs that are made again lack the bias.',
  },
  {
    id: 'conv2d-weight-dilation',
    in: 'load_x',
    find: 'i32(kx * params.DW)',
    replace: 'i32(kx)',
    breaks: 'The weight gradient ignores horizontal dilation.',
  },
  {
    id: 'conv2d-weight-padding',
    in: 'load_x',
    find: ' - i32(params.PW)',
    replace: '',
    breaks: 'The weight gradient ignores horizontal padding.',
  },
  {
    id: 'conv2d-weight-stride',
    in: 'row_of_x',
    find: 'oy * params.SH',
    replace: 'oy',
    breaks: 'The weight gradient ignores vertical stride.',
  },
  {
    id: 'conv2d-weight-last-block',
    find: 'min(IMAGES, params.N - t.n0) * params.OH',
    replace: 'IMAGES * params.OH',
    breaks: 'The last block of images sums beyond the batch.',
  },
  {
    id: 'conv2d-weight-slide',
    find: 'var s = 1 - i32(DW_TX)',
    replace: 'var s = 2 - i32(DW_TX)',
    breaks: 'The sliding window starts a row with one column missing.',
  },
  {
    id: 'conv2d-weight-bias',
    find: 'acc_b[o] += d;',
    replace: 'acc_b[o] = d;',
    breaks: 'The bias gradient of a lane is that of one cell.',
  },
  {
    id: 'conv2d-weight-filter-bound',
    find: 'let f = min(t.f0 + o, params.F - 1u);',
    replace: 'let f = t.f0 + o;',
    breaks: 'Gradients of filters that do not exist are read.',
    equivalent:
      'What comes of a filter past the last one is never stored, and reads out of bounds are harmless in WGSL.',
  },
  {
    id: 'conv2d-weight-lanes',
    find: 't.slot += rest * params.lanes;',
    replace: 't.slot += rest;',
    breaks: 'Blocks of images overwrite one another’s partial sums.',
  },
  {
    id: 'conv2d-weight-first-part',
    find: 'let part = params.firstPart + t.slot;',
    replace: 'let part = t.slot;',
    breaks: 'Where not all parts are made at a time, the first ones are added again and again.',
    tests: tests.sumParts,
  },
  {
    id: 'conv2d-weight-pieces',
    find: 'min(first_row + params.pieceRows, min(IMAGES',
    replace: 'min(first_row + params.pieceRows * params.pieces, min(IMAGES',
    breaks: 'In large images a part also takes the rows of the parts after it.',
    tests: tests.longSums,
  },
  {
    id: 'conv2d-weight-segment-window',
    find: 'load_x(row[j], i32(t.ox0) + s,',
    replace: 'load_x(row[j], s,',
    breaks: 'In a long row the sliding window of a segment begins with the cells of the first one.',
    tests: tests.longSums,
  },
  {
    id: 'conv2d-pack-channels',
    find: 'let in = params.in0 + ',
    replace: 'let in = ',
    breaks: 'Where a sum is made of several, each multiplies by the weights of the first channels.',
    tests: tests.longSums,
  },
  {
    id: 'conv2d-weight-exact-row',
    in: 'exact_partial',
    find: 'row >= 0 && ix >= 0',
    replace: 'ix >= 0',
    breaks: 'The repair of weight gradients that are not finite takes rows outside the image.',
  },
  {
    id: 'conv2d-sum-blocks',
    find: 'b < params.parts; b++',
    replace: 'b + 1u < params.parts; b++',
    breaks: 'The last part is missing in the weight gradient.',
  },
  {
    id: 'conv2d-reduce-bias',
    find: 'db[i - weights] = sum_partial(i,',
    replace: 'db[i - weights] = sum_partial(i - weights,',
    breaks: 'The bias gradient is made of the partial sums of weights.',
  },
  {
    id: 'conv2d-reduce-weight-stride',
    in: 'reduce_weight',
    find: 'sum_partial(i, weights + params.F)',
    replace: 'sum_partial(i, weights)',
    breaks: 'Without a bias the partial sums of the weight gradient are added across their blocks.',
  },
])

const host = mutantsOf('src/kernels/conv2d.ts', tests.conv2d, [
  {
    id: 'conv2d-host-padding-pair',
    find: 'const [PH, PW] = attributes.padding',
    replace: 'const [PW, PH] = attributes.padding',
    breaks: 'Height and width of the padding are exchanged.',
  },
  {
    id: 'conv2d-host-channels',
    find: "direction === 'forward' ? [CG, FG] : [FG, CG]",
    replace: '[CG, FG]',
    breaks: 'For the input gradient channels and filters are counted as for the output.',
  },
  {
    id: 'conv2d-host-unit-step',
    find: 'params.SW === 1 && params.DW === 1',
    replace: 'params.SW === 1 || params.DW === 1',
    breaks: 'The kernel with a compiled-in width is used where stride or dilation forbid it.',
  },
  {
    id: 'conv2d-host-slide',
    find: 'tuneWeight(layer, SW === DW,',
    replace: 'tuneWeight(layer, true,',
    breaks: 'The window of the weight gradient slides though stride and dilation differ.',
  },
  {
    id: 'conv2d-host-slice-weights',
    find: 'bytesOfBlock * (firstBlock - packFrom)',
    replace: '0',
    breaks: 'Of a layer in several dispatches all take the weights of the first.',
    tests: tests.conv2dBits,
  },
])

const sequences = mutantsOf('src/kernels/conv1d.ts', tests.conv1d, [
  {
    id: 'conv1d-axis',
    find: 'padding: [0, padding]',
    replace: 'padding: [padding, 0]',
    breaks: 'A sequence is padded across.',
  },
])

const transposed = mutantsOf('src/kernels/conv_transpose2d.ts', tests.convTranspose2d, [
  {
    id: 'conv-transpose2d-output-padding',
    find: 'least + outputPadding[i]!',
    replace: 'least',
    breaks: 'Output padding is ignored.',
  },
  {
    id: 'conv-transpose2d-step',
    find: 'more < Math.max(stride[i]!, dilation[i]!)',
    replace: 'more < stride[i]!',
    breaks: 'Output padding that a dilation allows is refused.',
  },
  {
    id: 'conv-transpose2d-bias',
    find: 'attributes, bias !== null)',
    replace: 'attributes, false)',
    breaks: 'The bias is left out.',
  },
  {
    id: 'conv-transpose2d-weight-roles',
    find: 'params, dy.storage, input.storage, dw',
    replace: 'params, input.storage, dy.storage, dw',
    breaks: 'In the weight gradient the roles of the two images are those of conv2d.',
  },
  {
    id: 'conv-transpose2d-empty',
    find: 'of(input.shape, groups)',
    replace: 'of(input.shape, 1)',
    breaks: 'Without input channels groups read past the zeros.',
  },
])

const tuning = mutantsOf('src/kernels/conv2d_tuning.ts', tests.conv2d, [
  {
    id: 'conv2d-tuning-group-blocks',
    find: 'const blocks = groups * Math',
    replace: 'const blocks = Math',
    breaks: 'Only the first group is computed.',
  },
  {
    id: 'conv2d-tuning-scratch',
    find: 'Math.max(perBlock * blocksPacked, last',
    replace: 'Math.min(perBlock * blocksPacked, last',
    breaks: 'The packed weights have too little memory.',
  },
  {
    id: 'conv2d-tuning-packed',
    find: 'scratchLimit.floats / perBlock',
    replace: 'Infinity',
    breaks: 'The weights of a large layer are packed in one buffer, however large.',
    tests: tests.scratchOfShapes,
  },
  {
    id: 'conv2d-tuning-uniform',
    find: 'const UNIFORM_BYTES = 65_536',
    replace: 'const UNIFORM_BYTES = 131_072',
    breaks: 'Weights that a uniform buffer cannot hold are read through one.',
  },
  {
    id: 'conv2d-tuning-images',
    find: 'IMAGES: 32,',
    replace: 'IMAGES: fixed ? 32 : 16,',
    breaks: 'The order of additions in the weight gradient depends on the size of the layer.',
    tests: tests.conv2dBits,
  },
])

const shared = mutantsOf('src/kernels/support.ts', tests.conv2d, [
  {
    id: 'kernels-output-size',
    find: 'Math.floor((input + 2 * padding - reach) / stride) + 1',
    replace: 'Math.ceil((input + 2 * padding - reach) / stride) + 1',
    breaks: 'Windows that stick out of the image count as outputs.',
  },
  {
    id: 'kernels-window-fits',
    find: 'reach > input + 2 * padding',
    replace: 'reach > input + 2 * padding + stride',
    breaks: 'A window larger than the padded input is not refused.',
  },
  {
    id: 'kernels-groups',
    find: 'Math.ceil(threads / WG)',
    replace: 'Math.max(1, Math.floor(threads / WG))',
    breaks: 'The last, partly filled workgroup is not run.',
  },
])

const depthwise = mutantsOf('wgsl/depthwise.wgsl', tests.depthwise, [
  {
    id: 'depthwise-row',
    find: 'let ky = s + STEP_Y * j;',
    replace: 'let ky = s + j;',
    breaks: 'With a vertical stride, rows of the input meet the wrong rows of the kernel.',
  },
  {
    id: 'depthwise-turned',
    in: 'correlate',
    find: 'select(k, KH * KW - 1u - k, TURNED == 1u)',
    replace: 'k',
    breaks: 'The kernel is not turned for the gradient of the input.',
  },
  {
    id: 'depthwise-strip-begin',
    find: 'y >= max(y0, 0) && y < y1',
    replace: 'y >= 0 && y < y1',
    breaks: 'A strip writes unfinished sums into the rows above it.',
  },
  {
    id: 'depthwise-strip-end',
    find: 'min(y0 + i32(params.rows), i32(params.OH))',
    replace: 'y0 + i32(params.rows)',
    breaks: 'The last strip writes rows that the channel does not have.',
  },
  {
    id: 'depthwise-right-edge',
    find: 'row_ok && ix >= 0 && ix < i32(params.IW)',
    replace: 'row_ok && ix >= 0',
    breaks: 'Taps right of the image take the beginning of the next row.',
  },
  {
    id: 'depthwise-column-part',
    in: 'correlate',
    find: 'xs[(px * STEP_X + kx) / PART_X]',
    replace: 'xs[px * STEP_X + kx]',
    breaks: 'With a horizontal stride, the gradient of the input takes other columns of dy.',
  },
  {
    id: 'depthwise-last-steps',
    find: 'params.rows / PART_Y + (KEPT + PART_Y - 2u) / PART_Y',
    replace: 'params.rows / PART_Y',
    breaks: 'The last rows of a strip are not written.',
  },
  {
    id: 'depthwise-not-finite',
    in: 'correlate',
    find: 'if (again) {',
    replace: 'if (false) {',
    breaks: 'An infinite weight makes NaN of padding.',
  },
])

const depthwiseHost = mutantsOf('src/kernels/depthwise.ts', tests.depthwise, [
  {
    id: 'depthwise-lead',
    find: '(stride - (((pad % stride) + stride) % stride)) % stride',
    replace: '0 * (pad + stride)',
    breaks: 'Strips of the gradient of the input begin where no window does.',
  },
])

export const conv2d: Area = {
  title: 'conv2d',
  mutants: [...kernel, ...host, ...sequences, ...transposed, ...tuning, ...depthwise, ...depthwiseHost, ...shared],
}
