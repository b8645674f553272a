"""Dates turned into ISO's, after tensorflow/tfjs-examples, date-conversion-attention, by PyTorch's LSTMs."""

import torch
from torch import nn
from torch.nn import functional as F

from . import first_losses
from .given import given, whole

MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
INPUT_VOCAB = "\n0123456789/-., " + "".join(dict.fromkeys("".join(MONTHS)))
OUTPUT_VOCAB = "\n\t0123456789-"
FORMATS = [
    lambda y, m, d: f"{d:02}{MONTHS[m - 1]}{y}",
    lambda y, m, d: f"{m}/{d}/{y % 100:02}",
    lambda y, m, d: f"{MONTHS[m - 1]} {d:02}, {y}",
]


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedIn = nn.Embedding(len(INPUT_VOCAB), 16)
        self.embedOut = nn.Embedding(len(OUTPUT_VOCAB), 16)
        self.encoder = nn.LSTM(16, 16, batch_first=True)
        self.decoder = nn.LSTM(16, 16, batch_first=True)
        self.combine = nn.Linear(32, 16)
        self.dense = nn.Linear(16, len(OUTPUT_VOCAB))

    def forward(self, codes, decoded):
        # As Keras does where padding is masked: the state stays, and so does the output.
        x, state, outputs = self.embedIn(codes), None, []
        for t in range(12):
            out, (h, c) = self.encoder(x[:, t : t + 1], state)
            if state is not None:
                there = (codes[:, t] != 0)[:, None]
                out = torch.where(there[:, None], out, outputs[-1])
                h, c = torch.where(there, h, state[0]), torch.where(there, c, state[1])
            state = (h, c)
            outputs.append(out)
        encoded = torch.cat(outputs, 1)
        last = encoded[None, :, -1].contiguous()
        steps, _ = self.decoder(self.embedOut(decoded), (last, last))
        attention = torch.softmax(steps @ encoded.transpose(1, 2), 2)
        combined = torch.cat([attention @ encoded, steps], 2)
        return self.dense(torch.tanh(self.combine(combined))), attention


def encode(texts, vocabulary, length):
    return torch.tensor([[vocabulary.index(c) for c in text.ljust(length, "\n")] for text in texts])


def data(n, seed):
    years, months, dates = [whole(seed + i, below, n).tolist() for i, below in enumerate([100, 12, 28])]
    days = [(1950 + y, 1 + m, 1 + d) for y, m, d in zip(years, months, dates)]
    wanted = [f"{y}-{m:02}-{d:02}" for y, m, d in days] * len(FORMATS)
    return (
        encode([form(*day) for form in FORMATS for day in days], INPUT_VOCAB, 12),
        encode(["\t" + date[:-1] for date in wanted], OUTPUT_VOCAB, 10),
        encode(wanted, OUTPUT_VOCAB, 10),
    )


def losses(cast):
    net = cast(given(Model()))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.001, eps=1e-7)

    def loss_of(codes, decoded, output):
        return F.cross_entropy(net(codes, decoded)[0].transpose(1, 2), output)

    trained, held = data(6, 100), data(2, 110)
    parts = [slice(0, 8), slice(8, 16), slice(16, 18)]
    found, tests = [], []
    for _ in range(2):
        found += first_losses(optimizer, 3, lambda k: loss_of(*[part[parts[k]] for part in trained]))
        tests.append(loss_of(*held).item())
    text, codes = encode(["JAN 05, 2019"], INPUT_VOCAB, 12), [1]
    for i in range(10):
        logits, attention = net(text, torch.tensor([(codes + [0] * 10)[:10]]))
        codes.append(logits[0, i].argmax().item())
    return [*found, *tests, *codes[1:], *attention.flatten().tolist()]
