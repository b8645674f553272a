"""first_steps.safetensors: the first losses of networks in training, an LSTM and a variational autoencoder."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

STEPS = 5


class Reader(nn.Module):
    """Classifies sequences [N, L, 3] by the last state of an LSTM."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 8, num_layers=2, batch_first=True)
        self.head = nn.Linear(8, 4)

    def loss(self, data, step):
        _, (h, _) = self.lstm(data["x"])
        return F.cross_entropy(self.head(h[-1]), data["labels"].long())


class Autoencoder(nn.Module):
    """Of 12 pixels, with 3 latent numbers drawn by given noise; Kingma and Welling, 2014."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(12, 8)
        self.mean = nn.Linear(8, 3)
        self.log_variance = nn.Linear(8, 3)
        self.decoder = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 12), nn.Sigmoid())

    def loss(self, data, step):
        hidden = torch.relu(self.encoder(data["x"]))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        z = mean + data["noise"][step] * torch.exp(0.5 * log_variance)
        restored = F.binary_cross_entropy(self.decoder(z), data["x"], reduction="sum")
        return restored - 0.5 * torch.sum(1 + log_variance - mean**2 - log_variance.exp())


def losses(net, dtype, data):
    net = copy.deepcopy(net).to(dtype)
    given = {key: value.to(dtype) if value.is_floating_point() else value for key, value in data.items()}
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    found = []
    for step in range(STEPS):
        loss = net.loss(given, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


def make(_):
    torch.manual_seed(2)
    networks = {
        "lstm": (Reader(), {"x": torch.randn(10, 6, 3), "labels": torch.randint(0, 4, (10,)).int()}),
        "vae": (Autoencoder(), {"x": torch.rand(6, 12), "noise": torch.randn(STEPS, 6, 3)}),
    }
    tensors, cases = {}, []
    for name, (net, data) in networks.items():
        tensors.update({f"{name}.{key}": value for key, value in data.items()})
        tensors.update({f"{name}.init.{key}": p.detach().clone() for key, p in net.named_parameters()})
        wanted, rough = losses(net, torch.float64, data), losses(net, torch.float32, data)
        far = max(abs(a - b) for a, b in zip(wanted, rough))
        cases.append({"name": name, "optimizer": "Adam", "options": {"lr": 0.02}, "losses": wanted, "float32_deviation": far})
    return tensors, cases
