"""Random numbers that several files take, one after the other, from one stream: RandomState(0) of numpy."""

import numpy

IMAGES = 60000


class Draws:
    """Everything that was drawn, in the order in which it was drawn. The order may not change: it makes the values."""

    def __init__(self):
        random = numpy.random.RandomState(0)
        # Classes and rows of the cases of cross_entropy in ops.safetensors, and how far apart their logits are.
        self.cross_entropy = [
            {"rows": rows, "classes": classes, "scale": scale, "reduction": reduction}
            for rows, classes, scale, reduction in [
                (1, 10, 1, "mean"),
                (256, 10, 3, "mean"),
                (7, 3, 1, "sum"),
                (4, 1000, 10, "mean"),
                (5, 2, 100, "mean"),
                (3, 10, 1e4, "mean"),
                (2, 1, 1, "mean"),
                (6, 10, 2, "none"),
            ]
        ]
        for case in self.cross_entropy:
            case["target"] = random.randint(0, case["classes"], case["rows"]).astype(numpy.int32)
        # The images of the batch in lenet.safetensors, then the order of those of epoch.safetensors.
        self.batch = random.permutation(IMAGES)[:256]
        self.permutation = random.permutation(IMAGES).astype(numpy.int32)
        # A metric that falls and then only trembles, for ReduceLROnPlateau in schedules.json.
        self.metric = [float(max(0.3, 2 * numpy.exp(-t / 6)) + 0.02 * random.rand()) for t in range(60)]
