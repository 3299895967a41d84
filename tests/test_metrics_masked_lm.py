"""The masked language model behind BERTScore: its figure, what it beats, what it can tell apart, and what it does with texts it can't know."""

import random
from collections import Counter

import numpy as np
import pytest
import torch

from course_utils import checkpoints, data, metrics
from course_utils.metrics import masked_lm

MODERN = {"thou": "you", "thee": "you", "thy": "your", "hath": "has", "doth": "does"}
MODERN |= {"thine": "yours", "hast": "have", "art": "are", "ere": "before", "nay": "no"}


@pytest.fixture(scope="module")
def reader():
    return masked_lm._shipped()[0]


@pytest.fixture(scope="module")
def figure(reader):
    """(nats, share right) of hidden words in the test plays."""
    return masked_lm._evaluate(masked_lm._shipped()[1], *masked_lm._corpus(reader, "test"))


def counted_nats(reader):
    """The same words guessed by counts of the words around them (up to two on each side), mixed: nats a word on the test plays.

    The weights of the mixture are fitted on the validation plays (expectation-maximisation); contexts that training never saw have none.
    """
    text = {
        s: masked_lm._corpus(reader, s)[0].flatten().numpy() for s in ("train", "valid", "test")
    }
    size, train = len(reader.place) + 2, text["train"]
    known = train > masked_lm.UNKNOWN
    alone = np.bincount(train[known], minlength=size) + 0.5
    windows = [(-1,), (1,), (-2, -1), (-1, 1), (1, 2), (-2, -1, 1), (-1, 1, 2), (-2, -1, 1, 2)]

    def contexts(words, window):
        padded = np.pad(words.astype(np.int64), 2)
        return sum(
            padded[2 + o : 2 + o + len(words)] * size**i for i, o in enumerate(window)
        ).tolist()

    counts = []
    for window in windows:
        seen = [c for c, k in zip(contexts(train, window), known, strict=True) if k]
        counts.append((Counter(seen), Counter(zip(seen, train[known].tolist(), strict=True))))

    def experts(split):
        """p of each known word by each expert, and which experts have a say: (words, experts) each."""
        words = text[split]
        keep = words > masked_lm.UNKNOWN
        p, say = [alone[words] / alone[2:].sum()], [np.ones(len(words), bool)]
        for window, (times, together) in zip(windows, counts, strict=True):
            keys = contexts(words, window)
            n = np.array([times.get(k, 0) for k in keys])
            pairs = zip(keys, words.tolist(), strict=True)
            p.append(np.array([together.get(pair, 0) for pair in pairs]) / np.maximum(n, 1))
            say.append(n > 0)
        return np.stack(p, 1)[keep], np.stack(say, 1)[keep]

    p, say = experts("valid")
    weights = np.ones(p.shape[1])
    for _ in range(50):
        mixture = weights * say / (weights * say).sum(1, keepdims=True)
        share = mixture * p / (mixture * p).sum(1, keepdims=True)
        weights = share.sum(0) / say.sum(0)
    p, say = experts("test")
    mixture = weights * say / (weights * say).sum(1, keepdims=True)
    return float(-np.log((mixture * p).sum(1)).mean())


def test_shipped_network_has_its_figure(figure):
    entry = checkpoints.recorded(masked_lm.CHECKPOINT)
    assert entry.unit == "nats/word"
    assert figure[0] == pytest.approx(entry.value, abs=2e-3)
    size = (checkpoints.folder() / f"{masked_lm.CHECKPOINT}.safetensors").stat().st_size
    assert size < 2.5e6


def test_network_beats_frequencies_and_counts_of_neighbours(reader, figure):
    nats, right = figure
    alone, most_frequent = masked_lm.unigram_nats(reader)
    counted = counted_nats(reader)
    print(f"network {nats:.3f}, {right:.3f}; counts {counted:.3f}; alone {alone:.3f}")
    assert nats < counted - 0.05 and counted < alone - 1
    assert right > 4 * most_frequent


@pytest.fixture(scope="module")
def lines():
    """(original, modernised, with a random word in the same places) of lines of the test plays, as lists of words."""
    ranked = [
        w for w, _ in Counter(metrics.words(data.text("shakespeare", "train"))).most_common(3000)
    ]
    rank = {w: i for i, w in enumerate(ranked)}
    rng = random.Random(0)
    found = []
    for line in data.text("shakespeare", "test").split("\n"):
        words = metrics.words(line)
        places = [i for i, w in enumerate(words) if w in MODERN]
        if 5 <= len(words) <= 14 and 1 <= len(places) <= 2:
            modern, other = list(words), list(words)
            for i in places:
                modern[i] = MODERN[words[i]]
                at = rank[modern[i]]  # about as frequent
                near = ranked[max(0, at - 15) : at + 16]
                other[i] = rng.choice([w for w in near if w not in (modern[i], words[i])])
            found.append((words, modern, other))
    return found[:400]


def preference(lines, score):
    """Share of the lines in which the modern word scores higher than the random one; a tie is half."""
    pairs = [(score(modern, line), score(other, line)) for line, modern, other in lines]
    return float(np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs]))


def vectors(words):
    return masked_lm.embed([words])[0]


def without_context(words):
    return torch.cat([vectors([w]) for w in words])


def test_context_tells_a_modern_word_from_a_random_one_and_counting_does_not(lines):
    assert len(lines) == 400
    bleu = preference(lines, lambda c, r: metrics.bleu(c, [r], smoothing="exp"))
    rouge = preference(lines, lambda c, r: metrics.rouge_l(c, r).f)
    alone = preference(
        lines, lambda c, r: metrics.bert_score(without_context(c), without_context(r)).f
    )
    ours = preference(lines, lambda c, r: metrics.bert_score(vectors(c), vectors(r)).f)
    print(f"BLEU {bleu:.3f} ROUGE-L {rouge:.3f} vectors alone {alone:.3f} in context {ours:.3f}")
    assert bleu == pytest.approx(0.5, abs=0.02) and rouge == pytest.approx(0.5, abs=0.02)
    assert ours > 0.8 and ours > alone + 0.05


def test_context_sees_the_order_of_words(lines):
    rng = random.Random(0)
    for line, _, _ in lines[:50]:
        shuffled = rng.sample(line, len(line))
        if len(set(line)) == len(line) and sum(a != b for a, b in zip(line, shuffled)) > 3:
            alone = metrics.bert_score(without_context(line), without_context(shuffled)).f
            ours = metrics.bert_score(vectors(line), vectors(shuffled)).f
            assert alone == pytest.approx(1, abs=1e-5) and ours < 0.98


def test_embeddings_do_not_depend_on_the_other_texts():
    texts = ["to be or not to be", "word " * 100, "that is the question whether tis nobler"]
    together = masked_lm.embed(texts)
    assert [tuple(v.shape) for v in together] == [(6, 128), (100, 128), (7, 128)]
    for text, v in zip(texts, together, strict=True):
        torch.testing.assert_close(masked_lm.embed([text])[0], v, rtol=1e-4, atol=1e-5)


def test_unknown_words_and_other_alphabets(reader):
    """What the network never saw is read by its letters: word forms are near each other, and nothing breaks."""
    assert "паляниця" not in reader.place
    text, inflected, other = "свіжа паляниця", "свіжу паляницю", "кіт спить"
    assert metrics.bert_score(text, text) == pytest.approx((1, 1, 1))
    near, far = metrics.bert_score(text, inflected).f, metrics.bert_score(text, other).f
    assert far < near < 1
    with pytest.raises(ValueError, match="no words"):
        metrics.bert_score("…", text)


def test_many_pairs_are_as_one_pair():
    candidates = ["you are my lord", "the king is dead", "good night"]
    references = ["thou art my lord", "dead is the king", "a horse my kingdom for a horse"]
    single = [metrics.bert_score(c, r) for c, r in zip(candidates, references, strict=True)]
    np.testing.assert_allclose(metrics.bert_scores(candidates, references), single, atol=1e-5)


def test_a_candidate_without_words_scores_zero_and_stops_nothing():
    candidates, references = ["you are my lord", "", "…", "good night"], ["thou", "a", "b", "night"]
    scores = metrics.bert_scores(candidates, references)
    assert scores[1] == scores[2] == (0, 0, 0)
    for i in (0, 3):
        assert scores[i] == pytest.approx(
            metrics.bert_score(candidates[i], references[i]), abs=1e-5
        )
    assert metrics.bert_scores(["", "?"], ["a", "b"]) == [(0, 0, 0)] * 2
    with pytest.raises(ValueError, match="reference 1 has no words"):
        metrics.bert_scores(["a", "b", "c"], ["a", "…", "c"])
    with pytest.raises(ValueError, match="the reference has no words"):
        metrics.bert_score("a", "")


def test_unrelated_lines_score_the_baseline():
    """The baseline is of the validation plays; lines of the test plays give about the same."""
    lines = [t for t in data.text("shakespeare", "test").split("\n") if len(metrics.words(t)) >= 5]
    random.Random(1).shuffle(lines)
    scores = metrics.bert_scores(lines[:300], lines[300:600])
    b = masked_lm.baseline()
    assert 0 < b < 0.6
    assert (np.mean([s.f for s in scores]) - b) / (1 - b) == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((["a"], ["a", "b"]), "references for 2"),
        (("a", ["a"]), "one string"),
        ((["a"], "a"), "one string"),
        (([["a"]], [[["a"]]]), "strings"),
        ((["a"], [["a", "b"]]), "one reference"),
    ],
)
def test_bert_scores_refuses(arguments, said):
    with pytest.raises(ValueError, match=said):
        metrics.bert_scores(*arguments)


def test_damaged_vocabulary_is_named(tmp_path, monkeypatch):
    file = tmp_path / "words.txt"
    monkeypatch.setattr(masked_lm, "_words_file", lambda: file)
    for content, state in ((None, "missing"), (b"the\n", "damaged")):
        if content:
            file.write_bytes(content)
        with pytest.raises(checkpoints.CheckpointError, match=state):
            masked_lm._shipped.__wrapped__()


def test_a_short_training_learns():
    with torch.random.fork_rng():
        reader, _, history = masked_lm.train(steps=40, vocabulary=500, width=32, seed=1)
    assert len(reader.vocabulary) == 498 and history.loss[-1] < history.loss[0] - 0.5


def test_a_text_can_be_read_at_three_depths():
    """Without context a word has the same vector everywhere; with neighbours, and with the transformer, it hasn't."""
    texts = ["thou art a villain", "you are a good man and a villain"]
    for depth in masked_lm.DEPTHS:
        first, second = masked_lm.embed(texts, depth)
        assert first.shape == (4, 128) and second.shape == (8, 128)
        assert torch.allclose(first[3], second[7], atol=1e-5) == (depth == "words")
    assert torch.equal(masked_lm.embed(texts)[0], masked_lm.embed(texts, "neighbours")[0])
    with pytest.raises(ValueError, match="depth is one of"):
        masked_lm.embed(texts, "deep")
