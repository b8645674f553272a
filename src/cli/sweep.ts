// `dawngrad sweep`: its options, one point of a grid in this process, or all of them in processes of their own.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { Command, Option } from 'commander'
import { drawFigure } from '../figures/svg.ts'
import { drawText } from '../figures/text.ts'
import { DataError } from '../index.ts'
import { writeWhole } from '../node/files.ts'
import { HeldError, type HeldFolder, holdFolder } from '../node/held_folder.ts'
import { loadFashionMnist } from '../node/index.ts'
import { refusal } from '../node/run_folder.ts'
import { type Axis, describePoint, nameOf, type Point, parseAxis, pointsOf } from '../node/sweep_grid.ts'
import { hasEnded, makeSweepFolder, noteDivergence, type PointState, resultOf, stateOf } from '../node/sweep_point.ts'
import { groupsOf, type Outcome, sweepFigure, tableLines } from '../node/sweep_table.ts'
import { isNoise } from '../provision/probe.ts'
import { DivergedError } from '../train/index.ts'
import { checkOptimizer, withDefaults } from './optimizer.ts'
import { checkOwnRate, pointing, ratesOf, UsageError, wholeNumber } from './options.ts'
import { exitCodeOf } from './signals.ts'
import { trainCommand } from './train.ts'
import { DECIDING, recorded, SAVING, type TrainOptions } from './train_options.ts'

/** EX_TEMPFAIL of sysexits.h: another process has the point. */
const EXIT_HELD = 75

/** One run of a sweep. */
export interface SweepPoint {
  readonly index: number
  readonly point: Point
  readonly options: TrainOptions
  readonly folder: string
}

/** The runs of one command, in one folder. */
export interface Sweep {
  readonly out: string
  readonly points: readonly SweepPoint[]
}

/** Options that select what a sweep does. */
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

/** The variables in which Slurm and Kubernetes give the number of a task. */
const INDEX_VARIABLES = ['SLURM_ARRAY_TASK_ID', 'JOB_COMPLETION_INDEX']

const parseIndex = (text: string) => (text === 'env' ? 'env' : wholeNumber(0)(text))
const collect = (text: string, before: readonly string[]) => [...before, text]

/** The options that `Asked` has. */
export const ASKED: readonly Option[] = [
  new Option('--jobs <n>', 'runs at a time').argParser(wholeNumber(1)).default(1),
  new Option('--list', 'print the points and their state; run nothing').conflicts('index'),
  new Option('--index <n>', `run only this point, counted from 0; env: take it from ${INDEX_VARIABLES.join(' or ')}`)
    .argParser(parseIndex)
    .conflicts('list'),
  new Option('--no-wait', `with --index: skip a point that another process is running, exit code ${EXIT_HELD}`),
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
    .addOption(new Option('--out <dir>', 'folder for the runs; finished runs in it are not run again').default('sweep'))
  for (const option of [...ASKED, ...DECIDING, ...SAVING]) command.addOption(option)
  return command.action(async (given: Given) => {
    const { axes, ...sweep } = sweepOf(command, given)
    await runSweep(sweep, given, load, () => show(sweep, axes))
  })
}

/** Does what is asked of a sweep. Calls `end` when all points have been run or tried. */
export async function runSweep(
  sweep: Sweep,
  asked: Asked,
  load: typeof loadFashionMnist,
  end: () => Promise<void>,
): Promise<void> {
  const { index, list, jobs } = asked
  // Listing an existing folder needs no permission to write.
  const problem = list && existsSync(`${sweep.out}/.`) ? null : refusal(sweep.out)
  if (problem !== null) throw new UsageError(`option '--out': ${problem}`)
  if (list) for (const point of sweep.points) process.stdout.write(await listed(point))
  else if (index !== undefined) await runPoint(sweep, sweep.points[checkIndex(sweep, index)]!, asked, load)
  else await runAll(sweep, jobs, end)
}

/** The sweep that the options describe. Throws UsageError for a mistake in the grid, or options that do not fit together. */
function sweepOf(command: Command, { grid, out, ...given }: Given): Sweep & { readonly axes: readonly Axis[] } {
  if (grid.length === 0) throw new UsageError("option '--grid': a sweep needs one or more, such as --grid lr=0.1,0.3")
  const named = new Map(DECIDING.map((option) => [option.long!.slice(2), option]))
  const options = [...named].map(([name, { parseArg }]) => {
    return { name, parse: (text: string) => (parseArg ? parseArg(text, undefined) : text) as string | number }
  })
  const axes = grid.map((text) => pointing("option '--grid'", () => parseAxis(text, options)))
  for (const { name } of axes) {
    if (command.getOptionValueSource(named.get(name)!.attributeName()) !== 'cli') continue
    throw new UsageError(`option '--${name}': --grid varies it; give it in only one of the two`)
  }
  const defaults = Object.fromEntries(DECIDING.map((one) => [one.attributeName(), one.defaultValue ?? null]))
  const points = pointsIn(axes).map((point, index): SweepPoint => {
    const varied = [...point].map(([name, value]) => [named.get(name)!.attributeName(), value] as const)
    const isGiven = (name: string) => point.has(name) || command.getOptionValueSource(name) === 'cli'
    const options: TrainOptions = withDefaults({ ...given, ...Object.fromEntries(varied) }, isGiven)
    checkRates(options, point, isGiven)
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

/** Throws UsageError for a wrong schedule, plateau or momentum, and names the option that contains it. */
function checkRates(options: TrainOptions, point: Point, isGiven: (name: string) => boolean): void {
  try {
    checkOptimizer(options, ratesOf(options).schedule)
    checkOwnRate(options, isGiven)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    const of = (name: string) => (point.has(name) ? `option '--grid': ${name}` : `option '--${name}'`)
    throw new UsageError(
      error.message.replace(/^option '--(schedule|plateau|momentum|lr)'/, (_, name: string) => of(name)),
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

/** The number of a point, from the option or the environment. Throws UsageError if there is no such point. */
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

/** Trains one point in this process, unless it has ended; continues it if it is half done. */
async function runPoint(
  { out }: Sweep,
  one: SweepPoint,
  { wait, quiet }: Asked,
  load: typeof loadFashionMnist,
): Promise<void> {
  const { folder, options, point } = one
  await makeSweepFolder(out)
  const train = async (held: HeldFolder) => {
    const state = await checkedState(one)
    if (!quiet) process.stdout.write(`${describePoint(point)}: ${state}, in ${folder}\n`)
    if (hasEnded(state)) return
    const flags = [...DECIDING, ...SAVING].flatMap((one) => {
      const value = options[one.attributeName() as keyof TrainOptions]
      return value === undefined ? [] : [`${one.long}=${value}`]
    })
    const where = state === 'half done' ? '--resume' : '--out'
    try {
      await trainCommand(load, held).parseAsync([where, folder, ...flags, ...(quiet ? ['--quiet'] : [])], {
        from: 'user',
      })
    } catch (error) {
      if (!(error instanceof DivergedError)) throw error
      await noteDivergence(folder, error)
      if (!quiet) process.stdout.write(`diverged: ${error.message}\n`)
    }
  }
  let held: HeldFolder
  try {
    held = await holdFolder(folder, wait ? (line) => process.stderr.write(`${line}\n`) : undefined)
  } catch (error) {
    if (!(error instanceof HeldError)) throw error
    if (!quiet) process.stderr.write(`${error.message}\n`)
    process.exitCode = EXIT_HELD
    return
  }
  try {
    await train(held)
  } finally {
    await held.release()
  }
}

type StopSignal = Parameters<typeof exitCodeOf>[0]

/** How the process of a point ended. */
type End = number | NodeJS.Signals

/**
 * Runs every point that has not ended in a separate process, `jobs` at a time, then those that other processes had; then
 * calls `then`. Signals are passed on: `train` saves, and the sweep ends.
 */
async function runAll({ out, points }: Sweep, jobs: number, then: () => Promise<void>): Promise<void> {
  const { stdout } = process
  await makeSweepFolder(out)
  // Report unusable results before hours of training, not after.
  const states = await Promise.all(points.map(checkedState))
  const queue = points.filter((_, i) => !hasEnded(states[i]!))
  const count = (end: PointState) => states.filter((state) => state === end).length
  const lost = count('diverged') > 0 ? `, ${count('diverged')} diverged` : ''
  stdout.write(`${points.length} points in ${out}, ${count('finished')} of them finished before${lost}\n`)
  const children = new Children()
  const held: SweepPoint[] = []
  let failed = 0
  const work = async (queue: SweepPoint[], wait: boolean) => {
    for (let one = queue.shift(); one && children.stopped === null; one = queue.shift()) {
      const end = await children.run(['--index', String(one.index), '--quiet', ...(wait ? [] : ['--no-wait'])])
      if (children.stopped !== null) return
      if (end === EXIT_HELD && !wait) {
        held.push(one)
        continue
      }
      if (end !== 0) failed++
      stdout.write(`${await lineOf(one, end)}\n`)
    }
  }
  const workers = (queue: SweepPoint[], wait: boolean) =>
    Promise.all(Array.from({ length: Math.min(jobs, queue.length) }, () => work(queue, wait)))
  try {
    await workers(queue, false)
    await workers(held.slice(), true)
  } finally {
    children.release()
  }
  if (children.stopped !== null) {
    stdout.write(`stopped by ${children.stopped}; the same command continues\n`)
    process.exitCode = exitCodeOf(children.stopped)
    return
  }
  await then()
  if (failed > 0) {
    stdout.write(`${failed} of ${points.length} points failed; the same command tries them again\n`)
    process.exitCode = 1
  }
}

/** The child processes of a sweep: this command again, for one point each. */
class Children {
  readonly #running = new Set<ReturnType<typeof spawn>>()
  /** The first signal that came. */
  stopped: StopSignal | null = null

  constructor() {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, this.#onSignal)
  }

  release(): void {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, this.#onSignal)
  }

  /** Runs this command with further arguments. It shows warnings, except those of every process, and no progress. */
  run(args: readonly string[]): Promise<End> {
    const command = [...process.execArgv, process.argv[1]!, ...process.argv.slice(2), ...args]
    const child = spawn(process.execPath, command, { stdio: ['ignore', 'ignore', 'pipe'] })
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (!isNoise(line)) process.stderr.write(`${line}\n`)
    })
    this.#running.add(child)
    return new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, signal) => {
        this.#running.delete(child)
        resolve(code ?? signal ?? 1)
      })
    })
  }

  /** Children of a terminal have already received the signal, and treat it as the same one. */
  readonly #onSignal = (signal: NodeJS.Signals) => {
    this.stopped ??= signal as StopSignal
    for (const child of this.#running) child.kill(signal)
  }
}

/** The result of a point; null if there is none yet. Throws DataError if it is damaged, or of other options. */
const resultAt = ({ folder, options }: SweepPoint) => resultOf(folder, recorded(options, DECIDING))

/** The state of a point. Throws DataError if its result is damaged, or of other options. */
async function checkedState(point: SweepPoint): Promise<PointState> {
  return (await resultAt(point)) ? 'finished' : stateOf(point.folder)
}

async function lineOf(one: SweepPoint, end: End): Promise<string> {
  const name = `${one.index}  ${describePoint(one.point)}:`
  const result = end === 0 ? await resultAt(one) : null
  if (result) return `${name} test acc ${result.testAcc.toFixed(3)}, train loss ${result.trainLoss.toFixed(3)}`
  if (end === 0 && stateOf(one.folder) === 'diverged') return `${name} diverged`
  return `${name} failed (${typeof end === 'number' ? `exit code ${end}` : end})`
}

/** Prints the table and the figure, and writes both into the folder. */
async function show({ out, points }: Sweep, axes: readonly Axis[]): Promise<void> {
  const outcomes: Outcome[] = []
  for (const one of points) {
    const { point, folder } = one
    outcomes.push({ point, folder, result: await resultAt(one), diverged: stateOf(folder) === 'diverged' })
  }
  const groups = groupsOf(outcomes)
  const { stdout } = process
  stdout.write(`${tableLines(groups).join('\n')}\n`)
  const rows = outcomes.map(({ point, folder, result, diverged }) => {
    const { trainLoss, trainAcc, testAcc } = result ?? { trainLoss: null, trainAcc: null, testAcc: null }
    return { ...Object.fromEntries(point), folder, trainLoss, trainAcc, testAcc, ...(diverged && { diverged }) }
  })
  await writeWhole(join(out, 'sweep.json'), `${JSON.stringify(rows, null, 2)}\n`)
  const figure = sweepFigure(groups, axes)
  if (!figure) return
  await writeWhole(join(out, 'sweep.svg'), drawFigure(figure))
  const { columns = 80, isTTY } = stdout
  const color = isTTY && (process.env.NO_COLOR ?? '') === '' && stdout.hasColors()
  const notes = (figure.notes ?? []).map((note) => `${note}\n`).join('')
  stdout.write(`${drawText(figure, { columns, color })}${notes}table and figure in ${join(out, 'sweep.{json,svg}')}\n`)
}
