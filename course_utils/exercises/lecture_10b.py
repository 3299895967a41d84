"""Exercises of lecture 10b, diffusion deeper: the references, cases, and the answers that students really give."""

import torch

from .declare import Declarations, normal

EXERCISES = Declarations()


def optimal_denoiser(x_t, images, t):
    """The mean of the images that x_t = (1 - t) image + t noise may come from: x_t (n, d), images (N, d), 0 < t <= 1 -> (n, d)."""
    squares = torch.cdist(x_t, (1 - t) * images) ** 2  # (n, N)
    weights = torch.softmax(-squares / (2 * t**2), dim=1)
    return weights @ images


def absorbing_bound(nats, hidden):
    """Estimate of the bound on -ln p(x) of each image: nats (n, d), what each pixel costs; hidden (n, d), True where it was hidden -> (n,)."""
    share = hidden.float().mean(1)  # (n,) of the pixels
    return (nats * hidden).sum(1) / share


def _weights(x_t, images, t, power=2, shrink=True, half=2, dim=1, sign=-1):
    """The weights, or with one part of them changed."""
    distance = torch.cdist(x_t, (1 - t) * images if shrink else images)
    return torch.softmax(sign * distance**power / (half * t**2), dim=dim)


@EXERCISES.declare(optimal_denoiser)
class _:
    def cases():
        generator = torch.Generator().manual_seed(10)

        def case(n, images, d, t):
            pictures = torch.rand(images, d, generator=generator) * 2 - 1
            noise = torch.randn(n, d, generator=generator)
            return (1 - t) * pictures[torch.arange(n) % images] + t * noise, pictures, t

        small = [case(4, 6, 3, 0.5), case(3, 5, 2, 0.8), case(2, 9, 4, 0.3), case(5, 4, 2, 1.0)]
        return [*small, case(2, 5, 784, 0.05)]  # densities far below the smallest float

    at_size = lambda: (normal(100, 784), normal(5_000, 784, seed=1), 0.5)  # of 55,000 images

    class mistakes:
        def underflow(x_t, images, t):
            weights = torch.exp(-(torch.cdist(x_t, (1 - t) * images) ** 2) / (2 * t**2))
            return weights @ images / weights.sum(1, keepdim=True)

        standard_deviation = lambda x_t, images, t: (
            torch.softmax(-(torch.cdist(x_t, (1 - t) * images) ** 2) / (2 * t), 1) @ images
        )
        no_half = lambda x_t, images, t: _weights(x_t, images, t, half=1) @ images
        not_squared = lambda x_t, images, t: _weights(x_t, images, t, power=1) @ images
        not_shrunk = lambda x_t, images, t: _weights(x_t, images, t, shrink=False) @ images
        other_dimension = lambda x_t, images, t: _weights(x_t, images, t, dim=0) @ images
        farthest = lambda x_t, images, t: _weights(x_t, images, t, sign=1) @ images
        nearest = lambda x_t, images, t: images[torch.cdist(x_t, (1 - t) * images).argmin(1)]
        still_shrunk = lambda x_t, images, t: (1 - t) * _weights(x_t, images, t) @ images
        the_weights = lambda x_t, images, t: _weights(x_t, images, t)

    class alternatives:
        def expanded(x_t, images, t):
            scale = (1 - t) / t**2
            logits = scale * x_t @ images.T - (1 - t) * scale * images.square().sum(1) / 2
            return logits.softmax(1) @ images

        def loop(x_t, images, t):
            rows = []
            for x in x_t:
                w = torch.softmax(-((x - (1 - t) * images) ** 2).sum(1) / (2 * t**2), dim=0)
                rows.append((w[:, None] * images).sum(0))
            return torch.stack(rows)


@EXERCISES.declare(absorbing_bound, differentiable=("nats",))
class _:
    def cases():
        generator = torch.Generator().manual_seed(11)

        def case(n, d):
            nats = torch.rand(n, d, generator=generator)
            hidden = torch.rand(n, d, generator=generator) < 0.5
            hidden[:, 0] = True  # at least one pixel is hidden
            return nats, hidden

        every = torch.tensor([[0.2, 0.7, 1.1]]), torch.ones(1, 3, dtype=torch.bool)
        one = torch.tensor([[0.2, 0.7], [0.4, 0.1]]), torch.tensor([[False, True], [True, True]])
        return [case(4, 6), case(3, 9), case(2, 16), every, one]

    class mistakes:
        no_weight = lambda nats, hidden: (nats * hidden).sum(1)
        mean_of_hidden = lambda nats, hidden: (nats * hidden).sum(1) / hidden.sum(1)
        seen_pixels_too = lambda nats, hidden: nats.shape[1] / hidden.sum(1) * nats.sum(1)
        number_of_seen = lambda nats, hidden: (
            nats.shape[1] / (~hidden).sum(1).clamp(min=1) * (nats * hidden).sum(1)
        )
        upside_down = lambda nats, hidden: hidden.sum(1) / nats.shape[1] * (nats * hidden).sum(1)
        seen_instead = lambda nats, hidden: nats.shape[1] / hidden.sum(1) * (nats * ~hidden).sum(1)
        over_the_batch = lambda nats, hidden: absorbing_bound(nats, hidden).mean()
        one_weight = lambda nats, hidden: nats.numel() / hidden.sum() * (nats * hidden).sum(1)

    class alternatives:
        def mean(nats, hidden):
            return nats.shape[1] * torch.stack([row[h].mean() for row, h in zip(nats, hidden)])

        def where(nats, hidden):
            count = hidden.sum(1)
            return (
                hidden.shape[1] / count * torch.where(hidden, nats, torch.zeros_like(nats)).sum(1)
            )
