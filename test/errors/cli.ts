import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { checkSchedule, ratesOf } from '../../src/cli/options.ts'
import { trainCommand } from '../../src/cli/train.ts'
import { fashionMnistFromBytes } from '../../src/data/fashion_mnist.ts'
import { holdFolder } from '../../src/node/held_folder.ts'
import { ImageBatches, nn, optim, tensor } from '../../src/node/index.ts'
import { evaluate, fit } from '../../src/train/index.ts'
import { heldByAnother } from '../support/held_by_another.ts'
import { tinyFashionMnist } from '../support/idx_files.ts'
import { type Area, COUNT, PATH, type Place } from './refusal.ts'

const TRAIN = 'test/cli/train.test.ts'
const error = 'exit code 2'

const folder = { '<folder>': PATH }
const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/
const owner = { ...folder, '<pid>': /\d+/, '<host>': /\S+/, '<time>': TIME }

/** Does something with a folder that another process has; `text` is what stands in its lock. */
async function inFolderOfAnother({ folder }: Place, act: (path: string) => Promise<unknown>, text?: string) {
  heldByAnother(join(folder, 'run'), text)
  await act(join(folder, 'run'))
}

/** `dawngrad train` up to its data. */
const train = (...args: string[]) => {
  const load = () => Promise.reject(new Error('the data is asked for'))
  return trainCommand(load).parseAsync(args, { from: 'user' })
}

/** A network with NaN among its parameters. */
function notFinite(): nn.Sequential {
  const layer = new nn.Linear(784, 10)
  layer.loadStateDict({ weight: layer.weight, bias: tensor(new Array<number>(10).fill(Number.NaN)) })
  return new nn.Sequential(new nn.Flatten(), layer)
}

export const cli: Area = {
  title: 'Command line',
  refusals: [
    {
      title: 'an unknown option',
      error,
      text: "error: unknown option '--epoch' (Did you mean --epochs?)",
      by: 'commander',
      args: ['train', '--epoch', '3'],
    },
    {
      title: 'an unknown option, like no other',
      error,
      text: "error: unknown option '--verbose'; see npm run train -- --help",
      by: 'commander',
      args: ['train', '--verbose'],
    },
    {
      title: 'a port of the live page that is none',
      error,
      text: "error: option '--live [port]' argument '65536' is invalid. It must be a whole number, 0 to 65535.",
      args: ['train', '--live', '65536'],
    },
    {
      title: 'a port of the live page that another program has',
      error,
      text: "error: option '--live': port 80 of 127.0.0.1 is taken; leave the number out to use a free port",
      pinnedBy: 'test/cli/live.test.ts',
    },
    {
      title: 'a port of the live page that this user may not have',
      error,
      text: "error: option '--live': port 80 of 127.0.0.1 can't be used (EACCES); leave the number out to use a free port",
      pinnedBy: 'test/cli/live.test.ts',
    },
    {
      title: 'an unknown command',
      error,
      text: "error: unknown command 'test'; see dawngrad --help",
      by: 'commander',
      args: ['test'],
    },
    {
      title: 'a word too many',
      error,
      text: "error: too many arguments for 'train'. Expected 0 arguments but got 1; see npm run train -- --help",
      by: 'commander',
      args: ['train', 'extra'],
    },
    {
      title: 'an option without its value',
      error,
      text: "error: option '--epochs <n>' argument missing; see npm run train -- --help",
      by: 'commander',
      args: ['train', '--epochs'],
    },
    {
      title: 'a choice that there is not',
      error,
      text: "error: option '--schedule-per <unit>' argument 'batch' is invalid. Allowed choices are epoch, step.",
      by: 'commander',
      args: ['train', '--schedule-per', 'batch'],
    },
    {
      title: 'options that exclude each other',
      error,
      text: "error: option '--remove' cannot be used with option '--check'; see npm run setup -- --help",
      by: 'commander',
      args: ['setup', '--check', '--remove'],
    },
    {
      title: 'a number that must be whole',
      error,
      text: "error: option '--batch-size <n>' argument '2.5' is invalid. It must be a whole number, 1 or more.",
      args: ['train', '--batch-size', '2.5'],
    },
    {
      title: 'a number that is none',
      error,
      text: "error: option '--lr <rate>' argument 'fast' is invalid. It must be a decimal number, 0 or more.",
      args: ['train', '--lr', 'fast'],
    },
    {
      title: 'a schedule with a mistake',
      error,
      text: "error: option '--schedule': cosine: maxUpdate must be an integer ≥ 1, got 0\n  cosine(maxUpdate=0)\n                   ^\nit is cosine(maxUpdate, baseLr=0.01, finalLr=0, warmupSteps=0, warmupBeginLr=0)",
      args: ['train', '--schedule', 'cosine(maxUpdate=0)'],
    },
    {
      title: 'rules of a plateau with a mistake',
      error,
      text: "error: option '--plateau': plateau: factor must be a number ≥ 0 and < 1, got 10\n  factor=10\n         ^\nit is metric=testAcc, factor=0.1, patience=10, threshold=0.0001, thresholdMode=rel, cooldown=0, minLr=0, eps=1e-8",
      args: ['train', '--plateau', 'factor=10'],
    },
    {
      title: 'a plateau and a schedule',
      error,
      text: "error: option '--plateau': it changes the rate itself, and so does --schedule; give one of the two",
      cure: 'The rate that --plateau begins with is that of --lr.',
      args: ['train', '--plateau', 'factor=0.5', '--schedule', 'cosine(20)'],
    },
    {
      title: 'train, sweep: a rate beside a schedule that has its own',
      error,
      text: "error: option '--lr': the schedule cosine(maxUpdate=20, baseLr=0.3) has its own rates, and 0.1 would count for nothing; leave one of the two out",
      args: ['train', '--lr', '0.1', '--schedule', 'cosine(20, baseLr=0.3)'],
    },
    {
      title: 'train, sweep: a momentum beside a schedule that has its own',
      error,
      text: "error: option '--momentum': the schedule oneCycleLR(maxLr=0.5, totalSteps=30) has its own, and 0.9 would count for nothing; leave it out, or give the schedule cycleMomentum=false",
      args: ['train', '--momentum', '0.9', '--schedule', 'oneCycleLR(0.5, 30)'],
    },
    {
      title: 'a sweep over rates beside a schedule that has its own',
      error,
      text: "error: option '--grid': lr: the schedule warmup(cosine(maxUpdate=5, baseLr=0.3), steps=2) has its own rates, and 0.1 would count for nothing; leave one of the two out",
      args: [
        'sweep',
        '--grid',
        'lr=0.1,0.3',
        '--out',
        'runs/own',
        '--schedule',
        'warmup(cosine(5, baseLr=0.3), steps=2)',
      ],
    },
    {
      title: "train --momentum: more than schedule-free SGD's may be",
      error: 'exit code 2',
      text: "error: option '--momentum': that of schedulefreesgd must be above 0 and below 1, it is 1",
      args: ['train', '--optimizer', 'schedulefreesgd', '--momentum', '1'],
    },
    {
      title: 'train, lr-find: a momentum for an optimizer without one',
      error,
      text: "error: option '--momentum': adamw has no momentum; leave it out, or use --optimizer sgd",
      args: ['train', '--optimizer', 'adamw', '--momentum', '0.9'],
    },
    {
      title: 'a schedule with a momentum for an optimizer without one',
      error,
      text: "error: option '--schedule': it sets a momentum, and adamw has none; use another schedule, or --optimizer sgd",
      cure: 'oneCycleLR and cyclicLR set no momentum with cycleMomentum=false.',
      args: ['train', '--optimizer', 'adamw', '--schedule', 'oneCycleLR(maxLr=0.1, totalSteps=10)'],
    },
    {
      title: 'sweep: a momentum for an optimizer without one',
      error,
      text: "error: option '--grid': momentum: adamw has no momentum; leave it out, or use --optimizer sgd",
      args: ['sweep', '--grid', 'momentum=0,0.9', '--grid', 'optimizer=sgd,adamw'],
    },
    {
      title: 'plot-schedule: a schedule with a mistake',
      error,
      text: 'error: schedule 2: stepLR: stepSize must be an integer ≥ 1, got 0\n  stepLR(0)\n         ^\nit is stepLR(stepSize, gamma=0.1, lr)',
      args: ['plot-schedule', 'constant(0.1)', 'stepLR(0)'],
    },
    {
      title: 'plot-schedule: a rate that would count for nothing',
      error,
      text: "error: option '--lr': all schedules have their own rates, and 0.5 would count for nothing; leave it out",
      args: ['plot-schedule', 'constant(0.1)', 'squareRoot(0.2)', '--lr', '0.5'],
    },
    {
      title: 'plot-schedule: a range that is none',
      error,
      text: "error: option '--range <n>' argument '1' is invalid. It must be a whole number, 2 to 1000000.",
      args: ['plot-schedule', 'constant(0.1)', '--range', '1'],
    },
    {
      title: 'no name for the folder of results',
      error,
      text: "error: option '--out': the name of a folder is needed",
      args: ['train', '--out', ''],
    },
    {
      title: 'a folder of results below a file',
      error,
      text: "error: option '--out': /dev/null/run can't be written (ENOTDIR); choose another folder",
      args: ['train', '--out', '/dev/null/run'],
    },
    {
      title: 'a folder that holds a run',
      error,
      text: "error: option '--out': <folder> holds a run already; choose another folder",
      varies: { '<folder>': /.+/ },
      pinnedBy: TRAIN,
    },
    {
      title: 'more images than there are',
      error,
      text: "error: option '--limit-train': the set has 60000 images, not 60001",
      cure: 'Give at most that many, or leave the option out.',
      pinnedBy: TRAIN,
    },
    {
      title: 'a batch that no buffer holds',
      error,
      text: "error: option '--batch-size': this adapter takes batches of at most <limit>, not 60000",
      varies: { '<limit>': COUNT },
      pinnedBy: TRAIN,
    },
    {
      title: 'a folder that another process has',
      error: 'HeldError',
      text: '<folder>/run is in use by process <pid> on <host> since <time>Z',
      varies: owner,
      cure: 'Wait until it ends, or stop it, or choose another folder.',
      run: (place) => inFolderOfAnother(place, (path) => holdFolder(path)),
    },
    {
      title: 'a folder that another process has, whose name cannot be read',
      error: 'HeldError',
      text: '<folder>/run is in use by another process',
      varies: folder,
      cure: 'Wait two minutes: by then a process that has ended is known to have ended.',
      run: (place) => inFolderOfAnother(place, (path) => holdFolder(path), 'x'),
    },
    {
      title: 'a folder that another run of the same process has',
      error: 'HeldError',
      text: '<folder>/run is in use by another run of this process',
      varies: folder,
      cure: 'Wait until it ends, or choose another folder.',
      run: async ({ folder }) => {
        await holdFolder(join(folder, 'run'))
        await holdFolder(join(folder, 'run'))
      },
    },
    {
      title: '--out: a folder that another process has',
      error: 'UsageError',
      text: "option '--out': <folder>/run is in use by process <pid> on <host> since <time>Z; choose another folder",
      varies: owner,
      run: (place) => inFolderOfAnother(place, (path) => train('--out', path)),
    },
    {
      title: '--resume: a folder that another process has',
      error: 'UsageError',
      text: "option '--resume': <folder>/run is in use by process <pid> on <host> since <time>Z; wait until it ends, or stop it",
      varies: owner,
      run: (place) => inFolderOfAnother(place, (path) => train('--resume', path)),
    },
    {
      title: 'a folder that this process has no longer',
      error: 'WriteError',
      text: "<folder>/run can't be written: its lock is gone, so another process may be writing there",
      varies: folder,
      cure: 'Resume the run, if no other process does. Nobody but the run itself may remove its lock.',
      run: async ({ folder }) => {
        const held = await holdFolder(join(folder, 'run'))
        await rm(join(folder, 'run/lock'), { recursive: true })
        await held.check()
      },
    },
    {
      title: 'a schedule that overflows within the run',
      error: 'UsageError',
      text: "option '--schedule': exponentialLR(gamma=1e+200, lr=1e-300): the rate at t = 2 must be a finite number ≥ 0, got Infinity",
      cure: 'Fewer epochs, or a schedule that grows more slowly.',
      run: () => checkSchedule(ratesOf({ schedule: 'exponentialLR(1e200)', lr: 1e-300 }), 3),
    },
    {
      title: 'a result that cannot be written',
      error: 'WriteError',
      text: "/dev/null/run can't be written: ENOTDIR: not a directory, mkdir '/dev/null/run'",
      cure: 'Make room, or the folder writable. What was written before is whole.',
      run: async () => holdFolder('/dev/null/run'),
    },
    {
      title: 'a training that diverged',
      error: 'DivergedError',
      text: "the logits became NaN or infinite at step 1 (epoch 1, learning rate 0.3): a smaller --lr, or a warm-up such as --schedule 'warmup(constant, steps=5)', keeps it finite; in code, detectAnomaly names the operation",
      run: async () => {
        const net = notFinite()
        const { train, test } = fashionMnistFromBytes(tinyFashionMnist())
        // biome-ignore lint/suspicious/noFocusedTests: this is the library's fit
        await fit(net, {
          data: { train: new ImageBatches(train), test: new ImageBatches(test) },
          optimizer: new optim.SGD(net.parameters(), { lr: 0.3 }),
          epochs: 1,
        })
      },
    },
    {
      title: 'an evaluation that meets NaN or infinity',
      error: 'DivergedError',
      text: 'the logits became NaN or infinite in batch 1 of 1 of the evaluation: the parameters, or the images, hold values too large for the network',
      cure: 'Evaluate the parameters of an epoch before, and train on from there with a smaller rate.',
      run: async () => {
        const batches = new ImageBatches(fashionMnistFromBytes(tinyFashionMnist()).test)
        await evaluate(notFinite(), batches)
      },
    },
  ],
}
