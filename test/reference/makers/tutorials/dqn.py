"""Deep Q-learning on CartPole-v1, after cleanrl/dqn.py of vwxyzjn/cleanrl."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from . import first_losses
from .given import given, uniform


class QNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        hidden = [nn.Linear(4, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()]
        self.network = nn.Sequential(*hidden, nn.Linear(84, 2))

    def forward(self, x):
        return self.network(x)


class CartPole:
    """CartPole-v1 of gymnasium, with the draws that are given."""

    def __init__(self, draws):
        self.draws = draws

    def reset(self):
        self.steps = 0
        self.state = [next(self.draws) * 0.1 - 0.05 for _ in range(4)]
        return self.state

    def step(self, action):
        x, x_dot, theta, theta_dot = self.state
        sin, cos = math.sin(theta), math.cos(theta)
        push = ((10 if action == 1 else -10) + 0.05 * theta_dot**2 * sin) / 1.1
        theta_acc = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
        x_acc = push - 0.05 * theta_acc * cos / 1.1
        self.state = [x + 0.02 * x_dot, x_dot + 0.02 * x_acc, theta + 0.02 * theta_dot, theta_dot + 0.02 * theta_acc]
        self.steps += 1
        over = abs(self.state[0]) > 2.4 or abs(self.state[2]) > 12 * 2 * math.pi / 360
        return self.state, over, self.steps >= 500


def on(cast, values):
    return cast(torch.tensor(values, dtype=torch.float32).double())


def losses(cast):
    draws = iter(uniform(100, 2000).tolist())
    net, target = cast(given(QNetwork())), cast(QNetwork())
    target.load_state_dict(net.state_dict())
    optimizer = torch.optim.Adam(net.parameters(), lr=2.5e-4)
    env, rows, found, returns = CartPole(draws), [], [], []
    obs = env.reset()
    for step in range(90):
        epsilon = max((0.05 - 1) / 45 * step + 1, 0.05)
        if next(draws) < epsilon:
            action = int(next(draws) * 2)
        else:
            action = net(on(cast, [obs])).argmax(1).item()
        after, terminated, truncated = env.step(action)
        row = (obs, after, action, 1.0, float(terminated))
        if len(rows) < 50:
            rows.append(row)
        else:
            rows[step % 50] = row
        obs = after
        if terminated or truncated:
            returns.append(env.steps)
            obs = env.reset()
        if step <= 30:
            continue
        if step % 10 == 0:
            drawn = [rows[int(next(draws) * len(rows))] for _ in range(16)]
            before, after, actions, rewards, dones = zip(*drawn)
            with torch.no_grad():
                best = target(on(cast, after)).max(1).values
                wanted = on(cast, rewards) + 0.99 * best * (1 - on(cast, dones))
            taken = torch.tensor(actions)[:, None]
            found += first_losses(
                optimizer, 1, lambda _: F.mse_loss(wanted, net(on(cast, before)).gather(1, taken).squeeze(1))
            )
        if step % 20 == 0:
            for t, q in zip(target.parameters(), net.parameters()):
                t.data.copy_(0.75 * q.data + 0.25 * t.data)
    return [*found, *returns]
