// The modules that `nn` offers.
export {
  ELU,
  GELU,
  Identity,
  LeakyReLU,
  ReLU,
  Sigmoid,
  SiLU,
  Softmax,
  Softplus,
  Tanh,
} from './activations.ts'
export {
  type AttentionMasks,
  MultiheadAttention,
  type MultiheadAttentionOptions,
} from './attention.ts'
export { BatchNorm1d, BatchNorm2d, type BatchNormLayerOptions } from './batch_norm.ts'
export {
  Conv1d,
  type Conv1dLayerOptions,
  Conv2d,
  type Conv2dLayerOptions,
  ConvTranspose2d,
  type ConvTranspose2dLayerOptions,
} from './conv.ts'
export { Embedding } from './embedding.ts'
export { GPT, type GPTOptions, gpt } from './gpt.ts'
export * as init from './initializers.ts'
export {
  AdaptiveAvgPool2d,
  AvgPool2d,
  Dropout,
  Flatten,
  Linear,
  MaxPool2d,
  PixelShuffle,
  Upsample,
} from './layers.ts'
export { lenet } from './lenet.ts'
export {
  BCELoss,
  BCEWithLogitsLoss,
  CrossEntropyLoss,
  HuberLoss,
  KLDivLoss,
  L1Loss,
  MSELoss,
  NLLLoss,
  SmoothL1Loss,
} from './losses.ts'
export { Module, type StateDict } from './module.ts'
export { ModuleList } from './module_list.ts'
export {
  GroupNorm,
  type GroupNormLayerOptions,
  InstanceNorm2d,
  LayerNorm,
  type LayerNormLayerOptions,
  RMSNorm,
  type RMSNormLayerOptions,
} from './norms.ts'
export {
  type CellOptions,
  GRU,
  GRUCell,
  LSTM,
  LSTMCell,
  type RecurrentOptions,
  RNN,
  RNNCell,
  type RNNCellOptions,
  type RNNOptions,
} from './recurrent.ts'
export { type ResNet, type ResNetOptions, resnet } from './resnet.ts'
export { Sequential, type SequentialOptions } from './sequential.ts'
export { buffer } from './state.ts'
export {
  type EncoderMasks,
  TransformerEncoderLayer,
  type TransformerEncoderLayerOptions,
} from './transformer.ts'
export { VisionTransformer, type VitOptions, vit } from './vit.ts'
