// A pole kept upright on a cart by policy gradients, after tensorflow/tfjs-examples, cart-pole.
import { bceWithLogitsLoss, nn, noGrad, optim, scope, sigmoid, tensor } from 'dawngrad'

export class CartPole {
  static readonly gravity = 9.8
  static readonly massPole = 0.1
  static readonly totalMass = 1.1
  /** Half of the pole's. */
  static readonly length = 0.5
  static readonly poleMoment = 0.05
  static readonly forceMag = 10
  /** Seconds between updates. */
  static readonly tau = 0.02
  static readonly xThreshold = 2.4
  static readonly thetaThreshold = (12 / 360) * 2 * Math.PI

  x = 0
  xDot = 0
  theta = 0
  thetaDot = 0

  readonly random: () => number

  constructor(random: () => number = Math.random) {
    this.random = random
    this.setRandomState()
  }

  setRandomState(): void {
    this.x = this.random() - 0.5
    this.xDot = this.random() - 0.5
    this.theta = (this.random() - 0.5) * 2 * ((6 / 360) * 2 * Math.PI)
    this.thetaDot = (this.random() - 0.5) * 0.5
  }

  get state(): [number, number, number, number] {
    return [this.x, this.xDot, this.theta, this.thetaDot]
  }

  /** Pushes to the right if the action is above 0, else to the left. Returns whether the game is over. */
  update(action: number): boolean {
    const { gravity, massPole, totalMass, length, poleMoment, forceMag, tau, xThreshold, thetaThreshold } = CartPole
    const [sin, cos] = [Math.sin(this.theta), Math.cos(this.theta)]
    const push = ((action > 0 ? forceMag : -forceMag) + poleMoment * this.thetaDot ** 2 * sin) / totalMass
    const thetaAcc = (gravity * sin - cos * push) / (length * (4 / 3 - (massPole * cos * cos) / totalMass))
    const xAcc = push - (poleMoment * thetaAcc * cos) / totalMass
    this.x += tau * this.xDot
    this.xDot += tau * xAcc
    this.theta += tau * this.thetaDot
    this.thetaDot += tau * thetaAcc
    return Math.abs(this.x) > xThreshold || Math.abs(this.theta) > thetaThreshold
  }
}

/** Four numbers of the state → the logit of pushing to the left. Keras' first values: Glorot's, and biases of 0. */
export function policyNetwork(hiddenLayerSizes: readonly number[] = [4]): nn.Sequential {
  const hidden = hiddenLayerSizes.flatMap((size, i) => [
    new nn.Linear(hiddenLayerSizes[i - 1] ?? 4, size),
    new nn.ELU(),
  ])
  const net = new nn.Sequential(...hidden, new nn.Linear(hiddenLayerSizes.at(-1) ?? 4, 1))
  for (const p of net.parameters()) (p.shape.length > 1 ? nn.init.xavierUniform : nn.init.zeros)(p)
  return net
}

/** What every step of a game is worth: its reward and, ever less, those of the steps after it. */
export function discountRewards(rewards: readonly number[], rate: number): number[] {
  const discounted = [...rewards]
  for (let i = rewards.length - 2; i >= 0; i--) discounted[i]! += rate * discounted[i + 1]!
  return discounted
}

/** Plays a game. Returns the states, the actions that were drawn, and the rewards. */
async function play(net: nn.Sequential, system: CartPole, maxSteps: number) {
  system.setRandomState()
  const game = { states: [] as number[][], actions: [] as number[], rewards: [] as number[] }
  for (let done = false; !done && game.rewards.length < maxSteps; ) {
    const left = await scope(() => noGrad(() => sigmoid(net.forward(tensor([system.state]))))).item()
    const action = system.random() < left ? 0 : 1
    game.states.push(system.state)
    game.actions.push(action)
    done = system.update(action)
    game.rewards.push(done ? 0 : 1)
  }
  return game
}

export interface Options {
  readonly discountRate?: number
  readonly games?: number
  readonly maxStepsPerGame?: number
}

/**
 * Plays some games, and makes what was done in steps of more worth more likely, of less worth less likely: the original scales and
 * adds the gradients of the steps, which are those of this loss. Returns the loss and the length of every game.
 */
export async function train(net: nn.Sequential, optimizer: optim.Adam, system: CartPole, options: Options = {}) {
  const { discountRate = 0.95, games: count = 20, maxStepsPerGame = 500 } = options
  const games: Awaited<ReturnType<typeof play>>[] = []
  for (let i = 0; i < count; i++) games.push(await play(net, system, maxStepsPerGame))
  const worth = games.flatMap(({ rewards }) => discountRewards(rewards, discountRate))
  const steps = worth.length
  const mean = worth.reduce((a, b) => a + b) / steps
  const deviation = Math.sqrt(worth.reduce((sum, v) => sum + (v - mean) ** 2, 0) / steps)
  const loss = scope(() => {
    const logits = net.forward(tensor(games.flatMap(({ states }) => states)))
    const labels = games.flatMap(({ actions }) => actions.map((action) => 1 - action))
    const weight = tensor(
      worth.map((v) => (v - mean) / deviation),
      [steps, 1],
    )
    const loss = bceWithLogitsLoss(logits, tensor(labels, [steps, 1]), { weight })
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  })
  return { loss: await loss.item(), lengths: games.map(({ rewards }) => rewards.length) }
}

/** Adam, as tf.train.adam has it. */
export function optimizerOf(net: nn.Sequential, lr = 0.05): optim.Adam {
  return new optim.Adam(net.parameters(), { lr, eps: 1e-7 })
}
