"""course_utils.ngrams: equal to the textbook's formulas written with dictionaries, a distribution after every context, and the known figures."""

import bz2
import lzma
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest

from course_utils import data
from course_utils.ngrams import NGram, compressor_bits, discounts

TEXT = (
    "abracadabra, a banana and a cabana; abra can dance. " * 3
    + "xylophones bend a band, and an ibex!"
)
HELD_OUT = "a cabin and a zebra; bananas can bend, dad!"
ALPHABET = sorted(set(TEXT + HELD_OUT))
SMOOTHINGS = [{}, {"extra": 0.5}, {"kappa": 1}, {"kappa": 16}]


def slow(text, order, alphabet, kappa=None, extra=0):
    """p(c | context) by the formulas of Chen and Goodman 1999 and of Witten and Bell 1991, one dictionary an order."""
    counts = [defaultdict(Counter) for _ in range(order + 1)]
    for n in range(order + 1):
        for i in range(n, len(text)):
            counts[n][text[i - n : i]][text[i]] += 1
    if kappa is None:  # below the highest order: in how many kinds of context, one character longer
        for n in range(order - 1, -1, -1):
            counts[n] = defaultdict(Counter)
            for context, followers in counts[n + 1].items():
                for c in followers:
                    counts[n][context[1:]][c] += 1
    discount = []
    for level in counts:
        n_k = Counter(count for followers in level.values() for count in followers.values())
        if all(n_k[k] for k in (1, 2, 3, 4)):
            y = n_k[1] / (n_k[1] + 2 * n_k[2])
            d = [0] + [k - (k + 1) * y * n_k[k + 1] / n_k[k] for k in (1, 2, 3)]
        else:
            d = [0, 0.5, 1, 1.5]
        discount.append(d if min(d[1:]) > 0 else [0, 0.5, 1, 1.5])

    def p(c, context):
        if context is None:
            return 1 / len(alphabet)
        shorter = p(c, context[1:] if context else None)
        followers = counts[len(context)].get(context)
        if not followers:
            return shorter
        if kappa is not None:
            weight = kappa * len(followers)
            return (followers[c] + weight * shorter) / (followers.total() + weight)
        d = discount[len(context)]
        more = extra * len(followers)
        left = sum(d[min(n, 3)] for n in followers.values()) + more
        own = max(followers[c] - d[min(followers[c], 3)], 0)
        return (own + left * shorter) / (followers.total() + more)

    return p


@pytest.mark.parametrize("smoothing", SMOOTHINGS, ids=str)
@pytest.mark.parametrize("order", [0, 1, 2, 5])
def test_equals_the_textbook(order, smoothing):
    p, model = slow(TEXT, order, ALPHABET, **smoothing), NGram(TEXT, order, ALPHABET, **smoothing)
    expected = [p(c, HELD_OUT[max(0, i - order) : i]) for i, c in enumerate(HELD_OUT)]
    assert 2 ** -model.bits(HELD_OUT) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("smoothing", SMOOTHINGS, ids=str)
def test_a_distribution_after_every_context(smoothing):
    model = NGram(TEXT, 4, ALPHABET, **smoothing)
    contexts = [TEXT[i : i + n] for i in range(len(TEXT)) for n in range(6)] + ["zzzz", "z", "a cz"]
    p = model.probs(contexts)
    assert p.shape == (len(contexts), len(ALPHABET))
    assert p.sum(1) == pytest.approx(1, abs=1e-12) and p.min() > 0


@pytest.mark.parametrize("smoothing", SMOOTHINGS, ids=str)
def test_bits_and_probs_agree(smoothing):
    model = NGram(TEXT, 3, ALPHABET, **smoothing)
    p = model.probs([HELD_OUT[:i] for i in range(len(HELD_OUT))])  # (characters, symbols)
    chosen = p[np.arange(len(HELD_OUT)), [model.index[c] for c in HELD_OUT]]
    assert model.bits(HELD_OUT) == pytest.approx(-np.log2(chosen), rel=1e-12)


@pytest.mark.parametrize("order", [0, 3])
def test_what_was_read_before_counts(order):
    model = NGram(TEXT, order, ALPHABET)
    whole = model.bits(HELD_OUT)
    assert model.bits(HELD_OUT[7:], before=HELD_OUT[:7]) == pytest.approx(whole[7:], rel=1e-12)
    assert model.bits("", before=HELD_OUT).shape == (0,)
    assert model.bits("d", before="a cz") == pytest.approx(
        -np.log2(model.probs("a cz")[model.index["d"]])
    )


def test_context_never_seen_leaves_it_to_the_shorter_one():
    model = NGram(TEXT, 3, ALPHABET)
    assert model.probs("zab").tolist() == model.probs("ab").tolist()
    assert model.probs("abz").tolist() == model.probs("").tolist()


def test_little_text():
    assert NGram("a", 0, "ab").bits("ab").tolist() == pytest.approx(
        [-np.log2(0.75), 2]
    )  # 1 - 0.5 + 0.5 / 2
    assert np.isfinite(
        NGram("ab" * 20, 0, "abc").bits("c")
    ).all()  # no count of counts to estimate from
    with pytest.raises(ValueError, match=r"order 5 .* more than 5 characters; this one has 1"):
        NGram("a", 5, "ab")


def test_discounts_of_chen_and_goodman():
    counts = np.repeat([1, 2, 3, 4, 9], [40, 20, 12, 8, 5])
    y = 40 / 80
    assert discounts(counts) == pytest.approx([0, 1 - y, 2 - 3 * y * 12 / 20, 3 - 4 * y * 8 / 12])
    assert discounts(np.array([5, 6])).tolist() == [0, 0.5, 1, 1.5]


def test_messages():
    model = NGram(TEXT, 2, ALPHABET)
    for call in (lambda: model.bits("Ї"), lambda: model.probs("aЇ"), lambda: NGram("aЇ", 1, "a")):
        with pytest.raises(ValueError, match="'Ї' is not in the model's alphabet"):
            call()
    with pytest.raises(ValueError, match="order 40 over"):
        NGram(TEXT, 40, ALPHABET)
    with pytest.raises(ValueError, match="order -1"):
        NGram(TEXT, -1, ALPHABET)
    with pytest.raises(ValueError, match="kappa is 0; it has to be above 0"):
        NGram(TEXT, 2, ALPHABET, kappa=0)
    for wrong in ({"extra": -1}, {"extra": 0.5, "kappa": 8}):
        with pytest.raises(ValueError, match="extra of at least 0, and for Kneser–Ney only"):
            NGram(TEXT, 2, ALPHABET, **wrong)
    with pytest.raises(ValueError, match="twice in the alphabet"):
        NGram(TEXT, 2, ALPHABET + ["a"])
    with pytest.raises(ValueError, match="no compressor 'rar'"):
        compressor_bits("rar", "a")


@pytest.mark.parametrize(
    ("order", "smoothing", "bits"),
    [(5, {}, 2.108), (6, {}, 2.090), (7, {"extra": 0.5}, 2.0675), (8, {"kappa": 16}, 2.077)],
)
def test_held_out_plays(order, smoothing, bits):
    alphabet = sorted(set(data.text("shakespeare")))
    model = NGram(data.text("shakespeare", "train"), order, alphabet, **smoothing)
    test = data.text("shakespeare", "test")
    assert model.bits(test).mean() == pytest.approx(bits, abs=6e-4)
    sums = model.probs([test[:i] for i in range(2000)]).sum(1)
    assert sums == pytest.approx(1, abs=1e-12)


def test_compressors():
    text, before = TEXT[:100], TEXT * 20
    assert compressor_bits("bz2", text) == 8 * len(bz2.compress(text.encode())) / 100
    assert compressor_bits("lzma", text) == 8 * len(lzma.compress(text.encode())) / 100
    for name in ("zlib", "lzma"):  # the text stands in what was read before
        assert compressor_bits(name, text, before) < 0.4 * compressor_bits(name, text)
    assert compressor_bits("zlib", text, text + "?" * 40_000) == compressor_bits(
        "zlib", text, "?" * 40_000
    )
    assert compressor_bits("lzma", "Мар'їне", "Мар'їне") < compressor_bits("lzma", "Мар'їне")


def test_bz2_reads_what_fits_into_its_block():
    rng = np.random.default_rng(0)
    before, text = "".join(rng.choice(list("abcdefgh"), 1_000_000)), TEXT * 4
    seen = before[-(900_000 - len(text)) :]
    assert compressor_bits("bz2", text, before) == compressor_bits("bz2", text, seen)
    assert compressor_bits("bz2", text, before) != compressor_bits("bz2", text, seen[1000:])


def test_samples_are_drawn_from_the_probabilities():
    model = NGram("ab" * 50 + "ac" * 50, 1, "abc")
    text = model.sample(4000, before="a")
    assert len(text) == 4001 and text == model.sample(4000, before="a")
    after_a = [b for a, b in pairwise(text) if a == "a"]
    share = after_a.count("b") / len(after_a)
    assert abs(share - model.probs("a")[1]) < 4 * (0.25 / len(after_a)) ** 0.5
    assert model.sample(50, seed=1, before="a") != model.sample(50, seed=2, before="a")


def test_a_low_temperature_takes_the_likely_character():
    model = NGram("ab" * 60 + "ac" * 40, 1, "abc")
    cold = model.sample(400, temperature=0.05, before="a")
    assert "c" not in cold and "c" in model.sample(400, before="a")
