"""ops.safetensors: values and gradients of single operations, in float64 from float32 inputs, stored as float32."""

import torch
import torch.nn.functional as F

from makers.draws import Draws

# Shapes of input and weight, then stride, padding and dilation.
CONVOLUTIONS = [
    ((2, 1, 28, 28), (6, 1, 5, 5), 1, 2, 1),
    ((2, 6, 14, 14), (16, 6, 5, 5), 1, 0, 1),
    ((1, 3, 7, 9), (4, 3, 3, 3), 1, 1, 1),
    ((3, 2, 11, 8), (5, 2, 3, 2), 2, 1, 1),
    ((2, 4, 9, 9), (8, 4, 1, 1), 1, 0, 1),
    ((1, 1, 5, 5), (1, 1, 5, 5), 1, 0, 1),
    ((2, 3, 13, 13), (7, 3, 3, 3), 3, 2, 1),
    ((1, 2, 12, 10), (3, 2, 3, 3), 1, 2, 2),
    ((1, 17, 6, 6), (33, 17, 3, 3), 1, 1, 1),
    ((4, 5, 8, 8), (5, 5, 2, 4), 2, 3, 1),
]
WITHOUT_BIAS = [
    ((2, 3, 9, 12), (4, 3, 3, 3), [2, 1], [1, 0], [1, 2]),
    ((1, 2, 7, 7), (3, 2, 3, 5), 1, [1, 2], 1),
]
# Shape of the input, then kernel size, stride and padding.
POOLS = [
    ((2, 6, 28, 28), 2, 2, 0),
    ((2, 16, 10, 10), 2, 2, 0),
    ((1, 3, 9, 7), 3, 2, 1),
    ((2, 2, 8, 8), 3, 1, 1),
    ((1, 1, 5, 5), 5, 5, 0),
    ((3, 4, 7, 11), 2, 3, 0),
]
# Rows, inner size and columns.
PRODUCTS = [
    (1, 1, 1),
    (3, 5, 7),
    (16, 16, 16),
    (33, 65, 17),
    (256, 400, 120),
    (7, 84, 10),
    (64, 1, 64),
    (1, 300, 1),
    (129, 127, 131),
]
RELUS = [(1,), (5,), (2, 3, 4, 5), (257,)]


def make(_):
    torch.manual_seed(0)
    tensors, cases = {}, []

    def add(kind, name, args, inputs, run, target=None):
        """Stores a case; `run` maps its inputs to its output. The gradient of the output is drawn, or 1 for a scalar."""
        given = {key: value.double().requires_grad_() for key, value in inputs.items()}
        out = run(**given)
        grad_out = torch.randn(out.shape) if out.dim() > 0 else torch.ones(())
        out.backward(grad_out.double())
        stored = dict(inputs) if target is None else {**inputs, "target": target}
        cases.append({"kind": kind, "name": name, "args": args, "inputs": list(stored)})
        stored.update(out=out.float(), grad_out=grad_out)
        stored.update({f"grad_{key}": value.grad.float() for key, value in given.items()})
        tensors.update({f"{name}.{key}": value for key, value in stored.items()})

    def convolution(name, shape, weight_shape, args, bias):
        inner = weight_shape[1] * weight_shape[2] * weight_shape[3]
        inputs = {"input": torch.randn(shape), "weight": torch.randn(weight_shape) / inner**0.5}
        if bias:
            inputs["bias"] = torch.randn(weight_shape[0])
        add("conv2d", name, args, inputs, lambda **given: F.conv2d(**given, **args))

    for bias, name, list_of_cases in [(True, "conv2d", CONVOLUTIONS), (False, "conv2d_nobias", WITHOUT_BIAS)]:
        for i, (shape, weight_shape, stride, padding, dilation) in enumerate(list_of_cases):
            args = {"stride": stride, "padding": padding, "dilation": dilation}
            convolution(f"{name}_{i}", shape, weight_shape, args, bias)

    for i, (shape, kernel_size, stride, padding) in enumerate(POOLS):
        for ties in [False, True]:
            # Rounded values that are not negative: windows full of equal ones.
            value = torch.relu(torch.randn(shape).round()) if ties else torch.randn(shape)
            args = {"kernelSize": kernel_size, "stride": stride, "padding": padding, "ties": ties}
            name = f"max_pool2d_{'ties_' if ties else ''}{i}"
            add("max_pool2d", name, args, {"input": value}, lambda input: F.max_pool2d(input, kernel_size, stride, padding))

    for i, (rows, inner, columns) in enumerate(PRODUCTS):
        factors = {"a": torch.randn(rows, inner), "b": torch.randn(inner, columns) / inner**0.5}
        add("matmul", f"matmul_{i}", {}, factors, lambda a, b: a @ b)
        inputs = {"input": torch.randn(rows, inner), "weight": torch.randn(columns, inner) / inner**0.5}
        inputs["bias"] = torch.randn(columns)
        add("linear", f"linear_{i}", {}, inputs, F.linear)

    for i, shape in enumerate(RELUS):
        value = torch.randn(shape)
        value.view(-1)[0] = 0
        add("relu", f"relu_{i}", {}, {"input": value}, torch.relu)

    for i, case in enumerate(Draws().cross_entropy):
        logits = torch.randn(case["rows"], case["classes"]) * case["scale"]
        args = {"reduction": case["reduction"]}
        target = torch.from_numpy(case["target"])
        run = lambda input: F.cross_entropy(input, target.long(), **args)  # noqa: E731
        add("cross_entropy", f"cross_entropy_{i}", args, {"input": logits}, run, target)

    return tensors, cases
