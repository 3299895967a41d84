"""Exercise of lecture 04b, recurrent networks deeper: the reference, cases, and the answers that students really give."""

import numpy as np
import torch

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
