"""A polynomial of degree 4 fitted to another one, after regression of pytorch/examples."""

import torch
import torch.nn.functional as F
from torch import nn

from .given import given, normal


def losses(cast):
    fc = cast(given(nn.Linear(4, 1)))
    weight, bias = cast(torch.tensor([[3.0, -2, 1, 5]])), cast(torch.tensor([-4.0]))
    found = []
    for step in range(8):
        x = cast(normal(100 + step, 32, 1))
        x = torch.cat([x**i for i in range(1, 5)], 1)
        loss = F.smooth_l1_loss(fc(x), F.linear(x, weight, bias))
        fc.zero_grad()
        loss.backward()
        with torch.no_grad():
            for p in fc.parameters():
                p -= 0.1 * p.grad
        found.append(loss.item())
    return [*found, 1]
