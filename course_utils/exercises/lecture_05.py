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
