import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readTuning } from '../../src/node/tuning_file.ts'
import { applyTuning, checkTuning, kernelHash, machineOf, TUNING_FORMAT } from '../../src/tune/file.ts'
import { TUNABLES } from '../../src/tune/spaces.ts'
import { type Area, PATH, type Place } from './refusal.ts'

const cure = 'The file is damaged, or was edited: run `dawngrad tune` again.'
const error = 'exit code 2'
const linear = TUNABLES.find(({ kernel }) => kernel === 'linear.forward')!
const shape = { N: 8, I: 16, O: 4, relu: 0 }

const entry = { kernel: linear.kernel, shape, kernelHash: '', tune: { DIRECT: 0 }, ms: 1, defaultMs: 2 }
const file = { format: TUNING_FORMAT, adapter: 'a', driver: 'd', version: '0.1.0' }
const check = (change: object, first: object = {}) => {
  return () => checkTuning({ ...file, entries: [{ ...entry, ...first }], ...change }, 'tuning.json')
}

/** Applies a file of this adapter with this entry. */
const apply = (first: object) => {
  return async ({ gpu }: Place) => {
    const entries = [{ ...entry, kernelHash: await kernelHash(linear), ...first }]
    return applyTuning(gpu, { ...file, ...machineOf(gpu), entries }, { name: 'tuning.json', notice: () => undefined })
  }
}

export const tunings: Area = {
  title: 'Tunings',
  refusals: [
    {
      title: 'a tuning that cannot be read',
      error: 'DataError',
      text: '<folder>/tuning.json: cannot be read (ENOENT)',
      cure: 'Name the file that `dawngrad tune` wrote.',
      varies: { '<folder>': PATH },
      run: ({ folder }) => readTuning(join(folder, 'tuning.json')),
    },
    {
      title: 'a tuning that is no JSON',
      error: 'DataError',
      text: '<folder>/tuning.json: damaged: it is not JSON',
      cure,
      varies: { '<folder>': PATH },
      run: async ({ folder }) => {
        await writeFile(join(folder, 'tuning.json'), '{')
        return readTuning(join(folder, 'tuning.json'))
      },
    },
    {
      title: 'a tuning of another format',
      error: 'DataError',
      text: 'tuning.json: its format is "dawngrad tuning 2", this version reads "dawngrad tuning 1"',
      cure: 'Run `dawngrad tune` of this version.',
      run: check({ format: 'dawngrad tuning 2' }),
    },
    {
      title: 'a tuning without a list of entries',
      error: 'DataError',
      text: 'tuning.json: entries must be an array',
      cure,
      run: check({ entries: {} }),
    },
    {
      title: 'an entry of a tuning that is none',
      error: 'DataError',
      text: 'tuning.json: entries[0]: not an object',
      cure,
      run: check({ entries: [3] }),
    },
    {
      title: 'a tuning with something unknown',
      error: 'DataError',
      text: 'tuning.json: "extra" is unknown',
      cure,
      run: check({ extra: 1 }),
    },
    {
      title: 'a tuning with something of another kind',
      error: 'DataError',
      text: 'tuning.json: entries[0]: ms must be a time above 0, it is 0',
      cure,
      run: check({}, { ms: 0 }),
    },
    {
      title: 'a tuning whose numbers are a list',
      error: 'DataError',
      text: 'tuning.json: entries[0]: tune must be an object of numbers, it is an array',
      cure,
      run: check({}, { tune: [] }),
    },
    {
      title: 'a tuning with a number that is not whole',
      error: 'DataError',
      text: 'tuning.json: entries[0]: tune.DIRECT must be a whole number, it is 0.5',
      cure,
      run: check({}, { tune: { DIRECT: 0.5 } }),
    },
    {
      title: 'a tuning whose shape has other sizes than its kernel',
      error: 'DataError',
      text: 'tuning.json: entries[0]: shape must have the sizes N, I, O, relu of linear.forward',
      cure,
      run: apply({ shape: { N: 1 } }),
    },
    {
      title: 'a tuning with numbers that the search would not try',
      error: 'DataError',
      text: 'tuning.json: entries[0]: tune {"DIRECT":7} is not a candidate of linear.forward at this shape',
      cure,
      run: apply({ tune: { DIRECT: 7 } }),
    },
    {
      title: 'tune: a filter that no kernel has',
      error,
      text: "error: option '--filter': no kernel's name contains 'conv3d'; they are conv2d.forward, conv2d.backward_input, conv2d.backward_weight, conv2d_relu_max_pool2d.forward, conv2d_relu_max_pool2d.backward_input, conv2d_relu_max_pool2d.backward_weight, linear.forward, linear.backward, matmul.matmul",
      args: ['tune', '--filter', 'conv3d'],
    },
    {
      title: 'tune: a file in no folder',
      error,
      text: "error: option '--out': there is no folder '/nowhere'",
      args: ['tune', '--out', '/nowhere/tuning.json'],
    },
    {
      title: 'tune: a file that is none',
      error,
      text: "error: option '--out': /dev/null is not a regular file",
      args: ['tune', '--out', '/dev/null'],
    },
  ],
}
