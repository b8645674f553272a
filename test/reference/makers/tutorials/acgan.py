"""Digits of a wanted kind by a GAN, after tensorflow/tfjs-examples, mnist-acgan, without dropout."""

import torch
from torch import nn
from torch.nn import functional as F

from . import first_losses
from .given import given, uniform, whole


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10, 20)
        self.dense = nn.Linear(20, 9 * 24)
        double = {"stride": 2, "padding": 2, "output_padding": 1}
        first = [nn.ConvTranspose2d(24, 16, 5), nn.ReLU(), norm(16)]
        second = [nn.ConvTranspose2d(16, 8, 5, **double), nn.ReLU(), norm(8)]
        self.cnn = nn.Sequential(*first, *second, nn.ConvTranspose2d(8, 1, 5, **double), nn.Tanh())

    def forward(self, noise, classes):
        dense = F.relu(self.dense(noise * self.embedding(classes)))
        return self.cnn(dense.reshape(len(noise), 24, 3, 3))


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        layers = []
        for i, (inputs, outputs) in enumerate([(1, 8), (8, 8), (8, 16), (16, 16)]):
            conv = nn.Conv2d(inputs, outputs, 3, stride=2 - i % 2, padding=1)
            layers += [conv, nn.LeakyReLU(0.2), nn.Dropout(0)]
        self.cnn = nn.Sequential(*layers, nn.Flatten())
        self.real = nn.Linear(16 * 49, 1)
        self.aux = nn.Linear(16 * 49, 10)

    def forward(self, images):
        features = self.cnn(images)
        return torch.sigmoid(self.real(features)), self.aux(features)


def losses(cast):
    images, labels = cast(2 * uniform(100, 8, 1, 28, 28) - 1), whole(101, 10, 8)
    generator, discriminator = cast(given(Generator())), cast(given(Discriminator()))
    options = {"lr": 0.0002, "betas": (0.5, 0.999), "eps": 1e-7}
    of_discriminator = torch.optim.Adam(discriminator.parameters(), **options)
    of_generator = torch.optim.Adam(generator.parameters(), **options)
    seed = 200

    def draw(rows):
        nonlocal seed
        seed += 2
        return cast(2 * uniform(seed - 2, rows, 20) - 1), whole(seed - 1, 10, rows)

    def loss_of(pictures, real, classes):
        found, aux = discriminator(pictures)
        real = cast(torch.tensor(real, dtype=torch.float32).double())[:, None]
        return F.binary_cross_entropy(found, real) + F.cross_entropy(aux, classes)

    def discriminator_loss(k):
        noise, classes = draw(4)
        generator.eval()
        with torch.no_grad():
            pictures = generator(noise, classes)
        generator.train()
        rows = slice(4 * (k % 2), 4 * (k % 2) + 4)
        return loss_of(
            torch.cat([images[rows], pictures]), [0.95] * 4 + [0.0] * 4, torch.cat([labels[rows], classes])
        )

    def generator_loss(_):
        noise, classes = draw(8)
        return loss_of(generator(noise, classes), [0.95] * 8, classes)

    found = []
    for k in range(4):
        found += first_losses(of_discriminator, 1, lambda _: discriminator_loss(k))
        found += first_losses(of_generator, 1, generator_loss)
    return found
