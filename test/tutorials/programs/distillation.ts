// A small network learns from a large one what classes resemble each other, after Keras's "Knowledge Distillation".
import {
  type Batches,
  crossEntropy,
  evaluate,
  type FitResult,
  fit,
  klDivLoss,
  metrics,
  nn,
  noGrad,
  optim,
  pad,
  type Tensor,
} from 'dawngrad'

export type Digits = Batches<{ x: { data: Uint8Array; shape: number[]; scale: number }; y: Int32Array }>

/** One more row below and one more column to the right, as Keras's padding 'same' has for these sizes. */
class Same extends nn.Module {
  readonly value: number

  constructor(value = 0) {
    super()
    this.value = value
  }

  override forward(x: Tensor): Tensor {
    return pad(x, [0, 1, 0, 1], { value: this.value })
  }
}

/** Images [N, 1, 28, 28] → logits of the 10 digits. */
function network(first: number, second: number): nn.Sequential {
  return new nn.Sequential(
    new Same(),
    new nn.Conv2d(1, first, 3, { stride: 2 }),
    new nn.LeakyReLU(0.2),
    new Same(-Infinity),
    new nn.MaxPool2d(2, { stride: 1 }),
    new Same(),
    new nn.Conv2d(first, second, 3, { stride: 2 }),
    new nn.Flatten(),
    new nn.Linear(second * 7 * 7, 10),
  )
}

export const teacher = (first = 256, second = 512) => network(first, second)
export const student = (first = 16, second = 32) => network(first, second)

type LossOf = (logits: Tensor, batch: { x: Tensor; y: Tensor }) => Tensor

/** Of the labels alone. */
export const plainLoss: LossOf = (logits, { y }) => crossEntropy(logits, y)

/** Of the labels, and of the teacher's probabilities, which a temperature makes softer. */
export function distillationLoss(teacher: nn.Module, { alpha = 0.1, temperature = 10 } = {}): LossOf {
  return (logits, { x, y }) => {
    const wanted = noGrad(() => teacher.forward(x).div(temperature).softmax(1))
    const found = logits.div(temperature).logSoftmax(1)
    const distillation = klDivLoss(found, wanted, { reduction: 'batchmean' })
    return crossEntropy(logits, y)
      .mul(alpha)
      .add(distillation.mul(1 - alpha))
  }
}

/** Trains the network. */
export function train(net: nn.Module, loss: LossOf, data: Digits, { epochs = 3 } = {}): Promise<FitResult> {
  const optimizer = new optim.Adam(net.parameters(), { lr: 1e-3, eps: 1e-7 })
  return fit(net, { data, loss, metrics: { accuracy: metrics.accuracy() }, optimizer, epochs })
}

/** Loss, and the share of the images whose class has the largest logit. */
export const score = (net: nn.Module, data: Digits) =>
  evaluate(net, data, { loss: plainLoss, metrics: { accuracy: metrics.accuracy() } })
