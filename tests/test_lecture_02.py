"""Lecture 02: its arithmetic coder restores every text, in every alphabet, and its files are as long as the model promises; its learning
n-gram says what dictionaries say that count one character after the other."""

import random
from collections import Counter, defaultdict

import numpy as np
import pytest

from course_utils import data
from course_utils.commands.notebooks import model_cells
from course_utils.ngrams import NGram, learning_bits


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


@pytest.mark.parametrize("kappa", [1, 8])
@pytest.mark.parametrize("before", ["", "a cabana, a banana; "])
def test_learning_is_counting_each_character_once_it_is_coded(lecture, before, kappa):
    text, order = "abracadabra\nabracadabra, a banana\n\nand a cabana " * 2, 3
    alphabet = sorted(set(text + before + "z"))
    counts, expected = (
        defaultdict(Counter),
        [],
    )  # followers of each context of up to three characters
    read = alphabet[0] * order + before + text
    for i in range(order, len(read)):
        p = 1 / len(alphabet)
        for m in range(order + 1):
            followers = counts[read[i - m : i]]
            if followers:
                weight = kappa * len(followers)
                p = (followers[read[i]] + weight * p) / (followers.total() + weight)
        expected.append(-np.log2(p))
        for m in range(order + 1):
            counts[read[i - m : i]][read[i]] += 1
    for learning in (learning_bits, lecture["learning_loop"]):
        bits = learning(text, before, alphabet, order, kappa)
        assert bits == pytest.approx(expected[len(before) :], rel=1e-12)


def test_learning_starts_from_the_frozen_counts():
    """The first character after a reading costs what the frozen model of that reading says."""
    before, text = data.text("shakespeare", "train")[:20_000], "x"
    alphabet = sorted(set(data.text("shakespeare")))
    frozen = NGram(before, 5, alphabet, kappa=8).bits(text, before=before)
    learning = learning_bits(text, before, alphabet, 5, 8)
    assert learning == pytest.approx(frozen, rel=1e-3)  # one knows the first lines' ends in front
