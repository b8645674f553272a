"""Whether a review is good or bad, after tensorflow/tfjs-examples, sentiment, by PyTorch's layers and without dropout."""

import torch
from torch import nn
from torch.nn import functional as F

from . import first_losses
from .given import given, whole


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(16, 250, 5)
        self.dense = nn.Linear(250, 250)

    def forward(self, x):
        return F.relu(self.dense(F.relu(self.conv(x.transpose(1, 2))).amax(2)))


class LastState(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(16, 8, batch_first=True, bidirectional=True)

    def forward(self, x):
        _, (h, _) = self.rnn(x)
        return torch.cat([h[0], h[1]], 1)


def reviews():
    drawn, lengths = whole(100, 60, 16, 14), whole(101, 10, 16)
    words = [(row[: 5 + length] + 3).tolist() for row, length in zip(drawn, lengths.tolist())]
    return [[2 if word >= 50 else word for word in row] for row in words]


def losses(cast):
    rows, y = reviews(), cast(whole(102, 2, 16, 1).double())
    hot = torch.zeros(16, 50, dtype=torch.float64)
    for i, row in enumerate(rows):
        hot[i, [word for word in row if word != 2]] = 1
    padded = torch.tensor([([0] * 10 + row)[-10:] for row in rows])
    multihot = [nn.Linear(50, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1)]
    nets = [
        (cast(hot), multihot),
        (padded, [nn.Embedding(50, 16), Cnn(), nn.Linear(250, 1)]),
        (padded, [nn.Embedding(50, 16), LastState(), nn.Linear(16, 1)]),
    ]
    found = []
    for x, layers in nets:
        net = cast(given(nn.Sequential(*layers, nn.Sigmoid())))
        optimizer = torch.optim.Adam(net.parameters(), lr=0.001, eps=1e-7)
        found += first_losses(
            optimizer, 2, lambda k: F.binary_cross_entropy(net(x[6 * k : 6 * k + 6]), y[6 * k : 6 * k + 6])
        )
        good = net(x[12:])
        found += [F.binary_cross_entropy(good, y[12:]).item(), ((good > 0.5) == (y[12:] == 1)).double().mean().item()]
    return found
