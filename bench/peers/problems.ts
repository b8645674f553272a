// The training steps that are compared: a network, a batch and an update each, the same for all libraries.
import type { ImageDataset } from '../../src/data/fashion_mnist.ts'
import { randomIntegers, randomValues } from '../support.ts'
import { LR } from '../training.ts'
import type { Values } from './kernels.ts'

export type ProblemName = 'lenet' | 'mlp' | 'lstm' | 'resnet' | 'gpt'

/** PyTorch's SGD or AdamW, the same for all parameters. */
export type Update =
  | { readonly rule: 'sgd'; readonly lr: number; readonly momentum: number }
  | {
      readonly rule: 'adamw'
      readonly lr: number
      readonly betas: readonly [number, number]
      readonly eps: number
      readonly weightDecay: number
    }

export interface Batch {
  readonly input: Values | { readonly shape: readonly number[]; readonly data: Int32Array<ArrayBuffer> }
  /** A class for each row of the logits. */
  readonly labels: Int32Array<ArrayBuffer>
}

/** What is trained; the networks themselves are in the files of the libraries, under this name. */
export interface Description {
  readonly name: ProblemName
  readonly title: string
  readonly batchSize: number
  readonly classes: number
  readonly update: Update
  /** How far the losses of the first steps may lie apart, as a share. */
  readonly tolerance: number
  /** The batch of so many examples; the images are the first of this set, where the problem has images of it. */
  batch(size: number, dataset: ImageDataset): Batch
}

/** A description with its batch and its initial weights, by PyTorch's names and in its layouts. */
export interface Problem extends Description, Batch {
  readonly weights: ReadonlyMap<string, Values>
}

/** Images as floats from 0 to 1, in this shape. */
function imagesOf({ images, labels, count }: ImageDataset, size: number, shape: readonly number[]): Batch {
  const bytes = images.subarray(0, (size * images.length) / count)
  return {
    input: { shape: [size, ...shape], data: Float32Array.from(bytes, (byte) => byte / 255) },
    labels: Int32Array.from(labels.subarray(0, size)),
  }
}

/** The sizes of the language model. */
export const GPT = { vocab: 64, context: 64, layers: 4, heads: 4, width: 128 } as const

/** The blocks of ResNet-18: their stages, from 1, and their places within. All but the first stage begin with steps of 2. */
export const RESNET_BLOCKS = [1, 2, 3, 4].flatMap((stage) => [0, 1].map((block) => [stage, block] as const))

const ADAMW = { rule: 'adamw', lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.01 } as const

export const PROBLEMS: readonly Description[] = [
  {
    name: 'lenet',
    title: 'LeNet, SGD',
    batchSize: 256,
    classes: 10,
    update: { rule: 'sgd', lr: LR, momentum: 0 },
    // 67 unit roundoffs. A step lowers the loss by 0.012 % of it; a gradient that is off by a tenth shows in the third step.
    tolerance: 4e-6,
    batch: (size, dataset) => imagesOf(dataset, size, [1, 28, 28]),
  },
  {
    name: 'mlp',
    title: 'MLP 784-512-512-10, AdamW',
    batchSize: 256,
    classes: 10,
    update: ADAMW,
    // The others have 1 − 0.999ᵗ in float32, off by 5e-5 of it at first, and so their steps by 2.4e-5; the losses of these steps
    // fall by 20 % in all.
    tolerance: 1e-5,
    batch: (size, dataset) => imagesOf(dataset, size, [784]),
  },
  {
    name: 'lstm',
    title: 'LSTM 64→128 of 32 steps, SGD',
    batchSize: 32,
    classes: 10,
    update: { rule: 'sgd', lr: 0.1, momentum: 0 },
    tolerance: 4e-6,
    batch: (size) => ({
      input: { shape: [32, size, 64], data: randomValues(32 * size * 64, 1) },
      labels: randomIntegers(size, 10, 2),
    }),
  },
  {
    name: 'resnet',
    title: 'ResNet-18 of width 16 on 32×32, SGD with momentum',
    batchSize: 64,
    classes: 10,
    update: { rule: 'sgd', lr: 0.01, momentum: 0.9 },
    // Seventeen batch norms, one after another, whose sums no two libraries add in the same order.
    tolerance: 1e-4,
    batch: (size) => ({
      input: { shape: [size, 3, 32, 32], data: randomValues(size * 3 * 32 * 32, 1) },
      labels: randomIntegers(size, 10, 2),
    }),
  },
  {
    name: 'gpt',
    title: `GPT of 4 layers, width 128, 4 heads, ${GPT.context} tokens, AdamW`,
    batchSize: 16,
    classes: GPT.vocab,
    update: ADAMW,
    // As for the MLP; TensorFlow.js has an erf that is off by 1.5e-7 in each gelu.
    tolerance: 2e-5,
    batch: (size) => ({
      input: { shape: [size, GPT.context], data: randomIntegers(size * GPT.context, GPT.vocab, 1) },
      labels: randomIntegers(size * GPT.context, GPT.vocab, 2),
    }),
  },
]
