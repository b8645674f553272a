// What `optim` offers.
export type { EmitUpdate, UpdateStorages } from '../kernels/update.ts'

export { Adadelta, type AdadeltaGroup, type AdadeltaOptions, type AdadeltaState } from './adadelta.ts'
export { Adagrad, type AdagradGroup, type AdagradOptions, type AdagradState } from './adagrad.ts'
export { Adam, type AdamGroup, type AdamOptions, type AdamState } from './adam.ts'
export { AdamW, type AdamWGroup, type AdamWOptions, type AdamWState } from './adamw.ts'
export { type AverageState, EMA, SWA } from './average.ts'
export { type ClipGradNormOptions, clipGradNorm, clipGradValue } from './clip.ts'
export { LAMB, type LAMBGroup, type LAMBOptions, type LAMBState } from './lamb.ts'
export { LARS, type LARSGroup, type LARSOptions, type LARSState } from './lars.ts'
export { Lion, type LionGroup, type LionOptions, type LionState } from './lion.ts'
export { Muon, type MuonGroup, type MuonOptions, type MuonState } from './muon.ts'
export {
  Optimizer,
  type OptimizerState,
  type Parameters,
  type ParamGroup,
  type Rule,
  type Variant,
} from './optimizer.ts'
export { RMSprop, type RMSpropGroup, type RMSpropOptions, type RMSpropState } from './rmsprop.ts'
export {
  ScheduleFreeAdamW,
  type ScheduleFreeAdamWGroup,
  type ScheduleFreeAdamWOptions,
  type ScheduleFreeAdamWState,
  type ScheduleFreeProgress,
  ScheduleFreeSGD,
  type ScheduleFreeSGDGroup,
  type ScheduleFreeSGDOptions,
  type ScheduleFreeSGDState,
} from './schedule_free.ts'
export { SGD, type SGDGroup, type SGDOptions, type SGDState } from './sgd.ts'
export { SGLD, type SGLDGroup, type SGLDNoise, type SGLDOptions, type SGLDState } from './sgld.ts'
