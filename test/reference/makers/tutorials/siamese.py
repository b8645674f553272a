"""Whether two digits are the same, after siamese_network of pytorch/examples, by a residual network of two blocks."""

import torch
import torch.nn.functional as F
from torch import nn

from ..resnet import ResNet
from .given import given, uniform, whole


class SiameseNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.resnet = ResNet({"inChannels": 1, "width": 4, "blocks": [1, 1], "classes": 1, "stem": "imagenet"})
        self.resnet.fc = nn.Identity()
        self.fc = nn.Sequential(nn.Linear(16, 256), nn.ReLU(), nn.Linear(256, 1))

    def forward(self, first, second):
        return torch.sigmoid(self.fc(torch.cat((self.resnet(first), self.resnet(second)), 1))).squeeze(1)


def losses(cast):
    net = cast(given(SiameseNetwork()))
    images = cast((255 * uniform(100, 6, 1, 20, 20)).float().double())
    target = cast(torch.tensor([1.0, 0.0] * 4))
    pairs, held = [[images[whole(seed + i, 6, 8)] for i in range(2)] for seed in (101, 103)]
    optimizer = torch.optim.Adadelta(net.parameters(), lr=1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    found, tests = [], []
    for _ in range(2):
        net.train()
        for rows in [slice(0, 4), slice(4, 8)]:
            optimizer.zero_grad()
            loss = F.binary_cross_entropy(net(pairs[0][rows], pairs[1][rows]), target[rows])
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        net.eval()
        with torch.no_grad():
            output = net(*held)
        tests += [F.binary_cross_entropy(output, target).item(), (output > 0.5).eq(target > 0.5).double().mean().item()]
        scheduler.step()
    return [*found, *tests, 1]
