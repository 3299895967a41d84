"""Lecture 09b: its tokeniser gives a library's tokens, its tools look where they say, its experts each get their own tokens."""

import math

import nbformat
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from weights import random_weights

from course_utils import dates, gpt, records, rivals
from course_utils.commands import notebooks
from course_utils.exercises import lecture_04b, lecture_09, lecture_09b

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
    for cell in ("byte-pairs", "train-function", "induction-data", "attention-only", "looking-tools", "silencing", "beyond-position",
        "cross-attention", "dates-model", "encoder-decoder-model", "dates-rival", "experts-layer", "expert-block", "experts-rivals"):  # fmt: skip
        exec(compile(cells[cell], cell, "exec"), space)
    return space


# --- tokens -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokeniser(lecture):
    return lecture["ByteLevelPairs"]("\n".join(SENTENCES), 290)


def test_tokens_are_the_librarys(tokeniser):
    assert [" ".join(map(str, tokeniser.encode(text))) for text in (SENTENCES[0], MIXED)] == LIBRARY


@pytest.mark.parametrize("text", [*SENTENCES, MIXED, "", " \t\n\n", "猫🙂", "a" * 50])
def test_no_text_is_lost_or_unknown(tokeniser, text):
    assert tokeniser.decode(tokeniser.encode(text)) == text
    assert max(tokeniser.encode(text), default=0) < 290


def test_the_alphabet_is_the_bytes(lecture, tokeniser):
    assert tokeniser.vocabulary[:256] == lecture["LETTER_OF"]
    assert tokeniser.encode("~é猫") == list("~é猫".encode())  # no merge for them in the sentences
    assert all(lecture["LETTER_OF"][b].isalpha() for b in range(128, 256))  # words hold together


# --- looking ----------------------------------------------------------------------------------------------------------


def test_weights_are_those_that_the_layer_uses(lecture):
    net = random_weights(lecture["AttentionOnly"](2, symbols=20, width=16))
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
    layer = random_weights(gpt.Attention(16, 2))
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


def test_what_position_alone_explains_is_no_interest(lecture):
    """Two heads: one always looks one back; one looks one back, and all the more where a place is marked."""
    marked = torch.rand(6, 10, generator=torch.Generator().manual_seed(1)) < 0.3
    back = torch.eye(10, dtype=torch.float64).roll(-1, 1).tril(-1)
    blind = back.expand(6, 10, 10)
    keen = back * torch.where(marked, 1.0, 0.5)[:, None].double()
    found = lecture["beyond_position"](torch.stack([blind, keen], 1)[None], marked)  # (1, 2)
    assert float(found[0, 0]) == pytest.approx(1)
    rest = 5 * marked[:, :9].sum()  # what five other windows give to this one's marked places
    both = sum(float((keen.sum(0) - keen[w]).sum(0)[marked[w]].sum()) for w in range(6))
    assert float(found[0, 1]) == pytest.approx(float(rest) / both)
    assert float(found[0, 1]) > 1.1


def test_a_perfect_induction_head_scores_one():
    t = torch.arange(12)
    weights = F.one_hot((t - 4).clamp(min=0), 12).double()[None]  # period 5: looks at t - 5 + 1
    assert lecture_09b.induction_scores(weights, 5).tolist() == [1.0]


# --- dates ------------------------------------------------------------------------------------------------------------


def test_no_held_out_date_is_known_and_the_rule_is_right():
    pairs = dates.pairs()
    answers = {group: {answer for _, answer in texts} for group, texts in pairs.items()}
    for group in ("valid", *dates.HELD_OUT):
        assert not answers[group] & answers["train"]
    assert all(dates.by_rule(text) == answer for texts in pairs.values() for text, answer in texts)


def test_the_recurrent_translator_is_lecture_04bs():
    (path,) = notebooks.paths(["04b_rnn_deeper"])
    cells = {c.id: c.source for c in nbformat.read(path, as_version=4).cells}
    space = {"torch": torch, "nn": nn, "last_state": lecture_04b.last_state}
    exec(cells["seq2seq-model"], space)
    torch.manual_seed(0)
    theirs, ours = space["Translator"](20, 16), dates.Recurrent(20, 16)
    ours.load_state_dict(theirs.state_dict())
    source, answer = torch.randint(1, 20, (3, 8)), torch.randint(20, (3, 6))
    source[0, 5:] = 0
    assert torch.allclose(ours(source, answer), theirs(source, answer))


def test_the_attentive_grus_are_lecture_04bs_and_look(lecture):
    net = random_weights(lecture["AttentiveGRUs"](20, 16))
    plain = dates.Recurrent(20, 16).double()
    plain.load_state_dict(net.state_dict(), strict=False)
    source, answer = torch.randint(1, 20, (2, 8)), torch.randint(20, (2, 6))
    with torch.no_grad():
        assert not torch.allclose(net(source, answer), plain(source, answer))
        net.cross.out.weight.zero_()
        assert torch.allclose(net(source, answer), plain(source, answer))


@pytest.mark.parametrize("kind", ["transformer", "recurrent", "with attention"])
def test_translators_read_the_source_and_no_future_letter(lecture, kind):
    torch.manual_seed(0)
    net = {
        "transformer": lambda: lecture["EncoderDecoder"](20, 16),
        "recurrent": lambda: dates.Recurrent(20, 16),
        "with attention": lambda: lecture["AttentiveGRUs"](20, 16),
    }[kind]()
    net = random_weights(net)
    source, answer = torch.randint(1, 20, (2, 8)), torch.randint(20, (2, 6))
    other, later = source.clone(), answer.clone()
    other[:, 2] = other[:, 2] % 19 + 1
    later[:, 4] = (later[:, 4] + 1) % 20
    with torch.no_grad():
        logits = net(source, answer)
        assert (net(other, answer) - logits).abs().amax(-1).gt(0).all()
        moved = (net(source, later) - logits).abs().amax((0, 2))
    assert not moved[:4].any() and moved[4:].all()


def test_exactness_counts_whole_answers():
    task = dates.Dates()

    class Knowing(nn.Module):
        """Knows all answers; in the first one the last letter is wrong."""

        def forward(self, source, answer):
            step = answer.shape[1] - 1
            letters = task.answers["valid"][:, step].clone()
            letters[0] += int(step == 9)
            return F.one_hot(letters, len(task.letters) + 1)[:, None].float()

    assert task.percent_exact(Knowing(), "valid") == pytest.approx(100 - 100 / 1200)


# --- experts ----------------------------------------------------------------------------------------------------------


def test_each_token_gets_the_answer_of_its_expert(lecture):
    layer = random_weights(lecture["Experts"](8))
    x = torch.randn(3, 5, 8, dtype=torch.float64)
    with torch.no_grad():
        out = layer(x).flatten(0, 1)
        for token, said in zip(x.flatten(0, 1), out, strict=True):
            p = layer.router(token).float().softmax(0)
            best = int(p.argmax())
            hidden = F.relu(layer.up[best](token)).square()
            assert torch.allclose(said, p[best] * layer.down[best](hidden), atol=1e-6)


def test_imbalance_is_one_if_even_and_two_if_one_expert_has_all(lecture):
    layer = lecture["Experts"](4)
    nn.init.zeros_(layer.router.weight)
    layer.router.weight.data[0, 0] = 50.0
    one_sided = torch.zeros(1, 6, 4)
    one_sided[..., 0] = 1
    layer(one_sided)
    assert float(layer.imbalance.detach()) == pytest.approx(2, abs=1e-4)
    even = one_sided.clone()
    even[:, ::2, 0] = -1
    layer(even)
    assert float(layer.imbalance.detach()) == pytest.approx(1, abs=1e-4)


def test_the_router_learns_through_the_gate(lecture):
    layer = random_weights(lecture["Experts"](8))
    layer(torch.randn(2, 5, 8, dtype=torch.float64)).square().sum().backward()
    assert layer.router.weight.grad.abs().max() > 0


def test_the_wide_block_has_the_parameters_of_two_experts(lecture):
    def size(block):
        return sum(p.numel() for name, p in block.named_parameters() if "router" not in name)

    one, wide, two = (kind(8, 2) for kind, _ in (lecture["WAYS"][way] for way in ("dense", "dense, twice as wide", "two experts")))  # fmt: skip
    assert size(wide) == size(two) == size(one) + 2 * 8 * 32


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
    record = records.read("09b_induction")
    assert len(record["seeds"]) == 3
    for run in record["seeds"]:
        assert len(run["without"]) == len(run["heads"]) == 8
        assert len(run["one_layer"]) == 4
        assert all(
            run["bits"] < bits / 2 < 6 / 2 for bits in run["one_layer"].values()
        )  # a guess: 6


def test_translators_had_equal_time_and_the_rate_of_their_validation_dates():
    for result in records.read("09b_dates")["translators"].values():
        assert [run["seed"] for run in result["seeds"]] == [0, 1, 2]
        assert all(run["seconds"] == pytest.approx(12, rel=0.1) for run in result["seeds"])
        best = min(result["tried"], key=lambda run: run["valid"])
        assert {run["rate"] for run in result["seeds"]} == {best["rate"]}


def test_sizes_had_equal_tokens_and_then_equal_seconds():
    runs = records.read("09b_scaling")["runs"]
    for kind in ("tokens", "seconds"):
        assert [(run["seed"], run["width"]) for run in runs[kind]] == [(seed, width) for seed in range(3) for width in (16, 32, 64, 128)]  # fmt: skip
    assert {run["steps"] for run in runs["tokens"]} == {160}
    for width in (16, 32, 64, 128):
        took = [run["seconds"] for run in runs["seconds"] if run["width"] == width]
        assert sum(took) / 3 == pytest.approx(6.2, rel=0.05)


def test_experts_and_their_rivals_had_the_same_steps():
    ways = records.read("09b_experts")["runs"]
    assert all([run["seed"] for run in runs] == [0, 1, 2] for runs in ways.values())
    assert {run["steps"] for runs in ways.values() for run in runs} == {160}
    wide, two = (ways[way][0]["parameters"] for way in ("dense, twice as wide", "two experts"))
    assert two - wide == 2 * 2 * 64  # the routers of two blocks


def test_the_record_of_twelve_layers_is_what_its_loop_gives():
    """The first steps of one setting, as the record's loop makes them, fall; a warm-up of one step is none."""
    ids = torch.arange(3000) % 5
    few = [
        rivals.deep_bits(rivals.Block, ids, 0.003, warm_up, 0, steps=22) for warm_up in (1, 1000)
    ]
    assert few[0] < few[1] - 0.1 and few[1] < 2.33  # log2(5) bits at the start
    record = records.read("09b_depth")["runs"]
    assert list(record) == ["pre-norm", "pre-norm, warm-up", "post-norm", "post-norm, warm-up"]
    assert all(list(map(float, runs)) == list(rivals.DEEP_RATES) for runs in record.values())
