"""Exercise of lecture 05b, grey levels: the reference, cases, and the answers that students really give."""

import math

import torch
import torch.nn.functional as F

from .declare import Declarations

EXERCISES = Declarations()


def discretized_logistic(x, mean, log_scale):
    """ln p of the level x (scaled to -1..1, in steps of 2/255): ln(sigmoid(right) - sigmoid(left)) without loss of digits."""
    right = (x + 1 / 255 - mean) * torch.exp(-log_scale)
    left = (x - 1 / 255 - mean) * torch.exp(-log_scale)
    inside = F.logsigmoid(right) + F.logsigmoid(-left) + torch.log(-torch.expm1(left - right))
    first, last = F.logsigmoid(right), F.logsigmoid(-left)  # levels 0 and 255 take the tails
    return torch.where(x < -0.999, first, torch.where(x > 0.999, last, inside))


def _naive(half=1 / 255, scale=torch.exp, ends=True, log=torch.log):
    """The formula as it stands, sigmoid(right) - sigmoid(left), or with one part of it changed."""

    def answer(x, mean, log_scale):
        s = scale(log_scale)
        right, left = torch.sigmoid((x + half - mean) / s), torch.sigmoid((x - half - mean) / s)
        if ends:
            left = torch.where(x < -0.999, torch.zeros_like(left), left)
            right = torch.where(x > 0.999, torch.ones_like(right), right)
        return log(right - left)

    return answer


def _density(x, mean, log_scale):
    z = (x - mean) * torch.exp(-log_scale)
    return -z - log_scale - 2 * F.softplus(-z)


@EXERCISES.declare(discretized_logistic, differentiable=("mean", "log_scale"))
class _:
    def cases():
        levels = torch.tensor([0, 1, 60, 127, 128, 200, 254, 255], dtype=torch.float64) / 127.5 - 1

        def f(value):
            return torch.tensor(value, dtype=torch.float64)

        return [
            (levels, f(0.0), f(-2.0)),
            (levels, f(-0.9), f(-1.0)),
            (levels, f(0.7), f(0.0)),
            (levels[3:5], f(0.01), f(-5.0)),  # a bell narrower than a bin
            (levels[:, None], f([-1.2, 0.1, 1.1]), f([-1.5, -2.5, 0.5])),
            # float32, as in training, 83 to 106 scales from the mean: sigmoid is exactly 1 or 0
            (levels[5:7].float(), f(-0.95).float(), f(-4.0).float()),
            (levels[1:3].float(), f(0.95).float(), f(-4.0).float()),
        ]

    class mistakes:
        probability = _naive(log=lambda p: p)
        density = _density
        density_times_width = lambda x, mean, log_s: _density(x, mean, log_s) + math.log(2 / 255)
        scale_not_exponentiated = _naive(scale=lambda log_scale: log_scale)
        inverse_scale = _naive(scale=lambda log_scale: torch.exp(-log_scale))
        wide_bin = _naive(half=2 / 255)
        narrow_bin = _naive(half=0.5 / 255)
        level_bin = _naive(half=0.5)
        no_ends = _naive(ends=False)

        def ends_swapped(x, mean, log_scale):
            s = torch.exp(log_scale)
            right = torch.sigmoid((x + 1 / 255 - mean) / s)
            left = torch.sigmoid((x - 1 / 255 - mean) / s)
            above_first = torch.where(x > 0.999, right, right - left)
            return torch.log(torch.where(x < -0.999, 1 - left, above_first))

        underflow = _naive()
        clamped = _naive(log=lambda p: torch.log(p.clamp(min=1e-12)))
        log2 = _naive(log=torch.log2)
        sign = _naive(log=lambda p: -torch.log(p))
        cdf = lambda x, mean, log_scale: F.logsigmoid((x + 1 / 255 - mean) * torch.exp(-log_scale))

        def normal(x, mean, log_scale):
            s = torch.exp(log_scale) * math.sqrt(2)
            right = torch.erf((x + 1 / 255 - mean) / s) / 2 + 0.5
            left = torch.erf((x - 1 / 255 - mean) / s) / 2 + 0.5
            left = torch.where(x < -0.999, torch.zeros_like(left), left)
            right = torch.where(x > 0.999, torch.ones_like(right), right)
            return torch.log((right - left).clamp(min=1e-300))

    class alternatives:
        def softplus(x, mean, log_scale):
            a, b = ((x + shift - mean) / log_scale.exp() for shift in (1 / 255, -1 / 255))
            inside = torch.log1p(-torch.exp(b - a)) - F.softplus(-a) - F.softplus(b)
            first_or_inside = torch.where(x < -0.999, -F.softplus(-a), inside)
            return torch.where(x > 0.999, -F.softplus(b), first_or_inside)

        def density_in_the_tails(x, mean, log_scale):  # as PixelCNN++ does it
            a, b = ((x + shift - mean) / log_scale.exp() for shift in (1 / 255, -1 / 255))
            mass = torch.sigmoid(a) - torch.sigmoid(b)
            tail = _density(x, mean, log_scale) + math.log(2 / 255)
            inside = torch.where(mass > 1e-5, mass.clamp(min=1e-12).log(), tail)
            first_or_inside = torch.where(x < -0.999, F.logsigmoid(a), inside)
            return torch.where(x > 0.999, F.logsigmoid(-b), first_or_inside)
