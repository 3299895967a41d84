"""Lecture 07: its networks, built by running the notebook's own cells, do what the text says, and the shipped weights give their figures."""

import json
import math

import pytest
import torch

from course_utils import checkpoints, data, metrics
from course_utils.commands.notebooks import model_cells
from course_utils.exercises.lecture_07 import (
    cycle_loss,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    optimal_discriminator,
)

NAMES = ["07_gan", "07_conditional_gan"]


@pytest.fixture(scope="module")
def lecture():
    """Names that the cells tagged "model" define."""
    return model_cells("07_gan")


def shipped(lecture, name):
    entry = checkpoints.recorded(name)
    kind = "ConditionalGenerator" if "classes" in entry.config else "Generator"
    net = lecture[kind](**entry.config).eval()
    checkpoints.load(name, net)
    return net, entry


@torch.no_grad()
def draw(net, n=10_000, seed=1):
    """As the lecture draws: 500 at a time; ordered classes in turn."""
    torch.manual_seed(seed)
    y = torch.arange(n) % 10
    parts = []
    for rows in y.split(500):
        z = torch.randn(len(rows), net.latent_dim)
        parts.append(net(z, rows) if hasattr(net, "classes") else net(z))
    return torch.cat(parts)


@pytest.fixture(scope="module")
def samples(lecture):
    return {name: draw(shipped(lecture, name)[0]) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_shipped_generator_has_its_figure(lecture, samples, name):
    entry = checkpoints.recorded(name)
    real = metrics.features(data.mnist("test").images.view(-1, 1, 28, 28))
    distance = metrics.frechet_distance(metrics.features(samples[name]), real)
    assert distance == pytest.approx(entry.value, rel=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_samples_cover_all_ten_digits(samples, name):
    share = metrics.class_probabilities(samples[name]).argmax(1).bincount(minlength=10) / 10_000
    assert share.min() > 0.05
    assert float(torch.xlogy(share, 10 * share).sum()) < 0.02


def test_half_of_the_vaes_distance(lecture, samples):
    """The promise of the lecture, with the shipped networks: at most half of the better one of the VAE's means and bits."""
    real = metrics.features(data.mnist("test").images.view(-1, 1, 28, 28))
    means = draw(lecture["vae"])
    torch.manual_seed(0)
    vae = min(
        metrics.frechet_distance(metrics.features(images), real)
        for images in (means, torch.bernoulli(means))
    )
    assert checkpoints.recorded("07_gan").value < 0.5 * vae


def test_ordered_digits_are_delivered(samples):
    read = metrics.class_probabilities(samples["07_conditional_gan"]).argmax(1)
    assert float((read == torch.arange(10_000) % 10).float().mean()) > 0.95


@pytest.mark.parametrize("name", NAMES)
def test_shipped_files_are_small(name):
    assert (checkpoints.folder() / f"{name}.safetensors").stat().st_size <= 1_000_000


def test_optimal_discriminator_gives_jensen_shannon():
    x = torch.linspace(-15, 15, 30_001, dtype=torch.float64)
    p, q = (
        torch.distributions.Normal(torch.tensor(m).double(), s).log_prob(x).exp()
        for m, s in ((0.0, 1.0), (1.5, 2.0))
    )
    d, m = optimal_discriminator(p, q), (p + q) / 2
    value = (torch.xlogy(p, d) + torch.xlogy(q, 1 - d)).sum() * 1e-3
    jsd = (torch.xlogy(p, p / m) + torch.xlogy(q, q / m)).sum() * 1e-3 / 2
    assert float(value) == pytest.approx(float(-math.log(4) + 2 * jsd), abs=1e-9)
    half = torch.full_like(x, 0.5)
    assert torch.equal(optimal_discriminator(p, p)[14_000:16_000], half[14_000:16_000])


def test_each_step_moves_one_player(lecture):
    """The losses as the lecture uses them: detached forgeries leave the forger without a gradient, the forger's loss reaches it."""
    torch.manual_seed(0)
    G, D = lecture["Generator"](8), lecture["Discriminator"]()
    fake = G(torch.randn(16, 8))
    discriminator_loss(D(torch.rand(16, 1, 28, 28)), D(fake.detach())).backward()
    assert all(p.grad is None for p in G.parameters())
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in D.parameters() if p.ndim > 1)
    generator_loss(D(fake)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in G.parameters() if p.ndim > 1)


def test_minibatch_deviation_sees_a_repeated_picture(lecture):
    """16 equal images and 16 different ones: only the spread tells them apart, and it must differ."""
    torch.manual_seed(0)
    D, seen = lecture["Discriminator"]().eval(), []
    D.judge.register_forward_hook(lambda module, args, out: seen.append(args[0][:, -1]))
    images = torch.rand(16, 1, 28, 28)
    with torch.no_grad():
        D(torch.cat([images, images[:1].expand(16, -1, -1, -1)]))
    assert (seen[0][:16] > 10 * seen[0][16:]).all()


def test_power_iteration_finds_the_largest_singular_value(lecture):
    torch.manual_seed(0)
    layer = lecture["Linear5"](3, 20, 30, spectral=True)
    with torch.no_grad():
        layer.weight.mul_(7.0)
        layer.bias.zero_()
        for _ in range(300):
            layer(torch.zeros(3, 1, 20))
        x = torch.randn(3, 500, 20)
        stretch = layer(x).norm(dim=2) / x.norm(dim=2)
        exact = torch.linalg.matrix_norm(layer.weight, 2)
        top = torch.linalg.svd(layer.weight)[0][
            :, None, :, 0
        ]  # the direction that is stretched most
        assert layer(top).norm(dim=2).flatten() == pytest.approx(torch.ones(3).numpy(), rel=1e-3)
    assert (stretch <= 1.001).all() and (exact > 2).all()


def test_games_side_by_side_never_meet(lecture):
    torch.manual_seed(0)
    net = lecture["mlp5"](4, 2, 1)
    x = torch.randn(4, 6, 2, requires_grad=True)
    net(x)[1].sum().backward()
    assert x.grad[1].abs().sum() > 0 and not x.grad[[0, 2, 3]].any()
    assert all(not p.grad[[0, 2, 3]].any() for p in net.parameters())


def test_gradient_penalty_of_a_plane():
    """A linear critic has the same slope everywhere: (|w| - 1)^2, whatever the points."""
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    points = torch.randn(2, 7, 2, generator=torch.Generator().manual_seed(0))
    penalty = gradient_penalty(lambda x: x @ w, *points, torch.rand(7, 1))
    assert penalty.item() == pytest.approx(16.0, rel=1e-5)
    penalty.backward()
    assert w.grad == pytest.approx((2 * 4 * w / w.norm()).detach().numpy(), rel=1e-5)


def test_outline_and_cycle(lecture):
    square = torch.zeros(1, 1, 28, 28)
    square[..., 10:20, 10:20] = 1
    line = lecture["outline"](square)
    assert line[..., 12:18, 12:18].sum() == 0 and line[..., 10, 10:20].sum() == 10
    assert float(cycle_loss(square, line, lambda x: x + 1, lambda y: y - 1)) == 0
    for wide in (True, False):
        assert lecture["Translator"](wide)(square).shape == square.shape


def test_designs_had_equal_time():
    record = json.loads((checkpoints.folder() / "07_designs.json").read_text("utf8"))
    assert len(record["rows"]) >= 8
    for name, row in record["rows"].items():
        assert row["frechet"] > 0 and row["steps"] > 0
        assert row["cpu"] == pytest.approx(record["cpu_seconds"], rel=0.35), name
