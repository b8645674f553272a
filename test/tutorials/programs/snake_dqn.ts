// The game of snake played by deep Q-learning, after tensorflow/tfjs-examples, snake-dqn.
import { mseLoss, nn, noGrad, oneHot, optim, scope, type Tensor, tensor } from 'dawngrad'

export const [NO_FRUIT_REWARD, FRUIT_REWARD, DEATH_REWARD] = [-0.2, 10, -10]
/** Straight on, to the left, to the right. */
const NUM_ACTIONS = 3

type Square = readonly [y: number, x: number]

/** The squares of the snake, its head first, and those with fruits. */
export interface State {
  readonly snake: readonly Square[]
  readonly fruits: readonly Square[]
}

const below = (random: () => number, count: number) => Math.floor(random() * count)
const same = ([y, x]: Square, [otherY, otherX]: Square) => y === otherY && x === otherX

export class SnakeGame {
  readonly height: number
  readonly width: number
  readonly numFruits: number
  readonly initLen: number
  readonly random: () => number
  #snake: Square[] = []
  #fruits: Square[] = []
  /** The next square of a snake that goes straight on, relative to its head. */
  #direction: Square = [0, 1]

  constructor({ height = 16, width = 16, numFruits = 1, initLen = 4, random = Math.random } = {}) {
    ;[this.height, this.width, this.numFruits, this.initLen, this.random] = [height, width, numFruits, initLen, random]
    this.reset()
  }

  get state(): State {
    return { snake: [...this.#snake], fruits: [...this.#fruits] }
  }

  reset(): void {
    const y = below(this.random, this.height)
    const x = this.initLen - 1 + below(this.random, this.width - this.initLen + 1)
    this.#snake = Array.from({ length: this.initLen }, (_, i) => [y, x - i])
    this.#direction = [0, 1]
    this.#fruits = []
    this.#makeFruits()
  }

  step(action: number): { reward: number; done: boolean; fruitEaten: boolean; state: State | null } {
    const [dy, dx] = this.#direction
    if (action === 1) this.#direction = [-dx, dy]
    if (action === 2) this.#direction = [dx, -dy]
    const [headY, headX] = this.#snake[0]!
    const head: Square = [headY + this.#direction[0], headX + this.#direction[1]]
    const outside = head[0] < 0 || head[0] >= this.height || head[1] < 0 || head[1] >= this.width
    if (outside || this.#snake.slice(1).some((square) => same(square, head))) {
      return { reward: DEATH_REWARD, done: true, fruitEaten: false, state: null }
    }
    this.#snake.unshift(head)
    const eaten = this.#fruits.findIndex((fruit) => same(fruit, head))
    if (eaten >= 0) {
      this.#fruits.splice(eaten, 1)
      this.#makeFruits()
    } else this.#snake.pop()
    const reward = eaten >= 0 ? FRUIT_REWARD : NO_FRUIT_REWARD
    return { reward, done: false, fruitEaten: eaten >= 0, state: this.state }
  }

  #makeFruits(): void {
    while (this.#fruits.length < this.numFruits) {
      const squares = Array.from(
        { length: this.height * this.width },
        (_, i): Square => [Math.floor(i / this.width), i % this.width],
      )
      const taken = [...this.#snake, ...this.#fruits]
      const empty = squares.filter((square) => !taken.some((other) => same(square, other)))
      this.#fruits.push(empty[below(this.random, empty.length)]!)
    }
  }
}

/** [N, 2, height, width]: 2 for the head and 1 for the rest of the snake; 1 for fruits. No state gives zeros. */
export function stateTensor(states: readonly (State | null)[], height: number, width: number): Tensor {
  const data = new Float32Array(states.length * 2 * height * width)
  for (const [n, state] of states.entries()) {
    const put = (channel: number, [y, x]: Square, value: number) => {
      data[((2 * n + channel) * height + y) * width + x] = value
    }
    for (const [i, square] of (state?.snake ?? []).entries()) put(0, square, i === 0 ? 2 : 1)
    for (const square of state?.fruits ?? []) put(1, square, 1)
  }
  return tensor(data, [states.length, 2, height, width])
}

/** The value of each action. Keras' batch norm, and its first values: Glorot's, and biases of 0. */
export function deepQNetwork(
  height: number,
  width: number,
  { filters = [128, 256, 256], units = 100, dropout = 0.25 } = {},
): nn.Sequential {
  const { BatchNorm2d, Conv2d, Dropout, Flatten, Linear, ReLU } = nn
  const norm = (channels: number) => new BatchNorm2d(channels, { eps: 1e-3, momentum: 0.01 })
  const [a, b, c] = filters as [number, number, number]
  const net = new nn.Sequential(
    ...[
      new Conv2d(2, a, 3),
      new ReLU(),
      norm(a),
      new Conv2d(a, b, 3),
      new ReLU(),
      norm(b),
      new Conv2d(b, c, 3),
      new ReLU(),
    ],
    ...[new Flatten(), new Linear(c * (height - 6) * (width - 6), units), new ReLU(), new Dropout(dropout)],
    new Linear(units, NUM_ACTIONS),
  )
  for (const [name, p] of net.namedParameters()) {
    if (p.shape.length > 1) nn.init.xavierUniform(p)
    else if (name.endsWith('bias')) nn.init.zeros(p)
  }
  return net
}

/** A state, the action in it, its reward, whether the game was over then, and the next state. */
type Example = readonly [State, action: number, reward: number, done: boolean, next: State | null]

/** The last examples, the oldest of which make room. */
export class ReplayMemory {
  readonly #buffer: Example[] = []
  readonly #indices: number[]
  #index = 0

  constructor(maxLen: number) {
    this.#indices = Array.from({ length: maxLen }, (_, i) => i)
  }

  append(example: Example): void {
    this.#buffer[this.#index] = example
    this.#index = (this.#index + 1) % this.#indices.length
  }

  sample(batchSize: number, random: () => number): Example[] {
    const indices = this.#indices
    for (let i = indices.length - 1; i > 0; i--) {
      const j = below(random, i + 1)
      ;[indices[i], indices[j]] = [indices[j]!, indices[i]!]
    }
    return indices.slice(0, batchSize).map((i) => this.#buffer[i]!)
  }
}

export const CONFIG = {
  replayBufferSize: 1e4,
  epsilonInit: 0.5,
  epsilonFinal: 0.01,
  epsilonDecayFrames: 1e5,
  batchSize: 64,
  gamma: 0.99,
  learningRate: 1e-3,
  cumulativeRewardThreshold: 100,
  maxNumFrames: 1e6,
  syncEveryFrames: 1e3,
}

export class SnakeGameAgent {
  readonly game: SnakeGame
  readonly online: nn.Sequential
  readonly target: nn.Sequential
  readonly config: typeof CONFIG
  readonly replayMemory: ReplayMemory
  readonly optimizer: optim.Adam
  frameCount = 0
  cumulativeReward = 0
  fruitsEaten = 0

  constructor(
    game: SnakeGame,
    [online, target]: readonly [nn.Sequential, nn.Sequential],
    config: Partial<typeof CONFIG> = {},
  ) {
    this.game = game
    this.online = online
    this.target = target.eval()
    this.config = { ...CONFIG, ...config }
    this.replayMemory = new ReplayMemory(this.config.replayBufferSize)
    this.optimizer = new optim.Adam(online.parameters(), { lr: this.config.learningRate, eps: 1e-7 })
  }

  /** Plays one frame, by chance or by what the network thinks best. */
  async playStep(): Promise<{ done: boolean; cumulativeReward: number; fruitsEaten: number }> {
    const { epsilonInit, epsilonFinal, epsilonDecayFrames } = this.config
    const { game } = this
    const decay = Math.min(1, this.frameCount++ / epsilonDecayFrames)
    const epsilon = epsilonInit + (epsilonFinal - epsilonInit) * decay
    const before = game.state
    const action = game.random() < epsilon ? below(game.random, NUM_ACTIONS) : await this.#best(before)
    const { reward, done, fruitEaten, state } = game.step(action)
    this.replayMemory.append([before, action, reward, done, state])
    this.cumulativeReward += reward
    if (fruitEaten) this.fruitsEaten++
    const { cumulativeReward, fruitsEaten } = this
    if (done) {
      this.cumulativeReward = this.fruitsEaten = 0
      game.reset()
    }
    return { done, cumulativeReward, fruitsEaten }
  }

  #best(state: State): Promise<number> {
    this.online.eval()
    const best = scope(() => noGrad(() => this.online.forward(this.#tensor([state])).argmax(1)))
    this.online.train()
    return best.item()
  }

  #tensor(states: readonly (State | null)[]): Tensor {
    return stateTensor(states, this.game.height, this.game.width)
  }

  /** One step of Adam. Returns the loss. */
  trainOnReplayBatch(): Promise<number> {
    const batch = this.replayMemory.sample(this.config.batchSize, this.game.random)
    const loss = scope(() => {
      const column = (of: (example: Example) => number) => tensor(batch.map(of))
      const actions = tensor(Int32Array.from(batch, ([, action]) => action))
      const qs = this.online
        .forward(this.#tensor(batch.map(([state]) => state)))
        .mul(oneHot(actions, NUM_ACTIONS))
        .sum(1)
      const nextMax = noGrad(() => this.target.forward(this.#tensor(batch.map(([, , , , next]) => next))).max(1))
      const goesOn = column(([, , , done]) => (done ? 0 : 1))
      const targets = nextMax
        .mul(goesOn)
        .mul(this.config.gamma)
        .add(column(([, , reward]) => reward))
      const loss = mseLoss(qs, targets)
      this.optimizer.zeroGrad()
      loss.backward()
      this.optimizer.step()
      return loss
    })
    return loss.item()
  }
}

/** Trains until the last hundred games reached the threshold, or frames are used up. Returns the losses, and all games. */
export async function train(agent: SnakeGameAgent) {
  const { config } = agent
  for (let i = 0; i < config.replayBufferSize; i++) await agent.playStep()
  const losses: number[] = []
  const games: { reward: number; fruits: number }[] = []
  for (;;) {
    losses.push(await agent.trainOnReplayBatch())
    const { done, cumulativeReward, fruitsEaten } = await agent.playStep()
    if (done) {
      games.push({ reward: cumulativeReward, fruits: fruitsEaten })
      const last = games.slice(-100)
      const average = last.reduce((sum, { reward }) => sum + reward, 0) / last.length
      if (average >= config.cumulativeRewardThreshold || agent.frameCount >= config.maxNumFrames)
        return { losses, games }
    }
    if (agent.frameCount % config.syncEveryFrames === 0) {
      agent.target.loadStateDict(Object.fromEntries(agent.online.stateDict()))
    }
  }
}
