// Mutants of augmentation.
import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const kernel = mutantsOf('wgsl/augment.wgsl', tests.augmentKernel, [
  {
    id: 'augment-row',
    find: 'philox(vec4u(row, block, epoch, AUGMENT), seed)',
    replace: 'philox(vec4u(0u, block, epoch, AUGMENT), seed)',
    breaks: 'All images of an epoch are changed in the same way.',
  },
  {
    id: 'augment-epoch',
    find: 'philox(vec4u(row, block, epoch, AUGMENT), seed)',
    replace: 'philox(vec4u(row, block, 0u, AUGMENT), seed)',
    breaks: 'An image is changed in the same way in every epoch.',
  },
  {
    id: 'augment-mirror-moves',
    find: 'i32(params.W) - 1 - dx',
    replace: 'i32(params.W) - dx',
    breaks: 'A mirrored image is moved by a pixel.',
  },
  {
    id: 'augment-turn-sign',
    find: 'd.turned.x * v.y - d.turned.y * v.x',
    replace: 'd.turned.x * v.y + d.turned.y * v.x',
    breaks: 'A turned image is skewed.',
  },
  {
    id: 'augment-reflect',
    find: 'let period = 2 * (n - 1);',
    replace: 'let period = 2 * n;',
    breaks: 'The image mirrored at its border is not periodic.',
  },
  {
    id: 'augment-next-row',
    in: 'forward',
    find: 'if (column >= params.W)',
    replace: 'if (column > params.W)',
    breaks: 'The place of a pixel runs past the end of its row.',
  },
  {
    id: 'augment-nan',
    in: 'clamped',
    find: 'if ((bitcast<u32>(v) & 0x7fffffffu) > INFINITY_BITS) { return v; }',
    replace: '',
    breaks: 'NaN becomes a pixel.',
  },
  {
    id: 'augment-mean-half',
    in: 'brightness_mean',
    find: 'sums[local] += sums[local + half]',
    replace: 'sums[local] += sums[half]',
    breaks: 'The mean brightness counts some pixels twice and others not at all.',
  },
  {
    id: 'augment-cutout-side',
    in: 'is_cut',
    find: 'u32(i32(y) - d.cut_y) < params.cutout',
    replace: 'u32(i32(y) - d.cut_y) <= params.cutout',
    breaks: 'The square that is cut is a row too high.',
  },
])

const host = [
  ...mutantsOf('src/kernels/augment.ts', tests.augmentKernel, [
    {
      id: 'augment-blocks',
      find: "isDrawn('zoom', 'zoom_span', 'shift_y', 'shift_x')",
      replace: "isDrawn('zoom', 'zoom_span')",
      breaks: 'What is shifted alone has no words to draw from.',
    },
  ]),
  ...mutantsOf('src/data/augment.ts', tests.augment, [
    {
      id: 'augment-mask-cut',
      find: 'draws: { ...draws, cutout: 0 }',
      replace: 'draws',
      breaks: 'The square is cut from masks too.',
    },
    {
      id: 'augment-mask-bilinear',
      find: "sampling === 'whole' ? sampling : 'nearest'",
      replace: "'whole'",
      breaks: 'Masks are not turned with their images.',
    },
  ]),
  ...mutantsOf('src/data/batches.ts', tests.augment, [
    {
      id: 'augment-fit-epoch',
      find: 'this.size), { epoch, seed }',
      replace: 'this.size), { epoch: epoch - epoch, seed }',
      breaks: 'fit trains on the same pictures in every epoch.',
    },
  ]),
]

export const augmentation: Area = { title: 'augmentation', mutants: [...kernel, ...host] }
