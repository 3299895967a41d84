"""Lecture 06b: decoders see only drawn pixels, the VQ-VAE's tokens are its nearest codes, and shipped weights and records are what the text says."""

import pytest
import torch

from course_utils import checkpoints, data, records
from course_utils.commands.notebooks import model_cells
from course_utils.exercises.lecture_06b import quantise


@pytest.fixture(scope="module")
def lecture():
    """Names that the cells tagged "model" define."""
    return model_cells("06b_vae_deeper")


@pytest.mark.parametrize("name", ["Window", "Everything"])
def test_decoders_see_only_earlier_pixels(lecture, name):
    """The likelihood is proper: the logit of pixel j never depends on pixel j or a later one, and does on an earlier one."""
    torch.manual_seed(0)
    decoder = lecture[name]()
    for weight in decoder.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    logits = torch.randn(1, 784)
    for j in (0, 1, 300, 405, 783):
        x = torch.rand(1, 784, requires_grad=True)
        (gradient,) = torch.autograd.grad(decoder(logits, x)[0, j], x)
        assert not gradient[0, j:].any()
        assert gradient[0, :j].any() or j == 0


def test_the_window_is_five_pixels_wide(lecture):
    torch.manual_seed(0)
    x = torch.rand(1, 784, requires_grad=True)
    logits = lecture["Window"]()(torch.randn(1, 784), x)
    (gradient,) = torch.autograd.grad(logits.view(28, 28)[10, 10], x)
    seen = gradient.view(28, 28).nonzero().tolist()
    above = [[row, column] for row in (8, 9) for column in range(8, 13)]
    assert seen == [*above, [10, 8], [10, 9]]


def test_pixels_are_drawn_with_their_conditional_probabilities(lecture):
    """With a decoder that copies the pixel before, a drawn image repeats its first pixel."""
    torch.manual_seed(0)
    net = lecture["DecoderVAE"](lecture["Everything"], latent_dim=2, width=8)

    def copy_the_last(logits, x):
        before = torch.nn.functional.pad(x[:, :-1], (1, 0), value=0.5)
        return 200 * (before - 0.5)

    net.neighbours.forward = copy_the_last
    x = lecture["draw_pixels"](net, torch.zeros(40, 2))
    assert (x == x[:, :1]).all() and 5 < x[:, 0].sum() < 35


def test_conditional_vae_listens_to_its_class(lecture):
    torch.manual_seed(0)
    net = lecture["ConditionalVAE"](latent_dim=4, width=20)
    x, y = (torch.rand(3, 784) < 0.2).float(), torch.tensor([0, 5, 9])
    logits, mu, log_var = net(x, y)
    assert logits.shape == (3, 784) and mu.shape == log_var.shape == (3, 4)
    z = torch.zeros(10, 4)
    assert len(net.decode(z, torch.arange(10)).detach().round(decimals=5).unique(dim=0)) == 10


def test_tokens_are_the_nearest_codes(lecture):
    torch.manual_seed(0)
    net = lecture["VQVAE"](codes=8, dim=4, c=4)
    x = (torch.rand(3, 784) < 0.2).float()
    logits, h, e = net(x)
    assert logits.shape == (3, 784) and h.shape == e.shape == (3, 49, 4)
    distance = (h[:, :, None] - net.codebook).norm(dim=-1)  # (3, 49, 8)
    assert (net.tokens(x) == distance.argmin(2)).all()
    assert torch.allclose(quantise(h.flatten(0, 1), net.codebook).view_as(h), e, atol=1e-6)
    pixels = logits.sum()
    pixels.backward()
    assert net.down[0].weight.grad.any() and net.codebook.grad is None


def test_the_shipped_vqvae_has_its_figures(lecture):
    x = data.mnist("test", binary=True).images.flatten(1)
    entry = checkpoints.recorded("06_vqvae")
    net = lecture["VQVAE"](**entry.config)
    checkpoints.load("06_vqvae", net)
    prior_entry = checkpoints.recorded("06_vqvae_prior")
    prior = lecture["TokenPrior"](**prior_entry.config)
    checkpoints.load("06_vqvae_prior", prior)
    with torch.no_grad():
        pixels, tokens = [], []
        for part in x.split(1000):
            pixels.append(lecture["reconstruction_nats"](part, net(part)[0]))
            tokens.append(prior.nats(net.tokens(part)))
    assert float(torch.cat(pixels).mean()) == pytest.approx(entry.value, abs=0.05)
    assert float(torch.cat(tokens).mean()) == pytest.approx(prior_entry.value, abs=0.1)


def test_the_prior_sees_no_later_token(lecture):
    torch.manual_seed(0)
    prior = lecture["TokenPrior"](codes=5, width=8)
    tokens = torch.randint(5, (1, 49))
    changed = tokens.clone()
    changed[0, 30] = (changed[0, 30] + 1) % 5
    with torch.no_grad():
        assert torch.allclose(prior(tokens)[0][0, :30], prior(changed)[0][0, :30])
        assert not torch.allclose(prior(tokens)[0][0, 30:], prior(changed)[0][0, 30:])
    assert prior.sample(3).shape == (3, 49)


@pytest.mark.parametrize(("name", "part"), [("06b_beta", "betas"), ("06b_decoders", None)])
def test_records_hold_three_seeds_of_each(name, part):
    record = records.read(name)
    runs = record[part] if part else {k: record[k] for k in ("Alone", "Window", "Everything")}
    assert len(runs) >= 3 and all(len(rows) == 3 for rows in runs.values())
