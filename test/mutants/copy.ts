// A copy of the repository, in which the faults are made: nobody's files are touched.

import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type Mutant, mutate } from './mutant.ts'

export const root = fileURLToPath(new URL('../../', import.meta.url))

/** Not copied: large, or of no use to the tests. */
const LEFT_OUT = new Set(['.git', 'node_modules', 'dist', 'runs', 'coverage'])

export class Copy {
  readonly path: string
  readonly #embedded: () => string

  private constructor(path: string, embedded: () => string) {
    this.path = path
    this.#embedded = embedded
  }

  /** Copies the working tree as it stands into a temporary folder. Its packages are the repository's own, by a link. */
  static async make(): Promise<Copy> {
    const path = realpathSync(mkdtempSync(join(tmpdir(), 'dawngrad-mutants-')))
    const top = (from: string) => from.slice(root.length).split(/[\\/]/)[0]!
    cpSync(root, path, { recursive: true, filter: (from) => !LEFT_OUT.has(top(from)) })
    symlinkSync(join(root, 'node_modules'), join(path, 'node_modules'), 'junction')
    const { embedded } = (await import(pathToFileURL(join(path, 'wgsl/embed.ts')).href)) as { embedded: () => string }
    return new Copy(path, embedded)
  }

  /** Runs `fn` with the fault in the copy, and takes it out again. */
  async with<T>(mutant: Mutant, fn: () => Promise<T>): Promise<T> {
    const file = join(this.path, mutant.file)
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, mutate(text, mutant))
    this.#embed(mutant)
    try {
      return await fn()
    } finally {
      writeFileSync(file, text)
      this.#embed(mutant)
    }
  }

  /** The shaders run as they are embedded in src/kernels/generated/wgsl.ts. */
  #embed({ file }: Mutant): void {
    if (file.endsWith('.wgsl')) writeFileSync(join(this.path, 'src/kernels/generated/wgsl.ts'), this.#embedded())
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}
