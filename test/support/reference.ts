// The test oracle: every operation in float64 by plain loops, forward and backward, each value with the largest error
// that float32 may make on it. It shares no code with what it tests.
export { batchNorm, batchNormBackward, batchNormRunning } from './reference/batch_norm.ts'
export { type Conv2dOptions, conv2d, conv2dBackward, convOutputSize } from './reference/conv2d.ts'
export { conv2dReluMaxPool2d, conv2dReluMaxPool2dBackward } from './reference/conv2d_relu_max_pool2d.ts'
export { crossEntropy, crossEntropyBackward, type Reduction } from './reference/cross_entropy.ts'
export { add, addBackward, gatherRows, relu, reluBackward } from './reference/elementwise.ts'
export {
  linear,
  linearBackward,
  linearRelu,
  linearReluBackward,
  type MatmulOptions,
  matmul,
  matmulBackward,
} from './reference/matmul.ts'
export { type MaxPool2dOptions, type MaxPool2dResult, maxPool2d, maxPool2dBackward } from './reference/max_pool2d.ts'
export { exact, type Pair, type Ref, type Result, ref, sizeOf, withBound } from './reference/ref.ts'
export { type SgdOptions, sgdStep } from './reference/sgd.ts'
