"""recurrent.safetensors: outputs, states and gradients of recurrent layers and cells, in float64, stored as float32."""

import torch
from torch import nn

KINDS = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}
CELLS = {"RNNCell": nn.RNNCell, "LSTMCell": nn.LSTMCell, "GRUCell": nn.GRUCell}
# Steps, batch (0: none), input and hidden size, whether a state is given, options.
LAYERS = [
    (5, 3, 4, 3, False, {}),
    (1, 2, 3, 5, True, {}),
    (4, 2, 3, 4, True, {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    (6, 5, 2, 3, False, {"num_layers": 3, "bias": False, "batch_first": True}),
    (7, 0, 3, 4, True, {"num_layers": 2}),
    (3, 0, 5, 2, False, {"bidirectional": True, "batch_first": True}),
    (9, 4, 1, 1, True, {"bidirectional": True}),
]
RELUS = [
    (4, 3, 3, 4, True, {"nonlinearity": "relu", "num_layers": 2}),
    (3, 2, 4, 3, False, {"nonlinearity": "relu", "bidirectional": True, "bias": False}),
]
# Batch (0: none), input and hidden size, whether a state is given, options.
STEPS = [
    (3, 4, 5, True, {}),
    (2, 3, 3, False, {}),
    (4, 2, 6, True, {"bias": False}),
    (0, 5, 4, True, {}),
    (1, 1, 2, True, {}),
]
RELU_STEPS = [(3, 4, 2, True, {"nonlinearity": "relu"})]


def flat(out):
    """All tensors of a result, in order."""
    return [out] if torch.is_tensor(out) else [tensor for part in out for tensor in flat(part)]


def run(module, dtype, inputs, grads):
    """Results, and the gradients of inputs and parameters."""
    module = module.to(dtype)
    module.zero_grad(set_to_none=True)
    given = {key: value.clone().to(dtype).requires_grad_() for key, value in inputs.items()}
    state = [given[key] for key in ["h0", "c0"] if key in given]
    args = [given["input"], *([tuple(state) if len(state) == 2 else state[0]] if state else [])]
    out = flat(module(*args))
    sum((part * grad.to(dtype)).sum() for part, grad in zip(out, grads)).backward()
    found = {f"out{i}": part.detach() for i, part in enumerate(out)}
    found.update({f"grad_{key}": value.grad for key, value in given.items()})
    found.update({f"grad_{key}": value.grad.clone() for key, value in module.named_parameters()})
    return found


def make(_):
    torch.manual_seed(0)
    tensors, cases = {}, []

    def add(kind, module, inputs, args):
        name = f"{kind}_{sum(case['kind'] == kind for case in cases)}"
        state = {key: value.detach().clone() for key, value in module.named_parameters()}
        shapes = [part.shape for part in flat(module(inputs["input"]))]
        grads = [torch.randn(shape) for shape in shapes]
        rough = run(module, torch.float32, inputs, grads)
        wanted = run(module, torch.float64, inputs, grads)
        tensors.update({f"{name}.{key}": value for key, value in {**inputs, **state}.items()})
        tensors.update({f"{name}.grad_out{i}": value for i, value in enumerate(grads)})
        tensors.update({f"{name}.{key}": value.float() for key, value in wanted.items()})
        far = {key: (rough[key] - value).abs().max().item() for key, value in wanted.items()}
        cases.append({"kind": kind, "name": name, "args": args, "inputs": list(inputs), "float32_deviation": far})

    def states(kind, shape):
        return {key: torch.randn(shape) for key in (["h0", "c0"] if kind.startswith("LSTM") else ["h0"])}

    for kind, layer in KINDS.items():
        for steps, batch, size, hidden, has_state, options in LAYERS + (RELUS if kind == "RNN" else []):
            module = layer(size, hidden, **options)
            first = options.get("batch_first", False)
            shape = [steps, size] if batch == 0 else [batch, steps, size] if first else [steps, batch, size]
            inputs = {"input": torch.randn(shape)}
            count = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
            if has_state:
                inputs.update(states(kind, [count, *([batch] if batch else []), hidden]))
            add(kind, module, inputs, {"sizes": [size, hidden], "options": options})
    for kind, cell in CELLS.items():
        for batch, size, hidden, has_state, options in STEPS + (RELU_STEPS if kind == "RNNCell" else []):
            module = cell(size, hidden, **options)
            before = [batch] if batch else []
            inputs = {"input": torch.randn([*before, size])}
            if has_state:
                inputs.update(states(kind, [*before, hidden]))
            add(kind, module, inputs, {"sizes": [size, hidden], "options": options})
    return tensors, cases
