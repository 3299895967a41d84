"""Exercises of lecture 06, the VAE: references, cases, and the answers that students really give."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from .engine import Exercise


def reparameterize(mu, log_var, noise):
    """z = mu + sigma * noise, shape (batch, latent_dim); log_var is the logarithm of sigma squared."""
    return mu + torch.exp(0.5 * log_var) * noise


def kl_to_prior(mu, log_var):
    """KL(N(mu, sigma^2) || N(0, 1)) in nats, summed over the latent dimensions: (batch, latent_dim) -> (batch,)."""
    return 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1)


def elbo(x, logits, mu, log_var):
    """ELBO of each image in nats: (batch, D), (batch, D), (batch, latent_dim), (batch, latent_dim) -> (batch,)."""
    log_likelihood = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
    kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1)
    return log_likelihood - kl


def iwae_bound(log_w):
    """ln of the mean weight over the samples, for each image: (samples, batch) -> (batch,), in nats."""
    return torch.logsumexp(log_w, dim=0) - math.log(len(log_w))


def active_units(mu):
    """How many latent units vary over the data: mu (images, latent_dim) holds the posterior means -> a whole number."""
    return int((mu.var(0) > 0.01).sum())


def _normal(*shape, seed, scale=1.0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- reparameterisation ----------------------------------------------------------------------------------------------


def _reparameterize_cases():
    return [
        (_normal(3, 2, seed=1), _normal(3, 2, seed=2), _normal(3, 2, seed=3)),
        (_normal(4, 1, seed=4), _normal(4, 1, seed=5) - 2, _normal(4, 1, seed=6)),
        (torch.zeros(2, 3), torch.full((2, 3), math.log(4.0)), _normal(2, 3, seed=7)),
        (torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, -1.5]])),
    ]


def _reparameterize_std(mu, log_var, noise):
    return mu + log_var * noise


def _reparameterize_variance(mu, log_var, noise):
    return mu + torch.exp(log_var) * noise


def _reparameterize_minus(mu, log_var, noise):
    return mu + torch.exp(-0.5 * log_var) * noise


def _reparameterize_no_noise(mu, log_var, noise):
    return mu + torch.exp(0.5 * log_var)


def _reparameterize_mean_only(mu, log_var, noise):
    return mu


def _reparameterize_scales_mean(mu, log_var, noise):
    return (mu + noise) * torch.exp(0.5 * log_var)


def _reparameterize_no_mean(mu, log_var, noise):
    return torch.exp(0.5 * log_var) * noise


def _reparameterize_halved(mu, log_var, noise):
    return mu + 0.5 * torch.exp(log_var) * noise


def _reparameterize_sqrt(mu, log_var, noise):
    return torch.addcmul(mu, log_var.exp().sqrt(), noise)


# --- KL to the prior -------------------------------------------------------------------------------------------------


def _kl_cases():
    return [
        (_normal(3, 2, seed=11), _normal(3, 2, seed=12)),
        (_normal(5, 4, seed=13, scale=2), _normal(5, 4, seed=14) - 1),
        (torch.zeros(2, 3), torch.zeros(2, 3)),
        (torch.tensor([[1.5]]), torch.tensor([[-3.0]])),
    ]


def _kl_terms(mu, log_var):
    return mu**2 + log_var.exp() - 1 - log_var


def _kl_sign(mu, log_var):
    return -0.5 * _kl_terms(mu, log_var).sum(1)


def _kl_no_half(mu, log_var):
    return _kl_terms(mu, log_var).sum(1)


def _kl_mean(mu, log_var):
    return 0.5 * _kl_terms(mu, log_var).mean(1)


def _kl_batch_sum(mu, log_var):
    return 0.5 * _kl_terms(mu, log_var).sum()


def _kl_batch_mean(mu, log_var):
    return 0.5 * _kl_terms(mu, log_var).sum(1).mean()


def _kl_not_summed(mu, log_var):
    return 0.5 * _kl_terms(mu, log_var)


def _kl_wrong_axis(mu, log_var):
    return 0.5 * _kl_terms(mu, log_var).sum(0)


def _kl_variance(mu, log_var):
    return 0.5 * (mu**2 + log_var - 1 - log_var.abs().log()).sum(1)


def _kl_std(mu, log_var):
    return 0.5 * (mu**2 + (2 * log_var).exp() - 1 - 2 * log_var).sum(1)


def _kl_no_mean(mu, log_var):
    return 0.5 * (log_var.exp() - 1 - log_var).sum(1)


def _kl_no_one(mu, log_var):
    return 0.5 * (mu**2 + log_var.exp() - log_var).sum(1)


def _kl_reverse(mu, log_var):
    return 0.5 * ((mu**2 + 1) * (-log_var).exp() - 1 + log_var).sum(1)


def _kl_library(mu, log_var):
    q = torch.distributions.Normal(mu, (0.5 * log_var).exp())
    return torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(1)


def _kl_doersch(mu, log_var):
    return -0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp(), dim=-1)


# --- the ELBO --------------------------------------------------------------------------------------------------------


def _elbo_cases():
    cases = []
    for seed, (batch, pixels, latent) in enumerate([(3, 6, 2), (2, 10, 4), (4, 784, 8), (1, 5, 1)]):
        x = (_normal(batch, pixels, seed=20 + seed) > 0.3).float()
        logits = _normal(batch, pixels, seed=30 + seed, scale=2)
        mu = _normal(batch, latent, seed=40 + seed)
        cases.append((x, logits, mu, _normal(batch, latent, seed=50 + seed) - 1))
    # confident logits: a sigmoid followed by a logarithm has no digits left here
    cases.append(
        (
            torch.tensor([[1.0, 0.0, 1.0]]),
            torch.tensor([[40.0, -35.0, -110.0]]),
            torch.tensor([[0.3, -1.0]]),
            torch.tensor([[-2.0, 0.5]]),
        )
    )
    return cases


def _log_likelihood(x, logits):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)


def _elbo_kl_sign(x, logits, mu, log_var):
    return _log_likelihood(x, logits) + kl_to_prior(mu, log_var)


def _elbo_negative(x, logits, mu, log_var):
    return -elbo(x, logits, mu, log_var)


def _elbo_reconstruction_sign(x, logits, mu, log_var):
    return -_log_likelihood(x, logits) - kl_to_prior(mu, log_var)


def _elbo_pixel_mean(x, logits, mu, log_var):
    return _log_likelihood(x, logits) / x.shape[1] - kl_to_prior(mu, log_var)


def _elbo_both_means(x, logits, mu, log_var):
    return _log_likelihood(x, logits) / x.shape[1] - _kl_terms(mu, log_var).sum(1) / 2 / mu.shape[1]


def _elbo_kl_forgotten(x, logits, mu, log_var):
    return _log_likelihood(x, logits)


def _elbo_no_half(x, logits, mu, log_var):
    return _log_likelihood(x, logits) - _kl_terms(mu, log_var).sum(1)


def _elbo_kl_mean(x, logits, mu, log_var):
    return _log_likelihood(x, logits) - 0.5 * _kl_terms(mu, log_var).mean(1)


def _elbo_batch_mean(x, logits, mu, log_var):
    return elbo(x, logits, mu, log_var).mean()


def _elbo_std(x, logits, mu, log_var):
    return _log_likelihood(x, logits) - _kl_std(mu, log_var)


def _elbo_logits_as_probabilities(x, logits, mu, log_var):
    p = logits.clamp(1e-6, 1 - 1e-6)
    return (x * p.log() + (1 - x) * (1 - p).log()).sum(1) - kl_to_prior(mu, log_var)


def _elbo_two_sigmoids(x, logits, mu, log_var):
    return _log_likelihood(x, logits.sigmoid()) - kl_to_prior(mu, log_var)


def _elbo_squared_error(x, logits, mu, log_var):
    return -((x - logits.sigmoid()) ** 2).sum(1) - kl_to_prior(mu, log_var)


def _elbo_ink_only(x, logits, mu, log_var):
    return (x * F.logsigmoid(logits)).sum(1) - kl_to_prior(mu, log_var)


def _elbo_unstable(x, logits, mu, log_var):
    p = logits.sigmoid()
    return (x * p.log() + (1 - x) * (1 - p).log()).sum(1) - kl_to_prior(mu, log_var)


def _elbo_bce_of_sigmoid(x, logits, mu, log_var):
    likelihood = -F.binary_cross_entropy(logits.sigmoid(), x, reduction="none").sum(1)
    return likelihood - kl_to_prior(mu, log_var)


def _elbo_epsilon(x, logits, mu, log_var):
    p = logits.sigmoid()
    likelihood = (x * (p + 1e-8).log() + (1 - x) * (1 - p + 1e-8).log()).sum(1)
    return likelihood - kl_to_prior(mu, log_var)


def _elbo_library(x, logits, mu, log_var):
    d = torch.distributions
    q = d.Normal(mu, (log_var / 2).exp())
    kl = d.kl_divergence(q, d.Normal(torch.zeros_like(mu), torch.ones_like(mu))).sum(-1)
    return d.Bernoulli(logits=logits).log_prob(x).sum(-1) - kl


def _elbo_logsigmoid(x, logits, mu, log_var):
    likelihood = (x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)).sum(1)
    return likelihood - _kl_doersch(mu, log_var)


def _elbo_softplus(x, logits, mu, log_var):
    return (x * logits - F.softplus(logits)).sum(1) - kl_to_prior(mu, log_var)


# --- the importance-weighted bound -----------------------------------------------------------------------------------


def _iwae_cases():
    return [
        (_normal(5, 3, seed=61, scale=2),),
        (_normal(64, 4, seed=62, scale=5) - 90,),
        (_normal(3, 2, seed=63) - 300,),  # exp of these is 0 in float32
        (_normal(1, 4, seed=64) - 80,),
        (_normal(500, 2, seed=65, scale=8) - 95,),
    ]


def _iwae_mean_of_logs(log_w):
    return log_w.mean(0)


def _iwae_no_log_k(log_w):
    return torch.logsumexp(log_w, 0)


def _iwae_wrong_axis(log_w):
    return torch.logsumexp(log_w, 1) - math.log(log_w.shape[1])


def _iwae_wrong_count(log_w):
    return torch.logsumexp(log_w, 0) - math.log(log_w.shape[1])


def _iwae_unstable(log_w):
    return log_w.exp().mean(0).log()


def _iwae_adds_log_k(log_w):
    return torch.logsumexp(log_w, 0) + math.log(len(log_w))


def _iwae_divides(log_w):
    return torch.logsumexp(log_w, 0) / len(log_w)


def _iwae_best(log_w):
    return log_w.max(0).values


def _iwae_batch_mean(log_w):
    return iwae_bound(log_w).mean()


def _iwae_by_hand(log_w):
    top = log_w.max(0).values
    return top + (log_w - top).exp().mean(0).log()


def _iwae_numpy(log_w):
    log_w = np.asarray(log_w, dtype=np.float64)
    return np.logaddexp.reduce(log_w, axis=0) - np.log(log_w.shape[0])


# --- active units ----------------------------------------------------------------------------------------------------


def _active_cases():
    """Scales that keep every unit clear of the threshold, whether the variance divides by n or n - 1."""
    cases = []
    for seed, scales, offset in (
        (71, [1.0, 0.5, 0.03, 0.01], [0.0, 0.0, 0.0, 0.0]),
        (72, [0.03, 0.02, 0.01], [1.0, -2.0, 0.0]),
        (73, [0.2, 0.17, 0.3, 0.02, 0.9], [0.0, 3.0, 0.0, 0.5, 0.0]),
        (74, [0.05, 0.2, 0.01, 0.06, 2.0, 0.3], [0.0, 0.0, 0.0, -1.0, 0.0, 0.0]),
    ):
        mu = _normal(400, len(scales), seed=seed) * torch.tensor(scales) + torch.tensor(offset)
        cases.append((mu,))
    return cases


def _active_std(mu):
    return int((mu.std(0) > 0.01).sum())


def _active_mean(mu):
    return int((mu.mean(0).abs() > 0.01).sum())


def _active_square(mu):
    return int(((mu**2).mean(0) > 0.01).sum())


def _active_wrong_axis(mu):
    return int((mu.var(1) > 0.01).sum())


def _active_inactive(mu):
    return int((mu.var(0) <= 0.01).sum())


def _active_share(mu):
    return float((mu.var(0) > 0.01).float().mean())


def _active_which(mu):
    return mu.var(0) > 0.01


def _active_total(mu):
    return float(mu.var(0).sum())


def _active_loop(mu):
    return sum(float(np.var(np.asarray(unit))) > 0.01 for unit in mu.T)


EXERCISES = [
    Exercise(
        "reparameterize",
        reparameterize,
        cases=_reparameterize_cases,
        mistakes={
            "log_var_as_std": _reparameterize_std,
            "no_half": _reparameterize_variance,
            "minus": _reparameterize_minus,
            "no_noise": _reparameterize_no_noise,
            "mean_only": _reparameterize_mean_only,
            "scales_mean": _reparameterize_scales_mean,
            "no_mean": _reparameterize_no_mean,
            "half_outside": _reparameterize_halved,
        },
        alternatives=[_reparameterize_sqrt],
        differentiable=True,
    ),
    Exercise(
        "kl_to_prior",
        kl_to_prior,
        cases=_kl_cases,
        mistakes={
            "sign": _kl_sign,
            "no_half": _kl_no_half,
            "mean": _kl_mean,
            "batch_sum": _kl_batch_sum,
            "batch_mean": _kl_batch_mean,
            "not_summed": _kl_not_summed,
            "wrong_axis": _kl_wrong_axis,
            "log_var_as_var": _kl_variance,
            "log_var_as_log_std": _kl_std,
            "no_mean": _kl_no_mean,
            "no_one": _kl_no_one,
            "reverse": _kl_reverse,
        },
        alternatives=[_kl_library, _kl_doersch],
        differentiable=True,
    ),
    Exercise(
        "elbo",
        elbo,
        cases=_elbo_cases,
        mistakes={
            "kl_sign": _elbo_kl_sign,
            "negative": _elbo_negative,
            "reconstruction_sign": _elbo_reconstruction_sign,
            "pixel_mean": _elbo_pixel_mean,
            "both_means": _elbo_both_means,
            "kl_forgotten": _elbo_kl_forgotten,
            "no_half": _elbo_no_half,
            "kl_mean": _elbo_kl_mean,
            "batch_mean": _elbo_batch_mean,
            "log_var_as_log_std": _elbo_std,
            "logits_as_probabilities": _elbo_logits_as_probabilities,
            "two_sigmoids": _elbo_two_sigmoids,
            "squared_error": _elbo_squared_error,
            "ink_only": _elbo_ink_only,
            "unstable": _elbo_unstable,
            "unstable_library": _elbo_bce_of_sigmoid,
            "epsilon": _elbo_epsilon,
        },
        alternatives=[_elbo_library, _elbo_logsigmoid, _elbo_softplus],
        tolerance=1e-4,
        differentiable=True,
    ),
    Exercise(
        "iwae_bound",
        iwae_bound,
        cases=_iwae_cases,
        mistakes={
            "mean_of_logs": _iwae_mean_of_logs,
            "no_log_k": _iwae_no_log_k,
            "wrong_axis": _iwae_wrong_axis,
            "wrong_count": _iwae_wrong_count,
            "unstable": _iwae_unstable,
            "adds_log_k": _iwae_adds_log_k,
            "divides": _iwae_divides,
            "best": _iwae_best,
            "batch_mean": _iwae_batch_mean,
        },
        alternatives=[_iwae_by_hand, _iwae_numpy],
        tolerance=1e-5,
    ),
    Exercise(
        "active_units",
        active_units,
        cases=_active_cases,
        mistakes={
            "std": _active_std,
            "mean": _active_mean,
            "square": _active_square,
            "wrong_axis": _active_wrong_axis,
            "inactive": _active_inactive,
            "share": _active_share,
            "which": _active_which,
            "total": _active_total,
        },
        alternatives=[_active_loop],
    ),
]
