"""Exercises of lecture 03b, WaveNet: receptive field, mu-law."""

import math

import numpy as np
import torch

from .declare import Declarations

EXERCISES = Declarations()


def receptive_field(kernel_sizes, dilations):
    """How many input samples, the present one included, one output of the stacked causal convolutions can see."""
    return 1 + sum((k - 1) * d for k, d in zip(kernel_sizes, dilations))


@EXERCISES.declare(receptive_field)
class _:
    def cases():
        return [
            ([2, 2, 2, 2], [1, 2, 4, 8]),
            ([3, 3, 3], [1, 1, 1]),
            ([2], [1]),
            ([1], [1]),
            ([2, 3, 2], [1, 4, 16]),
            ([3, 2, 5, 2], [1, 3, 9, 2]),
            ([2] * 10, [2**i for i in range(10)]),
        ]

    class mistakes:
        off_by_one = lambda kernels, dilations: sum((k - 1) * d for k, d in zip(kernels, dilations))
        no_dilation = lambda kernels, dilations: 1 + sum(k - 1 for k in kernels)
        full_kernel = lambda kernels, dilations: 1 + sum(k * d for k, d in zip(kernels, dilations))
        full_kernel_only = lambda kernels, dilations: sum(k * d for k, d in zip(kernels, dilations))

        def product(kernels, dilations):
            return math.prod(1 + (k - 1) * d for k, d in zip(kernels, dilations))

        last_layer = lambda kernels, dilations: 1 + (kernels[-1] - 1) * dilations[-1]

        def centred(kernels, dilations):
            return 1 + 2 * sum((k - 1) * d for k, d in zip(kernels, dilations))

    class alternatives:
        def loop(kernel_sizes, dilations):
            reach = 0
            for i in range(len(kernel_sizes)):
                reach += (kernel_sizes[i] - 1) * dilations[i]
            return reach + 1

        def numpy(kernel_sizes, dilations):
            return int(((np.array(kernel_sizes) - 1) * np.array(dilations)).sum()) + 1


def mu_law_encode(x, mu):
    """Codes 0..mu (int64) of the samples x in -1..1: squash, then round (y + 1) / 2 * mu to the nearest whole number."""
    y = torch.sign(x) * torch.log1p(mu * x.abs()) / math.log1p(mu)
    return torch.floor((y + 1) / 2 * mu + 0.5).to(torch.int64)


def _squash(x, mu):
    return torch.sign(x) * torch.log1p(mu * x.abs()) / math.log1p(mu)


def _nearest(y, mu):
    return torch.floor((y + 1) / 2 * mu + 0.5).to(torch.int64)


@EXERCISES.declare(mu_law_encode, tolerance=1e-6)
class _:
    def cases():
        """No sample lies within 0.02 of the border between two codes, so that rounding errors and the rule for halves don't matter."""
        cases = []
        for mu, seed in ((255, 0), (255, 1), (15, 2), (3, 3)):
            x = torch.rand(400, generator=torch.Generator().manual_seed(seed)) * 2 - 1
            if seed == 0:
                x = x**5  # soft sounds, as in speech
            place = (_squash(x.double(), mu) + 1) / 2 * mu
            clear = x[(place % 1 - 0.5).abs() > 0.02][:60]
            cases.append((torch.cat([clear, torch.tensor([-1.0, 1.0])]), mu))
        return cases

    class mistakes:
        floor = lambda x, mu: torch.floor((_squash(x, mu) + 1) / 2 * mu).to(torch.int64)

        def wide_floor(x, mu):
            return torch.floor((_squash(x, mu) + 1) / 2 * (mu + 1)).clamp(max=mu).to(torch.int64)

        no_sign = lambda x, mu: _nearest(torch.log1p(mu * x.abs()) / math.log1p(mu), mu)

        def log_without_one(x, mu):
            y = torch.sign(x) * torch.log(mu * x.abs()).clamp(min=0) / math.log(mu)
            return _nearest(y, mu)

        linear = lambda x, mu: _nearest(x, mu)

        def mixed_logs(x, mu):
            return _nearest(torch.sign(x) * torch.log2(1 + mu * x.abs()) / math.log1p(mu), mu)

        no_scale = lambda x, mu: _nearest(torch.sign(x) * torch.log1p(mu * x.abs()), mu)
        signed = lambda x, mu: torch.floor(_squash(x, mu) * mu / 2 + 0.5).to(torch.int64)
        not_rounded = lambda x, mu: (_squash(x, mu) + 1) / 2 * mu

    class alternatives:
        def numpy(x, mu):
            x = np.asarray(x, dtype=np.float64)
            y = np.sign(x) * np.log(1 + mu * np.abs(x)) / np.log(1 + mu)
            return np.rint((y + 1) / 2 * mu).astype(np.int64)

        def log2(x, mu):
            y = x.sign() * torch.log2(1 + mu * x.abs()) / math.log2(1 + mu)
            return torch.round((y + 1) / 2 * mu).long()

        not_cast = lambda x, mu: torch.round((_squash(x, mu) + 1) / 2 * mu)


def mu_law_decode(code, mu):
    """Samples in -1..1 (float32) in the middle of the codes 0..mu."""
    y = 2 * code.float() / mu - 1
    return torch.sign(y) * ((1 + mu) ** y.abs() - 1) / mu


def _between_ends(code, mu):
    return 2 * code.float() / mu - 1


def _expand(y, mu):
    return torch.sign(y) * ((1 + mu) ** y.abs() - 1) / mu


@EXERCISES.declare(mu_law_decode)
class _:
    def cases():
        return [
            (torch.arange(256), 255),
            (torch.arange(16), 15),
            (torch.tensor([0, 1, 2, 3]), 3),
            (torch.tensor([200, 0, 10, 127, 128, 200, 255]), 255),
        ]

    class mistakes:
        def exp(code, mu):
            y = _between_ends(code, mu)
            return torch.sign(y) * (torch.exp(y.abs()) - 1) / mu

        no_sign = lambda code, mu: ((1 + mu) ** _between_ends(code, mu).abs() - 1) / mu
        sign_inside = lambda code, mu: ((1 + mu) ** _between_ends(code, mu) - 1) / mu
        linear = lambda code, mu: _between_ends(code, mu)

        def mu_base(code, mu):
            y = _between_ends(code, mu)
            return torch.sign(y) * (mu ** y.abs() - 1) / mu

        def no_scale(code, mu):
            y = _between_ends(code, mu)
            return torch.sign(y) * ((1 + mu) ** y.abs() - 1)

        forgets_shift = lambda code, mu: _expand(code.float() / mu, mu)
        levels = lambda code, mu: _expand(2 * code.float() / (mu + 1) - 1, mu)

    class alternatives:
        def expm1(code, mu):
            y = 2 * code / mu - 1
            return torch.sign(y) * torch.expm1(y.abs() * math.log1p(mu)) / mu

        def numpy(code, mu):
            y = 2 * np.asarray(code, dtype=np.float64) / mu - 1
            return np.where(y < 0, -1.0, 1.0) * (np.power(1.0 + mu, np.abs(y)) - 1) / mu
