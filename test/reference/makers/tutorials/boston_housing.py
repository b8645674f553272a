"""Prices of houses, after tensorflow/tfjs-examples, boston-housing."""

import torch
from torch import nn
from torch.nn import functional as F

from . import first_losses
from .given import given, normal


def losses(cast):
    x, held = cast(normal(100, 20, 12)) * 3 + 2, cast(normal(102, 7, 12)) * 3 + 2
    y, truth = cast((20 + normal(101, 20, 1)).float().double()), cast((20 + normal(103, 7, 1)).float().double())
    mean, deviation = x.mean(0), x.std(0, unbiased=False)
    x, held = (x - mean) / deviation, (held - mean) / deviation
    deep = [nn.Linear(12, 50), nn.Sigmoid(), nn.Linear(50, 50), nn.Sigmoid(), nn.Linear(50, 1)]
    found = []
    for net in [nn.Sequential(nn.Linear(12, 1)), nn.Sequential(*deep)]:
        net = cast(given(net))
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
        tests = []
        for _ in range(2):
            found += first_losses(
                optimizer, 2, lambda k: F.mse_loss(net(x[10 * k : 10 * k + 10]), y[10 * k : 10 * k + 10])
            )
            tests.append(F.mse_loss(net(held), truth).item())
        found += tests
    return [*found, ((truth - y.mean()) ** 2).mean().item()]
