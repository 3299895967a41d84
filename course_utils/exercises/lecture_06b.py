"""Exercise of lecture 06b, the VAE deeper: the reference, cases, and the answers that students really give."""

import torch

from .declare import Declarations

EXERCISES = Declarations()


def quantise(h, codebook):
    """Each vector's nearest one of the codebook, with the gradient of h itself: h (n, dim), codebook (codes, dim) -> (n, dim)."""
    nearest = codebook[torch.cdist(h, codebook).argmin(1)]
    return h + (nearest - h).detach()


def _nearest(h, codebook):
    return codebook[torch.cdist(h, codebook).argmin(1)]


@EXERCISES.declare(quantise, differentiable=True)
class _:
    def cases():
        generator = torch.Generator().manual_seed(6)

        def case(n, codes, dim):
            h = torch.randn(n, dim, generator=generator)
            return h, torch.randn(codes, dim, generator=generator)

        far = torch.tensor([[0.2, 0.1], [4.0, 4.5]]), torch.tensor([[9.0, 9.0], [0.0, 0.0]])
        return [case(5, 4, 3), case(1, 6, 2), case(8, 3, 1), case(3, 8, 4), far]

    class mistakes:
        no_gradient = lambda h, codebook: _nearest(h, codebook).detach()
        to_the_codebook = lambda h, codebook: _nearest(h, codebook)
        to_both = lambda h, codebook: _nearest(h, codebook) + h - h.detach()
        unchanged = lambda h, codebook: h
        farthest = lambda h, codebook: (
            h + (codebook[torch.cdist(h, codebook).argmax(1)] - h).detach()
        )
        similar = lambda h, codebook: h + (codebook[(h @ codebook.T).argmax(1)] - h).detach()
        which = lambda h, codebook: torch.cdist(h, codebook).argmin(1)

    class alternatives:
        def squares(h, codebook):
            distance = (h[:, None] - codebook).square().sum(2)
            return h - h.detach() + codebook.detach()[distance.argmin(1)]

        def one_hot(h, codebook):
            chosen = torch.nn.functional.one_hot(torch.cdist(h, codebook).argmin(1), len(codebook))
            return h + (chosen.to(h.dtype) @ codebook - h).detach()
