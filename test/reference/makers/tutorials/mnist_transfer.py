"""Digits 5 to 9 by layers that know 0 to 4, after tensorflow/tfjs-examples, mnist-transfer-cnn, without dropout."""

import torch
from torch import nn
from torch.nn import functional as F

from . import first_losses
from .given import given, uniform, whole


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        convs = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU()]
        self.features = nn.Sequential(*convs, nn.MaxPool2d(2), nn.Dropout(0), nn.Flatten())
        self.classifier = nn.Sequential(nn.Linear(512, 128), nn.ReLU(), nn.Dropout(0), nn.Linear(128, 5))

    def forward(self, images):
        return self.classifier(self.features(images))


def losses(cast):
    images, labels = cast(uniform(100, 18, 1, 12, 12)), whole(101, 5, 18)
    held, truth = cast(uniform(102, 8, 1, 12, 12)), whole(103, 5, 8)
    net = cast(given(Net()))
    optimizer = torch.optim.Adam(net.classifier.parameters(), lr=0.01, eps=1e-7)

    def loss(k):
        rows = slice(6 * k, 6 * k + 6)
        return F.cross_entropy(net(images[rows]), labels[rows])

    found, tests = [], []
    for _ in range(2):
        found += first_losses(optimizer, 3, loss)
        logits = net(held)
        tests += [F.cross_entropy(logits, truth).item(), logits.argmax(1).eq(truth).double().mean().item()]
    image = cast(whole(104, 256, 1, 1, 12, 12).double() / 255)
    probabilities = torch.softmax(net(image), 1)[0].tolist()
    return [*found, *tests, 5 + probabilities.index(max(probabilities)), *probabilities]
