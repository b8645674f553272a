"""nanoGPT on characters, after karpathy/nanoGPT."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from .given import given, uniform

TEXT = "the quick brown fox jumps over the lazy dog; pack my box with five dozen jugs. how vexingly quick daft zebras jump! "
BLOCK_SIZE, N_EMBD, N_HEAD = 8, 16, 2


class LayerNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(N_EMBD))

    def forward(self, x):
        return F.layer_norm(x, self.weight.shape, self.weight, None, 1e-5)


class CausalSelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_attn = nn.Linear(N_EMBD, 3 * N_EMBD, bias=False)
        self.c_proj = nn.Linear(N_EMBD, N_EMBD, bias=False)

    def forward(self, x):
        n, t, c = x.shape
        q, k, v = (part.view(n, t, N_HEAD, -1).transpose(1, 2) for part in self.c_attn(x).split(c, 2))
        scores = q @ k.transpose(-2, -1) / math.sqrt(c // N_HEAD)
        y = scores.masked_fill(torch.ones(t, t).triu(1).bool(), -math.inf).softmax(-1) @ v
        return self.c_proj(y.transpose(1, 2).reshape(n, t, c))


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_fc = nn.Linear(N_EMBD, 4 * N_EMBD, bias=False)
        self.c_proj = nn.Linear(4 * N_EMBD, N_EMBD, bias=False)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x)))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = LayerNorm(), LayerNorm()
        self.attn, self.mlp = CausalSelfAttention(), MLP()

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, vocab_size):
        super().__init__()
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(vocab_size, N_EMBD),
                "wpe": nn.Embedding(BLOCK_SIZE, N_EMBD),
                "h": nn.ModuleList(Block() for _ in range(2)),
                "ln_f": LayerNorm(),
            }
        )
        self.lm_head = nn.Linear(N_EMBD, vocab_size, bias=False)
        self.transformer.wte.weight = self.lm_head.weight

    def loss(self, idx, targets):
        x = self.transformer.wte(idx) + self.transformer.wpe(torch.arange(idx.shape[1]))
        for block in self.transformer.h:
            x = block(x)
        return F.cross_entropy(self.lm_head(self.transformer.ln_f(x)).flatten(0, 1), targets.flatten())


def losses(cast):
    text = TEXT * 2
    chars = sorted(set(text))
    data = torch.tensor([chars.index(char) for char in text])
    n = int(0.9 * len(data))
    splits = {"train": data[:n], "val": data[n:]}
    numbers = iter(uniform(100, 100).tolist())

    def get_batch(split):
        some = splits[split]
        starts = [int(next(numbers) * (len(some) - BLOCK_SIZE)) for _ in range(4)]
        x, y = ([some[i + more : i + more + BLOCK_SIZE] for i in starts] for more in [0, 1])
        return torch.stack(x), torch.stack(y)

    net = cast(given(GPT(len(chars))))
    decay = {"params": [p for p in net.parameters() if p.dim() >= 2], "weight_decay": 0.1}
    no_decay = {"params": [p for p in net.parameters() if p.dim() < 2], "weight_decay": 0.0}
    optimizer = torch.optim.AdamW([decay, no_decay], lr=0.02, betas=(0.9, 0.99))
    found = []
    for it in range(4):
        rate = 0.02 * (it + 1) / 3 if it < 2 else 0.002 + 0.5 * (1 + math.cos(math.pi * (it - 2) / 2)) * 0.018
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = net.loss(*get_batch("train"))
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        found += [loss.item(), *(net.loss(*get_batch(split)).item() for split in ["train", "val"])]
    return found
