"""copy.safetensors: values and gradients of operations that move elements, in float64, stored as float32."""

import torch
import torch.nn.functional as F

from makers.cases import Cases


def permute(x, dims):
    return x.permute(dims)


def slices(x, dim, start, end, step):
    places = [slice(None)] * x.dim()
    places[dim] = slice(start, end, step)
    return x[places]


def pad(x, padding, mode, value=None):
    if mode == "constant":
        return F.pad(x, padding, value=value or 0)
    # PyTorch pads so only what has the dimensions of a batch of images.
    images = x.reshape([1] * (4 - x.dim()) + list(x.shape))
    out = F.pad(images, padding + [0, 0] * (2 - len(padding) // 2), mode=mode)
    return out.reshape(out.shape[4 - x.dim() :])


# For each operation its cases: shapes of the inputs and the other arguments.
SINGLE = {
    "permute": (permute, ["dims"], [
        ((2, 3), [[1, 0]]),
        ((2, 3, 4), [[2, 0, 1]]),
        ((2, 5, 3, 4), [[0, 2, 1, 3]]),
        ((2, 3, 1, 2, 2), [[-1, 3, 0, -4, 2]]),
        ((4,), [[0]]),
    ]),
    "transpose": (torch.transpose, ["a", "b"], [
        ((3, 5), [0, 1]), ((2, 3, 4), [-1, 0]), ((8, 4), [1, 0]), ((2, 3, 4, 5), [1, 2]), ((5,), [0, 0]),
    ]),
    "flip": (torch.flip, ["dims"], [
        ((4, 3), [[0]]), ((4, 3), [[-1]]), ((2, 3, 4), [[0, 2]]), ((2, 3), [[]]), ((5,), [[0]]),
    ]),
    "slice": (slices, ["dim", "start", "end", "step"], [
        ((7, 3), [0, 1, 6, 2]), ((3, 8), [1, 4, 8, 1]), ((9,), [0, -4, -1, 1]), ((2, 5, 3), [-2, 0, 100, 3]), ((4, 2), [0, 3, 1, 1]),
    ]),
    "select": (torch.select, ["dim", "index"], [
        ((4, 3), [0, 2]), ((4, 3), [1, -1]), ((2, 3, 4), [-2, 1]), ((5,), [0, 3]), ((1, 2), [0, 0]),
    ]),
    "expand": (lambda x, shape: x.expand(shape), ["shape"], [
        ((3, 1), [[3, 4]]), ((1, 3), [[5, -1]]), ((3,), [[2, 4, 3]]), ((), [[2, 2]]), ((2, 1, 3, 1), [[-1, 3, 3, 2]]),
    ]),
    "repeat": (lambda x, sizes: x.repeat(sizes), ["sizes"], [
        ((3,), [[4]]), ((2, 3), [[2, 2]]), ((2, 3), [[3, 1, 2]]), ((2, 2), [[1, 1]]), ((1, 4), [[5, 1]]),
    ]),
    "pad": (pad, ["padding", "mode"], [
        ((2, 3, 4, 5), [[1, 2, 0, 3], "constant"]),
        ((3, 8), [[4, 0], "constant", 1.5]),
        ((4, 5), [[-1, 2, -2, 0], "constant"]),
        ((2, 3, 4, 5), [[2, 3, 1, 3], "reflect"]),
        ((2, 6), [[5, 4], "reflect"]),
        ((2, 3, 4, 5), [[1, 2, 3, 0], "replicate"]),
        ((2, 6), [[7, 4], "replicate"]),
    ]),
    "triu": (torch.triu, ["diagonal"], [((4, 4), [0]), ((3, 5), [1]), ((2, 5, 3), [-2]), ((4, 4), [9]), ((2, 2, 3, 3), [-1])]),
    "tril": (torch.tril, ["diagonal"], [((4, 4), [0]), ((3, 5), [1]), ((2, 5, 3), [-2]), ((4, 4), [9]), ((2, 2, 3, 3), [-1])]),
}
SPLITS = [((7, 3), 3, 0), ((2, 6), [1, 0, 5], 1), ((2, 24), 8, -1), ((5,), 1, 0), ((3, 4), [4], 1)]
CATS = [([(2, 3), (1, 3)], 0), ([(2, 3), (2, 1), (2, 4)], -1), ([(2, 4), (2, 4)], 1), ([(5,)], 0), ([(2, 0, 3), (2, 2, 3)], 1)]
STACKS = [([(3,), (3,)], 0), ([(2, 3), (2, 3), (2, 3)], -1), ([(2, 3), (2, 3)], 1), ([(), ()], 0), ([(4,)], 1)]


def make(_):
    cases = Cases()
    for kind, (run, names, rows) in SINGLE.items():
        for shape, values in rows:
            args = dict(zip([*names, "value"], values))
            cases.add(kind, args, {"input": torch.randn(shape)}, lambda input: run(input, *values))
    for shape, sizes, dim in SPLITS:
        # In another order than they came: a piece in the place of another shows.
        run = lambda input: torch.cat(list(reversed(torch.split(input, sizes, dim))), dim)  # noqa: E731
        cases.add("split", {"sizes": sizes, "dim": dim}, {"input": torch.randn(shape)}, run)
    for kind, join, rows in [("cat", torch.cat, CATS), ("stack", torch.stack, STACKS)]:
        for shapes, dim in rows:
            inputs = {f"tensors_{i}": torch.randn(shape) for i, shape in enumerate(shapes)}
            args = {"dim": dim, "count": len(shapes)}
            cases.add(kind, args, inputs, lambda **given: join(list(given.values()), dim))
    return cases.tensors, cases.cases
