"""reduce.safetensors: values and gradients of reductions, cumsum, softmax and log_softmax, in float64, stored as float32."""

import torch

from makers.cases import Cases

# Shapes, dimensions (None: all) and keepDim.
ALONG = [((5,), None, False), ((3, 7), 1, False), ((4, 6), 0, True), ((2, 3, 4), [0, 2], False), ((2, 3, 2, 5), [-1, 1], True)]
# Of single dimensions.
ONE = [((5,), 0, False), ((3, 7), 1, False), ((4, 6), 0, True), ((2, 3, 4), -2, False), ((), 0, False)]
CORRECTIONS = [1, 0, 2.5]
POWERS = [2, 1, float("inf"), 3, 0, float("-inf"), 1.5, -1]


def dims_of(x, dim):
    return list(range(x.dim())) if dim is None else dim


def drawn(shape, ties):
    """Numbers that are not 0, or small integers, many of them equal and some 0."""
    x = torch.randn(shape)
    return x.round() if ties else x


def make(_):
    cases = Cases()
    reductions = {
        "sum": lambda x, dim, keep: x.sum(dims_of(x, dim), keepdim=keep),
        "mean": lambda x, dim, keep: x.mean(dims_of(x, dim), keepdim=keep),
        "max": lambda x, dim, keep: x.amax(dims_of(x, dim), keepdim=keep),
        "min": lambda x, dim, keep: x.amin(dims_of(x, dim), keepdim=keep),
        "log_sum_exp": lambda x, dim, keep: x.logsumexp(dims_of(x, dim), keepdim=keep),
    }
    for kind, run in reductions.items():
        for shape, dim, keep in ALONG:
            for ties in [False, True] if kind in ["max", "min"] else [False]:
                args = {"dim": dim, "keepDim": keep}
                cases.add(kind, args, {"input": drawn(shape, ties)}, lambda input: run(input, dim, keep))
    for shape, dim, keep in ONE:
        for ties in [False, True]:
            args = {"dim": dim, "keepDim": keep}
            cases.add("prod", args, {"input": drawn(shape, ties)}, lambda input: torch.prod(input, dim, keepdim=keep))
    for kind, run in [("var", torch.var), ("std", torch.std)]:
        for i, (shape, dim, keep) in enumerate(ALONG):
            correction = CORRECTIONS[i % len(CORRECTIONS)]
            # PyTorch 1.13 takes whole corrections: the others follow from the one without.
            def spread(input):
                n = input.numel() / max(1, torch.sum(input, dims_of(input, dim)).numel())
                var = torch.var(input, dims_of(input, dim), unbiased=False, keepdim=keep) * n / (n - correction)
                return var.sqrt() if kind == "std" else var
            args = {"dim": dim, "keepDim": keep, "correction": correction}
            cases.add(kind, args, {"input": torch.randn(shape) + 3}, spread)
    for i, p in enumerate(POWERS):
        shape, dim, keep = ALONG[i % len(ALONG)]
        args = {"dim": dim, "keepDim": keep, "p": str(p)}
        # A count of elements is on no tape: the term of 0 puts it there.
        run = lambda input: (  # noqa: E731
            torch.linalg.vector_norm(input, p, dims_of(input, dim), keepdim=keep)
            + 0 * input.sum(dims_of(input, dim), keepdim=keep)
        )
        cases.add("norm", args, {"input": torch.randn(shape)}, run)
    for kind, run in [("cumsum", torch.cumsum), ("softmax", torch.softmax), ("log_softmax", torch.log_softmax)]:
        for shape, dim, _ in [*ONE, ((3, 100), 1, False), ((90, 2), 0, False)]:
            scale = 1 if kind == "cumsum" else 4
            cases.add(kind, {"dim": dim}, {"input": scale * torch.randn(shape)}, lambda input: run(input, dim))
    return cases.tensors, cases.cases
