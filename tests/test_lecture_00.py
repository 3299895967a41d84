"""Lecture 00: what it shows of later lectures is what their shipped models drew, and its alarms are compared fairly."""

import ast
import hashlib

import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score

from course_utils import checkpoints
from course_utils.commands import notebooks
from course_utils.commands import samples as drawing
from course_utils.metrics import samples


@pytest.fixture(scope="module")
def functions():
    """The functions that the lecture's cells define; what they need of the lecture is given to them as arguments or globals."""
    (path,) = notebooks.paths(["00_start_here"])
    known = {"np": np, "torch": torch, "F": F}
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.id in {
            "alarm-numbers",
            "detectors",
            "letters-and-other-strangers",
            "many-images-at-once",
            "neighbour-tables",
            "blank-is-likely",
        }:
            wanted = (ast.FunctionDef, ast.Import, ast.ImportFrom)
            tree = ast.parse(cell.source)
            tree.body = [n for n in tree.body if isinstance(n, wanted)]
            exec(compile(tree, cell.id, "exec"), known)
    return known


def test_auroc_is_the_librarys(functions):
    generator = torch.Generator().manual_seed(0)
    ood, clean = torch.randint(0, 9, (40,), generator=generator), torch.randint(2, 12, (70,), generator=generator)  # fmt: skip
    truth = np.r_[np.ones(40), np.zeros(70)]
    wanted = roc_auc_score(truth, -np.r_[ood.numpy(), clean.numpy()])  # with many ties
    assert functions["auroc"](ood.double(), clean.double()) == pytest.approx(wanted)


def test_every_detector_rings_for_one_percent_of_clean_digits(functions):
    x = torch.arange(1000.0)[:, None]
    known = functions | {"x_valid": x, "x_test": x}
    judge = type(functions["judge"])  # a function of the same code that sees these digits
    inner = functions["judge"].__wrapped__
    judge = judge(inner.__code__, known)
    judged = judge(lambda x, factor: factor * x[:, 0] - 500, 3, {"low": x - 1000})
    assert judged["clean"] == (pytest.approx(1), pytest.approx(0.5))
    assert judged["low"] == (100, 1)


def test_patches_stand_where_they_are_asked_for(functions):
    paper = torch.zeros(2, 784)
    one = functions["with_patch"](paper, 3, 2, 5).view(2, 28, 28)
    assert one[:, 2:5, 5:8].all() and one.sum() == 18
    each = functions["with_patch"](paper, 4, torch.tensor([0, 24]), torch.tensor([7, 24]))
    first, second = each.view(2, 28, 28)
    assert first[:4, 7:11].all() and second[24:, 24:].all() and each.sum() == 32


def test_neighbour_tables_are_a_distribution(functions):
    """A context is what came before, a rate is a smoothed share, and summing the last pixel out leaves the rest."""
    left, above = torch.zeros(1, 784), torch.zeros(1, 784)
    left[0, 28 * 5 + 2] = above[0, 28 * 4 + 3] = 1
    for image, wanted in ((left, 1), (above, 4)):
        assert functions["contexts"](image)[0, 28 * 5 + 3] == wanted
        assert (
            functions["contexts"](image)[0, : 28 * 4].sum() == 0
        )  # nothing is seen before it comes
    x = torch.cat([left, left, above]).to(torch.uint8)
    rates = functions["fit_neighbours"](x)
    assert rates[0, 28 * 4 + 3] == pytest.approx((1 + 0.5) / (3 + 1))
    assert rates[1, 28 * 5 + 3] == pytest.approx((0 + 0.5) / (2 + 1))
    flipped = left.clone()
    flipped[0, -1] = 1  # the last pixel is nobody's neighbour
    both = functions["log_p_neighbours"](torch.cat([left, flipped]), rates)
    rest = functions["log_p_neighbours"](left, rates) - torch.log1p(-rates[0, -1])
    assert torch.logsumexp(both, 0) == pytest.approx(float(rest), abs=1e-3)


def test_an_isolated_square_scores_lowest(functions):
    x = functions["with_patch"](torch.zeros(3, 784), 5, torch.tensor([0, 10, 23]), 23)
    everywhere = torch.ones(1, 784)
    scores = functions["isolated_square"](torch.cat([x, everywhere]), None)
    corner = 25 - 0.3 * 11  # two sides of the ring lie outside of the image
    assert scores.tolist() == pytest.approx([-25, -25, -25, -corner])


def test_edges_per_ink_pixel(functions):
    x = torch.zeros(2, 28, 28)
    x[0, 5:7, 5:7] = 1  # a square: 8 borders
    x[1, [5, 5, 9, 9], [5, 9, 5, 9]] = 1  # four lonely dots: 16
    assert functions["edges_per_ink"](x.flatten(1), None).tolist() == pytest.approx([-8 / 5, -16 / 5])  # fmt: skip


def test_what_was_written_comes_from_the_shipped_network():
    """Drawn anew, by lecture 04's class and the shipped weights, the first letters are the same: other machines round otherwise later on."""
    entry = samples.facts("04_char_lstm")
    assert entry["checkpoint"] == checkpoints.recorded("04_char_lstm").sha256, "draw it anew: make full NB=08_samples"  # fmt: skip
    again = drawing.write_play(length=60)
    assert samples.text("04_char_lstm").startswith(again[:40])


def test_what_was_spoken_comes_from_the_shipped_network():
    entry = samples.facts("03b_wavenet")
    assert entry["checkpoint"] == checkpoints.recorded("03b_wavenet").sha256, "draw it anew: make full NB=08_samples"  # fmt: skip
    sound, rate = samples.sound("03b_wavenet")
    assert rate == 8000 and len(sound) == 2 * rate
    again = (np.clip(drawing.speak(0.02), -1, 1) * 32767).astype("<i2")
    assert np.array_equal(again[:80], sound[:80])


@pytest.mark.parametrize(("name", "ending"), [("04_char_lstm", "txt"), ("03b_wavenet", "wav")])
def test_a_damaged_sample_is_said(name, ending, tmp_path, monkeypatch):
    for file in ("other.json", f"{name}.{ending}"):
        (tmp_path / file).write_bytes((samples.folder() / file).read_bytes())
    monkeypatch.setattr(samples, "folder", lambda: tmp_path)
    read = {"txt": samples.text, "wav": samples.sound}[ending]
    read(name)
    (tmp_path / f"{name}.{ending}").write_bytes(b"")
    with pytest.raises(checkpoints.CheckpointError, match=r"missing|damaged"):
        read(name)
    with pytest.raises(LookupError, match="no samples"):
        read("04_nothing")


def test_text_and_sound_come_back_as_they_were_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "folder", lambda: tmp_path)
    samples.save_text("a", "Слово\n", seed=1)
    samples.save_sound("b", np.array([-2.0, -1.0, 0.0, 0.5]), 8000)
    assert samples.text("a") == "Слово\n" and samples.facts("a")["seed"] == 1
    sound, rate = samples.sound("b")
    assert rate == 8000 and sound.tolist() == [-32767, -32767, 0, 16383]
    assert samples.facts("a")["sha256"] == hashlib.sha256("Слово\n".encode()).hexdigest()
