"""Lecture 03: its models, built by running the notebook's own cells, are what the text says, and the shipped weights give their figures."""

import pytest
import torch
import torch.nn.functional as F
from weights import random_weights

from course_utils import checkpoints, data
from course_utils.commands.notebooks import model_cells
from course_utils.exercises.lecture_03 import bigram_gradient


@pytest.fixture(scope="module")
def lecture():
    """Names that the cells tagged "model" define."""
    return model_cells("03_autoregression")


@pytest.mark.parametrize("name", ["FVSBN", "MADE"])
def test_image_models_sum_to_one(lecture, name):
    """All 2**9 images of 3x3 pixels: a leak, or a missing factor, would break the sum."""
    net = random_weights(lecture[name](D=9))
    x = ((torch.arange(2**9)[:, None] >> torch.arange(9)) & 1).double()
    with torch.no_grad():
        log_p = -F.binary_cross_entropy_with_logits(net(x), x, reduction="none").sum(1)
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("name", ["FVSBN", "MADE"])
def test_image_models_see_all_earlier_pixels_and_no_other(lecture, name):
    net = random_weights(lecture[name](D=30))
    x = torch.rand(30, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: net(x[None])[0], x)  # (output, input)
    assert not jacobian.triu().any()
    earlier = torch.ones(30, 30).tril(-1).bool()
    assert jacobian[earlier].ne(0).all()


def test_made_masks_leave_every_legal_path_and_no_other(lecture):
    """As many hidden units as numbers: then each earlier pixel reaches each later logit, and nothing else does."""
    net = lecture["MADE"](D=9, hidden=8)
    paths = net.speak.mask @ net.hear.mask  # (output, input)
    assert torch.equal(paths > 0, torch.ones(9, 9).tril(-1).bool())


def test_counting_is_where_the_gradient_vanishes():
    counts = torch.tensor([[3.0, 1.0], [2.0, 6.0]])
    assert float(bigram_gradient(counts.log(), counts).abs().max()) < 1e-7
    assert bigram_gradient(torch.zeros(2, 2), counts)[0].tolist() == pytest.approx(
        [-1 / 12, 1 / 12]
    )


def test_neural_ngram_reads_every_character_of_its_context_in_place(lecture):
    torch.manual_seed(0)
    net = lecture["NeuralNGram"](V=11, m=4)
    past = torch.tensor([[1, 2, 3, 4]])
    with torch.no_grad():
        logits = net(past)
        assert logits.shape == (1, 11)
        for place in range(4):
            other = past.clone()
            other[0, place] = 7
            assert (net(other) != logits).all()
        assert not torch.equal(net(past.flip(1)), logits)


def test_waves_are_sines_with_the_noise_that_the_text_names(lecture):
    clean, noisy = lecture["waves"](200, 300, torch.Generator().manual_seed(0))
    frequency = torch.acos((clean[:, 2:] + clean[:, :-2])[:, :1] / (2 * clean[:, 1:2]))
    assert torch.allclose(
        clean[:, 2:] + clean[:, :-2], 2 * frequency.cos() * clean[:, 1:-1], atol=2e-3
    )
    assert float((noisy - clean).std()) == pytest.approx(0.05, abs=0.001)


def test_shipped_made_has_its_figure(lecture):
    entry = checkpoints.recorded("03_made")
    net = lecture["MADE"](**entry.config)
    checkpoints.load("03_made", net)
    x = data.mnist("test", binary=True).images.flatten(1)
    with torch.no_grad():
        nats = F.binary_cross_entropy_with_logits(net(x), x, reduction="none").sum(1)
    assert entry.unit == "nats/image"
    assert float(nats.mean()) == pytest.approx(entry.value, abs=0.01)


def test_shipped_file_is_small():
    assert (checkpoints.folder() / "03_made.safetensors").stat().st_size <= 2_000_000
