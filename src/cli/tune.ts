// `dawngrad tune`: looks for the fastest numbers of the kernels on this adapter.
import process from 'node:process'
import { Command, Option } from 'commander'
import { GpuError } from '../index.ts'
import { open } from '../node/index.ts'
import { writeTuning } from '../node/tuning_file.ts'
import { packageVersion } from '../node/version.ts'
import { describeAdapter } from '../provision/adapters.ts'
import { selfTest } from '../provision/diagnose.ts'
import { type ShapeSet, tuneCases } from '../tune/cases.ts'
import { type Finding, tune } from '../tune/search.ts'
import { TUNABLES } from '../tune/spaces.ts'
import { checkFile, number, UsageError, wholeNumber } from './options.ts'
import { checkBatchFits } from './train_run.ts'

interface TuneCommand {
  readonly filter?: string
  readonly shapes: ShapeSet
  readonly batchSize: number
  readonly out: string
  readonly budget: number
}

/** `dawngrad tune`. */
export function tuneCommand(): Command {
  return new Command('tune')
    .description(
      'find constants that make kernels faster on this adapter, with the same results to the bit, and write them to a file',
    )
    .addOption(new Option('--filter <kernel>', 'only kernels whose name contains this'))
    .addOption(new Option('--shapes <set>', 'layers to search for').choices(['lenet', 'big', 'all']).default('lenet'))
    .addOption(new Option('--batch-size <n>', "of LeNet's layers").argParser(wholeNumber(1)).default(256))
    .addOption(new Option('--out <file>', 'the file to write').default('tuning.json'))
    .addOption(
      new Option('--budget <seconds>', 'try no further candidate after this time').argParser(number()).default(300),
    )
    .action(async (options: TuneCommand) => {
      const { filter = '', out } = options
      if (!TUNABLES.some(({ kernel }) => kernel.includes(filter))) {
        const names = TUNABLES.map(({ kernel }) => kernel).join(', ')
        throw new UsageError(`option '--filter': no kernel's name contains '${filter}'; they are ${names}`)
      }
      checkFile('--out', out)
      await search(options)
    })
}

async function search({ filter = '', shapes, batchSize, out, budget }: TuneCommand): Promise<void> {
  const { stdout, stderr } = process
  const gpu = await open()
  try {
    if (shapes !== 'big') checkBatchFits(gpu, batchSize)
    stdout.write(`adapter: ${describeAdapter(gpu.info)}\n`)
    const failed = (await selfTest(gpu)).find(({ passed }) => !passed)
    if (failed) throw new GpuError('internal', `the self-test ${failed.name} failed: see dawngrad doctor`)
    stdout.write(`${row(['kernel', 'shape', 'default', 'best', 'ratio', 'changed'])}\n`)
    const { tuning, pairs, searched } = await tune({
      gpu,
      cases: tuneCases(shapes, batchSize),
      version: packageVersion(),
      budget,
      filter,
      onFinding: (finding) => {
        for (const { tune, why } of finding.refused) {
          stderr.write(`refused: ${finding.kernel} with ${words(tune)} at ${finding.label}: ${why}\n`)
        }
        stdout.write(`${findingLine(finding)}\n`)
      },
    })
    await writeTuning(out, tuning)
    const late = searched < pairs ? `; there was only time for ${searched} of ${pairs} pairs of kernel and shape` : ''
    const count = tuning.entries.length
    stdout.write(`${count} ${count === 1 ? 'entry' : 'entries'} in ${out}${late}\n`)
  } finally {
    await gpu.close()
  }
}

/** A line of the table: the finding for one kernel at one shape. */
export function findingLine({ kernel, label, candidates, tried, standard, best, defaultMs, ms }: Finding): string {
  const times = [`${defaultMs.toFixed(3)} ms`, `${ms.toFixed(3)} ms`, `${(defaultMs / ms).toFixed(2)}x`]
  const changed = Object.keys(best)
    .filter((name) => best[name] !== standard[name])
    .map((name) => `${name} ${standard[name]} -> ${best[name]}`)
  const unfinished = tried < candidates ? ` (${tried} of ${candidates} tried)` : ''
  return row([kernel, label, ...times, `${changed.length === 0 ? 'nothing' : changed.join(', ')}${unfinished}`])
}

function words(numbers: Readonly<Record<string, number>>): string {
  return Object.entries(numbers)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')
}

const WIDTHS = [40, 26, 10, 10, 6, 0]

function row(cells: readonly string[]): string {
  return cells.map((cell, i) => (i < 2 ? cell.padEnd(WIDTHS[i]!) : cell.padStart(WIDTHS[i]!))).join('  ')
}
