"""Digits by two convolutions, after mnist of pytorch/examples, with images of 12 x 12 and without dropout."""

import torch
import torch.nn.functional as F
from torch import nn

from .given import given, uniform, whole


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.fc1 = nn.Linear(64 * 16, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, images):
        x = F.relu(self.conv1((images - 0.1307) / 0.3081))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return F.log_softmax(self.fc2(x), dim=1)


def trained(net, cast, optimizer, side, gamma):
    """The losses of two epochs of three batches, then loss and accuracy of the test after each epoch."""
    images, labels = cast(uniform(100, 24, 1, side, side)), whole(101, 10, 24)
    held, truth = cast(uniform(100, 12, 1, side, side)), whole(101, 10, 12)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=gamma)
    found, tests = [], []
    for _ in range(2):
        net.train()
        for i in range(0, 24, 8):
            optimizer.zero_grad()
            loss = F.nll_loss(net(images[i : i + 8]), labels[i : i + 8])
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        net.eval()
        with torch.no_grad():
            output = net(held)
        accuracy = output.argmax(1).eq(truth).double().mean()
        tests += [F.nll_loss(output, truth).item(), accuracy.item()]
        scheduler.step()
    return found + tests


def losses(cast):
    net = cast(given(Net()))
    return trained(net, cast, torch.optim.Adadelta(net.parameters(), lr=1), side=12, gamma=0.7)
