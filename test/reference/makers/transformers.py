"""
transformers.safetensors: nn.MultiheadAttention and nn.TransformerEncoderLayer with all gradients, and the losses of the first steps
of a tiny GPT and a tiny vision transformer. Computed in float64, stored as float32, losses as they are.
"""

import copy

import torch
import torch.nn.functional as F
from torch import nn

# Features, heads, N (0: no batch), L, S, what masks there are, options.
ATTENTIONS = [
    (8, 2, 3, 5, 5, [], {}),
    (8, 4, 3, 5, 5, ["attn"], {}),
    (6, 2, 2, 4, 7, ["padding"], {"batch_first": True}),
    (8, 2, 2, 4, 6, ["each", "padding"], {"batch_first": True, "bias": False}),
    (8, 2, 3, 4, 6, ["float"], {"kdim": 5, "vdim": 3}),
    (6, 3, 0, 5, 4, ["attn", "padding"], {}),
    (8, 2, 2, 6, 6, ["causal"], {"batch_first": True}),
]
# Features, heads, N, L, what masks there are, options.
LAYERS = [
    (8, 2, 3, 5, [], {"dim_feedforward": 12}),
    (8, 4, 2, 5, ["attn"], {"dim_feedforward": 12, "norm_first": True}),
    (6, 2, 3, 4, ["padding"], {"dim_feedforward": 9, "batch_first": True, "activation": "gelu"}),
    (8, 2, 2, 6, ["causal"], {"dim_feedforward": 16, "batch_first": True, "activation": "gelu", "norm_first": True}),
    (8, 2, 2, 5, ["attn", "padding"], {"dim_feedforward": 8, "layer_norm_eps": 0.1}),
]
STEPS = 5


def masks_of(kinds, N, heads, L, S):
    """Masks by the names of nn.MultiheadAttention; of bytes 1 where a pair is hidden, and never all keys of a query."""
    masks = {}
    if "padding" in kinds:
        hidden = torch.rand(max(N, 1), S) < 0.4
        hidden[:, 0] = False
        masks["key_padding_mask"] = hidden[0] if N == 0 else hidden
    if "attn" in kinds or "each" in kinds:
        hidden = torch.rand(*([N * heads] if "each" in kinds else []), L, S) < 0.4
        hidden[..., 0] = False
        masks["attn_mask"] = hidden
    if "float" in kinds:
        masks["attn_mask"] = torch.randn(L, S)
    if "causal" in kinds:
        masks["attn_mask"] = torch.ones(L, S).triu(1).bool()
    return masks


def shuffle(module):
    """Values for all parameters: biases and norms would hide mistakes at their first ones."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape))


def make(_):
    torch.manual_seed(0)
    tensors, cases = {}, []

    def add(name, module, inputs, masks, run, args):
        """Stores a case; `run` maps a module, its inputs and its masks to its output."""
        shape = run(module, inputs, masks).shape
        grad_out = torch.randn(shape)

        def results(dtype):
            own = copy.deepcopy(module).to(dtype)
            given = {key: value.clone().to(dtype).requires_grad_() for key, value in inputs.items()}
            used = {key: mask if mask.dtype == torch.bool else mask.to(dtype) for key, mask in masks.items()}
            out = run(own, given, used)
            out.backward(grad_out.to(dtype))
            found = {"out": out.detach(), **{f"grad_{key}": value.grad for key, value in given.items()}}
            return {**found, **{f"grad.{key}": parameter.grad for key, parameter in own.named_parameters()}}

        rough, wanted = results(torch.float32), results(torch.float64)
        far = {key: (rough[key] - value).abs().max().item() for key, value in wanted.items()}
        stored = {**inputs, "grad_out": grad_out, **{key: value.float() for key, value in wanted.items()}}
        stored.update({key: mask.to(torch.uint8) if mask.dtype == torch.bool else mask for key, mask in masks.items()})
        stored.update({f"parameter.{key}": value.detach() for key, value in module.named_parameters()})
        names = {"inputs": list(inputs), "masks": list(masks)}
        cases.append({"name": name, "args": args, **names, "float32_deviation": far})
        tensors.update({f"{name}.{key}": value for key, value in stored.items()})

    for i, (E, heads, N, L, S, kinds, options) in enumerate(ATTENTIONS):
        module = nn.MultiheadAttention(E, heads, **options)
        shuffle(module)

        def shape(length, features):
            if N == 0:
                return length, features
            return (N, length, features) if options.get("batch_first") else (length, N, features)

        inputs = {"query": torch.randn(shape(L, E))}
        if S != L or "kdim" in options:
            inputs["key"] = torch.randn(shape(S, options.get("kdim", E)))
            inputs["value"] = torch.randn(shape(S, options.get("vdim", E)))
        masks = masks_of(kinds, N, heads, L, S)

        def run(module, given, masks):
            query = given["query"]
            return module(query, given.get("key", query), given.get("value", query), need_weights=False, **masks)[0]

        args = {"embed_dim": E, "num_heads": heads, "causal": kinds == ["causal"], **options}
        add(f"attention_{i}", module, inputs, masks, run, args)

    for i, (E, heads, N, L, kinds, options) in enumerate(LAYERS):
        module = nn.TransformerEncoderLayer(E, heads, dropout=0, **options)
        shuffle(module)
        inputs = {"input": torch.randn((N, L, E) if options.get("batch_first") else (L, N, E))}
        masks = masks_of(kinds, N, heads, L, L)
        names = {"attn_mask": "src_mask", "key_padding_mask": "src_key_padding_mask"}
        masks = {names[key]: mask for key, mask in masks.items()}

        def run(module, given, masks):
            return module(given["input"], **masks)

        args = {"d_model": E, "nhead": heads, "causal": kinds == ["causal"], **options}
        add(f"layer_{i}", module, inputs, masks, run, args)

    for name, network, x, y in [
        ("gpt", Gpt(11, 8, 2, 2, 8, True), *language(11, 3, 7)),
        ("gpt_untied", Gpt(7, 6, 1, 2, 8, False), *language(7, 2, 6)),
        ("vit", Vit(8, 4, 2, 8, 2, 2, 3), torch.randn(4, 2, 8, 8), torch.tensor([0, 2, 1, 2])),
    ]:
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.copy_(0.3 * torch.randn(parameter.shape))
        for key, parameter in network.state_dict().items():
            tensors[f"{name}.parameter.{key}"] = parameter.clone()
        tensors[f"{name}.x"] = x.int() if x.dtype == torch.long else x
        tensors[f"{name}.y"] = y.int()
        rough, losses = [losses_of(copy.deepcopy(network), dtype, x, y) for dtype in [torch.float32, torch.float64]]
        far = max(abs(a - b) for a, b in zip(rough, losses))
        cases.append({"name": name, "losses": losses, "float32_deviation": far})
    return tensors, cases


def losses_of(network, dtype, x, y):
    """The losses of the first steps by AdamW."""
    network = network.to(dtype)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    losses = []
    for _ in range(STEPS):
        logits = network(x if x.dtype == torch.long else x.to(dtype))
        loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), y.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def language(vocab, N, T):
    """Tokens, and for each the one after it."""
    tokens = torch.randint(vocab, (N, T + 1))
    return tokens[:, :-1], tokens[:, 1:]


def blocks(layers, width, heads):
    options = {"dim_feedforward": 4 * width, "dropout": 0, "activation": "gelu", "batch_first": True, "norm_first": True}
    return nn.ModuleList(nn.TransformerEncoderLayer(width, heads, **options) for _ in range(layers))


class Gpt(nn.Module):
    def __init__(self, vocab, context, layers, heads, width, tied):
        super().__init__()
        self.tokens = nn.Embedding(vocab, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = blocks(layers, width, heads)
        self.norm = nn.LayerNorm(width)
        if not tied:
            self.head = nn.Linear(width, vocab, bias=False)
        self.tied = tied

    def forward(self, tokens):
        T = tokens.shape[1]
        x = self.tokens(tokens) + self.positions(torch.arange(T))
        hidden = torch.ones(T, T).triu(1).bool()
        for block in self.blocks:
            x = block(x, hidden)
        return self.norm(x) @ self.tokens.weight.T if self.tied else self.head(self.norm(x))


class Vit(nn.Module):
    def __init__(self, image, patch, channels, width, layers, heads, classes):
        super().__init__()
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, 1 + (image // patch) ** 2, width))
        self.blocks = blocks(layers, width, heads)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, images):
        rows = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(images), -1, -1), rows], 1) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])
