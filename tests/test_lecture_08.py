"""Lecture 08: the samples that it compares are intact and what they claim to be, and its exercises agree with the metrics package."""

import shutil

import numpy as np
import pytest
import torch

from course_utils import checkpoints, data, metrics
from course_utils.commands import samples as drawing
from course_utils.exercises import lecture_08, lecture_08b, lecture_08c
from course_utils.metrics import samples

TEXTS = [
    ("the cat sat on the mat by the door", "the cat lay on the old mat near the door"),
    ("кіт спить на теплому килимі", "старий кіт спить на килимі"),
    ("a a b a c", "a b a a d"),
    ("to be or not to be", "to be or not to be"),
]


@pytest.mark.parametrize(("a", "b"), TEXTS)
def test_text_exercises_agree_with_the_package(a, b):
    a, b = a.split(), b.split()
    assert lecture_08b.bleu(a, [b]) == pytest.approx(metrics.bleu(a, [b]), abs=1e-9)
    for n in (1, 2, 3):
        assert lecture_08b.rouge_n(a, b, n) == pytest.approx(metrics.rouge_n(a, b, n).f, abs=1e-9)
    assert lecture_08b.rouge_l(a, b) == pytest.approx(metrics.rouge_l(a, b).f, abs=1e-9)
    assert lecture_08b.rouge_s(a, b) == pytest.approx(metrics.rouge_s(a, b).f, abs=1e-9)


def test_image_exercises_agree_with_the_package():
    draw = torch.Generator().manual_seed(0)
    a, b = (torch.randn(60, 8, generator=draw, dtype=torch.float64) for _ in range(2))
    ours = lecture_08.frechet_distance(a.mean(0), torch.cov(a.T), b.mean(0), torch.cov(b.T))
    assert float(ours) == pytest.approx(metrics.frechet_distance(a, b), rel=1e-6)
    probs = torch.softmax(2 * a, 1)
    assert float(lecture_08.inception_score(probs)) == pytest.approx(metrics.inception_score(probs))


def test_the_kernel_distance_agrees_with_torchmetrics():
    kid = pytest.importorskip("torchmetrics.image.kid")
    draw = torch.Generator().manual_seed(0)
    a, b = (torch.randn(60, 8, generator=draw, dtype=torch.float64) + shift for shift in (0, 0.3))
    assert float(lecture_08.kernel_distance(a, b)) == pytest.approx(float(kid.poly_mmd(a, b)))


def test_the_kernel_distance_has_no_bias():
    """Means over many small samples of one distribution lie within three standard errors of 0; the biased form's don't."""
    draw = torch.Generator().manual_seed(1)
    pairs = [torch.randn(2, 10, 4, generator=draw, dtype=torch.float64) for _ in range(400)]
    values = torch.stack([lecture_08.kernel_distance(*pair) for pair in pairs])
    assert abs(float(values.mean())) < 3 * float(values.std()) / 20
    biased = torch.stack([lecture_08._kid(biased=True)(*pair) for pair in pairs])
    assert float(biased.mean()) > 10 * float(biased.std()) / 20


def test_kappa_agrees_with_the_package():
    draw = np.random.default_rng(0)
    a, b = draw.choice(list("abc"), (2, 40))
    ours = lecture_08c.cohen_kappa(a.tolist(), b.tolist())
    assert ours == pytest.approx(metrics.cohen_kappa(a.tolist(), b.tolist()))


def test_the_iteration_finds_the_packages_strengths():
    wins = torch.tensor([[0, 7, 9], [3, 0, 6], [1, 4, 0]], dtype=torch.float64)
    p = torch.ones(3, dtype=torch.float64)
    for _ in range(200):
        p = lecture_08c.bradley_terry_step(p, wins)
    package = {row.name: row.strength for row in metrics.bradley_terry(wins.numpy())}
    assert p.log().tolist() == pytest.approx([package[i] for i in range(3)], abs=1e-8)


@pytest.mark.parametrize("trials", [1, 2, 7, 20, 101])
def test_sign_test_agrees_with_the_package(trials):
    for wins in range(trials + 1):
        ours = lecture_08c.binomial_sign_test(wins, trials)
        assert ours == pytest.approx(metrics.binomial_sign_test(wins, trials).p_value, abs=1e-9)


def test_perplexity_agrees_with_the_package():
    logs = torch.log(torch.tensor([0.5, 0.01, 0.9, 0.3], dtype=torch.float64))
    assert float(lecture_08b.perplexity(logs)) == pytest.approx(metrics.perplexity(logs))


def test_the_known_library_gives_cyrillic_nothing():
    """What the lecture says of rouge-score, by rouge-score itself."""
    rouge = pytest.importorskip("rouge_score.rouge_scorer")
    scorer = rouge.RougeScorer(["rouge1"])
    for text in ("кіт спить на теплому килимі", "кот спит на тёплом ковре"):
        assert scorer.score(text, text)["rouge1"].fmeasure == 0
        assert metrics.rouge_n(text, text, 1).f == 1


# --- samples ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(drawing.MODELS))
def test_samples_are_intact(name):
    s = samples.load(name)
    assert s.images.shape == (samples.COUNT, 1, 28, 28)
    assert set(s.images.unique().tolist()) == {0.0, 1.0}
    assert s.seconds > 0 and s.parameters > 10_000 and s.cpu_seconds > 10
    assert 20 < float(s.images.sum((1, 2, 3)).mean()) < 200


def test_samples_carry_the_checkpoints_figures():
    """Parameters, seconds and nats are those of the shipped checkpoints; a new checkpoint needs new samples."""
    renamed = {"07_gan_conditional": "07_conditional_gan", "06_vae_thresholded": "06_vae"}
    for name in drawing.MODELS:
        checkpoint = renamed.get(name, name)
        s, entry = samples.load(name), checkpoints.recorded(checkpoint)
        assert (s.parameters, s.cpu_seconds) == (entry.parameters, entry.cpu_seconds)
        assert s.nats is None or s.nats == pytest.approx(entry.value)


def test_ordered_samples_are_what_was_ordered():
    s = samples.load("07_gan_conditional")
    read = metrics.class_probabilities(s.images).argmax(1)
    assert float((read == s.ordered).float().mean()) > 0.95


def test_samples_are_ranked_as_the_lecture_says():
    real = metrics.features(data.mnist("test", binary=True).images.view(-1, 1, 28, 28))
    distance = {
        name: metrics.frechet_distance(metrics.features(samples.load(name).images), real)
        for name in drawing.MODELS
    }
    assert max(distance["07_gan"], distance["05_pixelcnn"]) < 30
    assert min(distance["03_made"], distance["06_vae"]) > 100
    assert 50 < distance["06_vae_thresholded"] < distance["06_vae"] / 2
    assert distance["07_gan_conditional"] < distance["07_gan"]


def test_drawing_anew_gives_the_same_images(tmp_path, monkeypatch):
    """The quick models, bit for bit but for rounding near one half."""
    folder = tmp_path / "samples"
    shutil.copytree(samples.folder(), folder)
    quick = ("06_vae", "06_vae_thresholded", "07_gan")
    before = {name: samples.load(name).images for name in quick}
    monkeypatch.setattr(samples, "folder", lambda: folder)
    threads = torch.get_num_threads()
    drawing.main(list(before))
    torch.set_num_threads(threads)
    for name, images in before.items():
        assert float((samples.load(name).images != images).float().mean()) < 1e-4


def test_damaged_or_missing_samples_are_named(tmp_path, monkeypatch):
    folder = tmp_path / "samples"
    shutil.copytree(samples.folder(), folder)
    monkeypatch.setattr(samples, "folder", lambda: folder)
    path = folder / "06_vae.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(checkpoints.CheckpointError, match=r"06_vae\.npy are damaged.*git checkout"):
        samples.load("06_vae")
    path.unlink()
    with pytest.raises(checkpoints.CheckpointError, match="missing"):
        samples.load("06_vae")
    with pytest.raises(LookupError, match="07_gan"):
        samples.load("08_nothing")


def test_a_pickled_file_is_refused(tmp_path, monkeypatch):
    """Loading samples never unpickles anything, whatever the index says."""
    folder = tmp_path / "samples"
    shutil.copytree(samples.folder(), folder)
    monkeypatch.setattr(samples, "folder", lambda: folder)
    monkeypatch.setattr(samples.hashlib, "sha256", lambda content: _Digest())
    np.save(folder / "06_vae.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"[Pp]ickle"):
        samples.load("06_vae")


class _Digest:
    """Agrees with whatever is recorded for the VAE."""

    def hexdigest(self):
        return samples._index()["06_vae"]["sha256"]
