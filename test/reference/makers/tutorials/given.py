"""Values that both sides of a comparison make for themselves: test/tutorials/given.ts has the same."""

import numpy
import torch


def bits(n, seed):
    """n words of mulberry32, as in test/support/fill.ts."""
    state = (seed + (numpy.arange(n, dtype=numpy.uint64) + 1) * 0x6D2B79F5).astype(numpy.uint32)
    t = (state ^ (state >> 15)) * (state | numpy.uint32(1))
    t ^= t + (t ^ (t >> 7)) * (t | numpy.uint32(61))
    return t ^ (t >> 14)


def normal(seed, *shape):
    """Values around 0 with variance 1, as float32 in a float64 tensor."""
    n = int(numpy.prod(shape))
    words = bits(4 * n, seed).astype(numpy.float64).reshape(n, 4)
    values = (words.sum(axis=1) / 2**32 - 2) * numpy.sqrt(3)
    return torch.from_numpy(values.astype(numpy.float32)).double().reshape(shape)


def uniform(seed, *shape):
    """Values in [0, 1), as float32 in a float64 tensor."""
    values = bits(int(numpy.prod(shape)), seed).astype(numpy.float64) / 2**32
    return torch.from_numpy(values.astype(numpy.float32)).double().reshape(shape)


def whole(seed, below, *shape):
    """Whole numbers, 0 to below − 1."""
    return torch.from_numpy((bits(int(numpy.prod(shape)), seed) % numpy.uint32(below)).astype(numpy.int64)).reshape(shape)


def given(net):
    """The network with values that depend on the names and shapes of its parameters alone."""
    for i, (name, p) in enumerate(sorted(net.named_parameters(), key=lambda pair: pair[0])):
        values = normal(i + 1, *p.shape)
        if p.dim() > 1:
            values = values / numpy.sqrt(p.numel() / p.shape[0])
        else:
            values = 1 + 0.1 * values if name.endswith("weight") else 0.1 * values
        p.data.copy_(values.float())
    return net


def images(shape, classes, seed=100):
    """Images of given bytes, [count, channels, height, width], in [0, 1], and their labels."""
    return whole(seed, 256, *shape).double() / 255, whole(seed + 1, classes, shape[0])
