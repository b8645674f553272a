"""A shape found by a new head on MobileNet, after tensorflow/tfjs-examples, simple-object-detection."""

import math

import numpy
import torch
from torch import nn
from torch.nn import functional as F

from . import first_losses
from .given import given, uniform

SIZE = 32


class Synthesizer:
    def __init__(self, draws):
        self.draws = draws
        places = numpy.arange(SIZE) + 0.5
        self.x, self.y = places[None, :], places[:, None]

    def draw(self):
        return next(self.draws)

    def between(self, low, high):
        return ((low + (high - low) * self.draw()) * SIZE) / 224

    def color(self):
        return [math.floor(self.draw() * 255 + 0.5) for _ in range(3)]

    def paint(self, color, covers):
        for channel in range(3):
            self.image[channel][covers] = color[channel]

    def circle(self):
        x, y, radius = self.between(0, 224), self.between(0, 224), self.between(5, 20)
        self.paint(self.color(), (self.x - x) ** 2 + (self.y - y) ** 2 <= radius**2)

    def line(self):
        x, y, to_x, to_y = [self.between(0, 224) for _ in range(4)]
        dx, dy = to_x - x, to_y - y
        along = numpy.clip(((self.x - x) * dx + (self.y - y) * dy) / (dx * dx + dy * dy), 0, 1)
        distance = (self.x - x - along * dx) ** 2 + (self.y - y - along * dy) ** 2
        self.paint(self.color(), distance <= 0.25)

    def rectangle(self):
        w, h = self.between(40, 100), self.between(40, 100)
        x, y = (SIZE - w) * self.draw(), (SIZE - h) * self.draw()
        return [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]

    def triangle(self):
        side = self.between(50, 100)
        x, y = (SIZE - side) * self.draw() + side / 2, (SIZE - side) * self.draw() + side / 2
        angle = (math.pi * 2) / 3 * self.draw() + math.pi / 2
        radius = side / 2 / math.cos(math.pi / 6)
        turned = [angle + (k * math.pi * 2) / 3 for k in range(3)]
        return [(x + math.cos(a) * radius, y + math.sin(a) * radius) for a in turned]

    def example(self, circles, lines):
        self.image = numpy.zeros([3, SIZE, SIZE])
        for _ in range(circles // 2):
            self.circle()
        for _ in range(lines // 2):
            self.line()
        is_rectangle = self.draw() > 0.5
        color = self.color()
        corners = self.rectangle() if is_rectangle else self.triangle()
        edges = zip(corners, [*corners[1:], corners[0]])
        sides = [(b[0] - a[0]) * (self.y - a[1]) - (b[1] - a[1]) * (self.x - a[0]) for a, b in edges]
        self.paint(color, numpy.all([s >= 0 for s in sides], 0) | numpy.all([s <= 0 for s in sides], 0))
        for _ in range(circles // 2):
            self.circle()
        for _ in range(lines // 2):
            self.line()
        xs, ys = zip(*corners)
        return self.image, [float(is_rectangle), min(xs), max(xs), min(ys), max(ys)]


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def conv(x, layer, bn, stride):
    return torch.clamp(bn(layer(F.pad(x, [0, 1, 0, 1]) if stride == 2 else x)), 0, 6)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.stride = stride
        self.depthwise = nn.Conv2d(inputs, inputs, 3, stride, padding=2 - stride, groups=inputs, bias=False)
        self.depthwiseNorm = norm(inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.pointwiseNorm = norm(outputs)

    def forward(self, x):
        return conv(conv(x, self.depthwise, self.depthwiseNorm, self.stride), self.pointwise, self.pointwiseNorm, 1)


class MobileNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, bias=False)
        self.norm = norm(8)
        self.blocks = nn.ModuleList([Block(8, 8, 1), Block(8, 16, 2), Block(16, 16, 1)])

    def forward(self, x):
        x = conv(x, self.conv, self.norm, 2)
        for block in self.blocks:
            x = block(x)
        return x


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.base = MobileNet()
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(1024, 200), nn.ReLU(), nn.Linear(200, 5))

    def forward(self, images):
        return self.head(self.base(images))


def losses(cast):
    synth = Synthesizer(iter(uniform(100, 4000).tolist()))
    images, targets = zip(*[synth.example(4, 4) for _ in range(10)])
    images = cast(torch.from_numpy(numpy.stack(images)))
    targets = cast(torch.tensor(targets, dtype=torch.float32).double()) * cast(torch.tensor([SIZE, 1.0, 1, 1, 1]))
    net = cast(given(Detector()))
    tuned = [p for block in net.base.blocks[1:] for m in [block.pointwise, block.pointwiseNorm] for p in m.parameters()]
    found = []
    for lr, batch, parameters in [(5e-3, 4, []), (2e-3, 2, tuned)]:
        optimizer = torch.optim.RMSprop([*net.head.parameters(), *parameters], lr=lr, alpha=0.9, eps=1e-7)
        net.train()
        found += first_losses(
            optimizer,
            8 // batch,
            lambda k: F.mse_loss(net(images[batch * k : batch * k + batch]), targets[batch * k : batch * k + batch]),
        )
        net.eval()
        found.append(F.mse_loss(net(images[8:]), targets[8:]).item())
    return found
