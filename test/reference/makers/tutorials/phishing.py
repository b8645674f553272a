"""Websites that phish, after tensorflow/tfjs-examples, website-phishing."""

import torch
from torch import nn
from torch.nn import functional as F

from . import first_losses
from .given import given, normal, whole


def losses(cast):
    raw, held, y, truth = normal(100, 16, 30), normal(102, 20, 30), whole(101, 2, 16), whole(103, 2, 20)
    x, held = [cast(((one - raw.mean(0)) / raw.std(0)).float().double()) for one in [raw, held]]
    layers = [nn.Linear(30, 100), nn.Sigmoid(), nn.Linear(100, 100), nn.Sigmoid(), nn.Linear(100, 1), nn.Sigmoid()]
    net = cast(given(nn.Sequential(*layers)))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.001, eps=1e-7)
    parts = [slice(0, 6), slice(6, 12), slice(12, 16)]
    found = first_losses(
        optimizer,
        6,
        lambda k: F.binary_cross_entropy(net(x[parts[k % 3]]), cast(y[parts[k % 3], None].double())),
    )
    with torch.no_grad():
        probabilities = net(held)[:, 0]

    def rates(threshold):
        named = probabilities > threshold
        tp, fp = (named & (truth == 1)).sum().item(), (named & (truth == 0)).sum().item()
        fn, tn = (~named & (truth == 1)).sum().item(), (~named & (truth == 0)).sum().item()
        return [(tp + tn) / 20, tp / (tp + fp) if tp + fp else 0, tp / (tp + fn), fp / (fp + tn)]

    points = [rates(t) for t in [*[i / 20 for i in range(18)], 0.9, 0.92, 0.94, 0.96, 0.98, 1]]
    area = sum((a[2] + b[2]) * (a[3] - b[3]) / 2 for a, b in zip(points, points[1:]))
    return [*found, F.binary_cross_entropy(probabilities, cast(truth.double())).item(), *rates(0.5), area]
