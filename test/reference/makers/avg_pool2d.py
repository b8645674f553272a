"""avg_pool2d.safetensors: values and gradients of average pooling and pixel shuffles, in float64, stored as float32."""

import torch
import torch.nn.functional as F

from makers.cases import Cases

# Shape of the input, kernel size, stride, padding, whether padding counts.
WINDOWS = [
    ((2, 3, 6, 8), 2, 2, 0, True),
    ((2, 2, 7, 5), 3, 2, 1, True),
    ((2, 2, 7, 5), 3, 2, 1, False),
    ((1, 3, 5, 9), [3, 2], [1, 2], [1, 0], True),
    ((3, 1, 4, 7), [1, 3], [2, 4], [0, 1], False),
]
# Shape of the input, size of the output.
SIZES = [((2, 3, 5, 7), 1), ((2, 2, 6, 8), [3, 2]), ((2, 2, 7, 5), [3, 4]), ((1, 2, 2, 3), [3, 5]), ((1, 3, 4, 9), [4, 2])]

# Shape of the input, factor.
SHUFFLES = [((2, 4, 3, 2), 2), ((1, 9, 2, 3), 3), ((2, 12, 1, 5), 2), ((3, 2, 3, 3), 1), ((1, 16, 2, 2), 4)]


def make(_):
    cases = Cases()
    for shape, kernel, stride, padding, counts in WINDOWS:
        args = {"kernelSize": kernel, "stride": stride, "padding": padding, "countIncludePad": counts}
        run = lambda input: F.avg_pool2d(input, kernel, stride, padding, count_include_pad=counts)  # noqa: E731
        cases.add("avg_pool2d", args, {"input": torch.randn(shape)}, run)
    for shape, size in SIZES:
        run = lambda input: F.adaptive_avg_pool2d(input, size)  # noqa: E731
        cases.add("adaptive_avg_pool2d", {"size": size}, {"input": torch.randn(shape)}, run)
    for shape, r in SHUFFLES:
        run = lambda input: F.pixel_shuffle(input, r)  # noqa: E731
        cases.add("pixel_shuffle", {"r": r}, {"input": torch.randn(shape)}, run)
    return cases.tensors, cases.cases
