"""The training steps in PyTorch, for bench:peers: on the processor, and on CUDA where there is a device.

Reads the problem from stdin as JSON: {"name", "update", "weights": {name: {"shape", "data"}}, "input": {"shape", "data"},
"labels", "samples"}. Writes one JSON object to stdout: {"version", "runs": [{"name", "device", "losses", "minMs",
"medianMs", "samples", "executionsPerSample"} or {"name", "device", "error"}]}; `losses` are those of the first steps,
from before each update.
"""

import json
import math
import statistics
import sys
import time

import torch
from torch import nn

CHECKED_STEPS = 4


def lenet():
    return nn.Sequential(
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


def mlp():
    return nn.Sequential(
        nn.Linear(784, 512),
        nn.ReLU(),
        nn.Linear(512, 512),
        nn.ReLU(),
        nn.Linear(512, 10),
    )


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(64, 128)
        self.fc = nn.Linear(128, 10)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.fc(out[-1])


NETWORKS = {"lenet": lenet, "mlp": mlp, "lstm": Classifier}


def optimizer_of(net, device, rule, lr, eps=None, betas=None, weightDecay=None, momentum=None):
    if rule == "sgd":
        return torch.optim.SGD(net.parameters(), lr=lr, momentum=momentum)
    # On CUDA its count of steps lies on the device too, which a graph demands.
    options = {"betas": tuple(betas), "eps": eps, "weight_decay": weightDecay, "capturable": device == "cuda"}
    return torch.optim.AdamW(net.parameters(), lr=lr, **options)


def make(problem, device):
    """The network, its optimizer and the batch, as bench/peers/problems.ts describes them."""
    if problem["name"] not in NETWORKS:
        raise NotImplementedError("torch_bench.py does not describe this network")
    net = NETWORKS[problem["name"]]()
    state = {k: torch.tensor(v["data"]).reshape(v["shape"]) for k, v in problem["weights"].items()}
    # Buffers, such as running means, begin with PyTorch's own values.
    net.load_state_dict({**net.state_dict(), **state})
    net.to(device)
    x = torch.tensor(problem["input"]["data"]).reshape(problem["input"]["shape"]).to(device)
    target = torch.tensor(problem["labels"], dtype=torch.int64).to(device)
    return net, optimizer_of(net, device, **problem["update"]), x, target


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
    start = {name: value.clone() for name, value in net.state_dict().items()}
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step()
    # Both are copied into the memory that the graph uses. An optimizer's state is 0 at first.
    net.load_state_dict(start)
    for state in optimizer.state.values():
        for value in state.values():
            if torch.is_tensor(value):
                value.zero_()


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
