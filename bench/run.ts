// Times every kernel. `node --import tsx bench/run.ts --help` lists the options.
import process from 'node:process'
import { UsageError } from '../src/cli/options.ts'
import type { Gpu } from '../src/gpu/gpu.ts'
import { loadCases, titleOf } from './cases.ts'
import { GpuClock, openTimed } from './clock.ts'
import { measurePeak, type Peak } from './peak.ts'
import {
  type CommonOptions,
  checkJson,
  command,
  environment,
  heading,
  legend,
  main,
  print,
  type Row,
  rowOf,
  tableHead,
  tableRow,
  writeJson,
} from './report.ts'
import type { Case } from './support.ts'
import { type Fence, type MeasureOptions, measure, openFence } from './timing.ts'

interface Options extends CommonOptions {
  readonly filter: string
  readonly quick?: boolean
}

const program = command('bench', 'verify and time every kernel, forward and backward')
  .option('--filter <text>', "only rows whose 'kernel direction shape' contains this", '')
  .option('--quick', 'verify, and take one sample without a warm-up')
  .action(async (options: Options) => {
    checkJson(options.json)
    const cases = (await loadCases()).filter((item) => titleOf(item).includes(options.filter))
    if (cases.length === 0) throw new UsageError(`option '--filter': no row contains '${options.filter}'`)
    const gpu = await openTimed()
    try {
      await bench(gpu, cases, options)
    } finally {
      await gpu.close()
    }
  })

async function bench(gpu: Gpu, cases: readonly Case[], options: Options): Promise<void> {
  const fence = await openFence(gpu)
  const clock = GpuClock.on(gpu)
  const env = environment(gpu, fence, clock ? 'timestamps' : 'wall')
  print(`${heading(env)}\n`)
  if (options.quick) print('Quick: one execution without a warm-up; the times mean little.\n')
  const means = { ...meansOf(options), clock }
  const peak = await measurePeak(gpu, fence, { ...means, samples: options.quick ? 1 : 10 })
  print(tableHead)
  const rows: Row[] = []
  const failures: { row: string; error: string }[] = []
  for (const item of cases) {
    try {
      const row = await time(gpu, item, fence, means, peak)
      rows.push(row)
      print(tableRow(row))
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      failures.push({ row: titleOf(item), error: message })
      process.stderr.write(`error: ${titleOf(item)}: ${message}\n`)
    }
  }
  print(`\n${legend(rows, env, peak)}`)
  if (failures.length > 0) process.exitCode = 1
  writeJson(options.json, { ...env, peak, quick: options.quick === true, rows, failures })
}

const meansOf = ({ runs, quick = false }: Options): MeasureOptions => ({
  samples: quick ? 1 : runs,
  sampleMs: 10,
  warmUp: !quick,
})

async function time(gpu: Gpu, item: Case, fence: Fence, means: MeasureOptions, peak: Peak): Promise<Row> {
  const prepared = item.prepare(gpu)
  try {
    await prepared.verify()
    return rowOf(item, prepared, await measure(prepared.run, fence, means), peak)
  } finally {
    prepared.dispose()
    gpu.pool.trim() // the large rows would pile up their buffers
  }
}

await main(program, process.argv.slice(2))
