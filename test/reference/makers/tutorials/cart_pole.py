"""A pole kept upright on a cart, after tensorflow/tfjs-examples, cart-pole: the gradient of each step by itself, as there."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from .given import given, uniform


def losses(cast):
    draws = iter(uniform(100, 1000).tolist())
    net = cast(given(nn.Sequential(nn.Linear(4, 4), nn.ELU(), nn.Linear(4, 1))))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05, eps=1e-7)

    def start():
        x, x_dot, theta, theta_dot = [next(draws) - 0.5 for _ in range(4)]
        return [x, x_dot, theta * 2 * (6 / 360 * 2 * math.pi), theta_dot * 0.5]

    def update(state, action):
        x, x_dot, theta, theta_dot = state
        sin, cos = math.sin(theta), math.cos(theta)
        push = ((10 if action else -10) + 0.05 * theta_dot**2 * sin) / 1.1
        theta_acc = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - 0.1 * cos * cos / 1.1))
        x_acc = push - 0.05 * theta_acc * cos / 1.1
        return [x + 0.02 * x_dot, x_dot + 0.02 * x_acc, theta + 0.02 * theta_dot, theta_dot + 0.02 * theta_acc]

    start()  # as the system is made
    found = []
    for _ in range(3):
        gradients, step_losses, worth, lengths = [], [], [], []
        for _ in range(3):
            state, rewards = start(), []
            while len(rewards) < 20 and not (rewards and rewards[-1] == 0):
                logit = net(cast(torch.tensor([state]).double()))
                action = 0 if next(draws) < torch.sigmoid(logit).item() else 1
                loss = F.binary_cross_entropy_with_logits(logit, torch.full_like(logit, 1 - action))
                gradients.append(torch.autograd.grad(loss, list(net.parameters())))
                step_losses.append(loss.item())
                state = update(state, action)
                rewards.append(0 if abs(state[0]) > 2.4 or abs(state[2]) > 12 / 360 * 2 * math.pi else 1)
            lengths.append(len(rewards))
            discounted, last = [], 0
            for reward in reversed(rewards):
                last = reward + 0.95 * last
                discounted.insert(0, last)
            worth += discounted
        worth = cast(torch.tensor(worth, dtype=torch.float64))
        worth = (worth - worth.mean()) / worth.std(unbiased=False)
        for p, *parts in zip(net.parameters(), *gradients):
            p.grad = torch.stack([w * part for w, part in zip(worth, parts)]).mean(0)
        optimizer.step()
        found += [(worth * cast(torch.tensor(step_losses, dtype=torch.float64))).mean().item(), *lengths]
    return found
