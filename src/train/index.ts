export { DivergedError } from './diverged.ts'
export { type EarlyStopping, type EarlyStoppingOptions, earlyStopping } from './early_stopping.ts'
export { evaluate } from './evaluate.ts'
export {
  type FitBatch,
  type FitCallback,
  type FitEpoch,
  type FitOptions,
  type FitResult,
  type FitRun,
  fit,
} from './fit.ts'
export { parameterHash } from './hash.ts'
export { curvePoints, type HistoryRecord, parseHistory, summaryLine } from './history.ts'
export { METER_WORDS, Meter, type Totals } from './meter.ts'
export { momentumAt, type RateOptions, rateAt } from './rates.ts'
export {
  type BatchReport,
  type EpochReport,
  type Pause,
  type RunOptions,
  type RunResult,
  run,
} from './run.ts'
export {
  type CallbackState,
  type Figures,
  type Position,
  restoreValues,
  type SavedOptimizer,
  type SavedSettings,
  type SavedState,
  valuesOf,
} from './saved_state.ts'
export { warmUpRun } from './warm_up.ts'
