// biome-ignore-all lint/suspicious/noFocusedTests: fit is what is provoked
import {
  Batches,
  type CheckpointStore,
  checkpoint,
  csvLogger,
  DataError,
  decodeSafetensors,
  earlyStopping,
  encodeSafetensors,
  evaluate,
  type FitCallback,
  type FitOptions,
  type FitRun,
  fit,
  ImageBatches,
  lrMonitor,
  metrics,
  modelCheckpoint,
  nn,
  optim,
  type SavedState,
  sched,
  type Tensor,
  tensor,
} from '../../src/index.ts'
import { METER_WORDS } from '../../src/train/meter.ts'
import { valuesOf } from '../../src/train/saved_state.ts'
import { type Area, loose } from './refusal.ts'

function batches(count = 1, side = 28, batchSize = 1): ImageBatches {
  const set = { count, channels: 1, height: side, width: side, classes: [] } as const
  const [images, labels] = [new Uint8Array(count * side * side), new Uint8Array(count)]
  return new ImageBatches({ ...set, images, labels }, { batchSize })
}

const network = () => new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 2))

/** A fit that would be right except for what is given. */
function run(given: Partial<Record<keyof FitOptions, unknown>>, data: unknown = batches()) {
  const net = network()
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
  return fit(net, { data, optimizer, epochs: 1, ...given } as unknown as FitOptions)
}

const line = () => new nn.Linear(1, 1)
const sgd = (net: nn.Module<unknown>) => new optim.SGD(net.parameters(), { lr: 0.1 })
const mean = (output: Tensor) => output.mean()
/** Three pairs of numbers, the last in a batch of its own. */
const pairs = () => {
  const field = () => ({ data: Float32Array.of(1, 2, 3), shape: [3, 1] })
  return new Batches({ x: field(), y: field() }, { batchSize: 2, shuffle: false })
}

/** A fit whose step returns this. */
const stepping = (step: () => unknown) => {
  const net = line()
  return fit(net, { data: pairs(), step, optimizer: sgd(net), epochs: 1 })
}

const noStore = Object.fromEntries(['save', 'load', 'list', 'remove'].map((name) => [name, () => Promise.resolve([])]))

const ownStore = noStore as unknown as CheckpointStore

/** A saved state after two updates, with these entries. */
function saved(entries: Partial<SavedState>): SavedState {
  const position = { epoch: 0, step: 2, words: new Int32Array(METER_WORDS), trainSeconds: 0, epochSeconds: 0 }
  return { position, network: new Map(), optimizer: { name: 'SGD', step: 2, state: new Map() }, ...entries }
}

export const loop: Area = {
  title: 'Training by fit',
  refusals: [
    {
      title: 'fit: no network',
      error: 'TypeError',
      text: 'fit: the network must be a module, such as nn.Sequential',
      run: () => fit(loose({}), loose({})),
    },
    {
      title: 'fit, evaluate, lrFind: batches without a loss',
      error: 'TypeError',
      text: 'evaluate: a loss is needed for batches of x, y: only images with labels have one by default, cross-entropy; give loss: (output, batch) => …, such as mseLoss(output, batch.y)',
      run: () => evaluate(line(), pairs()),
    },
    {
      title: 'fit, evaluate, lrFind: a loss that is not a function',
      error: 'TypeError',
      text: "evaluate: loss must be a function of a batch, not 'mse'",
      run: () => evaluate(line(), pairs(), { loss: loose('mse') }),
    },
    {
      title: 'fit, evaluate, lrFind: a loss of every row',
      error: 'TypeError',
      text: 'evaluate: what loss returns must be a float32 tensor of one element, the mean over the batch, not float32 [2, 1]',
      cure: "Take its mean: reduction 'mean', or .mean().",
      run: () => evaluate(line(), pairs(), { loss: (output) => output }),
    },
    {
      title: 'fit, evaluate: metrics that are a list',
      error: 'TypeError',
      text: 'evaluate: metrics must be an object, such as { accuracy: metrics.accuracy() }, not an array',
      run: () => evaluate(line(), pairs(), { loss: mean, metrics: loose([metrics.mae()]) }),
    },
    {
      title: 'fit, evaluate: a metric that is not one',
      error: 'TypeError',
      text: "evaluate: the metric mae must be one of metrics, such as metrics.accuracy(), or a function (output, batch) => a tensor, not 'mae'",
      run: () => evaluate(line(), pairs(), { loss: mean, metrics: { mae: loose('mae') } }),
    },
    {
      title: 'fit, evaluate: a metric of every row',
      error: 'TypeError',
      text: 'evaluate: what the metric m returns must be a float32 tensor of one element, the mean over the batch, not float32 [2, 1]',
      run: () => evaluate(line(), pairs(), { loss: mean, metrics: { m: (output) => output } }),
    },
    {
      title: 'fit, evaluate: a metric of other numbers in every batch',
      error: 'RangeError',
      text: 'metrics: m has 1 numbers in one batch and 2 in another; it must have as many in each',
      run: () => {
        const m = { sums: (output: Tensor) => output, value: (sums: readonly number[]) => sums[0]! }
        return evaluate(line(), pairs(), { loss: mean, metrics: { m } })
      },
    },
    {
      title: 'fit, evaluate: several networks without a forward',
      error: 'TypeError',
      text: 'evaluate: several networks need forward: (nets, batch) => …, or in fit a step',
      run: () => evaluate({ a: line(), b: line() }, pairs(), { loss: loose(mean) }),
    },
    {
      title: 'fit: the forward of several networks',
      error: 'Error',
      text: 'fit: several networks have no forward of their own',
      cure: 'A callback finds them in run.net.namedChildren().',
      run: () => {
        const a = line()
        const onBegin: FitCallback['onBegin'] = ({ net }) => void net.forward(tensor([[1]]))
        return fit({ a }, { data: pairs(), step: () => null, optimizer: sgd(a), epochs: 1, callbacks: [{ onBegin }] })
      },
    },
    {
      title: 'fit: several optimizers without a step',
      error: 'TypeError',
      text: 'fit: several optimizers need a step, which says what each of them updates',
      run: () => {
        const net = line()
        const [a, b] = net.parameters().map((p) => new optim.SGD([p], { lr: 0.1 })) as [optim.SGD, optim.SGD]
        return fit(net, { data: pairs(), loss: mean, optimizer: { a, b }, epochs: 1 })
      },
    },
    {
      title: 'fit: a parameter of two optimizers',
      error: 'TypeError',
      text: 'fit: two optimizers have weight [1, 1]; give each parameter to one',
      run: () => {
        const net = line()
        return fit(net, { data: pairs(), step: () => null, optimizer: { a: sgd(net), b: sgd(net) }, epochs: 1 })
      },
    },
    {
      title: 'fit: what a step makes useless',
      error: 'TypeError',
      text: 'fit: clipGradNorm is given beside a step, which makes its updates itself; do it there',
      run: () => {
        const net = line()
        return fit(net, { data: pairs(), step: () => null, optimizer: sgd(net), epochs: 1, clipGradNorm: 1 })
      },
    },
    {
      title: 'fit: a loss beside a step, without a test set',
      error: 'TypeError',
      text: 'fit: with a step, loss, forward and metrics are those of data.test, and there is none',
      run: () => {
        const net = line()
        return fit(net, { data: pairs(), step: () => null, loss: mean, optimizer: sgd(net), epochs: 1 })
      },
    },
    {
      title: 'fit: a step without a loss',
      error: 'TypeError',
      text: 'fit: what step returns must be a float32 tensor of one element, the mean over the batch, not undefined',
      run: () => stepping(() => undefined),
    },
    {
      title: 'fit: a step with no losses in its record',
      error: 'TypeError',
      text: 'fit: step returns no loss; it must return one, or several by their names, such as { lossD, lossG }',
      run: () => stepping(() => ({})),
    },
    {
      title: 'fit: a step with something else among its losses',
      error: 'TypeError',
      text: 'fit: lossD, which step returns, must be a float32 tensor of one element, the mean over the batch, not a number',
      run: () => stepping(() => ({ lossD: 1 })),
    },
    {
      title: 'fit: a seed for batches that have their own',
      error: 'TypeError',
      text: 'fit: seed is for ImageBatches; Batches have their own: new Batches(fields, { seed })',
      run: () => {
        const net = line()
        return fit(net, { data: pairs(), loss: mean, optimizer: sgd(net), epochs: 1, seed: 1 })
      },
    },
    {
      title: 'fit: a state of other metrics',
      error: 'RangeError',
      text: 'fit: from: m has 11 words, and 3 were saved; give the metrics of the saved run',
      run: async () => {
        const net = line()
        const optimizer = sgd(net)
        const { network, optimizer: own } = await valuesOf(net, optimizer, 1)
        const { position } = saved({})
        const from = { position: { ...position, step: 1, metrics: { m: new Int32Array(3) } }, network, optimizer: own }
        return fit(net, { data: pairs(), loss: mean, metrics: { m: mean }, optimizer, epochs: 1, from })
      },
    },
    {
      title: 'fit: a state of other optimizers',
      error: 'DataError',
      text: 'fit: from: its optimizers are one without a name, those of this run a',
      cure: 'Give the optimizers by the names of the saved run, in their order.',
      run: async () => {
        const net = line()
        const { network, optimizer } = await valuesOf(net, sgd(net), 1)
        const { position } = saved({})
        const step = () => null
        return fit(net, {
          data: pairs(),
          step,
          optimizer: { a: sgd(net) },
          epochs: 1,
          from: { position, network, optimizer },
        })
      },
    },
    {
      title: 'fit, evaluate: batches of which the last does not fit the network',
      error: 'Error',
      text: `fit: the last batch, of 1 of 2 rows, can't be trained on; leave it out by dropLast: true, or take another batchSize: batchNorm: in training every channel needs more than one value; the input has one\n  input [1, 1]  N C\nTake larger batches, or net.eval() to use the running ones.`,
      run: () => {
        const net = new nn.Sequential(new nn.Linear(1, 1), new nn.BatchNorm1d(1))
        return fit(net, { data: pairs(), loss: mean, optimizer: sgd(net), epochs: 1 })
      },
    },
    {
      title: 'metrics: a field that the batches do not have',
      error: 'TypeError',
      text: 'metrics.mae: the batches have no z, only x, y; name the field by { target }',
      run: () => evaluate(line(), pairs(), { loss: mean, metrics: { mae: metrics.mae({ target: 'z' }) } }),
    },
    {
      title: 'metrics: a target that is not a name',
      error: 'TypeError',
      text: "metrics.mae: target must be the name of a field, such as 'y', not 3",
      run: () => metrics.mae({ target: loose(3) }),
    },
    {
      title: 'metrics: a target of another shape than classes have',
      error: 'ShapeError',
      text: 'metrics.accuracy: the output must be [N, C, …] and the target [N, …], one label a row\n  output [3]\n  target [3]',
      run: () => metrics.accuracy().sums(tensor([1, 2, 3]), { y: tensor(Int32Array.of(0, 1, 2)) }),
    },
    {
      title: 'metrics: an output that is not a tensor',
      error: 'TypeError',
      text: 'metrics.accuracy: the output must be a tensor, not an array',
      run: () => metrics.accuracy().sums(loose([]), { y: tensor(Int32Array.of(0)) }),
    },
    {
      title: 'metrics.topK: a k that is none',
      error: 'RangeError',
      text: 'metrics.topK: k must be a whole number, 1 or more, not 0',
      run: () => metrics.topK(0),
    },
    {
      title: 'metrics: classes that are no count',
      error: 'RangeError',
      text: 'metrics.confusionMatrix: classes must be a whole number, 1 or more, not 2.5',
      run: () => metrics.confusionMatrix(2.5),
    },
    {
      title: 'metrics: another number of classes',
      error: 'ShapeError',
      text: 'metrics.f1: the output has 2 classes, not 3\n  output [1, 2]',
      run: () => metrics.f1(3).sums(tensor([[1, 2]]), { y: tensor(Int32Array.of(0)) }),
    },
    {
      title: 'metrics: an average that there is not',
      error: 'TypeError',
      text: "metrics.recall: average must be 'macro', 'micro' or 'none', not 'binary'",
      cure: "Of two classes take the second of average: 'none'.",
      run: () => metrics.recall(2, { average: loose('binary') }),
    },
    {
      title: 'modelCheckpoint: a store that is not one',
      error: 'TypeError',
      text: "modelCheckpoint: store has no save; it must be a CheckpointStore, such as checkpointFolder('best')",
      run: () => modelCheckpoint(loose({ store: 'best' })),
    },
    {
      title: 'modelCheckpoint: a figure that there is not',
      error: 'TypeError',
      text: "modelCheckpoint: monitor must be one of testLoss, testAcc, trainLoss, trainAcc, or 'metrics.NAME' or 'testMetrics.NAME', not 'val_loss'",
      run: () => modelCheckpoint({ store: ownStore, monitor: 'val_loss' }),
    },
    {
      title: 'modelCheckpoint: a mode that there is not',
      error: 'TypeError',
      text: "modelCheckpoint: mode must be 'min' or 'max', not 'auto'",
      run: () => modelCheckpoint({ store: ownStore, mode: loose('auto') }),
    },
    {
      title: 'modelCheckpoint: a number of epochs that is none',
      error: 'RangeError',
      text: 'modelCheckpoint: saveTopK must be a whole number, 0 or more, not -1',
      run: () => modelCheckpoint({ store: ownStore, saveTopK: -1 }),
    },
    {
      title: 'modelCheckpoint: a figure of the test without a test set',
      error: 'Error',
      text: 'modelCheckpoint: there is no testLoss: fit was given no data.test',
      run: () => run({ callbacks: [modelCheckpoint({ store: ownStore })] }),
    },
    {
      title: 'modelCheckpoint: a metric that the run does not have',
      error: 'Error',
      text: "modelCheckpoint: metrics.mae can't be compared: it is not there; the run has testLoss, testAcc, trainLoss, trainAcc",
      run: () => run({ callbacks: [modelCheckpoint({ store: ownStore, monitor: 'metrics.mae' })] }),
    },
    {
      title: 'modelCheckpoint: a metric of several numbers',
      error: 'Error',
      text: "modelCheckpoint: metrics.m can't be compared: it is not one number; the run has testLoss, testAcc, trainLoss, trainAcc, metrics.m",
      run: () => {
        const callbacks = [modelCheckpoint({ store: ownStore, monitor: 'metrics.m' })]
        return run({ callbacks, metrics: { m: metrics.confusionMatrix(2) } })
      },
    },
    {
      title: 'modelCheckpoint: the state of another one',
      error: 'TypeError',
      text: 'modelCheckpoint: the saved state is of trainAcc, this one monitors trainLoss; give the callbacks in their order, each with the options of the saved run',
      run: () => {
        const state = { values: { monitor: 'trainAcc', kept: [] } }
        return modelCheckpoint({ store: ownStore, monitor: 'trainLoss' }).onBegin!(loose({ test: null }), state)
      },
    },
    {
      title: 'modelCheckpoint: loadBest before an epoch was kept',
      error: 'Error',
      text: 'modelCheckpoint: loadBest(): no epoch is kept',
      run: () => modelCheckpoint({ store: ownStore }).loadBest(line()),
    },
    {
      title: 'run.state() in another hook than onEpoch',
      error: 'Error',
      text: 'fit: run.state() is asked for outside of onEpoch; it is there between two epochs alone',
      run: () => run({ callbacks: [{ onBegin: (about: FitRun) => about.state() }] }),
    },
    {
      title: 'csvLogger: neither a path nor a function',
      error: 'TypeError',
      text: 'csvLogger: a function that is given the text is needed, or under Node the path of a file, not undefined',
      run: () => csvLogger(loose(undefined)),
    },
    {
      title: 'lrMonitor: a place that there is not',
      error: 'TypeError',
      text: "lrMonitor: per must be 'epoch' or 'step', not 'batch'",
      run: () => lrMonitor({ per: loose('batch') }),
    },
    {
      title: 'checkpoint.save: parts without names',
      error: 'TypeError',
      text: 'checkpoint.save: the parts must be an object of parts by names, such as { net, optimizer, data, epoch }, not a Linear',
      run: () => checkpoint.save(loose(line())),
    },
    {
      title: 'checkpoint.save, restore: a name with a dot',
      error: 'TypeError',
      text: 'checkpoint.save: a part can\'t be called "a.b"; a name has letters, digits and _ alone',
      run: () => checkpoint.save({ 'a.b': 1 }),
    },
    {
      title: 'checkpoint.save: a part that a file can not hold',
      error: 'TypeError',
      text: "checkpoint.save: when.0 is a Date, which a file can't hold; give networks, batches, what has stateDict() and loadStateDict(), or null, booleans, numbers, texts, arrays and plain objects",
      run: () => checkpoint.save({ when: [new Date()] }),
    },
    {
      title: 'checkpoint.restore: the name of a file',
      error: 'TypeError',
      text: 'checkpoint.restore: the bytes of a file are needed, a Uint8Array, not a string',
      cure: 'Read it first: await readFile(path).',
      run: () => checkpoint.restore(loose('last.safetensors'), {}),
    },
    {
      title: 'checkpoint.restore: another file',
      error: 'DataError',
      text: 'checkpoint.restore: the bytes are not a file that checkpoint.save has made',
      run: () => checkpoint.restore(encodeSafetensors(new Map()), {}),
    },
    {
      title: 'checkpoint.restore: a part that the file does not have',
      error: 'DataError',
      text: 'checkpoint.restore: there is no model in the file, only net, n',
      run: async () => checkpoint.restore(await checkpoint.save({ net: line(), n: 1 }), { model: line() }),
    },
    {
      title: 'checkpoint.restore: a part that is not given',
      error: 'DataError',
      text: 'checkpoint.restore: the file has net, a part of the kind network; give it among the parts',
      run: async () => checkpoint.restore(await checkpoint.save({ net: line(), n: 1 }), {}),
    },
    {
      title: 'checkpoint.restore: a part of another kind',
      error: 'DataError',
      text: 'checkpoint.restore: net is a part of the kind network in the file, not state',
      run: async () => checkpoint.restore(await checkpoint.save({ net: line() }), { net: sgd(line()) }),
    },
    {
      title: 'checkpoint.restore: other batches',
      error: 'DataError',
      text: 'checkpoint.restore: the order of data was that of the data, and is shuffled; make batches like the saved ones',
      run: async () => {
        const other = new Batches({ x: new Float32Array(3) }, { batchSize: 2 })
        return checkpoint.restore(await checkpoint.save({ data: pairs() }), { data: other })
      },
    },
    {
      title: 'checkpoint.restore: another network',
      error: 'DataError',
      text: 'checkpoint.restore: net: loadStateDict: the state does not fit this module\n  shape: weight is [2, 1], given [1, 1]\n  shape: bias is [2], given [1]',
      run: async () => checkpoint.restore(await checkpoint.save({ net: line() }), { net: new nn.Linear(1, 2) }),
    },
    {
      title: 'checkpoint.restore: a state without one of its tensors',
      error: 'DataError',
      text: 'checkpoint.restore: the file has no tensor average.averages.0',
      run: async () => {
        const average = new optim.EMA(line().parameters(), { decay: 0.5 })
        average.update()
        const { tensors, metadata } = decodeSafetensors(await checkpoint.save({ average }), 'saved')
        tensors.delete('average.averages.0')
        return checkpoint.restore(encodeSafetensors(tensors, metadata), { average })
      },
    },
    {
      title: 'fit, evaluate: a network without parameters',
      error: 'TypeError',
      text: 'evaluate: the network has no parameters',
      run: () => evaluate(new nn.Flatten(), batches()),
    },
    {
      title: 'evaluate: data of another kind',
      error: 'TypeError',
      text: 'evaluate: data must be Batches or ImageBatches, such as new ImageBatches(set)',
      cure: "Of fit's { train, test } give one: evaluate(net, data.test).",
      run: () => evaluate(network(), loose({ train: batches(), test: batches() })),
    },
    {
      title: 'fit: data of another kind',
      error: 'TypeError',
      text: 'fit: data must be Batches or ImageBatches, or { train, test } of two',
      run: () => run({}, { train: batches() }),
    },
    {
      title: 'fit: one set for both',
      error: 'TypeError',
      text: 'fit: train and test must be two sets of batches: each has its own order',
      cure: 'Make second batches of the same data.',
      run: () => {
        const same = batches()
        return run({}, { train: same, test: same })
      },
    },
    {
      title: 'fit: a set that it does not use',
      error: 'TypeError',
      text: 'fit: data: unknown option valid; known: train, test',
      run: () => run({}, { train: batches(), test: batches(), valid: batches() }),
    },
    {
      title: 'fit: what a schedule counts, without one',
      error: 'TypeError',
      text: 'fit: schedulePer counts for nothing without a schedule; give one, or leave it out',
      run: () => run({ schedulePer: 'step' }),
    },
    {
      title: 'fit: two at once whose networks draw random numbers',
      error: 'Error',
      text: 'fit: this network draws random numbers, as that of another fit does, which is under way; wait for it: which of the two takes which draw would depend on the clock',
      run: async () => {
        const start = () => {
          const net = new nn.Sequential(new nn.Flatten(), new nn.Dropout(), new nn.Linear(784, 2))
          return fit(net, { data: batches(3), optimizer: new optim.SGD(net.parameters(), { lr: 0.1 }), epochs: 2 })
        }
        const first = start()
        await start().finally(() => first)
      },
    },
    {
      title: 'fit: one callback twice that keeps a state',
      error: 'TypeError',
      text: 'fit: callback 1 is callback 0 again, and it keeps a state; make another one',
      run: () => {
        const stop = earlyStopping({ metric: 'trainLoss' })
        return run({ callbacks: [stop, stop] })
      },
    },
    {
      title: 'fit: batches that another fit is training on',
      error: 'Error',
      text: 'fit: another fit is training on these batches; wait for it, or make second batches of the same data',
      run: async () => {
        const same = batches()
        const first = run({}, same)
        await run({}, same).finally(() => first)
      },
    },
    {
      title: 'fit: a callback that keeps a state and that another fit has',
      error: 'Error',
      text: 'fit: another fit has callback 0, which keeps a state; wait for it, or make another callback',
      run: async () => {
        const callbacks = [earlyStopping({ metric: 'trainLoss' })]
        const first = run({ callbacks })
        await run({ callbacks }).finally(() => first)
      },
    },
    {
      title: 'fit, lrFind: a network, or an optimizer, that another of them is training',
      error: 'Error',
      text: 'fit: another fit is under way with weight [2, 784] of this network; wait for it, or give each its own network and optimizer',
      run: async () => {
        const net = network()
        const start = () =>
          fit(net, { data: batches(), optimizer: new optim.SGD(net.parameters(), { lr: 0.1 }), epochs: 1 })
        const first = start()
        await start().finally(() => first)
      },
    },
    {
      title: 'fit: a test set that does not fit the network',
      error: 'Error',
      text: `fit: the test set does not fit the network: linear: weight takes 784 input features, input has 4
  input  [1, 4]    N I
  weight [2, 784]  O I`,
      run: () => run({}, { train: batches(), test: batches(1, 2) }),
    },
    {
      title: 'fit, lrFind, updateBatchNorm: a last batch that can not be trained on',
      error: 'Error',
      text: `fit: the last batch, of 1 of 2 rows, can't be trained on; leave it out by take(set, 2), or take another batchSize: batchNorm: in training every channel needs more than one value; the input has one
  input [1, 2]  N C
Take larger batches, or net.eval() to use the running ones.`,
      run: () => {
        const net = new nn.Sequential(network(), new nn.BatchNorm1d(2))
        const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
        return fit(net, { data: batches(3, 28, 2), optimizer, epochs: 1 })
      },
    },
    {
      title: 'fit: no optimizer',
      error: 'TypeError',
      text: 'fit: optimizer must be an optimizer, such as optim.SGD(net.parameters(), { lr: 0.1 })',
      run: () => run({ optimizer: 0.1 }),
    },
    {
      title: 'fit, lrFind: the optimizer of another network',
      error: 'TypeError',
      text: "fit: the optimizer has none of the network's parameters; make it of them, such as optim.SGD(net.parameters(), …)",
      cure: 'Some of them will do: the others stay as they are.',
      run: () => run({ optimizer: new optim.SGD(network().parameters(), { lr: 0.1 }) }),
    },
    {
      title: 'fit, lrFind: an optimizer that also has other parameters, such as those of a layer that was replaced',
      error: 'TypeError',
      text: 'fit: the optimizer has weight [2, 784], which is not a parameter of the network, perhaps that of a layer that was replaced; make the optimizer of net.parameters(), or of some of them',
      cure: 'Replace layers first, then make the optimizer.',
      run: () => {
        const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 2))
        const optimizer = new optim.SGD([...net.parameters(), ...network().parameters()], { lr: 0.1 })
        return fit(net, { data: batches(), optimizer, epochs: 1 })
      },
    },
    {
      title: 'fit, lrFind: an optimizer whose parameters are all frozen',
      error: 'Error',
      text: 'fit: all parameters of the optimizer are frozen (requiresGrad is false), so nothing would be trained; set requiresGrad to true for those that are to be trained',
      run: () => {
        const net = network()
        for (const p of net.parameters()) p.requiresGrad = false
        return fit(net, { data: batches(), optimizer: new optim.SGD(net.parameters(), { lr: 0.1 }), epochs: 1 })
      },
    },
    {
      title: 'fit: a layer that a callback added or replaced, and that the optimizer does not have',
      error: 'TypeError',
      text: 'fit: the network has got the parameter added.weight meanwhile, and the optimizer does not have it; put it into a group of the optimizer, or set its requiresGrad to false',
      run: () => {
        const net = network()
        const onEpoch = () => void Object.assign(net, { added: new nn.Linear(1, 1) })
        const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
        return fit(net, { data: batches(), optimizer, epochs: 2, callbacks: [{ onEpoch }] })
      },
    },
    {
      title: 'fit: a callback that takes batches of the run',
      error: 'Error',
      text: 'fit: a callback has moved the training batches to position 0, from 1; look at them by batch(i), or make second batches of the same data',
      run: () => {
        const set = { count: 2, channels: 1, height: 28, width: 28, classes: [] } as const
        const data = new ImageBatches(
          { ...set, images: new Uint8Array(1568), labels: new Uint8Array(2) },
          { batchSize: 1 },
        )
        const onBatch = () => {
          data.position = 0
        }
        return run({ callbacks: [{ onBatch }] }, data)
      },
    },
    {
      title: 'fit, lrFind, evaluate: a module that depends on its mode and that the network does not have',
      error: 'Error',
      text: 'evaluate: a Dropout that it computes with is not part of the network, so its mode would not be set, nor its buffers be saved: a module must be in a property of the module that uses it, or in an array, a plain object, a Map or a Set that is one, not in a private field (#name) or a variable',
      run: () => {
        class Dropping extends nn.Module {
          readonly last = new nn.Linear(784, 2)
          readonly #drop = new nn.Dropout()
          override forward(x: Tensor): Tensor {
            return this.last.forward(this.#drop.forward(x.flatten()))
          }
        }
        return evaluate(new Dropping(), batches())
      },
    },
    {
      title: 'fit, lrFind: a layer that the network does not have',
      error: 'Error',
      text: 'fit: weight [2, 784] in a Linear in the network (Hiding) is not a parameter of the network, so it would not be trained: a module must be in a property of the module that uses it, or in an array, a plain object, a Map or a Set that is one, not in a private field (#name) or a variable',
      cure: 'A layer that is not to be trained may be anywhere, with requiresGrad = false for its parameters.',
      run: () => {
        class Hiding extends nn.Module {
          readonly #hidden = new nn.Linear(784, 2)
          readonly last = new nn.Linear(2, 2)
          override forward(x: Tensor): Tensor {
            return this.last.forward(this.#hidden.forward(x.flatten()))
          }
        }
        const net = new Hiding()
        return fit(net, { data: batches(), optimizer: new optim.SGD(net.parameters(), { lr: 0.1 }), epochs: 1 })
      },
    },
    {
      title: 'fit: epochs, or a seed, that is no count',
      error: 'RangeError',
      text: 'fit: epochs must be a whole number, 0 or more, not 1.5',
      run: () => run({ epochs: 1.5 }),
    },
    {
      title: 'fit: a schedule that is no function',
      error: 'TypeError',
      text: 'fit: schedule must be a function of t, such as sched.cosine(…), not string',
      cure: 'sched.parse makes one of a text.',
      run: () => run({ schedule: 'cosine(20)' }),
    },
    {
      title: 'fit: a schedule whose rate, or momentum, is none',
      error: 'RangeError',
      text: 'schedule: the rate at t = 0 must be a finite number ≥ 0, got NaN',
      cure: 'A schedule that has a text, such as cosine(20), is named by it. The groups keep what they had.',
      run: () => run({ schedule: () => Number.NaN }),
    },
    {
      title: 'fit: an unknown word',
      error: 'TypeError',
      text: "fit: schedulePer must be 'epoch' or 'step', not 'batch'",
      run: () => run({ schedulePer: 'batch' }),
    },
    {
      title: 'fit: callbacks that are no list',
      error: 'TypeError',
      text: 'fit: callbacks must be an array, such as [earlyStopping({ patience: 3 })]',
      run: () => run({ callbacks: earlyStopping() }),
    },
    {
      title: 'fit: a callback that is none',
      error: 'TypeError',
      text: 'fit: callback 0 must be an object with any of onBegin, onBatch, onProgress, onRecord, onEpoch, onEnd, stateDict, dispose, such as earlyStopping()',
      run: () => run({ callbacks: [earlyStopping] }),
    },
    {
      title: 'fit: a hook that there is not',
      error: 'TypeError',
      text: 'fit: callback 0 has onStep, which is not a hook; fit knows onBegin, onBatch, onProgress, onRecord, onEpoch, onEnd, stateDict, dispose',
      run: () => run({ callbacks: [{ onStep: () => undefined }] }),
    },
    {
      title: 'fit: a hook that is no function',
      error: 'TypeError',
      text: 'fit: onEpoch of callback 0 must be a function, not string',
      run: () => run({ callbacks: [{ onEpoch: 'stop' }] }),
    },
    {
      title: 'fit: a store with the checkpoints of another run',
      error: 'Error',
      text:
        'fit: checkpoint.store has checkpoints of a run that went further than step 0, the newest is step-00000235; continue it with ' +
        "from: 'last', or give another store, such as another folder",
      run: () => run({ checkpoint: { store: { ...noStore, list: async () => ['step-00000235'] } } }),
    },
    {
      title: 'fit: a value of a callback that a checkpoint would not give back',
      error: 'TypeError',
      text: "fit: callback 1: its stateDict() gives values.best: Infinity, which a checkpoint can't hold; give { values } of null, booleans, finite numbers, texts, arrays and plain objects of these, and keep arrays of numbers in its tensors",
      cure: 'Nothing has been trained yet where the value is there from the start. Keep null for a best that there is not yet.',
      run: () => {
        const stateDict = () => ({ values: { best: Number.POSITIVE_INFINITY } })
        return run({ callbacks: [{}, { stateDict }], checkpoint: { store: noStore } })
      },
    },
    {
      title: 'fit: a switch that is neither true nor false',
      error: 'TypeError',
      text: "fit: capture must be true or false, not 'no'",
      run: () => run({ capture: 'no' }),
    },
    {
      title: 'fit: a number of batches an update that is none',
      error: 'RangeError',
      text: 'fit: accumulate must be a whole number, 1 or more, not 0',
      run: () => run({ accumulate: 0 }),
    },
    {
      title: 'fit: a limit of gradients that is none',
      error: 'RangeError',
      text: 'fit: clipGradNorm must be a number, 0 or more, not NaN',
      run: () => run({ clipGradNorm: Number.NaN }),
    },
    {
      title: 'fit: an unknown option',
      error: 'TypeError',
      text: 'fit: unknown option lr; known: data, loss, forward, metrics, step, optimizer, schedule, schedulePer, lrTiming, epochs, seed, callbacks, clipGradNorm, clipGradValue, accumulate, capture, checkpoint, from, signal',
      run: () => run(loose({ lr: 0.1 })),
    },
    {
      title: 'fit: a schedule with a momentum for an optimizer without one',
      error: 'TypeError',
      text: 'fit: the schedule sets a momentum, and optim.AdamW has none; use optim.SGD, or another schedule (oneCycleLR and cyclicLR set none with cycleMomentum: false)',
      run: () => {
        const net = network()
        const schedule = sched.oneCycleLR({ maxLr: 0.1, totalSteps: 10 })
        return fit(net, { data: batches(), optimizer: new optim.AdamW(net.parameters()), epochs: 1, schedule })
      },
    },
    {
      title: 'fit: a store of checkpoints that lacks a method',
      error: 'TypeError',
      text: "fit: checkpoint.store has no save; it must be a CheckpointStore, such as checkpointFolder('checkpoints')",
      run: () => run({ checkpoint: { store: 'checkpoints' } }),
    },
    {
      title: 'fit: a store of checkpoints whose hold is not a method',
      error: 'TypeError',
      text: 'fit: checkpoint.store.hold must be a function if it is there, not boolean',
      run: () => run({ checkpoint: { store: { ...noStore, hold: true } } }),
    },
    {
      title: 'fit: a number of checkpoints, or of updates between them, that is not a count',
      error: 'RangeError',
      text: 'fit: checkpoint.every must be a whole number, 1 or more, not 0',
      run: () => run({ checkpoint: { store: noStore, every: 0 } }),
    },
    {
      title: 'fit: a signal of another kind',
      error: 'TypeError',
      text: 'fit: signal must be an AbortSignal, such as new AbortController().signal',
      run: () => run({ signal: new AbortController() }),
    },
    {
      title: "fit: from 'last' without a store",
      error: 'TypeError',
      text: "fit: from 'last' needs a checkpoint: { store } to look in",
      run: () => run({ from: 'last' }),
    },
    {
      title: "fit: from 'last' where the only checkpoint is damaged",
      error: 'DataError',
      text: `fit: from: no checkpoint of the store is usable:
  step-00000005: it is damaged`,
      cure: 'The second line is what the store says. Begin the run again in another store.',
      run: () => {
        const load = () => Promise.reject(new DataError('step-00000005: it is damaged'))
        return run({ checkpoint: { store: { ...noStore, list: async () => ['step-00000005'], load } }, from: 'last' })
      },
    },
    {
      title: "fit: from 'last' where no checkpoint of the store is whole",
      error: 'DataError',
      text: `fit: from: no checkpoint of the store is usable:
  step-00000005: its name does not match its content, which is of step 2`,
      cure: 'The newest one that is whole is taken, with a warning for each newer one. Without any begin the run again in another store.',
      run: () => {
        const store = { ...noStore, list: async () => ['step-00000005'], load: async () => saved({}) }
        return run({ checkpoint: { store }, from: 'last' })
      },
    },
    {
      title: 'fit: from something that is not a saved state',
      error: 'TypeError',
      text: "fit: from must be 'last' or a saved state, such as store.load(name) gives",
      run: () => run({ from: 'step-00000002' }),
    },
    {
      title: 'fit: a saved state of other data, or of another seed',
      error: 'RangeError',
      text: 'fit: from: the saved run had seed 7, this one has 0; give both the same',
      run: () => run({ from: saved({ settings: { images: 1, batchSize: 1, accumulate: 1, seed: 7, lr: 0.1 } }) }),
    },
    {
      title: 'fit: a saved state of images that were augmented otherwise',
      error: 'RangeError',
      text: 'fit: from: the saved run changed its images by {"augment":{"flip":true}}, this one by nothing; give both the same augment and normalize',
      run: () => {
        const changes = '{"augment":{"flip":true}}'
        return run({ from: saved({ settings: { images: 1, batchSize: 1, accumulate: 1, seed: 0, lr: 0.1, changes } }) })
      },
    },
    {
      title: 'fit: a saved state at a step that is not in its epoch',
      error: 'RangeError',
      text: "fit: from: a run of 1 steps an epoch can't be at epoch 0, step 2",
      cure: 'Give the data set, batch size and accumulate of the saved run.',
      run: () => run({ from: saved({}) }),
    },
    {
      title: 'fit: a saved state that went further than the epochs of the run',
      error: 'RangeError',
      text: 'fit: from: the saved run has had 2 updates, of 1 an epoch, and epochs is 1; give epochs: 2 or more',
      run: () => run({ from: saved({ position: { ...saved({}).position, epoch: 2 } }) }),
    },
    {
      title: 'fit: a saved state of more callbacks',
      error: 'RangeError',
      text: 'fit: from: callback 1 of the saved run kept a state, and there is no callback 1 that could take it; give the callbacks of the saved run, in their order',
      cure: 'Further callbacks may follow them.',
      run: () => {
        const from = saved({ position: { ...saved({}).position, step: 1 }, callbacks: [null, { values: 1 }, null] })
        return run({ from, callbacks: [{ onBegin: () => undefined }] })
      },
    },
    {
      title: 'earlyStopping: the saved state of one that watched another metric',
      error: 'TypeError',
      text: 'earlyStopping: the saved state is of trainLoss, this one watches trainAcc; give the callbacks in their order, each with the metric of the saved run',
      run: () => {
        const values = { metric: 'trainLoss', best: 1, bestEpoch: 0, bad: 0 }
        return earlyStopping({ metric: 'trainAcc' }).onBegin?.(loose(undefined), { values })
      },
    },
    {
      title: 'earlyStopping: the saved state of another callback',
      error: 'TypeError',
      text: 'earlyStopping: the saved state belongs to another callback; give the callbacks in their order',
      run: () => earlyStopping().onBegin?.(loose(undefined), { values: { epochs: 3 } }),
    },
    {
      title: 'earlyStopping: an unknown metric',
      error: 'TypeError',
      text: "earlyStopping: metric must be one of testAcc, testLoss, trainAcc, trainLoss, not 'valLoss'",
      run: () => earlyStopping({ metric: loose('valLoss') }),
    },
    {
      title: 'earlyStopping: a patience that is none',
      error: 'RangeError',
      text: 'earlyStopping: patience must be a whole number, 1 or more, not 0',
      run: () => earlyStopping({ patience: 0 }),
    },
    {
      title: 'earlyStopping: a smallest change that is none',
      error: 'RangeError',
      text: 'earlyStopping: minDelta must be a number, 0 or more, not -1',
      run: () => earlyStopping({ minDelta: -1 }),
    },
    {
      title: 'earlyStopping: a switch that is neither true nor false',
      error: 'TypeError',
      text: 'earlyStopping: restoreBest must be true or false, not 1',
      run: () => earlyStopping({ restoreBest: loose(1) }),
    },
    {
      title: 'earlyStopping: a metric of the test, without one',
      error: 'Error',
      text: 'earlyStopping: there is no testAcc: fit was given no data.test',
      cure: 'Nothing has been trained yet. Give fit { data: { train, test } }, or watch trainLoss.',
      run: () => run({ callbacks: [earlyStopping()] }),
    },
  ],
}
