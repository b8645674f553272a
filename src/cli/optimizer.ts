// The optimizer that the options ask for.
import type { Tensor } from '../index.ts'
import { optim } from '../index.ts'
import type { Schedule } from '../sched/index.ts'
import { UsageError } from './options.ts'
import type { TrainOptions } from './train_options.ts'

interface Made {
  readonly lr: number
  readonly momentum: number
  readonly weightDecay: number
}

interface Kind {
  /** What `--lr` is where it is not given, and `--momentum`: 0 unless it is here. */
  readonly lr: number
  readonly momentum?: number
  readonly hasMomentum: boolean
  make(params: Tensor[], options: Made): optim.Optimizer
}

const withoutMomentum = (lr: number, make: (params: Tensor[], options: Omit<Made, 'momentum'>) => optim.Optimizer) => {
  return { lr, hasMomentum: false, make: (params, { lr, weightDecay }) => make(params, { lr, weightDecay }) } as Kind
}

/** By the names of their classes, in small letters. Muon is not among them: LeNet has more than matrices. */
const KINDS = {
  sgd: { lr: 0.3, hasMomentum: true, make: (params, options) => new optim.SGD(params, options) },
  adam: withoutMomentum(0.001, (params, options) => new optim.Adam(params, options)),
  adamw: withoutMomentum(0.001, (params, options) => new optim.AdamW(params, options)),
  rmsprop: { lr: 0.001, hasMomentum: true, make: (params, options) => new optim.RMSprop(params, options) },
  adagrad: withoutMomentum(0.01, (params, options) => new optim.Adagrad(params, options)),
  adadelta: withoutMomentum(1, (params, options) => new optim.Adadelta(params, options)),
  lion: withoutMomentum(0.0001, (params, options) => new optim.Lion(params, options)),
  lars: { lr: 1, hasMomentum: true, make: (params, options) => new optim.LARS(params, options) },
  lamb: withoutMomentum(0.001, (params, options) => new optim.LAMB(params, options)),
  schedulefreesgd: {
    lr: 1,
    momentum: 0.9,
    hasMomentum: true,
    make: (params, options) => new optim.ScheduleFreeSGD(params, options),
  },
  schedulefreeadamw: withoutMomentum(0.0025, (params, options) => new optim.ScheduleFreeAdamW(params, options)),
} satisfies Record<string, Kind>

export type OptimizerName = keyof typeof KINDS
export const OPTIMIZERS = Object.keys(KINDS) as readonly OptimizerName[]

type OptimizerOptions = Pick<TrainOptions, 'optimizer' | 'lr' | 'momentum' | 'weightDecay'>

/** The options with the rate and the momentum of their optimizer, unless they were given. */
export function withDefaults<T extends OptimizerOptions>(options: T, isGiven: (name: 'lr' | 'momentum') => boolean): T {
  const { lr, momentum = 0 }: Kind = KINDS[options.optimizer]
  return {
    ...options,
    lr: isGiven('lr') ? options.lr : lr,
    momentum: isGiven('momentum') ? options.momentum : momentum,
  }
}

/** Throws UsageError for options that the optimizer does not have. */
export function checkOptimizer({ optimizer, momentum }: OptimizerOptions, schedule: Schedule | null = null): void {
  if (optimizer === 'schedulefreesgd' && (momentum === 0 || momentum >= 1)) {
    throw new UsageError(`option '--momentum': that of ${optimizer} must be above 0 and below 1, it is ${momentum}`)
  }
  if (KINDS[optimizer].hasMomentum) return
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
  return KINDS[optimizer].make(params, { lr, momentum, weightDecay })
}
