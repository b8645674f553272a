"""Three kinds of iris, after tensorflow/tfjs-examples, iris."""

import torch
from torch import nn
from torch.nn import functional as F

from . import first_losses
from .given import given, normal, whole


def losses(cast):
    net = cast(given(nn.Sequential(nn.Linear(4, 10), nn.Sigmoid(), nn.Linear(10, 3))))
    x, y = cast(normal(100, 40, 4)), whole(101, 3, 40)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01, eps=1e-7)
    parts = [slice(0, 32), slice(32, 40)]  # batches of 32
    return first_losses(optimizer, 6, lambda k: F.cross_entropy(net(x[parts[k % 2]]), y[parts[k % 2]]))
