"""Pictures in the style of another one, after fast_neural_style of pytorch/examples, with an eighth of the filters."""

import torch
import torch.nn.functional as F
from torch import nn

from .given import given, uniform


class ConvLayer(nn.Module):
    def __init__(self, come, go, size, stride=1, upsample=1):
        super().__init__()
        self.conv2d = nn.Conv2d(come, go, size, stride)
        self.upsample, self.padding = upsample, [size // 2] * 4

    def forward(self, x):
        if self.upsample != 1:
            x = F.interpolate(x, mode="nearest", scale_factor=self.upsample)
        return self.conv2d(F.pad(x, self.padding, mode="reflect"))


class ResidualBlock(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.conv1 = ConvLayer(n, n, 3)
        self.in1 = nn.InstanceNorm2d(n, affine=True)
        self.conv2 = ConvLayer(n, n, 3)
        self.in2 = nn.InstanceNorm2d(n, affine=True)

    def forward(self, x):
        return self.in2(self.conv2(F.relu(self.in1(self.conv1(x))))) + x


def transformer_net(n):
    layers = []
    for options in [(3, n, 9), (n, n * 2, 3, 2), (n * 2, n * 4, 3, 2), None, (n * 4, n * 2, 3, 1, 2), (n * 2, n, 3, 1, 2)]:
        if options is None:
            layers += [ResidualBlock(n * 4) for _ in range(5)]
        else:
            layers += [ConvLayer(*options), nn.InstanceNorm2d(options[1], affine=True), nn.ReLU()]
    return nn.Sequential(*layers, ConvLayer(n, 3, 9))


class Vgg16(nn.Module):
    def __init__(self, n):
        super().__init__()
        layers, channels = [], 3
        for stage, count in enumerate([2, 2, 3, 3]):
            layers += [nn.MaxPool2d(2)] if stage else []
            for _ in range(count):
                layers += [nn.Conv2d(channels, n * 2**stage, 3, padding=1), nn.ReLU()]
                channels = n * 2**stage
        self.features = nn.Sequential(*layers)

    def forward(self, x):
        mean, std = [torch.tensor(values).to(x.dtype).view(3, 1, 1) for values in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
        x, seen = (x / 255 - mean) / std, []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in [3, 8, 15, 22]:
                seen.append(x)
        return seen


def gram_matrix(y):
    n, c, h, w = y.shape
    features = y.view(n, c, h * w)
    return features.bmm(features.transpose(1, 2)) / (c * h * w)


def losses(cast):
    transformer, vgg = cast(given(transformer_net(4))), cast(given(Vgg16(4)))
    images, style = [cast((255 * uniform(seed, n, 3, 16, 16)).float().double()) for n, seed in ((4, 100), (1, 101))]
    vgg.requires_grad_(False)
    optimizer = torch.optim.Adam(transformer.parameters(), lr=1e-3)
    grams = [gram_matrix(y) for y in vgg(style)]
    found = []
    for _ in range(2):
        for x in [images[:2], images[2:]]:
            of_y = vgg(transformer(x))
            content = 1e5 * F.mse_loss(of_y[1], vgg(x)[1])
            of_style = 1e10 * sum(F.mse_loss(gram_matrix(y), gram.expand(2, -1, -1)) for y, gram in zip(of_y, grams))
            optimizer.zero_grad()
            (content + of_style).backward()
            optimizer.step()
            found += [content.item() / 1e5, of_style.item() / 1e8]
    with torch.no_grad():
        return [*found, transformer(style).clamp(0, 255).mean().item() / 255]
