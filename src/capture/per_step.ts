// Numbers that change from step to step: rows in a buffer, one a step, which kernels read at the number of the step.
import type { Gpu } from '../gpu/gpu.ts'
import { MAX_STEPS } from '../gpu/params.ts'
import type { Storage } from '../gpu/pool.ts'
import { empty } from '../tensor/create.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { type Current, currentOn } from './current.ts'

/** Words before the rows: how many rows follow, and how many of them a step takes. */
const HEAD = 2

/** The rate that a run of a plan is given for a step, or for a use of a row; undefined where the groups' own hold. */
export type RateOf = (at: number) => number | undefined

/** The numbers of one use. */
export type Row = Float32Array | Uint32Array | Int32Array

/** Where the rows come from. Uses are counted from now on, `uses` of them follow one another. */
export interface RowSource {
  /** Tells sources apart that may share rows: in one step all uses must have one source. */
  readonly key?: string
  /** Whether it is an optimizer's, which takes the rates that a run of a plan is given. */
  readonly takesRates?: boolean
  /** The row of a use: as many 32-bit words as the rows are wide. `rate` is the one that the run is given, if any. */
  row(use: number, rate: number | undefined): Row
  /** Throws if this many uses can't follow. `acrossBatch`: the operation of the plan that looks across a batch, if one does. */
  check?(uses: number, rateOf: RateOf, acrossBatch: string | null): void
  /** Called once before a run's first row is read, when all has been checked. */
  begin?(): void
  /** This many uses are on their way to the device. */
  advance(uses: number, rateOf: RateOf): void
}

const NO_RATE: RateOf = () => undefined

/**
 * Rows of 32-bit words on the device. A kernel is bound to `storage`, array<u32>: [ROWS, USES, rows …]. In step s of a run
 * the use u of the step reads row min(s * USES + u, ROWS - 1), so that the last row holds for all steps beyond.
 */
export class PerStep {
  readonly #gpu: Gpu
  readonly #width: number
  readonly #what: string
  readonly #buffer: Tensor
  #written: Uint32Array | null = null

  /** @param what the numbers are, for errors */
  constructor(gpu: Gpu, width: number, what: string) {
    this.#gpu = gpu
    this.#width = width
    this.#what = what
    // Made once, whoever asks: in a function that is captured it is not part of the step.
    this.#buffer = gpu.during(null, () => empty(gpu, [HEAD + MAX_STEPS * width], 'int32', what).keep())
  }

  get storage(): Storage {
    return this.#buffer.storage
  }

  get released(): boolean {
    return this.#buffer.released
  }

  /**
   * To be called where a step uses the numbers: uploads the next row, or in a captured function has the plan do so before
   * every run. Returns the number of the use in the step, for the kernel's params. `used` must follow the dispatch.
   */
  use(source: RowSource): number {
    const recording = currentOn(this.#gpu)
    if (!recording) {
      this.upload(source, 1, 1, NO_RATE)
      return 0
    }
    const uses = recording.uses.get(this) ?? { source, calls: 0, rows: [] }
    if (uses.source.key !== source.key) {
      throw new Error(
        'capture: a step uses one optimizer twice, each time for different parameters; make two optimizers',
      )
    }
    if (uses.calls === MAX_STEPS) {
      throw new Error(
        `capture: a step uses ${this.#what} more than ${MAX_STEPS} times; call the function without a plan`,
      )
    }
    recording.uses.set(this, uses)
    uses.rows.push(source.row(uses.calls, undefined))
    return uses.calls++
  }

  /** The dispatch that uses the numbers has been recorded. In a captured function every run says so by itself. */
  used(source: RowSource): void {
    if (!currentOn(this.#gpu)) source.advance(1, NO_RATE)
  }

  dispose(): void {
    this.#buffer.dispose()
  }

  /** Throws an Error if the function of a recording changed the numbers itself: they were others in the one before it, or are now. */
  checkSteady({ uses }: Current, before: Current): void {
    const { source, rows } = uses.get(this)!
    const others = [before.uses.get(this)?.rows ?? rows, rows.map((_, use) => source.row(use, undefined))]
    const isSame = (row: Row, use: number) => others.every((list) => row.every((n, i) => Object.is(n, list[use]?.[i])))
    if (rows.every(isSame)) return
    throw new Error(
      `capture: the function itself changes ${this.#what} that it uses, and no run of its plan would: change them between runs; ` +
        'plan.run takes rates',
    )
  }

  /** Writes the next rows, so many uses of which a step takes `calls`, unless they are there. */
  upload(source: RowSource, uses: number, calls: number, rateOf: RateOf): void {
    const rows = Array.from({ length: uses }, (_, use) => source.row(use, rateOf(use)))
    const words = perStepWords(rows, this.#width, calls)
    if (this.#written?.length === words.length && words.every((word, i) => word === this.#written![i])) return
    this.#gpu.write(this.#buffer.storage, words)
    this.#written = words
  }
}

/** The words of rows that are `width` words each and of which a step takes `calls`; equal rows at the end are stored once. */
export function perStepWords(rows: readonly Row[], width: number, calls = 1): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(HEAD + rows.length * width)
  for (const [i, row] of rows.entries()) {
    words.set(new Uint32Array(row.buffer, row.byteOffset, width), HEAD + i * width)
  }
  let count = rows.length
  while (count > 1 && sameRow(words, count - 1, count - 2, width)) count--
  words.set([count, calls])
  return words.slice(0, HEAD + count * width)
}

function sameRow(words: Uint32Array, a: number, b: number, width: number): boolean {
  for (let i = 0; i < width; i++) if (words[HEAD + a * width + i] !== words[HEAD + b * width + i]) return false
  return true
}
