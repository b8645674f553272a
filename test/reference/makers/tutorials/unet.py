"""Segmentation by a U-Net, after Keras's oxford_pets_image_segmentation. image_from_scratch has some of its layers."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from .given import given, whole


def same(x, value=0.0):
    return F.pad(x, (x.shape[3] % 2, 1, x.shape[2] % 2, 1), value=value)


class Halving(nn.Module):
    def __init__(self, inside, filters):
        super().__init__()
        self.conv = nn.Conv2d(inside, filters, 3, stride=2)

    def forward(self, x):
        return self.conv(same(x))


def batch_norm(filters):
    return nn.BatchNorm2d(filters, momentum=0.01, eps=1e-3)


def separable(inside, filters):
    depthwise = nn.Conv2d(inside, inside, 3, padding=1, groups=inside, bias=False)
    return [depthwise, nn.Conv2d(inside, filters, 1), batch_norm(filters)]


class Down(nn.Module):
    def __init__(self, inside, filters):
        super().__init__()
        second = [nn.ReLU(), *separable(filters, filters)]
        self.convs = nn.Sequential(nn.ReLU(), *separable(inside, filters), *second)
        self.residual = nn.Conv2d(inside, filters, 1, stride=2)

    def forward(self, x):
        return F.max_pool2d(same(self.convs(x), -math.inf), 3, 2) + self.residual(x)


class Up(nn.Module):
    def __init__(self, inside, filters):
        super().__init__()
        first = [nn.ReLU(), nn.ConvTranspose2d(inside, filters, 3, padding=1), batch_norm(filters)]
        second = [nn.ReLU(), nn.ConvTranspose2d(filters, filters, 3, padding=1), batch_norm(filters)]
        self.convs = nn.Sequential(*first, *second)
        self.residual = nn.Conv2d(inside, filters, 1)

    def forward(self, x):
        return F.interpolate(self.convs(x), scale_factor=2) + self.residual(F.interpolate(x, scale_factor=2))


def losses(cast):
    first = [Halving(3, 4), batch_norm(4), nn.ReLU(), Down(4, 6), Down(6, 8)]
    net = cast(given(nn.Sequential(*first, Up(8, 8), Up(8, 6), Up(6, 4), nn.Conv2d(4, 3, 3, padding=1))))
    x, y = cast(whole(100, 256, 4, 3, 16, 16).double() / 255), whole(101, 3, 4, 16, 16)
    vx, vy = cast(whole(110, 256, 3, 3, 16, 16).double() / 255), whole(111, 3, 3, 16, 16)
    optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3, alpha=0.9, eps=1e-7)
    net.eval()
    found = [F.cross_entropy(net(vx), vy).item()]
    net.train()
    for _ in range(4):
        loss = F.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found
