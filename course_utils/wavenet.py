"""Lecture 03b's WaveNet as it speaks, one code at a time: the rival of lecture 07b's generator, which draws sound in one pass.

``tests/test_lecture_07b.py`` compares it with the network that lecture 03b writes.
"""

import torch
from torch import nn

from .exercises.lecture_03b import mu_law_decode
from .runtime import one_thread


class Block(nn.Module):
    """A dilated layer with a gate: its input `dilation` samples ago and now, (batch, channels) each -> next h, skip."""

    def __init__(self, channels, skip, dilation):
        super().__init__()
        self.dilation, self.split = dilation, (channels, skip)
        self.gate = nn.Linear(2 * channels, 2 * channels)
        self.out = nn.Linear(channels, channels + skip)

    def forward(self, past, present):
        candidate, gate = self.gate(torch.cat([past, present], -1)).chunk(2, -1)
        residual, skip = self.out(torch.tanh(candidate) * torch.sigmoid(gate)).split(self.split, -1)
        return present + residual, skip


class WaveNet(nn.Module):
    """For the shipped "03b_wavenet".  van den Oord et al. 2016; queues: Le Paine et al. 2016."""

    def __init__(self, channels=32, skip=64, layers=10):
        super().__init__()
        self.first = nn.Linear(17, channels)
        self.blocks = nn.ModuleList(Block(channels, skip, 2**i) for i in range(layers))
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(skip, skip), nn.ReLU(), nn.Linear(skip, 256))

    def queues(self, n):
        """Each layer's last inputs for n sounds that begin: zeros, as in training."""
        zeros = torch.zeros(n, self.first.out_features)
        return [[zeros] * block.dilation for block in self.blocks]

    def forward(self, code, queues, t):
        """Logits (batch, 256) of the code after ``code``, (batch,) in 0..255, the t-th since the queues began; renews them."""
        y, total = code / 127.5 - 1, 0.0
        angle = torch.pi * y[:, None] * torch.arange(1, 9)
        h = self.first(torch.cat([y[:, None], angle.sin(), angle.cos()], 1))
        for block, queue in zip(self.blocks, queues):
            place, now = t % block.dilation, h
            h, skip = block(queue[place], now)
            queue[place] = now  # the oldest leaves, the newest takes its place
            total = total + skip
        return self.head(total)


@torch.inference_mode()
def speak(net, n, steps, seed=0):
    """n sounds of so many samples at 8 kHz, from silence: (n, steps) in -1..1.

    On one thread: a step is a hundred tiny operations, and sharing each out costs more than it gains.
    """
    generator = torch.Generator().manual_seed(seed)
    code, queues, codes = torch.full((n,), 128), net.queues(n), torch.empty(n, steps)
    with one_thread():
        for t in range(steps):
            p = net(code, queues, t).softmax(1)
            code = torch.multinomial(p, 1, generator=generator)[:, 0]
            codes[:, t] = code
    return mu_law_decode(codes, 255)
