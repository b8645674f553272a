"""Proximal policy optimization on CartPole-v1, after cleanrl/ppo.py of vwxyzjn/cleanrl."""

import torch
from torch import nn

from .dqn import CartPole, on
from .given import given, uniform


class Agent(nn.Module):
    def __init__(self):
        super().__init__()
        self.critic = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
        self.actor = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))

    def forward(self, x):
        return torch.log_softmax(self.actor(x), 1), self.critic(x)[:, 0]


def losses(cast):
    draws = iter(uniform(100, 1000).tolist())
    agent = cast(given(Agent()))
    envs = [CartPole(draws) for _ in range(2)]
    for env in envs:
        env.reset()
    optimizer = torch.optim.Adam(agent.parameters(), lr=0.01, eps=1e-5)
    found = []
    for iteration in range(2):
        optimizer.param_groups[0]["lr"] = (1 - iteration / 2) * 0.01
        obs, actions, log_probs, values, dones = [], [], [], [], []
        for _ in range(16):
            now = [env.state for env in envs]
            with torch.no_grad():
                log_p, value = agent(on(cast, now))
            taken, over = [], []
            for i, env in enumerate(envs):
                taken.append(0 if next(draws) < torch.exp(log_p[i, 0]).item() else 1)
                _, terminated, truncated = env.step(taken[-1])
                over.append(float(terminated or truncated))
                if over[-1]:
                    env.reset()
            obs += now
            actions += taken
            log_probs.append(log_p[range(2), taken])
            values.append(value)
            dones.append(on(cast, over))
        with torch.no_grad():
            after = agent(on(cast, [env.state for env in envs]))[1]
        advantages, last = [], 0
        for value, done in zip(reversed(values), reversed(dones)):
            last = 1 + 0.99 * after * (1 - done) - value + 0.99 * 0.95 * (1 - done) * last
            advantages.insert(0, last)
            after = value
        obs, actions = on(cast, obs), torch.tensor(actions)
        log_probs, values, advantages = torch.cat(log_probs), torch.cat(values), torch.cat(advantages)
        returns = advantages + values
        for _ in range(2):
            order = list(range(32))
            for i in range(31, 0, -1):
                j = int(next(draws) * (i + 1))
                order[i], order[j] = order[j], order[i]
            for rows in [order[:16], order[16:]]:
                log_p, value = agent(obs[rows])
                ratio = torch.exp(log_p[range(16), actions[rows]] - log_probs[rows])
                adv = advantages[rows]
                adv = (adv - adv.mean()) / (adv.std() + 1e-8)
                policy = torch.max(-adv * ratio, -adv * torch.clamp(ratio, 0.95, 1.05)).mean()
                near = values[rows] + torch.clamp(value - values[rows], -0.05, 0.05)
                errors = torch.max((value - returns[rows]) ** 2, (near - returns[rows]) ** 2)
                value_loss = 0.5 * errors.mean()
                entropy = -(torch.exp(log_p) * log_p).sum(1).mean()
                loss = policy - 0.01 * entropy + 0.5 * value_loss
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
                optimizer.step()
                found += [loss.item(), value_loss.item(), entropy.item()]
    return found
