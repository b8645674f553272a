import { spawn } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { drawFigure } from '../figures/svg.ts'
import { drawText } from '../figures/text.ts'
import { writeWhole } from '../node/files.ts'
import { type Axis, describePoint } from '../node/sweep_grid.ts'
import { hasEnded, makeSweepFolder, type PointState, resultOf, stateOf } from '../node/sweep_point.ts'
import { groupsOf, type Outcome, sweepFigure, tableLines } from '../node/sweep_table.ts'
import { isNoise } from '../provision/probe.ts'
import { exitCodeOf } from './signals.ts'
import type { Sweep, SweepPoint } from './sweep.ts'
import { DECIDING, recorded } from './train_options.ts'

/** EX_TEMPFAIL of sysexits.h: another process has the point. */
export const EXIT_HELD = 75

type StopSignal = Parameters<typeof exitCodeOf>[0]

/** How the process of a point ended. */
type End = number | NodeJS.Signals

/**
 * Runs every point that has not ended in a process of its own, `jobs` at a time, then those that other processes had;
 * then does what is to follow. Signals are passed on: `train` saves, and the sweep ends.
 */
export async function runAll({ out, points }: Sweep, jobs: number, then: () => Promise<void>): Promise<void> {
  const { stdout } = process
  await makeSweepFolder(out)
  // What can't be used is said before hours of training, not after.
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
    Promise.all(Array.from({ length: jobs }, () => work(queue, wait)))
  try {
    await workers(queue, false)
    await workers(held.slice(), true)
  } finally {
    children.release()
  }
  if (children.stopped !== null) {
    stdout.write(`stopped by ${children.stopped}; the same command goes on\n`)
    process.exitCode = exitCodeOf(children.stopped)
    return
  }
  await then()
  if (failed > 0) {
    stdout.write(`${failed} of ${points.length} points failed; the same command tries them again\n`)
    process.exitCode = 1
  }
}

/** The processes of a sweep: this command again, for one point. */
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

  /** Runs this command with arguments more. Warnings are shown, but for what every process says; progress is not. */
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

  /** From a terminal they have it already, and take it for the same. */
  readonly #onSignal = (signal: NodeJS.Signals) => {
    this.stopped ??= signal as StopSignal
    for (const child of this.#running) child.kill(signal)
  }
}

/** The result of a point; null where there is none yet. Throws DataError where it is damaged, or of other options. */
const resultAt = ({ folder, options }: SweepPoint) => resultOf(folder, recorded(options, DECIDING))

/** How far a point has come. Throws DataError where its result is damaged, or of other options. */
export async function checkedState(point: SweepPoint): Promise<PointState> {
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
export async function show({ out, points }: Sweep, axes: readonly Axis[]): Promise<void> {
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
