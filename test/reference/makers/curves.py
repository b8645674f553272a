"""curves.json: the training runs of the chapter on learning-rate schedules, 30 epochs each. All of them take hours."""

import torch
import torch.nn.functional as F

from makers import files
from makers.lenet import BATCH, lenet
from makers.schedules import cosine, square_root

EPOCHS = 30
SEEDS = [0, 1, 2]
WARMUP = {"max_update": 20, "base_lr": 0.3, "final_lr": 0.01, "warmup_steps": 5, "warmup_begin_lr": 0.0}


def after_epoch(first, rate):
    """The chapter sets a rate at the end of an epoch: epoch 0 has the optimizer's own, epoch e has rate(e - 1)."""
    return lambda epoch: first if epoch == 0 else rate(epoch - 1)


# The rate of an epoch, by the names of the runs.
RUNS = {
    "constant": lambda epoch: 0.3,
    "sqrt": after_epoch(0.1, lambda t: square_root(t, 0.1)),
    "multistep_as_printed": lambda epoch: 0.125,
    "multistep_fresh": lambda epoch: 0.5 if epoch < 15 else 0.25,
    "cosine": after_epoch(0.3, lambda t: cosine(t, **{**WARMUP, "warmup_steps": 0})),
    "cosine_warmup": after_epoch(0.3, lambda t: cosine(t, **WARMUP)),
    "cosine_warmup_from_first_epoch": lambda epoch: cosine(epoch, **WARMUP),
}


def accuracy(net, images, labels):
    with torch.no_grad():
        right = [(net(x).argmax(1) == y).sum().item() for x, y in zip(images.split(BATCH), labels.split(BATCH))]
    return sum(right) / len(labels)


def train(name, seed, epochs):
    """One run, epoch by epoch; each epoch has a new order, drawn after the initial values from the same stream."""

    def data(part):
        images, labels = files.images_and_labels(part)
        return files.scaled(images), torch.from_numpy(labels.copy()).long()

    (images, labels), test = data("train"), data("t10k")
    net = lenet(seed=seed)
    optimizer = torch.optim.SGD(net.parameters(), lr=1)
    for epoch in range(epochs):
        rate = RUNS[name](epoch)
        optimizer.param_groups[0]["lr"] = rate
        loss_sum, right = 0.0, 0
        for batch in torch.randperm(len(images)).split(BATCH):
            logits = net(images[batch])
            loss = F.cross_entropy(logits, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(batch)
            right += (logits.argmax(1) == labels[batch]).sum().item()
        yield {
            "epoch": epoch,
            "lr": round(rate, 6),
            "train_loss": round(loss_sum / len(images), 6),
            "train_acc": round(right / len(images), 6),
            "test_acc": round(accuracy(net, *test), 6),
        }


def make(args):
    source = f"{files.SOURCE}, CPU, batch 256, last batch of 96 used, new shuffle each epoch, seeds 0, 1, 2"
    runs = []
    for name in args.runs:
        for seed in args.seeds:
            epochs = []
            for epoch in train(name, seed, args.epochs):
                print(f"  {name}, seed {seed}: {epoch}", flush=True)
                epochs.append(epoch)
            runs.append({"run": name, "seed": seed, "epochs": epochs})
    return {"source": source, "runs": runs}
