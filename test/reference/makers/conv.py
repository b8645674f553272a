"""conv.safetensors: values and gradients of convolutions: in groups, of sequences, transposed, and of interpolation, in float64, stored as float32."""

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

# The same of sequences.
SEQUENCES = [
    ((2, 3, 11), (4, 3, 3), 1, 1, 1, 1),
    ((3, 4, 9), (2, 4, 4), 2, 0, 1, 1),
    ((1, 6, 13), (9, 2, 3), 1, 4, 3, 3),
    ((2, 5, 7), (5, 1, 3), 2, 1, 1, 5),
    ((2, 2, 1), (3, 2, 1), 1, 0, 1, 1),
]
# Shapes of input and weight, then stride, padding, output padding, dilation and groups.
TRANSPOSED = [
    ((2, 3, 5, 4), (3, 2, 4, 4), 2, 1, 0, 1, 1),
    ((1, 4, 7, 5), (4, 3, 3, 3), [2, 3], [1, 0], [1, 2], 1, 2),
    ((3, 2, 4, 4), (2, 5, 2, 2), 2, 0, 0, 1, 1),
    ((2, 6, 3, 5), (6, 1, 3, 2), 1, [1, 0], 0, [1, 2], 6),
    ((1, 2, 3, 4), (2, 3, 2, 2), 1, 0, [2, 1], [3, 2], 1),
    ((1, 1, 1, 1), (1, 2, 3, 3), 3, 0, 2, 1, 1),
]

# Shape of the input, scale, size.
INTERPOLATIONS = [
    ((2, 3, 4, 5), 2, None),
    ((1, 2, 5, 7), [1.5, 2.3], None),
    ((2, 1, 9, 8), [0.5, 0.7], None),
    ((1, 2, 9, 6), None, [3, 2]),
    ((2, 2, 3, 4), None, [7, 11]),
    ((1, 3, 7, 10), None, 5),
    ((1, 1, 1, 2), None, [3, 9]),
    ((1, 2, 33, 3), None, [25, 4]),
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
        cases.add("conv2d", args, inputs_of(shape, weight, weight[0] if i % 2 == 0 else None), run, called="conv2d_groups")
    for i, (shape, weight, stride, padding, dilation, groups) in enumerate(SEQUENCES):
        args = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        run = lambda **given: F.conv1d(**given, **args)  # noqa: E731
        cases.add("conv1d", args, inputs_of(shape, weight, weight[0] if i % 2 == 0 else None), run)
    for i, (shape, weight, stride, padding, output_padding, dilation, groups) in enumerate(TRANSPOSED):
        args = {"stride": stride, "padding": padding, "outputPadding": output_padding, "dilation": dilation, "groups": groups}
        options = {**args, "output_padding": output_padding}
        del options["outputPadding"]
        run = lambda **given: F.conv_transpose2d(**given, **options)  # noqa: E731
        cases.add("conv_transpose2d", args, inputs_of(shape, weight, weight[1] * groups if i % 2 == 0 else None), run)
    for mode in ["nearest", "bilinear"]:
        for shape, scale, size in INTERPOLATIONS:
            run = lambda input: F.interpolate(input, size, scale, mode)  # noqa: E731
            cases.add(f"interpolate_{mode}", {"scale": scale, "size": size}, {"input": torch.randn(shape)}, run)
    return cases.tensors, cases.cases
