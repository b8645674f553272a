"""attention.safetensors: batched products, linear over more dimensions and attention, in float64, stored as float32."""

import torch
import torch.nn.functional as F

from makers.cases import Cases

# Shapes of a and b as they are stored, and which of them are transposed.
PRODUCTS = [
    ((3, 4, 5), (3, 5, 6), False, False),
    ((2, 3, 4, 8), (2, 3, 8, 12), False, False),
    ((2, 3, 4, 5), (5, 7), False, False),
    ((4, 3), (5, 3, 6), False, False),
    ((2, 1, 5, 3), (4, 5, 2), True, False),
    ((2, 1, 3, 5), (4, 2, 5), False, True),
    ((3, 5, 4), (3, 6, 5), True, True),
    ((2, 1, 2, 1, 3, 2), (1, 3, 1, 2, 2, 4), False, False),
]
# Shape of the input, and output features.
LAYERS = [((5,), 3), ((2, 5, 3), 4), ((2, 3, 4, 8), 12), ((7, 1, 6), 5), ((2, 2, 2, 2, 3), 7)]
# Batch, L, S, E, V, what hides pairs, scale.
ATTENTIONS = [
    ((), 3, 5, 4, 2, None, None),
    ((2, 3), 6, 6, 4, 4, None, None),
    ((2, 2), 5, 5, 4, 4, "causal", None),
    ((2,), 3, 6, 4, 3, "causal", None),
    ((2, 2), 4, 7, 3, 5, "uint8", None),
    ((2, 2), 4, 7, 3, 5, "float32", None),
    ((3,), 4, 4, 8, 8, None, 0.5),
]


def product(a, b, transpose_a, transpose_b):
    return (a.transpose(-1, -2) if transpose_a else a) @ (b.transpose(-1, -2) if transpose_b else b)


def attention(q, k, v, mask=None, is_causal=False, scale=None):
    """As the documentation of PyTorch 2 has it; older ones do not have it."""
    scores = q @ k.transpose(-2, -1) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:]).tril().logical_not(), float("-inf"))
    if mask is not None:
        scores = scores.masked_fill(mask.logical_not(), float("-inf")) if mask.dtype == torch.bool else scores + mask
    return scores.softmax(-1) @ v


def make(_):
    cases = Cases()
    for a, b, transpose_a, transpose_b in PRODUCTS:
        inputs = {"a": torch.randn(a), "b": torch.randn(b)}
        args = {"transpose_a": transpose_a, "transpose_b": transpose_b}
        cases.add("matmul", args, inputs, lambda a, b: product(a, b, **args), called="batched_matmul")
    for shape, features in LAYERS:
        inputs = {"input": torch.randn(shape), "weight": torch.randn(features, shape[-1]), "bias": torch.randn(features)}
        cases.add("linear", {}, inputs, F.linear, called="wide_linear")
    for batch, L, S, E, V, hides, scale in ATTENTIONS:
        inputs = {"q": torch.randn(*batch, L, E), "k": torch.randn(*batch, S, E), "v": torch.randn(*batch, S, V)}
        args = {} if scale is None else {"scale": scale}
        mask = None
        if hides == "causal":
            args["is_causal"] = True
        elif hides == "uint8":
            mask = torch.rand(L, S) < 0.6
            mask[:, 0] = True
            args.update(mask="uint8", mask_shape=[L, S])
        elif hides == "float32":
            inputs["mask"] = torch.randn(*batch[:1], 1, L, S)
            args.update(mask="float32", mask_shape=list(inputs["mask"].shape))
        options = {"is_causal": hides == "causal", "scale": scale}
        if mask is not None:
            options["mask"] = mask
        cases.add("scaled_dot_product_attention", args, inputs, lambda **given: attention(**given, **options), mask)
    return cases.tensors, cases.cases
