// Where each subject is tested: the one place to change when test files move.

import type { Witness } from '../mutant.ts'

function files(...paths: string[]): Witness {
  return { files: paths.map((path) => `test/${path}.test.ts`) }
}

/** Of these files, the tests whose full names match: for files that take long. */
export function only(name: string, { files }: Witness): Witness {
  return { files, name }
}

/** An operation's row in the table of operations, and what only it has. */
function operation(name: string, ...paths: string[]): Witness {
  return only(`\\b${name}\\b`, files('operations/operations', ...paths))
}

export const binary = only(
  '\\b(add|sub|mul|div|maximum|where|comparisons)\\b',
  files('operations/operations', 'kernels/binary/binary'),
)
export const reduce = only(
  '\\b(sum|mean|max|min|prod|var|std|norm|logSumExp|cumsum|argmax|variances|captured|elements)\\b',
  files('operations/operations', 'kernels/reduce/reduce'),
)
export const softmax = only(
  '\\b(softmax|logSoftmax|in a|in passes)\\b',
  files('operations/operations', 'kernels/softmax/softmax'),
)
export const conv2d = operation('conv2d', 'kernels/conv2d/conv2d')
export const conv1d = only('\\bconv1d\\b', files('operations/operations'))
export const convTranspose2d = only('\\bconvTranspose2d\\b', files('operations/operations'))
export const conv2dReluMaxPool2d = files('kernels/conv2d_relu_max_pool2d/conv2d_relu_max_pool2d')
/** Some of its fixed cases, by their names: all of them compile a dozen kernels. */
export function conv2dReluMaxPool2dCases(names: string): Witness {
  return only(`conv2dReluMaxPool2d .*: (${names})`, files('operations/operations'))
}
export const depthwise = files('kernels/depthwise/depthwise')
export const conv2dBits = files('kernels/conv2d/bits')
export const crossEntropy = operation('crossEntropy', 'kernels/cross_entropy/cross_entropy')
export const losses = only('(Loss|crossEntropy)\\b', files('operations/operations', 'kernels/losses/losses'))
export const fill = files('kernels/fill/fill')
export const finite = files('kernels/finite/finite')
export const gather = files('kernels/gather/gather')
export const augmentKernel = files('kernels/augment/augment')
export const augment = files('data/augment')
export const interpolate = operation('interpolate', 'kernels/interpolate/interpolate')
export const interpolateOwn = files('kernels/interpolate/interpolate')
export const interpolatePytorch = only('interpolate', files('operations/pytorch'))
export const linear = operation('linear', 'kernels/linear/linear')
export const linearRelu = operation('linearRelu', 'kernels/linear/linear')
export const largeLinear = files('kernels/linear/large')
export const smallLinear = only('a small layer', files('kernels/linear/linear'))
export const matmul = operation('matmul', 'kernels/matmul/matmul')
export const attention = operation('scaledDotProductAttention', 'kernels/attention/attention')
export const avgPool2d = only('avgPool2d', files('operations/operations'))
export const maxPool2d = operation('maxPool2d', 'kernels/max_pool2d/max_pool2d')
export const sumParts = only('sumOfParts|the bits stay', files('kernels/sum_parts/sum_parts'))
export const longSums = only('equal the reference', files('kernels/sum_parts/sum_parts'))
export const scratchOfShapes = files('kernels/sum_parts/scratch')
export const anyTask = files('train/any_task')
export const sumsOfBatches = files('kernels/exact_sum/exact_sum')
export const exactSum = files('kernels/cross_entropy/exact_sum')
export const drawn = only(
  '\\b(dropout|draw|rand|randn|bernoulli|manualSeed|a captured function)\\b',
  files('operations/operations', 'kernels/random/random'),
)
export const draws = files('train/draws')
export const damagedStates = only('damaged', files('train/continue'))
export const rehearsal = files('train/rehearsal')
export const ownRate = files('cli/own_rate')
export const underWay = files('train/under_way')
export const swapped = files('optim/swapped')
export const tooMany = files('operations/arguments')
export const untrained = files('train/untrained')
export const drawsResumed = only('dropout', files('train/continue'))
export const totals = files('kernels/cross_entropy/totals')
export const unary = only(
  '\\b(relu|silu|sin|gelu|log1p|sign)\\b',
  files('operations/operations', 'kernels/unary/unary'),
)
export const batchNorm = operation('batchNorm', 'kernels/batch_norm/batch_norm')
/** What only batch norm has: its running statistics and its numerics. */
export const batchNormOwn = files('kernels/batch_norm/batch_norm')
export const norms = only('\\b(layerNorm|rmsNorm|groupNorm|instanceNorm)\\b', files('operations/operations'))
export const adagrad = files('kernels/adagrad/adagrad', 'optim/adagrad')
export const rmsprop = files('kernels/rmsprop/rmsprop', 'optim/elementwise')
export const adadelta = files('kernels/adadelta/adadelta')
export const lion = files('kernels/lion/lion')
export const scheduleFree = files('kernels/schedule_free/schedule_free')
export const layerWise = files('kernels/layer_wise/layer_wise')
export const layerWisePaths = files('optim/layer_wise')
export const muon = files('kernels/muon/muon')
export const moreOptimizers = files('optim/elementwise')
export const optimizerFamily = files('optim/family')
export const adamw = files('optim/adamw')
export const adamKernel = files('kernels/adam/adam')
export const sgdKernel = files('kernels/sgd/sgd')
export const sgldKernel = files('kernels/sgld/sgld')
export const averageKernel = files('kernels/average/average')
export const copy = only(
  '\\b(permute|transpose|flip|slice|select|expand|repeat|cat|stack|split|pad|triu|tril|copies)\\b',
  files('operations/operations', 'kernels/copy/copy'),
)
export const take = only(
  '\\b(indexSelect|embedding|gather|oneHot|index|gradient)\\b',
  files('operations/operations', 'kernels/take/take'),
)
/** Whether kernels keep to the memory they were lent. */
export const scratch = only('past the end', files('operations/operations'))

export const autograd = files('tensor/autograd')
export const random = files('tensor/random')
export const scope = files('tensor/scope')
export const tensor = files('tensor/tensor')
export const view = files('tensor/view')
export const reshape = operation('reshape', 'tensor/view')
/** What backward refuses. */
export const autogradRefusals = only('Autograd', files('errors/refusals'))

export const capture = files('capture/capture')
export const notYetRun = files('capture/not_yet_run')
export const perStep = files('capture/per_step')
export const captureRefusals = only('Capture and replay', files('errors/refusals'))
export const gpu = files('gpu/gpu')
export const gpuErrors = files('gpu/errors')
export const kernel = files('gpu/kernel')
export const params = files('gpu/params')
export const pool = files('gpu/pool')
export const recorder = files('gpu/recorder')
export const reflect = files('gpu/reflect')

export const clip = files('optim/clip')
export const clipKernel = files('kernels/clip/clip')
export const optimizer = files('optim/sgd')
export const averages = files('optim/average')
export const langevin = files('optim/sgld')
export const parse = files('sched/parse')
export const scheduler = files('sched/scheduler')
export const chapter = files('sched/chapter')
export const pytorchSchedules = files('sched/pytorch')
export const cycles = files('sched/cycles')
export const combinators = files('sched/combinators')
export const plateau = files('sched/plateau')
export const runMomentum = files('train/run_momentum')
export const textFigure = files('figures/text')
export const initialisation = files('nn/init')
export const recurrence = only('\\brecurrence\\b', files('operations/operations'))
export const recurrentLayers = files('nn/recurrent')
export const initializers = files('nn/initializers')
export const fusion = files('nn/fusion')
export const layers = files('nn/layers')
export const resnet = files('nn/resnet')
export const transformers = files('nn/transformers')
export const modules = files('nn/module')

export const batches = files('data/batches', 'data/any_batches')
export const fashionMnist = files('data/fashion_mnist')
export const idx = files('data/idx')
export const npy = files('data/npy')
export const npz = files('data/npz')
export const tables = files('data/csv', 'data/table')
export const images = files('data/decode_image')
export const fashionMnistFiles = files('node/fashion_mnist', 'node/fashion_mnist_damage')

export const history = files('train/history')
export const curves = files('figures/curves')
export const rates = files('train/rates')
export const parameterHash = files('train/hash')
export const batchSizes = files('train/batch_sizes')
export const fit = files('train/fit')
export const earlyStopping = files('train/early_stopping')
export const stops = files('train/stops')
export const training = files('train/run_by_hand')
export const diverged = files('train/diverged')
export const runFolder = files('node/run_folder', 'node/run_folder_lines')

export const checkpoint = files('node/checkpoint')
export const savedState = files('train/saved_state')
export const safetensors = files('data/safetensors')
export const fitContinued = only('schedule-free', files('train/continue'))
export const continuing = only('refuse|another seed', files('train/continue', 'errors/refusals'))
export const saving = only('saves a checkpoint', files('cli/resume'))
export const resuming = only('from the middle of an epoch', files('cli/resume'))
export const resumeChanges = only('would change the numbers|--resume of a finished run', files('cli/resume'))
export const locks = only('^withLock|^a folder|^twelve', files('provision/lock', 'node/held_folder'))

export const tuningFile = files('tune/file')
export const tuneSearch = only('^tune ', files('tune/search'))
export const tuningSpaces = only('small on|compiles in seconds|a fused layer', files('tune/search'))

export const lrFind = files('train/lr_find')
export const sweepGrid = files('node/sweep_grid')
export const sweepTable = files('node/sweep_table')
