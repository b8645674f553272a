/** Learning-rate schedules: pure functions of t, the text that names them, and the class that drives an optimiser. */

export type { Schedule } from './options.ts'
export { parse, signatures } from './parse.ts'
export { type HasParamGroups, Scheduler, type SchedulerState } from './scheduler.ts'
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
  type WarmupOptions,
  warmup,
} from './schedules.ts'
