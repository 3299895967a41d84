"""Exercises of lecture 01b: Monte Carlo, importance sampling, the E-step of EM."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from .declare import Declarations

EXERCISES = Declarations()


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


def _toy(K, n, seed):
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(n, K, generator=generator, dtype=torch.float64)


def responsibilities(log_joint):
    """p(z = j | x_i) for each point, from log p(x_i, z = j) in nats: shapes (n, K) -> (n, K)."""
    return (log_joint - torch.logsumexp(log_joint, dim=1, keepdim=True)).exp()


@EXERCISES.declare(responsibilities)
class _:
    def cases():
        return [
            (_toy(2, 3, seed=1),),
            (_toy(4, 4, seed=2).float(),),
            (_toy(3, 5, seed=3) - 2_000,),  # densities far below the smallest float
        ]

    at_size = lambda: (_toy(3, 100_000, seed=4),)  # of the 30 million rows of the 500 starts

    class mistakes:
        def underflow(log_joint):
            joint = log_joint.exp()
            return joint / joint.sum(dim=1, keepdim=True)

        over_points = lambda log_joint: torch.softmax(log_joint, dim=0)
        not_normalised = lambda log_joint: log_joint.exp()
        logs = lambda log_joint: torch.log_softmax(log_joint, dim=1)
        hard = lambda log_joint: F.one_hot(log_joint.argmax(1), log_joint.shape[1]).to(log_joint)
        ratio_of_logs = lambda log_joint: log_joint / log_joint.sum(dim=1, keepdim=True)
        evidence = lambda log_joint: torch.logsumexp(log_joint, dim=1)

    class alternatives:
        softmax = lambda log_joint: torch.softmax(log_joint, dim=1)

        def numpy(log_joint):
            table = np.asarray(log_joint)
            weights = np.exp(table - table.max(axis=1, keepdims=True))
            return weights / weights.sum(axis=1, keepdims=True)

        def loop(table):
            rows = [[math.exp(v - max(row)) for v in row] for row in table.tolist()]
            return [[v / sum(row) for v in row] for row in rows]
