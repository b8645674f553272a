"""A language model of words by a Transformer, after pytorch/examples, word_language_model."""

import math

import torch
from torch import nn

from .given import given
from .word_language_model import WORDS, train


def positions(length, dim):
    """Sines and cosines [length, 1, dim]."""
    rates = torch.exp(torch.arange(0, dim, 2).double() * (-math.log(10000) / dim))
    angles = torch.arange(length).double()[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], 2).reshape(length, 1, dim)


class TransformerModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("pe", positions(10, 8))
        self.input_emb = nn.Embedding(len(WORDS), 8)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 8, dropout=0), 2, nn.LayerNorm(8))
        self.decoder = nn.Linear(8, len(WORDS))

    def forward(self, words, _):
        hidden = torch.full((len(words), len(words)), -math.inf).triu(1).to(self.pe.dtype)
        x = self.input_emb(words) * math.sqrt(8) + self.pe[: len(words)]
        return self.decoder(self.encoder(x, mask=hidden)), None


def losses(cast):
    return train(cast(given(TransformerModel())), lr=2)
