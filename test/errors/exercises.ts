import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fashionMnistFromBytes } from '../../src/data/fashion_mnist.ts'
import { ImageBatches, nn, optim } from '../../src/node/index.ts'
import { pointsOf } from '../../src/node/sweep_grid.ts'
import { resultOf } from '../../src/node/sweep_point.ts'
import { lrFind } from '../../src/train/lr_find.ts'
import { tinyFashionMnist } from '../support/idx_files.ts'
import { type Area, COUNT, PATH } from './refusal.ts'

const error = 'exit code 2'
const RIGHT =
  'it is NAME=VALUE,VALUE,… or NAME=VALUE|VALUE|… with one of the names epochs, batch-size, optimizer, lr, momentum, weight-decay, schedule, plateau, schedule-per, lr-timing, seed, limit-train, limit-test'
const HUNDRED_AND_ONE = Array.from({ length: 101 }, (_, i) => i + 1).join()
const grid = (text: string, what: string, at: number) => ({
  error,
  text: `error: option '--grid': ${what}\n  ${text}\n  ${' '.repeat(at)}^\n${RIGHT}`,
  args: ['sweep', '--grid', text],
})

/** A range test with these options, that throws before it begins. */
const find = (options: object) => async () => {
  const net = new nn.Linear(4, 2)
  const train = new ImageBatches(fashionMnistFromBytes(tinyFashionMnist()).train)
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
  await lrFind({ net, optimizer, train, ...options })
}

export const exercises: Area = {
  title: 'Range tests and sweeps',
  refusals: [
    {
      title: 'lrFind: rates that are no range',
      error: 'RangeError',
      text: 'lrFind: the rates must be 0 < minLr < maxLr, both finite, got 1 and 0.1',
      run: find({ minLr: 1, maxLr: 0.1 }),
    },
    {
      title: 'lrFind: rates too far apart',
      error: 'RangeError',
      text: 'lrFind: the rates are too far apart: maxLr / minLr must be finite, got 1e+300 / 1e-320',
      run: find({ minLr: 1e-320, maxLr: 1e300 }),
    },
    {
      title: 'lrFind: a text in place of a number',
      error: 'TypeError',
      text: 'lrFind: minLr must be a number, not string',
      run: find({ minLr: '0.1' }),
    },
    {
      title: 'lrFind: too few steps',
      error: 'RangeError',
      text: 'lrFind: steps must be an integer ≥ 2, got 1',
      cure: 'A sweep needs two rates or more; without steps it takes a pass over the batches.',
      run: find({ steps: 1 }),
    },
    {
      title: 'lrFind: a smoothing out of range',
      error: 'RangeError',
      text: 'lrFind: smoothing must be a number ≥ 0 and < 1, got 1',
      run: find({ steps: 2, smoothing: 1 }),
    },
    {
      title: 'lr-find: rates that are no range',
      error,
      text: "error: option '--min-lr': it must be above 0 and below --max-lr, 0.1, got 1",
      args: ['lr-find', '--min-lr', '1', '--max-lr', '0.1'],
    },
    {
      title: 'lr-find: rates too far apart',
      error,
      text: "error: option '--min-lr': it is too far below --max-lr, 1e+300: the ratio of the two must be a finite number, got 1e-320",
      args: [
        'lr-find',
        '--min-lr',
        '1e-320',
        '--max-lr',
        '1e300',
        '--limit-train',
        '8',
        '--batch-size',
        '8',
        '--steps',
        '2',
      ],
    },
    {
      title: 'lr-find: a figure in no folder',
      error,
      text: "error: option '--svg': there is no folder '/nowhere'",
      args: ['lr-find', '--svg', '/nowhere/rates.svg'],
    },
    {
      title: 'plot-schedule: a figure in no folder',
      error,
      text: "error: option '--svg': there is no folder '/no/folder'",
      args: ['plot-schedule', 'constant', '--svg', '/no/folder/rates.svg'],
    },
    {
      title: 'plot-schedule: a figure without a name',
      error,
      text: "error: option '--svg': the name of a file is needed",
      args: ['plot-schedule', 'constant', '--svg', ''],
    },
    {
      title: 'plot-schedule, lr-find, tune: a file that can not be made',
      error,
      text: "error: option '--svg': <file> can't be written (ENAMETOOLONG); choose another file",
      varies: { '<file>': /r{252}/ },
      cure: 'In brackets is what the system says: EACCES, that the folder lets no file be made; EROFS, that its disk is read only.',
      args: ['plot-schedule', 'constant', '--svg', 'r'.repeat(252)],
    },
    {
      title: 'lr-find: a figure that is a folder',
      error,
      text: "error: option '--svg': / is not a regular file",
      args: ['lr-find', '--svg', '/'],
    },
    {
      title: 'sweep: a folder that is none',
      error,
      text: "error: option '--out': /dev/null can't be written (ENOTDIR); choose another folder",
      args: ['sweep', '--grid', 'lr=0.1,0.3', '--out', '/dev/null'],
    },
    {
      title: 'sweep: the list of a folder that is none',
      error,
      text: "error: option '--out': /dev/null/sweep can't be written (ENOTDIR); choose another folder",
      args: ['sweep', '--grid', 'lr=0.1,0.3', '--list', '--out', '/dev/null/sweep'],
    },
    {
      title: 'sweep: no grid',
      error,
      text: "error: option '--grid': a sweep needs one or more, such as --grid lr=0.1,0.3",
      args: ['sweep'],
    },
    { title: 'sweep: an axis without values', ...grid('lr', "expected '=' after the name of an option", 2) },
    { title: 'sweep: an axis without a name', ...grid('=0.1', 'expected the name of an option', 0) },
    { title: 'sweep: an option that no grid varies', ...grid('out=a,b', "'out' can't be varied", 0) },
    { title: 'sweep: a value that is missing', ...grid('lr=0.1,,0.3', 'lr: a value is missing', 7) },
    {
      title: 'sweep: a value that the option does not take',
      ...grid('lr=0.1,fast', "lr: 'fast' is invalid. It must be a decimal number, 0 or more.", 7),
    },
    { title: 'sweep: a value twice', ...grid('lr=0.1,0.3,0.10', 'lr: 0.1 is given twice', 11) },
    {
      title: 'sweep: a bracket that is not closed',
      ...grid('schedule=cosine(5|constant', "'(' is never closed", 15),
    },
    {
      title: 'sweep: a bracket that is not opened',
      ...grid('schedule=cosine(5))', "')' was never opened", 18),
    },
    {
      title: 'sweep: brackets that do not belong together',
      ...grid('schedule=multiStep(0.5, [15)', "'[' is closed by ')'", 27),
    },
    {
      title: 'sweep: a schedule with a mistake',
      error,
      text: "error: option '--grid': schedule: cosine: maxUpdate must be an integer ≥ 1, got 0\n  cosine(0)\n         ^\nit is cosine(maxUpdate, baseLr=0.01, finalLr=0, warmupSteps=0, warmupBeginLr=0)",
      args: ['sweep', '--grid', 'schedule=constant|cosine(0)'],
    },
    {
      title: 'sweep: an option that is varied twice',
      error,
      text: "error: option '--grid': lr is varied twice; give all of its values at once",
      args: ['sweep', '--grid', 'lr=0.1', '--grid', 'lr=0.3'],
    },
    {
      title: 'sweep: more points than anyone waits for',
      error,
      text: "error: option '--grid': the grid has 10201 points, but may have at most 10000",
      args: ['sweep', ...['seed', 'epochs'].flatMap((name) => ['--grid', `${name}=${HUNDRED_AND_ONE}`])],
    },
    {
      title: 'sweep: the points of axes of one name',
      error: 'RangeError',
      text: 'lr is varied twice; give all of its values at once',
      run: () => pointsOf(['lr', 'lr'].map((name) => ({ name, values: [1] }))),
    },
    {
      title: 'sweep: the points of long axes',
      error: 'RangeError',
      text: 'the grid has 20000 points, but may have at most 10000',
      run: () => pointsOf([{ name: 'seed', values: new Array<number>(20_000).fill(1) }]),
    },
    {
      title: 'sweep: an option that is varied and given',
      error,
      text: "error: option '--lr': --grid varies it; give it in only one of the two",
      args: ['sweep', '--grid', 'lr=0.1,0.3', '--lr', '0.2'],
    },
    {
      title: 'sweep: a point that there is not',
      error,
      text: "error: option '--index': it must be a whole number from 0 to 1, not 2",
      cure: 'Points are counted from 0: --list prints them.',
      args: ['sweep', '--grid', 'lr=0.1,0.3', '--index', '2'],
    },
    {
      title: 'sweep: an index that is to come from the environment, and is not there',
      error,
      text: "error: option '--index': neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set",
      cure: 'Run it as a task of an array, or give the number.',
      args: ['sweep', '--grid', 'lr=0.1,0.3', '--index', 'env'],
    },
    {
      title: 'sweep: a point that another process has',
      error: 'HeldError',
      text: '<folder> is in use by process <number> on <host> since <time>Z',
      cure: 'With --no-wait it is left alone, exit code 75; without, the sweep waits for that process.',
      varies: { '<folder>': PATH, '<number>': COUNT, '<host>': /\S+/, '<time>': /\S+/ },
      pinnedBy: 'test/cli/sweep.test.ts',
    },
    {
      title: 'sweep: a result that is damaged',
      error: 'DataError',
      text: '<folder>/result.json: damaged; remove it to continue the run from its newest checkpoint, or remove its folder to start the run again',
      varies: { '<folder>': PATH },
      run: async ({ folder }) => {
        await writeFile(join(folder, 'result.json'), '{')
        await resultOf(folder, {})
      },
    },
    {
      title: 'sweep: a result of another run',
      error: 'DataError',
      text: '<folder>/result.json: it belongs to another run: its lr is 0.3, not 0.1; choose another --out',
      varies: { '<folder>': PATH },
      run: async ({ folder }) => {
        await mkdir(folder, { recursive: true })
        const result = { trainLoss: 1, trainAcc: 1, testAcc: 1, seed: 0, options: { lr: 0.3 } }
        await writeFile(join(folder, 'result.json'), JSON.stringify(result))
        await resultOf(folder, { seed: 0, lr: 0.1 })
      },
    },
  ],
}
