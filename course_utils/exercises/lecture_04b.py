"""Exercises of lecture 04b, recurrent networks deeper: references, cases, and the answers that students really give."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from .declare import Declarations

EXERCISES = Declarations()


def last_state(h, lengths):
    """The state after the last letter of each row, (batch, width).  h: (batch, time, width), lengths: (batch,), each at least 1."""
    return h[torch.arange(len(h)), lengths - 1]


@EXERCISES.declare(last_state, differentiable=True)
class _:
    def cases():
        generator = torch.Generator().manual_seed(4)

        def case(*lengths, time, width):
            h = torch.randn(len(lengths), time, width, generator=generator)
            return h, torch.tensor(lengths)

        return [
            case(3, 1, 4, time=5, width=2),
            case(2, 6, time=6, width=4),
            case(1, time=3, width=3),
            case(4, 4, 4, 2, time=4, width=1),
            case(5, 2, time=7, width=5),
        ]

    class mistakes:
        last_column = lambda h, lengths: h[:, -1]
        one_too_far = lambda h, lengths: h[torch.arange(len(h)), lengths.clamp(max=h.shape[1] - 1)]
        first = lambda h, lengths: h[:, 0]
        mean = lambda h, lengths: h.mean(1)
        all_pairs = lambda h, lengths: h[:, lengths - 1]

        def letters_before(h, lengths):
            return h[torch.arange(len(h)), (lengths - 2).clamp(min=0)]

    class alternatives:
        def gather(h, lengths):
            index = (lengths - 1)[:, None, None].expand(-1, 1, h.shape[2])
            return h.gather(1, index).squeeze(1)

        def mask(h, lengths):
            here = torch.arange(h.shape[1]) == lengths[:, None] - 1
            return (h * here[:, :, None]).sum(1)

        def loop(h, lengths):
            return torch.stack(
                [row[int(n) - 1] for row, n in zip(h, np.asarray(lengths), strict=True)]
            )


def bits_if_held(logits, y, says, column, value):
    """Bits that each next character costs more when one unit is held at ``value`` in what the output layer reads: (characters,).

    logits: as they are, (characters, symbols).  y: which symbol came, (characters,).  says: the unit's value at each of them,
    (characters,).  column: what a unit that says 1 adds to each logit, (symbols,).
    """
    held = logits + (value - says)[:, None] * column
    more = F.cross_entropy(held, y, reduction="none") - F.cross_entropy(logits, y, reduction="none")
    return more / math.log(2)


@EXERCISES.declare(bits_if_held)
class _:
    def cases():
        generator = torch.Generator().manual_seed(7)

        def case(characters, symbols, value):
            logits = 2 * torch.randn(characters, symbols, generator=generator)
            y = torch.randint(symbols, (characters,), generator=generator)
            says = 2 * torch.rand(characters, generator=generator) - 1
            return logits, y, says, torch.randn(symbols, generator=generator), value

        return [case(6, 4, 0.3), case(9, 5, -0.8), case(1, 3, 0.5), case(4, 4, 0.25)]

    class mistakes:
        nats = lambda *given: bits_if_held(*given) * math.log(2)
        turned = lambda *given: -bits_if_held(*given)
        averaged = lambda *given: bits_if_held(*given).mean()
        size_only = lambda *given: bits_if_held(*given).abs()

        def at_zero(logits, y, says, column, value):
            return bits_if_held(logits, y, says, column, 0)

        def pushed(logits, y, says, column, value):
            return bits_if_held(logits, y, 0, column, torch.full_like(says, value))

        def wrong_way(logits, y, says, column, value):
            return bits_if_held(logits, y, -says, column, -value)

        def not_a_difference(logits, y, says, column, value):
            held = logits + (value - says)[:, None] * column
            return F.cross_entropy(held, y, reduction="none") / math.log(2)

    class alternatives:
        def by_probabilities(logits, y, says, column, value):
            held = logits - torch.outer(says, column) + value * column
            p = torch.stack([torch.softmax(z, 1)[torch.arange(len(y)), y] for z in (logits, held)])
            return torch.log2(p[0] / p[1])

        def loop(logits, y, says, column, value):
            more = []
            for z, symbol, said in zip(logits, y, says, strict=True):
                log_p = [torch.log_softmax(z + d * column, 0)[symbol] for d in (0, value - said)]
                more.append(float(log_p[0] - log_p[1]) / math.log(2))
            return np.array(more)
