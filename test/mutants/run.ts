// Runs the mutants. `npm run test:mutants -- --help` lists the options.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { Command, InvalidArgumentError } from 'commander'
import { open } from '../../src/node/index.ts'
import { Copy, root } from './copy.ts'
import type { Area, Mutant } from './mutant.ts'
import { duration, type Listed, report, summary } from './report.ts'
import { type Outcome, State } from './state.ts'
import { areas } from './table.ts'
import { LIMIT_SECONDS, runTests, stop, type Trial } from './trial.ts'

interface Options {
  readonly filter: string
  readonly list?: boolean
  readonly resume?: boolean
  readonly for?: number
  readonly report?: string | true
}

const program = new Command('test:mutants')
  .description('put small faults into a copy of the sources, one at a time, and see whether the tests notice')
  .option('--filter <text>', "only mutants whose 'id file area' contains this", '')
  .option('--list', 'list them and run nothing')
  .option('--resume', 'keep the results of earlier runs where sources and tests are still the same')
  .option('--for <seconds>', 'begin nothing after this many seconds; go on with --resume', positive)
  .option('--report [file]', 'write all results at hand as Markdown, to docs/mutants.md if no file is named')
  .allowExcessArguments(false)
  .action(main)

async function main(options: Options): Promise<void> {
  const chosen = chosenFrom(areas, options.filter)
  if (options.list) {
    for (const { id, file, breaks, equivalent } of chosen)
      print(`${id} (${file}): ${breaks}${equivalent === undefined ? '' : ' [equivalent]'}`)
    return
  }
  if (chosen.length === 0) program.error(`error: no mutant contains '${options.filter}'`)
  const state = new State()
  const sound = await runAll(
    chosen.filter((mutant) => mutant.equivalent === undefined),
    state,
    options,
  )
  if (options.report !== undefined) {
    const all = (mutant: Mutant) => listed(mutant, state)
    const file = options.report === true ? join(root, 'docs/mutants.md') : options.report
    writeFileSync(file, report(areas, all, { adapter: await adapterName(), node: process.version.slice(1) }))
  }
  const results = chosen.map((mutant) => listed(mutant, state))
  const statuses = [...new Set(results.map(({ status }) => status))]
  print(
    summary(
      statuses,
      statuses.map((status) => results.filter((r) => r.status === status).length),
    ),
  )
  const good = results.every(({ status }) => status === 'caught' || status === 'equivalent')
  if (!good || !sound) process.exitCode = 1
}

/** Runs what has no result yet; false where tests failed without any mutant. */
async function runAll(mutants: readonly Mutant[], state: State, { resume, for: limit }: Options): Promise<boolean> {
  const open = mutants.filter((mutant) => !(resume && state.outcome(mutant)))
  if (open.length === 0) return true
  const copy = await Copy.make()
  const leave = (signal: NodeJS.Signals) => {
    stop()
    copy.remove()
    process.exit(signal === 'SIGINT' ? 130 : 143)
  }
  process.once('SIGINT', leave).once('SIGTERM', leave)
  const start = performance.now()
  const failed = new Set<string>()
  try {
    for (const [i, mutant] of open.entries()) {
      if (limit !== undefined && performance.now() - start > 1000 * limit) break
      const tests = JSON.stringify(mutant.tests)
      if (failed.has(tests) || !(await isSound(copy, mutant, state))) {
        failed.add(tests)
        continue
      }
      const outcome = judge(mutant, await copy.with(mutant, () => runTests(copy.path, mutant.tests)))
      state.record(mutant, outcome)
      print(`${i + 1}/${open.length} ${line(mutant, outcome)}`)
    }
  } finally {
    copy.remove()
    process.off('SIGINT', leave).off('SIGTERM', leave)
  }
  print(`${duration((performance.now() - start) / 1000)}`)
  return failed.size === 0
}

/** Whether the mutant's tests pass without it; tried once for each set of tests. */
async function isSound(copy: Copy, { tests }: Mutant, state: State): Promise<boolean> {
  if (state.sound(tests)) return true
  const { outcome, by, seconds, passed } = await runTests(copy.path, tests)
  if (outcome === 'passed' && passed > 0) {
    state.recordSound(tests, seconds)
    return true
  }
  const why = outcome === 'passed' ? 'no test matches the name' : `they ${outcome}: ${by}`
  print(`without any mutant, the tests ${JSON.stringify(tests)} are of no use: ${why}`)
  return false
}

function judge({ hangs }: Mutant, { outcome, by, seconds }: Trial): Outcome {
  if (outcome === 'timeout' && hangs) return { status: 'caught', by: `no end within ${LIMIT_SECONDS} s`, seconds }
  const statuses = { passed: 'survived', failed: 'caught', timeout: 'timeout', broken: 'broken' } as const
  return { status: statuses[outcome], by, seconds }
}

function line({ id }: Mutant, { status, by, seconds }: Outcome): string {
  return `${status.padEnd(8)} ${seconds.toFixed(1).padStart(4)} s  ${id}${by === '' ? '' : `  by ${by}`}`
}

function listed(mutant: Mutant, state: State): Listed {
  if (mutant.equivalent !== undefined) return { status: 'equivalent', by: mutant.equivalent, seconds: null }
  return state.outcome(mutant) ?? { status: 'not run', by: '', seconds: null }
}

function chosenFrom(all: readonly Area[], filter: string): Mutant[] {
  return all.flatMap(({ title, mutants }) =>
    mutants.filter(({ id, file }) => `${id} ${file} ${title}`.includes(filter)),
  )
}

async function adapterName(): Promise<string> {
  const gpu = await open()
  try {
    return gpu.info.name
  } finally {
    await gpu.close()
  }
}

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('It must be a number above 0.')
  return value
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

await program.parseAsync()
