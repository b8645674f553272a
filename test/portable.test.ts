import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../src', import.meta.url))

interface Source {
  /** Path inside src, with forward slashes. */
  path: string
  /** The first folder, or '' for src/index.ts. */
  folder: string
  text: string
  /** Without comments. */
  code: string
}

const sources: Source[] = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => {
    const text = readFileSync(join(root, path), 'utf8')
    const slashed = path.split(sep).join('/')
    const folder = slashed.includes('/') ? slashed.slice(0, slashed.indexOf('/')) : ''
    return { path: slashed, folder, text, code: withoutComments(text) }
  })

/** Comments become spaces; texts and templates stay, so that `//` inside of them is no comment. */
function withoutComments(text: string): string {
  const pattern = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g
  return text.replace(pattern, (found) => (found.startsWith('/') ? ' ' : found))
}

/** What a file imports: statements with and without names, types, re-exports, and import(). */
function imports(code: string): string[] {
  const pattern = /\b(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"`]([^'"`]+)['"`]/g
  return [...code.matchAll(pattern)].map((match) => match[1] ?? match[2]!)
}

/** The folder of src that an import in `path` leads to. */
function folderOf(path: string, specifier: string): string {
  const target = relative(root, join(root, dirname(path), specifier)).split(sep)
  return target.length > 1 ? target[0]! : ''
}

const ENGINE = ['nn', 'optim', 'sched', 'data', 'kernels', 'capture', 'tensor', 'gpu']
const LIBRARY = ['', 'train', 'tune', 'figures', ...ENGINE]

// cli → node, provision → train, tune, figures → (nn, optim, sched, data) → kernels → capture → tensor → gpu
const below: Record<string, readonly string[]> = {
  gpu: [],
  tensor: ['gpu'],
  capture: ['tensor', 'gpu'],
  kernels: ['capture', 'tensor', 'gpu'],
  nn: ['kernels', 'capture', 'tensor', 'gpu'],
  optim: ['kernels', 'capture', 'tensor', 'gpu'],
  sched: ['kernels', 'capture', 'tensor', 'gpu'],
  data: ['kernels', 'capture', 'tensor', 'gpu'],
  train: ENGINE,
  tune: ['train', ...ENGINE],
  figures: ['train', ...ENGINE],
  '': ['train', 'tune', 'figures', ...ENGINE],
  node: ['provision', ...LIBRARY],
  provision: ['node', ...LIBRARY],
  cli: ['node', 'provision', ...LIBRARY],
}
/** The folders that know Node. */
const NODE = ['node', 'provision', 'cli']

const portable = sources.filter(({ folder }) => !NODE.includes(folder))

describe('the sources', () => {
  it('are all there to be read', () => {
    expect(sources.length).toBeGreaterThan(40)
    expect(new Set(sources.map((s) => s.folder))).toEqual(new Set(Object.keys(below)))
    expect(imports(sources.find((s) => s.path === 'provision/ladder.ts')!.code)).toContain('webgpu')
  })

  it.each([
    ["import { a } from './a.ts'", ['./a.ts']],
    ["import type { A } from './a.ts'\nimport * as b from './b.ts'", ['./a.ts', './b.ts']],
    ["import {\n  a,\n  type B,\n} from './a.ts'", ['./a.ts']],
    ["export * from './a.ts'\nexport { b } from './b.ts'", ['./a.ts', './b.ts']],
    ["import './a.ts'\nawait import('./b.ts')", ['./a.ts', './b.ts']],
    ["// import { a } from './a.ts'\n/* import './b.ts' */ const s = \"x // y\"", []],
    ["export const from = 'x'\nexport function f() { return 'from' }", []],
  ])('are read rightly: %j', (text, expected) => {
    expect(imports(withoutComments(text))).toEqual(expected)
  })

  it('outside of node, provision and cli import nothing of Node, nor any package', () => {
    const wrong = portable.flatMap(({ path, code }) =>
      imports(code)
        .filter((specifier) => !specifier.startsWith('.'))
        .map((specifier) => `${path} imports ${specifier}`),
    )
    expect(wrong).toEqual([])
  })

  it('outside of node, provision and cli use no global of Node', () => {
    const globals =
      /(?<![.\w$])(?:process\s*[.?[]|Buffer\b|require\s*\(|__dirname\b|__filename\b|setImmediate\b|global\b)/g
    const wrong = portable
      .filter(({ path }) => path !== 'kernels/generated/wgsl.ts')
      .flatMap(({ path, code }) => [...code.matchAll(globals)].map(([found]) => `${path} uses ${found}`))
    expect(wrong).toEqual([])
  })

  it('import only from their own folder and those below', () => {
    const wrong = sources.flatMap(({ path, folder, code }) =>
      imports(code)
        .filter((specifier) => specifier.startsWith('.'))
        .filter((specifier) => !specifier.endsWith('/errors.ts') || folderOf(path, specifier) !== '')
        .map((specifier) => folderOf(path, specifier))
        .filter((target) => target !== folder && !below[folder]!.includes(target))
        .map((target) => `${path} imports from ${target === '' ? 'index.ts' : target}`),
    )
    expect(wrong).toEqual([])
  })
})
