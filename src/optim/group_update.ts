import type { DeferredSums } from '../gpu/deferred.ts'
import type { Gpu } from '../gpu/gpu.ts'
import type { PackedCopy } from '../gpu/packed_copy.ts'
import { MAX_STEPS } from '../gpu/params.ts'
import type { Storage } from '../gpu/pool.ts'
import { type SgdEntry, type SgdUpdate, settingsBytes, sgdSettings, sgdStep, sgdTable } from '../kernels/sgd.ts'
import { TableCache } from '../kernels/table_cache.ts'
import { empty } from '../tensor/create.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { Arena } from './arena.ts'

/** One parameter's part in an update. */
export interface Part {
  readonly parameter: Tensor
  readonly gradient: Tensor
  /** What is noted when one of them is not finite. */
  readonly gradientCode: number
  readonly parameterCode: number
  /** Its packed copy, which is written too. */
  readonly copy: PackedCopy | null
}

/** What an update does on the way. */
export interface Along {
  /** Where numbers that are not finite are noted. */
  readonly watch: Storage | null
  /** Partial sums of gradients that are still to be added up. */
  readonly deferred: readonly DeferredSums[]
}

/** Where the partial sums of a gradient are, if it is still in parts. */
function partialOf(deferred: readonly DeferredSums[], gradient: Storage): SgdEntry['partial'] {
  for (const { sums, parts, results } of deferred) {
    const result = results.find(({ storage }) => storage === gradient)
    if (result) return { parts, at: sums.offset / 4 + result.at, stride: result.stride }
  }
  return undefined
}

function keyOf(entry: SgdEntry): string {
  const { at, gradientAt, size, gradientCode, parameterCode, partial, copy } = entry
  const sums = partial ? `sums ${partial.parts} ${partial.at} ${partial.stride}` : ''
  return `${at} ${gradientAt} ${size} ${gradientCode} ${parameterCode} ${sums} ${copy ? `copy ${copy.at}` : ''}`
}

/** The updates of one group of parameters: what they need on the device beside the parameters themselves. */
export class GroupUpdate {
  readonly #gpu: Gpu
  readonly #settings: Tensor
  #written: Float32Array | null = null
  /** For each set of parameters that had gradients, and for each parameter that had its gradient elsewhere. */
  readonly #tables: TableCache

  constructor(gpu: Gpu) {
    this.#gpu = gpu
    this.#tables = new TableCache(gpu)
    const size = settingsBytes(MAX_STEPS) / 4
    this.#settings = gpu.during(null, () => empty(gpu, [size], 'float32', 'settings').keep())
  }

  /** Uploads the group's options where they have changed. */
  write(update: SgdUpdate): void {
    const words = sgdSettings(update)
    if (this.#written?.length === words.length && words.every((word, i) => Object.is(word, this.#written![i]))) return
    this.#gpu.write(this.#settings.storage, words)
    this.#written = words
  }

  /**
   * Updates those of an arena's parameters: in one dispatch, but for those whose gradient lies elsewhere. Gradients that are
   * among the `deferred` are made from their partial sums.
   */
  dispatch(arena: Arena, parts: readonly Part[], momentum: boolean, { watch, deferred }: Along): void {
    const batches = new Map<Storage, SgdEntry[]>()
    for (const { parameter, gradient, gradientCode, parameterCode, copy } of parts) {
      const inPlace = gradient.storage.whole === arena.gradients
      const partial = partialOf(deferred, gradient.storage)
      const entry = {
        at: parameter.storage.offset / 4,
        gradientAt: inPlace ? gradient.storage.offset / 4 : 0,
        size: parameter.size,
        gradientCode,
        parameterCode,
        ...(partial && { partial }),
        copy,
      }
      const storage = inPlace ? arena.gradients : gradient.storage
      const batch = batches.get(storage)
      if (batch) batch.push(entry)
      else batches.set(storage, [entry])
    }
    for (const [gradients, entries] of batches) {
      const { tensor: table, rows } = this.#tables.get(entries.map(keyOf).join(), () => sgdTable(entries))
      const storages = {
        table: table.storage,
        settings: this.#settings.storage,
        parameters: arena.whole,
        gradients,
        watch,
        sums: arena.sums,
        copies: arena.copies,
      }
      sgdStep(this.#gpu, { ...storages, momentum: momentum ? arena.momentum : null }, rows)
    }
  }

  dispose(): void {
    for (const part of [this.#settings, this.#tables]) part.dispose()
  }
}
