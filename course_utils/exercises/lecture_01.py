"""Exercises of lecture 01: likelihood, maximum likelihood, mixtures, Monte Carlo, importance sampling."""

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


def monte_carlo(f, samples):
    """Estimate of E[f(X)] and its standard error, from independent samples of X, shape (n, ...)."""
    values = f(samples)  # (n,)
    estimate = values.mean()
    standard_error = values.std() / len(values) ** 0.5
    return estimate, standard_error


def _square(x):
    return x**2


def _is_large(x):
    return (x > 0.5) * 1.0


def _in_quarter_circle(x):
    return (x[:, 0] ** 2 + x[:, 1] ** 2 < 1) * 4.0


@EXERCISES.declare(monte_carlo)
class _:
    def cases():
        generator = torch.Generator().manual_seed(3)
        return [
            (_square, 1.0 + torch.randn(400, generator=generator, dtype=torch.float64)),
            (_is_large, torch.rand(300, generator=generator)),
            (_square, torch.tensor([3.0, 1.0, 1.0, 4.0])),
            (_in_quarter_circle, torch.rand(1_000, 2, generator=generator)),
        ]

    class mistakes:
        def sd(f, samples):
            values = f(samples)
            return values.mean(), values.std()

        def over_n(f, samples):
            values = f(samples)
            return values.mean(), values.std() / len(values)

        def variance_over_n(f, samples):
            values = f(samples)
            return values.mean(), values.var() / len(values)

        def f_of_mean(f, samples):
            values = f(samples)
            return f(samples.mean(dim=0, keepdim=True))[0], values.std() / len(values) ** 0.5

        def sum(f, samples):
            values = f(samples)
            return values.sum(), values.std() / len(values) ** 0.5

        sd_of_samples = lambda f, samples: (f(samples).mean(), samples.std() / len(samples) ** 0.5)
        without_f = lambda f, samples: (samples.mean(), samples.std() / len(samples) ** 0.5)

        def swapped(f, samples):
            estimate, standard_error = monte_carlo(f, samples)
            return standard_error, estimate

    class accept:
        def divides_by_n(f, samples):
            values = f(samples)
            return values.mean(), values.std(correction=0) / len(values) ** 0.5

    class alternatives:
        def loop(f, samples):
            total = squares = 0.0
            for value in f(samples).tolist():
                total, squares = total + value, squares + value * value
            n = len(samples)
            return total / n, math.sqrt((squares / n - (total / n) ** 2) / n)

        def numpy(f, samples):
            values = np.asarray(f(samples))
            return np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))

        def stacked(f, points):
            y = f(points)
            return torch.stack([y.mean(), torch.sqrt(y.var() / y.numel())])


def importance_estimate(f, samples, log_p, log_q):
    """Estimate of E_p[f(X)] from samples of q, shape (n,); log_p and log_q are the two log-densities in nats."""
    w = (log_p(samples) - log_q(samples)).exp()  # (n,)
    return (w * f(samples)).mean()


def _log_normal(mu, sigma):
    def log_density(x):
        return -0.5 * ((x - mu) / sigma) ** 2 - math.log(sigma * math.sqrt(2 * math.pi))

    return log_density


@EXERCISES.declare(importance_estimate)
class _:
    def cases():
        z = torch.randn(500, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
        return [
            (_is_large, 1.0 + z, _log_normal(0.0, 1.0), _log_normal(1.0, 1.0)),
            (_square, 2.0 * z, _log_normal(0.0, 1.0), _log_normal(0.0, 2.0)),
            (_square, 0.5 + 1.5 * z[:60].float(), _log_normal(-0.4, 0.8), _log_normal(0.5, 1.5)),
        ]

    class mistakes:
        def inverted(f, samples, log_p, log_q):
            return ((log_q(samples) - log_p(samples)).exp() * f(samples)).mean()

        unweighted = lambda f, samples, log_p, log_q: f(samples).mean()

        def log_weights(f, samples, log_p, log_q):
            return ((log_p(samples) - log_q(samples)) * f(samples)).mean()

        def ratio_of_logs(f, samples, log_p, log_q):
            return (log_p(samples) / log_q(samples) * f(samples)).mean()

        def self_normalised(f, samples, log_p, log_q):
            w = (log_p(samples) - log_q(samples)).exp()
            return (w * f(samples)).sum() / w.sum()

        only_p = lambda f, samples, log_p, log_q: (log_p(samples).exp() * f(samples)).mean()

        def separate_means(f, samples, log_p, log_q):
            return (log_p(samples) - log_q(samples)).exp().mean() * f(samples).mean()

        def sum(f, samples, log_p, log_q):
            return ((log_p(samples) - log_q(samples)).exp() * f(samples)).sum()

    class alternatives:
        def loop(f, samples, log_p, log_q):
            columns = (g(samples).tolist() for g in (f, log_p, log_q))
            return sum(v * math.exp(a - b) for v, a, b in zip(*columns)) / len(samples)

        def numpy(f, samples, log_p, log_q):
            weights = np.exp(np.asarray(log_p(samples))) / np.exp(np.asarray(log_q(samples)))
            return np.mean(weights * np.asarray(f(samples)))
