"""Figures for images, from the features that a network gives them, and how far such a figure can be trusted.

Everything but ``perceptual_distance`` takes features, shape (n, d), of any network: ``metrics.features(images)`` or your own.  Figures made
with the course's small network can be compared within the course and nowhere else.
"""

from typing import NamedTuple

import numpy as np
import torch

from . import network
from .convert import plain
from .network import tensor

_CHUNK = 1000  # rows of a distance matrix, or images, at once: keeps memory low
_BLOCK = 32  # columns of a covariance at once
_SLACK = 1e-14  # balls are closed: rounding must not push a point off the rim


class PrecisionRecall(NamedTuple):
    """Both 0..1.  precision: fakes that could be real; recall: reals that the fakes reach."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """density >= 0, about 1 for real against real; coverage 0..1."""

    density: float
    coverage: float


class Extrapolation(NamedTuple):
    """value: the fit at n -> infinity.  slope: of the fit, per 1/n.  sizes, distances: the points that it went through."""

    value: float
    slope: float
    sizes: tuple
    distances: tuple


class Interval(NamedTuple):
    """value: the statistic of the samples themselves.  low, high: ends of its interval."""

    value: float
    low: float
    high: float


def frechet_distance(features_a, features_b):
    """Fréchet distance between the Gaussians fitted to two sets of features: |mu_a - mu_b|^2 + tr(A + B - 2 (A B)^(1/2)).

    features_a, features_b: (n, d) and (m, d), n, m >= 2 -> float >= 0, in squared units of the features.  Heusel et al. 2017 (FID, with
    Inception's features).  Covariances divide by n - 1.
    With no more samples than dimensions the covariances are singular.  The value is still the exact distance of the two fitted Gaussians,
    but says little about the model: the bias, of order 1/n, is then the larger part of it (see ``frechet_extrapolated``).
    Raises ValueError for other shapes, a single sample, or numbers that aren't finite.

    With A = R^T R and B = S^T S, tr (A B)^(1/2) is the sum of the singular values of R S^T: real and never negative, so nothing complex
    appears and singular covariances need no special care.
    """
    a, b = _feature_sets(features_a, features_b)
    return _frechet(_fitted(a), _fitted(b))


def frechet_gaussians(mu1, cov1, mu2, cov2):
    """Fréchet distance between two Gaussians: means (d,), covariances (d, d) -> float >= 0.  Dowson & Landau 1982.

    Raises ValueError for shapes that don't fit, numbers that aren't finite, or a matrix that is no covariance: not symmetric, or with a
    negative eigenvalue, beyond what rounding to its own type can do to one with so large an eigenvalue.
    """
    sides = []
    for mu, cov in ((mu1, cov1), (mu2, cov2)):
        mu, cov = tensor(mu).double(), tensor(cov)
        if mu.dim() != 1 or cov.shape != (len(mu), len(mu)) or not len(mu):
            raise ValueError(
                f"a Gaussian needs a mean (d,) and a covariance (d, d); these are {tuple(mu.shape)} and {tuple(cov.shape)}"
            )
        if not (mu.isfinite().all() and cov.isfinite().all()):
            raise ValueError("means and covariances must be finite; there are NaN or infinities")
        rounding = _rounding(cov)
        cov = cov.double()
        symmetric = (cov + cov.T) / 2
        eigenvalues = torch.linalg.eigvalsh(symmetric)
        if (cov - cov.T).abs().max() > rounding * eigenvalues[-1]:
            raise ValueError("a covariance must be symmetric; this matrix is not")
        if eigenvalues[0] < -rounding * eigenvalues[-1]:
            raise ValueError(
                f"a covariance has no negative eigenvalue; this has {eigenvalues[0]:.3g}, and {eigenvalues[-1]:.3g} as the largest"
            )
        sides.append((mu, _root(symmetric)))
    if len(sides[0][0]) != len(sides[1][0]):
        raise ValueError(
            f"the two Gaussians have {len(sides[0][0])} and {len(sides[1][0])} dimensions"
        )
    return _frechet(*sides)


def _rounding(cov):
    """How far rounding the entries moves eigenvalues at most, as a share of the largest: sqrt(d) half units in the last place."""
    if not cov.is_floating_point():
        return 1e-6
    return max(1e-6, len(cov) ** 0.5 * torch.finfo(cov.dtype).eps / 2)  # many were float32 once


def _fitted(x):
    """Gaussian of the rows of x as (mean, R) with covariance R^T R."""
    mu = x.mean(0, dtype=torch.float64)
    scatter = torch.zeros(len(mu), len(mu), dtype=torch.float64)
    for rows in x.split(_CHUNK):  # a chunk stays in the processor's cache
        rows = rows - mu  # float64, as mu is
        for i in range(0, len(mu), _BLOCK):  # the upper half of a symmetric matrix
            scatter[i : i + _BLOCK, i:].addmm_(rows[:, i : i + _BLOCK].T, rows[:, i:])
    _refuse_unless_finite(mu)
    _refuse_unless_finite(scatter)
    return mu, _root((scatter.triu() + scatter.triu(1).T) / (len(x) - 1))


def _root(cov):
    """R with R^T R = cov; eigenvalues that are zero but for rounding count as zero."""
    values, vectors = torch.linalg.eigh(cov)
    noise = len(values) * torch.finfo(cov.dtype).eps * values[-1].clamp(min=0)
    return values.where(values > noise, 0).sqrt()[:, None] * vectors.T


def _frechet(a, b):
    (mu_a, root_a), (mu_b, root_b) = a, b
    overlap = torch.linalg.svdvals(root_a @ root_b.T).sum()  # tr (A B)^(1/2)
    spread = root_a.square().sum() + root_b.square().sum()  # tr A + tr B
    return max(0.0, float((mu_a - mu_b).square().sum() + spread - 2 * overlap))


def frechet_extrapolated(real, fake, points=15, smallest=None, seed=0):
    """Fréchet distance that an endless supply of fakes would have: a straight line in 1/n, read at 1/n = 0.  Chong & Forsyth 2020.

    real, fake: features (m, d) and (n, d) -> Extrapolation(value, slope, sizes, distances).  All reals are used each time, with
    ``points`` random subsets of the fakes of evenly spaced sizes from ``smallest`` (n / 10, but at least 2 d) to n.
    The bias that comes from the number of *reals* stays.  The value of a very good model can be slightly negative: the line has noise.
    Raises ValueError as ``frechet_distance`` does, and when there are too few fakes for a line (n < 2 smallest).
    """
    real, fake = _feature_sets(real, fake)
    n, d = fake.shape
    smallest = max(n // 10, 2 * d) if smallest is None else int(smallest)
    if points < 2 or smallest < 2 or n < 2 * smallest:
        raise ValueError(
            f"a line in 1/n needs at least 2 points and sizes from smallest >= 2 to twice that: {n} fakes of {d} features, "
            f"smallest = {smallest}, points = {points}"
        )
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.linspace(smallest, n, points).round().long().tolist()
    whole = _fitted(real)
    distances = [
        _frechet(whole, _fitted(fake[torch.randperm(n, generator=generator)[:size]]))
        for size in sizes
    ]
    slope, value = np.polyfit(1 / np.array(sizes), distances, 1)
    return Extrapolation(float(value), float(slope), tuple(sizes), tuple(distances))


def inception_score(probs, splits=None):
    """exp of the mean KL(p(y|x) || p(y)): high when single images are clear and together they show many classes.  Salimans et al. 2016.

    probs: p(y|x) of a classifier, (n, classes), rows sum to 1 -> float from 1 to the number of classes.
    splits=None, the definition: one score of the whole set.  splits=k: (mean, standard deviation) over k consecutive parts, the custom of
    papers; smaller parts have lower scores, so the two can't be compared.
    Raises ValueError for rows that are no probabilities, for NaN, and for fewer images than splits.
    """
    p = tensor(probs)
    slack = max(1e-3, torch.finfo(p.dtype).eps) if p.is_floating_point() else 1e-3
    p = p.double()
    if p.dim() != 2 or not len(p) or p.shape[1] < 2:
        raise ValueError(
            f"probs must be (n, classes) with at least one row and two classes; this is {tuple(p.shape)}"
        )
    if not p.isfinite().all() or p.min() < 0 or (p.sum(1) - 1).abs().max() > slack:
        raise ValueError(
            "each row of probs must hold probabilities that sum to 1: give softmax(logits), not logits or their logarithms"
        )

    def score(q):
        marginal = q.mean(0, keepdim=True)
        return (torch.xlogy(q, q) - torch.xlogy(q, marginal)).sum(1).mean().exp()

    if splits is None:
        return float(score(p))
    if not 2 <= splits <= len(p):
        raise ValueError(
            f"splits must be from 2 to the number of images, {len(p)}; this is {splits}"
        )
    scores = torch.stack([score(q) for q in p.tensor_split(splits)])
    return float(scores.mean()), float(scores.std())


def precision_recall(real, fake, k=3):
    """Improved precision and recall.  Kynkäänniemi et al. 2019.

    real, fake: features (n, d) and (m, d), more than k rows each -> PrecisionRecall(precision, recall).
    precision: share of fakes that lie in at least one real's ball, which reaches to its k-th nearest other real; recall: the same with the
    sets exchanged.  Both depend on n, m and k: compare only figures with equal ones.  Balls are closed; ties count as inside.
    Raises ValueError for other shapes, numbers that aren't finite, and k not from 1 to the smaller set's size - 1.
    """
    real, fake = _feature_sets(real, fake)
    real, fake = _centred(real, fake)
    real_radii, fake_radii = _radii(real, k), _radii(fake, k)
    precise, reached = [], torch.zeros(len(real), dtype=torch.bool)
    for d, radii in zip(
        _distances(fake, real, _SLACK), fake_radii.split(_CHUNK)
    ):  # d: (some fakes, reals)
        precise.append((d <= real_radii).any(1))
        reached |= (d <= radii[:, None]).any(0)
    return PrecisionRecall(_share(torch.cat(precise)), _share(reached))


def density_coverage(real, fake, k=5):
    """Density and coverage: precision and recall that one odd real or fake can't spoil.  Naeem et al. 2020.

    real, fake: features (n, d), n > k, and (m, d) -> DensityCoverage(density, coverage).  Only reals have balls (to the k-th nearest other
    real).  density: how many balls a fake lies in on average, divided by k; coverage: share of the balls with a fake in them.
    Balls are closed, so that repeated reals count; the authors' code has open ones, which differs for exact ties only: a copy of the real
    set has the density (k + 1)/k here, 1 there.
    Raises ValueError as ``precision_recall`` does.
    """
    real, fake = _feature_sets(real, fake, least=1)
    real, fake = _centred(real, fake)
    radii = _radii(real, k)
    inside, covered = 0, torch.zeros(len(real), dtype=torch.bool)
    for d in _distances(fake, real, _SLACK):
        hits = d <= radii
        inside += int(hits.sum())
        covered |= hits.any(0)
    return DensityCoverage(inside / (k * len(fake)), _share(covered))


def _centred(real, fake):
    """Both sets around the reals' median, where less is lost by rounding, and which no single sample moves."""
    _refuse_unless_finite(real)
    _refuse_unless_finite(fake)
    middle = real.double().median(0).values
    return real - middle, fake - middle


def _distances(a, b, slack=0.0):
    """Squared distances between the rows of a and b, a chunk of a's rows at a time: (x, |x|^2, 1) (-2y, 1, |y|^2)^T.

    Rounding errs by a share of |x|^2 + |y|^2: so much is taken off, slack times sqrt(d) of it, each pair by its own norms.
    """
    kept = 1 - slack * a.shape[1] ** 0.5

    def squares(x):
        return kept * x.square().sum(1, keepdim=True)

    right = torch.cat([-2 * b, torch.ones_like(b[:, :1]), squares(b)], 1).T
    for x in a.split(_CHUNK):
        yield torch.cat([x, squares(x), torch.ones_like(x[:, :1])], 1) @ right


def _radii(x, k):
    """Squared distance of each row to its k-th nearest other row."""
    if not 1 <= k < len(x):
        raise ValueError(f"k must be from 1 to the number of samples - 1; it is {k} for {len(x)}")
    parts = x.split(_CHUNK)
    nearest = [torch.full((len(part), k + 1), torch.inf, dtype=x.dtype) for part in parts]

    def keep(i, d):
        found = d.topk(min(k + 1, d.shape[1]), largest=False, sorted=False).values
        nearest[i] = torch.cat([nearest[i], found], 1).topk(k + 1, largest=False).values

    for i, part in enumerate(parts):  # each pair of chunks once: distances are symmetric
        (d,) = _distances(part, x[i * _CHUNK :])
        keep(i, d)
        for j, columns in enumerate(d.split(_CHUNK, 1)[1:], i + 1):
            keep(j, columns.T.contiguous())
    return torch.cat([best[:, -1] for best in nearest])


def _share(marks):
    return float(marks.double().mean())


def perceptual_distance(a, b):
    """How different two images look to the course's feature network, in the style of LPIPS (Zhang et al. 2018).

    a, b: images of equal shape, (28, 28) or (1, 28, 28) -> float; or batches (n, 1, 28, 28) -> float32 (n,), image i of a against image i
    of b.  0 paper to 1 ink.  >= 0, 0 for equal images; no unit.
    The activations after each convolution are scaled to unit length at each position; squared differences are summed over channels,
    averaged over positions and summed over the layers.  LPIPS weights the channels with numbers learnt from people's judgements; here there
    are none (all are 1), and the network has seen digits only.  It is no match for people, and no figure of a paper compares with it.
    Raises ValueError for other shapes or values, CheckpointError if the network's file is missing.
    """
    a, b = tensor(a), tensor(b)
    if a.shape != b.shape or a.dim() not in (2, 3, 4) or (a.dim() == 3 and len(a) != 1):
        raise ValueError(
            "two images of shape (28, 28) or (1, 28, 28), or two batches (n, 1, 28, 28), are compared; "
            f"these are {tuple(a.shape)} and {tuple(b.shape)}"
        )
    single = a.dim() < 4
    if single:
        a, b = a.reshape(1, 1, *a.shape[-2:]), b.reshape(1, 1, *b.shape[-2:])
    distances = [
        (network.in_chunks(_look, x) - network.in_chunks(_look, y)).square().sum(1)
        for x, y in zip(a.split(_CHUNK // 2), b.split(_CHUNK // 2))
    ]
    return float(distances[0]) if single else torch.cat(distances)


def _look(net, x):
    """Unit-length activations of every convolution, (n, all of them), scaled so that squares sum to a mean over positions."""
    seen = []
    for layer in net.convolutions:
        x = layer(x)
        if isinstance(layer, torch.nn.ReLU):
            unit = x / (x.square().sum(1, keepdim=True) + 1e-8).sqrt()  # torchmetrics' 1e-8
            seen.append((unit / unit[0, 0].numel() ** 0.5).flatten(1))
    return torch.cat(seen, 1)


def bootstrap_interval(
    statistic, *samples, level=0.95, repeats=1000, seed=0, method="percentile", paired=False
):
    """Interval of a statistic by drawing each sample's rows anew, with replacement.  Efron & Tibshirani 1993, chapters 13 and 16.

    statistic: function of as many samples as are given -> a number.  samples: tensors, arrays or lists, first dimension = observations.
    level: 0..1.  paired: the samples have equal lengths, and rows i of all are drawn together.  -> Interval(value, low, high).
    method "percentile": the middle ``level`` of the redrawn statistics.  "basic": these mirrored at the value, 2 value - high to
    2 value - low.  A Fréchet distance needs "basic": redrawn samples hold 63 % of the observations, so their distances are too large, and
    the percentile interval often doesn't even contain the value; mirroring takes the bias away (and may reach below 0).
    Raises ValueError for an empty sample, samples of different lengths that are paired, a statistic that isn't one finite number.
    """
    samples = [
        s.detach() if isinstance(s, torch.Tensor)
        else s if isinstance(s, np.ndarray)
        else np.asarray(plain(s))
        for s in samples
    ]  # fmt: skip
    if not samples or min(s.ndim and len(s) for s in samples) < 1:
        raise ValueError("bootstrap needs at least one sample with at least one observation")
    if paired and len({len(s) for s in samples}) > 1:
        raise ValueError(
            f"paired samples have equal lengths; these have {[len(s) for s in samples]}"
        )
    if not 0 < level < 1 or repeats < 2 or method not in ("percentile", "basic"):
        raise ValueError("level lies between 0 and 1, repeats >= 2, method is percentile or basic")

    def number(*sets):
        value = float(statistic(*sets))
        if not np.isfinite(value):
            raise ValueError(
                f"the statistic must be a finite number; on some samples it is {value}"
            )
        return value

    value = number(*samples)
    rng = np.random.default_rng(seed)
    redrawn = np.empty(repeats)
    for r in range(repeats):
        if paired:
            rows = [rng.integers(len(samples[0]), size=len(samples[0]))] * len(samples)
        else:
            rows = [rng.integers(len(s), size=len(s)) for s in samples]
        redrawn[r] = number(
            *(
                s[torch.from_numpy(i)] if isinstance(s, torch.Tensor) else s[i]
                for s, i in zip(samples, rows)
            )
        )
    low, high = np.quantile(redrawn, [(1 - level) / 2, (1 + level) / 2])
    if method == "basic":
        low, high = 2 * value - high, 2 * value - low
    return Interval(value, float(low), float(high))


def _feature_sets(a, b, least=2):
    a, b = tensor(a), tensor(b)
    fits = a.dim() == 2 and b.dim() == 2 and a.shape[1] == b.shape[1] > 0
    if not fits or len(a) < 2 or len(b) < least:
        raise ValueError(
            f"features must be (n, d) and (m, d) with at least two rows; these are {tuple(a.shape)} and {tuple(b.shape)}"
        )
    a, b = (x if x.is_floating_point() else x.double() for x in (a, b))
    return a, b


def _refuse_unless_finite(x):
    if not torch.linalg.vector_norm(x, dtype=torch.float64).isfinite():  # one pass, and no copy
        raise ValueError(
            "features must be finite, and their squares too; there are NaN, infinite or huge values among these"
        )
