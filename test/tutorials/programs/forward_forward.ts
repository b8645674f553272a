// Digits without backpropagation through layers: each layer by itself learns to tell images with the right label from images with a wrong one.
// After mnist_forward_forward of pytorch/examples.
import { capture, cat, log1p, nn, noGrad, oneHot, optim, scope, stack, type Tensor, tensor, where } from 'dawngrad'

/** Images [n, pixels] whose first ten pixels say a label. */
export function overlay(x: Tensor, y: Tensor, classes = 10): Tensor {
  return cat([oneHot(y, classes).mul(x.max()), x.slice(1, classes, x.shape[1]!)], 1)
}

/** For every digit another one. */
export function wrongDigits(y: Int32Array, random = Math.random): Int32Array {
  return y.map((digit) => (digit + 1 + Math.floor(random() * 9)) % 10)
}

const goodness = (h: Tensor) => h.square().mean(1)

class Layer extends nn.Linear {
  override forward(x: Tensor): Tensor {
    const direction = x.div(x.norm({ dim: 1, keepDim: true }).add(1e-4))
    return super.forward(direction).relu()
  }

  /** Trains this layer alone, on what the layers before made of right and of wrong images. Returns all losses. */
  async learn(
    right: Tensor,
    wrong: Tensor,
    { epochs, lr, threshold }: { epochs: number; lr: number; threshold: number },
  ) {
    const optimizer = new optim.Adam(this.parameters(), { lr })
    const step = capture(() => {
      const good = goodness(this.forward(right))
      const bad = goodness(this.forward(wrong))
      const loss = log1p(cat([good.neg().add(threshold), bad.sub(threshold)]).exp()).mean()
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss
    })
    const losses = []
    for (let epoch = 0; epoch < epochs; epoch++) {
      step.run()
      losses.push(await step.result.item())
    }
    return losses
  }
}

export class Net extends nn.Module {
  readonly layers: readonly Layer[]

  constructor(dims: readonly number[] = [784, 500, 500]) {
    super()
    this.layers = dims.slice(1).map((out, i) => new Layer(dims[i]!, out))
  }

  /** The label with which an image is best, in int32 [n]. */
  override forward(x: Tensor): Tensor {
    const perLabel = Array.from({ length: 10 }, (_, label) => {
      let h = overlay(x, tensor(new Int32Array(x.shape[0]!).fill(label)))
      const all = this.layers.map((layer) => {
        h = layer.forward(h)
        return goodness(h)
      })
      return all.reduce((sum, one) => sum.add(one))
    })
    return stack(perLabel, 1).argmax(1)
  }

  async learn(right: Tensor, wrong: Tensor, { epochs = 1000, lr = 0.03, threshold = 2 } = {}): Promise<number[]> {
    const losses = []
    let [h, other] = [right, wrong]
    for (const layer of this.layers) {
      losses.push(...(await layer.learn(h, other, { epochs, lr, threshold })))
      ;[h, other] = noGrad(() => [layer.forward(h), layer.forward(other)] as const)
    }
    return losses
  }
}

/** The part of the images whose digit is not found. */
export function errorRate(net: Net, x: Tensor, y: Tensor): Promise<number> {
  return scope(() => noGrad(() => where(net.forward(x).ne(y), 1, 0).mean())).item()
}
