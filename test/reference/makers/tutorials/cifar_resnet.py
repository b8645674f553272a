"""ResNet-18 on CIFAR-10, after kuangliu/pytorch-cifar."""

import torch
import torch.nn.functional as F

from ..resnet import ResNet
from .given import given, images


def normalized(x):
    mean, std = (torch.tensor(v).double().view(3, 1, 1) for v in [(0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)])
    return (x - mean) / std


def losses(cast):
    options = {"inChannels": 3, "width": 4, "blocks": [1, 1], "classes": 5, "stem": "small"}
    net = cast(given(ResNet(options)))
    x, y = images((8, 3, 8, 8), 5)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=200)
    found = []
    for _ in range(4):
        loss = F.cross_entropy(net(cast(normalized(x))), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        found.append(loss.item())
    net.eval()
    x, y = images((4, 3, 8, 8), 5, seed=110)
    return [*found, F.cross_entropy(net(cast(normalized(x))), y).item()]
