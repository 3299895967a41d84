"""Lecture 04b: names begin afresh for the n-gram, whole names are scored, a held unit is held, and learning pays first."""

import math
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from course_utils import dates

NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "04b_rnn_deeper.ipynb"
CELLS = [
    "preamble",
    "names-data",
    "names-counted",
    "names-model",
    "name-nats",
    "units-code",
    "line-position",
    "units-found",
    "push-write",
    "learning-code",
]


@pytest.fixture(scope="module")
def lecture():
    """What these cells of the lecture define; threads and random state as before."""
    sources = {cell.id: cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells}
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    names = {}
    for cell in CELLS:
        exec(sources[cell], names)
    yield names
    torch.set_num_threads(threads)
    torch.set_rng_state(state)


def test_no_name_sees_the_one_before(lecture):
    """The n-gram scores each name alike in any order, and its first letters sum to one over the alphabet."""
    letters = ["\n", *"abc"]
    counts = lecture["count_names"](["abc", "cab", "bbca"], 4, letters)
    bits = lecture["counted_bits"]
    np.testing.assert_allclose(
        bits(counts, ["abc", "cab"]), bits(counts, ["cab", "abc"])[::-1], rtol=1e-12
    )
    first = counts.probs("\n" * 4)
    assert first.sum() == pytest.approx(1)
    assert first[0] < first[1:].min(), "hardly a name is empty: ends stand in front of one only"
    assert len(counts.bits("ab\n", before="\n" * 4)) == 3


def test_names_are_scored_with_one_end_and_without_padding(lecture):
    torch.manual_seed(0)
    model = lecture["CharModel"](4, width=8, embedding=4).eval()
    nats, padded = lecture["name_nats"], lecture["padded"]
    letters = ["\n", *"abc"]
    together = nats(model, *padded(["a", "bcab"], letters))
    alone = torch.cat([nats(model, *padded([name], letters)) for name in ("a", "bcab")])
    torch.testing.assert_close(together, alone)
    with torch.no_grad():
        logits, _ = model(torch.tensor([[0, 1]]))  # the beginning, a
    by_hand = -logits.log_softmax(2)[0, [0, 1], [1, 0]].sum()  # a, the end
    torch.testing.assert_close(together[0], by_hand)


def test_what_is_learned_from_was_paid_for_before(lecture):
    """Another future changes no bits of the past, whatever is learned; and something is learned."""
    torch.manual_seed(0)
    model = lecture["CharModel"](len(lecture["play_letters"]), width=16, embedding=8)
    text = lecture["data"].text("shakespeare", "valid")[:420]
    coded_bits = lecture["coded_bits"]
    before = [p.clone() for p in model.parameters()]
    bits, learned = coded_bits(model, text, lr=0.5, rows=2, length=20)
    other, _ = coded_bits(model, text[:350] + "?" * 70, lr=0.5, rows=2, length=20)
    torch.testing.assert_close(bits[:, :139], other[:, :139], rtol=0, atol=0)  # row 2: 210 + 140
    assert not torch.equal(bits[:, 160:], other[:, 160:])
    frozen, same = coded_bits(model, text, lr=0.0, rows=2, length=20)
    torch.testing.assert_close(frozen[:, :20], bits[:, :20])
    assert bits[:, 20:].mean() < frozen[:, 20:].mean()
    assert frozen.mean() == pytest.approx(math.log2(77), abs=0.3)
    for old, new, kept in zip(before, learned.parameters(), same.parameters(), strict=True):
        assert torch.equal(old, kept) and not torch.equal(old, new)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_held_out_years_are_what_they_are_said_to_be():
    """Years between have each digit at a place where training has it; years before 1980 have a third digit that it never has."""
    years = {g: {answer[:4] for _, answer in pairs} for g, pairs in dates.pairs().items()}
    assert years["years between"] == {"1985", "1993", "2004", "2012", "2026"}
    assert max(years["years before 1980"]) < "1980" <= min(years["train"])
    assert not years["train"] & (years["years between"] | years["years before 1980"])
    seen = [{year[place] for year in years["train"]} for place in range(4)]
    assert all(digit in digits for year in years["years between"] for digit, digits in zip(year, seen, strict=True))  # fmt: skip
    assert all(year[2] not in seen[2] for year in years["years before 1980"])
    days = {answer[8:] for pairs in dates.pairs().values() for _, answer in pairs}
    assert days == {f"{day:02d}" for day in range(1, 29)}


def test_a_unit_is_held_in_what_the_output_layer_reads_alone(lecture):
    """An output layer that reads one unit only: held far up, it writes line ends; the others' values don't matter to it."""
    shipped, k = lecture["shipped"], 3
    before = {name: value.clone() for name, value in shipped.head.state_dict().items()}
    try:
        with torch.no_grad():
            shipped.head.weight.zero_()
            shipped.head.bias.zero_()
            shipped.head.weight[lecture["code_of"]["\n"], k] = 50.0
        up = lecture["write_held"](k, 1.0, rows=2, length=5)
        down = lecture["write_held"](k, -1.0, rows=2, length=5)
        other = lecture["write_held"](k + 1, 1.0, rows=2, length=5)
        free = lecture["write_held"](rows=2, length=5)
    finally:
        shipped.head.load_state_dict(before)
    assert up == ["\n" * 5] * 2
    assert not any("\n" in text for text in down)
    assert other == free


def test_whole_lines_leave_out_what_is_cut_off(lecture):
    assert lecture["whole_lines"](["ab\n\ncde\nf", "g"]) == ["ab", "cde"]
