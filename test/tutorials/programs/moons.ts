// Two moons told apart by a small network and a hinge loss, after the demo of karpathy/micrograd.
import { nn, optim, scope, type Tensor } from 'dawngrad'

/** Two inputs, two hidden layers of 16, one score: positive for the one moon, negative for the other. */
export function network(): nn.Sequential {
  const { Linear, ReLU } = nn
  return new nn.Sequential(new Linear(2, 16), new ReLU(), new Linear(16, 16), new ReLU(), new Linear(16, 1))
}

/** The mean of max(0, 1 − yᵢ scoreᵢ) with y −1 or 1, and a small penalty on all parameters. */
export function hinge(net: nn.Module, x: Tensor, y: Tensor, alpha = 1e-4): Tensor {
  const margins = y.mul(net.forward(x).squeeze(1)).neg().add(1).relu()
  const squares = net.parameters().map((p) => p.square().sum())
  return squares
    .reduce((sum, square) => sum.add(square))
    .mul(alpha)
    .add(margins.mean())
}

/** Gradient descent on all points, at a rate that falls from 1 to 0.1. Returns the loss of every step. */
export async function train(net: nn.Module, x: Tensor, y: Tensor, { steps = 100 } = {}): Promise<number[]> {
  const optimizer = new optim.SGD(net.parameters(), { lr: 1 })
  const losses = []
  for (let k = 0; k < steps; k++) {
    optimizer.paramGroups[0]!.lr = 1 - (0.9 * k) / 100
    const loss = scope(() => {
      const loss = hinge(net, x, y)
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss
    })
    losses.push(await loss.item())
  }
  return losses
}
