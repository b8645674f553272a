import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = new URL('../', import.meta.url)
const readme = readFileSync(new URL('README.md', root), 'utf8')
const block = (language: string) => new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(readme)![1]!

describe('the README', () => {
  it('shows examples/quickstart.ts as it is, in 21 lines', () => {
    const source = readFileSync(new URL('examples/quickstart.ts', root), 'utf8')
    expect(block('js')).toBe(source)
    expect(source.trim().split('\n').length).toBeLessThanOrEqual(21)
  })

  it.each([
    ['captured', 'ts'],
    ['fit', 'typescript'],
  ])('shows examples/%s.ts, but for its first line', (name, language) => {
    const source = readFileSync(new URL(`examples/${name}.ts`, root), 'utf8')
    expect(block(language)).toBe(source.slice(source.indexOf('\n') + 1))
  })

  it.each([
    ['quickstart', 'text'],
    ['captured', 'txt'],
    ['fit', 'console'],
  ])('shows what examples/%s.ts prints', (name, language) => {
    const tsx = new URL('node_modules/tsx/dist/loader.mjs', root).href
    const args = ['--import', tsx, `examples/${name}.ts`]
    const printed = execFileSync(process.execPath, args, { cwd: fileURLToPath(root), encoding: 'utf8', stdio: 'pipe' })
    const numbers = (text: string) => text.match(/[\d.]+/g)!.map(Number)
    const words = (text: string) => text.replace(/[\d.]+/g, '#')
    expect(words(printed)).toBe(words(block(language)))
    // 200 steps carry the last bits of exp, which differ between adapters, to the fourth decimal at most.
    numbers(printed).forEach((n, i) => {
      expect(Math.abs(n - numbers(block(language))[i]!)).toBeLessThan(1e-3)
    })
  })
})

it.each(['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'docs/guarantees.md'])(
  '%s names only files that exist',
  (page) => {
    const at = new URL(page, root)
    for (const [, link] of readFileSync(at, 'utf8').matchAll(/\]\((?!#|http)([^)#]+)\)/g)) {
      expect(() => readFileSync(new URL(link!, at)), link).not.toThrow(/ENOENT/)
    }
  },
)
