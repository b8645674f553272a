// The dispatches of a captured function, kept instead of run.
import type { Bound } from './bind.ts'
import type { Kernel } from './kernel.ts'
import { ParamsCache } from './params.ts'
import { BufferPool, type Storage } from './pool.ts'
import type { Dispatch } from './recorder.ts'

/** Memory that belongs to one plan: nothing else is ever put where its dispatches write. */
export class PlanMemory {
  readonly pool: BufferPool
  readonly params: ParamsCache

  constructor(device: GPUDevice) {
    this.pool = new BufferPool(device)
    this.params = new ParamsCache(device)
  }

  close(): void {
    this.pool.close()
    this.params.clear()
  }
}

type Entry = Dispatch & Bound & { readonly kernel: Kernel }

/**
 * The dispatches of a captured function, kept instead of run, with the memory they refer to; for a warm-up, only the
 * kernels that they need.
 */
export class Recording {
  readonly memory: PlanMemory
  readonly purpose: 'capture' | 'warmUp'
  readonly entries: Entry[] = []
  readonly kernels = new Set<Kernel>()
  /** The first thing that the function did and may not. */
  refused: Error | null = null

  constructor(memory: PlanMemory, purpose: 'capture' | 'warmUp' = 'capture') {
    this.memory = memory
    this.purpose = purpose
  }

  /** Notes what the function may not do, and throws it. */
  refuse(what: string): never {
    const error = this.purpose === 'capture' ? new Error(`capture: ${what}`) : new Error(`warmUp: ${what}`)
    this.refused ??= error
    throw error
  }

  /** What another recording of the same function did differently, in words; null where nothing. */
  difference(other: Recording): string | null {
    const pairs = Math.max(this.entries.length, other.entries.length)
    for (let i = 0; i < pairs; i++) {
      const what = differs(this.entries[i], other.entries[i], this.memory.pool)
      if (what) return `dispatch ${i} ${what}`
    }
    return null
  }

  /** Memory outside of the plan's own that the dispatches refer to, once each. */
  externals(): Storage[] {
    const whole = this.entries.flatMap(({ storages }) => storages.map((s) => s.whole))
    return [...new Set(whole)].filter((s) => s.pool !== this.memory.pool)
  }

  /** Memory outside of the plan's own that the dispatches write, once each. */
  written(): Storage[] {
    const written = this.entries.flatMap((entry) => entry.written)
    return [...new Set(written)].filter((s) => s.pool !== this.memory.pool)
  }

  /** Whether a storage has been moved to other memory since it was recorded. */
  moved(): boolean {
    return this.entries.some(({ storages, buffers }) => storages.some((s, i) => s.buffer !== buffers[i]))
  }
}

function differs(a: Entry | undefined, b: Entry | undefined, own: BufferPool): string | null {
  const name = (entry: Entry | undefined) => entry?.kernel.name ?? 'nothing'
  if (!a || !b || a.kernel !== b.kernel) return `was ${name(a)}, then ${name(b)}`
  if (a.words !== b.words) return `(${name(a)}) had different numbers: ${a.words.trim()}, then ${b.words.trim()}`
  if (a.grid[0] !== b.grid[0] || a.grid[1] !== b.grid[1]) return `(${name(a)}) had a different size`
  for (const [i, storage] of a.storages.entries()) {
    const now = b.storages[i]!
    const same =
      storage.pool === own || now.pool === own
        ? storage.pool === now.pool && storage.byteLength === now.byteLength
        : a.buffers[i] === b.buffers[i] && storage.offset === now.offset
    if (!same) return `(${name(a)}) used a different tensor`
  }
  return null
}
