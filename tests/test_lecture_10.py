"""Lecture 10: its formulas hold where the answer is known, its samplers are of the order they claim, its module is its own, and the shipped network draws."""

import inspect
import math

import nbformat
import pytest
import torch
from weights import random_weights

from course_utils import checkpoints, data, diffusion, metrics
from course_utils.commands import notebooks
from course_utils.commands.notebooks import model_cells
from course_utils.diffusion import (
    NO_CLASS,
    UNet,
    ancestral,
    draw,
    errors,
    euler,
    guess_x0,
    heun,
    question_and_answer,
    signal_and_noise,
    steps_back,
    velocity,
)
from course_utils.exercises.lecture_10 import add_noise, alpha_bar, ddim_step, predict_x0

PATHS, TARGETS = ("straight", "cosine"), ("noise", "data", "velocity")


@pytest.fixture(scope="module")
def lecture():
    """Names that the cells tagged "model" define."""
    return model_cells("10_diffusion")


def small():
    return random_weights(UNet(width=8, middle=1)).float()


def images(n, seed=0):
    return torch.randn(n, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


# --- the module is the lecture's own ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["Block", "UNet", "signal_and_noise", "question_and_answer", "velocity", "euler", "heun", "ancestral", "draw"],
)  # fmt: skip
def test_the_module_has_the_lectures_code_letter_for_letter(name):
    (path,) = notebooks.paths(["10_diffusion"])
    cells = nbformat.read(path, as_version=4).cells
    assert any(inspect.getsource(getattr(diffusion, name)).rstrip() in c.source for c in cells)


# --- noise and back ---------------------------------------------------------------------------------------------------


def test_all_steps_at_once_have_the_moments_of_the_single_steps():
    betas = torch.rand(30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    factor, variance = 1.0, 0.0
    for beta, bar in zip(betas, alpha_bar(betas), strict=True):
        factor, variance = factor * (1 - beta).sqrt(), (1 - beta) * variance + beta
        assert float(factor) == pytest.approx(float(bar.sqrt()))
        assert float(variance) == pytest.approx(float(1 - bar))


def test_with_the_true_noise_the_way_back_is_exact():
    x0, noise, bars = images(4), images(4, seed=1), torch.tensor([0.9, 0.5, 0.1, 0.02])
    x_t = add_noise(x0, noise, bars)
    assert torch.allclose(predict_x0(x_t, noise, bars), x0, atol=1e-4)
    cleaner = (bars + 1) / 2
    there = ddim_step(x_t, noise, bars, cleaner)
    assert torch.allclose(there, add_noise(x0, noise, cleaner), atol=1e-4)
    assert torch.allclose(ddim_step(there, noise, cleaner, torch.ones(4)), x0, atol=1e-4)


@pytest.mark.parametrize("path", PATHS)
def test_rates_are_the_derivatives_of_the_path(path):
    t, h = torch.linspace(0.1, 0.9, 9, dtype=torch.float64), 1e-5
    a, b, a_rate, b_rate = signal_and_noise(t, path)
    before, after = signal_and_noise(t - h, path), signal_and_noise(t + h, path)
    speed = 1 if path == "straight" else math.pi / 2  # the circle's rates are per angle
    assert torch.allclose((after[0] - before[0]) / (2 * h), speed * a_rate, atol=1e-6)
    assert torch.allclose((after[1] - before[1]) / (2 * h), speed * b_rate, atol=1e-6)
    assert torch.allclose(a * b_rate - b * a_rate, torch.ones_like(a))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("target", TARGETS)
def test_every_target_tells_the_digit(path, target):
    x0, t = images(5), torch.tensor([0.05, 0.3, 0.5, 0.7, 0.9])
    x_t, answer = question_and_answer(x0, t, path, target)
    assert torch.allclose(guess_x0(x_t, answer, t, path, target), x0, atol=1e-4)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("target", TARGETS)
def test_a_sampler_with_the_right_answer_draws_the_digit(path, target):
    """A network that knows the only digit there is, and answers for it in each target."""
    only = (images(1) / 3).clamp(-1, 1)

    class Oracle(torch.nn.Module):
        def forward(self, x, t, y):
            a, b, a_rate, b_rate = signal_and_noise(t, path)
            noise = (x - a * only) / b
            return {"noise": noise, "data": only.expand(x.shape), "velocity": a_rate * only + b_rate * noise}[target]  # fmt: skip

    y = torch.arange(3)
    for fresh in (False, True):
        drawn = steps_back(Oracle(), y, 7, path, target, fresh=fresh)
        assert torch.allclose(drawn, ((only + 1) / 2).expand(3, -1, -1, -1), atol=1e-3)
    for _, digit in errors(Oracle(), only.expand(3, -1, -1, -1), y, path, target):
        assert digit < 1e-5


# --- the plane, where all is known ------------------------------------------------------------------------------------


def test_the_exact_velocity_is_the_conditional_mean(lecture):
    """Against a mean over 200,000 data points, weighted by how probably each led to the place."""
    torch.manual_seed(0)
    x0, t = lecture["noisy_points"](0.0).sample((200_000,)), 0.6
    x = torch.tensor([[0.0, 0.0], [0.5, 0.4], [-0.9, 0.3]])
    found = lecture["exact_velocity"](x, t).detach()
    for place, v in zip(x, found, strict=True):
        noise = (place - (1 - t) * x0) / t
        weight = torch.softmax(-0.5 * noise.square().sum(1), 0)
        assert torch.allclose(weight @ (noise - x0), v, atol=0.02)


def test_euler_is_of_first_and_heun_of_second_order():
    """dx/dt = x from t = 1 to 0: divides by e.  Half the step: half, and a quarter, of the error."""
    x = torch.ones(1, 1)

    def off(method, steps):
        times = torch.linspace(1, 0, steps + 1, dtype=torch.float64).tolist()
        return abs(float(method(lambda x, t: x, x.double(), times)) - math.exp(-1))

    assert off(euler, 20) / off(euler, 40) == pytest.approx(2, rel=0.1)
    # the last step is Euler's: its error is second order, too
    assert off(heun, 40) / off(heun, 80) == pytest.approx(4, rel=0.15)


def test_an_ancestral_step_is_bayes_rule():
    """With x0 known: mean and variance of q(x_s | x_t, x0) on a grid of x_s, for one pixel."""
    t, s, x0, x_t = 0.7, 0.4, 0.6, -0.3
    x_s = torch.linspace(-4, 4, 40_001, dtype=torch.float64)
    shrink = (1 - t) / (1 - s)
    forward = torch.distributions.Normal(shrink * x_s, (t**2 - (shrink * s) ** 2) ** 0.5)
    before = torch.distributions.Normal((1 - s) * x0, s)
    posterior = (forward.log_prob(torch.tensor(x_t)) + before.log_prob(x_s)).softmax(0)
    mean = float((posterior * x_s).sum())
    std = float((posterior * (x_s - mean) ** 2).sum()) ** 0.5
    torch.manual_seed(0)
    v = (x_t - (1 - t) * x0) / t - x0  # noise - x0
    stepped = ancestral(lambda x, t: torch.full_like(x, v), torch.full((200_000,), x_t), [t, s])
    assert float(stepped.mean()) == pytest.approx(mean, abs=0.003)
    assert float(stepped.std()) == pytest.approx(std, rel=0.01)


# --- the network ------------------------------------------------------------------------------------------------------


def test_the_network_listens_to_time_and_class():
    x, t, y = images(3), torch.tensor([0.2, 0.5, 0.8]), torch.tensor([1, 7, NO_CLASS])
    net = small()
    out = net(x, t, y)
    assert out.shape == x.shape and out.dtype == torch.float32
    assert not torch.allclose(out, net(x, t.flip(0), y)) and not torch.allclose(out, net(x, t, y.flip(0)))  # fmt: skip


def test_every_pixel_sees_every_other():
    net, x = small(), images(1).requires_grad_()
    net(x, torch.tensor([0.5]), torch.tensor([3]))[0, 0, 0, 0].backward()
    assert (x.grad[0, 0] != 0).float().mean() > 0.99


def test_guidance_counts_from_the_prediction_without_a_class():
    net, x, y = small(), images(2), torch.tensor([4, 2])
    with_class, without = velocity(net, x, 0.4, y), velocity(net, x, 0.4, y, scale=0)
    none = velocity(net, x, 0.4, torch.full((2,), NO_CLASS))
    assert torch.allclose(without, none, atol=1e-3)
    beyond = velocity(net, x, 0.4, y, scale=2)
    assert torch.allclose(beyond, 2 * with_class - none, atol=1e-2 * float(beyond.abs().max()))


def test_the_same_seed_draws_the_same_digits_whatever_the_batch():
    net, times = small(), [1.0, 0.5, 0.0]
    y = torch.arange(600) % 10
    whole = draw(net, y, times)
    assert torch.equal(whole, draw(net, y, times)) and not torch.equal(whole, draw(net, y, times, seed=1))  # fmt: skip
    assert whole.min() >= 0 and whole.max() <= 1


def test_the_shipped_network_has_its_figure():
    """The first 1,000 of the 10,000 digits: so few have a larger distance, 8.97 when the file was made."""
    net, entry = checkpoints.restore("10_diffusion", UNet)
    y = torch.arange(1000) % 10
    drawn = draw(net, y, torch.linspace(1, 0, 6).tolist(), heun, scale=1.25)
    real = metrics.features(data.mnist("test").images.view(-1, 1, 28, 28))
    reached = metrics.frechet_distance(metrics.features(drawn), real)
    assert entry.value <= 7 and reached == pytest.approx(8.97, abs=0.7)
    read = metrics.class_probabilities(drawn).argmax(1)
    assert (read == y).float().mean() > 0.97
