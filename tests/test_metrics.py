"""The judges: the shipped feature network gives its recorded accuracy, and the Fréchet distance is what its formula says."""

import numpy as np
import pytest
import torch
from scipy import linalg

from course_utils import checkpoints, data, metrics


@pytest.fixture(scope="module")
def digits():
    return data.mnist("test")


def test_shipped_network_has_its_figure(digits):
    entry = checkpoints.recorded("08_features")
    named = metrics.class_probabilities(digits.images).argmax(1)
    accuracy = 100 * float((named == digits.labels).double().mean())
    assert entry.unit == "% right"
    assert accuracy == pytest.approx(entry.value, abs=0.011)  # one image of 10,000
    assert accuracy >= 99


def test_features_and_probabilities_have_their_shapes(digits):
    x = digits.images[:7]
    assert metrics.features(x).shape == (7, 128)
    p = metrics.class_probabilities(x[:, 0])  # (n, 28, 28) is as good
    assert p.shape == (7, 10) and torch.allclose(p.sum(1), torch.ones(7), atol=1e-5)


def test_chunks_do_not_change_features(digits):
    x = digits.images[:1100]
    again = torch.cat([metrics.features(x[:600]), metrics.features(x[600:])])
    assert torch.allclose(metrics.features(x), again, atol=1e-4)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (torch.zeros(3, 1, 32, 32), "28"),
        (torch.zeros(28, 28), "shape"),
        (torch.zeros(0, 1, 28, 28), "shape"),
        (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), "uint8"),
        (torch.full((2, 1, 28, 28), 255.0), "255"),
        (torch.full((2, 1, 28, 28), float("nan")), "nan"),
    ],
)
def test_wrong_images_are_refused(images, said):
    with pytest.raises(ValueError, match=said):
        metrics.features(images)


def by_the_book(a, b):
    """The formula, with scipy's square root of a matrix."""
    A, B = np.cov(a.T), np.cov(b.T)
    overlap = linalg.sqrtm(A @ B).real.trace()
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + A.trace() + B.trace() - 2 * overlap


def test_frechet_distance_is_the_formula():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(400, 12)) @ rng.normal(size=(12, 12))
    b = rng.normal(size=(300, 12)) @ rng.normal(size=(12, 12)) + 0.5
    assert metrics.frechet_distance(a, b) == pytest.approx(by_the_book(a, b), rel=1e-8)
    assert metrics.frechet_distance(b, a) == pytest.approx(metrics.frechet_distance(a, b), rel=1e-8)


def test_frechet_distance_of_known_gaussians():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(200_000, 1))
    assert metrics.frechet_distance(a, 3 * a + 2) == pytest.approx(2**2 + (3 - 1) ** 2, rel=0.02)
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_with_singular_covariances():
    rng = np.random.default_rng(2)
    few = rng.normal(size=(5, 40))  # rank 4
    assert 0 <= metrics.frechet_distance(few, few) < 1e-5
    flat = np.zeros((10, 40))
    assert metrics.frechet_distance(flat, flat + 1) == pytest.approx(40)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (torch.zeros(5, 3), torch.zeros(5, 4)),
        (torch.zeros(1, 3), torch.zeros(5, 3)),
        (torch.zeros(5), torch.zeros(5)),
        (torch.full((5, 3), float("nan")), torch.zeros(5, 3)),
    ],
)
def test_frechet_distance_refuses_what_it_cannot_judge(a, b):
    with pytest.raises(ValueError, match="features must be"):
        metrics.frechet_distance(a, b)
