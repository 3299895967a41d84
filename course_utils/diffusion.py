"""Lecture 10's U-Net and its ways back from noise, letter for letter the lecture's own, for the lectures that go on from there
(``tests/test_lecture_10.py`` compares the two), and what its race of targets is judged by.

Conventions: t = 0 is the digit, t = 1 the noise; pixels are scaled to -1..1; on the straight path x_t = (1 - t) x0 + t noise the shipped
network "10_diffusion" returns the velocity dx/dt = noise - x0; class 10 means "no class".
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from .exercises.lecture_10 import euler_step, guided
from .runtime import autocast

NO_CLASS = 10
RATIOS = (0.1, 0.3, 1.0, 3.0, 10.0)  # of noise to signal, for errors()


class Block(nn.Module):
    """Two convolutions; time and class scale and shift what enters the second one; the input is added to the result.

    h: (batch, inputs, H, W), c: (batch, condition) -> (batch, outputs, H, W).
    """

    def __init__(self, inputs, outputs, condition):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(8, inputs), nn.GroupNorm(8, outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.scale_shift = nn.Linear(condition, 2 * outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.conv2.weight)  # a block begins as its skip

    def forward(self, h, c):
        scale, shift = self.scale_shift(c)[:, :, None, None].chunk(2, 1)
        out = self.conv1(F.silu(self.norm1(h)))
        out = self.conv2(F.silu(self.norm2(out) * (1 + scale) + shift))
        return self.skip(h) + out


class UNet(nn.Module):
    """x_t: (batch, 1, 28, 28), t: (batch,) in 0..1, y: (batch,) classes 0..9, or 10 for none -> the target, (batch, 1, 28, 28)."""

    def __init__(self, width=24, middle=3):
        super().__init__()
        condition = 4 * width
        self.register_buffer("frequencies", torch.pi * 2 ** torch.linspace(-1, 5, 16))
        self.time = nn.Sequential(nn.Linear(32, condition), nn.SiLU(), nn.Linear(condition, condition))  # fmt: skip
        self.label = nn.Embedding(11, condition)
        self.stem = nn.Conv2d(4, width, 3, padding=1)
        self.fine1 = Block(width, width, condition)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.coarse = nn.ModuleList(Block(2 * width, 2 * width, condition) for _ in range(middle))
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.fine2 = Block(2 * width, width, condition)
        self.head = nn.Sequential(nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, 4, 3, padding=1))  # fmt: skip
        nn.init.zeros_(self.head[-1].weight)

    def forward(self, x, t, y):
        angle = t[:, None] * self.frequencies  # (batch, 16)
        c = F.silu(self.time(torch.cat([angle.sin(), angle.cos()], 1)) + self.label(y))
        fine = self.fine1(self.stem(F.pixel_unshuffle(x, 2)), c)  # (batch, width, 14, 14)
        h = self.down(fine)  # (batch, 2 width, 7, 7)
        for block in self.coarse:
            h = block(h, c)
        h = self.fine2(torch.cat([fine, self.up(h)], 1), c)
        return F.pixel_shuffle(self.head(h), 2).float()


@torch.no_grad()
def velocity(net, x, t, y, scale=1.0):
    """dx/dt at time t, a number, of x (n, 1, 28, 28) with classes y (n,).  Guidance, any scale but 1, asks the network twice."""
    time = torch.full((len(x),), float(t))
    with autocast():
        if scale == 1:
            return net(x, time, y)
        none = torch.full_like(y, NO_CLASS)
        cond, uncond = net(x.repeat(2, 1, 1, 1), time.repeat(2), torch.cat([y, none])).chunk(2)
    return guided(cond, uncond, scale)


def euler(slope, x, times):
    """From times[0] to times[-1] along dx/dt = slope(x, t), one evaluation a step."""
    for t, s in pairwise(times):
        x = euler_step(x, slope(x, t), s - t)
    return x


def heun(slope, x, times):
    """As euler, with the mean of the slopes at both ends of the step: two evaluations a step, one in the last."""
    for t, s in pairwise(times):
        first = slope(x, t)
        there = euler_step(x, first, s - t)
        x = there if s == 0 else euler_step(x, (first + slope(there, s)) / 2, s - t)
    return x


def ancestral(slope, x, times):
    """Bayes' step on the straight path with the guessed digit and noise; fresh noise in all steps but the last."""
    for t, s in pairwise(times):
        v = slope(x, t)
        x0, noise = x - t * v, x + (1 - t) * v
        fresh = s**2 * (1 - ((1 - t) * s) ** 2 / ((1 - s) * t) ** 2) if s else 0.0  # tau squared
        x = (1 - s) * x0 + (s**2 - fresh) ** 0.5 * noise + fresh**0.5 * torch.randn_like(x)
    return x


def draw(net, y, times, method=euler, scale=1.0, seed=0):
    """A digit for each class in y (n,), 500 at a time: (n, 1, 28, 28) in 0..1.  times: falling from 1 to 0."""
    torch.manual_seed(seed)
    noise = torch.randn(len(y), 1, 28, 28)
    drawn = torch.empty_like(noise)
    for i in range(0, len(y), 500):

        def slope(x, t, part=y[i : i + 500]):
            return velocity(net, x, t, part, scale)

        drawn[i : i + 500] = method(slope, noise[i : i + 500], times)
    return ((drawn + 1) / 2).clamp(0, 1)


def signal_and_noise(t, path="straight"):
    """x_t = a x0 + b noise: a, b and how fast they change, (batch, 1, 1, 1) each, at times t (batch,)."""
    t = t.view(-1, 1, 1, 1)
    if path == "straight":
        return 1 - t, t, -torch.ones_like(t), torch.ones_like(t)
    angle = torch.pi / 2 * t  # a quarter of a circle; the change is per angle
    return angle.cos(), angle.sin(), -angle.sin(), angle.cos()


def question_and_answer(x0, t, path="straight", target="velocity"):
    """What the network sees, x_t, and what it should answer: (batch, 1, 28, 28) each."""
    noise = torch.randn_like(x0)
    a, b, a_rate, b_rate = signal_and_noise(t, path)
    answers = {"noise": noise, "data": x0, "velocity": a_rate * x0 + b_rate * noise}
    return a * x0 + b * noise, answers[target]


def guess_x0(x_t, answer, t, path="straight", target="velocity"):
    """The digit that an answer of the network implies, (batch, 1, 28, 28)."""
    a, b, _, b_rate = signal_and_noise(t, path)
    if target == "velocity":
        return b_rate * x_t - b * answer  # both paths have a b' - b a' = 1
    return answer if target == "data" else (x_t - b * answer) / a


@torch.no_grad()
def steps_back(net, y, steps, path, target, clipped=False, fresh=False, seed=0):
    """From t = 0.99 to the digit by any path and target: one for each class in y (n,), (n, 1, 28, 28) in 0..1.

    clipped: cut each guess of the digit to -1..1, as the code of Ho et al. does.  fresh: ancestral steps; else DDIM.
    """
    torch.manual_seed(seed)
    x, times = torch.randn(len(y), 1, 28, 28), torch.linspace(0.99, 0, steps + 1)
    for t, s in pairwise(times):
        now = t.expand(len(y))
        with autocast():
            answer = net(x, now, y)
        x0 = guess_x0(x, answer, now, path, target)
        x0 = x0.clamp(-1, 1) if clipped else x0
        (a_t, b_t), (a_s, b_s) = (signal_and_noise(u, path)[:2] for u in (t, s))
        noise = (x - a_t * x0) / b_t
        variance = b_s**2 * (1 - (a_t * b_s) ** 2 / (a_s * b_t) ** 2) if fresh else 0 * b_s
        x = a_s * x0 + (b_s**2 - variance).sqrt() * noise + variance.sqrt() * torch.randn_like(x)
    return ((x + 1) / 2).clamp(0, 1)


@torch.no_grad()
def errors(net, x0, y, path, target, ratios=RATIOS):
    """(mean squared error of the answer, and of the digit that it implies), both a pixel, at each ratio b / a of noise to signal.

    x0: digits (n, 1, 28, 28) in -1..1 with classes y (n,).
    """
    found = []
    for ratio in ratios:
        torch.manual_seed(1)
        at = ratio / (1 + ratio) if path == "straight" else 2 / torch.pi * math.atan(ratio)
        t = torch.full((len(x0),), at)
        x_t, wanted = question_and_answer(x0, t, path, target)
        answer = net(x_t, t, y)
        digit = guess_x0(x_t, answer, t, path, target)
        found.append((float(F.mse_loss(answer, wanted)), float(F.mse_loss(digit, x0))))
    return found
