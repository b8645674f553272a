"""ResNet-18 on ImageNet, after PyTorch's example imagenet."""

import torch
import torch.nn.functional as F

from ..resnet import ResNet
from .given import given, images


def normalized(x):
    mean, std = (torch.tensor(v).double().view(3, 1, 1) for v in [(0.485, 0.456, 0.406), (0.229, 0.224, 0.225)])
    return (x - mean) / std


def losses(cast):
    net = cast(given(ResNet({"inChannels": 3, "width": 3, "blocks": [1, 1], "classes": 7, "stem": "imagenet"})))
    x, y = images((12, 3, 16, 16), 7)
    vx, vy = images((10, 3, 16, 16), 7, seed=120)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    found, figures = [], []
    for _ in range(2):
        for rows in [slice(0, 6), slice(6, 12)]:
            loss = F.cross_entropy(net(cast(normalized(x[rows]))), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        net.eval()
        output = net(cast(normalized(vx)))
        net.train()
        figures.append(F.cross_entropy(output, vy).item())
    top = [(output.topk(k).indices == vy.view(-1, 1)).any(1).double().mean().item() for k in [1, 5]]
    return [*found, *figures, *top]
