"""Optimizers that PyTorch 1.13 does not have, each written from its paper's formulas in the way of torch.optim."""

import torch


class Rule(torch.optim.Optimizer):
    """Every parameter with a gradient is updated by `update(group, p, g, state)`; `state` is empty at its first step."""

    def __init__(self, params, **options):
        super().__init__(params, {**self.defaults_of_class, **options})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            self.begin(group)
            for p in group["params"]:
                if p.grad is not None:
                    self.update(group, p, p.grad.clone(), self.state[p])

    def begin(self, group):
        """What a group counts for itself."""


class Lion(Rule):
    """Chen et al., 2023, algorithm 2; github.com/google/automl/tree/master/lion."""

    defaults_of_class = {"lr": 1e-4, "betas": (0.9, 0.99), "weight_decay": 0}

    def update(self, group, p, g, state):
        beta1, beta2 = group["betas"]
        m = state.setdefault("exp_avg", torch.zeros_like(p))
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.sub_(group["lr"] * torch.sign(beta1 * m + (1 - beta1) * g))
        m.copy_(beta2 * m + (1 - beta2) * g)


class ScheduleFree(Rule):
    """Defazio et al., 2024: x and z are kept, p is y; github.com/facebookresearch/schedule_free."""

    def begin(self, group):
        k = group.setdefault("k", 0)
        warming = (k + 1) / group["warmup_steps"] if k < group["warmup_steps"] else 1
        group["rate"] = group["lr"] * warming * self.correction(group, k + 1)
        group["lr_max"] = max(group["rate"], group.get("lr_max", -1))
        weight = (k + 1) ** group["r"] * group["lr_max"] ** group["weight_lr_power"]
        group["weight_sum"] = group.get("weight_sum", 0) + weight
        group["share"] = weight / group["weight_sum"] if group["weight_sum"] else 0
        group["k"] = k + 1

    def move(self, group, p, direction, state, beta):
        """z by a step from y along the direction, x as the mean of all z, y between them."""
        z = state.setdefault("z", p.clone())
        x = state.setdefault("x", p.clone())
        z.sub_(group["rate"] * (direction + group["weight_decay"] * p))
        x.copy_((1 - group["share"]) * x + group["share"] * z)
        p.copy_(beta * x + (1 - beta) * z)


class ScheduleFreeSGD(ScheduleFree):
    defaults_of_class = {"lr": 1, "momentum": 0.9, "weight_decay": 0, "warmup_steps": 0, "r": 0, "weight_lr_power": 2}

    def correction(self, group, t):
        return 1

    def update(self, group, p, g, state):
        self.move(group, p, g, state, group["momentum"])


class ScheduleFreeAdamW(ScheduleFree):
    defaults_of_class = {
        **ScheduleFreeSGD.defaults_of_class,
        "lr": 0.0025,
        "betas": (0.9, 0.999),
        "eps": 1e-8,
    }

    def correction(self, group, t):
        return (1 - group["betas"][1] ** t) ** 0.5

    def update(self, group, p, g, state):
        beta1, beta2 = group["betas"]
        v = state.setdefault("exp_avg_sq", torch.zeros_like(p))
        v.copy_(beta2 * v + (1 - beta2) * g * g)
        self.move(group, p, g / (v.sqrt() + group["eps"]), state, beta1)


class LARS(Rule):
    """You, Gitman and Ginsburg, 2017, with the rate outside of the buffer, as in SGD."""

    defaults_of_class = {
        "momentum": 0,
        "dampening": 0,
        "nesterov": False,
        "weight_decay": 0,
        "trust_coefficient": 0.001,
        "eps": 1e-8,
    }

    def update(self, group, p, g, state):
        decay, momentum = group["weight_decay"], group["momentum"]
        of_p, of_g = p.norm(), g.norm()
        local = group["trust_coefficient"] * of_p / (of_g + decay * of_p + group["eps"]) if of_p > 0 and of_g > 0 else 1
        g = local * (g + decay * p)
        if momentum > 0:
            if "momentum_buffer" in state:
                b = state["momentum_buffer"]
                b.copy_(momentum * b + (1 - group["dampening"]) * g)
            else:
                b = state["momentum_buffer"] = g.clone()
            g = g + momentum * b if group["nesterov"] else b
        p.sub_(group["lr"] * g)


class LAMB(Rule):
    """You et al., 2020, algorithm 2; phi is the identity."""

    defaults_of_class = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-6, "weight_decay": 0.01}

    def update(self, group, p, g, state):
        beta1, beta2 = group["betas"]
        t = state["t"] = state.get("t", 0) + 1
        m = state.setdefault("exp_avg", torch.zeros_like(p))
        v = state.setdefault("exp_avg_sq", torch.zeros_like(p))
        m.copy_(beta1 * m + (1 - beta1) * g)
        v.copy_(beta2 * v + (1 - beta2) * g * g)
        u = m / (1 - beta1**t) / ((v / (1 - beta2**t)).sqrt() + group["eps"]) + group["weight_decay"] * p
        of_p, of_u = p.norm(), u.norm()
        p.sub_(group["lr"] * (of_p / of_u if of_p > 0 and of_u > 0 else 1) * u)


class Muon(Rule):
    """Jordan et al., 2024: kellerjordan.github.io/posts/muon, in full precision; matrices alone."""

    defaults_of_class = {"lr": 0.02, "momentum": 0.95, "nesterov": True, "weight_decay": 0}

    def update(self, group, p, g, state):
        momentum = group["momentum"]
        b = state.setdefault("momentum_buffer", torch.zeros_like(p))
        b.copy_(momentum * b + (1 - momentum) * g)
        x = (1 - momentum) * g + momentum * b if group["nesterov"] else b.clone()
        x = x / (x.norm() + 1e-7)
        for _ in range(5):
            a = x @ x.T
            x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.sub_(group["lr"] * max(1, p.shape[0] / p.shape[1]) ** 0.5 * x)
