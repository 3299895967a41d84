"""Lecture 07: its networks, built by running the notebook's own cells, do what the text says, and the shipped weights give their figures."""

import ast
import math

import nbformat
import pytest
import torch

from course_utils import checkpoints, data, metrics, records
from course_utils.commands import notebooks
from course_utils.commands.notebooks import model_cells
from course_utils.exercises.lecture_07 import (
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


def test_gradient_penalty_of_a_plane():
    """A linear critic has the same slope everywhere: (|w| - 1)^2, whatever the points."""
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    points = torch.randn(2, 7, 2, generator=torch.Generator().manual_seed(0))
    penalty = gradient_penalty(lambda x: x @ w, *points, torch.rand(7, 1))
    assert penalty.item() == pytest.approx(16.0, rel=1e-5)
    penalty.backward()
    assert w.grad == pytest.approx((2 * 4 * w / w.norm()).detach().numpy(), rel=1e-5)


def test_modes_are_counted(lecture):
    """A spot counts from 2 % of the points on, within three standard deviations; points between the spots count nowhere."""
    centres, count_modes = lecture["centres"], lecture["count_modes"]
    assert count_modes(centres.repeat(50, 1)) == (8, 1.0)
    few = torch.cat([centres[:1].repeat(97, 1), centres[1:2].repeat(2, 1), centres[2:3]])
    assert count_modes(few) == (2, 1.0)  # the third has 1 %
    beside = torch.cat([centres[:1].repeat(50, 1), centres[3:4].repeat(50, 1) + 0.22])
    assert count_modes(beside) == (1, 0.5)  # 0.22 to the right and up: 3.1 sd away
    assert count_modes(torch.zeros(100, 2)) == (0, 0.0)


def size(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    "network, layers",
    [("Generator", "convolutions"), ("FullyConnectedGenerator", "fully_connected")],
)
def test_the_vaes_decoder_is_the_gans_generator(lecture, network, layers):
    """The same class with as many weights; the VAE's two terms are -ELBO, and both reach encoder and decoder."""
    torch.manual_seed(0)
    vae = lecture["VAE"](lecture[network](), lecture[layers])
    assert type(vae.decoder) is lecture[network] and size(vae.decoder) == size(lecture[network]())
    x = torch.bernoulli(torch.full((32, 1, 28, 28), 0.2))
    pixels, kl = vae.terms(x)
    assert pixels.shape == kl.shape == (32,) and (pixels > 0).all() and (kl > 0).all()
    vae.decoder.requires_grad_(False)
    pixels, kl = vae.terms(x)
    (pixels + kl).mean().backward()
    assert all(p.grad is None for p in vae.decoder.parameters())
    assert vae.sharpen.grad.abs() > 0 and all(
        p.grad.abs().sum() > 0 for p in vae.encoder.parameters()
    )


def test_terms_are_those_of_the_bound(lecture):
    """With an encoder that knows nothing the code is free, and a decoder of logits 0 pays ln 2 for each pixel."""
    vae = lecture["VAE"]()
    with torch.no_grad():
        for p in [*vae.encoder[-1].parameters(), vae.sharpen]:
            p.zero_()
        pixels, kl = vae.terms(torch.rand(16, 1, 28, 28).round())
    assert kl.numpy() == pytest.approx(0, abs=1e-6)
    assert pixels.numpy() == pytest.approx(784 * math.log(2), rel=1e-5)


def test_the_mixture_is_lecture_06s():
    """The same function, but for its docstring."""

    def body(name):
        (path,) = notebooks.paths([name])
        cells = nbformat.read(path, as_version=4).cells
        (source,) = [c.source for c in cells if "def fit_mixture" in c.source]
        nodes = ast.parse(source).body
        (function,) = [n for n in nodes if getattr(n, "name", "") == "fit_mixture"]
        return ast.dump(function.args), [ast.dump(line) for line in function.body[1:]]

    assert body("07_gan") == body("06_vae")


def test_mixture_codes_are_like_the_encoders(lecture):
    """An encoder that ignores the image codes all as mu = 3, sigma = 0.1: so do the codes that are drawn, and the decoder sees them."""
    torch.manual_seed(0)
    vae = lecture["VAE"](lecture["FullyConnectedGenerator"](latent_dim=4)).requires_grad_(False)
    vae.encoder[-1].weight.zero_()
    vae.encoder[-1].bias.copy_(torch.tensor([3.0] * 4 + [2 * math.log(0.1)] * 4))
    vae.decoder.forward = lambda z: z
    generator = lecture["MixtureCodes"](vae, torch.zeros(4000, 1, 28, 28))
    drawn = generator(torch.zeros(2000, generator.latent_dim))
    for codes in (generator.codes, drawn):
        assert codes.mean(0).numpy() == pytest.approx(3.0, abs=0.02)
        assert codes.std(0).numpy() == pytest.approx(0.1, abs=0.01)
    assert not torch.equal(drawn, generator(torch.zeros(2000, 4)))


# --- the race ---------------------------------------------------------------------------------------------------------

CORNERS = [f"{rival}, {layers}" for rival in ("VAE", "GAN") for layers in ("fully connected", "convolutions")]  # fmt: skip
MIXTURES = ["VAE + mixture, fully connected", "VAE + mixture, convolutions"]


@pytest.fixture(scope="module")
def race():
    """{row: its three seeds}."""
    return records.read("07_race")["rows"]


def every(rows, key):
    return [row[key] for row in rows]


def test_the_rivals_had_equal_time_and_three_seeds(race):
    assert set(race) == {*CORNERS, *MIXTURES}
    assert all(len(rows) == 3 for rows in race.values())
    flat = [row for rows in race.values() for row in rows]
    assert max(every(flat, "cpu")) < 1.35 * min(every(flat, "cpu"))
    assert all(row["found_out"] < math.log(2) and row["frechet"] > 3 for row in flat)
    for name in CORNERS:
        assert min(every(race[name], "bound")) > 80  # nats/image; the shipped PixelCNN has 80.2


def ahead(key, first, second):
    """All three seeds of the first have a smaller figure than each of the second."""
    return max(every(first, key)) < min(every(second, key))


def test_layers_and_training_interact(race):
    """Convolutions help the GAN and harm the VAE, whatever its codes; the GAN leads the VAE in both columns, but the mixture only with convolutions."""
    for rival in ("VAE", "VAE + mixture"):
        assert ahead("frechet", race[f"{rival}, fully connected"], race[f"{rival}, convolutions"])
    assert ahead("frechet", race["GAN, convolutions"], race["GAN, fully connected"])
    for layers in ("fully connected", "convolutions"):
        assert ahead("frechet", race[f"GAN, {layers}"], race[f"VAE, {layers}"])
    assert ahead("frechet", race["GAN, convolutions"], race["VAE + mixture, convolutions"])
    assert ahead("frechet", race["VAE + mixture, fully connected"], race["GAN, fully connected"])
    # less than half of the prior's distance is left, with codes of real digits a tenth
    for name in MIXTURES:
        plain = race[name.replace(" + mixture", "")]
        assert max(every(race[name], "frechet")) < 0.5 * min(every(plain, "frechet"))
        assert max(every(race[name], "own_codes")) < 0.1 * min(every(plain, "frechet"))


def test_each_is_ahead_at_what_it_was_trained_for(race):
    """In each column the GAN is harder to find out, and the VAE has fewer nats."""
    for layers in ("fully connected", "convolutions"):
        gan, vae = race[f"GAN, {layers}"], race[f"VAE, {layers}"]
        assert ahead("found_out", gan, vae) and ahead("bound", vae, gan)
    for name in MIXTURES:
        assert ahead("found_out", race["GAN, convolutions"], race[name])
    assert not ahead("found_out", race["GAN, fully connected"], race[MIXTURES[0]])
    assert ahead("recall", race["VAE, convolutions"], race["GAN, convolutions"])
    assert ahead("recall", race["GAN, fully connected"], race["VAE, fully connected"])
