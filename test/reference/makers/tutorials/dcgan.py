"""A deep convolutional GAN, after dcgan of pytorch/examples, with two filters a layer and the same noise in every step."""

import torch
from torch import nn

from .given import given, normal, uniform


def generator(nc, nz, n):
    layers = []
    for come, go, stride in [(nz, n * 8, 1), (n * 8, n * 4, 2), (n * 4, n * 2, 2), (n * 2, n, 2)]:
        layers += [nn.ConvTranspose2d(come, go, 4, stride, stride - 1, bias=False), nn.BatchNorm2d(go), nn.ReLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(n, nc, 4, 2, 1, bias=False), nn.Tanh())


def discriminator(nc, n):
    layers = [nn.Conv2d(nc, n, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    for come, go in [(n, n * 2), (n * 2, n * 4), (n * 4, n * 8)]:
        layers += [nn.Conv2d(come, go, 4, 2, 1, bias=False), nn.BatchNorm2d(go), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(n * 8, 1, 4, 1, 0, bias=False), nn.Sigmoid())


def losses(cast):
    net_g, net_d = cast(given(generator(1, 6, 2))), cast(given(discriminator(1, 2)))
    images, noise = cast((2 * uniform(100, 8, 1, 64, 64).float() - 1).double()), cast(normal(101, 4, 6, 1, 1))
    optimizer_d = torch.optim.Adam(net_d.parameters(), lr=2e-4, betas=(0.5, 0.999))
    optimizer_g = torch.optim.Adam(net_g.parameters(), lr=2e-4, betas=(0.5, 0.999))
    criterion = nn.BCELoss()
    ones, zeros = cast(torch.ones(4)), cast(torch.zeros(4))
    found = []
    for _ in range(2):
        for real in [images[:4], images[4:]]:
            net_d.zero_grad()
            of_real = net_d(real).flatten()
            err_real = criterion(of_real, ones)
            err_real.backward()
            fake = net_g(noise)
            of_fake = net_d(fake.detach()).flatten()
            err_fake = criterion(of_fake, zeros)
            err_fake.backward()
            optimizer_d.step()
            net_g.zero_grad()
            after = net_d(fake).flatten()
            err_g = criterion(after, ones)
            err_g.backward()
            optimizer_g.step()
            figures = [err_real + err_fake, err_g, of_real.mean(), of_fake.mean(), after.mean()]
            found += [figure.item() for figure in figures]
    with torch.no_grad():
        return [*found, net_g(noise).square().mean().item()]
