"""MLP-Mixer and gMLP, after Keras's mlp_image_classification."""

import torch
import torch.nn.functional as F
from torch import nn

from .given import given, images

UNITS, PATCHES = 6, 4


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.mlp1 = nn.Sequential(nn.Linear(PATCHES, PATCHES), nn.GELU(), nn.Linear(PATCHES, PATCHES))
        self.mlp2 = nn.Sequential(nn.Linear(UNITS, PATCHES), nn.GELU(), nn.Linear(PATCHES, UNITS))
        self.normalize = nn.LayerNorm(UNITS, eps=1e-6)

    def forward(self, inputs):
        x = self.mlp1(self.normalize(inputs).transpose(1, 2)).transpose(1, 2) + inputs
        return x + self.mlp2(self.normalize(x))


class GMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.channel_projection1 = nn.Sequential(nn.Linear(UNITS, 2 * UNITS), nn.GELU())
        self.channel_projection2 = nn.Linear(UNITS, UNITS)
        self.spatial_projection = nn.Linear(PATCHES, PATCHES)
        self.normalize1, self.normalize2 = nn.LayerNorm(UNITS, eps=1e-6), nn.LayerNorm(UNITS, eps=1e-6)

    def forward(self, inputs):
        u, v = self.channel_projection1(self.normalize1(inputs)).chunk(2, -1)
        gate = self.spatial_projection(self.normalize2(v).transpose(1, 2)).transpose(1, 2)
        return inputs + self.channel_projection2(u * gate)


class Classifier(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.embed = nn.Linear(48, UNITS)
        self.blocks = nn.Sequential(layer(), layer())
        self.head = nn.Linear(UNITS, 5)

    def forward(self, x):
        x = F.interpolate(x, size=(8, 8), mode="bilinear")
        patches = x.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 4, 5, 1).reshape(len(x), PATCHES, 48)
        return self.head(self.blocks(self.embed(patches)).mean(1))


def data():
    """Images to train on and to test, brought to mean 0 and deviation 1 channel by channel."""
    x, y = images((6, 3, 6, 6), 5)
    tx, ty = images((4, 3, 6, 6), 5, seed=110)
    mean, std = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), unbiased=False, keepdim=True)
    return (x - mean) / std, y, (tx - mean) / std, ty


def losses(cast):
    x, y, tx, ty = data()
    found = []
    for layer in [Mixer, GMLP]:
        net = cast(given(Classifier(layer)))
        optimizer = torch.optim.AdamW(net.parameters(), lr=0.005, weight_decay=0.02, eps=1e-7)
        for _ in range(3):
            loss = F.cross_entropy(net(cast(x)), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        found.append(F.cross_entropy(net(cast(tx)), ty).item())
    return found
