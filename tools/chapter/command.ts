// `npm run chapter`: its options, its runs, and the page that it writes.
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { Command, Option } from 'commander'
import { UsageError, wholeNumber } from '../../src/cli/options.ts'
import { ASKED, type Asked, runSweep } from '../../src/cli/sweep.ts'
import { makeFolder } from '../../src/node/files.ts'
import { loadFashionMnist } from '../../src/node/index.ts'
import { chapterPoints, FULL, figureFile, isShortened, type Length } from './plan.ts'
import { readCurves, readOutcomes } from './records.ts'
import { report } from './report.ts'

const docs = new URL('../../docs/', import.meta.url)
const reference = new URL('../test/reference/curves.json', docs)

interface Given extends Asked, Length {
  readonly out?: string
  readonly report?: boolean
}

/** `npm run chapter`. `load` gives the data. */
export function chapterCommand(load = loadFashionMnist): Command {
  const command = new Command('chapter').description("make the chapter's runs that are missing, and its page")
  command.configureHelp({ commandUsage: () => 'npm run chapter -- [options]' })
  command
    .addOption(new Option('--report', 'write the page alone, from the runs at hand').conflicts(['index', 'list']))
    .addOption(
      new Option('--out <dir>', 'folder of the runs and their page (default: docs/results/chapter, page in docs)'),
    )
    .addOption(new Option('--epochs <n>', 'shorten the runs').argParser(wholeNumber(1)).default(FULL.epochs))
    .addOption(new Option('--limit-train <n>', 'use the first n training images').argParser(wholeNumber(1)))
    .addOption(new Option('--limit-test <n>', 'use the first n test images').argParser(wholeNumber(1)))
  for (const option of ASKED) command.addOption(option)
  return command.action(async (given: Given) => {
    const { out, epochs, limitTrain, limitTest } = given
    const length = { epochs, limitTrain, limitTest }
    if (out === '') throw new UsageError("option '--out': the name of a folder is needed")
    if (out === undefined && isShortened(length)) {
      throw new UsageError("option '--out': shortened runs need a folder of their own, the whole ones are kept")
    }
    const folder = out ?? shown(fileURLToPath(new URL('results/chapter', docs)))
    const write = () => writeReport(folder, out ?? shown(fileURLToPath(docs)), length)
    if (given.report) await write()
    else await runSweep({ out: folder, points: chapterPoints(folder, length) }, given, load, write)
  })
}

/** The files of the page by their paths from its folder, made of the runs in a folder. */
export async function reportOf(runs: string, to: string, length: Length): Promise<Map<string, string>> {
  const outcomes = await readOutcomes(runs, length, isShortened(length) ? new Map() : readCurves(reference))
  return report({ outcomes, length, runs: relative(to, runs) || '.' })
}

async function writeReport(runs: string, to: string, length: Length): Promise<void> {
  const files = await reportOf(runs, to, length)
  const figures = dirname(join(to, figureFile('any')))
  if (existsSync(figures)) {
    const own = /^(schedule|run|trap|last)-.*\.svg$/
    const old = readdirSync(figures).filter((name) => own.test(name) && !files.has(`img/chapter/${name}`))
    for (const name of old) rmSync(join(figures, name))
  }
  for (const [path, text] of files) {
    const target = join(to, path)
    makeFolder(dirname(target))
    writeFileSync(target, text)
  }
  process.stdout.write(`the page is ${join(to, 'chapter.html')}, and the same ${join(to, 'chapter.md')}\n`)
}

/** A path as one types it in the folder where one is. */
function shown(path: string): string {
  return relative(process.cwd(), path) || '.'
}
