"""Lecture 02: its arithmetic coder restores every text, in every alphabet, and its files are as long as the model promises."""

import random

import numpy as np
import pytest

from course_utils import data
from course_utils.commands.notebooks import model_cells
from course_utils.ngrams import NGram


@pytest.fixture(scope="module")
def lecture():
    """Names that the cells tagged "model" define."""
    return model_cells("02_entropy")


class Sure:
    """A model that is nearly sure of "a", whatever came before."""

    alphabet, order = "ab", 0
    index = {"a": 0, "b": 1}

    def probs(self, context):
        return np.array([1 - 1e-12, 1e-12])


def restored(lecture, text, model):
    bits = lecture["encode"](text, model)
    assert set(bits) <= {"0", "1"}
    assert lecture["decode"](bits, len(text), model) == text
    return len(bits)


@pytest.mark.parametrize("name", ["settlements_uk", "names_ru"])
def test_any_alphabet(lecture, name):
    alphabet = sorted(set(data.text(name)), reverse=True)  # another order than the lecture's
    model = NGram(data.text(name, "train"), 3, alphabet)
    text = data.text(name, "test")[:3000]
    promised = model.bits(text).sum()
    assert -2 < restored(lecture, text, model) - promised < 0.001 * promised + 3


@pytest.mark.parametrize("length", [0, 1, 2, 3, 50])
def test_short_texts(lecture, length):
    rng, model = random.Random(length), NGram("abracadabra", 2, "abcdr")
    for _ in range(50):
        restored(lecture, "".join(rng.choices("abcdr", k=length)), model)


def test_sure_and_wrong(lecture):
    """A share is never empty: what the model all but excludes costs 24 bits, what it expects next to nothing."""
    assert restored(lecture, "a" * 5000, Sure()) < 10
    assert restored(lecture, "a" * 50 + "b" + "a" * 50, Sure()) < 30


def test_shares(lecture):
    for p in (np.array([1.0, 0, 0]), np.full(77, 1 / 77), np.array([0.5, 0.5])):
        ends = lecture["share_ends"](p)
        assert ends[0] == 0 and ends[-1] == 2**24 and min(np.diff(ends)) >= 1
        assert np.diff(ends) / 2**24 == pytest.approx(p, abs=len(p) / 2**23)
