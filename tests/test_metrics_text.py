"""Judges of texts: equal to sacrebleu, rouge-score and torchmetrics where these are right; right in Ukrainian and Russian too."""

import itertools
import math
import random
import unicodedata
from collections import Counter

import numpy as np
import pytest
import sacrebleu
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from course_utils import metrics

UKRAINIAN = "П'ятеро під'їхали до жовто-блакитного об'єкта, і сім'я усміхнулася."
RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю."
ENGLISH = [
    "The police killed the gunman.",
    "The gunman didn't kill the police, did he?",
    "A gunman's police-car: 3.14 miles (or 5,000 m) of well-known road!",
    "The the the the the the the.",
    "Snow_white and 7 dwarfs; they're fine -- really...",
    "fine",
    "Really fine.",
]

few_words = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=12)
some_words = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), min_size=1, max_size=14)


def corpus(size=200, seed=0):
    """Pairs of sentences with about 70 % of their words in common, of 1 to 30 words."""
    rng = random.Random(seed)
    words = [f"w{i}" for i in range(60)]
    references = [rng.choices(words, k=rng.randint(1, 30)) for _ in range(size)]
    candidates = [
        [w if rng.random() < 0.7 else rng.choice(words) for w in r][: rng.randint(1, 30)]
        for r in references
    ]
    return [" ".join(c) for c in candidates], [" ".join(r) for r in references]


# --- tokens ---


def test_tokens_of_three_languages():
    assert metrics.tokenize("П’ять жовто-блакитних — 3.14!") == [
        "П'ять",
        "жовто-блакитних",
        "—",
        "3.14",
        "!",
    ]
    assert metrics.tokenize("Don't (stop).") == ["Don't", "(", "stop", ")", "."]
    assert metrics.words(UKRAINIAN)[:3] == ["п'ятеро", "під'їхали", "до"]
    assert metrics.words(RUSSIAN)[:3] == ["съешь", "же", "ещё"]
    assert metrics.words("Don't 'quote' snow_white") == ["don", "t", "quote", "snow", "white"]
    assert metrics.words("हिन्दी में") == [
        "हिन्दी",
        "में",
    ]  # vowel signs are no letters, yet inside of words
    assert metrics.words("") == metrics.tokenize(" \n") == metrics.words("?!") == []


def test_writings_of_the_same_word_are_the_same():
    for one, other in [
        ("п’ять", "п'ять"),
        ("пʼять", "п'ять"),
        ("за\u0301мок", "замок"),
        ("и\u0306", "й"),
        ("е\u0308", "ё"),
        ("cafe\u0301", "café"),
        ("об\u00adʼєкт", "об'єкт"),
    ]:
        assert metrics.words(one) == metrics.words(other)
        assert metrics.tokenize(one) == metrics.tokenize(other)


@pytest.mark.parametrize("stressed", ["ве\u0300село", "вѐсело", "ве\u0301село", "весело\u0301"])
def test_stress_marks_go_however_they_are_written(stressed):
    assert metrics.rouge_n(stressed, "весело", 1) == (1, 1, 1)
    assert metrics.tokenize(stressed) == ["весело"]


def test_marks_that_make_another_letter_stay():
    assert metrics.words("её́ їжа́к й ў ѓ ќ") == ["её", "їжак", "й", "ў", "ѓ", "ќ"]
    assert metrics.words("cafés") == ["cafés"] != metrics.words("cafes")


letters_and_marks = st.text(
    st.sampled_from("аеёиіїйуґгкєabce'ʼ’- .\u0300\u0301\u0302\u0306\u0308\u00ad\u0450\u045d")
)


@settings(max_examples=200, deadline=None)
@given(letters_and_marks | st.text())
def test_composed_or_not_a_text_has_the_same_tokens(text):
    for form in ("NFC", "NFD"):
        other = unicodedata.normalize(form, text)
        assert metrics.words(other) == metrics.words(text)
        assert metrics.tokenize(other) == metrics.tokenize(text)
        if text.strip():
            assert metrics.chrf(other, text, word_order=2) == pytest.approx(1)


def test_characters_without_width_are_no_tokens():
    assert metrics.tokenize("\ufeffкіт\u200d \u2060спить") == ["кіт", "спить"]
    assert metrics.words("می\u200cروم") == metrics.words("میروم")
    assert metrics.words("one\u200btwo") == ["one", "two"]


def test_scripts_without_spaces_are_cut_into_characters():
    assert metrics.words("我喜欢 Python3。") == ["我", "喜", "欢", "python3"]
    assert metrics.tokenize("我喜欢Python,3.5个。") == [
        "我", "喜", "欢", "Python", ",", "3.5", "个", "。",
    ]  # fmt: skip
    assert metrics.words("カ\u3099ス東京ー") == ["ガ", "ス", "東", "京", "ー"]
    assert metrics.words("ที่นี่ ๒๕") == ["ที่", "นี่", "๒๕"]
    assert metrics.words("한국어 문장") == ["한국어", "문장"]  # Korean has spaces
    assert metrics.rouge_l("我喜欢北京", "我喜欢上海").f == pytest.approx(3 / 5)


def test_bleu_of_chinese_is_sacrebleus():
    reference = "我喜欢在北京的公园里散步，因为空气很好。"
    for candidate in (reference, "我喜欢在上海的公园里跑步，空气很好。", "他在北京的公园里散步。"):
        theirs = sacrebleu.sentence_bleu(
            candidate, [reference], smooth_method="exp", tokenize="zh", use_effective_order=False
        )
        ours = metrics.bleu(candidate, reference, smoothing="exp")
        assert ours == pytest.approx(theirs.score / 100, abs=1e-6)


TOKENS = [3, 1, 4, 1, 5, 9, 2, 6]


@pytest.mark.parametrize(
    "form",
    [
        torch.tensor,
        np.array,
        tuple,
        lambda x: list(torch.tensor(x)),
        lambda x: list(np.array(x)),
        lambda x: torch.tensor(x, dtype=torch.bfloat16),
        lambda x: [torch.tensor(t) if t % 2 else np.int64(t) for t in x],
    ],
    ids=["tensor", "array", "tuple", "0-d tensors", "0-d arrays", "bfloat16", "mixed"],
)
def test_tokens_are_numbers_in_any_container(form):
    same, other = form(TOKENS), form(TOKENS[:4] + [0, 0, 0, 0])
    assert metrics.bleu(same, [form(TOKENS)]) == pytest.approx(1)
    assert metrics.bleu(other, [same]) == metrics.bleu(TOKENS[:4] + [0] * 4, [TOKENS]) > 0
    assert metrics.corpus_bleu([same, other], [[same], [other, same]]) == pytest.approx(1)
    for rouge in (metrics.rouge_n, metrics.rouge_l, metrics.rouge_s):
        assert rouge(same, form(TOKENS)) == (1, 1, 1)
        assert rouge(other, same) == rouge(TOKENS[:4] + [0] * 4, TOKENS)
    assert metrics.distinct_n([same, form(TOKENS)], 1) == 7 / 16
    assert metrics.self_bleu([same, form(TOKENS)]) == pytest.approx(1)
    with pytest.raises(ValueError, match="one of these tokens is a list"):
        metrics.rouge_l([list(same)], [same])


def test_batches_of_tokens_and_arrays_of_strings():
    batch = torch.tensor([TOKENS, TOKENS[::-1]])
    assert metrics.corpus_bleu(batch, batch[:, None]) == pytest.approx(1)
    assert metrics.self_bleu(batch) == metrics.self_bleu(batch.tolist())
    assert metrics.distinct_n(batch.numpy(), 1) == 7 / 16
    texts = np.array(["a b c d", "e f g h"])
    assert (
        metrics.corpus_bleu(texts, texts) == metrics.corpus_chrf(texts, texts) == pytest.approx(1)
    )
    logs = [torch.tensor(-1.0, requires_grad=True), np.float32(-3)]
    assert metrics.perplexity(logs) == pytest.approx(math.exp(2))


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_any_text_has_tokens_and_no_spaces_in_them(text):
    for cut in (metrics.tokenize, metrics.words):
        assert all(t and not any(c.isspace() for c in t) for t in cut(text))
    assert all(any(c.isalnum() for c in w) for w in metrics.words(text))


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(max_codepoint=127)))
def test_words_of_ascii_are_those_of_rouge_score(text):
    from rouge_score.tokenize import tokenize

    assert metrics.words(text) == tokenize(text, None)


# --- BLEU ---


def sacre(candidate, references, smoothing="none", k=1.0, effective=False, max_n=4):
    judge = sacrebleu.BLEU(
        tokenize="none",
        smooth_method=smoothing,
        smooth_value=k if smoothing == "add-k" else None,
        effective_order=effective,
        max_ngram_order=max_n,
    )
    return judge.sentence_score(candidate, references).score / 100


OPTIONS = [
    {"smoothing": s, "effective_order": e, "max_n": n}
    for s, e, n in itertools.product(["none", "add-k", "exp"], [False, True], [4, 2])
]


@settings(max_examples=150, deadline=None)
@given(some_words, st.lists(some_words, min_size=1, max_size=3), st.sampled_from(OPTIONS))
def test_bleu_of_a_sentence_is_sacrebleus(candidate, references, options):
    theirs = sacre(
        " ".join(candidate), [" ".join(r) for r in references],
        options["smoothing"], 1.0, options["effective_order"], options["max_n"],
    )  # fmt: skip
    assert metrics.bleu(candidate, references, **options) == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("smoothing", ["none", "add-k", "exp"])
def test_bleu_of_a_corpus_is_sacrebleus(smoothing):
    candidates, first = corpus()
    second = corpus(seed=1)[1]
    theirs = sacrebleu.BLEU(tokenize="none", smooth_method=smoothing).corpus_score(
        candidates, [first, second]
    )
    ours = metrics.corpus_bleu(candidates, zip(first, second), smoothing=smoothing)
    assert ours == pytest.approx(theirs.score / 100, abs=1e-6)
    half = sacrebleu.BLEU(tokenize="none", smooth_method="add-k", smooth_value=0.5).corpus_score(
        candidates, [first]
    )
    assert metrics.corpus_bleu(candidates, first, smoothing="add-k", k=0.5) == pytest.approx(
        half.score / 100, abs=1e-6
    )


def test_bleu_of_ordinary_prose_is_sacrebleus_own_default():
    """Our tokens of ordinary English are those of its default, 13a."""
    for a, b in itertools.product(ENGLISH[:3], repeat=2):
        theirs = sacrebleu.sentence_bleu(a, [b], smooth_method="none", use_effective_order=False)
        assert metrics.bleu(a, b) == pytest.approx(theirs.score / 100, abs=1e-6)


def test_bleu_clips_and_punishes_what_is_short():
    the = ["the"] * 7
    reference = ["the", "cat", "is", "on", "the", "mat"]
    assert metrics.bleu(the, [reference], max_n=1) == pytest.approx(
        2 / 7
    )  # Papineni et al., section 2.1
    assert metrics.bleu(
        the, [reference, ["there", "is", "a", "cat", "on", "the", "mat"]], max_n=1
    ) == pytest.approx(2 / 7)
    assert metrics.bleu("a b", "a b c d", max_n=1) == pytest.approx(math.exp(1 - 4 / 2))
    assert metrics.bleu("a b c", ["a b c d", "a b"], max_n=1) == pytest.approx(
        1
    )  # 2 and 4 are as close: the shorter
    assert (
        metrics.bleu("a b c d", "a b c d") == metrics.bleu(UKRAINIAN, UKRAINIAN) == pytest.approx(1)
    )
    assert metrics.bleu("a b c", "a b c") == 0  # no 4-gram in three tokens ...
    assert metrics.bleu("a b c", "a b c", effective_order=True) == pytest.approx(1)
    assert metrics.bleu("", "a b") == metrics.bleu("a", "") == metrics.bleu([], [["a"]]) == 0


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: metrics.bleu("a", []), "without any reference"),
        (lambda: metrics.bleu(["a"], ["a"]), "tokens for both"),
        (lambda: metrics.bleu("a", "a", smoothing="floor"), "smoothing"),
        (lambda: metrics.bleu("a", "a", max_n=0), "max_n"),
        (lambda: metrics.bleu(3, "a"), "list of tokens"),
        (lambda: metrics.corpus_bleu("ab", ["a", "b"]), "one string"),
        (lambda: metrics.corpus_bleu(["a", "b"], ["a"]), "2 candidates"),
        (lambda: metrics.corpus_bleu([], []), "0 candidates"),
        (lambda: metrics.self_bleu(["a"]), "two"),
        (lambda: metrics.self_bleu("ab"), "one string"),
        (lambda: metrics.self_bleu(["a", "b"], smoothing="floor"), "smoothing"),
        (lambda: metrics.rouge_l(b"ab", "ab"), "bytes"),
        (lambda: metrics.rouge_n("a", "a", 0), "n must"),
        (lambda: metrics.rouge_n("a", "a", 1.5), "n must"),
        (lambda: metrics.rouge_s("a", "a", -1), "max_gap"),
        (lambda: metrics.rouge_l(None, "a"), "text"),
        (lambda: metrics.tokenize(None), "string"),
        (lambda: metrics.chrf(["a"], [["a"]]), "characters"),
        (lambda: metrics.chrf("a", "a", beta=0), "beta"),
        (lambda: metrics.distinct_n(["a"], 2), "2-gram"),
        (lambda: metrics.distinct_n("a b c"), "one string"),
    ],
)
def test_what_is_no_text_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


@settings(max_examples=60, deadline=None)
@given(st.lists(few_words, min_size=2, max_size=6), st.sampled_from(OPTIONS))
def test_self_bleu_is_bleu_against_the_others(texts, options):
    slow = [metrics.bleu(t, texts[:i] + texts[i + 1 :], **options) for i, t in enumerate(texts)]
    assert metrics.self_bleu(texts, **options) == pytest.approx(sum(slow) / len(slow), abs=1e-9)


def test_self_bleu_knows_a_repeated_sentence():
    assert metrics.self_bleu([UKRAINIAN] * 5) == pytest.approx(1)
    assert metrics.self_bleu([UKRAINIAN, RUSSIAN, "no word in common"]) == 0


# --- ROUGE ---


def check_rouge(candidate, reference, a, b):
    """Ours on (a, b) against rouge-score on the strings."""
    theirs = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rouge3", "rougeL"]).score(
        reference, candidate
    )
    for n in (1, 2, 3):
        assert metrics.rouge_n(a, b, n) == pytest.approx(tuple(theirs[f"rouge{n}"]), abs=1e-6)
    assert metrics.rouge_l(a, b) == pytest.approx(tuple(theirs["rougeL"]), abs=1e-6)


def test_rouge_is_rouge_scores_on_english():
    for a, b in itertools.product(ENGLISH, repeat=2):
        check_rouge(a, b, a, b)


@settings(max_examples=100, deadline=None)
@given(few_words, few_words)
def test_rouge_is_rouge_scores_on_any_words(a, b):
    check_rouge(" ".join(a), " ".join(b), a, b)


@pytest.mark.parametrize("text", [UKRAINIAN, RUSSIAN, "Ελληνικά γράμματα εδώ", "日本 語 です"])
def test_rouge_score_gives_zero_where_ours_is_right(text):
    theirs = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"]).score(text, text)
    assert all(score.fmeasure == 0 for score in theirs.values())  # the well-known zero
    assert metrics.rouge_n(text, text, 1) == metrics.rouge_n(text, text, 2) == (1, 1, 1)
    assert metrics.rouge_l(text, text) == metrics.rouge_s(text, text) == (1, 1, 1)
    assert metrics.bleu(text, text, effective_order=True) == pytest.approx(1)
    assert metrics.chrf(text, text) == pytest.approx(1)


def test_rouge_on_the_examples_of_its_paper():
    reference = "police killed the gunman"
    assert metrics.rouge_l("police kill the gunman", reference).f == pytest.approx(3 / 4)
    assert metrics.rouge_l("the gunman kill police", reference).f == pytest.approx(1 / 2)
    for candidate, share in [
        ("police kill the gunman", 3 / 6),
        ("the gunman kill police", 1 / 6),
        ("the gunman police killed", 2 / 6),
    ]:
        assert metrics.rouge_s(candidate, reference) == pytest.approx((share, share, share))


@settings(max_examples=80, deadline=None)
@given(few_words, few_words, st.sampled_from([None, 0, 1, 4]))
def test_skip_bigrams_are_counted_pair_by_pair(a, b, max_gap):
    def pairs(tokens):
        return Counter(
            (tokens[i], tokens[j])
            for i in range(len(tokens))
            for j in range(i + 1, len(tokens))
            if max_gap is None or j - i - 1 <= max_gap
        )

    both, ours = sum((pairs(a) & pairs(b)).values()), metrics.rouge_s(a, b, max_gap)
    assert ours.precision == pytest.approx(both / max(1, sum(pairs(a).values())))
    assert ours.recall == pytest.approx(both / max(1, sum(pairs(b).values())))
    if max_gap == 0:
        assert ours == metrics.rouge_n(a, b, 2)


def test_long_texts_are_quick():
    rng = random.Random(0)
    a, b = (rng.choices("abcdefghij", k=5000) for _ in range(2))
    assert 0.4 < metrics.rouge_l(a, b).f < 1


# --- chrF, distinct, perplexity ---


@settings(max_examples=100, deadline=None)
@given(
    st.text(st.sampled_from("abc бїʼ.,!(")), st.lists(st.text(st.sampled_from("abc бїʼ.,!(")), min_size=1, max_size=3),
    st.sampled_from([0, 2]), st.sampled_from([1, 2]),
)  # fmt: skip
def test_chrf_is_sacrebleus(candidate, references, word_order, beta):
    theirs = (
        sacrebleu.CHRF(word_order=word_order, beta=beta).sentence_score(candidate, references).score
    )
    ours = metrics.chrf(candidate, references, word_order=word_order, beta=beta)
    assert ours == pytest.approx(theirs / 100, abs=1e-6)


def test_chrf_of_a_corpus_is_sacrebleus():
    candidates, first = corpus()
    second = corpus(seed=1)[1]
    for word_order in (0, 2):
        theirs = (
            sacrebleu.CHRF(word_order=word_order).corpus_score(candidates, [first, second]).score
        )
        ours = metrics.corpus_chrf(candidates, zip(first, second), word_order=word_order)
        assert ours == pytest.approx(theirs / 100, abs=1e-6)


def test_chrf_forgives_an_ending():
    assert (
        metrics.chrf("бачу книгу", "бачу книга")
        > 0.7
        > metrics.rouge_n("бачу книгу", "бачу книга", 1).f
    )


def test_distinct_n():
    assert metrics.distinct_n(["a b a b"], 1) == 2 / 4
    assert metrics.distinct_n(["a b a b"], 2) == 2 / 3
    assert metrics.distinct_n(["a b", "a b", "c"], 2) == 1 / 2
    assert metrics.distinct_n([RUSSIAN], 1) == 1


def test_perplexity():
    assert metrics.perplexity([math.log(1 / 6)] * 10) == pytest.approx(6)
    assert metrics.perplexity([-1.0, -3.0], base=2) == pytest.approx(4)  # the geometric mean: 2**2
    assert metrics.perplexity(torch.full((2, 3), -1.0, requires_grad=True)) == pytest.approx(math.e)
    assert metrics.perplexity([0.0]) == 1
    assert metrics.perplexity([-math.inf, -1]) == metrics.perplexity([-1e6]) == math.inf
    from torchmetrics.text import Perplexity

    logits = torch.randn(2, 7, 11, generator=torch.Generator().manual_seed(0))
    target = torch.randint(0, 11, (2, 7), generator=torch.Generator().manual_seed(1))
    chosen = logits.log_softmax(-1).gather(-1, target[..., None])
    judge = Perplexity()
    judge.update(logits, target)
    assert metrics.perplexity(chosen) == pytest.approx(float(judge.compute()), rel=1e-6)


@pytest.mark.parametrize(
    ("logs", "base", "said"),
    [
        ([], 2, "at least one"),
        ([math.nan], 2, "NaN"),
        ([0.5], 2, "above 0"),
        ([-1.0], 1, "base"),
        ([3.2, 2.1], 2, "losses"),
    ],
)
def test_perplexity_refuses(logs, base, said):
    with pytest.raises(ValueError, match=said):
        metrics.perplexity(logs, base)


# --- BERTScore ---


def test_bert_score_is_torchmetrics():
    from torchmetrics.functional.text.bert import _get_precision_recall_f1

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(7, 16)), rng.normal(size=(5, 16))
    unit = [torch.tensor(x / np.linalg.norm(x, axis=1, keepdims=True))[None, None] for x in (a, b)]
    weights = [torch.full((1, n), 1 / n) for n in (7, 5)]
    theirs = [float(x) for x in _get_precision_recall_f1(*unit, *weights)]
    for second in (b, b.tolist(), torch.tensor(b, requires_grad=True), list(torch.tensor(b))):
        assert metrics.bert_score(a, second) == pytest.approx(theirs, abs=1e-6)
    again = metrics.bert_score(a, 5 * a[::-1])  # greedy: neither order nor length matters
    assert again == pytest.approx((1, 1, 1))
    assert metrics.bert_score(np.eye(3)[:1], np.eye(3)) == pytest.approx((1, 1 / 3, 1 / 2))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((np.ones((2, 3)), np.ones((2, 4))), "embeddings"),
        ((np.ones((0, 3)), np.ones((2, 3))), "at least one token"),
        ((np.zeros((2, 3)), np.ones((2, 3))), "zero vector"),
        ((np.full((2, 3), np.nan), np.ones((2, 3))), "finite"),
    ],
)
def test_bert_score_refuses(arguments, said):
    with pytest.raises(ValueError, match=said):
        metrics.bert_score(*arguments)


def test_pieces_are_spread_over_the_whole_text():
    text = " ".join(f"w{i}" for i in range(100))
    first, middle, last = metrics.pieces(text, 3, length=10)
    assert first.split()[0] == "w0" and middle.split()[0] == "w45" and last.split()[-1] == "w99"
    assert {len(piece.split()) for piece in metrics.pieces(text, 7)} == {24}
