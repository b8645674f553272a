"""tutorials.json: the first losses of programs that people write, of PyTorch in float64, and how far float32 is from them.

Every program is a module of this folder with a function `losses(cast)`: it makes data and network by given.py, casts both by
`cast`, trains and returns the losses of its steps.
"""

import importlib
import pkgutil

import torch


def cast_to(dtype):
    """Casts tensors that hold numbers with a fraction, and modules."""

    def cast(value):
        if isinstance(value, torch.nn.Module):
            return value.to(dtype)
        return value.to(dtype) if value.is_floating_point() else value

    return cast


def first_losses(optimizer, steps, loss_of):
    """The losses of so many steps; loss_of(k) is that of step k."""
    found = []
    for k in range(steps):
        loss = loss_of(k)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


def make(_):
    made = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "given"):
        program = importlib.import_module(f"{__name__}.{name}")
        wanted, rough = program.losses(cast_to(torch.float64)), program.losses(cast_to(torch.float32))
        made[name] = {"losses": wanted, "float32Deviation": max(abs(a - b) for a, b in zip(wanted, rough))}
    return made
