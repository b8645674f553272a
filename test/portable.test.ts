// The sources of src: what they may import and use, and that each says on its first line what it is.
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

interface Import {
  specifier: string
  /** Whether it is gone when the program runs. */
  typeOnly: boolean
}

/** What a file imports: statements with and without names, types, re-exports, and import(). */
function importsOf(code: string): Import[] {
  const pattern =
    /\b(?:import|export)\b([^'"`;]*?)\bfrom\s*['"]([^'"]+)['"]|\b(typeof )?import\s*\(?\s*['"`]([^'"`]+)['"`]/g
  return [...code.matchAll(pattern)].map(([, names, from, typeOf, bare]) =>
    from === undefined
      ? { specifier: bare!, typeOnly: typeOf !== undefined }
      : { specifier: from, typeOnly: /^\s*type\s+[\w{*]|^\s*\{\s*(?:type\s[^,}]*,?\s*)+\}\s*$/.test(names!) },
  )
}

function imports(code: string): string[] {
  return importsOf(code).map(({ specifier }) => specifier)
}

/** The folder of src that an import in `path` leads to. */
function folderOf(path: string, specifier: string): string {
  const target = relative(root, join(root, dirname(path), specifier)).split(sep)
  return target.length > 1 ? target[0]! : ''
}

/** What every file of src imports of src: of values alone, or of types as well. */
function graph(withTypes: boolean): Map<string, string[]> {
  return new Map(
    sources.map(({ path, code }) => [
      path,
      importsOf(code)
        .filter(({ specifier, typeOnly }) => specifier.startsWith('.') && (withTypes || !typeOnly))
        .map(({ specifier }) =>
          relative(root, join(root, dirname(path), specifier))
            .split(sep)
            .join('/'),
        ),
    ]),
  )
}

/** The files that import each other, directly or by way of others: each list is of files that all lead to one another. */
function circles(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const reached = new Map(
    [...edges.keys()].map((start) => {
      const found = new Set<string>()
      const open = [...edges.get(start)!]
      for (let at = open.pop(); at !== undefined; at = open.pop()) {
        if (!found.has(at)) open.push(...(edges.get(at) ?? []))
        found.add(at)
      }
      return [start, found]
    }),
  )
  const inCircles = [...edges.keys()].filter((path) => reached.get(path)!.has(path)).sort()
  const together = (path: string) => inCircles.filter((p) => reached.get(path)!.has(p) && reached.get(p)!.has(path))
  return inCircles.map(together).filter((files, i) => files[0] === inCircles[i])
}

const ENGINE = ['nn', 'optim', 'sched', 'data', 'debug', 'kernels', 'capture', 'tensor', 'gpu']
const LIBRARY = ['', 'train', 'tune', 'figures', ...ENGINE]

// cli → node, provision → train, tune, figures → debug → (nn, optim, sched, data) → kernels → capture → tensor → gpu
const below: Record<string, readonly string[]> = {
  gpu: [],
  tensor: ['gpu'],
  capture: ['tensor', 'gpu'],
  kernels: ['capture', 'tensor', 'gpu'],
  nn: ['kernels', 'capture', 'tensor', 'gpu'],
  optim: ['kernels', 'capture', 'tensor', 'gpu'],
  sched: ['kernels', 'capture', 'tensor', 'gpu'],
  data: ['kernels', 'capture', 'tensor', 'gpu'],
  debug: ['nn', 'kernels', 'capture', 'tensor', 'gpu'],
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

/** The packages that portable files load when they are needed. */
const LOADED = [
  'data/csv.ts loads papaparse',
  'data/decode_image.ts loads fast-png',
  'data/decode_image.ts loads jpeg-js',
  'data/parquet.ts loads hyparquet',
  'data/parquet.ts loads hyparquet-compressors',
]

const portable = sources.filter(({ folder }) => !NODE.includes(folder))

describe('the sources', () => {
  it('are all there to be read', () => {
    expect(sources.length).toBeGreaterThan(40)
    expect(new Set(sources.map((s) => s.folder))).toEqual(new Set(Object.keys(below)))
    expect(imports(sources.find((s) => s.path === 'provision/adapters.ts')!.code)).toContain('webgpu')
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

  it('outside of node, provision and cli import nothing of Node, nor any package but those that they load when needed', () => {
    const found = portable.flatMap(({ path, code }) => {
      // A package that is loaded when it is needed is not there for the programs that do not need it.
      const lazy = [...code.matchAll(/await needed\(\w+, '([^']+)', \(\) => import\('([^']+)'\)\)/g)]
      expect(lazy.map(([, name]) => name)).toEqual(lazy.map(([, , specifier]) => specifier))
      const loaded = lazy.map(([, , specifier]) => specifier!)
      return imports(code)
        .filter((specifier) => !specifier.startsWith('.'))
        .map((specifier) => `${path} ${loaded.includes(specifier) ? 'loads' : 'imports'} ${specifier}`)
    })
    expect(found.sort()).toEqual(LOADED)
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

  it('begin with a line that says what the file is', () => {
    const wrong = sources
      .map(({ path, text }) => ({ path, first: text.replace(/^#!.*\n/, '').split('\n', 1)[0]! }))
      .filter(({ first }) => !/^\/\/ \S.{8,}/.test(first) || first.startsWith('// biome-ignore'))
      .map(({ path, first }) => `${path} begins with: ${first}`)
    expect(wrong).toEqual([])
  })

  it.each([
    ["import { a } from './a.ts'", false],
    ["import { a, type B } from './a.ts'", false],
    ["import { type B, a } from './a.ts'", false],
    ["import type from './a.ts'", false],
    ["import * as a from './a.ts'", false],
    ["import './a.ts'", false],
    ["export * from './a.ts'", false],
    ["export { a } from './a.ts'", false],
    ["const a = await import('./a.ts')", false],
    ["import type { A } from './a.ts'", true],
    ["import type A from './a.ts'", true],
    ["import { type A, type B as C } from './a.ts'", true],
    ["import {\n  type A,\n  type B,\n} from './a.ts'", true],
    ["export type { A } from './a.ts'", true],
    ["export type * from './a.ts'", true],
    ["type A = typeof import('./a.ts')", true],
  ])('are imported for their types alone, or not: %j', (text, typeOnly) => {
    expect(importsOf(text)).toEqual([{ specifier: './a.ts', typeOnly }])
  })

  it('form circles where they lead back to themselves', () => {
    const edges = { a: ['b'], b: ['c', 'd'], c: ['a'], d: ['e'], e: ['f'], f: ['e', 'g'], g: [], h: ['h', 'a'] }
    expect(circles(new Map(Object.entries(edges)))).toEqual([['a', 'b', 'c'], ['e', 'f'], ['h']])
  })

  it('import no values in a circle', () => {
    expect(circles(graph(false))).toEqual([])
  })

  it('import types in a circle only within one folder', () => {
    const folders = circles(graph(true)).filter((files) => new Set(files.map((path) => dirname(path))).size > 1)
    expect(folders).toEqual([])
  })
})
