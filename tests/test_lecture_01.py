"""Lectures 01 and 01b: what they claim about estimates, bounds and EM, on data that they don't use."""

import math

import numpy as np
import pytest
import torch

from course_utils.commands import notebooks


@pytest.fixture(scope="module")
def em_cells():
    """The functions of lecture 01b's cells that fit mixtures, with the references of its exercises."""
    import nbformat

    from course_utils.exercises import all_exercises

    known = {name: exercise.reference for name, (exercise, _) in all_exercises().items()}
    known |= {"math": math, "np": np, "torch": torch}
    (path,) = notebooks.paths(["01b_monte_carlo"])
    sources = {cell.id: cell.source for cell in nbformat.read(path, as_version=4).cells}
    normal = sources["rare-event"]
    exec(normal[: normal.index("def log_p")], known)
    exec(sources["em-fit"], known)
    return known


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
