"""Exercises of lecture 05, PixelCNN: references, cases, and the answers that students really give."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from .declare import Declarations

EXERCISES = Declarations()


def raster_mask(kernel_size, kind):
    """The mask of a square kernel, (kernel_size, kernel_size) float32: 1 visible, 0 hidden; "A" hides the centre, "B" shows it."""
    middle = kernel_size // 2
    mask = torch.zeros(kernel_size, kernel_size)
    mask[:middle] = 1  # the rows above
    mask[middle, :middle] = 1  # to the left in the same row
    mask[middle, middle] = kind == "B"
    return mask


@EXERCISES.declare(raster_mask)
class _:
    cases = lambda: [(3, "A"), (3, "B"), (5, "A"), (7, "B"), (7, "A"), (1, "A"), (1, "B")]

    class mistakes:
        swapped = lambda kernel_size, kind: raster_mask(kernel_size, "B" if kind == "A" else "A")
        always_centre = lambda kernel_size, kind: raster_mask(kernel_size, "B")
        never_centre = lambda kernel_size, kind: raster_mask(kernel_size, "A")
        transposed = lambda kernel_size, kind: raster_mask(kernel_size, kind).T.contiguous()
        future = lambda kernel_size, kind: raster_mask(kernel_size, kind).flip(0, 1)
        hides = lambda kernel_size, kind: 1 - raster_mask(kernel_size, kind)

        def whole_row(kernel_size, kind):
            mask = raster_mask(kernel_size, kind)
            mask[kernel_size // 2, kernel_size // 2 + 1 :] = 1
            return mask

        def right(kernel_size, kind):
            middle = kernel_size // 2
            mask = raster_mask(kernel_size, kind)
            mask[middle] = mask[middle].flip(0)
            return mask

        def below(kernel_size, kind):
            mask = raster_mask(kernel_size, kind)
            mask[kernel_size // 2 + 1 :] = 1
            return mask

        def no_left(kernel_size, kind):
            mask = raster_mask(kernel_size, kind)
            mask[kernel_size // 2, : kernel_size // 2] = 0
            return mask

        def quadrant(kernel_size, kind):
            mask = raster_mask(kernel_size, kind)
            mask[:, kernel_size // 2 + 1 :] = 0
            return mask

        def triangle(kernel_size, kind):
            return torch.ones(kernel_size, kernel_size).tril(0 if kind == "B" else -1)

    class alternatives:
        def numpy(kernel_size, kind):
            mask = np.zeros(kernel_size**2, dtype=np.float32)
            mask[: kernel_size**2 // 2 + (kind == "B")] = 1
            return mask.reshape(kernel_size, kernel_size)

        def loop(kernel_size, kind):
            middle, mask = kernel_size // 2, torch.zeros(kernel_size, kernel_size)
            for i in range(kernel_size):
                for j in range(kernel_size):
                    before = i < middle or (i == middle and j < middle)
                    mask[i, j] = float(before or (i == j == middle and kind == "B"))
            return mask


def shift_down(v):
    """Row i of the result is row i - 1 of v, row 0 is zeros.  (batch, channels, H, W) -> the same shape."""
    return F.pad(v[:, :, :-1], (0, 0, 1, 0))


@EXERCISES.declare(shift_down, differentiable=True)
class _:
    def cases():
        generator = torch.Generator().manual_seed(0)
        shapes = [(1, 1, 3, 3), (2, 3, 4, 5), (1, 2, 6, 2), (2, 1, 1, 3)]
        return [(1 + torch.rand(shape, generator=generator),) for shape in shapes]

    class mistakes:
        nothing = lambda v: v.clone()
        up = lambda v: F.pad(v[:, :, 1:], (0, 0, 0, 1))
        right = lambda v: F.pad(v[:, :, :, :-1], (1, 0))
        wraps = lambda v: torch.roll(v, 1, dims=2)
        keeps_row_0 = lambda v: torch.cat([v[:, :, :1], v[:, :, :-1]], dim=2)

        def erases(v):
            out = v.clone()
            out[:, :, 0] = 0
            return out

        channels = lambda v: F.pad(v[:, :-1], (0, 0, 0, 0, 1, 0))

    class alternatives:
        cat = lambda v: torch.cat([torch.zeros_like(v[:, :, :1]), v[:, :, :-1]], dim=2)

        def assign(v):
            out = torch.zeros_like(v)
            out[:, :, 1:] = v[:, :, :-1]
            return out


def bits_per_dim(nats, image_shape):
    """Mean bits for each number of an image.  nats: (n,), -ln p of whole images; image_shape: (channels, rows, columns)."""
    return float(nats.mean()) / math.prod(image_shape) / math.log(2)


@EXERCISES.declare(bits_per_dim)
class _:
    def cases():
        return [
            (torch.tensor([543.4274]), (1, 28, 28)),
            (torch.tensor([80.0, 90.0, 90.0]), (1, 28, 28)),
            (torch.tensor([6000.0, 8500.0]), (3, 32, 32)),
            (torch.tensor([1.0, 2.0, 4.0, 3.0]), (1, 2, 5)),
        ]

    class mistakes:
        nats = lambda nats, image_shape: float(nats.mean()) / math.prod(image_shape)

        def times_ln2(nats, image_shape):
            return float(nats.mean()) / math.prod(image_shape) * math.log(2)

        whole_image = lambda nats, image_shape: float(nats.mean()) / math.log(2)
        sum = lambda nats, image_shape: float(nats.sum()) / math.prod(image_shape) / math.log(2)

        def no_channels(nats, image_shape):
            return float(nats.mean()) / math.prod(image_shape[1:]) / math.log(2)

        last_axis = lambda nats, image_shape: float(nats.mean()) / image_shape[-1] / math.log(2)
        sign = lambda nats, image_shape: -bits_per_dim(nats, image_shape)

    class alternatives:
        numpy = lambda nats, image_shape: np.mean(nats.numpy()) / np.prod(image_shape) / np.log(2)


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
