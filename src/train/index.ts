export { drawCurves } from './curves.ts'
export { DivergedError } from './diverged.ts'
export { parameterHash } from './hash.ts'
export { curvePoints, type HistoryRecord, parseHistory, summaryLine } from './history.ts'
export { METER_WORDS, Meter, type Totals } from './meter.ts'
export { momentumAt, type RateOptions, rateAt } from './rates.ts'
export {
  type EpochReport,
  evaluate,
  type Pause,
  type Position,
  type RunOptions,
  type RunResult,
  run,
  warmUpRun,
} from './run.ts'
