import { createHash } from 'node:crypto'
import { mkdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { resume } from '../../src/cli/resume.ts'
import { DECIDING, recorded, SAVING } from '../../src/cli/train_options.ts'
import { fashionMnistFromBytes } from '../../src/data/fashion_mnist.ts'
import { encodeSafetensors, type HostTensor } from '../../src/data/safetensors.ts'
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from '../../src/node/checkpoint.ts'
import { newestCheckpoint } from '../../src/node/checkpoint_folder.ts'
import { checkpointFolder, nn, optim, tensor } from '../../src/node/index.ts'
import { setDefaultGpu } from '../../src/tensor/default.ts'
import { parseHistory, restoreValues, type SavedOptimizer, valuesOf } from '../../src/train/index.ts'
import { METER_WORDS } from '../../src/train/meter.ts'
import { tinyFashionMnist } from '../support/idx_files.ts'
import { type Area, HASH, PATH, type Place } from './refusal.ts'
import { file, host } from './safetensors.ts'

const FILE = 'step-00000002.safetensors'
const damaged = 'The file is damaged, or was not written by a program that knows the format: fetch or write it again.'
const folder = { '<folder>': PATH }

const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex')

const options = () => {
  const given = [...DECIDING, ...SAVING].map((one) => [one.attributeName(), one.defaultValue] as const)
  return recorded(Object.fromEntries(given) as never, [...DECIDING, ...SAVING])
}

const sgd = (step: number): SavedOptimizer => ({ name: 'SGD', step, state: new Map() })

function checkpoint(changes: Partial<Checkpoint> = {}, history = ''): Checkpoint {
  const words = new Int32Array(METER_WORDS)
  return {
    position: { epoch: 0, step: 2, words, trainSeconds: 1, epochSeconds: 1 },
    files: { historyBytes: history.length, historySha256: sha256(history), timingBytes: 0 },
    seconds: 1,
    options: options(),
    version: '0.1.0',
    adapter: 'adapter',
    network: new Map([['weight', host(1)]]),
    optimizer: sgd(2),
    ...changes,
  }
}

/** A checkpoint with this metadata, whose hash is right. */
function sealed(metadata: Readonly<Record<string, string>>): Uint8Array {
  const zeros = '0'.repeat(64)
  const bytes = encodeSafetensors(
    new Map([['weight', host(1)]]),
    new Map([['sha256', zeros], ...Object.entries(metadata)]),
  )
  bytes.set(new TextEncoder().encode(sha256(bytes)), 8 + '{"__metadata__":{"sha256":"'.length)
  return bytes
}

const format = 'dawngrad checkpoint 2'
const stateOf = (changes: object): string => {
  const { network: _, optimizer, position, ...rest } = checkpoint()
  const { state: __, ...about } = optimizer
  return JSON.stringify({
    position: { ...position, words: [...position.words] },
    optimizer: about,
    ...rest,
    ...changes,
  })
}

/** The folder of a run with these checkpoints and this history. */
async function runFolder({ folder }: Place, files: Readonly<Record<string, Uint8Array | string>>): Promise<string> {
  await mkdir(join(folder, 'checkpoints'))
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
  return folder
}

/** Looks for the newest checkpoint of such a run. */
const newest = (one: Uint8Array | string, history: string | null = '') => {
  return async (place: Place) => {
    const files = { [`checkpoints/${FILE}`]: one, ...(history !== null && { 'history.jsonl': history }) }
    const path = await runFolder(place, files)
    return newestCheckpoint(join(path, 'checkpoints'), join(path, 'history.jsonl'))
  }
}

/** Resumes such a run. */
const goOn = (given: Checkpoint, changes: Parameters<typeof resume>[1] = {}, extra: Record<string, string> = {}) => {
  return async (place: Place) => {
    const path = await runFolder(place, {
      [`checkpoints/${FILE}`]: encodeCheckpoint(given),
      'history.jsonl': '',
      ...extra,
    })
    const load = () => Promise.reject(new Error('the data is asked for'))
    return resume(path, changes, { allowChanges: false, load })
  }
}

/** Resumes such a run with data and device available. */
const goOnWithData = (given: Checkpoint, history = '', allowChanges = true) => {
  return async (place: Place) => {
    const files = { historyBytes: history.length, historySha256: sha256(history), timingBytes: 0 }
    const bytes = encodeCheckpoint({ ...given, files })
    const path = await runFolder(place, { [`checkpoints/${FILE}`]: bytes, 'history.jsonl': history })
    const before = process.env.DAWNGRAD_NO_SETUP
    process.env.DAWNGRAD_NO_SETUP = '1'
    try {
      const sets = fashionMnistFromBytes(tinyFashionMnist())
      const load = async () => ({ ...sets, dir: 'nowhere' })
      await resume(path, { quiet: true }, { allowChanges, load })
    } finally {
      setDefaultGpu(place.gpu)
      if (before === undefined) delete process.env.DAWNGRAD_NO_SETUP
      else process.env.DAWNGRAD_NO_SETUP = before
    }
  }
}
const at = (epoch: number) => checkpoint({ position: { ...checkpoint().position, epoch } })

const net = () => new nn.Linear(2, 1, { bias: false })
const host12: HostTensor = { ...host(1, 2), shape: [1, 2] }
const restore = (name: string, value: HostTensor, optimizer = sgd(1)) => {
  const own = net()
  const values = { network: new Map([[name, value]]), optimizer }
  restoreValues(own, new optim.SGD(own.parameters(), { lr: 1 }), values, FILE)
}

export const checkpoints: Area = {
  title: 'Checkpoints and resuming',
  refusals: [
    {
      title: 'a checkpoint that is none',
      error: 'DataError',
      text: 'step-00000002.safetensors: not a checkpoint: it has no SHA-256 at its start',
      cure: damaged,
      run: () => decodeCheckpoint(file({}), FILE),
    },
    {
      title: 'a checkpoint that is damaged',
      error: 'DataError',
      text: 'step-00000002.safetensors: damaged: the SHA-256 of its 868 bytes is <sha256>, it must be <sha256-stored>',
      cure: 'Remove it, and --resume takes the one before.',
      varies: { '<sha256>': HASH, '<sha256-stored>': HASH },
      run: () => decodeCheckpoint(encodeCheckpoint(checkpoint()).fill(7, -1), FILE),
    },
    {
      title: 'a checkpoint of another version',
      error: 'DataError',
      text: 'step-00000002.safetensors: its format is "dawngrad checkpoint 3", this version reads "dawngrad checkpoint 2" and "dawngrad checkpoint 1"',
      cure: 'Continue with the version that wrote it.',
      run: () => decodeCheckpoint(sealed({ format: 'dawngrad checkpoint 3', state: '{}' }), FILE),
    },
    {
      title: 'a checkpoint without its state',
      error: 'DataError',
      text: 'step-00000002.safetensors: its metadata has no state in JSON',
      cure: damaged,
      run: () => decodeCheckpoint(sealed({ format }), FILE),
    },
    {
      title: 'a checkpoint with something unknown',
      error: 'DataError',
      text: 'step-00000002.safetensors: its state has "more", which is unknown',
      cure: 'Continue with the version that wrote it.',
      run: () => decodeCheckpoint(sealed({ format, state: stateOf({ more: 1 }) }), FILE),
    },
    {
      title: 'a checkpoint with a value that cannot be',
      error: 'DataError',
      text: "step-00000002.safetensors: its state's seconds is missing or invalid",
      cure: damaged,
      run: () => decodeCheckpoint(sealed({ format, state: stateOf({ seconds: -1 }) }), FILE),
    },
    {
      title: 'no checkpoint',
      error: 'DataError',
      text: '<folder>/checkpoints: there is no checkpoint to continue from; start the run again with the line that started it',
      varies: folder,
      run: async (place) => newestCheckpoint(join(await runFolder(place, {}), 'checkpoints'), ''),
    },
    {
      title: 'a checkpoint under another name',
      error: 'DataError',
      text: `<folder>/checkpoints: no checkpoint is usable:
  <folder>/checkpoints/step-00000002.safetensors: its name does not match its content, which is of step 3`,
      varies: folder,
      cure: 'Give it its own name again.',
      run: newest(encodeCheckpoint({ ...checkpoint(), position: { ...checkpoint().position, step: 3 } })),
    },
    {
      title: 'a checkpoint that is no file',
      error: 'DataError',
      text: `<folder>/checkpoints: no checkpoint is usable:
  <folder>/checkpoints/step-00000002.safetensors: not a regular file`,
      varies: folder,
      cure: 'Remove what has its name.',
      run: async (place) => {
        const path = await runFolder(place, {})
        await mkdir(join(path, 'checkpoints', FILE))
        return newestCheckpoint(join(path, 'checkpoints'), '')
      },
    },
    {
      title: 'a checkpoint without its history',
      error: 'DataError',
      text: `<folder>/checkpoints: no checkpoint is usable:
  <folder>/checkpoints/step-00000002.safetensors: unusable without its history: <folder>/history.jsonl: cannot be read (ENOENT)`,
      varies: folder,
      cure: 'Put history.jsonl back.',
      run: newest(encodeCheckpoint(checkpoint()), null),
    },
    {
      title: 'a checkpoint with too short a history',
      error: 'DataError',
      text: `<folder>/checkpoints: no checkpoint is usable:
  <folder>/checkpoints/step-00000002.safetensors: unusable: <folder>/history.jsonl has 0 bytes, but had 5`,
      varies: folder,
      cure: 'Put history.jsonl back as it was.',
      run: newest(encodeCheckpoint(checkpoint({}, 'line\n'))),
    },
    {
      title: 'a checkpoint with another history',
      error: 'DataError',
      text: `<folder>/checkpoints: no checkpoint is usable:
  <folder>/checkpoints/step-00000002.safetensors: unusable: the first 5 bytes of <folder>/history.jsonl have been changed`,
      varies: folder,
      cure: 'Put history.jsonl back as it was.',
      run: newest(encodeCheckpoint(checkpoint({}, 'line\n')), 'LINE\n'),
    },
    {
      title: 'a checkpoint of another network: a parameter too many',
      error: 'DataError',
      text: 'step-00000002.safetensors: it has the parameter "scale", which the network does not have',
      cure: 'Continue with the version that wrote it.',
      run: () => restore('scale', host(1)),
    },
    {
      title: 'a checkpoint of another network: a shape',
      error: 'DataError',
      text: "step-00000002.safetensors: its parameter weight is float32 [1], the network's is float32 [1, 2]",
      cure: 'Continue with the version that wrote it.',
      run: () => restore('weight', host(1)),
    },
    {
      title: 'a checkpoint of another network: a parameter missing',
      error: 'DataError',
      text: 'step-00000002.safetensors: it has no parameter weight',
      cure: 'Continue with the version that wrote it.',
      run: () => {
        const own = net()
        restoreValues(own, new optim.SGD(own.parameters(), { lr: 1 }), { network: new Map(), optimizer: sgd(0) }, FILE)
      },
    },
    {
      title: 'a checkpoint of another optimizer',
      error: 'DataError',
      text: 'step-00000002.safetensors: its optimizer is AdamW, not SGD; continue with AdamW',
      run: () => restore('weight', host12, { ...sgd(1), name: 'AdamW' }),
    },
    {
      title: 'a checkpoint whose optimizer has another state',
      error: 'DataError',
      text: 'step-00000002.safetensors: optim.SGD: the state has expAvg, this optimizer has momentum',
      cure: 'Continue with the version that wrote it.',
      run: () => restore('weight', host12, { ...sgd(1), state: new Map([['expAvg', new Map()]]) }),
    },
    {
      title: 'checkpointFolder: no name',
      error: 'TypeError',
      text: "checkpointFolder: the name of a folder is needed, such as 'checkpoints'",
      run: () => checkpointFolder(''),
    },
    {
      title: 'a checkpoint of a network with a tensor that is called as a state',
      error: 'TypeError',
      text: "a checkpoint: the network's tensor optimizer.momentum.weight has the name of a state; call its module something other than 'optimizer'",
      run: () => encodeCheckpoint(checkpoint({ network: new Map([['optimizer.momentum.weight', host(1)]]) })),
    },
    {
      title: 'a checkpoint with an optimizer of parameters outside the network',
      error: 'TypeError',
      text: "a checkpoint: parameter 1 of the optimizer's group 0, scale [1], is not in the network; only parameters of the network can be saved with it",
      cure: 'Make the parameter a property of the network, or of one of its modules.',
      run: () => {
        const [own, scale] = [net(), tensor([1], [1], { requiresGrad: true, name: 'scale' })]
        return valuesOf(own, new optim.SGD([...own.parameters(), scale], { lr: 1 }), 7)
      },
    },
    {
      title: 'a history that is cut off',
      error: 'DataError',
      text: 'history.jsonl: cut off: its last line has no end',
      cure: 'A run that continues cuts it to its last whole line itself.',
      run: () => parseHistory('{}', 'history.jsonl'),
    },
    {
      title: 'a history with a line that is none',
      error: 'DataError',
      text: 'history.jsonl: line 1 is not a record of a run',
      cure: 'Put history.jsonl back as it was.',
      run: () => parseHistory('{}\n', 'history.jsonl'),
    },
    {
      title: '--resume: no such folder',
      error: 'exit code 2',
      text: "error: option '--resume': there is no folder 'none'; if a run was to have it, start that run again",
      args: ['train', '--resume', 'none'],
    },
    {
      title: '--allow-changes without --resume',
      error: 'exit code 2',
      text: "error: option '--allow-changes' needs '--resume'",
      args: ['train', '--allow-changes'],
    },
    {
      title: '--resume and --out',
      error: 'exit code 2',
      text: "error: option '--resume <dir>' cannot be used with option '--out <dir>'; see npm run train -- --help",
      by: 'commander',
      args: ['train', '--resume', 'a', '--out', 'b'],
    },
    {
      title: '--resume: fewer epochs than the run has had',
      error: 'UsageError',
      text: "option '--epochs': the run in <folder> has had 2 epochs already",
      varies: folder,
      cure: 'Give more epochs, or leave the option out.',
      run: goOn(checkpoint({ position: { ...checkpoint().position, epoch: 2 } }), { epochs: 1 }),
    },
    {
      title: '--resume: fewer epochs than the one that the run is in',
      error: 'UsageError',
      text: "option '--epochs': the run in <folder> is in epoch 2 already",
      varies: folder,
      cure: 'Give more epochs, or leave the option out.',
      run: goOn(
        checkpoint({
          position: { ...checkpoint().position, epoch: 1 },
          settings: { images: 256, batchSize: 256, accumulate: 1, seed: 0, lr: 0.3 },
        }),
        { epochs: 1 },
      ),
    },
    {
      title: '--resume: an option that cannot change',
      error: 'UsageError',
      text: "option '--batch-size': the run in <folder> has 256, which can't change to 7 within a run",
      varies: folder,
      cure: 'Leave the option out, or begin another run.',
      run: goOn(checkpoint(), { batchSize: 7 }),
    },
    {
      title: '--resume: another adapter, version or option',
      error: 'UsageError',
      text: "option '--resume': the run in <folder> had <changes>: its numbers would differ; npm run train -- --resume <folder> accepts this with --allow-changes",
      varies: { ...folder, '<changes>': /.+/ },
      cure: 'Without its folder a point of a sweep begins anew.',
      run: goOnWithData(checkpoint(), '', false),
    },
    {
      title: '--resume: a step that is not in the epoch',
      error: 'DataError',
      text: '<folder>/checkpoints/step-00000002.safetensors: with 1 steps an epoch, step 2 is not in epoch 1',
      varies: folder,
      cure: 'Give --limit-train and --batch-size as the run had them.',
      run: goOnWithData(checkpoint()),
    },
    {
      title: '--resume: a history of other epochs',
      error: 'DataError',
      text: '<folder>/checkpoints/step-00000002.safetensors: it is of epoch 3, but its history has 0 whole epochs',
      varies: folder,
      cure: 'Put history.jsonl back as it was.',
      run: goOnWithData(at(2)),
    },
    {
      title: '--resume: a history of another run',
      error: 'DataError',
      text: '<folder>/checkpoints/step-00000002.safetensors: its history belongs to another run: curvePoints: a batch record of epoch 0 has step 5; with 1 steps an epoch it has 1 to 1',
      varies: folder,
      cure: 'Put history.jsonl back as it was.',
      run: goOnWithData(
        at(2),
        `${[0, 1].map((epoch) => JSON.stringify({ kind: 'epoch', epoch, step: epoch + 1, lr: 1, trainLoss: 1, trainAcc: 1, testAcc: 1 })).join('\n')}\n${JSON.stringify({ kind: 'batch', epoch: 0, step: 5, lr: 1, trainLoss: 1, trainAcc: 1 })}\n`,
      ),
    },
    {
      title: 'a parameter that is NaN when it is to be saved',
      error: 'DivergedError',
      text: 'the parameter weight is no longer finite after step 7: a smaller --lr, or a warm-up, keeps it finite',
      cure: 'The checkpoint before is whole.',
      run: () => {
        const own = net()
        own.loadStateDict({ weight: tensor([[Number.NaN, 1]]) })
        return valuesOf(own, new optim.SGD(own.parameters(), { lr: 1 }), 7)
      },
    },
    {
      title: 'a checkpoint that is too long',
      error: 'DataError',
      text: `<folder>/checkpoints: no checkpoint is usable:
  <folder>/checkpoints/step-00000002.safetensors: too long: 268435457 bytes, but must be at most 268435456`,
      varies: folder,
      cure: 'It is no checkpoint: remove what has its name.',
      run: async (place) => {
        const path = await runFolder(place, { [`checkpoints/${FILE}`]: '' })
        await truncate(join(path, 'checkpoints', FILE), 2 ** 28 + 1)
        return newestCheckpoint(join(path, 'checkpoints'), '')
      },
    },
    {
      title: '--resume: a run without a checkpoint, whose options are damaged',
      error: 'DataError',
      text: '<folder>/options.json: damaged: start the run again with the line that started it',
      varies: folder,
      run: async ({ folder }) => {
        await writeFile(join(folder, 'options.json'), '[]')
        await resume(
          folder,
          {},
          { allowChanges: false, load: () => Promise.reject(new Error('the data is asked for')) },
        )
      },
    },
    {
      title: '--resume: a result that is damaged',
      error: 'DataError',
      text: '<folder>/result.json: damaged: remove it to continue from the newest checkpoint',
      varies: folder,
      run: goOn(checkpoint(), {}, { 'result.json': 'x' }),
    },
    {
      title: '--resume: an option that is unknown',
      error: 'DataError',
      text: '<folder>/checkpoints/step-00000002.safetensors: it records the option "dropout", which is unknown',
      varies: folder,
      cure: 'Continue with the version that wrote it.',
      run: goOn(checkpoint({ options: { ...options(), dropout: 1 } })),
    },
    {
      title: '--resume: an option of another type',
      error: 'DataError',
      text: '<folder>/checkpoints/step-00000002.safetensors: it records --lr as "fast", which is not a number',
      varies: folder,
      cure: damaged,
      run: goOn(checkpoint({ options: { ...options(), lr: 'fast' } })),
    },
    {
      title: '--resume: an option out of its range',
      error: 'DataError',
      text: '<folder>/checkpoints/step-00000002.safetensors: it records --epochs as 0.5: It must be a whole number, 1 or more.',
      varies: folder,
      cure: damaged,
      run: goOn(checkpoint({ options: { ...options(), epochs: 0.5 } })),
    },
    {
      title: '--resume: a schedule that is none',
      error: 'DataError',
      text: "<folder>/checkpoints/step-00000002.safetensors: it records an invalid schedule: option '--schedule': unknown schedule 'cosin'\n  cosin\n  ^\na schedule is name(arg=value, …) with one of the names constant, squareRoot, factor, multiStep, cosine, polynomial, stepLR, multiStepLR, constantLR, linearLR, exponentialLR, polynomialLR, cosineAnnealingLR, cosineAnnealingWarmRestarts, inverseSqrt, oneCycleLR, cyclicLR, warmup, sequence, chain, scale",
      varies: folder,
      cure: damaged,
      run: goOn(checkpoint({ options: { ...options(), schedule: 'cosin' } })),
    },
  ],
}
