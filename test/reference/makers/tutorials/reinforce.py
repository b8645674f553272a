"""A pole on a cart balanced by policy gradients, after reinforcement_learning/reinforce.py of pytorch/examples, without dropout."""

from math import cos, pi, sin

import torch
from torch import nn

from .given import given, uniform


class CartPole:
    def reset(self, drawn):
        self.state, self.steps = [0.1 * next(drawn) - 0.05 for _ in range(4)], 0

    def step(self, action):
        x, speed, angle, turning = self.state
        push = ((10 if action else -10) + 0.05 * turning**2 * sin(angle)) / 1.1
        turn = (9.8 * sin(angle) - cos(angle) * push) / (0.5 * (4 / 3 - 0.1 * cos(angle) ** 2 / 1.1))
        rates = [speed, push - 0.05 * turn * cos(angle) / 1.1, turning, turn]
        self.state = [value + 0.02 * rate for value, rate in zip(self.state, rates)]
        self.steps += 1
        return abs(self.state[0]) > 2.4 or abs(self.state[2]) > 12 * pi / 180 or self.steps >= 500


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(4, 128)
        self.affine2 = nn.Linear(128, 2)

    def forward(self, x):
        return torch.softmax(self.affine2(torch.relu(self.affine1(x))), dim=1)


def returns(steps):
    all_, value = [], 0
    for _ in range(steps):
        value = 1 + 0.99 * value
        all_.insert(0, value)
    all_ = torch.tensor(all_, dtype=torch.float64)
    return (all_ - all_.mean()) / (all_.std() + 2**-23)


def losses(cast):
    policy = cast(given(Policy()))
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
    drawn, env, found = iter(uniform(100, 500).tolist()), CartPole(), []
    for _ in range(4):
        env.reset(drawn)
        log_probs, over = [], False
        while not over:
            probs = policy(cast(torch.tensor([env.state], dtype=torch.float64)))
            action = 0 if next(drawn) < probs[0, 0].item() else 1
            log_probs.append(probs[:, action].log())
            over = env.step(action)
        loss = -(torch.cat(log_probs) * cast(returns(len(log_probs)))).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found += [loss.item(), len(log_probs)]
    return found
