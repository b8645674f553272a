// What the loop offers to the commands.
export type { FitBatch, FitCallback, FitEpoch, FitProgress, FitResult, FitRun } from './callbacks.ts'
export { type CheckpointOptions, type CheckpointStore, checkpointName } from './checkpoint_store.ts'
export { DivergedError } from './diverged.ts'
export { type EarlyStopping, type EarlyStoppingOptions, earlyStopping } from './early_stopping.ts'
export { evaluate } from './evaluate.ts'
export { type FitOptions, fit } from './fit.ts'
export { parameterHash } from './hash.ts'
export { curvePoints, type HistoryRecord, parseHistory, summaryLine } from './history.ts'
export { METER_WORDS, Meter, meterWords, type Totals } from './meter.ts'
export { checkRates, momentumAt, type RateOptions, rateAt } from './rates.ts'
export {
  type CallbackState,
  type Figures,
  type Position,
  restoreValues,
  type SavedOptimizer,
  type SavedRandom,
  type SavedSettings,
  type SavedState,
  valuesOf,
} from './saved_state.ts'
export { warmUpRun } from './warm_up.ts'
