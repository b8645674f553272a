// Sine waves continued by two LSTM cells that L-BFGS trains, after time_sequence_prediction of pytorch/examples.
import { cat, mseLoss, nn, noGrad, optim, scope, split, stack, type Tensor } from 'dawngrad'

export class Sequence extends nn.Module {
  readonly lstm1: nn.LSTMCell
  readonly lstm2: nn.LSTMCell
  readonly linear: nn.Linear

  constructor(hidden = 51) {
    super()
    this.lstm1 = new nn.LSTMCell(1, hidden)
    this.lstm2 = new nn.LSTMCell(hidden, hidden)
    this.linear = new nn.Linear(hidden, 1)
  }

  /** For waves [N, L] what comes after each value, and then `future` values more: [N, L + future]. */
  override forward(input: Tensor, future = 0): Tensor {
    let first: [Tensor, Tensor] | null = null
    let second: [Tensor, Tensor] | null = null
    const outputs: Tensor[] = []
    const next = (x: Tensor) => {
      first = this.lstm1.forward(x, first)
      second = this.lstm2.forward(first[0], second)
      outputs.push(this.linear.forward(second[0]))
    }
    for (const x of split(input, 1, 1)) next(x)
    for (let i = 0; i < future; i++) next(outputs.at(-1)!)
    return cat(outputs, 1)
  }
}

/** L-BFGS with steps of a fixed length, as PyTorch's optim.LBFGS without a line search; all vectors stay on the GPU. */
export class LBFGS {
  readonly #parameters: readonly Tensor[]
  readonly #options: { readonly lr: number; readonly maxIter: number; readonly historySize: number }
  /** Moves the parameters: plain steps against what it is given as the gradient. */
  readonly #mover: optim.SGD
  /** y, s and 1 / (y · s) of the last steps. */
  readonly #history: (readonly [y: Tensor, s: Tensor, ro: Tensor])[] = []
  /** The last gradient, and the step that was taken from there. */
  #last: readonly [gradient: Tensor, step: Tensor] | null = null
  #scale: Tensor | number = 1

  constructor(parameters: readonly Tensor[], { lr = 1, maxIter = 20, historySize = 100 } = {}) {
    this.#parameters = parameters
    this.#options = { lr, maxIter, historySize }
    this.#mover = new optim.SGD([...parameters], { lr: 1 })
  }

  zeroGrad(): void {
    this.#mover.zeroGrad()
  }

  /** Up to maxIter steps; `closure` gives the loss after its backward. Returns the losses that it gave. */
  async step(closure: () => Tensor, { toleranceGrad = 1e-7, toleranceChange = 1e-9 } = {}): Promise<number[]> {
    const losses = [await closure().item()]
    const gradientOf = () => scope(() => cat(this.#parameters.map((p) => p.grad!.flatten(0))))
    let gradient = gradientOf()
    for (let i = 0; i < this.#options.maxIter; i++) {
      if ((await scope(() => gradient.abs().max()).item()) <= toleranceGrad) break
      const direction = await this.#direction(gradient)
      const isFirst = this.#last === null
      const first = isFirst ? 1 / (await scope(() => gradient.abs().sum()).item()) : 1
      const length = Math.min(1, first) * this.#options.lr
      const step = scope(() => direction.mul(length))
      this.#last = [gradient, step]
      const [slope, largest] = await scope(() => stack([dot(gradient, direction), step.abs().max()])).data()
      if (slope! > -toleranceChange) break
      this.#move(step)
      if (i === this.#options.maxIter - 1) break
      losses.push(await closure().item())
      gradient = gradientOf()
      if (largest! <= toleranceChange || Math.abs(losses.at(-1)! - losses.at(-2)!) < toleranceChange) break
    }
    return losses
  }

  /** The gradient times what the history tells of the inverse Hessian, turned round. */
  async #direction(gradient: Tensor): Promise<Tensor> {
    const history = this.#history
    if (this.#last) {
      const [before, s] = this.#last
      const [y, ys] = scope(() => {
        const y = gradient.sub(before)
        return [y, dot(y, s)] as const
      })
      if ((await ys.item()) > 1e-10) {
        if (history.length === this.#options.historySize) history.shift()
        history.push([y, s, scope(() => ys.reciprocal())])
        this.#scale = scope(() => ys.div(dot(y, y)))
      }
    }
    return scope(() => {
      let q = gradient.neg()
      const alphas = history.toReversed().map(([y, s, ro]) => {
        const alpha = dot(s, q).mul(ro)
        q = q.sub(y.mul(alpha))
        return alpha
      })
      q = q.mul(this.#scale)
      for (const [y, s, ro] of history) q = q.add(s.mul(alphas.pop()!.sub(dot(y, q).mul(ro))))
      return q
    })
  }

  #move(step: Tensor): void {
    scope(() => {
      const parts = split(
        step.neg(),
        this.#parameters.map(({ size }) => size),
      )
      for (const [i, p] of this.#parameters.entries()) p.grad = parts[i]!.reshape(p.shape)
      this.#mover.step()
      this.#mover.zeroGrad()
    })
  }
}

const dot = (a: Tensor, b: Tensor) => a.mul(b).sum()

/** n waves of a period of 2π · 20 steps, each begun somewhere else, [n, length]. */
export function waves(n = 100, length = 1000, random = Math.random): Float32Array {
  const starts = Array.from({ length: n }, () => Math.floor(160 * random()) - 80)
  return Float32Array.from({ length: n * length }, (_, i) =>
    Math.sin((starts[Math.floor(i / length)]! + (i % length)) / 20),
  )
}

/** Trains on all waves but the first three, which are continued. Returns all losses of training, and those of the test. */
export async function train(net: Sequence, data: Tensor, { steps = 15, future = 1000, lr = 0.8, maxIter = 20 } = {}) {
  const [n, length] = data.shape as [number, number]
  const [input, target] = [data.slice(0, 3, n).slice(1, 0, length - 1), data.slice(0, 3, n).slice(1, 1, length)]
  const [testInput, testTarget] = [data.slice(0, 0, 3).slice(1, 0, length - 1), data.slice(0, 0, 3).slice(1, 1, length)]
  const optimizer = new LBFGS(net.parameters(), { lr, maxIter })
  const losses = []
  const tests = []
  let predicted: Tensor | null = null
  for (let i = 0; i < steps; i++) {
    const found = await optimizer.step(() =>
      scope(() => {
        optimizer.zeroGrad()
        const loss = mseLoss(net.forward(input), target)
        loss.backward()
        return loss
      }),
    )
    losses.push(...found)
    predicted = scope(() => noGrad(() => net.forward(testInput, future)))
    tests.push(await scope(() => mseLoss(predicted!.slice(1, 0, length - 1), testTarget)).item())
  }
  return { losses, tests, predicted }
}
