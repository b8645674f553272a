// Deep Q-learning on CartPole-v1, after cleanrl/dqn.py of vwxyzjn/cleanrl.
import { gather, mseLoss, nn, noGrad, optim, scope, type Tensor, tensor } from 'dawngrad'

/** CartPole-v1 of gymnasium: a step is worth 1, and a game ends when the pole falls, the cart leaves, or after 500 steps. */
export class CartPole {
  state: number[] = []
  steps = 0
  readonly random: () => number

  constructor(random: () => number) {
    this.random = random
  }

  reset(): number[] {
    this.steps = 0
    this.state = Array.from({ length: 4 }, () => this.random() * 0.1 - 0.05)
    return this.state
  }

  step(action: number): { next: number[]; reward: number; terminated: boolean; truncated: boolean } {
    const [x, xDot, theta, thetaDot] = this.state as [number, number, number, number]
    const [sin, cos] = [Math.sin(theta), Math.cos(theta)]
    const push = ((action === 1 ? 10 : -10) + 0.05 * thetaDot ** 2 * sin) / 1.1
    const thetaAcc = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - (0.1 * cos ** 2) / 1.1))
    const xAcc = push - (0.05 * thetaAcc * cos) / 1.1
    this.state = [x + 0.02 * xDot, xDot + 0.02 * xAcc, theta + 0.02 * thetaDot, thetaDot + 0.02 * thetaAcc]
    const terminated = Math.abs(this.state[0]!) > 2.4 || Math.abs(this.state[2]!) > (12 * 2 * Math.PI) / 360
    return { next: this.state, reward: 1, terminated, truncated: ++this.steps >= 500 }
  }
}

export class QNetwork extends nn.Module {
  readonly network: nn.Sequential

  constructor(observations = 4, actions = 2) {
    super()
    const { Linear, ReLU } = nn
    const hidden = [new Linear(observations, 120), new ReLU(), new Linear(120, 84), new ReLU()]
    this.network = new nn.Sequential(...hidden, new Linear(84, actions))
  }

  override forward(x: Tensor): Tensor {
    return this.network.forward(x)
  }
}

interface Transition {
  readonly obs: number[]
  readonly next: number[]
  readonly action: number
  readonly reward: number
  readonly terminated: boolean
}

/** The last transitions, the oldest of which make room. */
export class ReplayBuffer {
  readonly size: number
  readonly #rows: Transition[] = []
  #added = 0

  constructor(size: number) {
    this.size = size
  }

  add(row: Transition): void {
    this.#rows[this.#added++ % this.size] = row
  }

  sample(count: number, random: () => number) {
    const rows = Array.from({ length: count }, () => this.#rows[Math.floor(random() * this.#rows.length)]!)
    return {
      obs: tensor(rows.map(({ obs }) => obs)),
      next: tensor(rows.map(({ next }) => next)),
      actions: tensor(
        Int32Array.from(rows, ({ action }) => action),
        [count, 1],
      ),
      rewards: tensor(rows.map(({ reward }) => reward)),
      dones: tensor(rows.map(({ terminated }) => Number(terminated))),
    }
  }
}

export function linearSchedule(start: number, end: number, duration: number, t: number): number {
  return Math.max(((end - start) / duration) * t + start, end)
}

export const ARGS = {
  totalTimesteps: 500000,
  learningRate: 2.5e-4,
  bufferSize: 10000,
  gamma: 0.99,
  tau: 1,
  targetNetworkFrequency: 500,
  batchSize: 128,
  startE: 1,
  endE: 0.05,
  explorationFraction: 0.5,
  learningStarts: 10000,
  trainFrequency: 10,
  random: Math.random as () => number,
}

/** Returns the losses, and the length of every game. */
export async function train(qNetwork: QNetwork, targetNetwork: QNetwork, options: Partial<typeof ARGS> = {}) {
  const args = { ...ARGS, ...options }
  const { random } = args
  const optimizer = new optim.Adam(qNetwork.parameters(), { lr: args.learningRate })
  targetNetwork.loadStateDict(Object.fromEntries(qNetwork.stateDict()))
  const rb = new ReplayBuffer(args.bufferSize)
  const env = new CartPole(random)
  const losses = []
  const returns = []
  let obs = env.reset()
  for (let step = 0; step < args.totalTimesteps; step++) {
    const epsilon = linearSchedule(args.startE, args.endE, args.explorationFraction * args.totalTimesteps, step)
    const action =
      random() < epsilon
        ? Math.floor(random() * 2)
        : await scope(() => noGrad(() => qNetwork.forward(tensor([obs])).argmax(1))).item()
    const { next, reward, terminated, truncated } = env.step(action)
    rb.add({ obs, next, action, reward, terminated })
    if (terminated || truncated) returns.push(env.steps)
    obs = terminated || truncated ? env.reset() : next
    if (step <= args.learningStarts) continue
    if (step % args.trainFrequency === 0) {
      const loss = scope(() => {
        const data = rb.sample(args.batchSize, random)
        const targetMax = noGrad(() => targetNetwork.forward(data.next).max(1))
        const tdTarget = data.rewards.add(targetMax.mul(args.gamma).mul(data.dones.neg().add(1)))
        const oldVal = gather(qNetwork.forward(data.obs), 1, data.actions).squeeze(1)
        const loss = mseLoss(oldVal, tdTarget)
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        return loss
      })
      losses.push(await loss.item())
    }
    if (step % args.targetNetworkFrequency === 0) {
      scope(() => {
        const q = qNetwork.stateDict()
        const mixed = [...targetNetwork.stateDict()].map(([name, p]) => [
          name,
          q
            .get(name)!
            .mul(args.tau)
            .add(p.mul(1 - args.tau)),
        ])
        targetNetwork.loadStateDict(Object.fromEntries(mixed))
      })
    }
  }
  return { losses, returns }
}
