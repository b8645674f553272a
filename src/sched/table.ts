// Every schedule that a text can name: to add one, add its row.
import * as chapter from './chapter.ts'
import * as combinators from './combinators.ts'
import * as cycles from './cycles.ts'
import type { Args, Schedule, Values } from './kinds.ts'
import { signature } from './options.ts'
import * as pytorch from './pytorch.ts'

type Row = { readonly args: Args; readonly build: (values: never) => Schedule }

/** Ties the arguments of a row to the parameters of its builder. */
function row<A extends Args>(args: A, build: (values: Values<A>) => Schedule): Row {
  return { args, build }
}

export const TABLE: ReadonlyMap<string, Row> = new Map(
  Object.entries({
    constant: row(chapter.CONSTANT, ({ lr }) => chapter.constant(lr)),
    squareRoot: row(chapter.SQUARE_ROOT, chapter.squareRoot),
    factor: row(chapter.FACTOR, chapter.factor),
    multiStep: row(chapter.MULTI_STEP, chapter.multiStep),
    cosine: row(chapter.COSINE, chapter.cosine),
    polynomial: row(chapter.POLYNOMIAL, chapter.polynomial),
    stepLR: row(pytorch.STEP_LR, pytorch.stepLR),
    multiStepLR: row(pytorch.MULTI_STEP_LR, pytorch.multiStepLR),
    constantLR: row(pytorch.CONSTANT_LR, pytorch.constantLR),
    linearLR: row(pytorch.LINEAR_LR, pytorch.linearLR),
    exponentialLR: row(pytorch.EXPONENTIAL_LR, pytorch.exponentialLR),
    polynomialLR: row(pytorch.POLYNOMIAL_LR, pytorch.polynomialLR),
    cosineAnnealingLR: row(pytorch.COSINE_ANNEALING_LR, pytorch.cosineAnnealingLR),
    cosineAnnealingWarmRestarts: row(pytorch.COSINE_ANNEALING_WARM_RESTARTS, pytorch.cosineAnnealingWarmRestarts),
    inverseSqrt: row(pytorch.INVERSE_SQRT, pytorch.inverseSqrt),
    oneCycleLR: row(cycles.ONE_CYCLE_LR, cycles.oneCycleLR),
    cyclicLR: row(cycles.CYCLIC_LR, cycles.cyclicLR),
    warmup: row(combinators.WARMUP, ({ schedule, ...options }) => combinators.warmup(schedule, options)),
    sequence: row(combinators.SEQUENCE, ({ schedules, ...options }) => combinators.sequence(schedules, options)),
    chain: row(combinators.CHAIN, ({ schedules }) => combinators.chain(schedules)),
    scale: row(combinators.SCALE, ({ schedule, ...options }) => combinators.scale(schedule, options)),
  }),
)

/** The signatures of all schedules that a text can name, for help texts. */
export function signatures(): string[] {
  return [...TABLE].map(([name, { args }]) => signature(name, args))
}
