// A polynomial of degree 4 fitted to points of another one, after regression of pytorch/examples.
import { cat, linear, type nn, optim, randn, scope, smoothL1Loss, type Tensor } from 'dawngrad'

const DEGREE = 4

/** x, x², x³ and x⁴ of x, [n, 4]. */
const features = (x: Tensor) =>
  cat(
    Array.from({ length: DEGREE }, (_, i) => x.unsqueeze(1).pow(i + 1)),
    1,
  )

/** The polynomial that is looked for. */
export const target = () => ({ weight: randn([1, DEGREE]).mul(5), bias: randn([1]).mul(5) })

/** Plain gradient descent on new points in every step, until a loss is small. Returns all losses. */
export async function train(
  fc: nn.Linear,
  { weight, bias } = target(),
  { lr = 0.1, batchSize = 32, steps = Number.POSITIVE_INFINITY, draw = randn } = {},
) {
  const optimizer = new optim.SGD(fc.parameters(), { lr })
  const losses = []
  do {
    const loss = scope(() => {
      const x = features(draw([batchSize]))
      const loss = smoothL1Loss(fc.forward(x), linear(x, weight, bias))
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss
    })
    losses.push(await loss.item())
  } while (losses.length < steps && losses.at(-1)! >= 1e-3)
  return losses
}

/** A polynomial as a text: y = 1.00 x^1 … + 2.00. */
export async function described({ weight, bias }: { readonly weight: Tensor; readonly bias: Tensor | null }) {
  const terms = Array.from(await weight.data(), (w, i) => `${w.toFixed(2)} x^${i + 1}`)
  return `y = ${[...terms, (await bias!.item()).toFixed(2)].join(' + ')}`
}
