// Results that outlive a run: `--resume` takes up those whose sources and tests are still the same.

import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from './copy.ts'
import type { Mutant, Witness } from './mutant.ts'

export type Status = 'caught' | 'survived' | 'timeout' | 'broken'

export interface Outcome {
  readonly status: Status
  /** The first test that failed. */
  readonly by: string
  readonly seconds: number
}

interface Entry extends Outcome {
  readonly key: string
}

export class State {
  readonly #path: string
  #entries: Record<string, Entry>
  readonly #sources = hashOf(sharedSources())

  constructor(path = join(root, 'node_modules/.cache/dawngrad-mutants.json')) {
    this.#path = path
    this.#entries = readEntries(path)
  }

  /** The result of a mutant, unless something that it depends on has changed since. */
  outcome(mutant: Mutant): Outcome | undefined {
    const found = this.#entries[mutant.id]
    return found?.key === this.#keyOf(mutant.tests, mutant) ? found : undefined
  }

  record(mutant: Mutant, outcome: Outcome): void {
    this.#set(mutant.id, { ...outcome, key: this.#keyOf(mutant.tests, mutant) })
  }

  /** Whether these tests are known to pass where nothing is broken. */
  sound(tests: Witness): boolean {
    return this.#entries[baseline(tests)]?.key === this.#keyOf(tests)
  }

  recordSound(tests: Witness, seconds: number): void {
    this.#set(baseline(tests), { status: 'survived', by: '', seconds, key: this.#keyOf(tests) })
  }

  #set(name: string, entry: Entry): void {
    // Read again: another run may have added to it meanwhile.
    this.#entries = { ...readEntries(this.#path), [name]: entry }
    mkdirSync(dirname(this.#path), { recursive: true })
    writeFileSync(this.#path, JSON.stringify(this.#entries, null, 1))
  }

  /** All that a result depends on: the sources, what the tests share, the tests named, and the mutant itself. */
  #keyOf(tests: Witness, mutant?: Mutant): string {
    return createHash('sha256')
      .update(this.#sources)
      .update(hashOf(tests.files))
      .update(JSON.stringify([tests, mutant]))
      .digest('hex')
  }
}

function baseline(tests: Witness): string {
  return `baseline ${JSON.stringify(tests)}`
}

/** Every source but for tests, and what makes mutants. */
function sharedSources(): string[] {
  const files = ['src', 'wgsl', 'test'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length)),
  )
  const counts = (file: string) => !file.endsWith('.test.ts') && !file.startsWith(join('test', 'mutants'))
  return [...files.filter(counts).sort(), 'vitest.config.ts', 'package-lock.json']
}

function hashOf(files: readonly string[]): string {
  const hash = createHash('sha256')
  for (const file of files) hash.update(`${file}\n`).update(readFileSync(join(root, file)))
  return hash.digest('hex')
}

function readEntries(path: string): Record<string, Entry> {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, Entry>
  } catch {
    return {}
  }
}
