"""The references that lectures rely on, against scipy and torch, on random inputs."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import rel_entr
from sklearn.metrics import mutual_info_score
from sklearn.mixture import GaussianMixture

from course_utils.exercises import lecture_01, lecture_01b, lecture_02

settings.register_profile("course", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("course")


@st.composite
def distributions(draw, count=1):
    """`count` probability vectors of one length, zeros among them."""
    size = draw(st.integers(2, 9))
    vectors = []
    for _ in range(count):
        weights = draw(st.lists(st.integers(0, 20), min_size=size, max_size=size).filter(any))
        vectors.append(torch.tensor(weights, dtype=torch.float64) / sum(weights))
    return vectors


@given(distributions())
def test_entropy_equals_scipy(vectors):
    (p,) = vectors
    assert float(lecture_02.entropy(p)) == pytest.approx(stats.entropy(p.numpy(), base=2), abs=1e-9)
    assert -1e-9 <= float(lecture_02.entropy(p)) <= math.log2(len(p)) + 1e-9


@given(distributions(count=2))
def test_kl_equals_scipy_and_cross_entropy_adds_up(vectors):
    p, q = vectors
    kl = float(lecture_02.kl_divergence(p, q))
    assert kl == pytest.approx(rel_entr(p.numpy(), q.numpy()).sum() / math.log(2), abs=1e-9)
    assert kl >= -1e-9
    total = float(lecture_02.entropy(p)) + kl
    assert float(lecture_02.cross_entropy(p, q)) == pytest.approx(total, abs=1e-9)


@given(st.integers(1, 6), st.integers(0, 10**6))
def test_gaussian_kl_equals_torch(size, seed):
    generator = torch.Generator().manual_seed(seed)
    mu = torch.randn(size, generator=generator, dtype=torch.float64)
    sigma = torch.rand(size, generator=generator, dtype=torch.float64) * 3 + 0.05
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(mu, sigma), normal(0.0, 1.0)).sum()
    assert float(lecture_02.kl_gaussian(mu, sigma)) == pytest.approx(float(expected), rel=1e-6)


def test_mutual_information_equals_sklearn():
    rng = np.random.default_rng(0)
    a = rng.integers(4, size=500)
    b = (a + rng.integers(2, size=500)) % 5
    joint = torch.zeros(4, 5, dtype=torch.float64)
    for i, j in zip(a, b, strict=True):
        joint[i, j] += 1 / 500
    expected = mutual_info_score(a, b) / math.log(2)
    assert float(lecture_02.mutual_information(joint)) == pytest.approx(expected, rel=1e-9)


@given(st.floats(0.02, 0.98), st.lists(st.integers(0, 1), min_size=1, max_size=60))
def test_bernoulli_log_likelihood_equals_scipy(p, flips):
    x = torch.tensor(flips, dtype=torch.float64)
    expected = stats.bernoulli.logpmf(flips, p).sum()
    assert float(lecture_01.bernoulli_log_likelihood(x, p)) == pytest.approx(expected, rel=1e-6)


@given(st.integers(2, 60), st.integers(0, 10**6))
def test_gaussian_mle_equals_scipy(n, seed):
    x = np.random.default_rng(seed).normal(3, 2, n)
    mean, variance = lecture_01.gaussian_mle(torch.tensor(x))
    loc, scale = stats.norm.fit(x)
    assert (float(mean), float(variance)) == pytest.approx((loc, scale**2), rel=1e-6)


@given(st.floats(0.3, 5), st.integers(0, 10**6))
def test_pareto_mle_equals_scipy(alpha, seed):
    x = np.random.default_rng(seed).pareto(alpha, 50) + 1
    expected, _, _ = stats.pareto.fit(x, floc=0, fscale=1)
    assert float(lecture_01.pareto_mle(torch.tensor(x))) == pytest.approx(expected, rel=1e-3)


def test_responsibilities_equal_scikit_learn():
    mixture = GaussianMixture(2, random_state=0).fit(np.random.default_rng(0).normal(size=(200, 1)))
    x = np.linspace(-3, 3, 50)
    parts = stats.norm(mixture.means_[:, 0], mixture.covariances_[:, 0, 0] ** 0.5)
    log_joint = torch.tensor(np.log(mixture.weights_) + parts.logpdf(x[:, None]))
    expected = mixture.predict_proba(x[:, None])
    assert lecture_01b.responsibilities(log_joint).numpy() == pytest.approx(expected, abs=1e-9)


def test_monte_carlo_standard_error_equals_scipy():
    x = torch.randn(1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    estimate, error = lecture_01b.monte_carlo(torch.exp, x)
    assert float(estimate) == pytest.approx(float(x.exp().mean()))
    assert float(error) == pytest.approx(stats.sem(x.exp().numpy()), rel=2e-3)
