import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const table = mutantsOf('src/kernels/support.ts', tests.unary, [
  {
    id: 'tuning-elementwise',
    in: 'divided',
    find: '(WORKGROUP * own)',
    replace: '(2 * WORKGROUP * own)',
    breaks: 'Elementwise kernels leave half of the elements as they are.',
  },
])

const chosen = mutantsOf('src/kernels/tuned.ts', tests.tuningFile, [
  {
    id: 'tuned-kernel',
    find: '`${kernel',
    replace: '`${0',
    breaks: "A kernel takes another one's numbers at the same shape.",
  },
  {
    id: 'tuned-sizes',
    find: 'Object.entries(shape)',
    replace: 'Object.keys(shape).map((name) => [name, 0])',
    breaks: 'What was found for one shape is used at all shapes.',
  },
  {
    id: 'tuned-set',
    find: 'choices.set(gpu, chosen)',
    replace: 'if (!choices.has(gpu)) choices.set(gpu, chosen)',
    breaks: 'Numbers that were set once are never forgotten.',
  },
])

const file = mutantsOf('src/tune/file.ts', tests.tuningFile, [
  {
    id: 'tuning-adapter',
    find: 'tuning.adapter !== adapter || ',
    replace: '',
    breaks: 'What was found on another adapter is used.',
  },
  {
    id: 'tuning-hash',
    find: 'hash !== (await kernelHash(tunable))',
    replace: "hash === ''",
    breaks: 'What was found for another text of a kernel is used.',
  },
  {
    id: 'tuning-candidates',
    find: '!allowed.some(',
    replace: 'allowed.length === 0 && !allowed.some(',
    breaks: 'A file may give a kernel any numbers, such as change its sums.',
  },
  {
    id: 'tuning-order',
    find: 'return Object.fromEntries(sizes.map((size) => [size, shape[size]!]))',
    replace: 'return shape',
    breaks: 'A shape whose sizes stand in another order is never met.',
  },
  {
    id: 'tuning-shape',
    find: '!sizes.every((size) => Object.hasOwn(shape, size))',
    replace: 'sizes.length === 0',
    breaks: 'A shape of other sizes than the kernel has is taken.',
  },
  {
    id: 'tuning-refused-late',
    find: '      chosen.set(keyOf(kernel, known), tune)\n',
    replace: '      setTuned(gpu, chosen.set(keyOf(kernel, known), tune))\n',
    breaks: 'A file that is refused at its second entry is in force with its first.',
  },
])

const search = mutantsOf('src/tune/search.ts', tests.tuneSearch, [
  {
    id: 'tune-bits',
    find: 'if (difference === null) return contender',
    replace: 'return contender',
    breaks: 'A candidate with other results is taken.',
  },
  {
    id: 'tune-compiles',
    find: "['validation', 'out-of-memory']",
    replace: "['out-of-memory']",
    breaks: 'The search ends at the first candidate that the adapter does not take.',
  },
  {
    id: 'tune-gain',
    find: 'ms <= (1 - LEAST_GAIN) * defaultMs && ratioOfFastest <= 1 - LEAST_GAIN',
    replace: 'ms <= 100 * defaultMs',
    breaks: 'What gains nothing is written.',
  },
  {
    id: 'tune-leaves',
    find: '  } finally {\n    setTuned(gpu, new Map())',
    replace:
      '  } finally {\n    setTuned(gpu, new Map(entries.map(({ kernel, shape, tune }) => [keyOf(kernel, shape), tune])))',
    breaks: 'The device keeps what the search has found.',
  },
  {
    id: 'tune-budget',
    in: 'tune',
    find: 'if (performance.now() > end) break',
    replace: '',
    breaks: 'A search without time times every kernel all the same.',
    equivalent: 'Each kernel then stops before its first candidate: only time is lost.',
  },
])

const spaces = mutantsOf('src/tune/spaces.ts', tests.tuningSpaces, [
  {
    id: 'spaces-standard',
    find: '.filter((candidate) => !sameNumbers(candidate, standard))',
    replace: '',
    breaks: "The table's own numbers are tried against themselves.",
  },
  {
    id: 'spaces-sums',
    find: 'numbers.PX! * numbers.OCB! <= mostSums',
    replace: 'numbers.PX! <= mostSums',
    breaks: 'Candidates are tried that compile for twenty seconds.',
  },
  {
    id: 'spaces-fused',
    find: 'tuneAll(shape, adapterClass).KW_FIXED === 0 ? [] :',
    replace: '',
    breaks: 'A layer that no variant is compiled for is searched.',
  },
])

export const tuning: Area = {
  title: 'Numbers of the kernels',
  mutants: [...table, ...chosen, ...file, ...search, ...spaces],
}
