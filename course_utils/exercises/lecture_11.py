"""Exercises of lecture 11, normalising flows: references, cases, and the answers that students really give."""

import math

import torch
from torch import nn

from .declare import Declarations, normal

EXERCISES = Declarations()


def _uniform(*shape, seed):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def change_of_variables(log_p_z, log_det):
    """ln p(x) of each image from ln p(z) at its code and ln |det dz/dx|: (batch,), (batch,) -> (batch,), in nats."""
    return log_p_z + log_det


@EXERCISES.declare(change_of_variables, differentiable=True)
class _:
    def cases():
        return [
            (normal(5, seed=1) - 3, normal(5, seed=2)),
            (normal(3, seed=3, scale=40) - 900, normal(3, seed=4, scale=30) + 700),
            (torch.tensor([-1.4, -0.9]), torch.tensor([math.log(2.0), math.log(0.25)])),
        ]

    class mistakes:
        sign = lambda log_p_z, log_det: log_p_z - log_det
        forgotten = lambda log_p_z, log_det: log_p_z + 0 * log_det
        determinant = lambda log_p_z, log_det: log_p_z + log_det.exp()
        times = lambda log_p_z, log_det: log_p_z * log_det
        absolute = lambda log_p_z, log_det: log_p_z + log_det.abs()
        negative = lambda log_p_z, log_det: -(log_p_z + log_det)
        density = lambda log_p_z, log_det: (log_p_z + log_det).exp()
        batch_mean = lambda log_p_z, log_det: (log_p_z + log_det).mean()

    class alternatives:
        product = lambda log_p_z, log_det: torch.stack([log_p_z, log_det]).sum(0)


def coupling_forward(x, log_s, t):
    """z of an affine coupling: the first half of axis 1 passes, the second is multiplied by exp(log_s) and shifted by t.

    x: (batch, D, ...) with D even.  log_s, t: (batch, D/2, ...), made from the first half.  Returns (batch, D, ...).
    """
    passes, moves = x.chunk(2, dim=1)
    return torch.cat([passes, moves * log_s.exp() + t], dim=1)


def _coupling_cases(seed):
    shapes = [(4, 2), (3, 6), (2, 4, 3, 3)]
    cases = []
    for number, (batch, features, *rest) in enumerate(shapes, seed):
        half = (batch, features // 2, *rest)
        x = normal(batch, features, *rest, seed=10 * number)
        log_s, t = normal(*half, seed=10 * number + 1), normal(*half, seed=10 * number + 2)
        cases.append((x, 0.7 * log_s, t))
    return cases


def _with_second_half(change, both=True):
    """A coupling that does ``change(moves, log_s, t)`` to the second half; both: whether the first half is returned, too."""

    def coupling(x, log_s, t):
        passes, moves = x.chunk(2, dim=1)
        moved = change(moves, log_s, t)
        return torch.cat([passes, moved], dim=1) if both else moved

    return coupling


def _with_first_half(change):
    """The same with the halves exchanged."""

    def coupling(x, log_s, t):
        moves, passes = x.chunk(2, dim=1)
        return torch.cat([change(moves, log_s, t), passes], dim=1)

    return coupling


def _there(moves, log_s, t):
    return moves * log_s.exp() + t


def _back(moves, log_s, t):
    return (moves - t) * (-log_s).exp()


@EXERCISES.declare(coupling_forward, differentiable=("x", "log_s", "t"))
class _:
    def cases():
        return _coupling_cases(seed=1)

    class mistakes:
        log_s_for_s = _with_second_half(lambda moves, log_s, t: moves * log_s + t)
        half_missing = _with_second_half(_there, both=False)
        wrong_half = _with_first_half(_there)

        def both_halves(x, log_s, t):
            passes, moves = x.chunk(2, dim=1)
            return torch.cat([_there(passes, log_s, t), _there(moves, log_s, t)], dim=1)

        shift_first = _with_second_half(lambda moves, log_s, t: (moves + t) * log_s.exp())
        no_shift = _with_second_half(lambda moves, log_s, t: moves * log_s.exp())
        no_scale = _with_second_half(lambda moves, log_s, t: moves + t)
        minus = _with_second_half(lambda moves, log_s, t: moves * (-log_s).exp() + t)
        inverse = _with_second_half(_back)

        def exchanged(x, log_s, t):
            passes, moves = x.chunk(2, dim=1)
            return torch.cat([_there(moves, log_s, t), passes], dim=1)

    class alternatives:
        def in_place(x, log_s, t):
            z, half = x.clone(), x.shape[1] // 2
            z[:, half:] = torch.addcmul(t, x[:, half:], torch.exp(log_s))
            return z


def coupling_inverse(z, log_s, t):
    """x of an affine coupling, from z: undoes coupling_forward with the same log_s and t.

    z: (batch, D, ...) with D even.  log_s, t: (batch, D/2, ...).  Returns (batch, D, ...).
    """
    passes, moved = z.chunk(2, dim=1)
    return torch.cat([passes, (moved - t) * torch.exp(-log_s)], dim=1)


@EXERCISES.declare(coupling_inverse)
class _:
    def cases():
        return _coupling_cases(seed=4)

    class mistakes:
        forward = _with_second_half(_there)
        shift_last = _with_second_half(lambda moves, log_s, t: moves * (-log_s).exp() - t)
        scale_not_undone = _with_second_half(lambda moves, log_s, t: (moves - t) * log_s.exp())
        shift_not_undone = _with_second_half(lambda moves, log_s, t: (moves + t) * (-log_s).exp())
        log_s_for_s = _with_second_half(lambda moves, log_s, t: (moves - t) / log_s)
        no_shift = _with_second_half(lambda moves, log_s, t: moves * (-log_s).exp())
        half_missing = _with_second_half(_back, both=False)
        wrong_half = _with_first_half(_back)

    class alternatives:
        def divided(z, log_s, t):
            x, half = z.clone(), z.shape[1] // 2
            x[:, half:] = (z[:, half:] - t) / log_s.exp()
            return x


def log_det_coupling(log_s):
    """ln |det dz/dx| of an affine coupling for each item: log_s (batch, ...) -> (batch,)."""
    return log_s.flatten(start_dim=1).sum(dim=1)


@EXERCISES.declare(log_det_coupling, differentiable=True)
class _:
    def cases():
        return [
            (normal(4, 3, seed=71),),
            (normal(3, 1, seed=72),),
            (normal(2, 2, 3, 3, seed=73),),
            (normal(5, 5, seed=74) - 1,),
        ]

    class mistakes:
        sign = lambda log_s: -log_s.flatten(1).sum(1)
        determinant = lambda log_s: log_s.flatten(1).sum(1).exp()
        sum_of_scales = lambda log_s: log_s.exp().flatten(1).sum(1)
        product = lambda log_s: log_s.flatten(1).prod(1)
        mean = lambda log_s: log_s.flatten(1).mean(1)
        absolute = lambda log_s: log_s.abs().flatten(1).sum(1)
        batch_sum = lambda log_s: log_s.sum()
        over_batch = lambda log_s: log_s.sum(0)
        one_axis = lambda log_s: log_s.sum(1)
        not_summed = lambda log_s: log_s + 0

    class alternatives:
        reshaped = lambda log_s: log_s.reshape(len(log_s), -1).sum(-1)
        through_the_product = lambda log_s: log_s.exp().flatten(1).prod(1).log()


def dequantize(x, noise):
    """Levels 0..255 as numbers in [0, 1): level k is spread evenly over [k/256, (k+1)/256).

    x: whole numbers, any shape.  noise: uniform in [0, 1), the same shape.
    """
    return (x + noise) / 256


@EXERCISES.declare(dequantize)
class _:
    def cases():
        levels = torch.tensor([[0, 1, 127], [128, 254, 255]], dtype=torch.uint8)
        return [
            (levels, _uniform(2, 3, seed=81)),
            ((256 * _uniform(3, 1, 4, 4, seed=82)).to(torch.uint8), _uniform(3, 1, 4, 4, seed=83)),
            (torch.tensor([0.0, 3.0, 255.0]), torch.tensor([0.0, 0.5, 0.99])),
        ]

    class mistakes:
        by_255 = lambda x, noise: (x + noise) / 255
        no_noise = lambda x, noise: x / 256 + 0 * noise
        noise_of_a_whole_image = lambda x, noise: x / 256 + noise
        middle = lambda x, noise: (x + 0.5 + 0 * noise) / 256
        centred = lambda x, noise: (x + noise - 0.5) / 256
        not_scaled = lambda x, noise: x + noise
        minus = lambda x, noise: (x - noise) / 256
        one_more_level = lambda x, noise: (x + noise) / 257

    class alternatives:
        separately = lambda x, noise: torch.add(x.float().div(256), noise, alpha=1 / 256)


def dequantized_bits_per_dim(nats, dims, levels):
    """Bits for each pixel of the original levels, from nats = -ln p of the image scaled to [0, 1].

    nats: a number, or (batch,).  dims: pixels of the image.  levels: how many there are, 256 for bytes.  Returns the form of nats.
    """
    return (nats / dims + math.log(levels)) / math.log(2)


@EXERCISES.declare(dequantized_bits_per_dim)
class _:
    def cases():
        return [
            (torch.tensor([-3500.0, -3700.0, 120.0]), 784, 256),
            (torch.tensor([-30.0, 4.0]), 64, 17),
            (torch.tensor([0.0, -5.0]), 12, 2),
            (-2500.0, 3072, 32),
        ]

    class mistakes:
        levels_forgotten = lambda nats, dims, levels: nats / dims / math.log(2)
        levels_twice = lambda nats, dims, levels: (nats / dims + 2 * math.log(levels)) / math.log(2)
        sign_of_levels = lambda nats, dims, levels: (nats / dims - math.log(levels)) / math.log(2)
        levels_once_an_image = lambda nats, dims, levels: (nats + math.log(levels)) / dims / math.log(2)  # fmt: skip
        no_dims = lambda nats, dims, levels: (nats + dims * math.log(levels)) / math.log(2)
        nats_not_bits = lambda nats, dims, levels: nats / dims + math.log(levels)
        times_ln2 = lambda nats, dims, levels: (nats / dims + math.log(levels)) * math.log(2)
        half_converted = lambda nats, dims, levels: nats / dims + math.log2(levels)
        one_level_less = lambda nats, dims, levels: (nats / dims + math.log(levels - 1)) / math.log(2)  # fmt: skip
        sign_of_nats = lambda nats, dims, levels: (math.log(levels) - nats / dims) / math.log(2)

    class alternatives:
        whole_image = lambda nats, dims, levels: (nats + dims * math.log(levels)) / (dims * math.log(2))  # fmt: skip
        base_2 = lambda nats, dims, levels: nats / dims * math.log2(math.e) + math.log2(levels)


def hutchinson_trace(f, x, noise):
    """An unbiased estimate of the trace of df/dx at each row of x: noise^T (df/dx) noise (Hutchinson 1990).

    f: (batch, D) -> (batch, D), row by row.  x, noise: (batch, D); the noise has mean 0 and covariance 1.  Returns (batch,).
    """
    x = x.detach().requires_grad_()
    (noise_times_jacobian,) = torch.autograd.grad(f(x), x, noise)
    return (noise_times_jacobian * noise).sum(dim=1)


class _Field(nn.Module):
    """A smooth map of D numbers whose Jacobian isn't symmetric and depends on the place."""

    def __init__(self, width, seed):
        super().__init__()
        self.first, self.second = nn.Linear(width, 7), nn.Linear(7, width)
        for number, p in enumerate(self.parameters()):
            p.data = normal(*p.shape, seed=10 * seed + number)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))


def _pulled_back(f, x, weights):
    """weights^T df/dx, (batch, D)."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(f(x), x, weights)[0]


@EXERCISES.declare(hutchinson_trace)
class _:
    def cases():
        return [
            (_Field(2, seed=1), normal(5, 2, seed=91), normal(5, 2, seed=92)),
            (_Field(6, seed=2), normal(3, 6, seed=93), normal(3, 6, seed=94).sign()),
            (_Field(4, seed=3), normal(4, 4, seed=95), normal(4, 4, seed=96)),
        ]

    class mistakes:
        one_noise = lambda f, x, noise: _pulled_back(f, x, noise).sum(1)
        no_noise = lambda f, x, noise: _pulled_back(f, x, torch.ones_like(x)).sum(1)
        mean = lambda f, x, noise: (_pulled_back(f, x, noise) * noise).mean(1)
        batch_sum = lambda f, x, noise: (_pulled_back(f, x, noise) * noise).sum()
        not_summed = lambda f, x, noise: _pulled_back(f, x, noise) * noise
        times_x = lambda f, x, noise: (_pulled_back(f, x, noise) * x).sum(1)
        divided = lambda f, x, noise: (_pulled_back(f, x, noise) / noise).sum(1)
        no_jacobian = lambda f, x, noise: (f(x).detach() * noise).sum(1)
        at_the_noise = lambda f, x, noise: (_pulled_back(f, noise, noise) * noise).sum(1)
        sign = lambda f, x, noise: -(_pulled_back(f, x, noise) * noise).sum(1)

    class alternatives:
        def forward_mode(f, x, noise):
            _, jacobian_times_noise = torch.func.jvp(f, (x,), (noise,))
            return torch.einsum("bd,bd->b", jacobian_times_noise, noise)
