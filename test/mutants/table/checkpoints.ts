import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const format = mutantsOf('src/node/checkpoint.ts', tests.checkpoint, [
  {
    id: 'checkpoint-hash-unchecked',
    find: 'if (found !== stored)',
    replace: 'if (found.length !== stored.length)',
    breaks: 'A damaged checkpoint is taken for a whole one.',
  },
  {
    id: 'checkpoint-hash-part',
    find: '.update(bytes.subarray(after))',
    replace: '.update(bytes.subarray(after, -4))',
    breaks: 'Damage in the last value is not noticed.',
  },
  {
    id: 'checkpoint-format',
    find: 'if (format === FORMAT)',
    replace: 'if (format !== FORMAT_1)',
    breaks: 'A checkpoint of another version is read as one of this.',
  },
  {
    id: 'checkpoint-momentum-name',
    find: 'key.slice(MOMENTUM.length)',
    replace: 'key',
    breaks: 'Momentum comes back under other names.',
  },
  {
    id: 'checkpoint-unknown-state',
    find: 'if (unknown !== undefined)',
    replace: 'if (unknown === undefined && false)',
    breaks: 'A state with entries that mean nothing to this version is accepted.',
  },
  {
    id: 'checkpoint-seconds',
    find: 'Number.isFinite(value) && value >= 0',
    replace: 'Number.isFinite(value)',
    breaks: 'Negative seconds are accepted.',
  },
])

const folder = mutantsOf('src/node/checkpoint_folder.ts', tests.checkpoint, [
  {
    id: 'checkpoints-order',
    find: 'b.step - a.step',
    replace: 'a.step - b.step',
    breaks: 'A run continues from its oldest checkpoint.',
  },
  {
    id: 'checkpoints-keep',
    find: 'old.slice(keep - 1)',
    replace: 'old.slice(keep)',
    breaks: 'One checkpoint more than wanted is kept.',
  },
  {
    id: 'checkpoints-newer',
    find: 'other.step < step',
    replace: 'other.step !== step',
    breaks: 'Newer ones count among those to keep.',
  },
  {
    id: 'checkpoints-name',
    find: 'inside !== step',
    replace: 'inside < step',
    breaks: 'A checkpoint under the name of an earlier step is believed.',
  },
  {
    id: 'checkpoints-history-hash',
    find: '=== historySha256) return history',
    replace: "!== '') return history",
    breaks: 'A run continues a history that somebody changed.',
  },
  {
    id: 'checkpoints-history-cut',
    find: 'all.subarray(0, historyBytes)',
    replace: 'all',
    breaks: 'The lines after the checkpoint stay, and appear twice.',
  },
  {
    id: 'checkpoints-history-short',
    find: 'all.length < historyBytes',
    replace: 'all.length === 0 && historyBytes > 0',
    breaks: 'A history that lost its end is called changed instead of short.',
  },
])

const files = mutantsOf('src/node/files.ts', tests.checkpoint, [
  {
    id: 'files-temporary-left',
    find: 'await rm(temporary, { force: true }).catch(() => undefined)',
    replace: '',
    breaks: 'A write that failed leaves half a file behind.',
  },
  {
    id: 'files-too-long',
    find: 'info.size > most',
    replace: 'info.size < 0',
    breaks: 'A file of any length is read into memory.',
  },
  {
    id: 'files-pipe',
    find: 'if (!info.isFile())',
    replace: 'if (info.isDirectory())',
    breaks: 'A pipe is read as a file.',
  },
])

const state = mutantsOf('src/train/saved_state.ts', tests.savedState, [
  {
    id: 'checkpoint-state-momentum',
    find: 'values.get(name) ?? null)',
    replace: 'null)',
    breaks: 'Momentum starts anew after a resumption.',
  },
  {
    id: 'checkpoint-state-finite',
    find: "if (dtype !== 'float32' || data.every(Number.isFinite)) return",
    replace: 'return',
    breaks: 'A checkpoint that holds NaN is saved.',
  },
  {
    id: 'checkpoint-state-missing',
    find: '!found.has(tensor)',
    replace: 'found.size === 0',
    breaks: 'A checkpoint without one of the parameters is not refused as such.',
  },
])

const runFiles = mutantsOf('src/node/run_folder.ts', tests.runFolder, [
  {
    id: 'run-folder-cut',
    find: 'truncate(folder.file(HISTORY), history.length)',
    replace: 'truncate(folder.file(HISTORY), history.length + 1)',
    breaks: 'A byte of a later line stays in the history.',
  },
  {
    id: 'run-folder-bytes',
    find: 'this.#history.bytes += line.length',
    replace: '',
    breaks: 'A checkpoint belongs to an empty history.',
  },
  {
    id: 'run-folder-result',
    find: 'for (const name of [RESULT, DIVERGED])',
    replace: 'for (const name of [DIVERGED])',
    breaks: 'The old result stays in the folder of a run that continues.',
    tests: tests.runFolder,
  },
])

const loop = [
  ...mutantsOf('src/train/loop.ts', tests.resuming, [
    {
      id: 'resume-first-batch',
      find: '(this.#step - before) * accumulate',
      replace: '(this.#step - before + 1) * accumulate',
      breaks: 'A resumed run leaves out a batch.',
    },
    {
      id: 'resume-sums',
      find: 'this.#meter.restore(continues.words, continues.metrics)',
      replace: 'this.#meter.reset()',
      breaks: 'The running means of a resumed epoch start at its middle.',
    },
  ]),
  ...mutantsOf('src/train/fit.ts', tests.continuing, [
    {
      id: 'resume-place',
      find: 'done <= updates',
      replace: 'done <= updates + 1',
      breaks: 'A place after the last update of an epoch is accepted.',
    },
  ]),
  ...mutantsOf('src/train/meter.ts', tests.diverged, [
    {
      id: 'meter-nothing',
      find: 'code === NOTHING ? null',
      replace: 'before !== undefined ? null',
      breaks: 'What the watch noted is never told.',
    },
  ]),
]

const command = [
  ...mutantsOf('src/train/checkpoint_store.ts', tests.damagedStates, [
    {
      id: 'last-passed-over',
      find: 'passedOver: [...wrong.keys()]',
      replace: 'passedOver: []',
      breaks: 'A damaged checkpoint is taken for that of a run that went further.',
    },
    {
      id: 'last-other-errors',
      find: 'if (!(error instanceof DataError)) throw error',
      replace: '',
      breaks: 'A store that fails is taken for one of damaged checkpoints.',
    },
  ]),
  ...mutantsOf('src/cli/saver.ts', tests.saving, [
    {
      id: 'saver-options',
      find: 'recorded(options, [...DECIDING, ...SAVING])',
      replace: 'recorded(options, SAVING)',
      breaks: 'A checkpoint does not hold the options that decide the numbers.',
    },
  ]),
  ...mutantsOf('src/train/loop.ts', tests.saving, [
    {
      id: 'train-checkpoint-every',
      find: 'every !== undefined && step % every === 0',
      replace: 'false',
      breaks: '--checkpoint-every does nothing.',
    },
  ]),
  ...mutantsOf('src/cli/train_run.ts', tests.resumeChanges, [
    {
      id: 'resume-changes',
      find: '!going?.allowChanges',
      replace: 'going?.allowChanges',
      breaks: 'Changed options are taken without being allowed.',
    },
    {
      id: 'resume-adapter',
      find: 'filter(({ from, to }) => from !== to)',
      replace: "filter(({ from }) => from === '')",
      breaks: 'Another adapter or version is not noticed.',
    },
  ]),
  ...mutantsOf('src/cli/resume.ts', tests.resumeChanges, [
    {
      id: 'resume-finished',
      find: '(given.epochs ?? 0) > finished',
      replace: '(given.epochs ?? 0) > -1',
      breaks: 'A finished run is continued.',
    },
  ]),
]

const locks = [
  ...mutantsOf('src/provision/lock.ts', tests.locks, [
    {
      id: 'lock-unburied',
      find: "state === 'Z' || state === 'X'",
      replace: "state === 'X'",
      breaks: 'A process that has ended, and whose parent does not ask for its exit code, keeps its lock for ever.',
    },
    {
      id: 'lock-number-again',
      find: 'owner.started !== started : silent',
      replace: 'false : silent',
      breaks: 'A lock stays with another process that has the number of its owner by now.',
    },
    {
      id: 'lock-place',
      find: 'owner?.place !== thisPlace()',
      replace: 'owner === null',
      breaks: 'The number of a process on another machine is looked up on this one.',
    },
  ]),
  ...mutantsOf('src/node/held_folder.ts', tests.locks, [
    {
      id: 'held-folder-check',
      find: 'if (await lock.isHeld()) return',
      replace: 'if ((await lock.isHeld()) || true) return',
      breaks: 'A run goes on writing into a folder that another process has by now.',
    },
  ]),
]

const codec = mutantsOf('src/data/safetensors.ts', tests.safetensors, [
  {
    id: 'safetensors-padding',
    find: 'Math.ceil(text.length / 8) * 8',
    replace: 'text.length',
    breaks: 'The header is not padded as the format asks.',
  },
  {
    id: 'safetensors-order',
    find: 'ORDER.indexOf(s) - ORDER.indexOf(t)',
    replace: 'ORDER.indexOf(t) - ORDER.indexOf(s)',
    breaks: 'Tensors of narrow elements come first, and the wide ones are not aligned.',
  },
  {
    id: 'safetensors-hole',
    find: 'if (entry.start !== end)',
    replace: 'if (entry.start < end)',
    breaks: 'Bytes that belong to no tensor are accepted.',
  },
  {
    id: 'safetensors-overlap',
    find: 'if (entry.start !== end)',
    replace: 'if (entry.start > end)',
    breaks: 'Tensors that share bytes are accepted.',
  },
  {
    id: 'safetensors-trailing',
    find: 'if (end !== body.length)',
    replace: 'if (end > body.length)',
    breaks: 'Bytes after the last tensor are accepted.',
  },
  {
    id: 'safetensors-past-end',
    find: 'if (end > bodyBytes)',
    replace: 'if (end > bodyBytes + 4)',
    breaks: 'A tensor that ends past the file is accepted.',
  },
  {
    id: 'safetensors-overflow',
    find: 'capacity > Number.MAX_SAFE_INTEGER',
    replace: 'capacity === Number.POSITIVE_INFINITY',
    breaks: 'Sizes whose product overflows are not refused as such.',
  },
  {
    id: 'safetensors-path',
    find: ".includes('..')",
    replace: ".includes('...')",
    breaks: 'A name may lead out of a folder.',
  },
  {
    id: 'safetensors-proto',
    find: "name === '__proto__'",
    replace: "name === '__prototype__'",
    breaks: 'A tensor may be called __proto__.',
  },
])

export const checkpoints: Area = {
  title: 'Checkpoints and resuming',
  mutants: [...format, ...folder, ...files, ...state, ...runFiles, ...loop, ...command, ...locks, ...codec],
}
