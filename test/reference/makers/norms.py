"""norms.safetensors: values and gradients of layer, group, instance and root-mean-square norm, in float64, stored as float32."""

import torch
import torch.nn.functional as F

from makers.cases import Cases

# Shape of the input, number of the last dimensions or of groups, weight, bias, eps.
LAST = [
    ((4, 7), 1, True, True, 1e-5),
    ((2, 3, 5), 2, True, True, 1e-5),
    ((3, 2, 33), 1, True, False, 1e-3),
    ((6, 8), 1, False, False, 1e-5),
    ((2, 4, 3), 3, True, True, 0.1),
]
GROUPS = [
    ((3, 4, 5), 2, True, True, 1e-5),
    ((2, 6, 3, 4), 3, True, True, 1e-5),
    ((2, 3, 4, 4), 1, True, False, 1e-3),
    ((5, 6), 2, False, False, 1e-5),
    ((1, 4, 2, 3), 4, True, True, 0.1),
]
INSTANCES = [
    ((2, 3, 4, 5), 0, True, True, 1e-5),
    ((3, 2, 9), 0, True, True, 1e-5),
    ((1, 4, 3, 3), 0, True, False, 1e-3),
    ((2, 3, 4, 2), 0, False, False, 1e-5),
    ((4, 1, 2, 6), 0, True, True, 0.1),
]


def rms_norm(input, shape, weight, eps):
    """As PyTorch 2.4's; older ones do not have it."""
    dims = tuple(range(-len(shape), 0))
    normal = input * torch.rsqrt(input.pow(2).mean(dims, keepdim=True) + eps)
    return normal if weight is None else normal * weight


def make(_):
    cases = Cases()

    def add(kind, settings, run, own):
        for shape, option, weight, bias, eps in settings:
            bias = bias and kind != "rms_norm"
            inputs = {"input": torch.randn(shape)}
            if weight:
                inputs["weight"] = torch.randn(own(shape, option))
            if bias:
                inputs["bias"] = torch.randn(own(shape, option))
            args = {"option": option, "eps": eps, "weight": weight, "bias": bias}
            call = lambda input, weight=None, bias=None: run(input, option, weight, bias, eps)  # noqa: E731
            cases.add(kind, args, inputs, call)

    last = lambda shape, n: shape[len(shape) - n :]  # noqa: E731
    channels = lambda shape, _: (shape[1],)  # noqa: E731
    add("layer_norm", LAST, lambda x, n, w, b, eps: F.layer_norm(x, last(x.shape, n), w, b, eps), last)
    add("rms_norm", LAST, lambda x, n, w, _, eps: rms_norm(x, last(x.shape, n), w, eps), last)
    add("group_norm", GROUPS, lambda x, n, w, b, eps: F.group_norm(x, n, w, b, eps), channels)
    add("instance_norm", INSTANCES, lambda x, _, w, b, eps: F.instance_norm(x, weight=w, bias=b, eps=eps), channels)
    return cases.tensors, cases.cases
