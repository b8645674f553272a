// A pole on a cart balanced by an actor and a critic, after reinforcement_learning/actor_critic.py of pytorch/examples.
import { nn, optim, relu, scope, smoothL1Loss, softmax, stack, type Tensor, tensor } from 'dawngrad'
import { CartPole, returns } from './reinforce.ts'

/** From a state the probabilities of both pushes, [2], and what the state is worth, [1]. */
export class Policy extends nn.Module<readonly [probs: Tensor, value: Tensor]> {
  readonly affine1 = new nn.Linear(4, 128)
  readonly action_head = new nn.Linear(128, 2)
  readonly value_head = new nn.Linear(128, 1)

  override forward(state: Tensor) {
    const x = relu(this.affine1.forward(state))
    return [softmax(this.action_head.forward(x), -1), this.value_head.forward(x)] as const
  }
}

/** Plays until the mean reward is high enough. Returns the losses and the steps of all episodes. */
export async function train(
  model: Policy,
  { gamma = 0.99, lr = 0.03, episodes = Number.POSITIVE_INFINITY, random = Math.random } = {},
) {
  const optimizer = new optim.Adam(model.parameters(), { lr })
  const env = new CartPole()
  const history = []
  let runningReward = 10
  while (history.length < episodes && runningReward <= CartPole.rewardThreshold) {
    let state = env.reset(random)
    const saved: { logProb: Tensor; value: Tensor }[] = []
    for (let isOver = false; !isOver; state = env.state) {
      const [probs, value] = scope(() => model.forward(tensor(state)))
      const action = random() < (await probs.data())[0]! ? 0 : 1
      saved.push({ logProb: scope(() => probs.select(0, action).log()), value })
      isOver = env.step(action)
    }
    runningReward = 0.05 * saved.length + 0.95 * runningReward
    const loss = scope(() => {
      const values = stack(saved.map(({ value }) => value)).squeeze(1)
      const rewards = returns(saved.length, gamma)
      const advantages = rewards.sub(values.detach())
      const policyLoss = stack(saved.map(({ logProb }) => logProb))
        .mul(advantages)
        .sum()
        .neg()
      const loss = policyLoss.add(smoothL1Loss(values, rewards, { reduction: 'sum' }))
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss
    })
    history.push({ loss: await loss.item(), steps: saved.length })
  }
  return history
}
