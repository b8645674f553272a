// The optimizer that the options ask for.
import type { Tensor } from '../index.ts'
import { optim } from '../index.ts'
import type { Schedule } from '../sched/index.ts'
import { UsageError } from './options.ts'
import type { TrainOptions } from './train_options.ts'

/** What `--lr` is where it is not given. */
const RATES = { sgd: 0.3, adamw: 0.001 } as const

export type OptimizerName = keyof typeof RATES
export const OPTIMIZERS = Object.keys(RATES) as readonly OptimizerName[]

type OptimizerOptions = Pick<TrainOptions, 'optimizer' | 'lr' | 'momentum' | 'weightDecay'>

/** The options with the rate of their optimizer, unless a rate was given. */
export function withRate<T extends OptimizerOptions>(options: T, isGiven: boolean): T {
  return isGiven ? options : { ...options, lr: RATES[options.optimizer] }
}

/** Throws UsageError for options that the optimizer does not have. */
export function checkOptimizer({ optimizer, momentum }: OptimizerOptions, schedule: Schedule | null = null): void {
  if (optimizer === 'sgd') return
  if (momentum > 0) {
    throw new UsageError(`option '--momentum': ${optimizer} has no momentum; leave it out, or use --optimizer sgd`)
  }
  if (schedule?.momentum) {
    throw new UsageError(
      `option '--schedule': it sets a momentum, and ${optimizer} has none; use another schedule, or --optimizer sgd`,
    )
  }
}

export function optimizerOf(params: Tensor[], options: OptimizerOptions): optim.Optimizer {
  const { optimizer, lr, momentum, weightDecay } = options
  if (optimizer === 'adamw') return new optim.AdamW(params, { lr, weightDecay })
  return new optim.SGD(params, { lr, momentum, weightDecay })
}
