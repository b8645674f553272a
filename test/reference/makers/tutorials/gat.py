"""A graph attention network, after gat of pytorch/examples, on the nodes of gcn.py and without dropout; its heads averaged, then joined."""

import torch
import torch.nn.functional as F
from torch import nn

from .gcn import trained
from .given import given


class GraphAttentionLayer(nn.Module):
    def __init__(self, inputs, outputs, heads, concat):
        super().__init__()
        self.heads, self.concat, self.hidden = heads, concat, outputs // heads if concat else outputs
        self.W = nn.Parameter(torch.empty(inputs, self.hidden * heads))
        self.a = nn.Parameter(torch.empty(heads, 2 * self.hidden, 1))

    def forward(self, h, adjacency):
        n = h.shape[0]
        h = (h @ self.W).view(n, self.heads, self.hidden).permute(1, 0, 2)
        scores = h @ self.a[:, : self.hidden] + (h @ self.a[:, self.hidden :]).mT
        scores = F.leaky_relu(scores, 0.2).masked_fill(adjacency <= 0, -9e16)
        h = F.softmax(scores, dim=-1) @ h
        return h.permute(1, 0, 2).reshape(n, -1) if self.concat else h.mean(0)


class GAT(nn.Module):
    def __init__(self, concat):
        super().__init__()
        self.gat1 = GraphAttentionLayer(12, 8, 2, concat)
        self.gat2 = GraphAttentionLayer(8, 3, 1, False)

    def forward(self, x, adjacency):
        return F.log_softmax(self.gat2(F.elu(self.gat1(x, adjacency)), adjacency), dim=1)


def losses(cast):
    return [loss for concat in (False, True) for loss in trained(cast(given(GAT(concat))), cast, lr=0.005, normalized=False)]
