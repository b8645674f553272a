// A pole on a cart balanced by policy gradients, after reinforcement_learning/reinforce.py of pytorch/examples.
import { nn, optim, relu, scope, softmax, stack, type Tensor, tensor } from 'dawngrad'

/** Gymnasium's CartPole-v1: a reward of 1 a step until the pole leans by 12 degrees, the cart leaves ±2.4, or 500 steps are over. */
export class CartPole {
  static readonly rewardThreshold = 475
  state: readonly number[] = []
  #steps = 0

  reset(random: () => number): readonly number[] {
    this.#steps = 0
    this.state = Array.from({ length: 4 }, () => 0.1 * random() - 0.05)
    return this.state
  }

  /** Pushes to the left (0) or to the right (1); tells whether the episode is over. */
  step(action: number): boolean {
    const [, speed, angle, turning] = this.state as [number, number, number, number]
    const [sin, cos] = [Math.sin(angle), Math.cos(angle)]
    const push = ((action === 1 ? 10 : -10) + 0.05 * turning ** 2 * sin) / 1.1
    const turn = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - (0.1 * cos ** 2) / 1.1))
    const rates = [speed, push - (0.05 * turn * cos) / 1.1, turning, turn]
    this.state = this.state.map((value, i) => value + 0.02 * rates[i]!)
    return Math.abs(this.state[0]!) > 2.4 || Math.abs(this.state[2]!) > (12 * Math.PI) / 180 || ++this.#steps >= 500
  }
}

export class Policy extends nn.Module {
  readonly affine1 = new nn.Linear(4, 128)
  readonly dropout = new nn.Dropout(0.6)
  readonly affine2 = new nn.Linear(128, 2)

  /** The probabilities of both pushes. */
  override forward(state: Tensor): Tensor {
    const x = relu(this.dropout.forward(this.affine1.forward(state)))
    return softmax(this.affine2.forward(x), 1)
  }
}

/** What each step is worth: the rewards of 1 from it on, later ones less by gamma, then with mean 0 and deviation 1. */
export function returns(steps: number, gamma: number): Tensor {
  const all = Array.from({ length: steps }, (_, t) => (1 - gamma ** (steps - t)) / (1 - gamma))
  const mean = all.reduce((sum, one) => sum + one, 0) / steps
  const deviation = Math.sqrt(all.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (steps - 1))
  return tensor(all.map((one) => (one - mean) / (deviation + 2 ** -23)))
}

/** Plays until the mean reward is high enough. Returns the losses and the steps of all episodes. */
export async function train(
  policy: Policy,
  { gamma = 0.99, lr = 0.01, episodes = Number.POSITIVE_INFINITY, random = Math.random } = {},
) {
  const optimizer = new optim.Adam(policy.parameters(), { lr })
  const env = new CartPole()
  const history = []
  let runningReward = 10
  while (history.length < episodes && runningReward <= CartPole.rewardThreshold) {
    let state = env.reset(random)
    const logProbs: Tensor[] = []
    for (let isOver = false; !isOver; state = env.state) {
      const probs = scope(() => policy.forward(tensor([state])))
      const action = random() < (await probs.data())[0]! ? 0 : 1
      logProbs.push(scope(() => probs.select(1, action).log()))
      isOver = env.step(action)
    }
    const steps = logProbs.length
    runningReward = 0.05 * steps + 0.95 * runningReward
    const loss = scope(() => {
      const loss = stack(logProbs).squeeze(1).mul(returns(steps, gamma)).sum().neg()
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss
    })
    history.push({ loss: await loss.item(), steps })
  }
  return history
}
