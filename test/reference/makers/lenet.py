"""lenet.safetensors, epoch.safetensors and lenet_bn.safetensors: small networks that train on Fashion-MNIST."""

import numpy
import torch
import torch.nn as nn
import torch.nn.functional as F

from makers import files
from makers.draws import IMAGES, Draws

BATCH = 256
SGD = [
    {"lr": 0.1},
    {"lr": 0.05, "momentum": 0.9},
    {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4},
    {"lr": 0.05, "momentum": 0.8, "dampening": 0.3, "weight_decay": 0.01},
]


def lenet(batch_norm=False, seed=0):
    """LeNet with the initial values that PyTorch's own rules draw from a seed."""
    torch.manual_seed(seed)

    def stage(*shape, **options):
        norm = [nn.BatchNorm2d(shape[1])] if batch_norm else []
        return [nn.Conv2d(*shape, **options), *norm, nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(
        *stage(1, 6, 5, padding=2),
        *stage(6, 16, 5),
        nn.Flatten(),
        *[nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)],
    )


def parameters(prefix, net):
    return {f"{prefix}.{name}": value.detach().float().clone() for name, value in net.named_parameters()}


class Run:
    """A network in training, in float32 or float64."""

    def __init__(self, net, dtype, options):
        self.dtype = dtype
        self.net = net.to(dtype)
        self.optimizer = torch.optim.SGD(net.parameters(), **options)

    def loss(self, images, labels):
        """The loss of a batch of bytes."""
        self.logits = self.net(files.scaled(images).to(self.dtype))
        return F.cross_entropy(self.logits, torch.from_numpy(labels).long())

    def step(self, images, labels):
        """Trains on a batch of bytes and returns the loss that it had before."""
        loss = self.loss(images, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def make_lenet(_):
    images, labels = files.images_and_labels()
    batch = Draws().batch
    images, labels = images[batch], labels[batch]
    net = lenet()
    tensors = {"images": images, "labels": labels, **parameters("init", net)}
    first = Run(net, torch.float64, {"lr": 0})
    loss = first.step(images, labels)
    tensors.update(logits=first.logits.float(), loss=torch.tensor([loss]))
    tensors.update({f"grad.{name}": value.grad.float() for name, value in net.named_parameters()})
    cases = []
    for i, options in enumerate(SGD):
        run = Run(lenet(), torch.float64, options)
        losses = [run.step(images, labels) for _ in range(10)]
        cases.append({"name": f"sgd{i}", "options": options, "steps": len(losses), "losses": losses})
        tensors.update(parameters(f"sgd{i}", run.net))
    return tensors, cases


def make_epoch(_):
    images, labels = files.images_and_labels()
    order = Draws().permutation
    batches = [order[start : start + BATCH] for start in range(0, IMAGES, BATCH)]
    tensors = {**parameters("init", lenet()), "permutation": order}
    options = {"lr": 0.1}
    losses = {}
    for dtype, threads in [(torch.float64, 1), (torch.float32, 2)]:
        # Two threads add up float32 in another order than one; the committed losses come from two.
        torch.set_num_threads(threads)
        run = Run(lenet(), dtype, options)
        losses[dtype] = [run.step(images[batch], labels[batch]) for batch in batches]
        if dtype == torch.float64:
            final = parameters("final", run.net)
    torch.set_num_threads(1)
    exact, rounded = losses[torch.float64], losses[torch.float32]
    tensors.update(losses=torch.tensor(exact), losses_float32=torch.tensor(rounded), **final)
    distance = [abs(a - b) for a, b in zip(exact, rounded)]
    largest = [max(distance[:steps]) for steps in [20, 50, 100, 235]]
    case = {"name": "epoch", "options": options, "batch": BATCH, "steps": len(exact)}
    return tensors, [{**case, "largest_float32_deviation": largest}]


def make_lenet_bn(_):
    images, labels = files.images_and_labels()
    draws = Draws()
    order = draws.permutation
    epoch = [order[start : start + BATCH] for start in range(0, 20 * BATCH, BATCH)] + [order[-96:]]
    options = {"lr": 0.1}
    tensors = {**parameters("init", lenet(batch_norm=True)), "order": numpy.concatenate(epoch)}
    # The batch of lenet.safetensors ten times, for tests without the data; then batches of the epoch.
    runs = [("batch", [draws.batch] * 10, [1, 5, 10]), ("epoch", epoch, [1, 5, 20, 21])]
    for name, batches, stored_after in runs:
        for precision in ["float32", "float64"]:
            prefix = f"{name}.{precision}"
            run = Run(lenet(batch_norm=True), getattr(torch, precision), options)
            losses = []
            for batch in batches:
                losses.append(run.step(images[batch], labels[batch]))
                if len(losses) in stored_after:
                    for key, value in run.net.named_buffers():
                        if value.dim() == 1:  # num_batches_tracked, a scalar, is the number of steps
                            tensors[f"{prefix}.step{len(losses)}.{key}"] = value.clone()
                if len(losses) == 1 and name == "batch" and precision == "float64":
                    tensors["batch.logits"] = run.logits.float()
                    for key, value in run.net.named_parameters():
                        # A bias before BatchNorm2d has the gradient 0: what PyTorch finds is rounding and not stored.
                        if key not in ["0.bias", "4.bias"]:
                            tensors[f"batch.grad.{key}"] = value.grad.float()
            run.net.eval()
            loss = run.loss(images[batch], labels[batch]).item()
            tensors[f"{prefix}.losses"] = torch.tensor(losses, dtype=run.dtype)
            tensors[f"{prefix}.eval.loss"] = torch.tensor(loss, dtype=run.dtype)
            tensors[f"{prefix}.eval.logits"] = run.logits
    cases = [
        {"name": name, "options": options, "batches": [len(batch) for batch in batches], "stored_after": stored_after}
        for name, batches, stored_after in runs
    ]
    return tensors, cases
