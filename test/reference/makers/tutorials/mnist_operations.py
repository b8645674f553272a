"""Digits by operations alone, after tensorflow/tfjs-examples, mnist-core."""

import torch
from torch.nn import functional as F

from . import first_losses
from .given import normal, uniform, whole


def losses(cast):
    images, labels = cast(uniform(100, 16, 1, 28, 28)), whole(101, 10, 16)

    def variable(seed, scale, *shape):
        return cast((normal(seed, *shape) * scale).float().double()).requires_grad_()

    conv1, conv2 = variable(102, 0.1, 8, 1, 5, 5), variable(103, 0.1, 16, 8, 5, 5)
    product, bias = variable(104, 1 / 28, 784, 10), variable(105, 0, 10)
    optimizer = torch.optim.SGD([conv1, conv2, product, bias], lr=0.1)

    def loss(k):
        rows = slice(8 * (k % 2), 8 * (k % 2) + 8)
        x = images[rows]
        for weight in [conv1, conv2]:
            x = F.max_pool2d(F.relu(F.conv2d(x, weight, padding=2)), 2)
        return F.cross_entropy(torch.flatten(x, 1) @ product + bias, labels[rows])

    return first_losses(optimizer, 4, loss)
