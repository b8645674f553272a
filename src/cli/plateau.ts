// `train --plateau`: the rate falls when the metric stops getting better.
import type { optim } from '../index.ts'
import type { FoundCheckpoint } from '../node/checkpoint_folder.ts'
import { type PlateauState, ReduceLROnPlateau } from '../sched/index.ts'
import type { FitEpoch } from '../train/index.ts'
import type { Rates } from './options.ts'
import type { Change, TrainOptions } from './train_options.ts'

/** The rate of a run that falls where its metric gets no better. */
export interface PlateauOfRun {
  /** After an epoch; whether the rate was reduced. */
  readonly step: (epoch: FitEpoch) => boolean
  readonly stateDict: () => PlateauState
}

interface Plan {
  readonly rates: Rates
  readonly going?: { readonly found: FoundCheckpoint | null; readonly changed: readonly Change[] }
}

/**
 * What `--plateau` asks for, as the checkpoint left it if a run continues; null without it. Changed rules count
 * anew, from the rate that was reached; a `--lr` that was changed is that rate.
 */
export function plateauOf({ rates, going }: Plan, optimizer: optim.Optimizer): PlateauOfRun | null {
  if (!rates.plateau) return null
  const { metric, options } = rates.plateau
  const plateau = new ReduceLROnPlateau(optimizer, options)
  const saved = going?.found?.checkpoint.plateau
  if (going && saved) {
    const isChanged = (option: string) => going.changed.some(({ name }) => name === option)
    const anew = plateau.stateDict()
    const counts = isChanged('--plateau') ? anew : saved
    plateau.loadStateDict({ ...counts, lr: isChanged('--lr') ? anew.lr : saved.lr })
  }
  return {
    step: (epoch) => plateau.step(epoch[metric]),
    stateDict: () => plateau.stateDict(),
  }
}

/** What a run's rates are, for its figure. */
export function titleOf({ lr, plateau, schedule }: TrainOptions, { schedule: { spec } }: Rates): string {
  return plateau === undefined ? (spec ?? schedule) : `plateau(${plateau}) from ${lr}`
}
