"""LeNet's training step in PyTorch, for bench:peers: on the processor, and on CUDA where there is a device.

Reads the problem from stdin as JSON: {"batchSize", "lr", "weights": {name: {"shape", "data"}}, "images", "labels",
"samples"}. Writes one JSON object to stdout: {"version", "runs": [{"name", "device", "losses", "minMs", "medianMs",
"samples", "executionsPerSample"} or {"name", "device", "error"}]}; `losses` are those of the first steps, from before
each update.
"""

import json
import math
import statistics
import sys
import time

import torch
from torch import nn

CHECKED_STEPS = 4


def make(problem, device):
    """The network, its optimizer and the batch, as bench/peers/contestant.ts describes them."""
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )
    state = {k: torch.tensor(v["data"]).reshape(v["shape"]) for k, v in problem["weights"].items()}
    net.load_state_dict(state)
    net.to(device)
    n = problem["batchSize"]
    x = torch.tensor(problem["images"]).reshape(n, 1, 28, 28).to(device)
    target = torch.tensor(problem["labels"], dtype=torch.int64).to(device)
    return net, torch.optim.SGD(net.parameters(), lr=problem["lr"]), x, target


def stepper(net, optimizer, x, target):
    criterion = nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(net(x), target)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def eager(problem, device):
    return stepper(*make(problem, device))


def compiled(problem, device):
    net, optimizer, x, target = make(problem, device)
    return stepper(torch.compile(net, mode="max-autotune-no-cudagraphs"), optimizer, x, target)


def graphs(problem, device):
    """The whole step as one CUDA graph, captured after a warm-up on a stream of its own, as PyTorch's notes have it."""
    net, optimizer, x, target = make(problem, device)
    step = stepper(net, optimizer, x, target)
    start = [p.detach().clone() for p in net.parameters()]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step()
    with torch.no_grad():
        for p, value in zip(net.parameters(), start):
            p.copy_(value)

    def replay():
        graph.replay()
        return loss

    return replay


def measure(step, samples):
    losses = [step().item() for _ in range(CHECKED_STEPS)]

    def sample(n):
        begin = time.perf_counter()
        for _ in range(n):
            loss = step()
        loss.item()  # waits for the device
        return 1000 * (time.perf_counter() - begin) / n

    for _ in range(3):
        estimate = sample(5)
    n = max(2, min(1000, math.ceil(200 / estimate)))
    times = [sample(n) for _ in range(samples)]
    return {
        "losses": losses,
        "minMs": min(times),
        "medianMs": statistics.median(times),
        "samples": samples,
        "executionsPerSample": n,
    }


def main():
    problem = json.load(sys.stdin)
    # float32 throughout, as the others compute.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    wanted = [("torchCpu", eager, "cpu")]
    if torch.cuda.is_available():
        wanted += [("eager", eager, "cuda"), ("graphs", graphs, "cuda"), ("compile", compiled, "cuda")]
    runs = []
    for name, make_step, device in wanted:
        where = torch.cuda.get_device_name() if device == "cuda" else f"{torch.get_num_threads()} threads"
        try:
            runs.append({"name": name, "device": where, **measure(make_step(problem, device), problem["samples"])})
        except Exception as error:  # one that fails leaves the others
            runs.append({"name": name, "device": where, "error": f"{type(error).__name__}: {error}"})
    json.dump({"version": torch.__version__, "runs": runs}, sys.stdout)


main()
