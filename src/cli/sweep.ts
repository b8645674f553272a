import { existsSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { Command, Option } from 'commander'
import { DataError } from '../index.ts'
import { loadFashionMnist } from '../node/index.ts'
import { refusal } from '../node/run_folder.ts'
import { type Axis, describePoint, nameOf, type Point, parseAxis, pointsOf } from '../node/sweep_grid.ts'
import { alone, HeldError, hasEnded, makeSweepFolder, noteDivergence } from '../node/sweep_point.ts'
import { DivergedError } from '../train/index.ts'
import { checkOptimizer, withRate } from './optimizer.ts'
import { pointing, ratesOf, UsageError, wholeNumber } from './options.ts'
import { checkedState, EXIT_HELD, runAll, show } from './sweep_all.ts'
import { trainCommand } from './train.ts'
import { DECIDING, recorded, SAVING, type TrainOptions } from './train_options.ts'

/** One run of a sweep. */
export interface SweepPoint {
  readonly index: number
  readonly point: Point
  readonly options: TrainOptions
  readonly folder: string
}

/** Runs that are made by one command, in a folder of their own. */
export interface Sweep {
  readonly out: string
  readonly points: readonly SweepPoint[]
}

/** What may be asked of a sweep, besides all of it. */
export interface Asked {
  readonly jobs: number
  readonly index?: number | 'env'
  readonly wait: boolean
  readonly list?: boolean
  readonly quiet?: boolean
}

interface Given extends TrainOptions, Asked {
  readonly grid: readonly string[]
  readonly out: string
}

/** What Slurm and Kubernetes call the number of a task in an array of jobs. */
const INDEX_VARIABLES = ['SLURM_ARRAY_TASK_ID', 'JOB_COMPLETION_INDEX']

const parseIndex = (text: string) => (text === 'env' ? 'env' : wholeNumber(0)(text))
const collect = (text: string, before: readonly string[]) => [...before, text]

/** The options that `Asked` has. */
export const ASKED: readonly Option[] = [
  new Option('--jobs <n>', 'runs at a time').argParser(wholeNumber(1)).default(1),
  new Option('--list', 'print the points and how far they are, and run none').conflicts('index'),
  new Option('--index <n>', `run this point alone, counted from 0; env: that of ${INDEX_VARIABLES.join(' or ')}`)
    .argParser(parseIndex)
    .conflicts('list'),
  new Option('--no-wait', `with --index: leave a point alone that another process has, exit code ${EXIT_HELD}`),
  new Option('--quiet', 'with --index: print the last lines only'),
]

/** `dawngrad sweep`. `load` gives the data. */
export function sweepCommand(load = loadFashionMnist): Command {
  const command = new Command('sweep').description('run `train` at every point of a grid of its options')
  command
    .addOption(
      new Option('--grid <axis>', "an option and its values, such as lr=0.1,0.3 or 'schedule=cosine(5)|constant'")
        .argParser(collect)
        .default([], 'none'),
    )
    .addOption(new Option('--out <dir>', 'folder of the runs; those finished in it are not run again').default('sweep'))
  for (const option of [...ASKED, ...DECIDING, ...SAVING]) command.addOption(option)
  return command.action(async (given: Given) => {
    const { axes, ...sweep } = sweepOf(command, given)
    await runSweep(sweep, given, load, () => show(sweep, axes))
  })
}

/** Does what is asked of a sweep. `end` follows when all of its points have been run, or have been tried. */
export async function runSweep(
  sweep: Sweep,
  asked: Asked,
  load: typeof loadFashionMnist,
  end: () => Promise<void>,
): Promise<void> {
  const { index, list, jobs } = asked
  // What is there may be looked at, though nothing may be written.
  const problem = list && existsSync(`${sweep.out}/.`) ? null : refusal(sweep.out)
  if (problem !== null) throw new UsageError(`option '--out': ${problem}`)
  if (list) for (const point of sweep.points) process.stdout.write(await listed(point))
  else if (index !== undefined) await runPoint(sweep, sweep.points[checkIndex(sweep, index)]!, asked, load)
  else await runAll(sweep, jobs, end)
}

/** Throws UsageError where the grid has a mistake, or options do not fit each other. */
function sweepOf(command: Command, { grid, out, ...given }: Given): Sweep & { readonly axes: readonly Axis[] } {
  if (grid.length === 0) throw new UsageError("option '--grid': a sweep needs one or more, such as --grid lr=0.1,0.3")
  const named = new Map(DECIDING.map((option) => [option.long!.slice(2), option]))
  const options = [...named].map(([name, { parseArg }]) => {
    return { name, parse: (text: string) => (parseArg ? parseArg(text, undefined) : text) as string | number }
  })
  const axes = grid.map((text) => pointing("option '--grid'", () => parseAxis(text, options)))
  for (const { name } of axes) {
    if (command.getOptionValueSource(named.get(name)!.attributeName()) !== 'cli') continue
    throw new UsageError(`option '--${name}': --grid varies it; give it in one of the two`)
  }
  const defaults = Object.fromEntries(DECIDING.map((one) => [one.attributeName(), one.defaultValue ?? null]))
  const points = pointsIn(axes).map((point, index): SweepPoint => {
    const varied = [...point].map(([name, value]) => [named.get(name)!.attributeName(), value] as const)
    const isGiven = point.has('lr') || command.getOptionValueSource('lr') === 'cli'
    const options: TrainOptions = withRate({ ...given, ...Object.fromEntries(varied) }, isGiven)
    checkRates(options, point)
    return { index, point, options, folder: join(out, nameOf(recorded(options, DECIDING), defaults)) }
  })
  return { out, axes, points }
}

function pointsIn(axes: readonly Axis[]): Point[] {
  try {
    return pointsOf(axes)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new UsageError(`option '--grid': ${error.message}`)
  }
}

/** What is wrong with a schedule, a plateau or a momentum, said of the option that it stands in. */
function checkRates(options: TrainOptions, point: Point): void {
  try {
    checkOptimizer(options, ratesOf(options).schedule)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    const of = (name: string) => (point.has(name) ? `option '--grid': ${name}` : `option '--${name}'`)
    throw new UsageError(
      error.message.replace(/^option '--(schedule|plateau|momentum)'/, (_, name: string) => of(name)),
    )
  }
}

async function listed(one: SweepPoint): Promise<string> {
  const state = await checkedState(one).catch((error: unknown) => {
    if (!(error instanceof DataError)) throw error
    return 'unusable'
  })
  return `${String(one.index).padStart(4)}  ${one.folder}  ${state.padEnd(9)}  ${describePoint(one.point)}\n`
}

/** The number of a point, from the option or the environment. Throws UsageError where there is no such point. */
function checkIndex({ points }: Sweep, given: number | 'env', env: NodeJS.ProcessEnv = process.env): number {
  const name = INDEX_VARIABLES.find((variable) => (env[variable] ?? '') !== '')
  if (given === 'env' && name === undefined) {
    throw new UsageError(`option '--index': neither ${INDEX_VARIABLES.join(' nor ')} is set`)
  }
  const text = given === 'env' ? env[name!]! : String(given)
  const index = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (index < points.length) return index
  const what = given === 'env' ? `${name} is '${text}', it` : 'it'
  throw new UsageError(`option '--index': ${what} must be a whole number from 0 to ${points.length - 1}, not ${text}`)
}

/** Trains one point in this process, unless it has ended; half done, it goes on. */
async function runPoint(
  { out }: Sweep,
  one: SweepPoint,
  { wait, quiet }: Asked,
  load: typeof loadFashionMnist,
): Promise<void> {
  const { folder, options, point } = one
  await makeSweepFolder(out)
  const train = async () => {
    const state = await checkedState(one)
    if (!quiet) process.stdout.write(`${describePoint(point)}: ${state}, in ${folder}\n`)
    if (hasEnded(state)) return
    const flags = [...DECIDING, ...SAVING].flatMap((one) => {
      const value = options[one.attributeName() as keyof TrainOptions]
      return value === undefined ? [] : [`${one.long}=${value}`]
    })
    const where = state === 'half done' ? '--resume' : '--out'
    try {
      await trainCommand(load).parseAsync([where, folder, ...flags, ...(quiet ? ['--quiet'] : [])], { from: 'user' })
    } catch (error) {
      if (!(error instanceof DivergedError)) throw error
      await noteDivergence(folder, error)
      if (!quiet) process.stdout.write(`diverged: ${error.message}\n`)
    }
  }
  try {
    await alone(folder, train, { wait, notice: (line) => process.stderr.write(`${line}\n`) })
  } catch (error) {
    if (!(error instanceof HeldError)) throw error
    if (!quiet) process.stderr.write(`${error.message}\n`)
    process.exitCode = EXIT_HELD
  }
}
