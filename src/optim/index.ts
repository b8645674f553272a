export { type AverageState, EMA, SWA } from './average.ts'
export { type ClipGradNormOptions, clipGradNorm, clipGradValue } from './clip.ts'
export { type ParamGroup, SGD, type SGDOptions, type SGDState } from './sgd.ts'
export { SGLD, type SGLDNoise, type SGLDOptions, type SGLDState } from './sgld.ts'
