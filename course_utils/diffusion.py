"""Lecture 10's U-Net and its ways back from noise, letter for letter the lecture's own, for the lectures that go on from there
(``tests/test_lecture_10.py`` compares the two).

Conventions: t = 0 is the digit, t = 1 the noise; pixels are scaled to -1..1; on the straight path x_t = (1 - t) x0 + t noise the shipped
network "10_diffusion" returns the velocity dx/dt = noise - x0; class 10 means "no class".
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from .exercises.lecture_10 import euler_step, guided
from .runtime import autocast

NO_CLASS = 10


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


def draw(net, y, times, method=euler, scale=1.0, seed=0):
    """A digit for each class in y (n,), 500 at a time: (n, 1, 28, 28) in 0..1.  times: falling from 1 to 0."""
    noise = torch.randn(len(y), 1, 28, 28, generator=torch.Generator().manual_seed(seed))
    drawn = torch.empty_like(noise)
    for i in range(0, len(y), 500):
        part = y[i : i + 500]
        drawn[i : i + 500] = method(lambda x, t: velocity(net, x, t, part, scale), noise[i : i + 500], times)  # fmt: skip
    return ((drawn + 1) / 2).clamp(0, 1)
