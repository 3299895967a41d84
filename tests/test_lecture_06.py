"""Lecture 06: its models, built by running the notebook's own cells, are what the text says, and the shipped weights give their figures."""

import math

import pytest
import torch
import torch.nn.functional as F

from course_utils import checkpoints, data
from course_utils.commands.notebooks import model_cells
from course_utils.exercises.lecture_06 import (
    active_units,
    elbo,
    iwae_bound,
    kl_to_prior,
    reparameterize,
)


@pytest.fixture(scope="module")
def lecture():
    """Names that the cells tagged "model" define."""
    return model_cells("06_vae")


@pytest.fixture(scope="module")
def x_test():
    return data.mnist("test", binary=True).images.flatten(1)


def bound_of(vae, x, seed=0):
    torch.manual_seed(seed)
    with torch.no_grad():
        return torch.cat([elbo(part, *vae(part)) for part in x.split(500)])


@pytest.mark.parametrize(("name", "at_most"), [("06_vae", 90.0), ("06_vae_class", 95.0)])
def test_shipped_vae_has_its_figure(lecture, x_test, name, at_most):
    """Single-sample ELBO over all 10,000 test images, 784 pixels, analytic KL."""
    entry = checkpoints.recorded(name)
    vae = lecture["VAE"](**entry.config)
    checkpoints.load(name, vae)
    nats = -bound_of(vae.eval(), x_test)
    assert entry.unit == "nats/image" and len(nats) == 10_000
    assert float(nats.mean()) == pytest.approx(entry.value, abs=0.05)
    assert entry.value <= at_most


def test_importance_weights_tighten_the_shipped_bound(lecture, x_test):
    entry = checkpoints.recorded("06_vae")
    vae = lecture["VAE"](**entry.config)
    checkpoints.load("06_vae", vae)
    x = x_test[:50]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        mu, log_var = vae.encoder(x)
        log_w = []
        for _ in range(500):
            noise = torch.randn(mu.shape, generator=generator)
            z = reparameterize(mu, log_var, noise)
            log_p = -F.binary_cross_entropy_with_logits(vae.decoder(z), x, reduction="none").sum(1)
            log_w.append(log_p - 0.5 * (z**2 - noise**2 - log_var).sum(1))
    log_w = torch.stack(log_w)
    gain = iwae_bound(log_w) - log_w.mean(0)
    assert (gain > 0).all() and 1 < float(gain.mean()) < 10


def test_noise_is_drawn_from_q(lecture):
    """The VAE's own z has the mean and the standard deviation that its encoder says."""
    torch.manual_seed(0)
    vae = lecture["VAE"](latent_dim=3, width=20)
    codes = []
    vae.decoder.register_forward_hook(lambda module, args, out: codes.append(args[0]))
    x = (torch.rand(1, 784) < 0.2).float()
    with torch.no_grad():
        _, mu, log_var = vae(x.expand(20_000, -1))
    assert codes[0].mean(0) == pytest.approx(mu[0].numpy(), abs=0.03)
    assert codes[0].std(0) == pytest.approx((0.5 * log_var[0]).exp().numpy(), rel=0.03)


def test_elbo_is_below_the_likelihood_by_the_kl_to_the_posterior():
    """One latent number, four pixels, any decoder: everything by integration."""
    z = torch.linspace(-9, 9, 6001, dtype=torch.float64)
    dz = float(z[1] - z[0])
    weights = torch.randn(2, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    logits = 2 * z[:, None] * weights[0] + weights[1]
    prior = torch.distributions.Normal(torch.tensor(0.0, dtype=torch.float64), 1.0)
    for code in range(16):
        x = ((torch.tensor(code) >> torch.arange(4)) & 1).double()
        log_likelihood = -F.binary_cross_entropy_with_logits(
            logits, x.expand(6001, 4), reduction="none"
        ).sum(1)
        log_joint = log_likelihood + prior.log_prob(z)
        log_p = torch.logsumexp(log_joint, 0) + math.log(dz)
        mu, log_var = torch.tensor([[0.4]]).double(), torch.tensor([[-1.0]]).double()
        q = torch.distributions.Normal(mu[0, 0], (0.5 * log_var[0, 0]).exp())
        weight = q.log_prob(z).exp() * dz
        bound = (weight * log_likelihood).sum() - kl_to_prior(mu, log_var)[0]
        gap = (weight * (q.log_prob(z) - (log_joint - log_p))).sum()
        assert float(log_p - bound) == pytest.approx(float(gap), abs=1e-6)
        assert float(gap) > 0


def test_iwae_rises_with_the_samples_and_stays_below():
    """Weights with a known mean: ln w normal with mean -s²/2 has E[w] = 1, so ln p = 0."""
    log_w = torch.randn(256, 20_000, generator=torch.Generator().manual_seed(2)) - 0.5
    bounds = [float(iwae_bound(log_w[:k]).mean()) for k in (1, 4, 16, 64, 256)]
    assert bounds == sorted(bounds)
    assert bounds[0] == pytest.approx(-0.5, abs=0.02) and -0.02 < bounds[-1] < 0.001


def test_a_fitted_mixture_finds_the_clusters(lecture):
    """Two clouds of 3,000 and 1,000 points: their shares, means and covariances come back, and held-out points are likelier than under one Gaussian."""
    generator = torch.Generator().manual_seed(0)
    stretch = torch.tensor([[1.0, 0.8], [0.0, 0.5]])
    z = torch.randn(5000, 2, generator=generator)
    z[:3000] = z[:3000] @ stretch + torch.tensor([3.0, 0.0])
    z[3000:4000] -= torch.tensor([4.0, 1.0])
    z, held_out = z[:4000], z[4000:] - torch.tensor([4.0, 1.0])
    mixture = lecture["fit_mixture"](z, parts=2, rounds=30)
    first = int(mixture.component_distribution.mean[:, 0].argmax())
    assert float(mixture.mixture_distribution.probs[first]) == pytest.approx(0.75, abs=0.01)
    assert mixture.component_distribution.mean[first].tolist() == pytest.approx([3, 0], abs=0.1)
    covariance = mixture.component_distribution.covariance_matrix[first].float()
    assert torch.allclose(covariance, stretch.T @ stretch, atol=0.1)
    one = torch.distributions.MultivariateNormal(z.mean(0), torch.cov(z.T))
    assert mixture.log_prob(held_out.double()).mean() > one.log_prob(held_out).mean() + 0.3


def test_active_units_of_the_shipped_vae(lecture, x_test):
    entry = checkpoints.recorded("06_vae")
    vae = lecture["VAE"](**entry.config)
    checkpoints.load("06_vae", vae)
    with torch.no_grad():
        mu, _ = vae.encoder(x_test)
    assert 10 <= active_units(mu) <= 32


@pytest.mark.parametrize("name", ["06_vae", "06_vae_class"])
def test_shipped_files_are_small(name):
    assert (checkpoints.folder() / f"{name}.safetensors").stat().st_size <= 2_500_000
