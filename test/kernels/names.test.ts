// Every shader is named, tested, measured and embedded like the others.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { embedded } from '../../wgsl/embed.ts'

const root = new URL('../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
const names = readdirSync(new URL('wgsl/', root))
  .filter((file) => file.endsWith('.wgsl'))
  .map((file) => file.replace('.wgsl', ''))

// An optimizer's file holds its kernels too; Adam's are those of more than one.
const optimizers = readdirSync(new URL('src/optim/', root)).map((file) => `src/optim/${file}`)

/** WGSL without its comments. */
function codeOf(name: string): string {
  return read(`wgsl/${name}.wgsl`).replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, ' ')
}

describe('every wgsl/NAME.wgsl', () => {
  it('is one of at least eleven', () => {
    expect(names.length).toBeGreaterThanOrEqual(11)
  })

  it.each(names)('%s has its namesakes', (name) => {
    const namesakes = [`test/kernels/${name}`, `bench/${name}.bench.ts`]
    expect(namesakes.filter((path) => !existsSync(new URL(path, root)))).toEqual([])
  })

  it.each(names)('%s is tested: its folder has a row of the table or a test', (name) => {
    const files = readdirSync(new URL(`test/kernels/${name}`, root))
    expect(files.filter((file) => file === 'row.ts' || file.endsWith('.test.ts'))).not.toEqual([])
  })

  it.each(names)('%s is snake_case and is compiled in one place: by its namesake, or by an optimizer', (name) => {
    expect(name).toMatch(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/)
    // A family's kernels are called by their operations' names.
    const compiles = new RegExp(`new KernelFile\\(('${name}'|name), wgsl\\.${name}[,)]`)
    const places = [`src/kernels/${name}.ts`, ...optimizers].filter((path) => existsSync(new URL(path, root)))
    expect(places.filter((path) => compiles.test(read(path)))).toHaveLength(1)
  })

  it.each(names)('%s is whole and portable: no templates, no extensions, no float atomics', (name) => {
    expect(read(`wgsl/${name}.wgsl`)).not.toContain('${')
    const code = codeOf(name)
    expect(code).not.toMatch(/\b(enable|requires|diagnostic)\b/)
    // Sums in floating point depend on the order of their terms; atomics have none.
    expect(code).not.toMatch(/atomic\s*<\s*(f32|f16)\s*>/)
  })
})

describe('src/kernels/generated/wgsl.ts', () => {
  it('is what `npm run embed` writes', () => {
    expect(read('src/kernels/generated/wgsl.ts')).toBe(embedded())
  })

  it('gives every shader its text', async () => {
    const modules: Record<string, string> = { ...(await import('../../src/kernels/generated/wgsl.ts')) }
    expect(Object.keys(modules).sort()).toEqual([...names].sort())
    for (const name of names) expect(modules[name]).toBe(read(`wgsl/${name}.wgsl`))
  })
})
