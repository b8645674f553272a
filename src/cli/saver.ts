// Saves the checkpoints of a training run.
import type { nn, optim } from '../index.ts'
import { type FoundCheckpoint, saveCheckpoint } from '../node/checkpoint_folder.ts'
import type { RunFolder } from '../node/run_folder.ts'
import { packageVersion } from '../node/version.ts'
import type { PlateauState } from '../sched/index.ts'
import { METER_WORDS, type Position, valuesOf } from '../train/index.ts'
import { DECIDING, recorded, SAVING, type TrainOptions } from './train_options.ts'

const START: Position = { epoch: 0, step: 0, words: new Int32Array(METER_WORDS), trainSeconds: 0, epochSeconds: 0 }

interface Saved {
  readonly net: nn.Module
  readonly optimizer: optim.Optimizer
  readonly folder: RunFolder
  readonly options: TrainOptions
  readonly adapter: string
  readonly plateau: { readonly stateDict: () => PlateauState } | null
  /** Where the run goes on. */
  readonly found: FoundCheckpoint | undefined
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

  /** Wall time of the run, that before it was interrupted included. */
  seconds(): number {
    return (this.#of.found?.checkpoint.seconds ?? 0) + (performance.now() - this.#began) / 1000
  }

  /** The lines that belong to the checkpoint are on the disk before it is. */
  async save(position: Position = START): Promise<void> {
    const { net, optimizer, folder, options, adapter, plateau } = this.#of
    const values = await valuesOf(net, optimizer, position.step)
    const about = { seconds: this.seconds(), version: packageVersion(), adapter }
    const checkpoint = {
      ...values,
      ...about,
      ...(plateau && { plateau: plateau.stateDict() }),
      position,
      files: await folder.position(),
      options: recorded(options, [...DECIDING, ...SAVING]),
    }
    this.#last = await saveCheckpoint(folder.checkpoints, checkpoint, options.keep)
  }
}
