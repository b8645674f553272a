// Times every kernel. `node --import tsx bench/run.ts --help` lists the options.
import process from 'node:process'
import { UsageError } from '../src/cli/options.ts'
import type { Gpu } from '../src/gpu/gpu.ts'
import { open } from '../src/node/open.ts'
import { loadCases, titleOf } from './cases.ts'
import {
  type CommonOptions,
  checkJson,
  command,
  environment,
  heading,
  main,
  print,
  type Row,
  rowOf,
  STAR,
  tableHead,
  tableRow,
  writeJson,
} from './report.ts'
import type { Case } from './support.ts'
import { type Fence, measure, openFence } from './timing.ts'

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
    const gpu = await open()
    try {
      await bench(gpu, cases, options)
    } finally {
      await gpu.close()
    }
  })

async function bench(gpu: Gpu, cases: readonly Case[], options: Options): Promise<void> {
  const fence = await openFence(gpu)
  const env = environment(gpu, fence)
  print(`${heading(env)}\n`)
  if (options.quick) print('Quick: one execution without a warm-up; the times mean little.\n')
  print(tableHead)
  const rows: Row[] = []
  const failures: { row: string; error: string }[] = []
  for (const item of cases) {
    try {
      const row = await time(gpu, item, fence, options)
      rows.push(row)
      print(tableRow(row))
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      failures.push({ row: titleOf(item), error: message })
      process.stderr.write(`error: ${titleOf(item)}: ${message}\n`)
    }
  }
  if (rows.some((row) => tableRow(row).endsWith('*'))) print(`\n${STAR}`)
  if (failures.length > 0) process.exitCode = 1
  writeJson(options.json, { ...env, quick: options.quick === true, rows, failures })
}

async function time(gpu: Gpu, item: Case, fence: Fence, { runs, quick = false }: Options): Promise<Row> {
  const prepared = item.prepare(gpu)
  try {
    await prepared.verify()
    const timing = await measure(prepared.run, fence, {
      samples: quick ? 1 : runs,
      sampleMs: 10,
      warmUp: !quick,
    })
    return rowOf(item, prepared, timing)
  } finally {
    prepared.dispose()
    gpu.pool.trim() // the large rows would pile up their buffers
  }
}

await main(program, process.argv.slice(2))
