import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { lrFindCommand } from '../src/cli/lr_find.ts'
import { plotScheduleCommand } from '../src/cli/plot_schedule.ts'
import { setupCommand } from '../src/cli/setup.ts'
import { sweepCommand } from '../src/cli/sweep.ts'
import { trainCommand } from '../src/cli/train.ts'
import { tuneCommand } from '../src/cli/tune.ts'
import { expectPrinted, programsOf, readExample, root, run } from './support/programs.ts'

const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
const examples = readdirSync(new URL('examples/', root)).flatMap((file) => /^(\w+)\.ts$/.exec(file)?.[1] ?? [])
const docs = readdirSync(new URL('docs/', root)).filter((file) => file.endsWith('.md'))
const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...docs.map((file) => `docs/${file}`)]
const programs = ['README.md', ...docs.map((file) => `docs/${file}`)].flatMap((page) =>
  programsOf(read(page)).map((program, i) => ({ ...program, name: `${page}, program ${i}` })),
)

describe('the programs of the pages', () => {
  const own = examples.map((name) => readExample(name).code)

  it('are there', () => {
    const of = (page: string) => programs.filter(({ name }) => name.startsWith(page)).length
    expect([of('README.md'), of('docs/tour.md'), of('docs/concepts.md')]).toEqual([3, 1, 1])
  })

  it.each(['quickstart', 'fit', 'captured'])('examples/%s.ts stands in the README with its output', (name) => {
    const { code, output } = readExample(name)
    expect(read('README.md')).toContain(`\n${code}\`\`\`\n`)
    expect(read('README.md')).toContain(`\`\`\`text\n${output}\`\`\`\n`)
  })

  it('the first of them is short', () => {
    expect(readExample('quickstart').code.trim().split('\n').length).toBeLessThanOrEqual(21)
  })

  const others = programs.filter(({ code }) => !own.includes(code)) // the examples' own test runs those
  it.each(others)('$name runs', async ({ code, output }) => {
    const folder = mkdtempSync(join(tmpdir(), 'dawngrad-page-'))
    try {
      const file = join(folder, 'program.mts')
      // An example that is shown in parts stands among the examples.
      writeFileSync(file, code.replaceAll('import.meta.url', `'${new URL('examples/', root).href}'`))
      expectPrinted(await run(file), output)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('the pages', () => {
  it.each(pages)('%s names only files that exist', (page) => {
    const at = new URL(page, root)
    for (const [, link] of readFileSync(at, 'utf8').matchAll(/\]\((?!#|http)([^)#]+)/g)) {
      expect(() => readFileSync(new URL(link!, at)), link).not.toThrow(/ENOENT/)
    }
  })

  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const commands = [
    trainCommand(),
    plotScheduleCommand(),
    setupCommand(),
    tuneCommand(),
    lrFindCommand(),
    sweepCommand(),
  ]

  it.each(pages)('%s names only scripts that exist, and options that they have', (page) => {
    for (const [, script, args] of read(page).matchAll(/npm run ([\w:-]+)(?:\s+--\s+([^`\n]*))?/g)) {
      expect(Object.keys(scripts)).toContain(script)
      const command = commands.find((one) => one.name() === script)
      const known = command?.options.map(({ long }) => long)
      for (const [option] of (args ?? '').matchAll(/(?<=^|\s)--[a-z-]+/g)) {
        if (known) expect([...known, '--help'], `npm run ${script}`).toContain(option)
      }
    }
  })
})
