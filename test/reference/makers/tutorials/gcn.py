"""A graph convolutional network, after gcn of pytorch/examples, on 24 nodes with given edges and without dropout."""

import torch
import torch.nn.functional as F
from torch import nn

from .given import given, uniform, whole


class GraphConv(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.empty(outputs))

    def forward(self, x, adjacency):
        return adjacency @ (x @ self.kernel) + self.bias


class GCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.gc1 = GraphConv(12, 8)
        self.gc2 = GraphConv(8, 3)

    def forward(self, x, adjacency):
        return F.log_softmax(self.gc2(F.relu(self.gc1(x, adjacency)), adjacency), dim=1)


def trained(net, cast, lr, normalized):
    """Loss and accuracy of both parts of the nodes after each epoch."""
    adjacency = torch.eye(24, dtype=torch.float64)
    for come, go in zip(whole(100, 24, 60), whole(101, 24, 60)):
        adjacency[come, go] += 1
    if normalized:
        root = adjacency.sum(1) ** -0.5
        adjacency = (root[:, None] * adjacency * root).float().double()
    adjacency, x, labels = cast(adjacency), cast(uniform(103, 24, 12)), whole(102, 3, 24)
    optimizer = torch.optim.Adam(net.parameters(), lr=lr, weight_decay=5e-4)
    found = []
    for _ in range(5):
        optimizer.zero_grad()
        F.nll_loss(net(x, adjacency)[:16], labels[:16]).backward()
        optimizer.step()
        with torch.no_grad():
            output = net(x, adjacency)
        for part in [slice(0, 16), slice(16, 24)]:
            accuracy = output[part].argmax(1).eq(labels[part]).double().mean()
            found += [F.nll_loss(output[part], labels[part]).item(), accuracy.item()]
    return found


def losses(cast):
    return trained(cast(given(GCN())), cast, lr=0.01, normalized=True)
