// A small network learns from a large one what classes resemble each other, after Keras's "Knowledge Distillation".
import { type Batches, capture, crossEntropy, klDivLoss, nn, noGrad, optim, pad, scope, type Tensor } from 'dawngrad'

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

type LossOf = (x: Tensor, y: Tensor) => Tensor

/** Of the labels alone. */
export const plainLoss =
  (net: nn.Module): LossOf =>
  (x, y) =>
    crossEntropy(net.forward(x), y)

/** Of the labels, and of the teacher's probabilities, which a temperature makes softer. */
export function distillationLoss(
  student: nn.Module,
  teacher: nn.Module,
  { alpha = 0.1, temperature = 10 } = {},
): LossOf {
  return (x, y) => {
    const wanted = noGrad(() => teacher.forward(x).div(temperature).softmax(1))
    const logits = student.forward(x)
    const found = logits.div(temperature).logSoftmax(1)
    const distillation = klDivLoss(found, wanted, { reduction: 'batchmean' })
    return crossEntropy(logits, y)
      .mul(alpha)
      .add(distillation.mul(1 - alpha))
  }
}

/** Trains the network by Adam; returns the loss of every update. */
export async function train(net: nn.Module, lossOf: LossOf, batches: Digits, { epochs = 3 } = {}): Promise<number[]> {
  const optimizer = new optim.Adam(net.parameters(), { lr: 1e-3, eps: 1e-7 })
  const plan = capture(() => {
    const { x, y } = batches.next()
    const loss = lossOf(x, y)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  })
  const losses: number[] = []
  for (let step = 0; step < epochs * batches.length; step++) {
    plan.run()
    losses.push(await plan.result.item())
  }
  plan.dispose()
  return losses
}

/** The share of the images whose class has the largest logit. */
export async function accuracy(net: nn.Module, batches: Digits): Promise<number> {
  let right = 0
  for (const { x, y } of batches) {
    const [found, labels] = [await scope(() => noGrad(() => net.forward(x).argmax(1))).data(), await y.data()]
    right += found.filter((label, i) => label === labels[i]).length
  }
  return right / batches.size
}
