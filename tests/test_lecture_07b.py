"""Lecture 07b: penalties are what they say, the narrow translator sees 7 pixels, WaveNet speaks as in 03b, sounds are judged rightly, records are whole."""

import math
from collections import Counter

import pytest
import torch

from course_utils import checkpoints, records, wavenet
from course_utils.commands.notebooks import model_cells


@pytest.fixture(scope="module")
def lecture():
    """Names that the cells tagged "model" define."""
    return model_cells("07b_gan_deeper")


@pytest.mark.parametrize(("kind", "expected"), [("R1", 12.5), ("R1 + R2", 25.0), ("one", 16.0)])
def test_penalties_of_a_linear_discriminator(lecture, kind, expected):
    """Its slope is 5 everywhere: half of 25 at real, the same at generated images, and (5 - 1)²."""
    weight = torch.zeros(784)
    weight[:2] = torch.tensor([3.0, 4.0])
    weight.requires_grad_()
    real, fake = torch.rand(6, 1, 28, 28), torch.rand(6, 1, 28, 28)
    cost = lecture["penalty"](kind, lambda x: x.flatten(1) @ weight, real, fake)
    assert float(cost.detach()) == pytest.approx(expected, rel=1e-5)
    (gradient,) = torch.autograd.grad(cost, weight)
    assert gradient[:2].all() and not gradient[2:].any()


@pytest.mark.parametrize("spectral", [True, False])
def test_spectral_norm_can_be_switched_off(lecture, spectral):
    torch.manual_seed(0)
    D = lecture["Discriminator"](spectral)
    assert D(torch.rand(32, 1, 28, 28)).shape == (32,)
    assert any("parametrizations" in name for name, _ in D.named_parameters()) == spectral


def test_the_discriminator_compares_the_images_of_a_batch(lecture):
    """Image 0 among copies of itself, and among others: the minibatch statistic moves its logit."""
    torch.manual_seed(0)
    x = torch.rand(16, 1, 28, 28)
    D = lecture["Discriminator"]().eval()
    with torch.no_grad():
        logits = D(torch.cat([x[:1].expand(16, -1, -1, -1), x]))
    assert (logits[0] - logits[16]).abs() > 1e-6


@pytest.mark.parametrize(("wide", "side"), [(False, 7), (True, 28)])
def test_how_far_translators_see(lecture, wide, side):
    torch.manual_seed(0)
    net = lecture["Translator"](wide).eval()
    x = torch.rand(1, 1, 28, 28, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x)[0, 0, 14, 14], x)
    rows, columns = gradient[0, 0].nonzero().T
    seen = int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1
    assert seen == (7, 7) if side == 7 else min(seen) > 20


def test_outline_of_a_square(lecture):
    x = torch.zeros(1, 1, 28, 28)
    x[..., 10:20, 10:20] = 1
    y = lecture["outline"](x)[0, 0]
    assert y[9:21, 9:21].sum() == 12 * 12 - 8 * 8 == y.sum()
    assert not y[11:19, 11:19].any()


def test_wavenet_gives_lecture_03b_s_logits():
    """Code by code with queues, and all at once: the same numbers from the shipped weights."""
    entry = checkpoints.recorded("03b_wavenet")
    ours = wavenet.WaveNet(**entry.config)
    theirs = model_cells("03b_wavenet")["WaveNet"](**entry.config)
    for net in (ours, theirs):
        checkpoints.load("03b_wavenet", net)
    codes = torch.randint(256, (2, 40), generator=torch.Generator().manual_seed(0))
    queues = ours.queues(2)
    with torch.no_grad():
        one_by_one = torch.stack([ours(c, queues, t) for t, c in enumerate(codes.T)], 1)
        assert torch.allclose(one_by_one, theirs(codes), atol=1e-4)


def test_a_tone_is_periodic_and_noise_is_not(lecture):
    t = torch.arange(4096) / 8000
    tone = 0.1 * torch.sin(2 * math.pi * 200 * t).expand(3, -1)
    noise = 0.1 * torch.randn(3, 4096, generator=torch.Generator().manual_seed(0))
    assert lecture["periodic"](tone) == 100 and lecture["periodic"](noise) == 0
    assert lecture["periodic"](torch.zeros(2, 4096)) == 0  # nothing is loud


def test_windows_of_a_tone_are_loudest_in_its_band(lecture):
    t = torch.arange(4096) / 8000
    features = lecture["windows"](torch.sin(2 * math.pi * 1100 * t)[None])
    assert features.shape[1] == 72
    bands = features.unflatten(1, (12, 6)).mean((0, 2))
    assert int(bands.argmax()) == 3  # 1,100 Hz is bin 35.2; the fourth band holds bins 31 to 40


def test_the_speaker_draws_clips(lecture):
    torch.manual_seed(0)
    net = lecture["Speaker"]()
    clips = lecture["speak"](net, 5)
    assert clips.shape == (5, 4096) and clips.abs().max() <= 1
    assert torch.equal(clips, lecture["speak"](net, 5))  # a seed, a set of clips
    for listener in ("Wave", "Spectrogram"):
        assert lecture[listener]()(clips[:1].expand(16, -1)).shape == (16,)


@pytest.mark.parametrize(
    ("name", "part", "seeds", "rows"),
    [
        ("07b_tuning", "tries", 4, 6),
        ("07b_losses", "recipe", 3, 6),
    ],
)
def test_records_hold_all_runs(name, part, seeds, rows):
    record = records.read(name)
    runs = record.get(part) or Counter(row[part] for row in record["rows"])
    counts = {key: value if isinstance(value, int) else len(value) for key, value in runs.items()}
    assert len(counts) == rows and set(counts.values()) == {seeds}
