"""What a sentence is meant to do, after tensorflow/tfjs-examples, intent-classifier."""

import torch
from torch import nn
from torch.nn import functional as F

from . import first_losses
from .given import given, normal, whole


def losses(cast):
    x, y, held, truth = cast(normal(100, 20, 512)), whole(101, 3, 20), cast(normal(102, 12, 512)), whole(103, 3, 12)
    net = cast(given(nn.Linear(512, 3)))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.001, eps=1e-7)
    parts = [slice(0, 8), slice(8, 16), slice(16, 20)]
    found, tests = [], []
    for _ in range(2):
        found += first_losses(optimizer, 3, lambda k: F.cross_entropy(net(x[parts[k]]), y[parts[k]]))
        with torch.no_grad():
            logits = net(held)
        tests += [F.cross_entropy(logits, truth).item(), logits.argmax(1).eq(truth).double().mean().item()]
    return found + tests
