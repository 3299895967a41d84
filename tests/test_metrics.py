"""Judges of images: the network has its accuracy; each figure is what its paper says and what torchmetrics computes."""

import ast
import graphlib
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
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


DIGITS = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "images",
    [
        list(DIGITS),
        [x.numpy() for x in DIGITS],
        DIGITS.tolist(),
        DIGITS.numpy().astype(">f4"),
        np.ascontiguousarray(DIGITS.numpy()[:, :, :, ::-1])[:, :, :, ::-1],
        DIGITS.clone().requires_grad_(),
    ],
    ids=["tensors", "arrays", "lists", "byte order", "strides", "gradient"],
)
def test_images_come_in_any_container(images):
    torch.testing.assert_close(metrics.features(images), metrics.features(DIGITS))
    assert metrics.perceptual_distance(images, DIGITS).abs().max() < 1e-6


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_images_and_probabilities_of_half_precision(dtype):
    x = DIGITS.to(dtype)
    torch.testing.assert_close(metrics.features(x), metrics.features(x.float()))
    assert metrics.perceptual_distance(x, x.float()).max() == 0
    probs = (3 * torch.randn(500, 10, generator=torch.Generator().manual_seed(0))).softmax(1)
    exact = metrics.inception_score(probs)  # rows of bfloat16 sum to 1 within 0.4 %
    assert metrics.inception_score(probs.to(dtype)) == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        ([], "no images"),
        (np.zeros((0, 28, 28)), "no images"),
        (["abc"], "real numbers"),
        (DIGITS + 1j, "real numbers"),
        ([torch.zeros(28, 28), torch.zeros(1, 28, 28)], r"one shape.*\(1, 28, 28\), \(28, 28\)"),
        ([[0.0, 1], [0.0]], "rows of one length"),
    ],
)
def test_what_holds_no_images_is_refused(x, said):
    for call in (metrics.features, metrics.class_probabilities):
        with pytest.raises(ValueError, match=said):
            call(x)


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


def test_names_are_imported_when_asked_for():
    code = (
        "import sys; from course_utils import metrics; assert 'torch' not in sys.modules and 'numpy' not in sys.modules;"
        "metrics.bleu; metrics.binomial_sign_test; assert not {'torch', 'ipywidgets', 'matplotlib'} & set(sys.modules);"
        "assert set(metrics.__all__) <= set(dir(metrics)); [getattr(metrics, name) for name in metrics.__all__]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    with pytest.raises(AttributeError, match="no attribute 'blue'"):
        metrics.blue  # noqa: B018


class Same(torch.nn.Module):
    """A "feature network" that returns its input."""

    def __init__(self, width):
        super().__init__()
        self.num_features = width

    def forward(self, x):
        return x


def torchmetrics_fid(a, b):
    from torchmetrics.image.fid import FrechetInceptionDistance

    judge = FrechetInceptionDistance(feature=Same(a.shape[1]), normalize=True)
    judge.update(a, real=True)
    judge.update(b, real=False)
    return float(judge.compute())


def test_frechet_distance_is_torchmetrics_with_our_network(digits):
    """Both get images; torchmetrics gets the course's network as its own."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    net = metrics.network._network()

    class Ours(torch.nn.Module):
        num_features = 128

        def forward(self, x):
            return net.features(x)

    real, fake = digits.images[:1000], digits.images[1000:1900].flip(3)
    judge = FrechetInceptionDistance(feature=Ours(), normalize=True)
    judge.update(real, real=True)
    judge.update(fake, real=False)
    ours = metrics.frechet_distance(metrics.features(real), metrics.features(fake))
    assert ours == pytest.approx(float(judge.compute()), rel=1e-4)


@pytest.mark.parametrize(
    ("n", "m", "d"), [(3000, 2500, 40), (60, 50, 40), (20, 30, 40), (2, 2, 5), (50, 70, 1)]
)
def test_frechet_distance_is_torchmetrics(n, m, d):
    g = torch.Generator().manual_seed(n)
    a = (torch.randn(n, d, generator=g) @ torch.randn(d, d, generator=g)).relu()
    b = (torch.randn(m, d, generator=g) @ torch.randn(d, d, generator=g)).relu() + 0.3
    assert metrics.frechet_distance(a, b) == pytest.approx(torchmetrics_fid(a, b), rel=1e-4)


matrices = st.integers(1, 5).flatmap(
    lambda d: st.tuples(
        *[
            arrays(
                np.float64,
                st.tuples(st.integers(2, 12), st.just(d)),
                elements=st.floats(-1e3, 1e3, width=32),
            )
            for _ in range(2)
        ]
    )
)


@settings(max_examples=80, deadline=None)
@given(matrices)
def test_frechet_distance_is_a_distance(pair):
    """Real, not negative, symmetric, 0 for equal sets, blind to order and to a common shift; for any covariances, singular ones too."""
    a, b = pair
    size = 1 + np.abs(a).max() ** 2 + np.abs(b).max() ** 2
    forth, back = metrics.frechet_distance(a, b), metrics.frechet_distance(b, a)
    assert isinstance(forth, float) and np.isfinite(forth) and forth >= 0
    assert forth == pytest.approx(back, rel=1e-6, abs=1e-6 * size)
    assert metrics.frechet_distance(a, a[::-1].copy()) <= 1e-6 * size
    assert metrics.frechet_distance(a + 7, b + 7) == pytest.approx(forth, rel=1e-6, abs=1e-5 * size)
    assert forth >= ((a.mean(0) - b.mean(0)) ** 2).sum() - 1e-6 * size


def test_frechet_distance_keeps_small_differences():
    """Dead and nearly constant features: no complex leftovers, no noise that drowns a small distance."""
    rng = np.random.default_rng(3)
    scales = np.array([10.0, 1, 1e-3, 1e-6, 0, 0, 0])
    a = rng.normal(size=(5000, 7)) * scales
    b = a * 1.001
    exact = ((0.001 * a.mean(0)) ** 2 + (0.001 * a.std(0, ddof=1)) ** 2).sum()  # b is a, scaled
    assert metrics.frechet_distance(a, b) == pytest.approx(exact, rel=1e-5)


def test_features_come_in_any_container():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 40, 3))
    exact = metrics.frechet_distance(a, b)
    for x in (a[::-1], list(torch.from_numpy(a)), a.astype(">f8"), a.tolist()):
        assert metrics.frechet_distance(x, b) == pytest.approx(exact, rel=1e-12)
        assert metrics.precision_recall(x, b) == metrics.precision_recall(a, b)
    numbers = [torch.tensor(1.0, requires_grad=True), torch.tensor(2.0)]
    assert metrics.bootstrap_interval(np.mean, numbers) == metrics.bootstrap_interval(
        np.mean, [1.0, 2.0]
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.int64])
def test_frechet_distance_of_other_types(dtype):
    g = torch.Generator().manual_seed(0)
    a, b = (torch.randint(0, 9, (200, 4), generator=g).to(dtype) for _ in range(2))
    before = a.clone()
    assert metrics.frechet_distance(a, b) == pytest.approx(
        metrics.frechet_distance(a.double(), b.double())
    )
    metrics.frechet_distance(a.double(), b.double())
    assert torch.equal(a, before)


def test_features_that_overflow_are_refused():
    with pytest.raises(ValueError, match="huge"):
        metrics.frechet_distance(torch.full((4, 2), 1e200, dtype=torch.float64), torch.zeros(4, 2))


def test_frechet_distance_between_gaussians():
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(300, 6)), rng.normal(size=(200, 6)) * 2 + 1
    ours = metrics.frechet_gaussians(a.mean(0), np.cov(a.T), b.mean(0), np.cov(b.T))
    assert ours == pytest.approx(metrics.frechet_distance(a, b), rel=1e-9)
    one = torch.ones(1)
    assert metrics.frechet_gaussians(
        one, 4 * torch.eye(1), -one, 9 * torch.eye(1)
    ) == pytest.approx(5)
    assert metrics.frechet_gaussians(
        [0.0, 0], np.zeros((2, 2)), [3.0, 4], np.zeros((2, 2))
    ) == pytest.approx(25)


@pytest.mark.parametrize("seed", range(3))
def test_frechet_between_strongly_correlated_gaussians_of_float32(seed):
    """60 samples of 128 features that move together: rounding makes eigenvalues negative, up to 1e-7 of the largest."""
    g = torch.Generator().manual_seed(seed)
    a, b = (
        3 * torch.randn(60, 1, generator=g) + 0.3 * torch.randn(60, 128, generator=g) + shift
        for shift in (0, 0.1)
    )
    sides = [(x.mean(0), torch.cov(x.T)) for x in (a, b)]
    lowest = min(float(torch.linalg.eigvalsh(cov.double())[0]) for _, cov in sides)
    assert lowest < -1e-5
    found = metrics.frechet_gaussians(*sides[0], *sides[1])
    assert found == pytest.approx(by_the_book(a.double().numpy(), b.double().numpy()), rel=1e-3)
    assert found == pytest.approx(metrics.frechet_distance(a, b), rel=3e-4)


@pytest.mark.parametrize("scale", [1e-8, 1, 1e8])
def test_a_negative_eigenvalue_is_refused_at_any_scale(scale):
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(20, 20)))
    values = np.linspace(0, 100, 20)
    for low, refused in ((-1e-2, True), (-1e-5, False)):
        values[0] = low
        cov = scale * (rotation * values) @ rotation.T
        if refused:
            with pytest.raises(ValueError, match="negative eigenvalue"):
                metrics.frechet_gaussians(np.zeros(20), cov, np.zeros(20), cov)
        else:
            distance = metrics.frechet_gaussians(np.zeros(20), cov, np.zeros(20), cov)
            assert distance == pytest.approx(0, abs=1e-9 * scale)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([0.0], [[1.0, 0], [0, 1]], [0.0], [[1.0]]), "covariance"),
        (([0.0, 0], [[1.0, 2], [0, 1]], [0.0, 0], np.eye(2)), "symmetric"),
        (([0.0, 0], [[1.0, 2], [2, 1]], [0.0, 0], np.eye(2)), "negative eigenvalue"),
        (([0.0], [[float("nan")]], [0.0], [[1.0]]), "finite"),
        (([0.0], [[1.0]], [0.0, 0], np.eye(2)), "1 and 2 dimensions"),
    ],
)
def test_what_is_no_gaussian_is_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        metrics.frechet_gaussians(*arguments)


def test_bias_of_frechet_distance_and_its_extrapolation():
    """Two samples of one Gaussian: the distance falls like 1/n, and the line through it comes near the truth, 0."""
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(20_000, 16)), rng.normal(size=(5000, 16))
    fit = metrics.frechet_extrapolated(real, fake)
    assert fit.sizes[0] == 500 and fit.sizes[-1] == 5000 and len(fit.distances) == 15
    assert fit.distances[0] > 5 * fit.distances[-1] and fit.slope > 0
    assert abs(fit.value) < 0.3 * fit.distances[-1] + 0.01
    assert fit == metrics.frechet_extrapolated(real, fake)  # seeded
    assert fit.distances[-1] == pytest.approx(metrics.frechet_distance(real, fake), rel=1e-9)
    with pytest.raises(ValueError, match="line in 1/n"):
        metrics.frechet_extrapolated(real, fake[:60])
    with pytest.raises(ValueError, match="line in 1/n"):
        metrics.frechet_extrapolated(real, fake, points=1)


def test_inception_score_is_torchmetrics():
    from torchmetrics.image.inception import InceptionScore

    logits = 3 * torch.randn(1000, 10, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        judge = InceptionScore(feature=Same(10), splits=1, normalize=False)
        judge.update(logits)
        whole = float(judge.compute()[0])
        parts = InceptionScore(feature=Same(10), splits=10, normalize=False)
        parts.update(logits)
        torch.manual_seed(1)
        mean, std = map(float, parts.compute())
        torch.manual_seed(1)
        shuffled = logits[torch.randperm(1000)]
    assert metrics.inception_score(logits.softmax(1)) == pytest.approx(whole, rel=1e-4)
    assert metrics.inception_score(shuffled.softmax(1), splits=10) == pytest.approx(
        (mean, std), rel=1e-4
    )


def test_inception_score_at_its_ends():
    assert metrics.inception_score(torch.eye(10).repeat(7, 1)) == pytest.approx(
        10
    )  # certain, all classes: 0 log 0 = 0
    assert metrics.inception_score(torch.eye(10)[[3] * 20]) == pytest.approx(1)
    assert metrics.inception_score(np.full((5, 4), 0.25)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("probs", "splits", "said"),
    [
        (torch.randn(5, 3), None, "softmax"),
        (torch.full((5, 3), float("nan")), None, "softmax"),
        (torch.full((5, 2), 0.4), None, "sum to 1"),
        (torch.ones(5), None, "classes"),
        (torch.ones(5, 1), None, "classes"),
        (torch.zeros(0, 3), None, "classes"),
        (torch.full((5, 2), 0.5), 6, "splits"),
        (torch.full((5, 2), 0.5), 1, "splits"),
    ],
)
def test_inception_score_refuses_what_are_no_probabilities(probs, splits, said):
    with pytest.raises(ValueError, match=said):
        metrics.inception_score(probs, splits)


def neighbours(real, fake, k):
    """Precision, recall, density, coverage, written down as the papers define them."""
    dist = lambda a, b: np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))  # noqa: E731
    r_real = np.sort(dist(real, real), 1)[:, k]
    r_fake = np.sort(dist(fake, fake), 1)[:, k]
    inside = dist(real, fake) <= r_real[:, None]
    return (
        inside.any(0).mean(),
        (dist(fake, real) <= r_fake[:, None]).any(0).mean(),
        inside.sum() / (k * len(fake)),
        inside.any(1).mean(),
    )


@pytest.mark.parametrize(
    ("n", "m", "k"), [(300, 200, 3), (200, 300, 5), (30, 20, 1), (1200, 1100, 3)]
)
def test_precision_recall_density_coverage_are_the_papers(n, m, k):
    rng = np.random.default_rng(n)
    real, fake = rng.normal(size=(n, 6)) + 100, rng.normal(size=(m, 6)) * 0.8 + 100.4
    ours = (*metrics.precision_recall(real, fake, k), *metrics.density_coverage(real, fake, k))
    assert ours == pytest.approx(neighbours(real, fake, k), abs=1e-12)


@pytest.mark.parametrize("far", [1e4, 1e8, 1e12, 1e150])
def test_one_odd_sample_changes_precision_and_recall_by_its_share(far):
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(1000, 32)), 1.5 * rng.normal(size=(1000, 32))
    before = (*metrics.precision_recall(real, fake), *metrics.density_coverage(real, fake, 3))
    assert before[0] < 0.05
    fake[7] = far
    after = (*metrics.precision_recall(real, fake), *metrics.density_coverage(real, fake, 3))
    assert after == pytest.approx(neighbours(real, fake, 3), abs=1e-12)
    assert after == pytest.approx(before, abs=0.0021)
    real[7] = far  # its ball reaches to the others, and takes in what is nearer than its neighbours
    coverage = metrics.density_coverage(real, fake, 3).coverage
    assert coverage == pytest.approx(before[3], abs=0.0021)
    if far <= 1e8:  # beyond, doubles can't tell the others' distances to it apart
        after = (*metrics.precision_recall(real, fake), *metrics.density_coverage(real, fake, 3))
        assert after == pytest.approx(neighbours(real, fake, 3), abs=1e-12)


@pytest.mark.parametrize("shift", [0, 1e3, 1e6])
def test_copies_count_as_inside_however_far_from_the_origin(shift):
    rng = np.random.default_rng(1)
    real = rng.normal(size=(300, 64)) + shift
    fake = real[rng.permutation(300)[:100]]  # many lie on the rim of a ball
    ours = (*metrics.precision_recall(real, fake, 1), *metrics.density_coverage(real, fake, 1))
    assert ours == pytest.approx(neighbours(real, fake, 1), abs=1e-12)
    repeated = real.repeat(4, 0)  # balls without extent
    assert metrics.precision_recall(repeated, real, 3).precision == 1
    assert metrics.precision_recall(real, repeated, 3).recall == 1
    assert metrics.density_coverage(repeated, real, 3) == pytest.approx((4 / 3, 1))


def test_precision_recall_know_copies_collapse_and_noise():
    g = torch.Generator().manual_seed(0)
    real = torch.randn(500, 8, generator=g)
    assert metrics.precision_recall(real, real) == (1, 1)
    assert metrics.density_coverage(real, real, k=5) == pytest.approx((6 / 5, 1))
    one = real[:1].repeat(500, 1)
    precision, recall = metrics.precision_recall(real, one)
    assert precision == 1 and recall <= 0.01
    assert metrics.density_coverage(real, one).coverage < 0.1
    far = torch.randn(500, 8, generator=g) + 100
    assert metrics.precision_recall(real, far) == (0, 0)
    assert metrics.density_coverage(real, far) == (0, 0)
    assert metrics.precision_recall(one, one) == (1, 1)
    assert metrics.density_coverage(one, one, k=3).coverage == 1
    assert metrics.density_coverage(real, real[:1]).density > 0  # a single fake is enough here
    for k in (0, 500):
        with pytest.raises(ValueError, match="k must be"):
            metrics.precision_recall(real, real, k)
    with pytest.raises(ValueError, match="finite"):
        metrics.precision_recall(real, real * float("nan"))


def test_perceptual_distance_is_torchmetrics_without_weights(digits):
    """LPIPS as torchmetrics computes it, with the course's network in the place of SqueezeNet and all weights 1."""
    from torchmetrics.functional.image.lpips import _LPIPS

    net = metrics.network._network()

    class Layers(torch.nn.Module):
        def forward(self, x):
            found = []
            for layer in net.convolutions:
                x = layer(x)
                found += [x] if isinstance(layer, torch.nn.ReLU) else []
            return found

    class One(torch.nn.Module):
        def forward(self, x):
            return x.sum(1, keepdim=True)

    judge = _LPIPS(pretrained=False, net="squeeze", pnet_rand=True)
    judge.scaling_layer, judge.net, judge.L = torch.nn.Identity(), Layers(), 3
    judge.lins = torch.nn.ModuleList([One(), One(), One()])
    a, b = digits.images[:20], digits.images[20:40]
    with torch.no_grad():
        theirs = judge(a, b).flatten()
    assert torch.allclose(metrics.perceptual_distance(a, b), theirs, rtol=1e-4)


def test_perceptual_distance_orders_what_we_see(digits):
    x = digits.images[0]
    assert metrics.perceptual_distance(x, x) == 0
    assert metrics.perceptual_distance(x[0], x[0]) == 0
    blank = torch.zeros(28, 28)
    assert np.isfinite(metrics.perceptual_distance(blank, blank + 1))
    same = metrics.perceptual_distance(x, torch.roll(x, 1, dims=2))
    other = metrics.perceptual_distance(x, digits.images[1])
    assert isinstance(same, float) and 0 < same < other
    batch = digits.images[:1100]
    distances = metrics.perceptual_distance(batch, batch.flip(0))
    assert distances.shape == (1100,) and torch.allclose(distances, distances.flip(0), atol=1e-5)
    for a, b in [
        (x, digits.images[:2]),
        (digits.images[:3, 0], digits.images[:3, 0]),
        (x * 255, x * 255),
    ]:
        with pytest.raises(ValueError):
            metrics.perceptual_distance(a, b)


def test_bootstrap_interval_is_scipys():
    from scipy.stats import bootstrap

    x = np.random.default_rng(0).exponential(size=80)
    for method in ("percentile", "basic"):
        ours = metrics.bootstrap_interval(np.mean, x, repeats=4000, method=method)
        theirs = bootstrap(
            (x,), np.mean, n_resamples=4000, method=method, rng=1
        ).confidence_interval
        assert ours.value == x.mean()
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)
    tensor = metrics.bootstrap_interval(lambda t: t.mean(), torch.tensor(x), repeats=4000)
    assert tensor == pytest.approx(metrics.bootstrap_interval(np.mean, list(x), repeats=4000))


def test_bootstrap_interval_of_pairs_and_of_a_biased_figure():
    rng = np.random.default_rng(0)
    a = rng.normal(size=100)
    b = a + 0.1 + 0.05 * rng.normal(size=100)
    gap = lambda x, y: (y - x).mean()  # noqa: E731
    paired = metrics.bootstrap_interval(gap, a, b, paired=True, repeats=300)
    assert 0 < paired.low < paired.high < 0.15
    assert metrics.bootstrap_interval(gap, a, b, repeats=300).low < 0  # pairs torn apart
    real, fake = rng.normal(size=(2000, 8)), rng.normal(size=(300, 8))
    naive = metrics.bootstrap_interval(metrics.frechet_distance, real, fake, repeats=50)
    mirrored = metrics.bootstrap_interval(
        metrics.frechet_distance, real, fake, repeats=50, method="basic"
    )
    assert naive.low > naive.value  # why a Fréchet distance needs "basic"
    assert mirrored.high < mirrored.value


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        (([],), {}, "observation"),
        ((), {}, "sample"),
        (([1, 2], [1]), {"paired": True}, "equal lengths"),
        (([1.0, float("nan")],), {}, "finite"),
        (([1, 2],), {"level": 95}, "level"),
        (([1, 2],), {"method": "bca"}, "method"),
    ],
)
def test_bootstrap_interval_refuses(arguments, options, said):
    with pytest.raises(ValueError, match=said):
        metrics.bootstrap_interval(lambda *s: np.mean(s[0]), *arguments, **options)


def test_modules_import_one_way():
    """No module of the package needs, through others, one that needs it; imports inside functions count."""
    folder = Path(metrics.__file__).parent
    needs = {}
    for path in folder.glob("*.py"):
        found = [
            n for n in ast.walk(ast.parse(path.read_text("utf8"))) if isinstance(n, ast.ImportFrom)
        ]
        needs[path.stem] = {
            name
            for node in found
            if node.level == 1
            for name in ([node.module] if node.module else [alias.name for alias in node.names])
        }
    assert needs["bertscore"] >= {"masked_lm", "score"}  # the walk sees something
    tuple(graphlib.TopologicalSorter(needs).static_order())  # CycleError names a circle
