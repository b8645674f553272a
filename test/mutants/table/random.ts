import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const kernel = mutantsOf('wgsl/random.wgsl', tests.drawn, [
  {
    id: 'random-draw-carry',
    in: 'multiply',
    find: '+ (carry >> 16u)',
    replace: '',
    breaks: 'The high half of a product lacks a carry: other words than those of Philox.',
  },
  {
    id: 'random-draw-high',
    find: 'vec4u(block, row.y, row.x, DRAW)',
    replace: 'vec4u(block, 0u, row.x, DRAW)',
    breaks: 'After 2³² draws the first ones come again.',
  },
  {
    id: 'random-same-draw',
    find: 'replay.step * settings[1] + params.which',
    replace: 'replay.step * settings[1]',
    breaks: 'All draws of a captured step are the same.',
  },
  {
    id: 'random-same-step',
    find: 'replay.step * settings[1] + params.which',
    replace: 'params.which',
    breaks: 'All steps of a run draw the same.',
  },
  {
    id: 'random-backward-draw',
    find: 'let row = noticed[0];',
    replace: 'let row = noticed[0] + vec4u(1u, 0u, 0u, 0u);',
    breaks: 'The gradient of dropout has another mask than its output.',
  },
  {
    id: 'random-backward-block',
    in: 'dropout_backward',
    find: 'all_kept(dy[i], words_of(row, i))',
    replace: 'all_kept(dy[i], words_of(row, i - start))',
    breaks: 'Every thread of backward has the mask of the first.',
  },
  {
    id: 'random-tail',
    in: 'write',
    find: '4u * i + 4u <= params.size',
    replace: '4u * i <= params.size',
    breaks: 'The last vector is written whole, past the end.',
  },
  {
    id: 'random-uniform',
    find: 'vec4f(words >> vec4u(8u)) * 5.9604644775390625e-8',
    replace: 'vec4f(words) * 2.3283064365386963e-10',
    breaks: 'Uniform numbers are rounded, some of them to 1.',
  },
  {
    id: 'random-sine',
    find: 'case 1u: { return vec2f(-s, c); }',
    replace: 'case 1u: { return vec2f(s, c); }',
    breaks: 'In a quarter of all pairs the first normal number has the wrong sign.',
  },
  {
    id: 'random-threshold',
    find: '(words >> vec4u(1u)) < vec4u(params.below)',
    replace: 'words < vec4u(params.below)',
    breaks: 'Every probability is halved.',
  },
  {
    id: 'random-dropped-infinity',
    find: 'if (size == INFINITY_BITS)',
    replace: 'if (false)',
    breaks: 'A dropped infinity gives 0 instead of NaN.',
  },
  {
    id: 'random-dropped-nan',
    find: 'if (size > INFINITY_BITS) { return v; }',
    replace: '',
    breaks: 'A dropped NaN gives 0.',
  },
  {
    id: 'random-dropped-sign',
    find: 'return bitcast<f32>(bits & 0x80000000u);',
    replace: 'return 0.0;',
    breaks: 'Dropped negative numbers give 0 instead of -0.',
  },
  {
    id: 'random-scale',
    in: 'kept',
    find: 'return v * params.scale;',
    replace: 'return v;',
    breaks: 'What dropout keeps is not scaled.',
  },
])

const host = [
  ...mutantsOf('src/tensor/random.ts', tests.drawn, [
    {
      id: 'random-seed-captured',
      find: "for (const observer of observing()) observer.seed?.('manualSeed')",
      replace: '',
      breaks: 'A captured function that seeds draws otherwise than without a plan.',
    },
  ]),
  ...mutantsOf('src/kernels/random.ts', tests.drawn, [
    {
      id: 'random-advance',
      find: 'defaultGenerator().draws += uses',
      replace: 'defaultGenerator().draws += 1',
      breaks: 'A run of several steps counts as one draw.',
    },
    {
      id: 'random-seed-high',
      find: 'seed, high(seed)',
      replace: 'seed, 0',
      breaks: 'Seeds that differ by 2³² draw the same.',
    },
  ]),
  ...mutantsOf('src/kernels/dropout.ts', tests.drawn, [
    {
      id: 'dropout-identity',
      find: 'if (training && p > 0)',
      replace: 'if (p > 0)',
      breaks: 'dropout drops in evaluation too.',
    },
    {
      id: 'dropout-probability',
      find: 'stepsOf(1 - p)',
      replace: 'stepsOf(p)',
      breaks: 'dropout keeps with the probability of dropping.',
    },
  ]),
]

const training = [
  ...mutantsOf('src/train/fit.ts', tests.drawsResumed, [
    {
      id: 'draws-not-restored',
      find: 'if (state.random) restoreRandom(state.random)',
      replace: '',
      breaks: 'A run that continues draws again what it drew at its start.',
    },
  ]),
  ...mutantsOf('src/train/saved_state.ts', tests.drawsResumed, [
    {
      id: 'draws-seed-not-restored',
      find: 'now.seed === seed ? now : manualSeed(seed)',
      replace: 'now',
      breaks: 'A run that continues draws by the seed of the process, not its own.',
    },
  ]),
  ...mutantsOf('src/train/evaluate.ts', tests.draws, [
    {
      id: 'draws-evaluate',
      find: 'restoreRandom()',
      replace: '',
      breaks: 'An evaluation of a network that draws changes what training draws.',
    },
  ]),
  ...mutantsOf('src/tensor/random.ts', tests.draws, [
    {
      id: 'draws-lr-find',
      in: 'drawAside',
      find: '      restore()\n',
      replace: '',
      breaks: 'lrFind changes what training draws.',
    },
  ]),
]

export const random: Area = {
  title: 'Random numbers and dropout',
  mutants: [...kernel, ...host, ...training],
}
