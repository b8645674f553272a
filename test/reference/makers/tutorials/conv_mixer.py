"""ConvMixer, after Keras's convmixer."""

import torch
import torch.nn.functional as F
from torch import nn

from .given import given, images


def activation(filters):
    return [nn.GELU(), nn.BatchNorm2d(filters, momentum=0.01, eps=1e-3)]


class Block(nn.Module):
    def __init__(self, filters):
        super().__init__()
        self.depthwise = nn.Sequential(nn.Conv2d(filters, filters, 3, groups=filters, padding=1), *activation(filters))
        self.pointwise = nn.Sequential(nn.Conv2d(filters, filters, 1), *activation(filters))

    def forward(self, x):
        return self.pointwise(self.depthwise(x) + x)


def losses(cast):
    stem = [nn.Conv2d(3, 6, 2, stride=2), *activation(6), Block(6), Block(6)]
    net = cast(given(nn.Sequential(*stem, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5))))
    x, y = images((8, 3, 8, 8), 5)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.1, eps=1e-7)
    found = []
    for _ in range(4):
        loss = F.cross_entropy(net(cast(x)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    net.eval()
    x, y = images((4, 3, 8, 8), 5, seed=110)
    return [*found, F.cross_entropy(net(cast(x)), y).item()]
