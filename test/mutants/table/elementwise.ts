import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const binary = mutantsOf('wgsl/binary.wgsl', tests.binary, [
  {
    id: 'binary-nan',
    in: 'holds',
    find: 'if (is_nan(v) || is_nan(w)) { return OP == NE; }',
    replace: '',
    breaks: 'A comparison with NaN holds on some adapters.',
  },
  {
    id: 'binary-integer-bytes',
    in: 'right_at',
    find: 'BYTES_RIGHT == 1u',
    replace: 'BYTES_LEFT == 1u',
    breaks: 'Labels in bytes are compared with int32 as if they were int32.',
  },
  {
    id: 'binary-together',
    find: '(params.n0 & 3u) == 0u',
    replace: '(params.n0 & 1u) == 0u',
    breaks: 'Four elements that lie in two rows are read as if they were of one.',
  },
  {
    id: 'binary-tail',
    in: 'write',
    find: '4u * i + 4u <= params.size',
    replace: '4u * i <= params.size',
    breaks: 'The last vector is written whole, past the end.',
  },
  {
    id: 'binary-ties',
    find: 'return 0.5 * g;',
    replace: 'return g;',
    breaks: 'Both of two equal elements get the whole gradient.',
  },
  {
    id: 'binary-div-sign',
    in: 'gradient_b',
    find: '-g * quotient',
    replace: 'g * quotient',
    breaks: "The divisor's gradient has the wrong sign.",
  },
  {
    id: 'binary-where-condition',
    find: 'four.c[k] = byte_of(c[at.z >> 2u], at.z)',
    replace: 'four.c[k] = byte_of(c[at.z >> 2u], 0u)',
    breaks: 'A broadcast condition is always the first of four bytes.',
  },
])

const binaryHost = mutantsOf('src/kernels/binary.ts', tests.binary, [
  {
    id: 'binary-host-arguments',
    find: 'if (arguments.length > 2) throw tooMany(arguments, signature)',
    replace: '',
    tests: tests.tooMany,
    breaks: "PyTorch's alpha is ignored.",
  },
  {
    id: 'binary-host-sub',
    find: "gradients === 'opposed' && i === 1 ? neg(summed) : summed",
    replace: 'summed',
    breaks: 'What is subtracted gets the gradient of what it is taken from.',
  },
  {
    id: 'binary-host-sum',
    find: 'return sumTo(whole, own)',
    replace: 'return whole',
    breaks: 'The gradient of a broadcast tensor has the shape of the output.',
  },
])

const unary = mutantsOf('wgsl/unary.wgsl', tests.unary, [
  {
    id: 'unary-nan',
    in: 'value',
    find: 'if (is_nan(v)) { return v; }',
    replace: '',
    breaks: 'NaN becomes what the function gives for it, on some adapters a number.',
  },
  {
    id: 'unary-relu-keeps-negative',
    find: 'case RELU: { return select(v, 0.0, v <= 0.0); }',
    replace: 'case RELU: { return select(v, 0.0, v <= -1.0); }',
    breaks: 'Small negative numbers pass relu.',
  },
  {
    id: 'unary-relu-at-zero',
    find: 'case RELU: { return select(g, 0.0, v <= 0.0); }',
    replace: 'case RELU: { return select(g, 0.0, v < 0.0); }',
    breaks: "relu's gradient at 0 is 1 instead of 0.",
  },
  {
    id: 'unary-forward-bound',
    in: 'forward',
    find: '(params.size + 3) / 4); i += WG',
    replace: 'params.size / 4); i += WG',
    breaks: 'Of an output whose size is no multiple of four the last elements are not written.',
  },
  {
    id: 'unary-backward-bound',
    in: 'backward',
    find: '(params.size + 3) / 4); i += WG',
    replace: 'params.size / 4); i += WG',
    breaks: 'Of a gradient whose size is no multiple of four the last elements are not written.',
  },
  {
    id: 'unary-decay-sign',
    find: 'exp(-min(abs(v), VANISHED))',
    replace: 'exp(-v)',
    breaks: 'The exponential overflows for large negative numbers.',
  },
  {
    id: 'unary-silu-minus-infinity',
    in: 'value',
    find: `case SILU: {
      if (is_infinite(v)) { return select(v, nan(), is_negative(v)); }`,
    replace: `case SILU: {
      if (is_infinite(v)) { return v; }`,
    breaks: 'Minus infinity passes silu instead of giving NaN.',
  },
  {
    id: 'unary-sine-window',
    find: '(words[word + i] << shift) | ((words[word + i + 1u] >> 1u) >> (31u - shift))',
    replace: '(words[word + i] << shift) | ((words[word + i + 1u] >> 2u) >> (31u - shift))',
    breaks: 'The window of 2/π lacks a bit at each seam: sines of large numbers are wrong.',
  },
  {
    id: 'unary-erf-branch',
    find: 'let tail = 0.5 * erfc_of(z);',
    replace: 'let tail = 0.5 - 0.5 * erf_of(z);',
    breaks: "gelu's left tail loses its digits.",
  },
  {
    id: 'unary-log-near-one',
    find: 'if (v > -0.2928932 && v < 0.4142135) { return log_near_one(v); }',
    replace: '',
    breaks: 'log1p loses the digits of small numbers.',
  },
])

const fill = mutantsOf('wgsl/fill.wgsl', tests.fill, [
  {
    id: 'fill-bound',
    find: 'min(start + WG * PER, params.size)',
    replace: 'start + WG * PER',
    breaks: 'The last thread writes past the end.',
  },
  {
    id: 'fill-stride',
    find: 'i += WG)',
    replace: 'i += 2u * WG)',
    breaks: 'Every other run of elements is left unwritten.',
  },
  {
    id: 'fill-group-stride',
    find: '(group.y * groups.x + group.x) * WG * PER + local',
    replace: '(group.y * groups.x + group.x) * WG + local',
    breaks: 'Workgroups overlap and leave the end of the tensor unwritten.',
  },
])

const gather = mutantsOf('wgsl/gather.wgsl', tests.gather, [
  {
    id: 'gather-first',
    find: 'return index[first + n];',
    replace: 'return index[n];',
    breaks: 'Every batch takes the first rows of the list.',
  },
  {
    id: 'gather-length',
    find: 'first + n >= params.length',
    replace: 'first + n > params.length',
    breaks: 'The entry just past the end of the list is taken.',
  },
  {
    id: 'gather-byte-in-word',
    find: 'byte_of(bytes[at / 4u], at % 4u)',
    replace: 'byte_of(bytes[at / 4u], i % 4u)',
    breaks: 'The byte within the word is chosen by the output, not by the data.',
  },
  {
    id: 'gather-byte-order',
    find: '(word >> (8u * i))',
    replace: '(word >> (24u - 8u * i))',
    breaks: 'The bytes of a word are read in the wrong order.',
  },
  {
    id: 'gather-scale',
    find: '& 0xffu) * params.scale',
    replace: '& 0xffu)',
    breaks: 'Bytes are not scaled.',
  },
  {
    id: 'gather-mask',
    find: '& 0xffu) * params.scale',
    replace: '& 0x7fu) * params.scale',
    breaks: 'Bytes above 127 lose their highest bit.',
  },
  {
    id: 'gather-part-words',
    find: '(row - params.part) * words',
    replace: 'row * words',
    breaks: 'An image of a later part is looked for behind its end.',
  },
  {
    id: 'gather-part-bytes',
    find: '(row - params.part) * params.R + i',
    replace: 'row * params.R + i',
    breaks: 'The same for images that are not whole words.',
  },
  {
    id: 'gather-elsewhere',
    find: 'row != NONE && row - params.part >= params.rows',
    replace: 'row != NONE && row >= params.part + params.rows',
    breaks: 'A later part overwrites the images of the parts before it.',
  },
  {
    id: 'gather-step',
    find: 'replay.step * batches[1] + params.which',
    replace: 'params.which',
    breaks: 'All steps of a run have the same batch.',
    tests: tests.batches,
  },
  {
    id: 'gather-rows-part',
    find: 'word = bytes[before + i - n * params.R]',
    replace: 'word = bytes[before + i]',
    breaks: 'Rows of words after the first are looked for too far on.',
    tests: tests.batches,
  },
  {
    id: 'gather-odd-bytes-tail',
    find: 'i < min(4u * w + 4u, size)',
    replace: 'i < 4u * w + 4u',
    breaks: 'Bytes behind the last row are written.',
    tests: tests.batches,
  },
  {
    id: 'gather-odd-bytes-keep',
    find: '(word & ~(0xffu << shift)) | (byte << shift)',
    replace: 'byte << shift',
    breaks: 'A word keeps one of its bytes alone.',
    tests: tests.batches,
  },
  {
    id: 'gather-ignored',
    find: 'var label = IGNORED;',
    replace: 'var label = 0;',
    breaks: 'Rows past the end of the list count as images of class 0.',
  },
])

const gatherHost = [
  ...mutantsOf('src/kernels/gather.ts', tests.gather, [
    {
      id: 'gather-host-parts',
      find: 'before += rows',
      replace: '',
      breaks: 'Every part takes itself for the first.',
    },
    {
      id: 'gather-host-row-range',
      find: 'range[1] >= count',
      replace: 'range[1] > count',
      breaks: 'The row just past the end of the data is accepted.',
    },
    {
      id: 'gather-host-range-of-labels',
      find: 'outLabels.storage.integerRange = labels.storage.integerRange',
      replace: '',
      breaks: 'Labels of a batch are no longer checked against the number of classes.',
    },
  ]),
  ...mutantsOf('src/data/batches.ts', tests.batches, [
    {
      id: 'batches-position',
      find: 'this.#position += uses',
      replace: '',
      breaks: 'Every run of a plan begins at the same batch.',
    },
    {
      id: 'batches-calls',
      find: 'Uint32Array.of(this.#start + use)',
      replace: 'Uint32Array.of(this.#start)',
      breaks: 'The second batch of a step is the first again.',
    },
    {
      id: 'batches-over',
      find: 'end > this.length',
      replace: 'end > this.length + 1',
      breaks: 'A run continues past the end of the epoch.',
    },
  ]),
]

const finite = mutantsOf('wgsl/finite.wgsl', tests.finite, [
  {
    id: 'finite-infinity',
    find: '>= 0x7f800000u',
    replace: '> 0x7f800000u',
    breaks: 'Infinities are taken for finite.',
  },
  {
    id: 'finite-sign',
    find: '& 0x7fffffffu',
    replace: '& 0xffffffffu',
    breaks: 'Negative numbers are taken for NaN.',
  },
  {
    id: 'finite-last',
    find: 'params.size); i += WG',
    replace: 'params.size - 1u); i += WG',
    breaks: 'The last element is not looked at.',
  },
  {
    id: 'finite-earliest',
    find: 'if (atomicLoad(&watch[3]) < now) { return; }',
    replace: '',
    breaks: 'The code of a later clock takes the place of the first.',
  },
  {
    id: 'finite-least-code',
    find: 'atomicMin(&watch[4], code)',
    replace: 'atomicStore(&watch[4], code)',
    breaks: 'The last code of a clock is kept instead of the least.',
  },
])

const exactSum = mutantsOf('wgsl/exact_sum.wgsl', tests.sumsOfBatches, [
  {
    id: 'sum-carry',
    find: 'let after = added + carry',
    replace: 'let after = added',
    breaks: 'A word that runs over is lost.',
  },
  {
    id: 'sum-third-word',
    find: '(whole.y >> 1u) >> (31u - shift)',
    replace: '0u',
    breaks: 'The highest bits of a large product are lost.',
  },
  {
    id: 'sum-product',
    find: '(cross >> 16u) + (other >> 16u)',
    replace: '(cross >> 16u)',
    breaks: 'Weights above 65,535 are taken for smaller ones.',
  },
  {
    id: 'sum-watch-rows',
    find: 'sums[1] += params.rows',
    replace: 'sums[1] += params.weight',
    breaks: 'Rows whose updates come before their loss are counted late.',
  },
])

const meaning = mutantsOf('src/kernels/finite.ts', tests.finite, [
  {
    id: 'finite-host-gradient',
    find: 'index: 1 + parameters - code',
    replace: 'index: code - 2',
    breaks: 'The gradient of another parameter is named.',
  },
])

const watched = mutantsOf('wgsl/sgd.wgsl', tests.sgdKernel, [
  {
    id: 'sgd-watch-parameter',
    in: 'step',
    find: 'bad_p || not_finite(parameter)',
    replace: 'bad_p || not_finite(given)',
    breaks: 'A parameter that overflows is not noted.',
  },
  {
    id: 'sgd-watch-gradient',
    in: 'step_momentum',
    find: 'bad_dp || not_finite(given)',
    replace: 'bad_dp',
    breaks: 'With momentum, a gradient that is not finite is taken for a parameter.',
  },
])

export const elementwise: Area = {
  title: 'Elementwise kernels, gather and the watch',
  mutants: [
    ...binary,
    ...binaryHost,
    ...unary,
    ...fill,
    ...gather,
    ...gatherHost,
    ...finite,
    ...exactSum,
    ...meaning,
    ...watched,
  ],
}
