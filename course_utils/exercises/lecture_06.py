"""Exercises of lecture 06, the VAE: references, cases, and the answers that students really give."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from .declare import Declarations, normal

EXERCISES = Declarations()


def reparameterize(mu, log_var, noise):
    """z = mu + sigma * noise, shape (batch, latent_dim); log_var is the logarithm of sigma squared."""
    return mu + torch.exp(0.5 * log_var) * noise


@EXERCISES.declare(reparameterize, differentiable=("mu", "log_var"))
class _:
    def cases():
        return [
            (normal(3, 2, seed=1), normal(3, 2, seed=2), normal(3, 2, seed=3)),
            (normal(4, 1, seed=4), normal(4, 1, seed=5) - 2, normal(4, 1, seed=6)),
            (torch.zeros(2, 3), torch.full((2, 3), math.log(4.0)), normal(2, 3, seed=7)),
            (torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, -1.5]])),
        ]

    class mistakes:
        log_var_as_std = lambda mu, log_var, noise: mu + log_var * noise
        no_half = lambda mu, log_var, noise: mu + torch.exp(log_var) * noise
        minus = lambda mu, log_var, noise: mu + torch.exp(-0.5 * log_var) * noise
        no_noise = lambda mu, log_var, noise: mu + torch.exp(0.5 * log_var)
        mean_only = lambda mu, log_var, noise: mu
        scales_mean = lambda mu, log_var, noise: (mu + noise) * torch.exp(0.5 * log_var)
        no_mean = lambda mu, log_var, noise: torch.exp(0.5 * log_var) * noise
        half_outside = lambda mu, log_var, noise: mu + 0.5 * torch.exp(log_var) * noise

    class alternatives:
        sqrt = lambda mu, log_var, noise: torch.addcmul(mu, log_var.exp().sqrt(), noise)


def kl_to_prior(mu, log_var):
    """KL(N(mu, sigma^2) || N(0, 1)) in nats, summed over the latent dimensions: (batch, latent_dim) -> (batch,)."""
    return 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1)


def _kl_terms(mu, log_var):
    return mu**2 + log_var.exp() - 1 - log_var


def _kl_std(mu, log_var):
    return 0.5 * (mu**2 + (2 * log_var).exp() - 1 - 2 * log_var).sum(1)


def _kl_doersch(mu, log_var):
    return -0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp(), dim=-1)


@EXERCISES.declare(kl_to_prior, differentiable=True)
class _:
    def cases():
        return [
            (normal(3, 2, seed=11), normal(3, 2, seed=12)),
            (normal(5, 4, seed=13, scale=2), normal(5, 4, seed=14) - 1),
            (torch.zeros(2, 3), torch.zeros(2, 3)),
            (torch.tensor([[1.5]]), torch.tensor([[-3.0]])),
        ]

    class mistakes:
        sign = lambda mu, log_var: -0.5 * _kl_terms(mu, log_var).sum(1)
        no_half = lambda mu, log_var: _kl_terms(mu, log_var).sum(1)
        mean = lambda mu, log_var: 0.5 * _kl_terms(mu, log_var).mean(1)
        batch_sum = lambda mu, log_var: 0.5 * _kl_terms(mu, log_var).sum()
        batch_mean = lambda mu, log_var: 0.5 * _kl_terms(mu, log_var).sum(1).mean()
        not_summed = lambda mu, log_var: 0.5 * _kl_terms(mu, log_var)
        wrong_axis = lambda mu, log_var: 0.5 * _kl_terms(mu, log_var).sum(0)

        def log_var_as_var(mu, log_var):
            return 0.5 * (mu**2 + log_var - 1 - log_var.abs().log()).sum(1)

        log_var_as_log_std = _kl_std
        no_mean = lambda mu, log_var: 0.5 * (log_var.exp() - 1 - log_var).sum(1)
        no_one = lambda mu, log_var: 0.5 * (mu**2 + log_var.exp() - log_var).sum(1)
        reverse = lambda mu, log_var: 0.5 * ((mu**2 + 1) * (-log_var).exp() - 1 + log_var).sum(1)

    class alternatives:
        def library(mu, log_var):
            q = torch.distributions.Normal(mu, (0.5 * log_var).exp())
            prior = torch.distributions.Normal(0.0, 1.0)
            return torch.distributions.kl_divergence(q, prior).sum(1)

        doersch = _kl_doersch


def elbo(x, logits, mu, log_var):
    """ELBO of each image in nats: (batch, D), (batch, D), (batch, latent_dim), (batch, latent_dim) -> (batch,)."""
    log_likelihood = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
    kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1)
    return log_likelihood - kl


def _log_likelihood(x, logits):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)


def _of_probabilities(x, p, epsilon=0.0):
    return (x * (p + epsilon).log() + (1 - x) * (1 - p + epsilon).log()).sum(1)


def _elbo(likelihood=_log_likelihood, kl=kl_to_prior):
    """The bound with one of its two terms, likelihood(x, logits) or kl(mu, log_var), done in another way."""
    return lambda x, logits, mu, log_var: likelihood(x, logits) - kl(mu, log_var)


@EXERCISES.declare(elbo, differentiable=("logits", "mu", "log_var"))
class _:
    def cases():
        cases = []
        sizes = [(3, 6, 2), (2, 10, 4), (4, 784, 8), (1, 5, 1)]
        for seed, (batch, pixels, latent) in enumerate(sizes):
            x = (normal(batch, pixels, seed=20 + seed) > 0.3).float()
            logits = normal(batch, pixels, seed=30 + seed, scale=2)
            mu = normal(batch, latent, seed=40 + seed)
            cases.append((x, logits, mu, normal(batch, latent, seed=50 + seed) - 1))
        # confident logits: a sigmoid followed by a logarithm has no digits left here
        x, logits = torch.tensor([[1.0, 0.0, 1.0]]), torch.tensor([[40.0, -35.0, -110.0]])
        return [*cases, (x, logits, torch.tensor([[0.3, -1.0]]), torch.tensor([[-2.0, 0.5]]))]

    class mistakes:
        kl_sign = _elbo(kl=lambda mu, log_var: -kl_to_prior(mu, log_var))
        negative = lambda x, logits, mu, log_var: -elbo(x, logits, mu, log_var)
        reconstruction_sign = _elbo(lambda x, logits: -_log_likelihood(x, logits))
        pixel_mean = _elbo(lambda x, logits: _log_likelihood(x, logits) / x.shape[1])

        def both_means(x, logits, mu, log_var):
            kl = _kl_terms(mu, log_var).sum(1) / 2
            return _log_likelihood(x, logits) / x.shape[1] - kl / mu.shape[1]

        kl_forgotten = lambda x, logits, mu, log_var: _log_likelihood(x, logits)
        no_half = _elbo(kl=lambda mu, log_var: _kl_terms(mu, log_var).sum(1))
        kl_mean = _elbo(kl=lambda mu, log_var: 0.5 * _kl_terms(mu, log_var).mean(1))
        batch_mean = lambda x, logits, mu, log_var: elbo(x, logits, mu, log_var).mean()
        log_var_as_log_std = _elbo(kl=_kl_std)

        logits_as_probabilities = _elbo(lambda x, p: _of_probabilities(x, p.clamp(1e-6, 1 - 1e-6)))
        two_sigmoids = _elbo(lambda x, logits: _log_likelihood(x, logits.sigmoid()))
        squared_error = _elbo(lambda x, logits: -((x - logits.sigmoid()) ** 2).sum(1))
        ink_only = _elbo(lambda x, logits: (x * F.logsigmoid(logits)).sum(1))
        unstable = _elbo(lambda x, logits: _of_probabilities(x, logits.sigmoid()))

        unstable_library = _elbo(
            lambda x, logits: -F.binary_cross_entropy(logits.sigmoid(), x, reduction="none").sum(1)
        )
        epsilon = _elbo(lambda x, logits: _of_probabilities(x, logits.sigmoid(), epsilon=1e-8))

    class alternatives:
        def library(x, logits, mu, log_var):
            d = torch.distributions
            q = d.Normal(mu, (log_var / 2).exp())
            kl = d.kl_divergence(q, d.Normal(torch.zeros_like(mu), torch.ones_like(mu))).sum(-1)
            return d.Bernoulli(logits=logits).log_prob(x).sum(-1) - kl

        def logsigmoid(x, logits, mu, log_var):
            likelihood = (x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)).sum(1)
            return likelihood - _kl_doersch(mu, log_var)

        softplus = _elbo(lambda x, logits: (x * logits - F.softplus(logits)).sum(1))


def iwae_bound(log_w):
    """ln of the mean weight over the samples, for each image: (samples, batch) -> (batch,), in nats."""
    return torch.logsumexp(log_w, dim=0) - math.log(len(log_w))


@EXERCISES.declare(iwae_bound, tolerance=1e-5)
class _:
    def cases():
        return [
            (normal(5, 3, seed=61, scale=2),),
            (normal(64, 4, seed=62, scale=5) - 90,),
            (normal(3, 2, seed=63) - 1_000,),  # exp of these is 0
            (normal(1, 4, seed=64) - 80,),
            (normal(500, 2, seed=65, scale=8) - 95,),
        ]

    class mistakes:
        mean_of_logs = lambda log_w: log_w.mean(0)
        no_log_k = lambda log_w: torch.logsumexp(log_w, 0)
        wrong_axis = lambda log_w: torch.logsumexp(log_w, 1) - math.log(log_w.shape[1])
        wrong_count = lambda log_w: torch.logsumexp(log_w, 0) - math.log(log_w.shape[1])
        unstable = lambda log_w: log_w.exp().mean(0).log()
        adds_log_k = lambda log_w: torch.logsumexp(log_w, 0) + math.log(len(log_w))
        divides = lambda log_w: torch.logsumexp(log_w, 0) / len(log_w)
        best = lambda log_w: log_w.max(0).values
        batch_mean = lambda log_w: iwae_bound(log_w).mean()

    class alternatives:
        def by_hand(log_w):
            top = log_w.max(0).values
            return top + (log_w - top).exp().mean(0).log()

        def numpy(log_w):
            log_w = np.asarray(log_w, dtype=np.float64)
            return np.logaddexp.reduce(log_w, axis=0) - np.log(log_w.shape[0])


def active_units(mu):
    """How many latent units vary over the data: mu (images, latent_dim) holds the posterior means -> a whole number."""
    return int((mu.var(0) > 0.01).sum())


@EXERCISES.declare(active_units)
class _:
    def cases():
        """Scales that keep every unit clear of the threshold, whether the variance divides by n or n - 1."""
        cases = []
        for seed, scales, offset in (
            (71, [1.0, 0.5, 0.03, 0.01], [0.0, 0.0, 0.0, 0.0]),
            (72, [0.03, 0.115, 0.088, 0.01], [1.0, -2.0, 0.0, 0.0]),
            (73, [0.2, 0.17, 0.3, 0.02, 0.9], [0.0, 3.0, 0.0, 0.5, 0.0]),
            (74, [0.05, 0.2, 0.01, 0.06, 2.0, 0.3], [0.0, 0.0, 0.0, -1.0, 0.0, 0.0]),
        ):
            mu = normal(400, len(scales), seed=seed) * torch.tensor(scales) + torch.tensor(offset)
            cases.append((mu,))
        first, last = [[0.9, 0.0], [0.0, 0.0], [0.0, 0.0]], [[0.0], [0.0], [0.0], [-0.8]]
        return [*cases, (torch.tensor(first),), (torch.tensor(last),)]

    class mistakes:
        std = lambda mu: int((mu.std(0) > 0.01).sum())
        mean = lambda mu: int((mu.mean(0).abs() > 0.01).sum())
        square = lambda mu: int(((mu**2).mean(0) > 0.01).sum())
        wrong_axis = lambda mu: int((mu.var(1) > 0.01).sum())
        inactive = lambda mu: int((mu.var(0) <= 0.01).sum())
        share = lambda mu: float((mu.var(0) > 0.01).float().mean())
        which = lambda mu: mu.var(0) > 0.01
        total = lambda mu: float(mu.var(0).sum())

    class alternatives:
        loop = lambda mu: sum(float(np.var(np.asarray(unit))) > 0.01 for unit in mu.T)
