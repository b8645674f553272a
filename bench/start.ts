// Times the start of `train`, from the process to its first steps. `node --import tsx bench/start.ts --help` lists the options.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { open } from '../src/node/open.ts'
import { type CommonOptions, checkJson, command, environment, main, print, shortHeading, writeJson } from './report.ts'
import { median, openFence } from './timing.ts'

/** Seconds since the process began, when each was done. They overlap: data and kernels are under way at the same time. */
const PARTS = ['program', 'adapter', 'data', 'kernels', 'first steps'] as const
type Part = (typeof PARTS)[number]

interface Options extends CommonOptions {
  readonly driverCache: boolean
}

const METHOD =
  'seconds since the process of `train --epochs 1 --limit-train 512` began, by its own clock; the program read by tsx; median of the runs'

const program = command('bench:start', 'time the start of train, from the process to its first steps', 5)
  .option('--no-driver-cache', "without Mesa's cache on disk, as on the first run after an installation")
  .action(async ({ runs, json, driverCache }: Options) => {
    checkJson(json)
    const starts: Record<Part, number>[] = []
    for (let run = 0; run < runs; run++) starts.push(await startOnce(driverCache))
    const seconds = Object.fromEntries(PARTS.map((part) => [part, median(starts.map((one) => one[part]))]))
    const gpu = await open()
    const fence = await openFence(gpu)
    const env = { ...environment(gpu, fence), method: METHOD }
    await gpu.close()
    print(`${shortHeading(env)}\n`)
    print(
      `The start of train, ${driverCache ? 'with' : 'without'} the driver's cache; seconds since the process began:\n`,
    )
    for (const part of PARTS) print(`${part.padEnd(12)}${seconds[part]!.toFixed(2).padStart(8)}`)
    writeJson(json, { ...env, start: { seconds, runs: starts, driverCache } })
  })

async function startOnce(driverCache: boolean): Promise<Record<Part, number>> {
  const folder = mkdtempSync(join(tmpdir(), 'dawngrad-start-'))
  const main = new URL('../src/cli/main.ts', import.meta.url).pathname
  const data = ['--limit-train', '512', '--limit-test', '256', '--epochs', '1', '--out', join(folder, 'run')]
  const env = { ...process.env, ...(!driverCache && { MESA_SHADER_CACHE_DISABLE: 'true' }) }
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', main, 'train', ...data], { env })
    const line = stdout.split('\n').find((one) => one.startsWith('start, '))
    if (line === undefined) throw new Error(`train did not tell of its start:\n${stdout}`)
    const at = (part: Part) => Number(new RegExp(`${part} ([\\d.]+)`).exec(line)?.[1])
    return Object.fromEntries(PARTS.map((part) => [part, at(part)])) as Record<Part, number>
  } finally {
    rmSync(folder, { recursive: true })
  }
}

await main(program, process.argv.slice(2))
