"""A language model of words by LSTMs, after pytorch/examples, word_language_model."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from .given import given

LINES = ["the cat sat on the mat", "a dog sat on the cat", "the mat is on a dog", "a cat is the dog"]
WORDS = list(dict.fromkeys(" ".join(f"{line} <eos>" for line in LINES).split()))


class RNNModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Embedding(len(WORDS), 8)
        self.rnn = nn.LSTM(8, 8, 2)
        self.decoder = nn.Linear(8, len(WORDS))
        self.decoder.weight = self.encoder.weight

    def forward(self, words, hidden):
        output, hidden = self.rnn(self.encoder(words), hidden)
        return self.decoder(output), hidden


def batchify(lines, columns):
    """Chunks of eight rows: the words, and the word after each."""
    ids = torch.tensor([WORDS.index(word) for line in lines for word in [*line.split(), "<eos>"]])
    rows = len(ids) // columns
    table = ids[: rows * columns].view(columns, rows).t()
    return [(table[i : i + 8][: rows - 1 - i], table[i + 1 : i + 9]) for i in range(0, rows - 1, 8)]


def train(net, lr=20):
    """Four epochs, as the program has them."""

    def loss_of(words, target, hidden):
        logits, hidden = net(words, hidden)
        return F.cross_entropy(logits.flatten(0, 1), target.flatten()), hidden

    def evaluate(source):
        hidden, total = None, 0
        with torch.no_grad():
            for words, target in source:
                loss, hidden = loss_of(words, target, hidden)
                total += len(words) * loss.item()
        return total / sum(len(words) for words, _ in source)

    found, valid_losses, best = [], [], math.inf
    for _ in range(4):
        hidden = None
        for words, target in batchify(LINES * 2, 4):
            loss, hidden = loss_of(words, target, hidden)
            hidden = hidden and tuple(state.detach() for state in hidden)
            net.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.25)
            with torch.no_grad():
                for p in net.parameters():
                    p -= lr * p.grad
            found.append(loss.item())
        valid_losses.append(evaluate(batchify(LINES[::-1], 2)))
        if valid_losses[-1] < best:
            best, state = valid_losses[-1], {name: p.clone() for name, p in net.state_dict().items()}
        else:
            lr /= 4
    net.load_state_dict(state)
    return [*found, *valid_losses, evaluate(batchify(LINES, 2))]


def losses(cast):
    return train(cast(given(RNNModel())))
