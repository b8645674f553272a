"""conv.safetensors: values and gradients of grouped convolutions, in float64, stored as float32."""

import torch
import torch.nn.functional as F

from makers.cases import Cases

# Shapes of input and weight, then stride, padding, dilation and groups.
GROUPED = [
    ((2, 4, 7, 6), (4, 1, 3, 3), 1, 1, 1, 4),
    ((1, 3, 9, 8), (6, 1, 3, 2), [2, 1], [0, 1], 1, 3),
    ((2, 6, 5, 7), (4, 3, 3, 3), 1, [1, 2], [1, 2], 2),
    ((3, 4, 5, 5), (6, 2, 1, 1), 2, 0, 1, 2),
    ((1, 9, 8, 7), (15, 3, 2, 3), 1, 0, 2, 3),
    ((1, 8, 6, 7), (8, 1, 3, 3), 1, 1, 1, 8),
]


def inputs_of(shape, weight, bias):
    inner = weight[1] * weight[2] * (weight[3] if len(weight) > 3 else 1)
    inputs = {"input": torch.randn(shape), "weight": torch.randn(weight) / inner**0.5}
    if bias:
        inputs["bias"] = torch.randn(bias)
    return inputs


def make(_):
    cases = Cases()
    for i, (shape, weight, stride, padding, dilation, groups) in enumerate(GROUPED):
        args = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        run = lambda **given: F.conv2d(**given, **args)  # noqa: E731
        cases.add("conv2d", args, inputs_of(shape, weight, weight[0] if i % 2 == 0 else None), run, name="conv2d_groups")
    return cases.tensors, cases.cases
