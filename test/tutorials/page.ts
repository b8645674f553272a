// Makes docs/programs.md: `npm run docs:programs`. Runs every port for what it reached.
import { readFileSync, writeFileSync } from 'node:fs'
import { argv, exit } from 'node:process'
import { fileURLToPath } from 'node:url'
import { manualSeed, open } from '../../src/node/index.ts'
import { linesOfCode } from './lines.ts'
import { distances, portOf } from './results.ts'
import { type Program, programs } from './table.ts'

const HEAD = `# Programs that people write

59 programs of other libraries' examples, and their ports in [test/tutorials/programs/](../test/tutorials/programs/): the same network, loss and loop in
words of our own. The tests run every port on small data: its first losses are PyTorch's, from the same numbers (float64, by
[make.py](../test/reference/make.py)), or the figure at its end lies in the range of PyTorch's seeds. Lines are lines of code, of the files that
are named, without pages and downloads. \`npm run docs:programs\` makes this page.

`

/** What the page says, given what every port reached. */
export function page(reached: ReadonlyMap<string, string>): string {
  const rows = programs.map((program) => `| ${cells(program, reached).join(' | ')} |`)
  const ported = programs.filter(({ port }) => port !== undefined).length
  return `${HEAD}${ported} of ${programs.length} are ported.\n\n| | program | original | its lines | port's lines | reached |\n|---|---|---|---|---|---|\n${rows.join('\n')}\n`
}

function cells({ number, program, original, lines, port, missing }: Program, reached: ReadonlyMap<string, string>) {
  const [place, files] = original
  const named = port === undefined ? program : `[${program}](../test/tutorials/programs/${port}.ts)`
  const own = port === undefined ? '' : linesOfCode(sourceOf(port), 'script')
  return [
    number,
    named,
    `${place}: ${files}`,
    lines ?? '',
    own,
    port === undefined ? `missing: ${missing}` : reached.get(port),
  ]
}

function sourceOf(port: string): string {
  return readFileSync(new URL(`programs/${port}.ts`, import.meta.url), 'utf8')
}

async function reachedBy(port: string): Promise<string> {
  manualSeed(0)
  const { default: one } = await portOf(port)
  if ('figure' in one) {
    const [low, high] = one.range
    return `${one.what} ${(await one.figure()).toPrecision(3)}; PyTorch's seeds ${low} to ${high}`
  }
  const losses = await one.losses()
  // Another adapter has other last bits: the page says the decade.
  const far = Math.max(...distances(port, losses).map(({ far }, i) => (far === 0 ? 0 : far / Math.abs(losses[i]!))))
  return `${losses.length} losses within ${far === 0 ? 0 : `1e${Math.ceil(Math.log10(far))}`} of PyTorch's`
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  await open()
  const reached = new Map<string, string>()
  for (const port of new Set(programs.flatMap(({ port }) => port ?? []))) reached.set(port, await reachedBy(port))
  writeFileSync(new URL('../../docs/programs.md', import.meta.url), page(reached))
  exit(0)
}
