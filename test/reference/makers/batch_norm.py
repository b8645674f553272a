"""batch_norm.safetensors: BatchNorm2d on three batches in training, then on a fourth in evaluation."""

import numpy
import torch

# The three shapes in training, then the one in evaluation; options as PyTorch calls them; `shift` is added to the input.
CASES = {
    "default": {"shapes": [(5, 3, 7, 6), (2, 3, 5, 9), (1, 3, 3, 4), (4, 3, 5, 5)], "options": {}},
    "momentum": {"shapes": [(3, 5, 1, 11), (4, 5, 3, 3), (1, 5, 2, 1), (2, 5, 3, 2)], "options": {"momentum": 0.3}},
    "cumulative": {"shapes": [(3, 4, 3, 5), (7, 4, 1, 2), (2, 4, 5, 1), (1, 4, 1, 1)], "options": {"momentum": None}},
    "plain": {"shapes": [(2, 7, 3, 3), (5, 7, 1, 1), (3, 7, 2, 5), (1, 7, 3, 1)], "options": {"affine": False}},
    "untracked": {
        "shapes": [(4, 3, 3, 2), (2, 3, 5, 5), (1, 3, 1, 7), (3, 3, 2, 3)],
        "options": {"track_running_stats": False},
    },
    "plain_untracked_eps": {
        "shapes": [(2, 2, 3, 3), (3, 2, 1, 5), (2, 2, 2, 2), (1, 2, 1, 2)],
        "options": {"affine": False, "track_running_stats": False, "eps": 0.1},
    },
    "one_channel_of_two": {"shapes": [(2, 1, 1, 1), (1, 1, 1, 2), (1, 1, 2, 1), (1, 1, 1, 1)], "options": {}},
    "many_rows": {"shapes": [(67, 3, 3, 2), (33, 3, 1, 1), (32, 3, 2, 1), (65, 3, 1, 2)], "options": {}},
    "many_channels": {"shapes": [(2, 67, 1, 3), (3, 67, 2, 1), (1, 67, 1, 2), (2, 67, 1, 1)], "options": {}},
    "far_from_zero": {"shapes": [(3, 2, 5, 7), (2, 2, 3, 3), (4, 2, 4, 1), (2, 2, 3, 2)], "options": {}, "shift": 100},
    # The first channel has one value everywhere: its variance is 0.
    "constant_channel": {"shapes": [(3, 3, 4, 3), (2, 3, 3, 1), (1, 3, 2, 2), (2, 3, 2, 2)], "options": {}},
}
# One value per channel where statistics are taken from the batch, and another rank: PyTorch refuses them.
REFUSED = [
    {"shape": [1, 3, 1, 1], "options": {}, "training": True},
    {"shape": [1, 3, 1, 1], "options": {"track_running_stats": False}, "training": False},
    {"shape": [4, 3, 5], "options": {}, "training": True},
]


def inputs(random, name, case):
    channels = case["shapes"][0][1]
    tensors = {}
    if case["options"].get("affine", True):
        tensors["weight"] = random.standard_normal(channels) + 1
        tensors["bias"] = random.standard_normal(channels)
    scale = numpy.linspace(0.5, 3, channels).reshape(-1, 1, 1)
    mean = numpy.linspace(-2, 2, channels).reshape(-1, 1, 1) + case.get("shift", 0)
    for part, shape in zip(["batch0", "batch1", "batch2", "eval"], case["shapes"]):
        value = random.standard_normal(shape) * scale + mean
        if name == "constant_channel":
            value[:, 0] = 0.7
        tensors[f"{part}.input"] = value
        tensors[f"{part}.grad_out"] = random.standard_normal(shape)
    return {key: torch.from_numpy(value.astype(numpy.float32)) for key, value in tensors.items()}


def follow(case, given, dtype):
    """Outputs, gradients and running statistics of every batch, in one precision."""
    norm = torch.nn.BatchNorm2d(case["shapes"][0][1], **case["options"]).to(dtype)
    with torch.no_grad():
        for name, value in norm.named_parameters():
            value.copy_(given[name])
    tensors, counts = {}, []
    for part in ["batch0", "batch1", "batch2", "eval"]:
        norm.train(part != "eval")
        norm.zero_grad()
        value = given[f"{part}.input"].to(dtype, copy=True).requires_grad_()
        out = norm(value)
        out.backward(given[f"{part}.grad_out"].to(dtype))
        tensors[f"{part}.out"] = out
        tensors[f"{part}.grad_input"] = value.grad
        tensors.update({f"{part}.grad_{name}": value.grad.clone() for name, value in norm.named_parameters()})
        if norm.track_running_stats and norm.training:
            tensors[f"{part}.running_mean"] = norm.running_mean.clone()
            tensors[f"{part}.running_var"] = norm.running_var.clone()
            counts.append(norm.num_batches_tracked.item())
    return tensors, counts


def refusal(case):
    norm = torch.nn.BatchNorm2d(3, **case["options"]).train(case["training"])
    try:
        norm(torch.zeros(case["shape"]))
    except ValueError as error:
        return {**case, "message": str(error)}
    raise AssertionError(f"BatchNorm2d takes {case}")


def make(_):
    random = numpy.random.RandomState(2)
    tensors, cases = {}, []
    for name, case in CASES.items():
        given = inputs(random, name, case)
        tensors.update({f"{name}.{key}": value for key, value in given.items()})
        for dtype in ["float32", "float64"]:
            found, counts = follow(case, given, getattr(torch, dtype))
            tensors.update({f"{name}.{dtype}.{key}": value for key, value in found.items()})
        channels = case["shapes"][0][1]
        cases.append({"name": name, "channels": channels, "options": case["options"], "num_batches_tracked": counts})
    refused = {"name": "refused", "inputs": [refusal(case) for case in REFUSED]}
    return tensors, [*cases, refused]
