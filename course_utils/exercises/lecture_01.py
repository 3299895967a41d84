"""Exercises of lecture 01: likelihood, maximum likelihood, mixtures, Monte Carlo, importance sampling."""

import math

import numpy as np
import torch

from .engine import Exercise

# ------------------------------------------------------------------ bernoulli_log_likelihood(x, p)


def bernoulli_log_likelihood(x, p):
    """Log-likelihood in nats of p, a number in (0, 1), for independent tosses x, shape (n,), zeros and ones."""
    return (x * math.log(p) + (1 - x) * math.log(1 - p)).sum()


def _likelihood_mean(x, p):
    return bernoulli_log_likelihood(x, p) / len(x)


def _likelihood_product(x, p):
    return torch.log(torch.where(x == 1, p, 1 - p).prod())  # 5,000 factors: the product is 0


def _likelihood_without_log(x, p):
    return torch.where(x == 1, p, 1 - p).prod()


def _likelihood_bits(x, p):
    return bernoulli_log_likelihood(x, p) / math.log(2)


def _likelihood_sign(x, p):
    return -bernoulli_log_likelihood(x, p)


def _likelihood_mean_sign(x, p):
    return -bernoulli_log_likelihood(x, p) / len(x)


def _likelihood_heads_only(x, p):
    return (x * math.log(p)).sum()


def _likelihood_swapped(x, p):
    return bernoulli_log_likelihood(1 - x, p)


def _likelihood_one_by_one(x, p):
    return x * math.log(p) + (1 - x) * math.log(1 - p)


def _likelihood_loop(x, p):
    total = 0.0
    for toss in x.tolist():
        total += math.log(p if toss else 1 - p)
    return total


def _likelihood_counts(tosses, probability):
    heads = tosses.sum()
    return heads * np.log(probability) + (len(tosses) - heads) * np.log1p(-probability)


def _likelihood_torch(x, p):
    return torch.distributions.Bernoulli(torch.as_tensor(p)).log_prob(x).sum()


def _likelihood_numpy(x, p):
    return np.sum(np.log(np.where(np.asarray(x) == 1, p, 1 - p)))


def _tosses(n, p, seed):
    return (torch.rand(n, generator=torch.Generator().manual_seed(seed)) < p).float()


def _likelihood_cases():
    return [
        (torch.tensor([1.0, 1.0, 0.0]), 0.7),
        (torch.tensor([0.0]), 0.2),
        (torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0], dtype=torch.float64), 0.35),
        (_tosses(5_000, 0.3, seed=1), 0.31),
    ]


# ------------------------------------------------------------------ gaussian_mle(x)


def gaussian_mle(x):
    """Maximum-likelihood (mean, variance) of a Gaussian for the points x, shape (n,)."""
    mean = x.mean()
    variance = ((x - mean) ** 2).mean()
    return mean, variance


def _gaussian_unbiased(x):
    return x.mean(), x.var()


def _gaussian_sd(x):
    mean, variance = gaussian_mle(x)
    return mean, variance**0.5


def _gaussian_unbiased_sd(x):
    return x.mean(), x.std()


def _gaussian_swapped(x):
    mean, variance = gaussian_mle(x)
    return variance, mean


def _gaussian_not_centred(x):
    return x.mean(), (x**2).mean()


def _gaussian_sum(x):
    mean = x.mean()
    return mean, ((x - mean) ** 2).sum()


def _gaussian_absolute(x):
    mean = x.mean()
    return mean, (x - mean).abs().mean()


def _gaussian_median(x):
    middle = torch.quantile(x, 0.5)
    return middle, ((x - middle) ** 2).mean()


def _gaussian_moments(values):
    mean = values.sum() / len(values)
    return mean, (values**2).sum() / len(values) - mean**2


def _gaussian_loop(x):
    mean, total = sum(x.tolist()) / len(x), 0.0
    for value in x.tolist():
        total += (value - mean) ** 2
    return mean, total / len(x)


def _gaussian_numpy(x):
    return np.mean(np.asarray(x)), np.var(np.asarray(x))


def _gaussian_torch(x):
    return torch.stack([x.mean(), x.var(correction=0)])


def _gaussian_cases():
    generator = torch.Generator().manual_seed(2)
    return [
        (torch.tensor([1.0, 2.0, 6.0]),),
        (torch.tensor([-3.0, 5.0], dtype=torch.float64),),
        (2.0 + 3.0 * torch.randn(40, generator=generator),),
    ]


# ------------------------------------------------------------------ mixture_log_prob(x, logits, mu, sigma)


def mixture_log_prob(x, logits, mu, sigma):
    """Log-density in nats of each x, shape (n,), under k Gaussians: logits, mu, sigma, shape (k,) each."""
    log_weights = torch.log_softmax(logits, dim=0)
    z = (x[:, None] - mu) / sigma  # (n, k)
    log_normal = -0.5 * z**2 - torch.log(sigma) - 0.5 * math.log(2 * math.pi)
    return torch.logsumexp(log_weights + log_normal, dim=1)


def _log_normals(x, mu, sigma):
    z = (x[:, None] - mu) / sigma
    return -0.5 * z**2 - torch.log(sigma) - 0.5 * math.log(2 * math.pi)


def _mixture_no_weights(x, logits, mu, sigma):
    return torch.logsumexp(_log_normals(x, mu, sigma), dim=1)


def _mixture_raw_logits(x, logits, mu, sigma):
    return torch.logsumexp(logits + _log_normals(x, mu, sigma), dim=1)


def _mixture_softmax_unlogged(x, logits, mu, sigma):
    return torch.logsumexp(torch.softmax(logits, dim=0) + _log_normals(x, mu, sigma), dim=1)


def _mixture_average_of_logs(x, logits, mu, sigma):
    return (torch.softmax(logits, dim=0) * _log_normals(x, mu, sigma)).sum(dim=1)


def _mixture_product(x, logits, mu, sigma):
    return (torch.log_softmax(logits, dim=0) + _log_normals(x, mu, sigma)).sum(dim=1)


def _mixture_underflow(x, logits, mu, sigma):
    weights = torch.softmax(logits, dim=0)
    return torch.log((weights * torch.exp(_log_normals(x, mu, sigma))).sum(dim=1))


def _mixture_variance(x, logits, mu, sigma):
    return mixture_log_prob(x, logits, mu, sigma**0.5)


def _mixture_no_sigma(x, logits, mu, sigma):
    z = (x[:, None] - mu) / sigma
    return torch.logsumexp(torch.log_softmax(logits, dim=0) - 0.5 * z**2, dim=1)


def _mixture_total(x, logits, mu, sigma):
    return mixture_log_prob(x, logits, mu, sigma).sum()


def _mixture_distributions(x, logits, mu, sigma):
    D = torch.distributions
    parts = D.Normal(mu, sigma)
    return D.MixtureSameFamily(D.Categorical(logits=logits), parts).log_prob(x)


def _mixture_loop(x, logits, mu, sigma):
    total = torch.logsumexp(logits, 0)
    rows = []
    for j in range(len(mu)):
        log_weight = logits[j] - total
        rows.append(log_weight + torch.distributions.Normal(mu[j], sigma[j]).log_prob(x))
    result = rows[0]
    for row in rows[1:]:
        result = torch.logaddexp(result, row)
    return result


def _mixture_cases():
    t = torch.tensor
    return [
        (t([0.0, 1.0, -2.0]), t([0.4, -0.7]), t([-1.0, 2.0]), t([0.5, 1.5])),
        (t([0.3]), t([1.0, 2.0, 0.5]), t([0.0, 1.0, -1.0]), t([2.0, 0.3, 1.2])),
        (t([60.0, -80.0, 0.5]), t([0.0, 1.0]), t([0.0, 1.0]), t([1.0, 0.7])),
    ]


# ------------------------------------------------------------------ monte_carlo(f, samples)


def monte_carlo(f, samples):
    """Estimate of E[f(X)] and its standard error, from independent samples of X, shape (n, ...)."""
    values = f(samples)  # (n,)
    estimate = values.mean()
    standard_error = values.std() / len(values) ** 0.5
    return estimate, standard_error


def _monte_carlo_ddof0(f, samples):
    values = f(samples)
    return values.mean(), values.std(correction=0) / len(values) ** 0.5


def _monte_carlo_sd(f, samples):
    values = f(samples)
    return values.mean(), values.std()


def _monte_carlo_over_n(f, samples):
    values = f(samples)
    return values.mean(), values.std() / len(values)


def _monte_carlo_variance_over_n(f, samples):
    values = f(samples)
    return values.mean(), values.var() / len(values)


def _monte_carlo_f_of_mean(f, samples):
    values = f(samples)
    return f(samples.mean(dim=0, keepdim=True))[0], values.std() / len(values) ** 0.5


def _monte_carlo_sum(f, samples):
    values = f(samples)
    return values.sum(), values.std() / len(values) ** 0.5


def _monte_carlo_of_samples(f, samples):
    return f(samples).mean(), samples.std() / len(samples) ** 0.5


def _monte_carlo_without_f(f, samples):
    return samples.mean(), samples.std() / len(samples) ** 0.5


def _monte_carlo_swapped(f, samples):
    estimate, standard_error = monte_carlo(f, samples)
    return standard_error, estimate


def _monte_carlo_loop(f, samples):
    total = squares = 0.0
    for value in f(samples).tolist():
        total, squares = total + value, squares + value * value
    n = len(samples)
    return total / n, math.sqrt((squares / n - (total / n) ** 2) / n)


def _monte_carlo_numpy(f, samples):
    values = np.asarray(f(samples))
    return np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))


def _monte_carlo_torch(f, points):
    y = f(points)
    return torch.stack([y.mean(), torch.sqrt(y.var() / y.numel())])


def _square(x):
    return x**2


def _is_large(x):
    return (x > 0.5) * 1.0


def _in_quarter_circle(x):
    return (x[:, 0] ** 2 + x[:, 1] ** 2 < 1) * 4.0


def _monte_carlo_cases():
    generator = torch.Generator().manual_seed(3)
    return [
        (_square, 1.0 + torch.randn(400, generator=generator, dtype=torch.float64)),
        (_is_large, torch.rand(300, generator=generator)),
        (_in_quarter_circle, torch.rand(1_000, 2, generator=generator)),
    ]


# ------------------------------------------------------------------ importance_estimate(f, samples, log_p, log_q)


def importance_estimate(f, samples, log_p, log_q):
    """Estimate of E_p[f(X)] from samples of q, shape (n,); log_p and log_q are the two log-densities in nats."""
    w = (log_p(samples) - log_q(samples)).exp()  # (n,)
    return (w * f(samples)).mean()


def _importance_inverted(f, samples, log_p, log_q):
    return ((log_q(samples) - log_p(samples)).exp() * f(samples)).mean()


def _importance_unweighted(f, samples, log_p, log_q):
    return f(samples).mean()


def _importance_log_weights(f, samples, log_p, log_q):
    return ((log_p(samples) - log_q(samples)) * f(samples)).mean()


def _importance_ratio_of_logs(f, samples, log_p, log_q):
    return (log_p(samples) / log_q(samples) * f(samples)).mean()


def _importance_self_normalised(f, samples, log_p, log_q):
    w = (log_p(samples) - log_q(samples)).exp()
    return (w * f(samples)).sum() / w.sum()


def _importance_only_p(f, samples, log_p, log_q):
    return (log_p(samples).exp() * f(samples)).mean()


def _importance_separate_means(f, samples, log_p, log_q):
    return (log_p(samples) - log_q(samples)).exp().mean() * f(samples).mean()


def _importance_sum(f, samples, log_p, log_q):
    return ((log_p(samples) - log_q(samples)).exp() * f(samples)).sum()


def _importance_loop(f, samples, log_p, log_q):
    values, lp, lq = f(samples).tolist(), log_p(samples).tolist(), log_q(samples).tolist()
    return sum(v * math.exp(a - b) for v, a, b in zip(values, lp, lq, strict=True)) / len(values)


def _importance_numpy(f, samples, log_p, log_q):
    weights = np.exp(np.asarray(log_p(samples))) / np.exp(np.asarray(log_q(samples)))
    return np.mean(weights * np.asarray(f(samples)))


def _log_normal(mu, sigma):
    def log_density(x):
        return -0.5 * ((x - mu) / sigma) ** 2 - math.log(sigma * math.sqrt(2 * math.pi))

    return log_density


def _importance_cases():
    z = torch.randn(500, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    return [
        (_is_large, 1.0 + z, _log_normal(0.0, 1.0), _log_normal(1.0, 1.0)),
        (_square, 2.0 * z, _log_normal(0.0, 1.0), _log_normal(0.0, 2.0)),
        (_square, 0.5 + 1.5 * z[:60].float(), _log_normal(0.0, 0.8), _log_normal(0.5, 1.5)),
    ]


EXERCISES = [
    Exercise(
        "bernoulli_log_likelihood",
        bernoulli_log_likelihood,
        cases=_likelihood_cases,
        mistakes={
            "mean": _likelihood_mean,
            "product": _likelihood_product,
            "no_log": _likelihood_without_log,
            "bits": _likelihood_bits,
            "sign": _likelihood_sign,
            "mean_sign": _likelihood_mean_sign,
            "heads_only": _likelihood_heads_only,
            "swapped": _likelihood_swapped,
            "no_sum": _likelihood_one_by_one,
        },
        alternatives=[
            _likelihood_loop,
            _likelihood_counts,
            _likelihood_torch,
            _likelihood_numpy,
        ],
    ),
    Exercise(
        "gaussian_mle",
        gaussian_mle,
        cases=_gaussian_cases,
        mistakes={
            "unbiased": _gaussian_unbiased,
            "sd": _gaussian_sd,
            "unbiased_sd": _gaussian_unbiased_sd,
            "swapped": _gaussian_swapped,
            "not_centred": _gaussian_not_centred,
            "sum": _gaussian_sum,
            "absolute": _gaussian_absolute,
            "median": _gaussian_median,
        },
        alternatives=[_gaussian_moments, _gaussian_loop, _gaussian_numpy, _gaussian_torch],
    ),
    Exercise(
        "mixture_log_prob",
        mixture_log_prob,
        differentiable=True,
        cases=_mixture_cases,
        mistakes={
            "no_weights": _mixture_no_weights,
            "raw_logits": _mixture_raw_logits,
            "softmax_unlogged": _mixture_softmax_unlogged,
            "average_of_logs": _mixture_average_of_logs,
            "product": _mixture_product,
            "underflow": _mixture_underflow,
            "variance": _mixture_variance,
            "no_sigma": _mixture_no_sigma,
            "total": _mixture_total,
        },
        alternatives=[_mixture_distributions, _mixture_loop],
    ),
    Exercise(
        "monte_carlo",
        monte_carlo,
        cases=_monte_carlo_cases,
        mistakes={
            "sd": _monte_carlo_sd,
            "over_n": _monte_carlo_over_n,
            "variance_over_n": _monte_carlo_variance_over_n,
            "f_of_mean": _monte_carlo_f_of_mean,
            "sum": _monte_carlo_sum,
            "sd_of_samples": _monte_carlo_of_samples,
            "without_f": _monte_carlo_without_f,
            "swapped": _monte_carlo_swapped,
        },
        accept=[_monte_carlo_ddof0],
        alternatives=[_monte_carlo_loop, _monte_carlo_numpy, _monte_carlo_torch],
    ),
    Exercise(
        "importance_estimate",
        importance_estimate,
        cases=_importance_cases,
        mistakes={
            "inverted": _importance_inverted,
            "unweighted": _importance_unweighted,
            "log_weights": _importance_log_weights,
            "ratio_of_logs": _importance_ratio_of_logs,
            "self_normalised": _importance_self_normalised,
            "only_p": _importance_only_p,
            "separate_means": _importance_separate_means,
            "sum": _importance_sum,
        },
        alternatives=[_importance_loop, _importance_numpy],
    ),
]
