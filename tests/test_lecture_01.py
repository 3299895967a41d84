"""Lectures 01 and 01b: what they claim about estimates, bounds and EM, on data that they don't use."""

import ast
import itertools
import math

import nbformat
import numpy as np
import pytest
import torch
from scipy import integrate, stats

from course_utils.commands import notebooks
from course_utils.exercises import all_exercises
from course_utils.exercises.engine import judge
from course_utils.texts import load


def functions_of(lecture):
    """What a lecture's cells define with def, as a dict; its exercises are the references."""
    everyones = all_exercises()
    known = {name: exercise.reference for name, (exercise, _) in everyones.items()}
    own = "lecture_" + lecture.split("_")[0]
    exercises = {name for name, (_, module) in everyones.items() if module == own}
    known |= {"math": math, "np": np, "torch": torch}
    (path,) = notebooks.paths([lecture])
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            tree.body = [
                node
                for node in tree.body
                if isinstance(node, ast.FunctionDef) and node.name not in exercises
            ]
            exec(compile(tree, cell.id, "exec"), known)
    return known


@pytest.fixture(scope="module")
def lecture_01():
    return functions_of("01_statistics")


@pytest.fixture(scope="module")
def em_cells():
    return functions_of("01b_monte_carlo")


# --- lecture 01 ---


@pytest.mark.parametrize("a", [0.05, 1.0, 30.0])
def test_the_evidence_is_a_distribution_over_counts(lecture_01, a):
    every = [c for c in itertools.product(range(5), repeat=3) if sum(c) == 4]
    counts = torch.tensor(every).double()[:, None]  # (15, 1, 3)
    orders = torch.tensor([math.factorial(4) / math.prod(map(math.factorial, c)) for c in every])
    log_p = lecture_01["log_evidence"](counts, torch.tensor([[a]]).double())[:, 0]
    assert (orders * log_p.exp()).sum().item() == pytest.approx(1)


def test_pitmans_estimate_is_the_posterior_mean(lecture_01):
    x = np.repeat(
        [0.1, 0.4, -0.2, 0.25, -0.05, 0.33], 5
    )  # not too few: its grid ends 1 beside the median

    def moment(power):
        def f(mu):
            return mu**power * math.exp(30 - np.abs(x - mu).sum())

        return integrate.quad(f, -5, 5, points=np.unique(x), limit=200)[0]

    found = lecture_01["pitman"](torch.tensor(x)[None]).item()
    assert found == pytest.approx(moment(1) / moment(0), abs=1e-3)
    assert abs(found - np.median(x)) > 0.005  # and it is not the median


def test_the_sandwich_of_a_variance_is_that_of_theory(lecture_01):
    """Laplace data: Var((x - mu)²) = 24 - 4; the usual error takes 2 v² = 8 for it."""
    x = np.random.default_rng(0).laplace(size=(4, 500_000))
    errors = lecture_01["estimates_with_errors"](x)
    assert errors["variance, sandwich"][1] == pytest.approx(math.sqrt(20 / 500_000), rel=0.05)
    assert errors["variance, Fisher"][1] == pytest.approx(math.sqrt(8 / 500_000), rel=0.05)
    assert errors["mean, Fisher"][1] == pytest.approx(math.sqrt(2 / 500_000), rel=0.05)


def test_coverage_is_that_of_the_gamma_distribution(lecture_01):
    """A sum of n exponentials is Gamma(n), so each share is known: here for n = 5."""
    rng, n = np.random.default_rng(0), 5
    covers, above, below, fixed = lecture_01["coverage"](n / rng.standard_gamma(n, size=400_000), n)
    half, cdf = 1.96 / math.sqrt(n), stats.gamma(n).cdf
    assert above == pytest.approx(cdf(n * (1 - half)), abs=2e-3)
    assert below == pytest.approx(1 - cdf(n * (1 + half)), abs=2e-3)
    assert covers == pytest.approx(1 - above - below)
    assert fixed == pytest.approx(cdf(n / (1 - half)) - cdf(n / (1 + half)), abs=2e-3)


def test_em_without_a_floor_collapses_onto_a_lonely_point(lecture_01):
    """From a narrow component on the point far from all others; from one between two others it need not."""
    x = torch.cat([torch.linspace(-1, 1, 20), torch.tensor([50.0])]).double()
    smallest = lecture_01["em_sigmas"](x, steps=50)
    assert smallest.shape == (21,) and smallest[-1].isnan()


def test_the_best_divisors_of_next_steps():
    """Of the sum of squares of n Gaussian points: n + 1 in squared error, n (n - 3) / (n + 1) for new points."""
    n, rng = 12, np.random.default_rng(0)
    x = rng.normal(size=(200_000, n))
    squares, mean = n * x.var(axis=1), x.mean(axis=1)
    c = np.arange(5, 17, 0.25)[:, None]
    squared_error = ((squares / c - 1) ** 2).mean(axis=1)
    new_points = (0.5 * np.log(squares / c) + (1 + mean**2) * c / 2 / squares).mean(axis=1)
    assert c[squared_error.argmin(), 0] == pytest.approx(n + 1, abs=0.25)
    assert c[new_points.argmin(), 0] == pytest.approx(n * (n - 3) / (n + 1), abs=0.25)


def test_a_mixture_without_an_axis_for_components_is_told_about_it():
    def mixture(x, logits, mu, sigma):
        log_normal = -0.5 * ((x - mu) / sigma) ** 2 - torch.log(sigma)
        return torch.logsumexp(torch.log_softmax(logits, dim=0) + log_normal, dim=1)

    exercise, _ = all_exercises()["mixture_log_prob"]
    verdict = judge(exercise, mixture, load("exercises", "lecture_01")["mixture_log_prob"])
    assert verdict.status == "wrong"
    assert "x[:, None]" in verdict.text


# --- lecture 01b ---


@pytest.mark.parametrize("seed", range(5))
def test_no_step_of_em_lowers_the_likelihood(em_cells, seed):
    rng = np.random.default_rng(seed)
    x = torch.tensor(rng.standard_t(3, size=200))
    starts = torch.tensor(rng.normal(size=(10, 1, 3)))
    _, history = em_cells["em"](x, em_cells["equal_start"](starts), steps=30)
    assert history.shape == (30, 10)
    assert (history.diff(dim=0) > -1e-12).all()


def test_the_m_step_is_the_top_of_the_elbo(em_cells):
    """Its gradient with respect to every parameter is zero there, and not at another place."""
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.normal(size=100))
    r = torch.softmax(torch.tensor(rng.normal(size=(100, 3))), dim=1)
    best = em_cells["m_step"](x, r)

    def slopes(mu, sigma):
        mu, sigma = (t.clone().requires_grad_() for t in (mu, sigma))
        elbo = (r * em_cells["log_joint"](x, (best[0], mu, sigma))).sum()
        return torch.cat(torch.autograd.grad(elbo, (mu, sigma))).abs().max()

    assert slopes(*best[1:]) < 1e-9 < slopes(best[1] + 0.1, best[2])


def test_many_starts_at_once_are_the_single_ones(em_cells):
    rng = np.random.default_rng(1)
    x, starts = torch.tensor(rng.normal(size=80)), torch.tensor(rng.normal(size=(4, 1, 2)))
    together, _ = em_cells["em"](x, em_cells["equal_start"](starts), steps=20)
    alone, _ = em_cells["em"](x, em_cells["equal_start"](starts[2]), steps=20)
    assert all(torch.allclose(a[2], b) for a, b in zip(together[-1], alone[-1]))


def test_a_floor_under_sigma_keeps_em_from_nan(em_cells):
    """A component on one point far from all others: without the floor of its M-step it collapses."""
    x = torch.cat([torch.linspace(-1, 1, 20), torch.tensor([50.0])]).double()
    start = em_cells["equal_start"](torch.tensor([[0.0, 50.0]]).double())

    def without_floor(x, r):
        log_w, mu, _ = em_cells["m_step"](x, r)
        variance = (r * (x[:, None] - mu) ** 2).sum(dim=-2, keepdim=True) / r.sum(
            dim=-2, keepdim=True
        )
        return log_w, mu, variance.sqrt()

    _, bounded = em_cells["em"](x, start, steps=30)
    _, unbounded = em_cells["em"](x, start, steps=30, m_step=without_floor)
    assert bounded.isfinite().all()
    assert unbounded.isnan().any()


def test_a_stuck_fit_of_the_means_is_a_true_local_optimum(em_cells):
    """Two of three means share one cluster: no slope, every direction down, and another top is higher."""
    rng = np.random.default_rng(3)
    x = torch.tensor(rng.choice([-3.0, 3.0, 20.0], 300) + rng.standard_normal(300))

    def mean_log_likelihood(mu):
        joint = em_cells["log_joint"](x, em_cells["equal_start"](mu[None]))
        return torch.logsumexp(joint, dim=-1).mean()

    def top(*means):
        start = em_cells["equal_start"](torch.tensor([means]).double())
        path, _ = em_cells["em"](x, start, steps=200, m_step=em_cells["means_only"])
        return path[-1][1][0]  # (3,)

    stuck, best = top(0.0, 19.0, 21.0), top(-3.0, 3.0, 20.0)
    slope = torch.func.grad(mean_log_likelihood)(stuck)
    curvature = torch.linalg.eigvalsh(torch.func.hessian(mean_log_likelihood)(stuck))
    assert slope.abs().max() < 1e-9
    assert curvature.max() < -1e-3
    assert mean_log_likelihood(best) - mean_log_likelihood(stuck) > 1


@pytest.mark.parametrize("sigma", [0.8, 0.9])
def test_the_tail_index_of_gaussian_weights(sigma):
    """P(w > t) falls as t^(-1/k) with k = 1 - sigma², up to logarithms: lecture 01b's formula, from the exact tail."""
    t = np.array([1e40, 1e80])
    z = (
        np.sqrt(2 * np.log(t / sigma) / (1 / sigma**2 - 1)) / sigma
    )  # |X| / sigma beyond which w > t
    log_tail = -(z**2) / 2 - np.log(z)  # of a Gaussian, far out
    k = -np.log(t[1] / t[0]) / (log_tail[1] - log_tail[0])
    assert k == pytest.approx(1 - sigma**2, rel=0.02)
