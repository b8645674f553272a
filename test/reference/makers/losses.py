"""losses.safetensors: values and gradients of losses, in float64, stored as float32."""

import torch
import torch.nn.functional as F

from makers.cases import Cases

# Shape, reduction.
PLAIN = [((7,), "mean"), ((3, 5), "sum"), ((2, 3, 4), "none"), ((), "mean"), ((33, 4), "mean")]
# Shape of the weight and of posWeight for each of these.
WEIGHTS = [(None, None), ((5,), None), ((2, 1, 4), (4,)), (None, ()), ((33, 4), (33, 1))]
BETAS = [1, 0.5, 2, 0, 0.25]
DELTAS = [1, 0.5, 2, 1.5, 0.25]
# Shape of the input, reduction, whether there are weights, smoothing, ignored label.
LABELLED = [
    ((6, 4), "mean", False, 0.25, -100),
    ((5, 3), "mean", True, 0, 1),
    ((7, 5), "sum", True, 0.125, -100),
    ((2, 4, 3), "none", True, 0.25, -100),
    ((2, 3, 4, 5), "mean", True, 0.125, 2),
    ((2, 5, 3), "mean", False, 0, -100),
]


def eighths(shape):
    """A weight that float32 and JSON have exactly."""
    return torch.randint(1, 17, shape) / 8


def stored(weight):
    return {"shape": list(weight.shape), "data": weight.flatten().tolist()}


def labels_of(shape, ignored):
    labels = torch.randint(shape[1], (shape[0], *shape[2:]))
    labels.view(-1)[1] = ignored
    return labels


def make(_):
    cases = Cases()

    def pair(kind, args, input, other, loss):
        cases.add(kind, args, {"input": input, "other": other}, lambda input, other: loss(input, other))

    for i, (shape, reduction) in enumerate(PLAIN):
        args = {"reduction": reduction}
        draw = lambda: torch.randn(shape)  # noqa: E731
        probability = lambda: torch.rand(shape) * 0.96875 + 0.015625  # noqa: E731
        pair("mse_loss", args, draw(), draw(), lambda x, t: F.mse_loss(x, t, **args))
        pair("l1_loss", args, draw(), draw(), lambda x, t: F.l1_loss(x, t, **args))
        beta, delta = BETAS[i], DELTAS[i]
        smooth = lambda x, t: F.smooth_l1_loss(x, t, beta=beta, **args)  # noqa: E731
        pair("smooth_l1_loss", {**args, "option": beta}, draw(), draw(), smooth)
        huber = lambda x, t: F.huber_loss(x, t, delta=delta, **args)  # noqa: E731
        pair("huber_loss", {**args, "option": delta}, draw(), draw(), huber)

        weight, positive = [None if of is None else eighths(of) for of in WEIGHTS[i]]
        double = {"weight": weight.double()} if weight is not None else {}
        note = {"weight": stored(weight)} if weight is not None else {}
        bce = lambda x, t: F.binary_cross_entropy(x, t, **double, **args)  # noqa: E731
        pair("bce_loss", {**args, **note}, probability(), probability(), bce)
        if positive is not None:
            double, note = {**double, "pos_weight": positive.double()}, {**note, "posWeight": stored(positive)}
        logits = lambda x, t: F.binary_cross_entropy_with_logits(x, t, **double, **args)  # noqa: E731
        pair("bce_with_logits_loss", {**args, **note}, 2 * draw(), probability(), logits)

        if shape != ():
            reduction = "batchmean" if reduction == "sum" else reduction
        for logs in [0, 1]:
            target = draw() - 1 if logs else probability()
            divergence = lambda x, t: F.kl_div(x, t, reduction=reduction, log_target=logs == 1)  # noqa: E731
            pair("kl_div_loss", {"reduction": reduction, "option": logs}, draw() - 1, target, divergence)

    for shape, reduction, weighted, smoothing, ignored in LABELLED:
        weight = eighths((shape[1],)) if weighted else None
        double = {} if weight is None else {"weight": weight.double()}
        args = {"reduction": reduction, "ignoreIndex": ignored}
        if weighted:
            args["weight"] = weight.tolist()
        labels = labels_of(shape, ignored)
        options = {"reduction": reduction, "ignore_index": ignored, **double}
        nll = lambda input: F.nll_loss(input, labels, **options)  # noqa: E731
        cases.add("nll_loss", args, {"input": torch.randn(shape) - 1}, nll, labels)
        if weighted or smoothing > 0:
            run = lambda input: F.cross_entropy(input, labels, label_smoothing=smoothing, **options)  # noqa: E731
            cases.add("cross_entropy_labels", {**args, "smoothing": smoothing}, {"input": torch.randn(shape)}, run, labels)
        args = {"soft": True, "reduction": reduction, "smoothing": smoothing}
        if weighted:
            args["weight"] = weight.tolist()
        soft = lambda x, t: F.cross_entropy(x, t, reduction=reduction, label_smoothing=smoothing, **double)  # noqa: E731
        pair("cross_entropy_probabilities", args, torch.randn(shape), torch.softmax(torch.randn(shape), 1), soft)

    return cases.tensors, cases.cases
