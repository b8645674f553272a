export { type ParamGroup, SGD, type SGDOptions, type SGDState } from './sgd.ts'
