"""Exercises of lecture 05, PixelCNN: references, cases, and the answers that students really give."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from .engine import Exercise


def raster_mask(kernel_size, kind):
    """The mask of a square kernel, (kernel_size, kernel_size) float32: 1 visible, 0 hidden; "A" hides the centre, "B" shows it."""
    middle = kernel_size // 2
    mask = torch.zeros(kernel_size, kernel_size)
    mask[:middle] = 1  # the rows above
    mask[middle, :middle] = 1  # to the left in the same row
    mask[middle, middle] = kind == "B"
    return mask


def shift_down(v):
    """Row i of the result is row i - 1 of v, row 0 is zeros.  (batch, channels, H, W) -> the same shape."""
    return F.pad(v[:, :, :-1], (0, 0, 1, 0))


def bits_per_dim(nats, image_shape):
    """Mean bits for each number of an image.  nats: (n,), -ln p of whole images; image_shape: (channels, rows, columns)."""
    return float(nats.mean()) / math.prod(image_shape) / math.log(2)


def discretized_logistic(x, mean, log_scale):
    """ln p of the level x (scaled to -1..1, in steps of 2/255): ln(sigmoid(right) - sigmoid(left)) without loss of digits."""
    right = (x + 1 / 255 - mean) * torch.exp(-log_scale)
    left = (x - 1 / 255 - mean) * torch.exp(-log_scale)
    inside = F.logsigmoid(right) + F.logsigmoid(-left) + torch.log(-torch.expm1(left - right))
    first, last = F.logsigmoid(right), F.logsigmoid(-left)  # levels 0 and 255 take the tails
    return torch.where(x < -0.999, first, torch.where(x > 0.999, last, inside))


# --- masks -----------------------------------------------------------------------------------------------------------


def _mask_cases():
    return [(3, "A"), (3, "B"), (5, "A"), (7, "B"), (7, "A"), (1, "A"), (1, "B")]


def _mask_swapped(kernel_size, kind):
    return raster_mask(kernel_size, "B" if kind == "A" else "A")


def _mask_always_centre(kernel_size, kind):
    return raster_mask(kernel_size, "B")


def _mask_never_centre(kernel_size, kind):
    return raster_mask(kernel_size, "A")


def _mask_transposed(kernel_size, kind):
    return raster_mask(kernel_size, kind).T.contiguous()


def _mask_future(kernel_size, kind):
    return raster_mask(kernel_size, kind).flip(0, 1)


def _mask_hides(kernel_size, kind):
    return 1 - raster_mask(kernel_size, kind)


def _mask_whole_row(kernel_size, kind):
    mask = raster_mask(kernel_size, kind)
    mask[kernel_size // 2, kernel_size // 2 + 1 :] = 1
    return mask


def _mask_right(kernel_size, kind):
    middle = kernel_size // 2
    mask = raster_mask(kernel_size, kind)
    mask[middle] = mask[middle].flip(0)
    return mask


def _mask_below(kernel_size, kind):
    mask = raster_mask(kernel_size, kind)
    mask[kernel_size // 2 + 1 :] = 1
    return mask


def _mask_no_left(kernel_size, kind):
    mask = raster_mask(kernel_size, kind)
    mask[kernel_size // 2, : kernel_size // 2] = 0
    return mask


def _mask_quadrant(kernel_size, kind):
    mask = raster_mask(kernel_size, kind)
    mask[:, kernel_size // 2 + 1 :] = 0
    return mask


def _mask_triangle(kernel_size, kind):
    return torch.ones(kernel_size, kernel_size).tril(0 if kind == "B" else -1)


def _mask_numpy(kernel_size, kind):
    mask = np.zeros(kernel_size**2, dtype=np.float32)
    mask[: kernel_size**2 // 2 + (kind == "B")] = 1
    return mask.reshape(kernel_size, kernel_size)


def _mask_loop(kernel_size, kind):
    middle, mask = kernel_size // 2, torch.zeros(kernel_size, kernel_size)
    for i in range(kernel_size):
        for j in range(kernel_size):
            if i < middle or (i == middle and (j < middle or (j == middle and kind == "B"))):
                mask[i, j] = 1.0
    return mask


# --- the shift -------------------------------------------------------------------------------------------------------


def _shift_cases():
    generator = torch.Generator().manual_seed(0)
    shapes = [(1, 1, 3, 3), (2, 3, 4, 5), (1, 2, 6, 2)]
    return [(1 + torch.rand(shape, generator=generator),) for shape in shapes]


def _shift_nothing(v):
    return v.clone()


def _shift_up(v):
    return F.pad(v[:, :, 1:], (0, 0, 0, 1))


def _shift_right(v):
    return F.pad(v[:, :, :, :-1], (1, 0))


def _shift_wraps(v):
    return torch.roll(v, 1, dims=2)


def _shift_keeps_row_0(v):
    return torch.cat([v[:, :, :1], v[:, :, :-1]], dim=2)


def _shift_erases(v):
    out = v.clone()
    out[:, :, 0] = 0
    return out


def _shift_channels(v):
    return F.pad(v[:, :-1], (0, 0, 0, 0, 1, 0))


def _shift_cat(v):
    return torch.cat([torch.zeros_like(v[:, :, :1]), v[:, :, :-1]], dim=2)


def _shift_assign(v):
    out = torch.zeros_like(v)
    out[:, :, 1:] = v[:, :, :-1]
    return out


# --- bits/dim --------------------------------------------------------------------------------------------------------


def _bits_cases():
    return [
        (torch.tensor([543.4274]), (1, 28, 28)),
        (torch.tensor([80.0, 90.0, 100.0]), (1, 28, 28)),
        (torch.tensor([6000.0, 8500.0]), (3, 32, 32)),
        (torch.tensor([1.0, 2.0, 4.0, 3.0]), (1, 2, 5)),
    ]


def _bits_nats(nats, image_shape):
    return float(nats.mean()) / math.prod(image_shape)


def _bits_times(nats, image_shape):
    return float(nats.mean()) / math.prod(image_shape) * math.log(2)


def _bits_whole_image(nats, image_shape):
    return float(nats.mean()) / math.log(2)


def _bits_sum(nats, image_shape):
    return float(nats.sum()) / math.prod(image_shape) / math.log(2)


def _bits_no_channels(nats, image_shape):
    return float(nats.mean()) / math.prod(image_shape[1:]) / math.log(2)


def _bits_last_axis(nats, image_shape):
    return float(nats.mean()) / image_shape[-1] / math.log(2)


def _bits_sign(nats, image_shape):
    return -bits_per_dim(nats, image_shape)


def _bits_numpy(nats, image_shape):
    return np.mean(nats.numpy()) / np.prod(image_shape) / np.log(2)


# --- the discretised logistic ----------------------------------------------------------------------------------------


def _logistic_cases():
    levels = torch.tensor([0, 1, 60, 127, 128, 200, 254, 255], dtype=torch.float64) / 127.5 - 1

    def f(value):
        return torch.tensor(value, dtype=torch.float64)

    return [
        (levels, f(0.0), f(-2.0)),
        (levels, f(-0.9), f(-1.0)),
        (levels, f(0.7), f(0.0)),
        (levels[3:5], f(0.01), f(-5.0)),  # a bell narrower than a bin
        (levels[:, None], f([-1.2, 0.1, 1.1]), f([-1.5, -2.5, 0.5])),
    ]


def _naive(x, mean, log_scale, half=1 / 255, scale=None, ends=True):
    s = torch.exp(log_scale) if scale is None else scale
    right = torch.sigmoid((x + half - mean) / s)
    left = torch.sigmoid((x - half - mean) / s)
    if ends:
        left = torch.where(x < -0.999, torch.zeros_like(left), left)
        right = torch.where(x > 0.999, torch.ones_like(right), right)
    return right - left


def _logistic_probability(x, mean, log_scale):
    return _naive(x, mean, log_scale)


def _logistic_density(x, mean, log_scale):
    z = (x - mean) * torch.exp(-log_scale)
    return -z - log_scale - 2 * F.softplus(-z)


def _logistic_density_times_width(x, mean, log_scale):
    return _logistic_density(x, mean, log_scale) + math.log(2 / 255)


def _logistic_scale_not_exponentiated(x, mean, log_scale):
    return torch.log(_naive(x, mean, log_scale, scale=log_scale))


def _logistic_inverse_scale(x, mean, log_scale):
    return torch.log(_naive(x, mean, log_scale, scale=torch.exp(-log_scale)))


def _logistic_wide_bin(x, mean, log_scale):
    return torch.log(_naive(x, mean, log_scale, half=2 / 255))


def _logistic_narrow_bin(x, mean, log_scale):
    return torch.log(_naive(x, mean, log_scale, half=0.5 / 255))


def _logistic_level_bin(x, mean, log_scale):
    return torch.log(_naive(x, mean, log_scale, half=0.5))


def _logistic_no_ends(x, mean, log_scale):
    return torch.log(_naive(x, mean, log_scale, ends=False))


def _logistic_ends_swapped(x, mean, log_scale):
    s = torch.exp(log_scale)
    right = torch.sigmoid((x + 1 / 255 - mean) / s)
    left = torch.sigmoid((x - 1 / 255 - mean) / s)
    inside = right - left
    return torch.log(torch.where(x < -0.999, 1 - left, torch.where(x > 0.999, right, inside)))


def _logistic_log2(x, mean, log_scale):
    return torch.log2(_naive(x, mean, log_scale))


def _logistic_sign(x, mean, log_scale):
    return -torch.log(_naive(x, mean, log_scale))


def _logistic_cdf(x, mean, log_scale):
    return F.logsigmoid((x + 1 / 255 - mean) * torch.exp(-log_scale))


def _logistic_normal(x, mean, log_scale):
    s = torch.exp(log_scale) * math.sqrt(2)
    right = torch.erf((x + 1 / 255 - mean) / s) / 2 + 0.5
    left = torch.erf((x - 1 / 255 - mean) / s) / 2 + 0.5
    left = torch.where(x < -0.999, torch.zeros_like(left), left)
    right = torch.where(x > 0.999, torch.ones_like(right), right)
    return torch.log((right - left).clamp(min=1e-300))


def _logistic_plain(x, mean, log_scale):
    return torch.log(_naive(x, mean, log_scale))


def _logistic_clamped(x, mean, log_scale):
    return torch.log(torch.clamp(_naive(x, mean, log_scale), min=1e-12))


EXERCISES = [
    Exercise(
        "raster_mask",
        raster_mask,
        cases=_mask_cases,
        mistakes={
            "swapped": _mask_swapped,
            "always_centre": _mask_always_centre,
            "never_centre": _mask_never_centre,
            "transposed": _mask_transposed,
            "future": _mask_future,
            "hides": _mask_hides,
            "whole_row": _mask_whole_row,
            "right": _mask_right,
            "below": _mask_below,
            "no_left": _mask_no_left,
            "quadrant": _mask_quadrant,
            "triangle": _mask_triangle,
        },
        alternatives=[_mask_numpy, _mask_loop],
    ),
    Exercise(
        "shift_down",
        shift_down,
        cases=_shift_cases,
        mistakes={
            "nothing": _shift_nothing,
            "up": _shift_up,
            "right": _shift_right,
            "wraps": _shift_wraps,
            "keeps_row_0": _shift_keeps_row_0,
            "erases": _shift_erases,
            "channels": _shift_channels,
        },
        alternatives=[_shift_cat, _shift_assign],
        differentiable=True,
    ),
    Exercise(
        "bits_per_dim",
        bits_per_dim,
        cases=_bits_cases,
        mistakes={
            "nats": _bits_nats,
            "times_ln2": _bits_times,
            "whole_image": _bits_whole_image,
            "sum": _bits_sum,
            "no_channels": _bits_no_channels,
            "last_axis": _bits_last_axis,
            "sign": _bits_sign,
        },
        alternatives=[_bits_numpy],
    ),
    Exercise(
        "discretized_logistic",
        discretized_logistic,
        cases=_logistic_cases,
        mistakes={
            "probability": _logistic_probability,
            "density": _logistic_density,
            "density_times_width": _logistic_density_times_width,
            "scale_not_exponentiated": _logistic_scale_not_exponentiated,
            "inverse_scale": _logistic_inverse_scale,
            "wide_bin": _logistic_wide_bin,
            "narrow_bin": _logistic_narrow_bin,
            "level_bin": _logistic_level_bin,
            "no_ends": _logistic_no_ends,
            "ends_swapped": _logistic_ends_swapped,
            "log2": _logistic_log2,
            "sign": _logistic_sign,
            "cdf": _logistic_cdf,
            "normal": _logistic_normal,
        },
        alternatives=[_logistic_plain, _logistic_clamped],
        differentiable=True,
    ),
]
