// Prices of houses by linear regression and by networks with hidden layers, after tensorflow/tfjs-examples, boston-housing.
import { type Batches, type BatchField, mseLoss, nn, noGrad, optim, scope, std, type Tensor } from 'dawngrad'

/** Columns [rows, features], and prices [rows, 1]. */
export type Houses = Batches<{ x: BatchField; y: BatchField }>

/** Mean and deviation of every column. */
export function determineMeanAndStd(x: Tensor): { mean: Tensor; deviation: Tensor } {
  return { mean: x.mean(0), deviation: std(x, 0, { correction: 0 }) }
}

export function normalize(x: Tensor, { mean, deviation }: { mean: Tensor; deviation: Tensor }): Tensor {
  return x.sub(mean).div(deviation)
}

/** Linear regression without `hidden`; else layers of these widths with sigmoids between them. */
export function regression(features: number, hidden: readonly number[] = []): nn.Sequential {
  const net = new nn.Sequential(
    ...hidden.flatMap((width, i) => [new nn.Linear(hidden[i - 1] ?? features, width), new nn.Sigmoid()]),
    new nn.Linear(hidden.at(-1) ?? features, 1),
  )
  for (const [name, p] of net.namedParameters()) {
    const deviation = Math.sqrt(1 / (p.shape[1] ?? 1)) // LeCun's
    if (name.endsWith('bias')) nn.init.zeros(p)
    else if (p.shape[0] === 1) nn.init.xavierUniform(p)
    else nn.init.truncNormal(p, { std: deviation, a: -2 * deviation, b: 2 * deviation })
  }
  return net
}

/** Gradient descent. Returns the loss of every step, and that of the houses that are held out after every epoch. */
export async function train(net: nn.Sequential, houses: Houses, held: Houses, { epochs = 200, lr = 0.01 } = {}) {
  const optimizer = new optim.SGD(net.parameters(), { lr })
  const losses = []
  const heldLosses = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let i = 0; i < houses.length; i++) {
      const loss = scope(() => {
        const { x, y } = houses.next()
        const loss = mseLoss(net.forward(x), y)
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        return loss
      })
      losses.push(await loss.item())
    }
    heldLosses.push(await evaluate(net, held))
  }
  return { losses, heldLosses }
}

/** The mean square of all errors. */
export async function evaluate(net: nn.Sequential, houses: Houses): Promise<number> {
  let sum = 0
  for (let i = 0; i < houses.length; i++) {
    const part = scope(() => {
      const { x, y } = houses.next()
      return noGrad(() => mseLoss(net.forward(x), y, { reduction: 'sum' }))
    })
    sum += await part.item()
  }
  return sum / houses.size
}

/** The error of naming the mean price of those trained on for every house. */
export function baseline(trained: Tensor, tested: Tensor): Promise<number> {
  return tested.sub(trained.mean()).square().mean().item()
}

/** Features by their weights in a linear regression, the largest first. */
export async function describeWeights(net: nn.Sequential, names: readonly string[]) {
  const weights = await net.parameters()[0]!.data()
  return names.map((name, i) => ({ name, value: weights[i]! })).sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
}
