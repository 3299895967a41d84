"""Lecture 05b: distributions over grey levels sum to one, colours see those before them, and the recorded race had equal conditions."""

import pytest
import torch

from course_utils import records
from course_utils.commands.notebooks import model_cells
from course_utils.exercises.lecture_05b import discretized_logistic


@pytest.fixture(scope="module")
def lecture():
    return model_cells("05b_pixelcnn_deeper")


def test_grey_level_distributions_sum_to_one(lecture):
    generator = torch.Generator().manual_seed(0)
    levels = torch.arange(256).view(256, 1, 1, 1).expand(256, 1, 4, 4)
    for name, outputs, scale in (("softmax_log_p", 256, 3), ("mixture_log_p", 15, 3)):
        out = scale * torch.randn(1, outputs, 4, 4, generator=generator, dtype=torch.float64)
        p = lecture[name](out.expand(256, -1, -1, -1), levels).exp().sum(0)
        assert torch.allclose(p, torch.ones_like(p), atol=1e-9)


def test_discretised_logistic_is_finite_with_finite_gradients():
    x = torch.arange(256) / 127.5 - 1
    for mean in (-5.0, -1.0, 0.0, 1.0, 5.0):
        for log_scale in (-7.0, -3.0, 3.0):
            m, s = (
                torch.tensor(mean, requires_grad=True),
                torch.tensor(log_scale, requires_grad=True),
            )
            log_p = discretized_logistic(x, m, s)
            log_p.sum().backward()
            assert log_p.isfinite().all() and m.grad.isfinite() and s.grad.isfinite()
            assert (log_p <= 1e-6).all()


def test_no_colour_sees_itself_or_what_comes_later(lecture):
    """All colours of all pixels of a small image at once: pixel by pixel in raster order, and red, green, blue inside a pixel."""
    layers = [("A", 3, 6), ("B", 6, 9), ("B", 9, 3)]
    toy = torch.nn.Sequential(
        *(lecture["MaskedConv2d"](kind, n, m, 3, colours=3) for kind, n, m in layers)
    ).double()
    for p in toy.parameters():
        torch.nn.init.constant_(p, 0.1)
    x = torch.rand(1, 3, 5, 5, dtype=torch.float64)
    moved = torch.autograd.functional.jacobian(lambda x: toy(x)[0], x)[:, :, :, 0]
    in_order = moved.permute(1, 2, 0, 4, 5, 3).reshape(75, 75).abs()  # (row, column, colour) twice
    assert not in_order.triu().any()
    for pixel in range(25):
        inside = in_order[3 * pixel : 3 * pixel + 3, 3 * pixel : 3 * pixel + 3]
        assert torch.equal(inside > 0, torch.ones(3, 3).tril(-1).bool())


def test_one_colour_is_lecture_05s_mask(lecture):
    masks = model_cells("05_pixelcnn")["raster_mask"]
    for kind, size in (("A", 3), ("B", 3), ("A", 7), ("B", 5)):
        own = lecture["MaskedConv2d"](kind, 1, 1, size).mask[0, 0]
        assert torch.equal(own, masks(size, kind))


def test_the_recorded_networks_saw_the_same_digits_and_expect_a_distribution():
    rows = records.read("05b_greys")["rows"]
    for runs in rows.values():
        assert len(runs) == 3 and all(len(run["bits"]) == 500 for run in runs)
        for run in runs:
            assert sum(run["expected"]) == pytest.approx(1, abs=1e-3)
