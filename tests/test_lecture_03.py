"""Lecture 03: its models, built by running the notebook's own cells, are what the text says, and the shipped weights give their figures."""

import math

import pytest
import torch
import torch.nn.functional as F

from course_utils import checkpoints, data
from course_utils.commands.notebooks import model_cells
from course_utils.exercises.lecture_03 import mu_law_decode, mu_law_encode, receptive_field


@pytest.fixture(scope="module")
def lecture():
    """Names that the cells tagged "model" define."""
    return model_cells("03_autoregression")


def random_weights(net, seed=0):
    """No zeros at the start, which would hide a leak."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.3)
    return net.double()


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


@pytest.mark.parametrize("layers", [1, 3, 6])
def test_receptive_field_is_the_formulas(lecture, layers):
    torch.manual_seed(0)
    net = lecture["WaveNet"](channels=8, skip=32, layers=layers).double()
    field = receptive_field([2] * layers, net.dilations)
    assert field == 2**layers
    y = (torch.rand(1, field + 40, dtype=torch.float64) * 2 - 1).requires_grad_()
    net.from_samples(y)[0, -1].logsumexp(0).backward()
    reached = y.grad[0].nonzero()[:, 0]
    assert reached.tolist() == list(range(40, field + 40))


def test_wavenet_is_causal(lecture):
    torch.manual_seed(0)
    net = lecture["WaveNet"](channels=8, skip=32, layers=5).double()
    y = torch.rand(1, 200, dtype=torch.float64) * 2 - 1
    other = y.clone()
    other[0, 100] += 0.3
    with torch.no_grad():
        moved = (net.from_samples(y) - net.from_samples(other)).abs().sum(-1)[0]
    assert not moved[:100].any() and moved[100:132].all() and not moved[132:].any()


def test_cached_generation_gives_the_naive_codes(lecture):
    torch.manual_seed(0)
    net = lecture["WaveNet"](channels=8, skip=8, layers=6)
    prompt = torch.randint(0, 256, (3, 100))
    noise = torch.rand(150, 3, generator=torch.Generator().manual_seed(1))
    naive = lecture["generate_naive"](net, prompt, noise)
    cached = lecture["generate_cached"](net, prompt, noise)
    assert naive.shape == (150, 3)[::-1] and len(naive.unique()) > 20
    assert torch.equal(naive, cached)


def test_mu_law_is_a_pair():
    codes = torch.arange(256)
    assert torch.equal(mu_law_encode(mu_law_decode(codes, 255), 255), codes)
    x = torch.linspace(-1, 1, 1001)
    error = (mu_law_decode(mu_law_encode(x, 255), 255) - x).abs()
    assert float(error.max()) < 0.025 and float(error[x.abs() < 0.01].max()) < 3e-4


def test_shipped_wavenet_has_its_figure(lecture):
    entry = checkpoints.recorded("03_wavenet")
    net = lecture["WaveNet"](**entry.config)
    checkpoints.load("03_wavenet", net)
    codes = mu_law_encode(data.audio("prompts", "test").samples, 255)
    bits = []
    with torch.no_grad():
        for start in range(1024, len(codes), 16_000):
            piece = codes[start - 1024 : start + 16_000]
            log_p = F.log_softmax(net(piece[None, :-1])[0, 1023:], -1)
            bits.append(-log_p.gather(1, piece[1024:, None])[:, 0] / math.log(2))
    assert entry.unit == "bits/sample"
    assert float(torch.cat(bits).mean()) == pytest.approx(entry.value, abs=0.002)


def test_shipped_made_has_its_figure(lecture):
    entry = checkpoints.recorded("03_made")
    net = lecture["MADE"](**entry.config)
    checkpoints.load("03_made", net)
    x = data.mnist("test", binary=True).images.flatten(1)
    with torch.no_grad():
        nats = F.binary_cross_entropy_with_logits(net(x), x, reduction="none").sum(1)
    assert entry.unit == "nats/image"
    assert float(nats.mean()) == pytest.approx(entry.value, abs=0.01)


@pytest.mark.parametrize("name", ["03_wavenet", "03_made"])
def test_shipped_files_are_small(name):
    assert (checkpoints.folder() / f"{name}.safetensors").stat().st_size <= 2_000_000
