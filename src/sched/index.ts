// Learning-rate schedules: pure functions of t, the text that names them, and what drives an optimizer.
export {
  type CosineOptions,
  constant,
  cosine,
  type FactorOptions,
  factor,
  type MultiStepOptions,
  multiStep,
  type PolynomialOptions,
  polynomial,
  type SquareRootOptions,
  squareRoot,
} from './chapter.ts'
export {
  chain,
  type ScaleOptions,
  type SequenceOptions,
  scale,
  sequence,
  type WarmupOptions,
  warmup,
} from './combinators.ts'
export { type CyclicLROptions, cyclicLR, type OneCycleLROptions, oneCycleLR } from './cycles.ts'
export type { Schedule } from './kinds.ts'
export { type LambdaLROptions, lambdaLR, multiplicativeLR } from './lambdas.ts'
export { parse } from './parse.ts'
export { type PlateauOptions, type PlateauState, parsePlateau, ReduceLROnPlateau } from './plateau.ts'
export {
  type ConstantLROptions,
  type CosineAnnealingLROptions,
  type CosineAnnealingWarmRestartsOptions,
  constantLR,
  cosineAnnealingLR,
  cosineAnnealingWarmRestarts,
  type ExponentialLROptions,
  exponentialLR,
  type InverseSqrtOptions,
  inverseSqrt,
  type LinearLROptions,
  linearLR,
  type MultiStepLROptions,
  multiStepLR,
  type PolynomialLROptions,
  polynomialLR,
  type StepLROptions,
  stepLR,
} from './pytorch.ts'
export { type HasParamGroups, Scheduler, type SchedulerState } from './scheduler.ts'
export { signatures } from './table.ts'
