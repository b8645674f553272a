"""The game of snake by deep Q-learning, after tensorflow/tfjs-examples, snake-dqn, without dropout."""

import torch
from torch import nn
from torch.nn import functional as F

from . import first_losses
from .given import given, uniform

SIZE = 9


def network():
    def norm(channels):
        return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)

    convs = [nn.Conv2d(2, 8, 3), nn.ReLU(), norm(8), nn.Conv2d(8, 16, 3), nn.ReLU(), norm(16), nn.Conv2d(16, 16, 3)]
    last = [nn.ReLU(), nn.Flatten(), nn.Linear(144, 100), nn.ReLU(), nn.Dropout(0), nn.Linear(100, 3)]
    return given(nn.Sequential(*convs, *last))


class Game:
    def __init__(self, draws):
        self.draws = draws
        self.reset()

    def below(self, count):
        return int(next(self.draws) * count)

    def reset(self):
        y = self.below(SIZE)
        x = 1 + self.below(SIZE - 1)
        self.snake, self.direction = [(y, x), (y, x - 1)], (0, 1)
        self.make_fruit()

    def make_fruit(self):
        empty = [(y, x) for y in range(SIZE) for x in range(SIZE) if (y, x) not in self.snake]
        self.fruit = empty[self.below(len(empty))]

    def state(self):
        squares = torch.zeros(2, SIZE, SIZE, dtype=torch.float64)
        for i, (y, x) in enumerate(self.snake):
            squares[0, y, x] = 1 if i else 2
        squares[1, self.fruit[0], self.fruit[1]] = 1
        return squares

    def step(self, action):
        """The reward, and whether the game is over."""
        dy, dx = self.direction
        self.direction = [(dy, dx), (-dx, dy), (dx, -dy)][action]
        head = (self.snake[0][0] + self.direction[0], self.snake[0][1] + self.direction[1])
        if not (0 <= head[0] < SIZE and 0 <= head[1] < SIZE) or head in self.snake[1:]:
            return -10.0, True
        self.snake.insert(0, head)
        if head == self.fruit:
            self.make_fruit()
            return 10.0, False
        self.snake.pop()
        return -0.2, False


def losses(cast):
    game = Game(iter(uniform(111, 4000).tolist()))
    online, target = cast(network()), cast(network()).eval()
    optimizer = torch.optim.Adam(online.parameters(), lr=1e-3, eps=1e-7)
    memory, frames, games, found = [None] * 30, 0, [], []
    indices = list(range(30))
    reward_sum, fruits = 0.0, 0

    def play():
        nonlocal frames, reward_sum, fruits
        epsilon = 0.9 - 0.2 * min(1, frames / 50)
        before = game.state()
        if next(game.draws) < epsilon:
            action = game.below(3)
        else:
            online.eval()
            action = online(cast(before[None])).argmax().item()
            online.train()
        reward, done = game.step(action)
        after = torch.zeros_like(before) if done else game.state()
        memory[frames % 30] = (before, action, reward, float(done), after)
        frames += 1
        reward_sum += reward
        fruits += reward == 10
        if done:
            games.append((reward_sum, fruits))
            reward_sum, fruits = 0.0, 0
            game.reset()
        return done

    def loss(_):
        for i in range(29, 0, -1):
            j = game.below(i + 1)
            indices[i], indices[j] = indices[j], indices[i]
        before, actions, rewards, dones, after = zip(*[memory[i] for i in indices[:12]])
        with torch.no_grad():
            best = target(cast(torch.stack(after))).max(1).values
        rewards, dones = [cast(torch.tensor(v, dtype=torch.float32).double()) for v in [rewards, dones]]
        wanted = rewards + 0.99 * best * (1 - dones)
        taken = online(cast(torch.stack(before)))[range(12), list(actions)]
        return F.mse_loss(taken, wanted)

    for _ in range(30):
        play()
    games.clear()
    over = False
    while not (over and frames >= 36):
        found += first_losses(optimizer, 1, loss)
        over = play()
        if frames % 33 == 0:
            target.load_state_dict(online.state_dict())
    return [*found, *[value for game in games for value in game]]
