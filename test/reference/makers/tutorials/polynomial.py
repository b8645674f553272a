"""The coefficients of a cubic, after tensorflow/tfjs-examples, polynomial-regression-core."""

import torch

from . import first_losses
from .given import normal, uniform


def losses(cast):
    x, noise = cast(2 * uniform(100, 100) - 1), cast(0.04 * normal(101, 100))
    y = -0.8 * x**3 - 0.2 * x**2 + 0.9 * x + 0.5 + noise
    y = (y - y.min()) / (y.max() - y.min())
    a, b, c, d = [cast(value).requires_grad_() for value in uniform(102, 4)]
    optimizer = torch.optim.SGD([a, b, c, d], lr=0.5)
    return first_losses(optimizer, 8, lambda _: ((a * x**3 + b * x**2 + c * x + d - y) ** 2).mean())
