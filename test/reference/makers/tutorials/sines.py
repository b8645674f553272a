"""Sine waves continued by two LSTM cells that L-BFGS trains, after time_sequence_prediction of pytorch/examples."""

import torch
import torch.nn.functional as F
from torch import nn

from .given import given, uniform


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm1 = nn.LSTMCell(1, 6)
        self.lstm2 = nn.LSTMCell(6, 6)
        self.linear = nn.Linear(6, 1)

    def forward(self, x, future=0):
        first = second = tuple(x.new_zeros(2, x.shape[0], 6))
        outputs = []
        for i in range(x.shape[1] + future):
            first = self.lstm1(x[:, i : i + 1] if i < x.shape[1] else outputs[-1], first)
            second = self.lstm2(first[0], second)
            outputs.append(self.linear(second[0]))
        return torch.cat(outputs, 1)


def losses(cast):
    net = cast(given(Sequence()))
    starts = torch.floor(160 * uniform(100, 8)) - 80
    data = cast(torch.sin((starts[:, None] + torch.arange(9)) / 20).float().double())
    optimizer = torch.optim.LBFGS(net.parameters(), lr=0.8, max_iter=5)
    found, tests = [], []

    def closure():
        optimizer.zero_grad()
        loss = F.mse_loss(net(data[3:, :-1]), data[3:, 1:])
        loss.backward()
        found.append(loss.item())
        return loss

    for _ in range(2):
        optimizer.step(closure)
        with torch.no_grad():
            predicted = net(data[:3, :-1], future=4)
            tests.append(F.mse_loss(predicted[:, :-4], data[:3, 1:]).item())
    return [*found, *tests, predicted.square().mean().item()]
