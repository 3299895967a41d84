"""Lecture 01b: its intervals, tail index and climbers, on data that it doesn't use."""

import ast
import math

import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from course_utils.commands import notebooks
from course_utils.exercises import lecture_01b


def functions(source):
    """The functions of a cell, without what it runs."""
    defined = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    return ast.unparse(ast.Module(defined, type_ignores=[]))


@pytest.fixture(scope="module")
def lecture():
    """The functions of the cells, with the references of the exercises."""
    known = {"math": math, "np": np, "torch": torch, "F": F}
    known["responsibilities"] = lecture_01b.responsibilities
    (path,) = notebooks.paths(["01b_monte_carlo"])
    sources = {cell.id: cell.source for cell in nbformat.read(path, as_version=4).cells}
    for cell in (
        "coverage-simulated",
        "grid-and-dice",
        "better-points",
        "histogram-density",
        "rare-event",
        "narrow-proposals",
        "em-fit",
        "climbers",
    ):
        exec(functions(sources[cell]), known)
    return known


@pytest.mark.parametrize("hits", [0, 1, 7, 20])
def test_at_the_ends_of_wilsons_interval_the_share_is_just_no_surprise(lecture, hits):
    middle, half = lecture["wilson"](hits / 20, 20)
    for p in {middle - half, middle + half} - {0.0, 1.0}:
        if 1e-9 < p < 1 - 1e-9:
            assert abs(hits / 20 - p) / math.sqrt(p * (1 - p) / 20) == pytest.approx(1.96)


def test_antithetic_points_come_with_their_mirror_images(lecture):
    points = lecture["antithetic"](3, 10, np.random.default_rng(0))
    assert points.shape == (10, 3)
    assert points[:5] + points[5:] == pytest.approx(1)
    assert len(np.unique(points)) == 30


def test_slope_is_the_exponent_of_a_power_law(lecture):
    assert lecture["slope"]({n: 3 * n**-0.25 for n in (2, 16, 81)}) == pytest.approx(-0.25)


@pytest.mark.parametrize("name", ["histogram", "kernel_density"])
def test_densities_integrate_to_one(lecture, name):
    points = torch.randn(500, 2, generator=torch.Generator().manual_seed(1)).double()
    side = torch.linspace(-8, 8, 401, dtype=torch.float64)[:-1] + 0.02
    x = torch.cartesian_prod(side, side)
    if name == "histogram":
        log_density = lecture[name](points, 10, torch.tensor([8.0, 8.0]))(x, 0.1)[0]
    else:
        log_density = lecture[name](points, x, 0.5)
    assert log_density.exp().sum().item() * 0.04**2 == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("k", [0.2, 0.5, 1.0])
def test_hill_finds_the_index_of_a_power_law(lecture, k):
    uniform = torch.rand(20, 10_000, generator=torch.Generator().manual_seed(2)).double()
    assert lecture["hill"](uniform**-k).mean().item() == pytest.approx(k, rel=0.05)


@pytest.mark.parametrize("climber", ["squarem", "lbfgs"])
def test_rivals_of_em_reach_its_top(lecture, climber):
    rng = np.random.default_rng(5)
    x = torch.tensor(np.where(rng.random(200) < 0.5, rng.normal(-2, 1, 200), rng.normal(1, 1, 200)))
    start = lecture["equal_start"](torch.tensor([[-1.0, 0.5]]).double())
    top = lecture["em"](x, start, 2_000)[1][-1]
    climb = lecture[climber](x, start)
    assert climb[0] == pytest.approx(torch.logsumexp(lecture["log_joint"](x, start), -1).mean())
    assert climb.max().item() == pytest.approx(top.item(), abs=1e-6)
