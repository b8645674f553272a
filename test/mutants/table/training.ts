import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const run = mutantsOf('src/train/loop.ts', tests.training, [
  {
    id: 'train-rate',
    find: 'this.#rateAt(before + first + i)',
    replace: 'this.#rateAt(before + first)',
    breaks: 'All steps of a submit have the rate of its first.',
    tests: tests.stops,
  },
  {
    id: 'train-order',
    find: 'train.beginEpoch(epoch, settings.seed)',
    replace: 'train.beginEpoch(0, settings.seed)',
    breaks: 'Every epoch has the order of the first.',
  },
  {
    id: 'train-meter-epoch',
    find: 'else this.#meter.reset()',
    replace: '',
    breaks: 'The means of training contain the evaluation before.',
  },
  {
    id: 'train-step-number',
    find: 'before + first + i + 1',
    replace: 'first + i + 1',
    tests: tests.fit,
    breaks: 'Steps are counted anew in every epoch.',
  },
  {
    id: 'train-epoch-steps',
    find: '(epoch + 1) * this.#updates',
    replace: 'epoch * this.#updates',
    breaks: 'The record of an epoch has the step at its start.',
  },
  {
    id: 'train-diverged',
    find: 'if (!totals.notFinite) return totals',
    replace: 'if (Number.isFinite(totals.loss)) return totals',
    breaks: 'Training continues with gradients or parameters that are not finite.',
    tests: tests.diverged,
  },
  {
    id: 'train-evaluation-set',
    find: 'evaluationStepper(net, test, testTask, this.#testMeter!, capture)',
    replace: 'evaluationStepper(net, options.train, testTask, this.#testMeter!, capture)',
    breaks: 'The training set is evaluated instead of the test set.',
  },
  {
    id: 'train-pause',
    find: 'isRecorded(first + count - 1) || this.#isDue',
    replace: 'isRecorded(first + count - 1) && this.#isDue',
    breaks: 'A submit runs past a record or a checkpoint.',
    tests: tests.stops,
  },
])

const runHooks = mutantsOf('src/train/loop.ts', tests.fit, [
  {
    id: 'fit-stop-batch',
    find: 'stopped ||= answered',
    replace: 'void answered',
    breaks: "What onBatch answers doesn't end the run.",
  },
  {
    id: 'fit-stop-evaluates',
    find: 'if (trained.totals === null) return true',
    replace: 'if (trained.totals === null) return false',
    breaks: 'A run that was stopped within an epoch continues.',
  },
  {
    id: 'fit-stop-epoch',
    find: 'stopped || (signal?.aborted === true',
    replace: '(signal?.aborted === true',
    breaks: "What onEpoch answers doesn't end the run.",
  },
  {
    id: 'fit-images',
    find: 'train.batchSize * accumulate',
    replace: 'train.batchSize',
    breaks: 'The images of an update are those of one batch.',
  },
  {
    id: 'fit-diverged-update',
    find: 'Math.floor(batchOf(totals.notFinite, train) / accumulate)',
    replace: 'batchOf(totals.notFinite, train)',
    breaks: 'A divergence is told at the batch, not at the update.',
  },
  {
    id: 'fit-own-rates',
    find: 'this.#options.rates ? lrs : undefined',
    replace: 'lrs',
    breaks: "Without a schedule every group has the first one's rate.",
  },
])

const updates = mutantsOf('src/train/training_step.ts', tests.fit, [
  {
    id: 'train-zero-grad',
    find: 'if (i === 0) zeroGradients(options)',
    replace: '',
    tests: tests.training,
    breaks: 'Gradients pile up from step to step.',
  },
  {
    id: 'update-others',
    find: "forgetGradients(net.parameters(), 'another step began')",
    replace: '',
    breaks: 'Gradients of parameters that are not trained pile up, and a step cannot be captured.',
  },
  {
    id: 'update-frozen',
    find: "checkNotFrozen('fit', paramGroups)",
    replace: '',
    tests: tests.untrained,
    breaks: 'fit computes a step of a network that is frozen.',
  },
  {
    id: 'update-unused',
    find: "checkGradients('fit', optimizer.paramGroups)",
    replace: '',
    tests: tests.untrained,
    breaks: 'fit without capture trains nothing, and says nothing.',
  },
  {
    id: 'update-share',
    find: 'tensor(size / images',
    replace: 'tensor(1',
    breaks: 'Gradients of several batches are added up undivided.',
  },
  {
    id: 'update-equal-shares',
    find: 'tensor(size / images',
    replace: 'tensor(1 / batches',
    tests: tests.batchSizes,
    breaks: 'A smaller last batch weighs as much as a whole one.',
  },
  {
    id: 'update-clips',
    find: '    options,\n  )\n  optimizer.step',
    replace: '    {},\n  )\n  optimizer.step',
    breaks: 'fit clips nothing.',
  },
])

const rehearsals = [
  ...mutantsOf('src/train/rehearsal.ts', tests.rehearsal, [
    {
      id: 'rehearsal-last-test-batch',
      find: 'new Set([0, test.length - 1])',
      replace: 'new Set([0])',
      breaks: 'A last test batch that does not fit is found after an epoch.',
    },
    {
      id: 'rehearsal-evaluates',
      find: 'setMode(rehearsed.net, false)',
      replace: 'setMode(rehearsed.net, true)',
      breaks: 'A last test batch of one row is refused, though it is evaluated only.',
    },
  ]),
]

const commandLine = mutantsOf('src/cli/options.ts', tests.ownRate, [
  {
    id: 'own-rate-given',
    find: "isGiven('lr') && hasOwnRate(given.schedule) && !isSame",
    replace: "isGiven('lr') && hasOwnRate(given.schedule) && isSame",
    breaks: 'A rate on the command line is overridden in silence.',
  },
])

const together = mutantsOf('src/train/under_way.ts', tests.underWay, [
  {
    id: 'under-way-trained',
    find: 'sharedBy(run, other) ?? sharedBy(other, run)',
    replace: 'sharedBy(run, other)',
    breaks: 'A fit that trains a layer of a network under way, which does not train it, is not refused.',
  },
  {
    id: 'under-way-ends',
    find: 'underWay.delete(run)',
    replace: 'underWay.has(run)',
    breaks: 'After a run the network is never free again.',
  },
])

const steppers = mutantsOf('src/train/stepper.ts', tests.fit, [
  {
    id: 'update-last-group',
    find: 'make(left)',
    replace: 'make(perStep)',
    breaks: 'The last update of an epoch needs batches that are not there.',
  },
])

const evaluation = mutantsOf('src/train/evaluate.ts', tests.training, [
  {
    id: 'train-meter-evaluation',
    find: 'meter.reset()',
    replace: '',
    breaks: 'The accuracy of the test set counts training images too.',
  },
  {
    id: 'train-evaluation-tape',
    find: 'noGrad(() => {',
    replace: 'void (() => {',
    breaks: 'Nothing is evaluated.',
  },
  {
    id: 'train-evaluation-start',
    find: 'batches.position = 0',
    replace: '',
    tests: tests.fit,
    breaks: 'An evaluation begins where the batches stand.',
  },
])

const stopping = mutantsOf('src/train/early_stopping.ts', tests.earlyStopping, [
  {
    id: 'stopping-direction',
    find: "metric.endsWith('Acc')",
    replace: "metric.startsWith('test')",
    breaks: 'The loss of the test should rise.',
  },
  {
    id: 'stopping-delta',
    find: 'gain > minDelta',
    replace: 'gain >= minDelta',
    breaks: 'No change counts as an improvement.',
  },
  {
    id: 'stopping-patience',
    find: 'this.#bad >= patience',
    replace: 'this.#bad > patience',
    breaks: 'One epoch more than asked for.',
  },
  {
    id: 'stopping-row',
    in: 'onEpoch',
    find: 'this.#bad = 0',
    replace: '',
    breaks: 'Epochs without an improvement count though others come between.',
  },
  {
    id: 'stopping-restore',
    find: 'net.loadStateDict(this.#kept)',
    replace: 'void net',
    breaks: 'The best parameters are not restored.',
  },
  {
    id: 'stopping-keep',
    find: 'gpu.copy(state.get(name)!.storage, storage, bytesPerElement[dtype] * size)',
    replace: '',
    breaks: 'What is restored was never copied.',
  },
])

const rates = mutantsOf('src/train/rates.ts', tests.rates, [
  {
    id: 'rates-unit',
    find: "per === 'epoch' ? epoch : step",
    replace: "per === 'epoch' ? step : epoch",
    breaks: 'Schedules count updates where epochs were asked for.',
  },
  {
    id: 'rates-after-epoch',
    find: "timing === 'before-epoch' ? count : count - 1",
    replace: 'count',
    breaks: "The notebook's order is one epoch ahead.",
  },
  {
    id: 'rates-first',
    find: 'count === 0) return lr',
    replace: 'count === 0) return schedule(0)',
    breaks: "In the notebook's order the first epoch does not run at the optimizer's rate.",
  },
])

const figures = [
  ...mutantsOf('src/train/meter.ts', tests.training, [
    {
      id: 'meter-mean-loss',
      find: 'loss: loss / count',
      replace: 'loss: loss / (count + 1)',
      breaks: 'The mean loss is divided by one example too many.',
    },
    {
      id: 'meter-accuracy',
      find: 'accuracy: correct / count',
      replace: 'accuracy: correct',
      breaks: 'Accuracy is a number of images instead of a share.',
    },
  ]),
  ...mutantsOf('src/train/hash.ts', tests.parameterHash, [
    {
      id: 'hash-offset',
      find: 'offset += part.byteLength',
      replace: 'offset += 0',
      breaks: 'The hash of parameters depends on the last one only.',
    },
  ]),
  ...mutantsOf('src/train/history.ts', tests.history, [
    {
      id: 'history-record-phase',
      find: '(i + 1) % batchesPerRecord',
      replace: 'i % batchesPerRecord',
      breaks: 'Batch records come one batch late.',
    },
    {
      id: 'history-test-point',
      find: '[record.epoch + 1, record.testAcc]',
      replace: '[record.epoch, record.testAcc]',
      breaks: 'Test accuracy is drawn at the start of its epoch.',
    },
    {
      id: 'history-short-epochs',
      find: 'stepsPerEpoch >= batchesPerRecord',
      replace: 'stepsPerEpoch > batchesPerRecord',
      breaks: 'An epoch of exactly 50 batches is drawn twice.',
    },
    {
      id: 'history-step-range',
      find: 'i >= 0 && i < stepsPerEpoch',
      replace: 'i >= 0 && i <= stepsPerEpoch',
      breaks: "A record of the next epoch's first step is accepted.",
    },
  ]),
  ...mutantsOf('src/figures/curves.ts', tests.curves, [
    {
      id: 'curves-gap',
      find: 'points.filter((point) => !isFinitePoint(point)).length',
      replace: 'points.filter(isFinitePoint).length',
      breaks: 'The note under the figure counts the points that are drawn.',
    },
  ]),
]

// The files of a run.
const folder = mutantsOf('src/node/run_folder.ts', tests.runFolder, [
  {
    id: 'run-folder-lines',
    find: `\`\${JSON.stringify(line)}\\n\``,
    replace: 'JSON.stringify(line)',
    breaks: 'Records are not on lines of their own.',
  },
  {
    id: 'run-folder-no-name',
    find: "if (folder === '')",
    replace: "if (folder === ' ')",
    breaks: 'A folder without a name is not refused.',
  },
  {
    id: 'run-folder-rate',
    find: 'images / trainSeconds',
    replace: 'images * trainSeconds',
    breaks: 'Images per second are images times seconds.',
  },
  {
    id: 'run-folder-occupied',
    find: '?.size ?? 0) > 0',
    replace: '?.size ?? 0) > 1e9',
    breaks: 'A folder that holds a run already is overwritten.',
  },
  {
    id: 'run-folder-local-time',
    find: 'now.getTime() - now.getTimezoneOffset() * 60_000',
    replace: 'now.getTime() + now.getTimezoneOffset() * 60_000',
    breaks: 'The default name of a folder is off by twice the time zone.',
  },
])

const network = [
  ...mutantsOf('src/nn/init.ts', tests.initialisation, [
    {
      id: 'init-bound',
      find: '1 / Math.sqrt(fanIn)',
      replace: '1 / fanIn',
      breaks: 'Initial parameters are far too small.',
    },
    {
      id: 'init-stream',
      find: ".stream('init')",
      replace: ".stream('noise')",
      breaks: 'Initial parameters come from the stream of noise.',
    },
  ]),
  ...mutantsOf('src/nn/conv.ts', tests.initialisation, [
    {
      id: 'layers-fan-in',
      find: 'const fanIn = (inChannels / groups) * KH * KW',
      replace: 'const fanIn = outChannels * KH * KW',
      breaks: 'Convolutions are initialised by their number of outputs.',
    },
  ]),
  ...mutantsOf('src/nn/resnet.ts', tests.resnet, [
    {
      id: 'resnet-skip',
      find: 'relu(add(y, this.downsample?.forward(x) ?? x))',
      replace: 'relu(y)',
      breaks: 'Blocks have nothing beside them.',
    },
    {
      id: 'resnet-stride',
      find: 'i === 0 && stage > 0 ? 2 : 1',
      replace: 'stage > 0 ? 2 : 1',
      breaks: 'Every block of a later stage halves the image.',
    },
    {
      id: 'resnet-fan-out',
      find: "mode: 'fanOut'",
      replace: "mode: 'fanIn'",
      breaks: 'Weights begin too large where channels become more.',
    },
  ]),
  ...mutantsOf('src/nn/lenet.ts', tests.layers, [
    {
      id: 'lenet-padding',
      find: 'new Conv2d(1, 6, 5, { padding: 2 })',
      replace: 'new Conv2d(1, 6, 5)',
      breaks: 'The first convolution does not pad.',
    },
    {
      id: 'lenet-width',
      find: 'new Linear(120, 84)',
      replace: 'new Linear(120, 120)',
      breaks: 'A layer does not fit the next one.',
    },
  ]),
  ...mutantsOf('src/nn/module.ts', tests.modules, [
    {
      id: 'module-shared-parameter',
      find: 'seen.add(value)',
      replace: '',
      breaks: 'A shared parameter is listed, and updated, twice.',
    },
    {
      id: 'module-unknown-names',
      find: '!own.has(name)',
      replace: 'own.size === 0',
      breaks: 'A state with parameters that the module does not have is loaded.',
    },
  ]),
]

export const training: Area = {
  title: 'Network, training and its results',
  mutants: [
    ...network,
    ...run,
    ...runHooks,
    ...updates,
    ...together,
    ...commandLine,
    ...rehearsals,
    ...steppers,
    ...evaluation,
    ...stopping,
    ...rates,
    ...figures,
    ...folder,
  ],
}
