"""Four kinds of pictures by a head on a frozen network, after tensorflow/tfjs-examples, webcam-transfer-learning."""

import torch
from torch import nn
from torch.nn import functional as F

from . import first_losses
from .given import given, whole


def losses(cast):
    backbone = cast(given(nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())))

    def embed(seed):
        with torch.no_grad():
            return backbone(cast(whole(seed, 256, 1, 3, 16, 16).double()) / 127 - 1)

    x, y = torch.cat([embed(100 + i) for i in range(10)]), torch.arange(10) % 4
    net = cast(given(nn.Sequential(nn.Linear(72, 100), nn.ReLU(), nn.Linear(100, 4, bias=False))))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.001, eps=1e-7)
    parts = [slice(0, 4), slice(4, 8), slice(8, 10)]
    found = first_losses(optimizer, 6, lambda k: F.cross_entropy(net(x[parts[k % 3]]), y[parts[k % 3]]))
    return [*found, net(embed(200)).argmax().item()]
