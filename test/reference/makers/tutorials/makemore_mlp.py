"""Words by an MLP over the last characters, after karpathy/makemore. makemore_transformer has the same data and loop."""

import torch
import torch.nn.functional as F
from torch import nn

from .given import given

WORDS = "abel ada bea carl cleo dora ed fay gus hana ida jo kai lena mo nils ona pia ruth sven".split()
# permutation(3407, 0, 20) of dawngrad
ORDER = [1, 9, 3, 11, 7, 2, 14, 15, 16, 8, 13, 19, 5, 10, 17, 4, 6, 0, 18, 12]


def data():
    """x and y for training and test, the number of characters with 0, and the length."""
    chars = sorted(set("".join(WORDS)))
    length = max(map(len, WORDS)) + 1
    x, y = torch.zeros(len(WORDS), length).long(), torch.full((len(WORDS), length), -1)
    for row, i in enumerate(ORDER):
        numbers = torch.tensor([chars.index(char) + 1 for char in WORDS[i]])
        x[row, 1 : len(numbers) + 1] = numbers
        y[row, : len(numbers)] = numbers
        y[row, len(numbers)] = 0
    return (x[2:], y[2:]), (x[:2], y[:2]), len(chars) + 1, length


def train(net, lr, steps):
    """The losses of the steps and that of the test."""

    def loss_of(x, y):
        logits = net(x)
        return F.cross_entropy(logits.view(-1, logits.size(-1)), y.view(-1), ignore_index=-1)

    (x, y), test, _, _ = data()
    optimizer = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=0.01, betas=(0.9, 0.99), eps=1e-8)
    found = []
    for step in range(steps):
        rows = slice(6 * (step % 3), 6 * (step % 3) + 6)
        loss = loss_of(x[rows], y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return [*found, loss_of(*test).item()]


class MLP(nn.Module):
    def __init__(self, vocab_size, block_size, n_embd=8, n_embd2=16):
        super().__init__()
        self.block_size, self.vocab_size = block_size, vocab_size
        self.wte = nn.Embedding(vocab_size + 1, n_embd)
        self.mlp = nn.Sequential(nn.Linear(block_size * n_embd, n_embd2), nn.Tanh(), nn.Linear(n_embd2, vocab_size))

    def forward(self, idx):
        embeddings = []
        for _ in range(self.block_size):
            embeddings.append(self.wte(idx))
            idx = F.pad(idx, (1, -1), value=self.vocab_size)
        return self.mlp(torch.cat(embeddings, -1))


def losses(cast):
    _, _, vocab_size, block_size = data()
    return train(cast(given(MLP(vocab_size, block_size))), 0.02, 6)
