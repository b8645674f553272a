"""take.safetensors: values and gradients of indexSelect, embedding and gather, in float64, stored as float32."""

import torch
import torch.nn.functional as F

from makers.cases import Cases

# Shape of the input, dimension, number of indices.
ROWS = [((5, 3), 0, 4), ((5, 4), 1, 9), ((2, 6, 4), -2, 7), ((9,), 0, 40), ((3, 1), 1, 5)]
# Shape of the weight, shape of the index, padding.
TABLES = [((7, 3), (5,), None), ((7, 4), (3, 4), None), ((5, 4), (40,), 2), ((5, 3), (40,), -1), ((3, 2), (), None)]
# Shape of the input, dimension, shape of the index.
ELEMENTS = [
    ((6, 4), 1, (6, 1)),
    ((3, 5, 2), 1, (3, 9, 2)),
    ((4, 5), 0, (7, 3)),
    ((9,), 0, (40,)),
    ((2, 3, 4), -1, (1, 2, 6)),
]


def make(_):
    cases = Cases()
    for shape, dim, count in ROWS:
        index = torch.randint(shape[dim], (count,))
        run = lambda input: torch.index_select(input, dim, index)  # noqa: E731
        cases.add("index_select", {"dim": dim, "of": [count]}, {"input": torch.randn(shape)}, run, index)
    for shape, of, padding in TABLES:
        index = torch.randint(shape[0], of)
        args = {"of": list(of)} if padding is None else {"of": list(of), "padding": padding}
        run = lambda input: F.embedding(index, input, padding_idx=padding)  # noqa: E731
        cases.add("embedding", args, {"input": torch.randn(shape)}, run, index)
    for shape, dim, of in ELEMENTS:
        index = torch.randint(shape[dim], of)
        run = lambda input: torch.gather(input, dim, index)  # noqa: E731
        cases.add("gather", {"dim": dim, "of": list(of)}, {"input": torch.randn(shape)}, run, index)
    return cases.tensors, cases.cases
