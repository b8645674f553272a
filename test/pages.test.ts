import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { lrFindCommand } from '../src/cli/lr_find.ts'
import { plotScheduleCommand } from '../src/cli/plot_schedule.ts'
import { setupCommand } from '../src/cli/setup.ts'
import { sweepCommand } from '../src/cli/sweep.ts'
import { trainCommand } from '../src/cli/train.ts'
import { tuneCommand } from '../src/cli/tune.ts'
import { chapterCommand } from '../tools/chapter/command.ts'
import { expectPrinted, programsOf, readExample, root, run } from './support/programs.ts'

const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
const examples = readdirSync(new URL('examples/', root)).flatMap((file) => /^(\w+)\.ts$/.exec(file)?.[1] ?? [])
const docs = readdirSync(new URL('docs/', root)).filter((file) => file.endsWith('.md'))
const pages = [
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
  ...['docs', 'bench', 'examples', 'test'].flatMap((folder) => {
    const names = readdirSync(new URL(`${folder}/`, root), { recursive: true, encoding: 'utf8' })
    const own = names.filter((name) => name.endsWith('.md') && !/node_modules|^api/.test(name))
    return own.map((name) => `${folder}/${name}`)
  }),
]
const programs = ['README.md', ...docs.map((file) => `docs/${file}`)].flatMap((page) =>
  programsOf(read(page)).map((program, i) => ({ ...program, name: `${page}, program ${i}` })),
)

/** As GitHub names a heading's place: https://github.com/gjtorikian/html-pipeline, TableOfContentsFilter */
function anchorsOf(page: string): Set<string> {
  const found = new Set<string>()
  for (const [, heading] of page.replace(/^```.*?^```/gms, '').matchAll(/^#+ (.*)$/gm)) {
    const name = heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-')
    let anchor = name
    for (let i = 1; found.has(anchor); i++) anchor = `${name}-${i}`
    found.add(anchor)
  }
  return found
}

describe('the programs of the pages', () => {
  const own = examples.map((name) => readExample(name).code)

  it('are there', () => {
    const of = (page: string) => programs.filter(({ name }) => name.startsWith(page)).length
    const pages = ['README.md', 'docs/tour.md', 'docs/concepts.md', 'docs/training.md', 'docs/data.md']
    expect(pages.map(of)).toEqual([1, 1, 1, 2, 1])
  })

  it.each([
    ['quickstart', 'README.md'],
    ['fit', 'docs/training.md'],
    ['captured', 'docs/training.md'],
  ])('examples/%s.ts stands in %s with its output', (name, page) => {
    const { code, output } = readExample(name)
    expect(read(page)).toContain(`\n${code}\`\`\`\n`)
    expect(read(page)).toContain(`\`\`\`text\n${output}\`\`\`\n`)
  })

  it('the README fits on 150 lines', () => {
    expect(read('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(150)
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
  it.each(pages)('%s names only files and headings that exist', (page) => {
    const at = new URL(page, root)
    const text = read(page)
    const links = [...text.matchAll(/\]\((?!http)([^)#]*)#?([^)]*)\)/g), ...text.matchAll(/src(?:set)?="([^"]*)"()/g)]
    for (const [, link, anchor] of links) {
      const target = new URL(link === '' ? at : link!, at)
      expect(existsSync(target), link).toBe(true)
      if (anchor !== '') expect([...anchorsOf(readFileSync(target, 'utf8'))], link).toContain(anchor)
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
    chapterCommand(),
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
