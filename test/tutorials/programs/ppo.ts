// Proximal policy optimization on CartPole-v1, after cleanrl/ppo.py of vwxyzjn/cleanrl.
import { exp, logSoftmax, maximum, nn, noGrad, optim, scope, std, type Tensor, tensor } from 'dawngrad'
import { CartPole } from './dqn.ts'

function layerInit(layer: nn.Linear, gain = Math.SQRT2): nn.Linear {
  nn.init.orthogonal(layer.weight, { gain })
  nn.init.zeros(layer.bias!)
  return layer
}

export class Agent extends nn.Module<[logProbs: Tensor, value: Tensor]> {
  readonly critic: nn.Sequential
  readonly actor: nn.Sequential

  constructor(observations = 4, actions = 2) {
    super()
    const { Linear, Tanh } = nn
    const hidden = () => [
      layerInit(new Linear(observations, 64)),
      new Tanh(),
      layerInit(new Linear(64, 64)),
      new Tanh(),
    ]
    this.critic = new nn.Sequential(...hidden(), layerInit(new Linear(64, 1), 1))
    this.actor = new nn.Sequential(...hidden(), layerInit(new Linear(64, actions), 0.01))
  }

  /** Logarithms of the probabilities [N, actions], and the value of each observation [N]. */
  override forward(x: Tensor): [logProbs: Tensor, value: Tensor] {
    return [logSoftmax(this.actor.forward(x)), this.critic.forward(x).squeeze(1)]
  }
}

export const ARGS = {
  totalTimesteps: 500000,
  learningRate: 2.5e-4,
  numEnvs: 4,
  numSteps: 128,
  annealLr: true,
  gamma: 0.99,
  gaeLambda: 0.95,
  numMinibatches: 4,
  updateEpochs: 4,
  normAdv: true,
  clipCoef: 0.2,
  clipVloss: true,
  entCoef: 0.01,
  vfCoef: 0.5,
  maxGradNorm: 0.5,
  random: Math.random as () => number,
}

type Args = typeof ARGS

/** One step of one environment. */
interface Row {
  readonly obs: number[]
  readonly action: number
  readonly logProb: number
  readonly value: number
  readonly reward: number
  readonly done: boolean
  advantage: number
}

/** Plays `numSteps` steps of every environment, and says what each action was worth. */
async function rollout(agent: Agent, envs: readonly CartPole[], args: Args): Promise<Row[]> {
  const values = (obs: number[][]) => scope(() => noGrad(() => agent.forward(tensor(obs))))
  const steps: Row[][] = []
  for (let step = 0; step < args.numSteps; step++) {
    const obs = envs.map(({ state }) => state)
    const [logProbs, value] = await Promise.all(values(obs).map((t) => t.data()))
    steps.push(
      envs.map((env, i) => {
        const ofEnv = logProbs!.subarray(2 * i, 2 * i + 2)
        const action = args.random() < Math.exp(ofEnv[0]!) ? 0 : 1
        const { reward, terminated, truncated } = env.step(action)
        const done = terminated || truncated
        if (done) env.reset()
        return { obs: obs[i]!, action, logProb: ofEnv[action]!, value: value![i]!, reward, done, advantage: 0 }
      }),
    )
  }
  const last = await values(envs.map(({ state }) => state))[1].data()
  for (const i of envs.keys()) {
    let [advantage, nextValue] = [0, last[i]!]
    for (const rows of steps.toReversed()) {
      const row = rows[i]!
      const goesOn = row.done ? 0 : 1
      const delta = row.reward + args.gamma * nextValue * goesOn - row.value
      advantage = delta + args.gamma * args.gaeLambda * goesOn * advantage
      row.advantage = advantage
      nextValue = row.value
    }
  }
  return steps.flat()
}

/** Policy loss, value loss and entropy of a minibatch, and their sum. */
function lossesOf(agent: Agent, rows: readonly Row[], args: Args) {
  const column = (of: (row: Row) => number) => tensor(rows.map(of))
  const actions = tensor(
    Int32Array.from(rows, ({ action }) => action),
    [rows.length, 1],
  )
  const [logProbs, value] = agent.forward(tensor(rows.map(({ obs }) => obs)))
  const ratio = exp(
    logProbs
      .gather(1, actions)
      .squeeze(1)
      .sub(column(({ logProb }) => logProb)),
  )
  let advantages = column(({ advantage }) => advantage)
  if (args.normAdv) advantages = advantages.sub(advantages.mean()).div(std(advantages).add(1e-8))
  const clipped = ratio.clamp({ min: 1 - args.clipCoef, max: 1 + args.clipCoef })
  const policyLoss = maximum(advantages.neg().mul(ratio), advantages.neg().mul(clipped)).mean()

  const [returns, old] = [column((row) => row.advantage + row.value), column((row) => row.value)]
  const unclipped = value.sub(returns).square()
  const near = old.add(value.sub(old).clamp({ min: -args.clipCoef, max: args.clipCoef }))
  const errors = args.clipVloss ? maximum(unclipped, near.sub(returns).square()) : unclipped
  const valueLoss = errors.mean().mul(0.5)

  const entropy = exp(logProbs).mul(logProbs).sum(1).neg().mean()
  const loss = policyLoss.sub(entropy.mul(args.entCoef)).add(valueLoss.mul(args.vfCoef))
  return { loss, policyLoss, valueLoss, entropy }
}

function shuffled<T>(rows: readonly T[], random: () => number): T[] {
  const order = [...rows]
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return order
}

/** Returns the losses of every minibatch: the sum, of the policy, of the values, and the entropy. */
export async function train(agent: Agent, options: Partial<Args> = {}) {
  const args = { ...ARGS, ...options }
  const batchSize = args.numEnvs * args.numSteps
  const iterations = Math.floor(args.totalTimesteps / batchSize)
  const minibatch = Math.floor(batchSize / args.numMinibatches)
  const envs = Array.from({ length: args.numEnvs }, () => new CartPole(args.random))
  for (const env of envs) env.reset()
  const optimizer = new optim.Adam(agent.parameters(), { lr: args.learningRate, eps: 1e-5 })
  const found = []
  for (let iteration = 0; iteration < iterations; iteration++) {
    if (args.annealLr) optimizer.paramGroups[0]!.lr = (1 - iteration / iterations) * args.learningRate
    const rows = await rollout(agent, envs, args)
    for (let epoch = 0; epoch < args.updateEpochs; epoch++) {
      const order = shuffled(rows, args.random)
      for (let start = 0; start < batchSize; start += minibatch) {
        const losses = scope(() => {
          const losses = lossesOf(agent, order.slice(start, start + minibatch), args)
          optimizer.zeroGrad()
          losses.loss.backward()
          optim.clipGradNorm(agent.parameters(), args.maxGradNorm)
          optimizer.step()
          return Object.values(losses)
        })
        found.push(await Promise.all(losses.map((loss) => loss.item())))
      }
    }
  }
  return found
}
