"""Lecture 04: the shipped checkpoint gives its recorded figure, and what the lecture writes by hand does what it says.

The cells tagged ``model`` are taken from the notebook itself, so that the class under test is the one that students read.
"""

import itertools
import math
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_utils import checkpoints, records
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
    bits = lecture["text_bits"](model, lecture["test_codes"])
    assert entry.unit == "bits/char"
    assert float(bits.mean()) == pytest.approx(entry.value, abs=0.002)
    assert entry.value <= 1.98


def test_checkpoint_is_small_and_belongs_to_the_lecture():
    entry = checkpoints.recorded(CHECKPOINT)
    path = checkpoints.folder() / f"{CHECKPOINT}.safetensors"
    assert path.stat().st_size <= 2_500_000
    assert entry.cpu_seconds <= 20 * 60
    assert entry.config["symbols"] == 77


def test_parts_are_scored_like_one_long_text(lecture):
    """With one part the figure is the model's own loss over the whole text, whatever the window is."""
    torch.manual_seed(0)
    model = lecture["CharModel"](77, width=16, dropout=0.5)  # which scoring has to switch off
    codes = lecture["test_codes"][:700]
    model.eval()
    with torch.no_grad():
        logits, _ = model(codes[None, :-1])
    each = nn.functional.cross_entropy(logits[0], codes[1:], reduction="none") / math.log(2)
    for window in (7, 64, 1000):
        model.train()
        bits = lecture["text_bits"](model, codes, 1, window)
        torch.testing.assert_close(bits[0], each, atol=0.05, rtol=0.02)  # bfloat16 on some CPUs
        assert float(bits.mean()) == pytest.approx(float(each.mean()), abs=0.005)


def test_chunks_go_on_where_they_stopped_and_pieces_are_shuffled(lecture):
    """Each row of a batch continues that of the batch before; a pass shows every piece at most once, and the next in another order."""
    codes = torch.arange(8_000)
    batches = lecture["chunks"](codes, rows=2, length=25, piece=100)
    first, second = [], []
    for x, y, fresh in itertools.islice(batches, 320):
        assert x.shape == y.shape == (2, 25) and torch.equal(x[:, 1:], y[:, :-1])
        second = second if not (fresh and first) else [*second, None]
        (second if second else first).append((x, y))
    for (_, y), (x, _) in itertools.pairwise(first):
        jumps = (x[:, 0] != y[:, -1]).any()
        assert not jumps
    seen = torch.cat([x for x, _ in first], 1).flatten()
    assert len(seen.unique()) == len(seen) > 7_800
    assert not torch.equal(first[0][0], second[1][0])


def test_what_can_not_be_written_is_said(lecture):
    """An unknown letter, an empty prompt, a temperature that isn't above 0: each with what is wrong."""
    names = names_after(
        [s.split("\n\nprompt =")[0].split("\n\nsweeps =")[0] for s in cells("write", "sampler")],
        dict(lecture, shipped=None),
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"77 characters, without 'ж🙂'"):
        lecture["encode"]("To ж🙂")
    assert lecture["encode"]("").shape == (0,) and lecture["encode"]("").dtype == torch.long
    with pytest.raises(ValueError, match="prompt needs at least one character"):
        names["write"](None, lecture["encode"]("")[None], 1, names["greedy"])
    for temperature in (0, -1.0, math.nan):
        with pytest.raises(ValueError, match="must be above 0"):
            names["sampler"](temperature)
    drawn = names["sampler"](0.01)(torch.eye(2))
    assert drawn.tolist() == [0, 1]


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
def test_a_state_is_cut_and_chosen_from_as_a_whole_whatever_the_cell(lecture, cell):
    """map_state() leaves a state that the model can go on with: the same values, without gradient, the chosen texts."""
    torch.manual_seed(0)
    model, x = lecture["CharModel"](77, width=8, cell=cell), torch.randint(77, (3, 5))
    _, state = model(x)
    cut = lecture["map_state"](torch.detach, state)
    after, _ = model(x, cut)
    torch.testing.assert_close(after, model(x, state)[0])
    parts = cut if cell == "LSTM" else (cut,)
    assert all(part.shape == (1, 3, 8) and not part.requires_grad for part in parts)
    chosen = lecture["map_state"](lambda part: part[:, torch.tensor([2, 0])], cut)
    torch.testing.assert_close(model(x[[2, 0]], chosen)[0], after[[2, 0]])


def test_training_carries_the_state_of_every_cell(lecture):
    """Each cell learns chunk by chunk, to less than guessing costs, and the seconds that it took are told."""
    names = names_after(cells("tbptt-loop"), dict(lecture))
    text = lecture["train_codes"][:20_000]
    for cell in ("LSTM", "GRU", "RNN"):
        torch.manual_seed(0)
        model = lecture["CharModel"](77, width=16, cell=cell).eval()  # training has to switch over
        seconds = names["train_text"](model, text, 20, 0.01, rows=8)
        assert seconds > 0 and model.training
        assert float(lecture["text_bits"](model, text).mean()) < 5.5 < math.log2(77)


def test_held_out_plays_are_held_out(lecture):
    """No piece of 100 characters of a test play stands in the training plays."""
    train = lecture["data"].text("shakespeare", "train")
    test = lecture["data"].text("shakespeare", "test")
    assert not [i for i in range(0, len(test) - 100, 5000) if test[i : i + 100] in train]


def test_the_recorded_memory_task_has_its_seeds_and_its_rates():
    """Six rivals, two learning rates, three seeds, errors to choose by and to report, at lags 0 to 100."""
    record = records.read("04_memory")
    shapes = {name: np.array(runs).shape for name, runs in record["recall"].items()}
    quiet = "RNN, orthogonal, in quiet"
    assert set(shapes) == {"RNN", "RNN, orthogonal", "RNN, 4 × the updates", quiet, "LSTM", "GRU"}
    assert set(shapes.values()) == {(2, 3, 2, 101)}
    assert record["date"]


def test_two_other_seeds_of_the_class_run_are_recorded():
    """[validation, test] in bits/char for each; seeds differ, by less than an n-gram lies behind."""
    record = records.read("04_seeds")
    assert np.shape(record["runs"]) == (2, 2)
    tests = [test for _, test in record["runs"]]
    assert 0 < max(tests) - min(tests) < 0.03 and max(tests) < 2.06


def test_the_memory_task_asks_for_the_last_marked_number(lecture):
    task = names_after(cells("memory-task-code"), dict(lecture))["marked_numbers"]
    x, target, lag = task(50, torch.Generator().manual_seed(0), length=40, share=0.2)
    for row, wanted, ago in zip(x, target, lag.tolist(), strict=True):
        for t in range(40):
            last = max(i for i in range(t + 1) if row[i, 1] == 1)
            assert (row[last, 0], t - last) == (wanted[t], ago[t])


def test_in_quiet_only_the_marked_numbers_are_shown(lecture):
    task = names_after(cells("memory-task-code"), dict(lecture))["marked_numbers"]
    (loud, *wanted), (quiet, *same) = (
        task(20, torch.Generator().manual_seed(3), length=30, quiet=q) for q in (False, True)
    )
    marked = loud[..., 1] == 1
    assert all(torch.equal(a, b) for a, b in zip(wanted, same, strict=True))
    assert torch.equal(quiet[marked], loud[marked])
    assert not quiet[~marked].any() and loud[~marked][:, 0].all()


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
    source = cells("lstm-by-hand")[0].split("inputs =")[0]
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
    gated = names["gradient_norms"](names["make_cell"]("LSTM", gate_bias=3.0), steps=50)
    assert plain[0] == gated[0] == 1
    assert plain[50] < 1e-8 < 1e-3 < gated[50]


# --- writing --------------------------------------------------------------------------------------------------------------


class Counter(nn.Module):
    """A language model that can be enumerated: logits of the next of 3 symbols depend on the symbol before alone."""

    table = torch.tensor([[2.0, 1.9, 0.0], [0.0, 0.1, 0.0], [0.0, 5.0, 0.0]])

    def forward(self, x, state=None):
        return self.table[x], (torch.zeros(1, len(x), 1), torch.zeros(1, len(x), 1))


def log_p(codes):
    table = torch.log_softmax(Counter.table, 1)
    return sum(float(table[a, b]) for a, b in itertools.pairwise(codes))


def test_beam_search_finds_the_most_likely_text(lecture):
    """With as many beams as beginnings it is exhaustive; with one it is greedy."""
    beam_search = names_after(cells("beam-search"), dict(lecture))["beam_search"]
    best = max(itertools.product(range(3), repeat=4), key=lambda text: log_p([0, *text]))
    found = beam_search(Counter(), torch.tensor([0]), 4, beams=27)
    assert log_p([0, *found.tolist()]) == pytest.approx(log_p([0, *best]))
    greedy = [0]
    for _ in range(4):
        greedy.append(int(Counter.table[greedy[-1]].argmax()))
    assert beam_search(Counter(), torch.tensor([0]), 4, beams=1).tolist() == greedy[1:]


def test_min_p_keeps_what_is_likely_enough(lecture):
    source = cells("explorer-filters")[0].split("def draw_filters")[0]
    min_p_filter = names_after([source], dict(lecture))["min_p_filter"]
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.04, 0.9, 0.03, 0.03]]))
    kept = torch.isfinite(min_p_filter(logits, 0.25))
    assert kept.tolist() == [[True, True, True, False], [False, True, False, False]]


def test_loops_are_found(lecture):
    source = cells("greedy-loops-measured")[0].split("def repeated")[0]
    ends_in_loop = names_after([source], dict(lecture))["ends_in_loop"]
    assert ends_in_loop("once upon " + "a time " * 3)
    assert ends_in_loop("xyz" + "a" * 10)
    assert not ends_in_loop("once upon " + "a time " * 2)
    assert not ends_in_loop("no repetition here at all")
    assert not ends_in_loop("a time " * 5 + "is over")


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


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 12), st.integers(1, 4))
def test_filters_treat_each_row_of_a_batch_as_alone(seed, symbols, rows):
    logits = torch.randn(rows, symbols, generator=torch.Generator().manual_seed(seed))
    for filtered in (
        lambda x: reference.top_k_filter(x, 2),
        lambda x: reference.top_p_filter(x, 0.8),
        lambda x: reference.temperature_softmax(x, 0.7),
    ):
        torch.testing.assert_close(filtered(logits), torch.stack([filtered(row) for row in logits]))


def test_bits_per_char_of_a_fair_byte():
    assert reference.bits_per_char(8 * math.log(2), 5, 5) == pytest.approx(8)
    assert reference.bits_per_char(8 * math.log(2), 5, 40) == pytest.approx(1)
