"""schedules.json: the learning rates of PyTorch's schedulers, and those of the chapter on learning-rate schedules."""

import math
import warnings

import torch
from torch.optim import lr_scheduler

from makers.draws import Draws
from makers.files import SOURCE

STEPS = 60

# Names of schedulers, their options, and the rate they begin with.
SCHEDULERS = [
    ("MultiStepLR", {"milestones": [15, 30], "gamma": 0.5}, 0.5),
    ("StepLR", {"step_size": 7, "gamma": 0.1}, 0.3),
    ("ExponentialLR", {"gamma": 0.9}, 0.3),
    ("ConstantLR", {"factor": 1 / 3, "total_iters": 5}, 0.3),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 1.0, "total_iters": 5}, 0.3),
    ("PolynomialLR", {"total_iters": 20, "power": 2.0}, 0.3),
    ("CosineAnnealingLR", {"T_max": 20, "eta_min": 0.01}, 0.3),
    ("CosineAnnealingWarmRestarts", {"T_0": 10, "T_mult": 2, "eta_min": 0.01}, 0.3),
    (
        "OneCycleLR",
        {"max_lr": 0.5, "total_steps": STEPS, "pct_start": 0.3, "anneal_strategy": "cos", "cycle_momentum": False},
        0.3,
    ),
    (
        "CyclicLR",
        {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 10, "mode": "triangular2", "cycle_momentum": False},
        0.3,
    ),
    ("LambdaLR", {"lambda_": "1/(1+t)"}, 0.3),
    ("MultiplicativeLR", {"lambda_": "0.95"}, 0.3),
    (
        "SequentialLR",
        {"parts": ["LinearLR(start_factor=.1,total_iters=5)", "CosineAnnealingLR(T_max=25,eta_min=.01)"], "milestones": [5]},
        0.3,
    ),
    ("ChainedScheduler", {"parts": ["ConstantLR(factor=.1,total_iters=4)", "ExponentialLR(gamma=.9)"]}, 0.3),
    ("ReduceLROnPlateau", {"factor": 0.5, "patience": 3, "threshold": 0.01, "cooldown": 1, "min_lr": 0.001}, 0.3),
]

# The parts that the options above name by text.
SPELT_OUT = {
    "LambdaLR": lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + t)),
    "MultiplicativeLR": lambda optimizer: lr_scheduler.MultiplicativeLR(optimizer, lambda t: 0.95),
    "SequentialLR": lambda optimizer: lr_scheduler.SequentialLR(
        optimizer,
        [
            lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=5),
            lr_scheduler.CosineAnnealingLR(optimizer, T_max=25, eta_min=0.01),
        ],
        milestones=[5],
    ),
    "ChainedScheduler": lambda optimizer: lr_scheduler.ChainedScheduler(
        [
            lr_scheduler.ConstantLR(optimizer, factor=0.1, total_iters=4),
            lr_scheduler.ExponentialLR(optimizer, gamma=0.9),
        ]
    ),
}


def square_root(t, lr):
    return lr * pow(t + 1.0, -0.5)


def factor(t, factor, stop_factor_lr, base_lr):
    """In closed form; the chapter multiplies the rate of the call before."""
    return max(stop_factor_lr, base_lr * factor ** (t + 1))


def cosine(t, max_update, base_lr, final_lr, warmup_steps, warmup_begin_lr):
    if t < warmup_steps:
        return warmup_begin_lr + (base_lr - warmup_begin_lr) * t / warmup_steps
    angle = math.pi * (min(t, max_update) - warmup_steps) / (max_update - warmup_steps)
    return final_lr + (base_lr - final_lr) * (1 + math.cos(angle)) / 2


COSINE = {"max_update": 20, "base_lr": 0.3, "final_lr": 0.01}
CHAPTER = [
    ("SquareRootScheduler", square_root, {"lr": 0.1}, 50),
    ("FactorScheduler", factor, {"factor": 0.9, "stop_factor_lr": 0.01, "base_lr": 2.0}, 80),
    ("CosineScheduler", cosine, {**COSINE, "warmup_steps": 0, "warmup_begin_lr": 0.0}, 50),
    ("CosineScheduler", cosine, {**COSINE, "warmup_steps": 5, "warmup_begin_lr": 0.0}, 50),
]


def torch_table(name, args, lr):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    table = {"scheduler": name, "args": args, "lr": lr}
    if name in SPELT_OUT:
        scheduler = SPELT_OUT[name](optimizer)
    else:
        scheduler = getattr(lr_scheduler, name)(optimizer, **args)
    metric = Draws().metric if name == "ReduceLROnPlateau" else None
    values = []
    for t in range(STEPS):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        # OneCycleLR has no rate after its last step.
        if name != "OneCycleLR" or t < STEPS - 1:
            scheduler.step(*([] if metric is None else [metric[t]]))
    table["values"] = values
    return table if metric is None else {**table, "metric": metric}


def make(_):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR warns about its own way of calling its parts.
        tables = [torch_table(*one) for one in SCHEDULERS]
    chapter = [
        {"scheduler": name, "args": args, "values": [rate(t, **args) for t in range(steps)]}
        for name, rate, args, steps in CHAPTER
    ]
    note = "values[t] is the learning rate in force while step t runs"
    return {"source": SOURCE, "note": note, "torch": tables, "chapter": chapter}
