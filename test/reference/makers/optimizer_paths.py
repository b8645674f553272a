"""optimizer_paths.safetensors: small networks that optimizers train for twenty steps."""

import copy

import numpy
import torch
from torch import nn

from . import other_optimizers

STEPS = 20
STORED = [1, 5, 20]
OPTIMIZERS = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "Adam": {"lr": 0.02, "weight_decay": 0.01},
    "AdamW": {"lr": 0.02, "weight_decay": 0.1, "amsgrad": True},
    "RMSprop": {"lr": 0.005, "momentum": 0.5, "centered": True, "weight_decay": 0.01},
    "Adagrad": {"lr": 0.05, "lr_decay": 0.01, "weight_decay": 0.01},
    "Adadelta": {"lr": 1, "eps": 1e-4, "weight_decay": 0.01},
    "Lion": {"lr": 0.01, "weight_decay": 0.1},
    "ScheduleFreeSGD": {"lr": 0.5, "warmup_steps": 5, "weight_decay": 0.01},
    "ScheduleFreeAdamW": {"lr": 0.05, "weight_decay": 0.01},
    "LARS": {"lr": 1, "momentum": 0.9, "weight_decay": 0.01, "trust_coefficient": 0.02},
    "LAMB": {"lr": 0.05, "weight_decay": 0.05},
    "Muon": {"lr": 0.05, "weight_decay": 0.1},
}
REST = {"lr": 0.1}  # of SGD for what Muon does not take


def networks():
    return {
        "mlp": nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)),
        # What is added before a batch norm has a gradient of rounding alone: no bias there.
        "batch_norm": nn.Sequential(nn.Linear(4, 6, bias=False), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)),
    }


def optimizers_of(name, net):
    made = getattr(other_optimizers, name, None) or getattr(torch.optim, name)
    parameters = list(net.parameters())
    if name != "Muon":
        return [made(parameters, **OPTIMIZERS[name])]
    matrices, rest = ([p for p in parameters if (p.dim() == 2) is is_matrix] for is_matrix in [True, False])
    return [made(matrices, **OPTIMIZERS[name]), torch.optim.SGD(rest, **REST)]


def path(name, net, x, labels):
    """The parameters after the stored steps and, of a schedule-free optimizer, its means at the end."""
    optimizers = optimizers_of(name, net)
    found = {}
    for step in range(1, STEPS + 1):
        for optimizer in optimizers:
            optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), labels).backward()
        for optimizer in optimizers:
            optimizer.step()
        if step in STORED:
            found.update({f"{step}.{key}": p.detach().clone() for key, p in net.named_parameters()})
    for key, p in net.named_parameters():
        if "x" in optimizers[0].state[p]:
            found[f"x.{key}"] = optimizers[0].state[p]["x"]
    return found


def make(_):
    torch.manual_seed(1)
    random = numpy.random.RandomState(1)
    x = torch.from_numpy(random.standard_normal((16, 4)).astype(numpy.float32))
    labels = torch.from_numpy(random.randint(0, 3, 16))
    tensors = {"x": x, "labels": labels.to(torch.int32)}
    cases = []
    for kind, net in networks().items():
        tensors.update({f"{kind}.init.{key}": p.detach().clone() for key, p in net.named_parameters()})
        for name, options in OPTIMIZERS.items():
            wanted = path(name, copy.deepcopy(net).double(), x.double(), labels)
            rough = path(name, copy.deepcopy(net), x, labels)
            tensors.update({f"{kind}.{name}.{key}": value for key, value in wanted.items()})
            largest = {}
            for key, value in wanted.items():
                at, far = key.split(".", 1)[0], (rough[key] - value).abs().max().item()
                largest[at] = max(largest.get(at, 0), far)
            cases.append({"network": kind, "optimizer": name, "options": options, "float32_deviation": largest})
    return tensors, cases
