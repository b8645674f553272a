// Digits by two convolutions and a product, written with operations alone, after tensorflow/tfjs-examples, mnist-core.
import {
  add,
  type Batches,
  type BatchField,
  conv2d,
  crossEntropy,
  matmul,
  maxPool2d,
  noGrad,
  optim,
  randn,
  scope,
  type Tensor,
} from 'dawngrad'

/** Images as float32 [rows, 1, 28, 28], and the digits on them. */
export type Digits = Batches<{ images: BatchField; labels: BatchField }>

/** The variables that are optimized. */
export interface Weights {
  /** [8, 1, 5, 5] */
  conv1: Tensor
  /** [16, 8, 5, 5] */
  conv2: Tensor
  /** [784, 10] */
  product: Tensor
  /** [10] */
  bias: Tensor
}

export function variables(): Weights {
  const variable = (shape: number[], scale: number) => {
    const made = randn(shape).mul(scale).keep()
    made.requiresGrad = true
    return made
  }
  return {
    conv1: variable([8, 1, 5, 5], 0.1),
    conv2: variable([16, 8, 5, 5], 0.1),
    product: variable([784, 10], 1 / Math.sqrt(784)),
    bias: variable([10], 0),
  }
}

/** Logits [N, 10] of images [N, 1, 28, 28]. */
export function model(images: Tensor, { conv1, conv2, product, bias }: Weights): Tensor {
  const layer = (x: Tensor, weight: Tensor) =>
    maxPool2d(conv2d(x, weight, null, { padding: 2 }).relu(), { kernelSize: 2 })
  return add(matmul(layer(layer(images, conv1), conv2).flatten(), product), bias)
}

/** Returns the loss of every step. */
export async function train(weights: Weights, digits: Digits, { steps = 100, lr = 0.1 } = {}): Promise<number[]> {
  const optimizer = new optim.SGD(Object.values(weights), { lr })
  const losses = []
  for (let step = 0; step < steps; step++) {
    const loss = scope(() => {
      const { images, labels } = digits.next()
      const loss = crossEntropy(model(images, weights), labels)
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss
    })
    losses.push(await loss.item())
  }
  return losses
}

/** The digit of each image. */
export async function predict(images: Tensor, weights: Weights): Promise<number[]> {
  return Array.from(await noGrad(() => model(images, weights).argmax(1)).data())
}
