"""Exercises of lecture 08, metrics of images: references, cases, and the answers that students really give."""

import numpy as np
import torch
from torch.special import entr

from .declare import Declarations, normal

EXERCISES = Declarations()


def frechet_distance(mu1, cov1, mu2, cov2):
    """|mu1 - mu2|^2 + tr(cov1 + cov2 - 2 (cov1 cov2)^(1/2)): Frechet distance of two Gaussians (Dowson & Landau 1982).

    mu1, mu2: (d,).  cov1, cov2: (d, d), symmetric, no negative eigenvalue.  Returns a scalar >= 0.
    """
    eigenvalues = torch.linalg.eigvals(cov1 @ cov2).real.clamp(min=0)  # >= 0 but for rounding
    overlap = eigenvalues.sqrt().sum()  # the trace of the root is the sum of the eigenvalues' roots
    return (mu1 - mu2).square().sum() + cov1.trace() + cov2.trace() - 2 * overlap


def _covariance(d, seed, rank=None):
    draw = torch.Generator().manual_seed(seed)
    a = torch.randn(d, rank or d + 2, generator=draw, dtype=torch.float64)
    return a @ a.T / a.shape[1]


def _root(m):
    """Root of a symmetric matrix."""
    values, vectors = torch.linalg.eigh(m)
    return vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T


def _frechet(overlap):
    """The distance with 2 tr (cov1 cov2)^(1/2) replaced by overlap(cov1, cov2)."""
    return lambda mu1, cov1, mu2, cov2: (
        (mu1 - mu2).square().sum() + cov1.trace() + cov2.trace() - overlap(cov1, cov2)
    )


def _no_mean(mu1, cov1, mu2, cov2):
    return frechet_distance(torch.zeros_like(mu1), cov1, torch.zeros_like(mu2), cov2)


@EXERCISES.declare(frechet_distance)
class _:
    def cases():
        mu = [torch.randn(4, generator=torch.Generator().manual_seed(s)) for s in (1, 2)]
        tilted = torch.tensor([[2.0, 1.2], [1.2, 1.0]])
        cases = [
            (mu[0], _covariance(4, 3), mu[1], _covariance(4, 4)),
            (torch.zeros(2), tilted, torch.zeros(2), tilted.flip(0, 1)),
            (torch.ones(3), 4 * torch.eye(3), torch.zeros(3), torch.eye(3)),
            (mu[1], _covariance(4, 5), mu[0], _covariance(4, 6, rank=2)),
        ]
        return [tuple(tensor.double() for tensor in case) for case in cases]

    class mistakes:
        no_root = _frechet(lambda c1, c2: 2 * (c1 @ c2).trace())
        elementwise = _frechet(lambda c1, c2: 2 * (c1 @ c2).clamp(min=0).sqrt().trace())
        diagonal = _frechet(lambda c1, c2: 2 * (c1 * c2).diagonal().sqrt().sum())
        rooted = lambda *gaussians: frechet_distance(*gaussians).clamp(min=0).sqrt()
        no_mean = _no_mean

        def norm(mu1, cov1, mu2, cov2):
            return (mu1 - mu2).norm() + _no_mean(mu1, cov1, mu2, cov2)

        no_two = _frechet(
            lambda c1, c2: torch.linalg.eigvals(c1 @ c2).real.clamp(min=0).sqrt().sum()
        )
        means_only = lambda mu1, cov1, mu2, cov2: (mu1 - mu2).square().sum()
        root_of_trace = _frechet(lambda c1, c2: 2 * (c1 @ c2).trace().sqrt())

    class alternatives:
        symmetric = _frechet(lambda c1, c2: 2 * _root(_root(c1) @ c2 @ _root(c1)).trace())
        singular = _frechet(lambda c1, c2: 2 * torch.linalg.svdvals(_root(c1) @ _root(c2)).sum())


def inception_score(probs):
    """exp of the mean KL(p(y|x) || p(y)), p(y) the mean over all images (Salimans et al. 2016).

    probs: (images, classes), rows sum to 1.  Returns a scalar from 1 to the number of classes.
    """
    marginal = probs.mean(0, keepdim=True)  # (1, classes)
    kl = (torch.xlogy(probs, probs) - torch.xlogy(probs, marginal)).sum(1)  # (images,)
    return kl.mean().exp()


def _kl_rows(probs):
    marginal = probs.mean(0, keepdim=True)
    return (torch.xlogy(probs, probs) - torch.xlogy(probs, marginal)).sum(1)


@EXERCISES.declare(inception_score)
class _:
    def cases():
        draw = torch.Generator().manual_seed(7)
        return [
            (torch.softmax(2 * torch.randn(12, 5, generator=draw), 1),),
            (torch.eye(4),),
            (torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8]]),),
            (torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.0, 0.3, 0.7], [0.6, 0.4, 0.0]]),),
            (torch.softmax(torch.randn(20, 3, generator=draw), 1),),
        ]

    class mistakes:
        no_exp = lambda probs: _kl_rows(probs).mean()
        sign = lambda probs: (-_kl_rows(probs).mean()).exp()
        exp_first = lambda probs: _kl_rows(probs).exp().mean()
        base_two = lambda probs: 2 ** _kl_rows(probs).mean()
        summed = lambda probs: _kl_rows(probs).sum().exp()
        over_all = lambda probs: (_kl_rows(probs) / probs.shape[1]).mean().exp()

        def by_parts(probs):
            halves = probs.tensor_split(2)
            return torch.stack([_kl_rows(half).mean().exp() for half in halves]).mean()

        def reverse(probs):
            marginal = probs.mean(0, keepdim=True)
            safe = probs.clamp(min=1e-12)
            return (torch.xlogy(marginal, marginal) - marginal * safe.log()).sum(1).mean().exp()

        marginal_only = lambda probs: entr(probs.mean(0)).sum().exp()
        conditional_only = lambda probs: entr(probs).sum(1).mean().exp()

    class alternatives:
        def numpy(probs):
            probs = np.asarray(probs, dtype=np.float64)
            p_y = probs.mean(0)
            with np.errstate(all="ignore"):
                terms = np.where(probs > 0, probs * np.log(probs / p_y), 0.0)
            return np.exp(terms.sum(1).mean())

        entropies = lambda probs: (entr(probs.mean(0)).sum() - entr(probs).sum(1).mean()).exp()


def kernel_distance(x, y):
    """Squared maximum mean discrepancy with the kernel (a . b / d + 1)^3, without bias: KID (Binkowski et al. 2018).

    x: (m, d), y: (n, d), features of two sets.  Returns a scalar, about 0 for samples of one distribution; it can be negative.
    """
    kernel = lambda a, b: (a @ b.T / a.shape[1] + 1) ** 3
    m, n = len(x), len(y)
    xx, yy, xy = kernel(x, x), kernel(y, y), kernel(x, y)
    within_x = (xx.sum() - xx.trace()) / (m * (m - 1))  # no image with itself
    within_y = (yy.sum() - yy.trace()) / (n * (n - 1))
    return within_x + within_y - 2 * xy.mean()


def _kid(kernel=lambda a, b: (a @ b.T / a.shape[1] + 1) ** 3, biased=False, cross=2.0):
    """The distance with another kernel, with each image's product with itself, or another weight of the cross term."""

    def within(k):
        return k.mean() if biased else (k.sum() - k.trace()) / (len(k) * (len(k) - 1))

    return lambda x, y: within(kernel(x, x)) + within(kernel(y, y)) - cross * kernel(x, y).mean()


@EXERCISES.declare(kernel_distance)
class _:
    def cases():
        draw = torch.Generator().manual_seed(8)
        sets = [(6, 5, 4), (9, 7, 3), (4, 8, 6), (5, 5, 2)]
        return [
            tuple(torch.randn(k, d, generator=draw).double() + i for i, k in enumerate((m, n)))
            for m, n, d in sets
        ]

    at_size = lambda: (normal(300, 8, seed=1), normal(300, 8, seed=2))  # the lecture's: 2,000 rows

    class mistakes:
        biased = _kid(biased=True)
        no_two = _kid(cross=1.0)
        no_scale = _kid(lambda a, b: (a @ b.T + 1) ** 3)
        no_one = _kid(lambda a, b: (a @ b.T / a.shape[1]) ** 3)
        squared = _kid(lambda a, b: (a @ b.T / a.shape[1] + 1) ** 2)
        linear = _kid(lambda a, b: a @ b.T / a.shape[1] + 1)
        rooted = lambda x, y: kernel_distance(x, y).abs().sqrt()
        cross_only = lambda x, y: -2 * ((x @ y.T / x.shape[1] + 1) ** 3).mean()
        sign = lambda x, y: -kernel_distance(x, y)

        def diagonal_divided(x, y):
            kernel = lambda a, b: (a @ b.T / a.shape[1] + 1) ** 3
            without = lambda k: (k.sum() - k.trace()) / len(k) ** 2
            return without(kernel(x, x)) + without(kernel(y, y)) - 2 * kernel(x, y).mean()

    class alternatives:
        by_terms = _kid()

        def loops(x, y):
            k = lambda a, b: (float(a @ b) / len(a) + 1) ** 3
            inside = lambda z: [k(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j]
            mean = lambda values: sum(values) / len(values)
            return mean(inside(x)) + mean(inside(y)) - 2 * mean([k(a, b) for a in x for b in y])
