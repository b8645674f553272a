// The coefficients of a cubic found by gradient descent, after tensorflow/tfjs-examples, polynomial-regression-core.
import { optim, rand, randn, scope, type Tensor, tensor } from 'dawngrad'

/** a x³ + b x² + c x + d. */
export type Coefficients<T> = { a: T; b: T; c: T; d: T }

/** Values of a cubic at x with noise, scaled to 0 … 1. */
export function sample(x: Tensor, noise: Tensor, { a, b, c, d }: Coefficients<number>): Tensor {
  const y = predict(x, { a: tensor(a), b: tensor(b), c: tensor(c), d: tensor(d) }).add(noise)
  return y.sub(y.min()).div(y.max().sub(y.min()))
}

/** `points` values of x in −1 … 1 and the cubic's there. */
export function generateData(points: number, coefficients: Coefficients<number>, sigma = 0.04): [x: Tensor, y: Tensor] {
  const x = rand([points]).mul(2).sub(1)
  return [x, sample(x, randn([points]).mul(sigma), coefficients)]
}

/** What is learnt, from random values on. */
export function variables(start = Math.random): Coefficients<Tensor> {
  const variable = () => tensor(start(), [], { requiresGrad: true })
  return { a: variable(), b: variable(), c: variable(), d: variable() }
}

export function predict(x: Tensor, { a, b, c, d }: Coefficients<Tensor>): Tensor {
  return a.mul(x.pow(3)).add(b.mul(x.square())).add(c.mul(x)).add(d)
}

/** Returns the loss of every step. */
export async function train(
  x: Tensor,
  y: Tensor,
  coefficients: Coefficients<Tensor>,
  { steps = 75, lr = 0.5 } = {},
): Promise<number[]> {
  const optimizer = new optim.SGD(Object.values(coefficients), { lr })
  const losses = []
  for (let k = 0; k < steps; k++) {
    const loss = scope(() => {
      const loss = predict(x, coefficients).sub(y).square().mean()
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss
    })
    losses.push(await loss.item())
  }
  return losses
}
