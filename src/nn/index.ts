export {
  Conv2d,
  type Conv2dLayerOptions,
  CrossEntropyLoss,
  Flatten,
  Linear,
  MaxPool2d,
  ReLU,
} from './layers.ts'
export { lenet } from './lenet.ts'
export { Module, type StateDict } from './module.ts'
export { Sequential, type SequentialOptions } from './sequential.ts'
export { Summary, type SummaryRow } from './summary.ts'
