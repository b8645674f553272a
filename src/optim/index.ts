// What `optim` offers.
export { Adagrad, type AdagradGroup, type AdagradOptions, type AdagradState } from './adagrad.ts'
export { AdamW, type AdamWGroup, type AdamWOptions, type AdamWState } from './adamw.ts'
export { type AverageState, EMA, SWA } from './average.ts'
export { type ClipGradNormOptions, clipGradNorm, clipGradValue } from './clip.ts'
export {
  Optimizer,
  type OptimizerState,
  type Parameters,
  type ParamGroup,
  type Rule,
  type Variant,
} from './optimizer.ts'
export { SGD, type SGDGroup, type SGDOptions, type SGDState } from './sgd.ts'
export { SGLD, type SGLDGroup, type SGLDNoise, type SGLDOptions, type SGLDState } from './sgld.ts'
