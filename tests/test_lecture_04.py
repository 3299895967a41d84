"""Lecture 04: the shipped checkpoint gives its recorded figure, and what the lecture writes by hand does what it says.

The cells tagged ``model`` are taken from the notebook itself, so that the class under test is the one that students read.
"""

import json
import math
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_utils import checkpoints
from course_utils.exercises import lecture_04 as reference

NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "04_rnn_text_generation.ipynb"
CHECKPOINT = "04_char_lstm"


def cells(*ids, tag=None):
    """Sources of the notebook's cells with these ids, or with a tag, in order."""
    nb = nbformat.read(NOTEBOOK, as_version=4)
    return [
        c.source for c in nb.cells if c.id in ids or (tag and tag in c.metadata.get("tags", []))
    ]


def names_after(sources, names=None):
    names = {} if names is None else names
    for source in sources:
        exec(source, names)
    return names


@pytest.fixture(scope="module")
def lecture():
    """What the lecture's cells tagged ``model`` define; threads and random state as before."""
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    yield names_after(cells(tag="model"))
    torch.set_num_threads(threads)
    torch.set_rng_state(state)


# --- the shipped checkpoint -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_checkpoint_reproduces_its_recorded_figure(lecture):
    entry = checkpoints.recorded(CHECKPOINT)
    model = lecture["CharModel"](**entry.config)
    checkpoints.load(CHECKPOINT, model)
    model.eval()
    nats = lecture["piece_nats"](model, lecture["test_codes"])
    assert entry.unit == "bits/char"
    assert float(nats.mean()) / math.log(2) == pytest.approx(entry.value, abs=0.002)
    assert entry.value <= 2.15


def test_checkpoint_is_small_and_belongs_to_the_lecture():
    entry = checkpoints.recorded(CHECKPOINT)
    path = checkpoints.folder() / f"{CHECKPOINT}.safetensors"
    assert path.stat().st_size <= 2_500_000
    assert entry.cpu_seconds <= 12 * 60
    assert entry.config["symbols"] == 77


def test_pieces_are_scored_like_one_long_text(lecture):
    """With one piece the figure is the model's own loss over the whole text, whatever the window is."""
    torch.manual_seed(0)
    model = lecture["CharModel"](77, width=16)
    codes = lecture["test_codes"][:700]
    with torch.no_grad():
        logits, _ = model(codes[None, :-1])
    whole = float(nn.functional.cross_entropy(logits[0], codes[1:]))
    for window in (7, 64, 1000):
        assert float(lecture["piece_nats"](model, codes, 1, window)[0]) == pytest.approx(
            whole, 1e-4
        )


def test_what_can_not_be_written_is_said(lecture):
    """An unknown letter, an empty prompt, a temperature that isn't above 0: each with what is wrong."""
    names = names_after(
        [s.split("\n\nprompt =")[0].split("\n\nfor temp")[0] for s in cells("write", "three-temperatures")],
        dict(lecture, shipped=None),
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"77 characters, without 'ж🙂'"):
        lecture["encode"]("To ж🙂")
    assert lecture["encode"]("").shape == (0,) and lecture["encode"]("").dtype == torch.long
    with pytest.raises(ValueError, match="prompt needs at least one character"):
        names["write"](None, lecture["encode"]("")[None], 1, names["greedy"])
    for temperature in (0, -1.0, torch.tensor([[1.0], [0.0]])):
        with pytest.raises(ValueError, match="must be above 0"):
            names["sampler"](temperature)
    drawn = names["sampler"](torch.tensor([[0.01], [100.0]]))(torch.eye(2))
    assert drawn.shape == (2,) and int(drawn[0]) == 0


def test_held_out_plays_are_held_out(lecture):
    """No piece of 100 characters of a test play stands in the training plays."""
    train = lecture["data"].text("shakespeare", "train")
    test = lecture["data"].text("shakespeare", "test")
    assert not [i for i in range(0, len(test) - 100, 5000) if test[i : i + 100] in train]


def test_the_recorded_race_is_a_race():
    """Every design had about the same processor time, and the file says when it was measured."""
    record = json.loads((checkpoints.folder() / "04_designs.json").read_text("utf8"))
    seconds = [row["cpu_seconds"] for row in record["rows"].values()]
    assert len(seconds) >= 8
    assert record["date"]
    assert max(seconds) < 2 * min(seconds)
    assert all(1 < row["bits"] < 6.3 for row in record["rows"].values())


# --- by hand equals the library ---------------------------------------------------------------------------------------


def test_rnn_step_is_nn_rnn():
    torch.manual_seed(1)
    library = nn.RNN(3, 6, batch_first=True)
    x, h = torch.randn(12, 3), torch.zeros(6)
    expected = library(x[None])[0][0]
    for t in range(12):
        bias = library.bias_ih_l0 + library.bias_hh_l0
        h = reference.rnn_step(x[t], h, library.weight_ih_l0, library.weight_hh_l0, bias)
        torch.testing.assert_close(h, expected[t])


def test_lstm_step_is_nn_lstm(lecture):
    source = cells("lstm-by-hand")[0].split("library =")[0]
    step = names_after([source], dict(lecture))["lstm_step"]
    library = nn.LSTM(3, 6, batch_first=True)
    x, h, c = torch.randn(12, 3), torch.zeros(6), torch.zeros(6)
    expected = library(x[None])[0][0]
    for t in range(12):
        bias = library.bias_ih_l0 + library.bias_hh_l0
        h, c = step(x[t], h, c, library.weight_ih_l0, library.weight_hh_l0, bias)
        torch.testing.assert_close(h, expected[t])


def test_gradients_vanish_in_a_plain_network_and_not_behind_open_gates(lecture):
    names = names_after(cells("gradient-norms"), dict(lecture))
    plain = names["gradient_norms"](names["make_cell"]("RNN"), steps=50)
    gated = names["gradient_norms"](names["make_cell"]("LSTM", remember=3.0), steps=50)
    assert plain[0] == gated[0] == 1
    assert plain[50] < 1e-8 < 1e-3 < gated[50]


# --- the n-gram judge -------------------------------------------------------------------------------------------------


def test_ngram_probabilities_add_up_to_one(lecture):
    ngram = names_after(cells("ngram"), dict(lecture))["NGram"]
    rng = np.random.default_rng(0)
    model = ngram(rng.integers(5, size=300), 3, 5)
    for context in ([0, 1, 2], [4, 4, 4], [3, 0, 3]):
        ends = [np.array([*context, c]) for c in range(5)]
        assert sum(2 ** -model.bits(text)[-1] for text in ends) == pytest.approx(1)


def test_ngram_of_order_zero_is_counting(lecture):
    ngram = names_after(cells("ngram"), dict(lecture))["NGram"]
    bits = ngram(np.array([0] * 50 + [1] * 50), 0, 2).bits(np.array([0, 1]))
    np.testing.assert_allclose(bits, 1, atol=0.03)


def test_loops_are_found(lecture):
    find_loop = names_after(
        [cells("greedy-loops-measured")[0].split("starts =")[0]], dict(lecture)
    )["find_loop"]
    assert find_loop("once upon " + "a time " * 5) == (9, 7)  # the blank before "a" belongs to it
    assert find_loop("no repetition here at all") is None
    assert find_loop("xyz" + "a" * 10) == (3, 1)


# --- temperature and filters ------------------------------------------------------------------------------------------

logit_lists = st.lists(
    st.integers(-400, 400).map(lambda i: i / 100), min_size=2, max_size=30, unique=True
).map(torch.tensor)


@settings(deadline=None)
@given(logit_lists, st.floats(0.1, 5))
def test_temperature_keeps_the_order_and_adds_up_to_one(logits, temperature):
    p = reference.temperature_softmax(logits, temperature)
    assert float(p.sum()) == pytest.approx(1, abs=1e-5)
    assert int(p.argmax()) == int(logits.argmax())
    torch.testing.assert_close(p, torch.softmax(logits / temperature, 0))


@settings(deadline=None)
@given(logit_lists, st.integers(1, 30))
def test_top_k_keeps_exactly_the_k_largest(logits, k):
    k = min(k, len(logits))
    kept = torch.isfinite(reference.top_k_filter(logits, k))
    assert int(kept.sum()) == k
    assert k == len(logits) or float(logits[kept].min()) > float(logits[~kept].max())


@settings(deadline=None)
@given(logit_lists, st.floats(0.01, 0.99))
def test_top_p_keeps_the_smallest_set_that_reaches_p(logits, p):
    kept = torch.isfinite(reference.top_p_filter(logits, p))
    probability = torch.softmax(logits.double(), 0)
    assert float(probability[kept].sum()) >= p - 1e-5
    smaller = float(probability[kept].sum() - probability[kept].min())
    assert smaller < p + 1e-5
    torch.testing.assert_close(reference.top_p_filter(logits, p)[kept], logits[kept])


def test_bits_per_char_of_a_fair_byte():
    assert reference.bits_per_char(8 * math.log(2), 5, 5) == pytest.approx(8)
    assert reference.bits_per_char(8 * math.log(2), 5, 40) == pytest.approx(1)
