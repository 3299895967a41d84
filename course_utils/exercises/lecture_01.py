"""Exercises of lecture 01: likelihood, maximum likelihood, a derivation, mixtures."""

import math

import numpy as np
import torch

from .declare import Declarations

EXERCISES = Declarations()


def bernoulli_log_likelihood(x, p):
    """Log-likelihood in nats of p, a number in (0, 1), for independent tosses x, shape (n,), zeros and ones."""
    return (x * math.log(p) + (1 - x) * math.log(1 - p)).sum()


def _tosses(n, p, seed):
    return (torch.rand(n, generator=torch.Generator().manual_seed(seed)) < p).float()


@EXERCISES.declare(bernoulli_log_likelihood)
class _:
    def cases():
        return [
            (torch.tensor([1.0, 1.0, 0.0]), 0.7),
            (torch.tensor([0.0]), 0.2),
            (torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0], dtype=torch.float64), 0.35),
            (_tosses(5_000, 0.3, seed=1), 0.31),
        ]

    class mistakes:
        mean = lambda x, p: bernoulli_log_likelihood(x, p) / len(x)

        def product(x, p):  # of 5,000 factors it is 0
            return torch.log(torch.where(x == 1, p, 1 - p).prod())

        no_log = lambda x, p: torch.where(x == 1, p, 1 - p).prod()
        bits = lambda x, p: bernoulli_log_likelihood(x, p) / math.log(2)
        sign = lambda x, p: -bernoulli_log_likelihood(x, p)
        mean_sign = lambda x, p: -bernoulli_log_likelihood(x, p) / len(x)
        heads_only = lambda x, p: (x * math.log(p)).sum()
        swapped = lambda x, p: bernoulli_log_likelihood(1 - x, p)
        no_sum = lambda x, p: x * math.log(p) + (1 - x) * math.log(1 - p)

        def binomial(x, p):  # counts the orders too
            return bernoulli_log_likelihood(x, p) + math.log(math.comb(len(x), int(x.sum())))

    class alternatives:
        def loop(x, p):
            total = 0.0
            for toss in x.tolist():
                total += math.log(p if toss else 1 - p)
            return total

        def counts(tosses, probability):
            heads = tosses.sum()
            return heads * np.log(probability) + (len(tosses) - heads) * np.log1p(-probability)

        distribution = lambda x, p: (
            torch.distributions.Bernoulli(torch.as_tensor(p)).log_prob(x).sum()
        )
        numpy = lambda x, p: np.sum(np.log(np.where(np.asarray(x) == 1, p, 1 - p)))


def gaussian_mle(x):
    """Maximum-likelihood (mean, variance) of a Gaussian for the points x, shape (n,)."""
    mean = x.mean()
    variance = ((x - mean) ** 2).mean()
    return mean, variance


@EXERCISES.declare(gaussian_mle)
class _:
    def cases():
        generator = torch.Generator().manual_seed(2)
        return [
            (torch.tensor([1.0, 2.0, 6.0]),),
            (torch.tensor([-3.0, 5.0], dtype=torch.float64),),
            (torch.tensor([1.0, 1.0, 5.0, 1.0]),),
            (torch.tensor([4.0]),),
            (2.0 + 3.0 * torch.randn(40, generator=generator),),
        ]

    class mistakes:
        unbiased = lambda x: (x.mean(), x.var())

        def sd(x):
            mean, variance = gaussian_mle(x)
            return mean, variance**0.5

        unbiased_sd = lambda x: (x.mean(), x.std())

        def swapped(x):
            mean, variance = gaussian_mle(x)
            return variance, mean

        not_centred = lambda x: (x.mean(), (x**2).mean())

        def sum(x):
            mean = x.mean()
            return mean, ((x - mean) ** 2).sum()

        def absolute(x):
            mean = x.mean()
            return mean, (x - mean).abs().mean()

        def median(x):
            middle = torch.quantile(x, 0.5)
            return middle, ((x - middle) ** 2).mean()

    class alternatives:
        def moments(values):
            mean = values.sum() / len(values)
            return mean, (values**2).sum() / len(values) - mean**2

        def loop(x):
            mean, total = sum(x.tolist()) / len(x), 0.0
            for value in x.tolist():
                total += (value - mean) ** 2
            return mean, total / len(x)

        numpy = lambda x: (np.mean(np.asarray(x)), np.var(np.asarray(x)))
        stacked = lambda x: torch.stack([x.mean(), x.var(correction=0)])


def pareto_mle(x):
    """Maximum-likelihood estimate of alpha for the density alpha x^(-alpha - 1), x >= 1, from the points x, shape (n,)."""
    return len(x) / x.log().sum()


@EXERCISES.declare(pareto_mle)
class _:
    def cases():
        uniform = torch.rand(300, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
        return [
            (torch.tensor([1.5, 1.5, 3.0, 1.5]),),
            (torch.tensor([1.5, 2.0, 7.0]),),
            (torch.tensor([4.0], dtype=torch.float64),),
            (torch.tensor([2.0, 2.0, 5.0]),),
            ((1 - uniform) ** (-1 / 0.8),),
        ]

    class mistakes:
        inverted = lambda x: x.log().mean()
        sign = lambda x: -len(x) / x.log().sum()
        log_of_mean = lambda x: 1 / x.mean().log()
        no_n = lambda x: 1 / x.log().sum()
        minus_one = lambda x: len(x) / x.log().sum() - 1
        plus_one = lambda x: len(x) / x.log().sum() + 1
        unbiased = lambda x: (len(x) - 1) / x.log().sum()
        mean_matched = lambda x: x.mean() / (x.mean() - 1)
        base = lambda x: len(x) / x.log2().sum()

    class alternatives:
        mean = lambda x: 1 / torch.log(x).mean()
        loop = lambda x: len(x) / sum(math.log(value) for value in x.tolist())
        numpy = lambda points: 1 / np.mean(np.log(np.asarray(points)))


def mixture_log_prob(x, logits, mu, sigma):
    """Log-density in nats of each x, shape (n,), under k Gaussians: logits, mu, sigma, shape (k,) each."""
    log_weights = torch.log_softmax(logits, dim=0)
    z = (x[:, None] - mu) / sigma  # (n, k)
    log_normal = -0.5 * z**2 - torch.log(sigma) - 0.5 * math.log(2 * math.pi)
    return torch.logsumexp(log_weights + log_normal, dim=1)


def _log_normals(x, mu, sigma):
    z = (x[:, None] - mu) / sigma
    return -0.5 * z**2 - torch.log(sigma) - 0.5 * math.log(2 * math.pi)


@EXERCISES.declare(mixture_log_prob, differentiable=("logits", "mu", "sigma"))
class _:
    def cases():
        t = torch.tensor
        return [
            (t([0.0, 1.0, -2.0]), t([0.4, -0.7]), t([-1.0, 2.0]), t([0.5, 1.5])),
            (t([0.3]), t([1.0, 2.0, 0.5]), t([0.0, 1.0, -1.0]), t([2.0, 0.3, 1.2])),
            (t([60.0, -80.0, 0.5]), t([0.0, 1.0]), t([0.0, 1.0]), t([1.0, 0.7])),
        ]

    class mistakes:
        no_weights = lambda x, logits, mu, sigma: torch.logsumexp(_log_normals(x, mu, sigma), dim=1)

        def raw_logits(x, logits, mu, sigma):
            return torch.logsumexp(logits + _log_normals(x, mu, sigma), dim=1)

        def softmax_unlogged(x, logits, mu, sigma):
            return torch.logsumexp(torch.softmax(logits, dim=0) + _log_normals(x, mu, sigma), dim=1)

        def average_of_logs(x, logits, mu, sigma):
            return (torch.softmax(logits, dim=0) * _log_normals(x, mu, sigma)).sum(dim=1)

        def product(x, logits, mu, sigma):
            return (torch.log_softmax(logits, dim=0) + _log_normals(x, mu, sigma)).sum(dim=1)

        def underflow(x, logits, mu, sigma):
            weights = torch.softmax(logits, dim=0)
            return torch.log((weights * torch.exp(_log_normals(x, mu, sigma))).sum(dim=1))

        variance = lambda x, logits, mu, sigma: mixture_log_prob(x, logits, mu, sigma**0.5)

        def no_sigma(x, logits, mu, sigma):
            z = (x[:, None] - mu) / sigma
            return torch.logsumexp(torch.log_softmax(logits, dim=0) - 0.5 * z**2, dim=1)

        total = lambda x, logits, mu, sigma: mixture_log_prob(x, logits, mu, sigma).sum()

    class alternatives:
        def distributions(x, logits, mu, sigma):
            D = torch.distributions
            parts = D.Normal(mu, sigma)
            return D.MixtureSameFamily(D.Categorical(logits=logits), parts).log_prob(x)

        def loop(x, logits, mu, sigma):
            total = torch.logsumexp(logits, 0)
            rows = []
            for j in range(len(mu)):
                log_weight = logits[j] - total
                rows.append(log_weight + torch.distributions.Normal(mu[j], sigma[j]).log_prob(x))
            result = rows[0]
            for row in rows[1:]:
                result = torch.logaddexp(result, row)
            return result
