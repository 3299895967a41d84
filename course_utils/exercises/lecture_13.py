"""Exercises of lecture 13, a language model on a laptop: references, cases, and the answers that students really give."""

import math

import torch

from .declare import Declarations, normal

EXERCISES = Declarations()


def quantize(x, block, bits=4):
    """Numbers as small whole numbers, with a scale and a lowest value for each block of neighbours (llama.cpp's Q4_1 for 4 bits).

    x: (..., n), n a multiple of block.  Returns codes: (..., n / block, block), 0 ... 2**bits - 1; scale and low: (..., n / block, 1).
    """
    parts = x.unflatten(-1, (-1, block))
    low, high = parts.amin(-1, keepdim=True), parts.amax(-1, keepdim=True)
    scale = (high - low) / (2**bits - 1)  # 0 where a block is constant: then any code will do
    codes = ((parts - low) / scale).round().to(torch.uint8)
    return codes, scale, low


def _quantized(x, block, bits=4, steps=-1, dim=-1, cut=torch.round, parts=None):
    """The reference with one thing changed."""
    parts = x.unflatten(-1, (-1, block)) if parts is None else parts
    low, high = parts.amin(dim, keepdim=True), parts.amax(dim, keepdim=True)
    scale = (high - low) / (2**bits + steps)
    each = torch.zeros_like(parts[..., :1])
    return cut((parts - low) / scale), scale + each, low + each


def _blocks(x, block, bits=4):
    return quantize(x, block, bits)


@EXERCISES.declare(quantize)
class _:
    def cases():
        outlier = normal(2, 16, seed=3)
        outlier[0, 5] = 40.0
        return [
            (torch.tensor([0.0, 1.0, 2.0, 3.0, 10.0, 13.0, 19.0, 25.0]), 4),
            (normal(3, 12, seed=1), 4),
            (5 + normal(2, 3, 8, seed=2), 8, 8),
            (outlier, 8),
            (normal(4, 6, seed=4), 3, 2),
        ]

    class mistakes:
        one_scale = lambda x, block, bits=4: _quantized(x, block, bits, dim=tuple(range(x.dim() + 1)))  # fmt: skip
        a_scale_a_row = lambda x, block, bits=4: _quantized(x, block, bits, dim=(-2, -1))
        rounded_down = lambda x, block, bits=4: _quantized(x, block, bits, cut=torch.floor)
        not_rounded = lambda x, block, bits=4: _quantized(x, block, bits, cut=torch.clone)
        one_step_too_many = lambda x, block, bits=4: _quantized(x, block, bits, steps=0)
        always_four_bits = lambda x, block, bits=4: quantize(x, block)

        def scattered(x, block, bits=4):
            return _quantized(x, block, bits, parts=x.unflatten(-1, (block, -1)).transpose(-2, -1))

        def range_not_step(x, block, bits=4):
            codes, scale, low = _blocks(x, block, bits)
            return codes, scale * (2**bits - 1), low

        def symmetric(x, block, bits=4):  # Q4_0
            parts = x.unflatten(-1, (-1, block))
            scale = parts.abs().amax(-1, keepdim=True) / (2 ** (bits - 1) - 1)
            return (parts / scale).round(), scale, torch.zeros_like(scale)

        def low_stays_in(x, block, bits=4):
            _, scale, low = _blocks(x, block, bits)
            return (x.unflatten(-1, (-1, block)) / scale).round(), scale, low

        def from_the_top(x, block, bits=4):
            codes, scale, low = _blocks(x, block, bits)
            return codes, scale, low + (2**bits - 1) * scale

    class alternatives:
        def reshape(x, block, bits=4):
            parts = x.reshape(*x.shape[:-1], x.shape[-1] // block, block)
            low = parts.min(-1, keepdim=True).values
            step = (parts.max(-1, keepdim=True).values - low) / (2**bits - 1)
            return torch.floor((parts - low) / step + 0.5), step, low


def dequantize_blocks(codes, scale, low):
    """What quantize() made, back as numbers: off by half a scale at most.

    codes: (..., blocks, block); scale, low: (..., blocks, 1).  Returns (..., blocks * block).
    """
    return (codes * scale + low).flatten(-2)


@EXERCISES.declare(dequantize_blocks)
class _:
    def cases():
        shapes = [(8, 4), (3, 12, 4), (2, 3, 8, 8), (2, 3, 6, 2)]
        return [quantize(normal(*shape, seed=s), block) for s, (*shape, block) in enumerate(shapes)]

    class mistakes:
        no_low = lambda codes, scale, low: (codes * scale).flatten(-2)
        low_scaled = lambda codes, scale, low: ((codes + low) * scale).flatten(-2)
        low_taken_away = lambda codes, scale, low: (codes * scale - low).flatten(-2)
        divided = lambda codes, scale, low: (codes / scale + low).flatten(-2)
        still_blocks = lambda codes, scale, low: codes * scale + low
        all_in_one = lambda codes, scale, low: (codes * scale + low).flatten()
        scattered = lambda codes, scale, low: (codes * scale + low).transpose(-2, -1).flatten(-2)
        first_block = lambda codes, scale, low: (codes * scale[..., :1, :] + low[..., :1, :]).flatten(-2)  # fmt: skip

    class alternatives:
        reshape = lambda codes, scale, low: torch.addcmul(low, codes.float(), scale).reshape(*codes.shape[:-2], -1)  # fmt: skip


def mask_logits(logits, allowed):
    """Logits with which only the tokens of a list can be chosen; these keep their logits, all others get -inf.

    logits: (..., vocab).  allowed: list of numbers of tokens, at least one.  Returns (..., vocab), a new tensor.
    """
    masked = torch.full_like(logits, -math.inf)
    masked[..., allowed] = logits[..., allowed]
    return masked


def _shut(logits, allowed, value=-math.inf, shut=torch.logical_not):
    """The reference with one thing changed."""
    may = torch.zeros(logits.shape[-1], dtype=torch.bool)
    may[allowed] = True
    return logits.masked_fill(shut(may), value)


@EXERCISES.declare(mask_logits)
class _:
    def cases():
        return [
            (normal(9, seed=1), [2, 5, 7]),
            (normal(3, 9, seed=2) - 4, [0, 8]),  # all below 0
            (normal(2, 3, 7, seed=3) + 9, [4]),  # all above 0
            (normal(6, seed=4), [5, 0, 1, 2, 4, 3]),
        ]

    class mistakes:
        the_others = lambda logits, allowed: _shut(logits, allowed, shut=torch.clone)
        zero = lambda logits, allowed: _shut(logits, allowed, 0.0)
        smallest = lambda logits, allowed: _shut(logits, allowed, logits.min())
        plus_infinity = lambda logits, allowed: _shut(logits, allowed, math.inf)
        only_allowed = lambda logits, allowed: logits[..., allowed]
        first_allowed = lambda logits, allowed: _shut(logits, allowed[:1])
        probabilities = lambda logits, allowed: mask_logits(logits, allowed).softmax(-1)
        masked_probabilities = lambda logits, allowed: logits.softmax(-1).masked_fill(mask_logits(logits, allowed).isinf(), 0)  # fmt: skip
        log_probabilities = lambda logits, allowed: mask_logits(logits, allowed).log_softmax(-1)
        allowed_level = lambda logits, allowed: _shut(0 * logits, allowed)

    class alternatives:
        added = lambda logits, allowed: logits + mask_logits(0 * logits, allowed)
        filled = lambda logits, allowed: _shut(logits, allowed)

        def listed(logits, allowed):
            places = torch.arange(logits.shape[-1])
            return torch.where(torch.isin(places, torch.tensor(allowed)), logits, -float("inf"))
