"""optimizers.safetensors: what optimizers do with some parameters in twelve steps of given gradients."""

import numpy
import torch

from . import other_optimizers

STEPS = 12
SHAPES = {"a": (37,), "b": (5, 7), "c": (6, 4)}
# Steps and elements differ in scale, so that maxima, averages and eps all have an effect.
SCALE_OF_STEP = [1, 3, 0.1, 0.5, 10, 0.01, 1, 1, 0.3, 100, 0.001, 2]
SCALE_OF_ELEMENT = [1, 0.03, 4, 0.001]

RATES = [0, 0.002, 0.01, 0.01, 0.008, 0.02, 0.005, 0.005, 0.001, 0.03, 0.01, 0.0001]
WITHOUT_GRAD = {"a": [7], "b": [0, 4, 5]}
LATE_RATES = {"lr_per_step": RATES, "without_grad": WITHOUT_GRAD}
MATRICES = [{"params": ["b", "c"]}]
BETAS = {"betas": [0.8, 0.95]}
EVERYTHING = {
    "options": {"lr": 0.01, **BETAS, "amsgrad": True, "maximize": True},
    "groups": [{"params": ["b"], "weight_decay": 0.2, "eps": 1e-3}, {"params": ["a"]}],
    "lr_per_step": RATES,
    "without_grad": WITHOUT_GRAD,
}


def adam(decay):
    """The cases of Adam and AdamW; `decay` is the weight decay that they show."""
    lr = {"lr": 0.01}
    groups = [{"params": ["a"], "lr": 0.01, "weight_decay": 0}, {"params": ["b"], "lr": 0.003, "weight_decay": decay}]
    return {
        "default": {"options": lr},
        "betas": {"options": {**lr, **BETAS, "eps": 1e-4}},
        "weight_decay": {"options": {**lr, "weight_decay": decay}},
        "amsgrad": {"options": {**lr, **BETAS, "amsgrad": True}},
        "maximize": {"options": {**lr, "maximize": True, "weight_decay": decay}},
        "groups": {"options": {"lr": 1}, "groups": groups},
        "rates": {"options": lr, "lr_per_step": RATES},
        "without_grad": {"options": {**lr, "weight_decay": decay}, "without_grad": WITHOUT_GRAD},
        "everything": EVERYTHING,
    }


CASES = {
    "AdamW": adam(0.1),
    "Adam": adam(0.1),
    "RMSprop": {
        "default": {"options": {"lr": 0.01}},
        "alpha": {"options": {"lr": 0.01, "alpha": 0.8, "eps": 1e-3}},
        "momentum": {"options": {"lr": 0.01, "momentum": 0.9}},
        "centered": {"options": {"lr": 0.01, "centered": True}},
        "centered_momentum": {"options": {"lr": 0.01, "alpha": 0.9, "centered": True, "momentum": 0.5, "eps": 1e-4}},
        "weight_decay": {"options": {"lr": 0.01, "weight_decay": 0.1, "maximize": True}},
        "groups": {
            "options": {"lr": 0.01, "momentum": 0.9},
            "groups": [{"params": ["a"], "lr": 0.003}, {"params": ["b"], "weight_decay": 0.1, "momentum": 0}],
        },
        "without_grad": {
            "options": {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1},
            "lr_per_step": RATES,
            "without_grad": WITHOUT_GRAD,
        },
    },
    "Adagrad": {
        "default": {"options": {"lr": 0.1}},
        "lr_decay": {"options": {"lr": 0.1, "lr_decay": 0.1}},
        "initial": {"options": {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3}},
        "weight_decay": {"options": {"lr": 0.1, "weight_decay": 0.1, "maximize": True}},
        "groups": {
            "options": {"lr": 0.1},
            "groups": [{"params": ["a"], "lr": 0.03, "weight_decay": 0.1}, {"params": ["b"], "lr_decay": 0.5}],
        },
        "without_grad": {
            "options": {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1},
            "lr_per_step": RATES,
            "without_grad": WITHOUT_GRAD,
        },
    },
    "Adadelta": {
        "default": {"options": {}},
        "rho": {"options": {"lr": 0.5, "rho": 0.7, "eps": 1e-3}},
        "weight_decay": {"options": {"weight_decay": 0.1, "maximize": True}},
        "groups": {
            "options": {"lr": 0.3},
            "groups": [{"params": ["a"], "rho": 0.5}, {"params": ["b"], "weight_decay": 0.1, "lr": 2}],
        },
        "without_grad": {"options": {"weight_decay": 0.1}, **LATE_RATES},
    },
    "Lion": {
        "default": {"options": {"lr": 0.01}},
        "betas": {"options": {"lr": 0.01, "betas": [0.7, 0.8], "weight_decay": 0.5}},
        "groups": {
            "options": {"lr": 0.01},
            "groups": [{"params": ["a"], "lr": 0.003}, {"params": ["b"], "weight_decay": 0.1}],
        },
        "without_grad": {"options": {"lr": 0.01, "weight_decay": 0.1}, **LATE_RATES},
    },
    "ScheduleFreeSGD": {
        "default": {"options": {"lr": 0.01}},
        "warmup": {"options": {"lr": 0.01, "warmup_steps": 5, "r": 1, "weight_lr_power": 1}},
        "weight_decay": {"options": {"lr": 0.01, "weight_decay": 0.3, "momentum": 0.6}},
        "groups": {
            "options": {"lr": 0.01},
            "groups": [{"params": ["a"], "lr": 0.003, "warmup_steps": 3}, {"params": ["b"], "momentum": 0.5}],
        },
        "without_grad": {"options": {"lr": 0.01, "weight_decay": 0.1}, **LATE_RATES},
    },
    "ScheduleFreeAdamW": {
        "default": {"options": {}},
        "warmup": {"options": {"lr": 0.01, "warmup_steps": 5, "r": 1, "weight_lr_power": 1, "eps": 1e-4}},
        "weight_decay": {"options": {"lr": 0.01, "weight_decay": 0.3, **BETAS}},
        "without_grad": {"options": {"lr": 0.01, "weight_decay": 0.1}, **LATE_RATES},
    },
    "LARS": {
        "default": {"options": {"lr": 1}},
        "momentum": {"options": {"lr": 1, "momentum": 0.9, "weight_decay": 0.1, "trust_coefficient": 0.02}},
        "nesterov": {"options": {"lr": 1, "momentum": 0.5, "nesterov": True, "eps": 0.1}},
        "groups": {
            "options": {"lr": 1, "momentum": 0.9, "dampening": 0.3, "trust_coefficient": 0.01},
            "groups": [{"params": ["a"], "lr": 0.3, "weight_decay": 0.1}, {"params": ["b"], "momentum": 0}],
        },
        "without_grad": {"options": {"lr": 1, "momentum": 0.9, "trust_coefficient": 0.1}, **LATE_RATES},
    },
    "LAMB": {
        "default": {"options": {"lr": 0.01}},
        "betas": {"options": {"lr": 0.01, **BETAS, "eps": 1e-3, "weight_decay": 0}},
        "groups": {
            "options": {"lr": 0.01},
            "groups": [{"params": ["a"], "lr": 0.003}, {"params": ["b"], "weight_decay": 0.5}],
        },
        "without_grad": {"options": {"lr": 0.01, "weight_decay": 0.1}, **LATE_RATES},
    },
    "Muon": {
        "default": {"options": {}, "groups": MATRICES},
        "plain": {"options": {"momentum": 0.5, "nesterov": False, "weight_decay": 0.3}, "groups": MATRICES},
        "without_grad": {"options": {}, "groups": MATRICES, **LATE_RATES},
    },
    "SGD": {
        "groups": {
            "options": {"lr": 0.01, "momentum": 0.9, "maximize": True},
            "groups": [{"params": ["a"], "lr": 0.03, "weight_decay": 0.1}, {"params": ["b"], "nesterov": True}],
        },
        "without_grad": {
            "options": {"lr": 0.01, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
            "lr_per_step": RATES,
            "without_grad": WITHOUT_GRAD,
        },
    },
}


def inputs():
    """Initial values and the gradients of every step, as float32. Element 0 never has a gradient but zero."""
    random = numpy.random.RandomState(1)
    initial, gradients = {}, {}
    for name, shape in SHAPES.items():
        size = int(numpy.prod(shape))
        element = numpy.resize(SCALE_OF_ELEMENT, size)
        initial[name] = random.standard_normal(shape).astype(numpy.float32)
        values = random.standard_normal((STEPS, size)) * element * numpy.array(SCALE_OF_STEP)[:, None]
        values[:, 0] = 0  # never a gradient: only weight decay moves it
        values[:5, 1] = 0  # the first gradient comes late
        values[:, 2] = 0.5  # a constant gradient: its variance is nearly zero
        gradients[name] = values.reshape((STEPS, *shape)).astype(numpy.float32)
    return initial, gradients


def follow(optimizer_class, case, initial, gradients, dtype):
    """The parameters after every step, and the optimizer's final state by the names that PyTorch gives it."""
    names = sorted(name for group in case["groups"] for name in group["params"])
    values = {name: torch.from_numpy(initial[name].copy()).to(dtype).requires_grad_() for name in names}
    groups = [{**group, "params": [values[name] for name in group["params"]]} for group in case["groups"]]
    optimizer = optimizer_class(groups, **case["options"])
    path = {name: [] for name in values}
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = case["lr_per_step"][step] if "lr_per_step" in case else group["lr"]
        for name, value in values.items():
            missing = step in case["without_grad"][name]
            value.grad = None if missing else torch.from_numpy(gradients[name][step].copy()).to(dtype)
        optimizer.step()
        for name, value in values.items():
            path[name].append(value.detach().clone())
    tensors = {name: torch.stack(steps) for name, steps in path.items()}
    for name, value in values.items():
        for key, state in optimizer.state[value].items():
            if torch.is_tensor(state) and state.shape == value.shape:
                tensors[f"{key}.{name}"] = state
    return tensors


def make(_):
    initial, gradients = inputs()
    tensors = {f"init.{name}": value for name, value in initial.items()}
    tensors.update({f"grad.{name}": value for name, value in gradients.items()})
    cases = []
    for optimizer, list_of_cases in CASES.items():
        for label, settings in list_of_cases.items():
            case = {"name": f"{optimizer}.{label}", "optimizer": optimizer, "groups": [{"params": ["a", "b"]}], **settings}
            case.setdefault("without_grad", {})
            case["without_grad"] = {name: case["without_grad"].get(name, []) for name in SHAPES}
            own = getattr(other_optimizers, optimizer, None)
            for dtype in ["float32", "float64"] if own is None else ["float64"]:
                found = follow(own or getattr(torch.optim, optimizer), case, initial, gradients, getattr(torch, dtype))
                tensors.update({f"{case['name']}.{dtype}.{key}": value for key, value in found.items()})
            prefix = f"{case['name']}.float64."
            state = {key[len(prefix) :].split(".")[0] for key in tensors if key.startswith(prefix)} - set(SHAPES)
            cases.append({**case, "state": sorted(state)})
    return tensors, cases
