"""A pole on a cart balanced by an actor and a critic, after reinforcement_learning/actor_critic.py of pytorch/examples."""

import torch
import torch.nn.functional as F
from torch import nn

from .given import given, uniform
from .reinforce import CartPole, returns


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(4, 128)
        self.action_head = nn.Linear(128, 2)
        self.value_head = nn.Linear(128, 1)

    def forward(self, x):
        x = torch.relu(self.affine1(x))
        return torch.softmax(self.action_head(x), dim=-1), self.value_head(x)


def losses(cast):
    model = cast(given(Policy()))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
    drawn, env, found = iter(uniform(100, 500).tolist()), CartPole(), []
    for _ in range(4):
        env.reset(drawn)
        saved, over = [], False
        while not over:
            probs, value = model(cast(torch.tensor(env.state, dtype=torch.float64)))
            action = 0 if next(drawn) < probs[0].item() else 1
            saved.append((probs[action].log(), value))
            over = env.step(action)
        parts = []
        for (log_prob, value), reward in zip(saved, cast(returns(len(saved)))):
            parts += [-log_prob * (reward - value.item()), F.smooth_l1_loss(value, reward.unsqueeze(0))]
        loss = torch.stack(parts).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found += [loss.item(), len(saved)]
    return found
