"""A variational autoencoder, after vae of pytorch/examples, with images of 8 x 8 and the same noise in every step."""

import torch
import torch.nn.functional as F
from torch import nn

from .given import given, normal, uniform


class VAE(nn.Module):
    def __init__(self, pixels=64, hidden=32, latent=4):
        super().__init__()
        self.fc1 = nn.Linear(pixels, hidden)
        self.fc21 = nn.Linear(hidden, latent)
        self.fc22 = nn.Linear(hidden, latent)
        self.fc3 = nn.Linear(latent, hidden)
        self.fc4 = nn.Linear(hidden, pixels)

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x, noise):
        h1 = F.relu(self.fc1(x))
        mu, logvar = self.fc21(h1), self.fc22(h1)
        return self.decode(mu + noise * torch.exp(0.5 * logvar)), mu, logvar


def losses(cast):
    net = cast(given(VAE()))
    images, noise = cast(uniform(100, 12, 64)), cast(normal(101, 6, 4))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def loss_of(x):
        restored, mu, logvar = net(x, noise)
        kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
        return F.binary_cross_entropy(restored, x, reduction="sum") + kld

    found = []
    for _ in range(3):
        total = 0
        for x in [images[:6], images[6:]]:
            optimizer.zero_grad()
            loss = loss_of(x)
            loss.backward()
            optimizer.step()
            total += loss.item()
        with torch.no_grad():
            found += [total / 12, loss_of(images[:6]).item() / 6]
    with torch.no_grad():
        return [*found, net.decode(noise).mean().item()]
