"""Cats and dogs by a small Xception, after Keras's image_classification_from_scratch."""

import torch
import torch.nn.functional as F
from torch import nn

from .given import given, uniform, whole
from .unet import Down, Halving, batch_norm, separable


class Xception(nn.Module):
    def __init__(self):
        super().__init__()
        first = [Halving(3, 4), batch_norm(4), nn.ReLU()]
        self.entry = nn.Sequential(*first, nn.Conv2d(4, 6, 3, padding=1), batch_norm(6), nn.ReLU())
        self.blocks = nn.Sequential(Down(6, 6), Down(6, 8))
        pooling = [nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        self.exit = nn.Sequential(*separable(8, 8), *pooling, nn.Dropout(0), nn.Linear(8, 1))

    def forward(self, x):
        return self.exit(self.blocks(self.entry(x))).squeeze(1)


def losses(cast):
    net = cast(given(Xception()))
    x, y = cast(whole(100, 256, 6, 3, 12, 12).double() / 255), cast(whole(101, 2, 6).double())
    vx, vy = cast(whole(110, 256, 4, 3, 12, 12).double() / 255), cast(whole(111, 2, 4).double())
    net.eval()
    logits, score = net(vx), net(cast(uniform(120, 1, 3, 12, 12))).sigmoid()
    accuracy = ((logits > 0).double() == vy).double().mean()
    found = [F.binary_cross_entropy_with_logits(logits, vy).item(), accuracy.item(), score.item()]
    net.train()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, eps=1e-7)
    for _ in range(4):
        loss = F.binary_cross_entropy_with_logits(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found
