"""Knowledge distillation, after Keras's knowledge_distillation."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from .given import given, images


def network(first, second):
    same, low = nn.ConstantPad2d((0, 1, 0, 1), 0), nn.ConstantPad2d((0, 1, 0, 1), -math.inf)
    front = [same, nn.Conv2d(1, first, 3, stride=2), nn.LeakyReLU(0.2), low, nn.MaxPool2d(2, stride=1)]
    return nn.Sequential(*front, same, nn.Conv2d(first, second, 3, stride=2), nn.Flatten(), nn.Linear(second * 49, 10))


def losses(cast):
    x, y = images((8, 1, 28, 28), 10)
    x = cast(x)
    teacher, student = cast(given(network(4, 6))), cast(given(network(2, 3)))
    found = []

    def train(net, loss_of):
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, eps=1e-7)
        for step in range(4):
            rows = slice(4 * (step % 2), 4 * (step % 2) + 4)
            loss = loss_of(x[rows], y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found.append(loss.item())

    def distillation(x, y):
        with torch.no_grad():
            wanted = (teacher(x) / 10).softmax(1)
        logits = student(x)
        soft = F.kl_div((logits / 10).log_softmax(1), wanted, reduction="batchmean")
        return 0.1 * F.cross_entropy(logits, y) + 0.9 * soft

    train(teacher, lambda x, y: F.cross_entropy(teacher(x), y))
    train(student, distillation)
    means = [(a + b) / 2 for a, b in zip(found[::2], found[1::2])]
    return [*means, (teacher(x).argmax(1) == y).double().mean().item()]
