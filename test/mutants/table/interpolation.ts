// Mutants of interpolation.
import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const kernel = mutantsOf('wgsl/interpolate.wgsl', tests.interpolate, [
  {
    id: 'interpolate-columns',
    find: '2u * params.OH + params.H + 1u, params.OW',
    replace: '2u * params.OH + params.H, params.OW',
    breaks: 'The table of the columns is read one word too early.',
  },
  {
    id: 'interpolate-next-row',
    in: 'forward',
    find: 'lower_row = row + 1u;',
    replace: 'lower_row = row;',
    breaks: 'Both rows of a bilinear output are the first one.',
  },
  {
    id: 'interpolate-kept-row',
    in: 'forward',
    find: 'if (row == lower_row)',
    replace: 'if (lower_row != NO_ROW)',
    breaks: 'A row that was kept for another output is used for one that needs a later row.',
  },
  {
    id: 'interpolate-last-columns',
    find: 'if (ox + j < params.OW)',
    replace: 'if (true)',
    breaks: 'The last thread of a row writes into the next one.',
  },
  {
    id: 'interpolate-weight-0',
    in: 'mixed',
    find: 'l > 0.0',
    replace: 'l >= 0.0',
    breaks: 'A NaN in a cell of weight 0 reaches the output.',
  },
  {
    id: 'interpolate-gradient-range',
    find: 'starts + i - min(i, BILINEAR)',
    replace: 'starts + i',
    breaks: 'The gradient of a cell lacks what the outputs before it got.',
  },
  {
    id: 'interpolate-gradient-weight',
    in: 'weight_of',
    find: 'select(1.0 - l, l, o < range.y)',
    replace: '1.0 - l',
    breaks: 'In the gradient every output has the weight of its first cell.',
  },
  {
    id: 'interpolate-gradient-block',
    find: 'row_sum += row_part;',
    replace: '',
    breaks: 'Of a long row only the last block counts.',
  },
])

const host = mutantsOf('src/kernels/interpolate.ts', tests.interpolate, [
  {
    id: 'interpolate-nearest-middle',
    find: 'Math.floor(Math.fround(o * step))',
    replace: 'Math.floor(Math.fround((o + 0.5) * step))',
    breaks: 'The nearest cell is that of the middle of an output, as in PyTorch’s nearest-exact.',
    tests: tests.interpolatePytorch,
  },
  {
    id: 'interpolate-scale',
    find: 'scale === null ? cells / outputs : 1 / scale',
    replace: 'cells / outputs',
    breaks: 'A scale is rounded so that the output ends with the input.',
  },
  {
    id: 'interpolate-left-edge',
    find: 'Math.max(0, scale === null',
    replace: 'Math.abs(scale === null',
    breaks: 'At the left edge outputs mirror the image.',
  },
  {
    id: 'interpolate-released',
    find: 'own.clear()',
    replace: '',
    breaks: 'A table that was released is used again.',
    tests: tests.interpolateOwn,
  },
])

export const interpolation: Area = { title: 'interpolation', mutants: [...kernel, ...host] }
