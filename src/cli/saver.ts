// Saves the checkpoints of a training run.
import { type FoundCheckpoint, saveCheckpoint } from '../node/checkpoint_folder.ts'
import { forgetOptions, type RunFolder } from '../node/run_folder.ts'
import { packageVersion } from '../node/version.ts'
import type { PlateauState } from '../sched/index.ts'
import type { SavedState } from '../train/index.ts'
import { DECIDING, recorded, SAVING, type TrainOptions } from './train_options.ts'

interface Saved {
  readonly folder: RunFolder
  readonly options: TrainOptions
  readonly adapter: string
  readonly plateau: { readonly stateDict: () => PlateauState } | null
  /** Where the run continues. */
  readonly found: FoundCheckpoint | null
}

/** Saves the checkpoints of one run. */
export class Saver {
  readonly #of: Saved
  readonly #began = performance.now()
  #last: string | null

  constructor(of: Saved) {
    this.#of = of
    this.#last = of.found?.path ?? null
  }

  /** The newest checkpoint, as messages name it. */
  get last(): string {
    return this.#last ?? 'none'
  }

  /** Wall time of the run, including that before it was interrupted. */
  seconds(): number {
    return (this.#of.found?.checkpoint.seconds ?? 0) + (performance.now() - this.#began) / 1000
  }

  /** Saves a state without its history: the lines of it are in a file, and on the disk before the checkpoint is. */
  async save({ history: _, ...state }: SavedState): Promise<void> {
    const { folder, options, adapter, plateau } = this.#of
    const about = { seconds: this.seconds(), version: packageVersion(), adapter }
    const checkpoint = {
      ...state,
      ...about,
      ...(plateau && { plateau: plateau.stateDict() }),
      files: await folder.position(),
      options: recorded(options, [...DECIDING, ...SAVING]),
    }
    this.#last = await saveCheckpoint(folder.checkpoints, checkpoint, options.keep)
    if (state.position.step === 0) await forgetOptions(folder.path)
  }
}
