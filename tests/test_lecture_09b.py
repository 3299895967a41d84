"""Lecture 09b: its tokeniser gives a library's tokens, its tools look where they say and silence what they say."""

import json
import math

import nbformat
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import checkpoints, gpt
from course_utils.commands import notebooks
from course_utils.exercises import lecture_09, lecture_09b

SENTENCES = [
    "All human beings are born free and equal in dignity and rights.",
    "Всі люди народжуються вільними і рівними у своїй гідності та правах.",
    "Все люди рождаются свободными и равными в своем достоинстве и правах.",
]
# tokens by Hugging Face's tokenizers 0.23.3: models.BPE with these merges, behind Split(PIECES) and ByteLevel without its own pattern
MIXED = "All rights are equal: їжак, ёж, 猫 and déjà vu!\n\n  Все правы…\n"
LIBRARY = [
    "65 108 108 32 104 117 109 276 32 98 101 105 110 103 115 32 97 114 101 32 98 111 114 110 32 102 114 101 101 32 279 32 101 113 117 97 108 32 105 110 32 100 105 103 110 105 116 121 32 279 32 114 105 103 104 116 115 46",
    "65 108 108 32 114 105 103 104 116 115 32 97 114 101 32 101 113 117 97 108 58 32 209 151 208 182 260 208 186 44 32 209 145 208 182 44 32 231 140 171 32 279 32 100 195 169 106 195 160 32 118 117 33 10 10 32 267 146 257 208 181 286 271 209 139 226 128 166 10",
]


@pytest.fixture(scope="module")
def lecture():
    """What the lecture's cells of functions and classes define; recorded figures are read, nothing is trained."""
    (path,) = notebooks.paths(["09b_transformers_deeper"])
    cells = {c.id: c.source for c in nbformat.read(path, as_version=4).cells}
    space = {"torch": torch, "nn": nn, "F": F, "math": math, "__name__": "lecture"}
    space |= {f.reference.__name__: f.reference for f in lecture_09b.EXERCISES}
    exec("from course_utils import *", space)
    for cell in ("count-pairs",
        "byte-pairs", "train-function", "induction-data", "attention-only", "looking-tools"):  # fmt: skip
        exec(compile(cells[cell], cell, "exec"), space)
    return space


# --- tokens -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokeniser(lecture):
    return lecture["BytePairEncoding"]("\n".join(SENTENCES), 290)


def test_tokens_are_the_librarys(tokeniser):
    assert [" ".join(map(str, tokeniser.encode(text))) for text in (SENTENCES[0], MIXED)] == LIBRARY


@pytest.mark.parametrize("text", [*SENTENCES, MIXED, "", " \t\n\n", "猫🙂", "a" * 50])
def test_no_text_is_lost_or_unknown(tokeniser, text):
    assert tokeniser.decode(tokeniser.encode(text)) == text
    assert max(tokeniser.encode(text), default=0) < 290


def test_each_merge_was_the_most_frequent_pair(tokeniser, lecture):
    words = {}
    for piece in lecture["PIECES"].findall("\n".join(SENTENCES)):
        words[tuple(piece.encode())] = words.get(tuple(piece.encode()), 0) + 1
    for pair, new in tokeniser.merges.items():
        counts = lecture["count_pairs"](words)
        assert counts[pair] == max(counts.values())
        merged = {}
        for word, n in words.items():
            key = tuple(lecture_09.merge_pair(list(word), pair, new))
            merged[key] = merged.get(key, 0) + n
        words = merged


# --- looking ----------------------------------------------------------------------------------------------------------


def random_net(net):
    torch.manual_seed(0)
    for p in net.parameters():
        nn.init.normal_(p, std=0.3)
    return net.double().eval()


def test_weights_are_those_that_the_layer_uses(lecture):
    net = random_net(lecture["AttentionOnly"](2, symbols=20, width=16))
    tokens = torch.randint(20, (3, 9), generator=torch.Generator().manual_seed(1))
    heard, read = [], []
    for layer in net.blocks:
        layer.out.register_forward_pre_hook(lambda module, args: heard.append(args[0]))
        layer.register_forward_pre_hook(lambda module, args: read.append(args[0]))
    net(tokens)
    seen = list(zip(heard, read, net.blocks, strict=True))
    for weights, (out, x, layer) in zip(lecture["attention_weights"](net, tokens), seen, strict=True):  # fmt: skip
        values = lecture_09.split_heads(layer.qkv(x).chunk(3, dim=-1)[2], 4)
        assert torch.allclose(lecture_09.merge_heads(weights @ values), out, atol=1e-10)
        assert torch.allclose(weights.sum(-1), torch.ones(1, dtype=torch.float64))


def test_a_silenced_head_adds_nothing_and_comes_back(lecture):
    layer = random_net(gpt.Attention(16, 2))
    x = torch.randn(2, 7, 16, dtype=torch.float64)
    with torch.no_grad():
        whole = layer(x)
        parts = []
        for head in (0, 1):
            with lecture["silenced"](layer, head):
                parts.append(layer(x))
        again = layer(x)
    assert torch.allclose(parts[0] + parts[1], whole, atol=1e-10)  # what the other one adds
    assert not torch.allclose(parts[0], parts[1])
    assert torch.equal(whole, again)


def test_rows_repeat_with_their_own_periods(lecture):
    rows, periods = lecture["repeated"](300, torch.Generator().manual_seed(0))
    assert set(periods.tolist()) == set(range(12, 33))
    for row, period in zip(rows, periods.tolist(), strict=True):
        assert torch.equal(row[period:], row[:-period])


def test_a_perfect_induction_head_scores_one():
    t = torch.arange(12)
    weights = F.one_hot((t - 4).clamp(min=0), 12).double()[None]  # period 5: looks at t - 5 + 1
    assert lecture_09b.induction_scores(weights, 5).tolist() == [1.0]


# --- training and the record -----------------------------------------------------------------------------------------


def test_training_falls_to_the_task(lecture):
    """Rows of two symbols in turn: half a dozen updates are enough to be better than a guess."""
    torch.manual_seed(0)
    net = lecture["AttentionOnly"](1, symbols=8, width=16)
    row = torch.tensor([[1, 2] * 5])

    def loss_of(model, batch):
        return F.cross_entropy(model(batch[:, :-1]).mT, batch[:, 1:])

    first = float(loss_of(net, row).detach())
    lecture["train"](net, loss_of, [row] * 30, 12)
    assert float(loss_of(net, row).detach()) < first / 2


def test_the_record_has_three_seeds_of_eight_heads():
    record = json.loads((checkpoints.folder() / "09b_induction.json").read_text("utf8"))
    assert len(record["seeds"]) == 3
    for run in record["seeds"]:
        assert len(run["without"]) == len(run["heads"]) == 8
        assert run["bits"] < run["one_layer"] / 4 < 6 / 4  # a guess costs 6 bits
