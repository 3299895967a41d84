"""Lecture 09: its transformer sees the past and nothing else, its cache changes nothing, its tokeniser loses nothing, and the shipped weights
give their figures."""

import inspect
import math
import random
from itertools import pairwise

import nbformat
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from weights import assert_causal, random_weights

from course_utils import checkpoints, data, gpt, records, rivals
from course_utils.commands import notebooks
from course_utils.exercises.lecture_09 import (
    causal_mask,
    merge_heads,
    merge_pair,
    most_frequent_pair,
    rotate,
    scaled_dot_product_attention,
    split_heads,
)
from course_utils.gpt import Attention
from course_utils.ngrams import NGram


def small(**more):
    return random_weights(gpt.GPT(20, width=16, layers=2, heads=2, **more))


# --- the module is the lecture's own ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Attention", "Block", "GPT"])
def test_the_module_has_the_lectures_classes_letter_for_letter(name):
    (path,) = notebooks.paths(["09_transformers"])
    cells = nbformat.read(path, as_version=4).cells
    assert any(inspect.getsource(getattr(gpt, name)).rstrip() in c.source for c in cells)


def test_the_decoder_has_at_most_80_lines():
    parts = (gpt.Attention, gpt.Block, gpt.GPT)
    assert sum(len(inspect.getsource(part).splitlines()) for part in parts) <= 80


# --- who sees whom ----------------------------------------------------------------------------------------------------


def sees(net, tokens):
    """Which embedding moves which prediction: (time, time) bool."""
    kept = []
    hook = net.embed.register_forward_hook(lambda module, args, out: kept.append(out))
    logits = net(tokens[None])[0]
    hook.remove()
    rows = [torch.autograd.grad(row.square().sum(), kept, retain_graph=True)[0] for row in logits]
    return torch.cat(rows).norm(dim=-1) > 0


def test_the_gradient_reaches_the_whole_past_and_no_future():
    assert torch.equal(sees(small(), torch.arange(9)), causal_mask(9))


def test_an_encoder_sees_everything():
    assert sees(small(causal=False), torch.arange(9)).all()


def test_a_changed_token_moves_no_earlier_prediction():
    assert_causal(small())


@pytest.mark.parametrize("prompt", [1, 4, 9])
def test_the_cache_gives_the_same_logits(prompt):
    net, tokens = small(), torch.randint(20, (2, 12), generator=torch.Generator().manual_seed(1))
    caches = [{} for _ in net.blocks]
    with torch.no_grad():
        whole = net(tokens)
        parts = [net(tokens[:, :prompt], 0, caches)]
        for at in range(prompt, 12):
            parts.append(net(tokens[:, at : at + 1], at, caches))
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-10)
    assert caches[0]["k"].shape == (2, 2, 12, 8)


def test_positions_matter_and_only_their_differences():
    q, k = torch.randn(2, 1, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def score(p, r):
        return float(rotate(q, torch.tensor([p])) @ rotate(k, torch.tensor([r])).T)

    assert score(3, 1) == pytest.approx(score(503, 501), abs=1e-4)
    assert abs(score(3, 1) - score(3, 2)) > 1e-3
    turned = rotate(q, torch.tensor([77]))
    assert float(turned.norm()) == pytest.approx(float(q.norm()), abs=1e-6)


# --- equal to the library ---------------------------------------------------------------------------------------------


def test_attention_equals_the_librarys():
    q, k, v = torch.randn(3, 2, 3, 7, 8, dtype=torch.float64)
    mask = causal_mask(7)
    theirs = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    assert torch.allclose(scaled_dot_product_attention(q, k, v, mask), theirs, atol=1e-12)


def test_heads_are_the_librarys_heads():
    library = nn.MultiheadAttention(24, 3, bias=False, batch_first=True).double()
    x, mask = torch.randn(2, 6, 24, dtype=torch.float64), causal_mask(6)
    q, k, v = (split_heads(part, 3) for part in (x @ library.in_proj_weight.T).chunk(3, dim=-1))
    ours = merge_heads(scaled_dot_product_attention(q, k, v, mask)) @ library.out_proj.weight.T
    assert torch.allclose(ours, library(x, x, x, attn_mask=~mask)[0], atol=1e-12)
    assert torch.equal(merge_heads(split_heads(x, 3)), x)


# --- tokens -----------------------------------------------------------------------------------------------------------


def slow_merges(text, size, alphabet):
    """Byte-pair encoding as the paper has it: count all words anew for each merge."""
    words = [list(word) for word in gpt._PIECES.findall(text)]
    tokens, merges = sorted(alphabet), []
    while len(tokens) < size:
        pairs = [p for word in words for p in pairwise(word)]
        number = {t: i for i, t in enumerate(tokens)}
        pair = max(set(pairs), key=lambda p: (pairs.count(p), number[p[0]], number[p[1]]))
        merges.append(pair)
        tokens.append("".join(pair))
        words = [merge_pair(word, pair, tokens[-1]) for word in words]
    return merges


TEXT = (
    "the cat that sat on the mat saw the rat.\n\nthat rat, the cat thought, sat on that hat.\n" * 3
)


def test_merges_are_those_of_counting_anew():
    pairs = gpt.BytePairs(TEXT, 45, set(TEXT))
    names = pairs.vocabulary
    learned = [(names[a], names[b]) for a, b in pairs.merges]
    assert learned == slow_merges(TEXT, 45, set(TEXT))
    assert len(pairs) == 45 == len(set(names))


def test_nothing_is_lost_in_any_alphabet():
    alphabet = sorted(set(data.text("shakespeare")) | set("Їжак ёж_0123456789\t"))
    pairs = gpt.BytePairs(data.text("shakespeare", "valid")[:20_000], 300, alphabet)
    for text in [data.text("shakespeare", "test")[:20_000], "Їжак_ёж 0123\t\n\n  \n", ""]:
        assert pairs.decode(pairs.encode(text)) == text
    with pytest.raises(KeyError):
        pairs.encode("猫")


def test_a_text_that_is_too_short_says_so():
    with pytest.raises(ValueError, match="not 100"):
        gpt.BytePairs("abab", 100, "ab")


def test_pairs_of_the_exercise_build_the_first_merge():
    word = list("banana")
    assert most_frequent_pair(word) == ("a", "n")
    assert merge_pair(word, ("a", "n"), "an") == ["b", "an", "an", "a"]


# --- evaluation -------------------------------------------------------------------------------------------------------


class Bigram(nn.Module):
    """Logits that depend on the last token only: the windows can't matter."""

    def __init__(self, vocab):
        super().__init__()
        self.table = nn.Embedding(vocab, vocab)

    def forward(self, tokens):
        return self.table(tokens)


@pytest.mark.parametrize("n", [41, 64, 100, 133])
def test_each_token_but_the_first_is_judged_once(n):
    torch.manual_seed(0)
    net, ids = Bigram(7), torch.randint(7, (n,))
    bits = gpt.token_bits(net, ids, 20)
    nats = F.cross_entropy(net(ids[:-1]), ids[1:], reduction="none")
    assert torch.allclose(bits * 0.6931472, nats, atol=1e-5)


def test_windows_are_pieces_of_the_text():
    ids = torch.arange(1000)
    batches = gpt.windows(ids, 8, 10, seed=3)
    for _ in range(30):  # more than one pass
        batch = next(batches)
        assert batch.shape == (8, 11)
        assert torch.equal(batch - batch[:, :1], torch.arange(11).expand(8, -1))
    again = gpt.windows(ids, 8, 10, seed=3)
    assert torch.equal(next(again), next(gpt.windows(ids, 8, 10, seed=3)))


# --- rivals -----------------------------------------------------------------------------------------------------------


def test_nanogpt_sees_no_future_and_has_its_published_size():
    net = rivals.NanoGPT(65)
    assert round(sum(p.numel() for p in net.parameters()) / 1e6, 1) == 0.8  # its README: 0.80M
    net, tokens = net.double().eval(), torch.arange(12)[None]
    other = tokens.clone()
    other[0, 7] = 40
    with torch.no_grad():
        moved = (net(tokens) - net(other))[0].abs().amax(-1)
    assert not moved[:7].any() and moved[7:].all()


def code(split):
    return torch.tensor([ord(c) % 77 for c in data.text("shakespeare", split)[:100_000]])


@pytest.mark.parametrize("rival", [rivals.lstm_bits, rivals.nano_bits])
def test_rivals_learn_within_a_second(rival):
    ids = {split: code(split) for split in ("train", "test")}
    assert 2 < rival(ids, 77, 0.8, seed=random.randrange(3)) < 6.2  # below log2 77 = 6.27


def test_the_streams_go_on_where_they_ended():
    parts, text = rivals._streams(torch.arange(32 * 1200), seed=0), None
    for part, fresh in (next(parts) for _ in range(40)):
        assert part.shape == (32, 65)
        assert fresh == (text is None or bool((part[:, 0] != text).any()))
        text = part[:, -1]


def test_without_positions_the_past_is_a_bag_and_with_learned_ones_it_is_not():
    tokens, other = torch.arange(9)[None], torch.tensor([[4, 2, 6, 0, 5, 1, 3, 7, 8]])
    for kind, moves in ((rivals.NoPositions, False), (rivals.LearnedPositions, True)):
        net = random_weights(kind(20, width=16, layers=1, heads=2))
        with torch.no_grad():
            moved = (net(tokens) - net(other))[0, -1].abs().max()
        assert bool(moved > 1e-6) == moves, kind


def test_blocks_of_other_orders_are_what_they_say():
    x = torch.randn(2, 5, 16, dtype=torch.float64)
    post = random_weights(rivals.PostNorm(16, 2))
    nn.init.ones_(post.norm2)
    assert torch.allclose(post(x).square().mean(-1), torch.ones(2, 5).double(), atol=1e-3)
    bare = random_weights(rivals.NoNorm(16, 2))
    for gain in (bare.norm1, bare.norm2):
        gain.requires_grad_(False).fill_(torch.nan)  # it is never read
    assert bare(x).isfinite().all()


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_the_faulty_mask_shows_just_so_much_of_the_future(ahead):
    net = small()
    net.blocks[0].attention = random_weights(rivals.Peeking(16, 2, ahead))
    allowed = torch.ones(9, 9, dtype=torch.bool).tril(ahead)
    assert torch.equal(sees(net, torch.arange(9)), allowed)
    layer, x = random_weights(Attention(16, 2)), torch.randn(1, 9, 16, dtype=torch.float64)
    if not ahead:  # the sound one is the lecture's own layer
        net.blocks[0].attention.load_state_dict(layer.state_dict())
        assert torch.allclose(net.blocks[0].attention(x), layer(x), atol=1e-6)


def test_what_is_kept_for_the_backward_pass_is_counted_once():
    x, w = torch.randn(250, 1000, requires_grad=True), torch.randn(1000, 10, requires_grad=True)
    assert rivals.kept_mb(lambda: x.detach() @ w) == pytest.approx(1.0)  # x alone, float32
    assert rivals.kept_mb(lambda: x * x) == pytest.approx(1.0)
    assert rivals.kept_mb(lambda: x @ w) == pytest.approx(1.04)
    assert rivals.kept_mb(lambda: x + 1) == 0


def test_two_ngrams_mixed_are_the_mean_of_their_probabilities():
    text, other = data.text("shakespeare", "train")[:30_000], "to be or not to be\n"
    letters = sorted(set(data.text("shakespeare")))
    kn = 2 ** -NGram(text, 8, letters, extra=0.6).bits(other)
    wb = 2 ** -NGram(text, 9, letters, kappa=16).bits(other)
    bits = sum(-math.log2((a + b) / 2) for a, b in zip(kn, wb, strict=True)) / len(other)
    assert rivals.mixed_ngrams(text, other, letters) == pytest.approx(bits)


@pytest.mark.parametrize("kind", [rivals.NoNorm, rivals.PostNorm])
def test_other_blocks_see_no_future(kind):
    net = random_weights(rivals.with_blocks(kind, 20, width=16, layers=2, heads=2))
    assert torch.equal(sees(net, torch.arange(9)), causal_mask(9))


# --- what ships -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def held_out():
    tokeniser = gpt.BytePairs(
        data.text("shakespeare", "train"), 1536, set(data.text("shakespeare"))
    )
    return torch.tensor(tokeniser.encode(data.text("shakespeare", "test")))


@pytest.mark.slow
def test_the_shipped_gpt_reproduces_its_figure(held_out):
    net, entry = checkpoints.restore("09_gpt", gpt.GPT)
    bits = gpt.token_bits(net, held_out, 128).sum() / len(data.text("shakespeare", "test"))
    assert float(bits) == pytest.approx(entry.value, abs=0.006)
    assert entry.value < checkpoints.recorded("04_char_lstm").value


def test_the_race_is_complete():
    record = records.read("09_designs")
    seeds = {"gpt": [3, 3], "lstm_pairs": [3, 3], "lstm": [3, 0], "nano": [0, 2]}
    assert {name: [len(runs) for runs in record[name]] for name in seeds} == seeds
    assert list(record["parts"]) == list(rivals.PARTS)
    assert {len(runs) for runs in record["parts"].values()} == {3}
