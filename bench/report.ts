// What all benchmarks share in reporting: conditions, tables, JSON files and common options.
import { execFileSync } from 'node:child_process'
import { accessSync, constants, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import process from 'node:process'
import { Command, CommanderError, Option } from 'commander'
import { surviveClosedPipe } from '../src/cli/closed_pipe.ts'
import { UsageError, wholeNumber } from '../src/cli/options.ts'
import type { Gpu } from '../src/gpu/gpu.ts'
import { GpuError } from '../src/index.ts'
import { packageVersion } from '../src/node/version.ts'
import type { Peak } from './peak.ts'
import type { Case } from './support.ts'
import type { Fence, Timing } from './timing.ts'

/** Where and when numbers were measured, and how: the head of every record. */
export interface Environment {
  readonly adapter: string
  readonly vendor: string
  readonly architecture: string
  readonly driver: string
  readonly adapterClass: 'cpu' | 'gpu'
  readonly version: string
  readonly commit: string | null
  readonly node: string
  readonly date: string
  /** 'timestamps' of the device, or the 'wall' clock. */
  readonly clock: 'timestamps' | 'wall'
  readonly method: string
  readonly fenceMs: number
}

export interface Row extends Timing {
  readonly name: string
  readonly direction: Case['direction']
  readonly shape: string
  /** From the median; null for a kernel without arithmetic. */
  readonly gflops: number | null
  readonly gbs: number
  /** The part of the adapter's peak that it reaches: of the arithmetic or of the bandwidth, whichever is more. */
  readonly share: number
  readonly bound: 'arithmetic' | 'bandwidth'
}

const METHODS = {
  timestamps: "the device's own clock, summed over the compute passes of a sample of several executions",
  wall: 'wall clock between two fences, each a read-back of 4 bytes; recording in JavaScript and one fence a sample included',
}

export function environment(gpu: Gpu, fence: Fence, clock: Environment['clock'] = 'wall'): Environment {
  const { name, vendor, architecture, description, adapterClass } = gpu.info
  return {
    adapter: name,
    vendor,
    architecture,
    driver: description,
    adapterClass,
    version: packageVersion(),
    commit: commit(),
    node: process.version,
    date: new Date().toISOString(),
    clock,
    method: METHODS[clock],
    fenceMs: fence.ms,
  }
}

/** The commit, with `-dirty` where files differ from it; null outside of a repository. */
function commit(): string | null {
  try {
    const cwd = import.meta.dirname
    return execFileSync('git', ['describe', '--always', '--dirty', '--exclude=*'], {
      cwd,
      encoding: 'utf8',
      stdio: 'pipe',
    }).trim()
  } catch {
    return null // an unpacked archive, or no git
  }
}

/** What is measured, and on what: the first lines of every benchmark. */
export function shortHeading(env: Environment): string {
  const build = env.commit === null ? env.version : `${env.version} (${env.commit})`
  return `dawngrad ${build}, Node ${env.node.slice(1)}, adapter class ${env.adapterClass}:\n${env.adapter}`
}

/** The lines above a table. */
export function heading(env: Environment): string {
  if (env.clock === 'timestamps') {
    return [
      shortHeading(env),
      "By the device's own clock: the compute passes of a sample, which holds as many executions as fill 10 ms.",
    ].join('\n')
  }
  return [
    shortHeading(env),
    'Wall clock between two fences, each a read-back of 4 bytes. A sample holds as many executions as fill',
    `10 ms, their recording in JavaScript, and one fence: ${env.fenceMs.toFixed(2)} ms alone, not subtracted.`,
  ].join('\n')
}

const COLUMNS = [
  ['kernel', 24],
  ['direction', 10],
  ['shape', 37],
] as const
const NUMBERS = [
  ['min ms', 9],
  ['median ms', 10],
  ['GFLOP/s', 9],
  ['GB/s', 8],
  ['of peak', 9],
] as const

export const tableHead = line(
  COLUMNS.map(([title]) => title),
  NUMBERS.map(([title]) => title),
)

/** A line of the table. A star marks a row whose wall time is mostly the recording. */
export function tableRow(row: Row): string {
  const rates = [row.gflops, row.gbs].map((rate) => (rate === null ? '-' : digits(rate)))
  const share = `${(100 * row.share).toFixed(0)} % ${row.bound[0]}`
  const star = row.recordMs > row.wallMs / 2 ? ' *' : ''
  return line([row.name, row.direction, row.shape], [digits(row.minMs), digits(row.medianMs), ...rates, share]) + star
}

const STARS = {
  timestamps: '* in a program it takes longer: more than half of the wall time went into recording in JavaScript',
  wall: '* more than half of the time went into recording in JavaScript: the kernel itself is faster',
}

/** The lines below a table. */
export function legend(rows: readonly Row[], env: Environment, peak: Peak): string {
  const stars = rows.some((row) => tableRow(row).endsWith('*')) ? [STARS[env.clock]] : []
  return [
    ...stars,
    `of peak: of ${digits(peak.gflops)} GFLOP/s (a) or of ${digits(peak.gbs)} GB/s (b), which this adapter reached in this run`,
    'in multiply-adds without loads and in a copy of 64 MiB; above 100 % where the data lies in caches.',
  ].join('\n')
}

function line(texts: readonly string[], numbers: readonly string[]): string {
  return (
    texts.map((text, i) => text.padEnd(COLUMNS[i]![1])).join('') +
    numbers.map((number, i) => number.padStart(NUMBERS[i]![1])).join('')
  )
}

/** Three digits, or the whole number where it has more. */
export function digits(value: number): string {
  if (value >= 100) return value.toFixed(0)
  return value.toFixed(value >= 10 ? 1 : value >= 1 ? 2 : 3)
}

export function rowOf(
  { name, direction, shape }: Case,
  { flops, bytes }: { flops: number; bytes: number },
  timing: Timing,
  peak: Peak,
): Row {
  const perSecond = 1e6 * timing.medianMs // ms · 1e-3 s · 1e9 a giga
  const [gflops, gbs] = [flops / perSecond, bytes / perSecond]
  const [arithmetic, bandwidth] = [gflops / peak.gflops, gbs / peak.gbs]
  const bound = arithmetic > bandwidth ? 'arithmetic' : 'bandwidth'
  const share = Math.max(arithmetic, bandwidth)
  return { name, direction, shape, ...timing, gflops: flops === 0 ? null : gflops, gbs, share, bound }
}

/** Options that all benchmarks take. */
export interface CommonOptions {
  readonly runs: number
  readonly json?: string
}

export function command(name: string, description: string, defaultRuns = 20): Command {
  return new Command(name)
    .description(description)
    .addOption(new Option('--runs <n>', 'timed samples of each row').argParser(wholeNumber(1)).default(defaultRuns))
    .addOption(new Option('--json <file>', 'write the rows and where they were measured to a file'))
}

/** Throws UsageError where the file could not be written at the end of the run. */
export function checkJson(path: string | undefined): void {
  if (path === undefined) return
  try {
    accessSync(dirname(resolve(path)), constants.W_OK)
  } catch {
    throw new UsageError(`option '--json': the folder of ${path} does not exist or can't be written`)
  }
}

export function writeJson(path: string | undefined, record: object): void {
  if (path !== undefined) writeFileSync(path, `${JSON.stringify(record, null, 2)}\n`)
}

/** Runs a command line; one line on stderr and exit code 2 for what can't be asked, 1 for what failed. */
export async function main(program: Command, args: readonly string[]): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) surviveClosedPipe(stream)
  program.exitOverride().configureOutput({
    outputError: (text, write) => write(`${text.trim().replace(/\s*\n\s*/g, ' ')}\n`),
  })
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
    else if (error instanceof UsageError || error instanceof GpuError) {
      process.stderr.write(`error: ${error.message}\n`)
      process.exitCode = error instanceof UsageError ? 2 : 1
    } else {
      process.stderr.write(`error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
      process.exitCode = 1
    }
  }
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
