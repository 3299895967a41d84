"""Lecture 10b: the absorbing bound is one, pixels have one turn each, the ODE's density is right where it is known, and shipped weights and records are what the text says."""

import math
from itertools import islice

import pytest
import torch
from weights import random_weights

from course_utils import checkpoints, data
from course_utils.commands.notebooks import model_cells
from course_utils.exercises.lecture_10b import optimal_denoiser
from course_utils.training import minibatches


@pytest.fixture(scope="module")
def lecture():
    """Names that the cells tagged "model" define."""
    return model_cells("10b_diffusion_deeper")


class Gaussian(torch.nn.Module):
    """The exact velocity where digits are N(0, spread²) in every pixel."""

    def __init__(self, spread=0.7):
        super().__init__()
        self.spread = spread

    def forward(self, x, t, y):
        t, variance = t.view(-1, 1, 1, 1), self.spread**2
        return x * (t - (1 - t) * variance) / ((1 - t) ** 2 * variance + t**2)


def test_the_optimal_denoiser_beats_others_on_its_images():
    """No answer has a smaller mean squared error over images and noise: shifting or shrinking it costs."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(20, 5, generator=generator)
    x0 = images[torch.randint(20, (4000,), generator=generator)]
    x_t = 0.4 * x0 + 0.6 * torch.randn(x0.shape, generator=generator)
    best = optimal_denoiser(x_t, images, 0.6)
    error = (best - x0).square().mean()
    for other in (0.95 * best, 1.05 * best, best + 0.1, x_t / 0.4):
        assert (other - x0).square().mean() > error


def test_all_numbers_of_hidden_pixels_are_alike(lecture):
    hidden = lecture["hide"](784, torch.Generator().manual_seed(0))
    count = hidden.sum(1)
    assert count.min() >= 1 and (count.sort().values - torch.arange(1, 785)).abs().max() <= 1
    assert (hidden.float().mean(0) - 0.5).abs().max() < 0.1  # no place is preferred


def test_the_bound_is_the_entropy_of_coins(lecture):
    """Where pixels are coins that don't know each other, the bound is their exact cost, whatever is hidden."""

    def coins(x, hidden):
        return torch.full_like(x, math.log(0.2 / 0.8))  # ink with probability 0.2

    generator = torch.Generator().manual_seed(0)
    x = torch.bernoulli(torch.full((4000, 784), 0.2), generator=generator)
    exact = -784 * (0.2 * math.log(0.2) + 0.8 * math.log(0.8))
    bound = lecture["bound_nats"](coins, x, generator)
    assert float(bound.mean()) == pytest.approx(exact, rel=0.02)


def test_the_network_sees_no_hidden_pixel(lecture):
    masked = random_weights(lecture["MaskedUNet"](width=8, middle=1)).float()
    x, hidden = (torch.rand(1, 784) < 0.2).float(), torch.rand(1, 784) < 0.5
    with torch.no_grad():
        logits = masked(x, hidden)
        assert torch.equal(logits, masked(torch.where(hidden, 1 - x, x), hidden))
        assert not torch.equal(logits, masked(torch.where(hidden, x, 1 - x), hidden))


@pytest.mark.parametrize("steps", [1, 5, 784])
def test_every_pixel_has_one_turn_and_stays(lecture, steps):
    """A network that draws ink where nothing is seen and paper afterwards inks the pixels of the first step."""

    def once(x, hidden):
        return torch.where(hidden.all(1, keepdim=True), 50.0, -50.0).expand_as(x)

    empty, everything = torch.zeros(3, 784), torch.ones(784, dtype=torch.bool)
    x = lecture["reveal"](once, empty, everything, steps)
    assert (x.sum(1) == round(784 / steps)).all()


def test_revealing_a_hole_keeps_the_rest_and_sees_no_answer(lecture):
    """Seen pixels stay; what x has in the hole changes nothing; each pixel of the hole is hidden until its turn."""
    shares = []

    def like_the_first_pixel(x, hidden):
        shares.append(hidden.float().mean(1))
        return torch.where(x[:, :1] > 0, 50.0, -50.0).expand_as(x)

    x = torch.tensor([[1.0], [0.0]]).repeat(1, 784)
    x[:, 1:10] = 1 - x[:, 1:10]
    hole = torch.arange(784) >= 392
    full = lecture["reveal"](like_the_first_pixel, x, hole, 4)
    assert torch.equal(full[:, :392], x[:, :392])
    assert torch.equal(full[:, 392:], x[:, :1].expand(2, 392))
    assert torch.allclose(torch.stack(shares), torch.tensor([[0.5], [0.375], [0.25], [0.125]]))
    masked = random_weights(lecture["MaskedUNet"](width=8, middle=1)).float()
    other = torch.where(hole, 1 - x, x)
    assert torch.equal(lecture["reveal"](masked, x, hole, 3), lecture["reveal"](masked, other, hole, 3))  # fmt: skip


def test_the_controls_batches_differ_from_the_pairs_only_in_the_noise(lecture):
    torch.manual_seed(0)
    pairs = torch.randn(64, 1, 2, 2), torch.arange(64.0).view(64, 1, 1, 1), torch.arange(64)
    again, fresh = minibatches(*pairs, batch_size=32), lecture["fresh_noise"](pairs)
    seen = []
    for (noise, digit, y), (new, same_digit, same_y) in zip(islice(again, 4), fresh):
        assert torch.equal(digit, same_digit) and torch.equal(y, same_y)
        assert new.shape == noise.shape and not torch.isclose(new, noise).any()
        seen.append(new)
    assert abs(float(torch.cat(seen).std()) - 1) < 0.15
    assert len(torch.cat(seen).flatten().unique()) == 4 * 32 * 4  # new in the second round, too


def test_inpainting_keeps_what_is_known(lecture):
    digits, known = torch.rand(2, 1, 28, 28), (torch.arange(28) < 14).view(1, 1, 28, 1)
    net, y = Gaussian(), torch.full((2,), 10)
    for visits in (1, 3):
        filled = lecture["inpaint"](net, digits, known, y, steps=4, visits=visits)
        assert torch.equal(filled[:, :, :14], digits[:, :, :14])
        assert filled.isfinite().all() and not torch.equal(filled, digits)


@pytest.mark.parametrize("visits", [1, 4])
def test_inpainting_draws_from_the_models_distribution(lecture, visits):
    """Where pixels don't know each other, what is filled in is N(0, spread²), however often a level is visited."""
    nothing = torch.zeros(1, 1, 28, 28, dtype=torch.bool)
    y = torch.full((20,), 10)
    filled = lecture["inpaint"](Gaussian(0.7), torch.zeros(20, 1, 28, 28), nothing, y, 100, visits)
    assert float(filled.std()) == pytest.approx(0.7, rel=0.03)


def test_encoding_and_decoding_a_gaussian(lecture):
    """The exact ODE only stretches: the code of x is x / spread, and comes back."""
    x = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0, 5, 9])
    code = lecture["travel"](Gaussian(0.7), x, torch.linspace(0, 1, 41).tolist(), y)
    assert torch.allclose(code, x / 0.7, rtol=0.01, atol=0.01)
    back = lecture["travel"](Gaussian(0.7), code, torch.linspace(1, 0, 41).tolist(), y)
    assert torch.allclose(back, x, rtol=0.02, atol=0.02)


def test_density_by_the_ode_is_the_gaussians(lecture):
    """At level t the exact density is N(0, (1-t)² spread² + t²); the Jacobian is diagonal, so Hutchinson's estimate is exact."""
    t, spread = 0.05, 0.7
    std = math.sqrt(((1 - t) * spread) ** 2 + t**2)
    x = std * torch.randn(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    times = (t ** torch.linspace(1, 0, 81)).tolist()
    found = lecture["log_density"](Gaussian(spread), x, times, torch.arange(4))
    exact = torch.distributions.Normal(0, std).log_prob(x).sum((1, 2, 3))
    assert torch.allclose(found, exact, atol=1.0)  # of about -800 nats


def test_hutchinsons_estimate_is_the_trace_on_average(lecture):
    matrix = torch.randn(16, 16, generator=torch.Generator().manual_seed(0))

    def linear(x, t, y):
        return (x.flatten(1) @ matrix.T).view_as(x)

    generator = torch.Generator().manual_seed(1)
    probe = torch.randint(2, (20_000, 1, 4, 4), generator=generator) * 2.0 - 1
    x, y = torch.randn(20_000, 1, 4, 4), torch.zeros(20_000, dtype=torch.long)
    v, trace = lecture["slope_and_trace"](linear, x, 0.5, y, probe)
    assert torch.allclose(v, linear(x, None, None))
    assert float(trace.mean()) == pytest.approx(float(matrix.trace()), abs=0.4)


def test_the_shipped_network_has_its_figure(lecture):
    """On a fifth of the test digits, with one estimate each, within four standard errors."""
    entry = checkpoints.recorded("10b_absorbing")
    masked = lecture["MaskedUNet"](**entry.config)
    checkpoints.load("10b_absorbing", masked)
    x = data.mnist("test", binary=True).images.flatten(1)[:2000]
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        nats = torch.cat([lecture["bound_nats"](masked, part, generator) for part in x.split(500)])
    assert abs(float(nats.mean()) - entry.value) < 4 * float(nats.std()) / 2000**0.5
