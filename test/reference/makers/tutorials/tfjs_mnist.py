"""Digits by networks of tensorflow/tfjs-examples, mnist and mnist-node, without dropout."""

import torch
from torch import nn
from torch.nn import functional as F

from . import first_losses
from .given import given, uniform, whole


class Nothing(nn.Module):
    """In place of dropout."""

    def forward(self, x):
        return x


def conv_net():
    first = [nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2)]
    last = [nn.Flatten(), nn.Linear(288, 64), nn.ReLU(), nn.Linear(64, 10)]
    return nn.Sequential(*first, nn.Conv2d(32, 32, 3), nn.ReLU(), *last)


def node_net():
    def pair(inputs, outputs):
        return [nn.Conv2d(inputs, outputs, 3), nn.ReLU(), nn.Conv2d(outputs, outputs, 3), nn.ReLU()]

    first = [*pair(1, 32), nn.MaxPool2d(2), *pair(32, 64), nn.MaxPool2d(2), nn.Flatten(), Nothing()]
    return nn.Sequential(*first, nn.Linear(1024, 64), nn.ReLU(), Nothing(), nn.Linear(64, 10))


def losses(cast):
    images, labels = cast(uniform(100, 8, 1, 28, 28)), whole(101, 10, 8)
    held, truth = cast(uniform(102, 4, 1, 28, 28)), whole(103, 10, 4)
    found = []
    for net in [conv_net(), node_net()]:
        net = cast(given(net))
        optimizer = torch.optim.RMSprop(net.parameters(), lr=0.001, alpha=0.9, eps=1e-7)

        def loss(k):
            rows = slice(4 * k, 4 * k + 4)
            return F.cross_entropy(net(images[rows]), labels[rows])

        found += first_losses(optimizer, 2, loss)
        with torch.no_grad():
            logits = net(held)
        found += [F.cross_entropy(logits, truth).item(), logits.argmax(1).eq(truth).double().mean().item()]
    return found
