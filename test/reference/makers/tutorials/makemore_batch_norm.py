"""Words by a deep MLP with batch norm, after part 3 of karpathy's lectures on makemore."""

import torch
import torch.nn.functional as F
from torch import nn

from .given import given
from .makemore_mlp import WORDS

# permutation(42, 0, 20) of dawngrad
ORDER = [2, 4, 13, 7, 18, 10, 5, 16, 11, 14, 15, 9, 0, 17, 12, 19, 1, 8, 3, 6]
BLOCK_SIZE = 3


def examples(words, chars):
    x, y = [], []
    for word in words:
        context = [0] * BLOCK_SIZE
        for char in word + ".":
            x.append(context)
            y.append(chars.index(char))
            context = [*context[1:], y[-1]]
    return torch.tensor(x), torch.tensor(y)


def layer(inside, outside):
    return [nn.Linear(inside, outside, bias=False), nn.BatchNorm1d(outside)]


def losses(cast):
    chars = [".", *sorted(set("".join(WORDS)))]
    n = len(chars)
    hidden = [*layer(12, 12), nn.Tanh(), *layer(12, 12), nn.Tanh()]
    net = cast(given(nn.Sequential(nn.Embedding(n, 4), nn.Flatten(), *hidden, *layer(12, n))))
    words = [WORDS[i] for i in ORDER]
    x, y = examples(words[:16], chars)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    found = []
    for step in range(4):
        optimizer.param_groups[0]["lr"] = 0.1 if step < 3 else 0.01
        rows = slice(16 * step, 16 * step + 16)
        assert len(y[rows]) == 16
        loss = F.cross_entropy(net(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    net.eval()
    x, y = examples(words[18:], chars)
    return [*found, F.cross_entropy(net(x), y).item()]
