"""Two moons by a hinge loss, after the demo of karpathy/micrograd."""

import torch
from torch import nn

from .given import given, normal, whole


def losses(cast):
    net = cast(given(nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))))
    x, y = cast(normal(100, 40, 2)), cast(2.0 * whole(101, 2, 40).double() - 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=1)
    found = []
    for k in range(8):
        optimizer.param_groups[0]["lr"] = 1 - 0.9 * k / 100
        squares = sum((p**2).sum() for p in net.parameters())
        loss = torch.relu(1 - y * net(x).squeeze(1)).mean() + 1e-4 * squares
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found
