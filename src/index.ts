// The portable entry: everything that runs in a browser and in Node alike.
/// <reference types="@webgpu/types" preserve="true" />

import './kernels/methods.ts'

export { capture, Plan, type PlanRunOptions, warmUp } from './capture/capture.ts'
export type { AugmentOptions, ImageChanges, Normalization } from './data/augment.ts'
export {
  type Batch,
  Batches,
  type BatchesOptions,
  type BatchOf,
  ImageBatches,
  type ImageBatchesOptions,
  type SomeFields,
} from './data/batches.ts'
export type { BatchField, BatchFields } from './data/check_fields.ts'
export { type CsvOptions, parseCsv, readCsv } from './data/csv.ts'
export { type DecodeImageOptions, decodeImage, type ImageChannels } from './data/decode_image.ts'
export { type ImageDataset, take } from './data/fashion_mnist.ts'
export type { HostArray } from './data/host_array.ts'
export { readIdx } from './data/idx.ts'
export { encodeNpy, parseNpy, readNpy } from './data/npy.ts'
export { type NpzOptions, parseNpz, readNpz } from './data/npz.ts'
export { type ParquetOptions, readParquet } from './data/parquet.ts'
export { decodeSafetensors, encodeSafetensors, type HostTensor, type SafetensorsFile } from './data/safetensors.ts'
export { type Sampler, type WeightedSamplerOptions, weightedSampler } from './data/sampler.ts'
export { type BytesOptions, bytesOf, type Source } from './data/sources.ts'
export { type Standardized, type Statistics, standardize } from './data/standardize.ts'
export {
  type Categories,
  type CategoryOptions,
  type Fill,
  type MatrixOptions,
  Table,
  type TableSplitOptions,
} from './data/table.ts'
export { AnomalyError, type Direction, detectAnomaly, isAnomalyEnabled, setDetectAnomaly } from './debug/anomaly.ts'
export { GradcheckError, type GradcheckMismatch, type GradcheckOptions, gradcheck } from './debug/gradcheck.ts'
export { DataError } from './errors.ts'
export type { BindingValue, BindingValues } from './gpu/bind.ts'
export { GpuError, type GpuErrorKind } from './gpu/errors.ts'
export { Gpu } from './gpu/gpu.ts'
export type { GpuInfo, GpuMemory } from './gpu/info.ts'
export { Kernel, KernelFile, type KernelOptions, type Numbers } from './gpu/kernel.ts'
export type { Storage } from './gpu/pool.ts'
export { argmax, argmin } from './kernels/argmax.ts'
export { type AttentionOptions, scaledDotProductAttention } from './kernels/attention.ts'
export { type AvgPool2dOptions, adaptiveAvgPool2d, avgPool2d } from './kernels/avg_pool2d.ts'
export { type BatchNormOptions, batchNorm } from './kernels/batch_norm.ts'
export {
  add,
  div,
  eq,
  ge,
  gt,
  le,
  lt,
  maximum,
  minimum,
  mul,
  ne,
  type Operand,
  pow,
  sub,
  where,
} from './kernels/binary.ts'
export { type CrossEntropyOptions, crossEntropy, type NLLLossOptions, nllLoss } from './kernels/class_losses.ts'
export { type ConvTranspose2dOptions, convTranspose2d } from './kernels/conv_transpose2d.ts'
export { type Conv1dOptions, conv1d } from './kernels/conv1d.ts'
export { type Conv2dOptions, conv2d } from './kernels/conv2d.ts'
export { conv2dReluMaxPool2d } from './kernels/conv2d_relu_max_pool2d.ts'
export {
  cat,
  expand,
  flip,
  type PadOptions,
  pad,
  permute,
  repeat,
  select,
  slice,
  split,
  stack,
  transpose,
  tril,
  triu,
} from './kernels/copy.ts'
export { cumsum } from './kernels/cumsum.ts'
export { type DropoutOptions, dropout } from './kernels/dropout.ts'
export { type InterpolateOptions, type Interpolation, interpolate } from './kernels/interpolate.ts'
export type { Labels } from './kernels/labels.ts'
export { linear, linearRelu } from './kernels/linear.ts'
export {
  type BCELossOptions,
  type BCEWithLogitsLossOptions,
  bceLoss,
  bceWithLogitsLoss,
  type HuberLossOptions,
  huberLoss,
  type KLDivLossOptions,
  klDivLoss,
  type LossOptions,
  l1Loss,
  mseLoss,
  type Reduction,
  type SmoothL1LossOptions,
  smoothL1Loss,
} from './kernels/losses.ts'
export { type MatmulOptions, matmul } from './kernels/matmul.ts'
export { type MaxPool2dOptions, maxPool2d } from './kernels/max_pool2d.ts'
export { groupNorm, type InstanceNormOptions, instanceNorm, layerNorm, rmsNorm } from './kernels/norms.ts'
export { oneHot } from './kernels/one_hot.ts'
export { pixelShuffle } from './kernels/pixel_shuffle.ts'
export { bernoulli, type RandomOptions, rand, randn } from './kernels/random.ts'
export type { Dim } from './kernels/reduce.ts'
export {
  logSumExp,
  max,
  mean,
  min,
  type NormOptions,
  norm,
  prod,
  type ReduceOptions,
  std,
  sum,
  type VarianceOptions,
  var,
} from './kernels/reductions.ts'
export { logSoftmax, softmax } from './kernels/softmax.ts'
export { type EmbeddingOptions, embedding, gather, indexSelect } from './kernels/take.ts'
export {
  abs,
  type ClampOptions,
  clamp,
  cos,
  elu,
  erf,
  exp,
  expm1,
  type GeluOptions,
  gelu,
  leakyRelu,
  log,
  log1p,
  neg,
  reciprocal,
  relu,
  rsqrt,
  sigmoid,
  sign,
  silu,
  sin,
  softplus,
  sqrt,
  square,
  tanh,
} from './kernels/unary.ts'
export * as nn from './nn.ts'
export { type OpenOptions, open } from './open.ts'
export * as optim from './optim/index.ts'
export * as sched from './sched/index.ts'
export { apply, type Forward, type GradientOf, type Inputs, type Op } from './tensor/autograd.ts'
export { empty, type Nested, type TensorOptions, tensor } from './tensor/create.ts'
export { noGrad } from './tensor/modes.ts'
export { type Generator, manualSeed, permutation, type Stream, type StreamName } from './tensor/random.ts'
export { scope } from './tensor/scope.ts'
export { type Shape, ShapeError, type ShapeLine } from './tensor/shape.ts'
export { type DType, Tensor, type TypedArray } from './tensor/tensor.ts'
export type { FitBatch, FitCallback, FitEpoch, FitProgress, FitResult, FitRun } from './train/callbacks.ts'
export type { CheckpointOptions, CheckpointStore } from './train/checkpoint_store.ts'
export { DivergedError, type Divergence } from './train/diverged.ts'
export { type EarlyStopping, type EarlyStoppingOptions, earlyStopping } from './train/early_stopping.ts'
export { type Evaluated, evaluate } from './train/evaluate.ts'
export { type FitOptions, fit, type ImageFields } from './train/fit.ts'
export type { BatchRecord, EpochRecord, HistoryRecord } from './train/history.ts'
export { csvLogger, type LrMonitor, lrMonitor, type RatesAt } from './train/loggers.ts'
export { type LrFindOptions, type LrFindResult, type LrPoint, lrFind } from './train/lr_find.ts'
export type { AverageOptions, Metric, MetricOptions, MetricValue } from './train/metrics.ts'
export * as metrics from './train/metrics.ts'
export {
  type KeptEpoch,
  type ModelCheckpoint,
  type ModelCheckpointOptions,
  modelCheckpoint,
} from './train/model_checkpoint.ts'
export * as checkpoint from './train/parts.ts'
export type {
  CallbackState,
  Figures,
  Position,
  SavedOptimizer,
  SavedRandom,
  SavedSettings,
  SavedState,
} from './train/saved_state.ts'
export type { EvaluationOptions, MetricOf, Metrics, OutputOf } from './train/task.ts'
export { updateBatchNorm } from './train/update_batch_norm.ts'
export type { Network } from './train/whole.ts'
export type { Tuning, TuningEntry } from './tune/file.ts'
