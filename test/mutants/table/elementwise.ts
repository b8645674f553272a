import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const add = mutantsOf('wgsl/add.wgsl', tests.add, [
  {
    id: 'add-forward-channel',
    find: 'c = (i / params.S) % params.C;',
    replace: 'c = i % params.C;',
    breaks: 'The value of a channel is added to neighbouring elements of a row instead of to its channel.',
  },
  {
    id: 'add-forward-bound',
    find: 'params.N * params.C * params.S); i += WG',
    replace: 'params.N * params.C * params.S - 1u); i += WG',
    breaks: 'The last element of the output is not written.',
  },
  {
    id: 'add-forward-sign',
    find: 'a[i] + b[c]',
    replace: 'a[i] - b[c]',
    breaks: 'b is taken away instead of added.',
  },
  {
    id: 'add-forward-same-shape',
    find: 'params.N == 1u && params.S == 1u',
    replace: 'params.N == 1u || params.S == 1u',
    breaks: 'A batch of one, or of single cells, is taken for the case of equal shapes.',
  },
  {
    id: 'add-backward-last-block',
    find: 'min(first + ROWS_PER_BLOCK, params.N)',
    replace: 'first + ROWS_PER_BLOCK',
    breaks: 'The last block of rows sums beyond the batch.',
  },
  {
    id: 'add-backward-row-stride',
    find: '(n * params.C + c) * params.S;',
    replace: 'n * params.C + c;',
    breaks: 'The gradient of a channel is summed at the wrong places where a channel has several cells.',
  },
  {
    id: 'add-backward-reduction',
    find: 'sum += row_sum;',
    replace: 'sum = row_sum;',
    breaks: 'Of 32 rows only the last counts in the gradient of b.',
  },
  {
    id: 'add-reduce-first-block',
    in: 'reduce',
    find: 'var block = 0u;',
    replace: 'var block = 1u;',
    breaks: 'The first 32 rows are missing in the gradient of b.',
  },
  {
    id: 'add-rows-per-block',
    find: 'const ROWS_PER_BLOCK: u32 = 32u;',
    replace: 'const ROWS_PER_BLOCK: u32 = 16u;',
    breaks: 'The kernel sums blocks of another length than the host made room for.',
  },
])

const addHost = mutantsOf('src/kernels/add.ts', tests.add, [
  {
    id: 'add-host-both-gradients',
    find: 'return [dy, db]',
    replace: 'return [db, db]',
    breaks: 'The gradient of b goes to a as well.',
  },
  {
    id: 'add-host-channel-dimension',
    find: 'S: sizeOf(shape.slice(2))',
    replace: 'S: sizeOf(shape.slice(3))',
    breaks: 'The first dimension after the channel is left out of its size.',
  },
])

const relu = mutantsOf('wgsl/relu.wgsl', tests.relu, [
  {
    id: 'relu-forward-nan',
    find: 'out[i] = select(v, vec4f(), v <= vec4f());',
    replace: 'out[i] = max(v, vec4f());',
    breaks: 'NaN becomes 0 on adapters whose max drops it.',
  },
  {
    id: 'relu-forward-keeps-negative',
    find: 'select(v, vec4f(), v <= vec4f())',
    replace: 'select(v, vec4f(), v <= vec4f(-1.0))',
    breaks: 'Small negative numbers pass.',
  },
  {
    id: 'relu-backward-at-zero',
    find: 'y[i] <= vec4f()',
    replace: 'y[i] < vec4f()',
    breaks: 'The gradient at 0 is 1 instead of 0.',
  },
  {
    id: 'relu-backward-bound',
    in: 'backward',
    find: '(params.size + 3) / 4); i += WG',
    replace: 'params.size / 4); i += WG',
    breaks: 'Of a gradient whose size is no multiple of four the last elements are not written.',
  },
  {
    id: 'relu-backward-value',
    find: 'select(dy[i], vec4f()',
    replace: 'select(y[i], vec4f()',
    breaks: 'The output is handed on as its own gradient.',
  },
])

const silu = mutantsOf('wgsl/silu.wgsl', tests.silu, [
  {
    id: 'silu-decay-sign',
    find: 'exp(-min(abs(v), VANISHED))',
    replace: 'exp(-v)',
    breaks: 'The exponential overflows for large negative numbers.',
  },
  {
    id: 'silu-forward-bound',
    in: 'forward',
    find: 'min(start + WG * PER, params.size)',
    replace: 'min(start + WG * PER, params.size - 1u)',
    breaks: 'The last element of the output is not written.',
  },
  {
    id: 'silu-forward-minus-infinity',
    find: 'select(v * s, special, not_finite(v))',
    replace: 'select(v * s, v, not_finite(v))',
    breaks: 'Minus infinity passes instead of giving NaN.',
  },
  {
    id: 'silu-backward-slope',
    find: '1.0 + v * r',
    replace: '1.0 - v * r',
    breaks: 'The gradient takes the slope of the sigmoid away instead of adding it.',
  },
  {
    id: 'silu-backward-rest',
    find: 'select(1.0, t, positive)',
    replace: 'select(t, 1.0, positive)',
    breaks: 'The gradient has the sigmoid in place of 1 minus the sigmoid.',
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
    find: '(row - params.part) * params.R',
    replace: 'row * params.R',
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
      find: 'range[1] >= rows',
      replace: 'range[1] > rows',
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
      find: 'Uint32Array.of(this.#position + use)',
      replace: 'Uint32Array.of(this.#position)',
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
  mutants: [...add, ...addHost, ...relu, ...silu, ...fill, ...gather, ...gatherHost, ...finite, ...meaning, ...watched],
}
