"""Figures for texts: how much of a reference a candidate repeats, how surprised a model is, how varied a set of texts is.

A text is a string, cut into tokens here, or a list of tokens that you cut yourself.  All scores are shares, 0..1: sacrebleu and most papers
print 100 times BLEU and chrF.  Only the standard library and numpy are needed.
"""

import functools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import NamedTuple

import numpy as np


class Score(NamedTuple):
    """All 0..1.  precision: share of the candidate that the reference has; recall: the reverse; f: their harmonic mean."""

    precision: float
    recall: float
    f: float


# --- tokens -----------------------------------------------------------------------------------------------------------


def tokenize(text):
    """Words, numbers and punctuation marks of a text in any alphabet, in order: str -> list of str.

    An apostrophe or a hyphen inside a word belongs to it (п'ять, don't, жовто-блакитний), a point or a comma inside a number to the number
    (3.14); every other mark is a token of its own.  The case stays.  Composed and decomposed letters are made one (NFC), the three
    apostrophes ' ’ ʼ too; stress marks on Cyrillic letters and soft hyphens go.
    """
    return _patterns().tokens.findall(_clean(text))


def words(text):
    """Lower-case words of a text in any alphabet, without punctuation: str -> list of str.  What ROUGE counts.

    The rule of the package rouge-score (runs of letters and digits), which knows a-z only, for all alphabets.  One addition: between two
    Cyrillic letters an apostrophe belongs to the word (п'ять is one word, don't is two, as in rouge-score).
    """
    return _patterns().words.findall(_clean(text).lower())


class _Patterns(NamedTuple):
    tokens: re.Pattern
    words: re.Pattern


@functools.cache
def _patterns():
    # \w has letters and digits, but no combining marks, which Devanagari or decomposed letters need
    marks = "".join(
        chr(c) for c in range(0x300, 0x10000) if unicodedata.category(chr(c)).startswith("M")
    )
    letters = rf"(?:[^\W_][{marks}]*)+"
    number = r"\d+(?:[.,]\d+)+"
    return _Patterns(
        re.compile(rf"{number}|{letters}(?:['\-‑]{letters})*|\S"),
        re.compile(rf"(?:[^\W_][{marks}]*|(?<=[\u0400-\u04ff])'(?=[\u0400-\u04ff]))+"),
    )


_APOSTROPHES = str.maketrans({"’": "'", "ʼ": "'", "\u00ad": None})
_STRESS = re.compile("(?<=[\u0400-\u04ff])[\u0300\u0301]")


def _clean(text):
    if not isinstance(text, str):
        raise ValueError(f"a text is a string; this is {type(text).__name__}")
    if text.isascii():
        return text
    return _STRESS.sub("", unicodedata.normalize("NFC", text)).translate(_APOSTROPHES)


def _tokens(text, cut):
    """A string cut by ``cut``; a sequence of tokens as it is."""
    if isinstance(text, str):
        return cut(text)
    if not isinstance(text, Sequence):
        raise ValueError(f"a text is a string or a list of tokens; this is {type(text).__name__}")
    return text


def _ngrams(tokens, n):
    """How often each n-gram occurs."""
    if n == 1:
        return Counter(tokens)
    return Counter(zip(*(tokens[i:] for i in range(n))))


def _at_least(value, least, name):
    if not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} must be a whole number from {least} up; this is {value!r}")


def _common(a, b):
    """Size of the intersection of two counters: each n-gram counts as often as in the one that has fewer."""
    if len(b) < len(a):
        a, b = b, a
    return sum([n if n < b[g] else b[g] for g, n in a.items() if g in b])


def _score(common, candidate, reference):
    precision = common / candidate if candidate else 0.0
    recall = common / reference if reference else 0.0
    both = precision + recall
    return Score(precision, recall, 2 * precision * recall / both if both else 0.0)


# --- BLEU -------------------------------------------------------------------------------------------------------------


def bleu(candidate, references, max_n=4, smoothing="none", k=1.0, effective_order=False):
    """BLEU of one sentence: brevity penalty times the geometric mean of the clipped n-gram precisions.  Papineni et al. 2002.

    candidate: text.  references: one text or a list of texts (tokens: a list of lists) -> float 0..1.
    An n-gram counts at most as often as in the reference that has most of it.  The penalty exp(1 - r/c) for c < r uses the length r of the
    reference whose length is closest (of two, the shorter).
    smoothing, for single sentences, where an order without a match makes all of it 0 (Chen & Cherry 2014): "none"; "add-k": k is added to
    matches and totals of n > 1; "exp": the i-th order without a match counts 2^-i matches (sacrebleu's default).
    effective_order: only the orders that the candidate is long enough for count; else a sentence of three tokens has BLEU 0.
    Equal to sacrebleu for the same tokens.  An empty candidate scores 0.  Raises ValueError without references or for other options.
    """
    return corpus_bleu([candidate], [references], max_n, smoothing, k, effective_order)


def corpus_bleu(candidates, references, max_n=4, smoothing="none", k=1.0, effective_order=False):
    """BLEU of a corpus: matches, totals and lengths are summed over all sentences before the division.  Papineni et al. 2002.

    candidates: texts.  references: for each candidate one text or a list of texts -> float 0..1.  It is not the mean of ``bleu``.
    (sacrebleu wants references the other way round: one list of all candidates' first references, one of their second ones.)
    Options, and ValueError, as in ``bleu``; also when the two lists differ in length.
    """
    _at_least(max_n, 1, "max_n")
    if smoothing not in ("none", "add-k", "exp"):
        raise ValueError(f'smoothing is "none", "add-k" or "exp"; this is {smoothing!r}')
    matches, totals, length, wanted = [0] * max_n, [0] * max_n, 0, 0
    for candidate, several in _paired(candidates, references):
        tokens = _tokens(candidate, tokenize)
        several = [_tokens(r, tokenize) for r in several]
        length += len(tokens)
        wanted += min((abs(len(r) - len(tokens)), len(r)) for r in several)[1]
        for n in range(1, min(max_n, len(tokens)) + 1):
            totals[n - 1] += len(tokens) - n + 1
            allowed = _ngrams(several[0], n)
            for r in several[1:]:
                allowed |= _ngrams(r, n)  # the larger count of each
            matches[n - 1] += _common(_ngrams(tokens, n), allowed)
    return _bleu(matches, totals, length, wanted, smoothing, k, effective_order)


def _bleu(matches, totals, length, wanted, smoothing, k, effective_order):
    if not any(matches):
        return 0.0
    if smoothing == "add-k":
        matches = matches[:1] + [m + k for m in matches[1:]]
        totals = totals[:1] + [t + k for t in totals[1:]]
    logs, halvings = [], 0
    for m, t in zip(matches, totals):
        if t == 0:
            break
        if m == 0 and smoothing == "exp":
            halvings += 1
            m = 0.5**halvings
        logs.append(math.log(m / t) if m else -math.inf)
    if len(logs) < len(matches) and not effective_order:
        return 0.0
    penalty = math.exp(1 - wanted / length) if length < wanted else 1.0
    return penalty * math.exp(sum(logs) / len(logs))


def _paired(candidates, references):
    """(candidate, list of its references), checked."""
    for name, texts in (("candidates", candidates), ("references", references)):
        if isinstance(texts, str):
            raise ValueError(f"{name} must be a list of texts; this is one string")
    candidates, references = list(candidates), list(references)
    if not candidates or len(candidates) != len(references):
        raise ValueError(
            f"every candidate needs its references: there are {len(candidates)} candidates and references for {len(references)}"
        )
    for candidate, several in zip(candidates, references):
        if isinstance(several, str):
            several = [several]
        elif not several:
            raise ValueError("a candidate without any reference can't be judged")
        elif not isinstance(candidate, str) and any(isinstance(r, str) for r in several):
            raise ValueError(
                "the candidate is a list of tokens and the references are strings: give tokens for both, [[token, ...], ...] for the references"
            )
        yield candidate, list(several)


def self_bleu(texts, max_n=4, smoothing="none", k=1.0, effective_order=False):
    """How alike generated texts are: the mean BLEU of each against all the others.  Zhu et al. 2018.  Lower means more varied.

    texts: at least two -> float 0..1; 1 when all are equal (and at least max_n tokens long).  Options as in ``bleu``.
    The time grows with the number of tokens, not with its square: each n-gram's two largest counts say how many the others allow.
    Raises ValueError for fewer than two texts.
    """
    _at_least(max_n, 1, "max_n")
    texts = _all_tokens(texts, tokenize)
    if len(texts) < 2:
        raise ValueError("self-BLEU compares texts with each other: it needs at least two")
    lengths = Counter(map(len, texts))
    closest = {
        n: min(
            (abs(other - n), other) for other, times in lengths.items() if other != n or times > 1
        )[1]
        for n in lengths
    }
    matches = [[0] * max_n for _ in texts]
    for n in range(1, max_n + 1):
        counts = [_ngrams(t, n) for t in texts]
        most, second = {}, {}
        for count in counts:
            for gram, times in count.items():
                if times > most.get(gram, 0):
                    most[gram], second[gram] = times, most.get(gram, 0)
                elif times > second[gram]:
                    second[gram] = times
        for i, count in enumerate(counts):
            matches[i][n - 1] = sum(
                min(times, second[g] if times == most[g] else most[g]) for g, times in count.items()
            )
    return sum(
        _bleu(
            matches[i],
            [max(0, len(t) - n + 1) for n in range(1, max_n + 1)],
            len(t),
            closest[len(t)],
            smoothing,
            k,
            effective_order,
        )
        for i, t in enumerate(texts)
    ) / len(texts)


def _all_tokens(texts, cut):
    if isinstance(texts, str):
        raise ValueError("texts must be a list of texts; this is one string")
    return [_tokens(t, cut) for t in texts]


# --- ROUGE ------------------------------------------------------------------------------------------------------------


def rouge_n(candidate, reference, n=2):
    """ROUGE-N: n-grams that both texts have, as a share of the candidate's (precision) and the reference's (recall).  Lin 2004, section 2.

    candidate, reference: texts -> Score(precision, recall, f), each 0..1.  Counts are clipped.  A text of fewer than n words scores 0, even
    against itself.  Equal to rouge-score on English, and right in other alphabets, where that scores 0 (see ``words``).
    Raises ValueError for n < 1 or something that is no text.
    """
    _at_least(n, 1, "n")
    a, b = _tokens(candidate, words), _tokens(reference, words)
    common = _common(_ngrams(a, n), _ngrams(b, n))
    return _score(common, max(0, len(a) - n + 1), max(0, len(b) - n + 1))


def rouge_l(candidate, reference):
    """ROUGE-L: words of the longest common subsequence (in order, gaps allowed) as a share of each text.  Lin 2004, section 3.1.

    candidate, reference: texts -> Score(precision, recall, f), each 0..1; an empty text scores 0.  f weighs both alike, as in rouge-score.
    Raises ValueError for something that is no text.
    """
    a, b = _tokens(candidate, words), _tokens(reference, words)
    return _score(_common_subsequence(a, b), len(a), len(b))


def _common_subsequence(a, b):
    """Length of the longest common subsequence; a column of the usual table is one whole number, a bit a row.  Hyyrö 2004."""
    at = {}
    for i, token in enumerate(a):
        at[token] = at.get(token, 0) | 1 << i
    everything = steps = (1 << len(a)) - 1
    for token in b:
        here = steps & at.get(token, 0)
        steps = (steps + here | steps - here) & everything
    return len(a) - steps.bit_count()


def rouge_s(candidate, reference, max_gap=None):
    """ROUGE-S: pairs of words in their order, with any words between them (skip-bigrams).  Lin 2004, section 5.

    candidate, reference: texts -> Score(precision, recall, f), each 0..1.  max_gap: at most so many words between the two; None: any
    number, 0: neighbours only, the same as rouge_n(..., 2).  Counts are clipped.  A text of fewer than two words scores 0.
    Raises ValueError for max_gap < 0 or something that is no text.
    """
    if max_gap is not None:
        _at_least(max_gap, 0, "max_gap")
    a, b = (_skip_bigrams(_tokens(text, words), max_gap) for text in (candidate, reference))
    return _score(_common(a, b), sum(a.values()), sum(b.values()))


def _skip_bigrams(tokens, max_gap):
    reach = len(tokens) if max_gap is None else max_gap + 1
    pairs = Counter()
    for distance in range(1, min(reach, len(tokens) - 1) + 1):
        pairs.update(zip(tokens, tokens[distance:]))
    return pairs


# --- chrF -------------------------------------------------------------------------------------------------------------


def chrf(candidate, references, char_order=6, word_order=0, beta=2):
    """chrF: F-score of character n-grams, 1 to char_order, spaces left out.  Popović 2015.  Kind to word forms, so right for Ukrainian.

    candidate: string.  references: one string or a list; the best counts -> float 0..1.  word_order=2: chrF++ (Popović 2017).  beta: recall
    weighs beta^2 times as much as precision.  Precision and recall are averaged over the orders that both texts are long enough for.
    Equal to sacrebleu's CHRF.  Raises ValueError for lists of tokens and without references.
    """
    return corpus_chrf([candidate], [references], char_order, word_order, beta)


def corpus_chrf(candidates, references, char_order=6, word_order=0, beta=2):
    """chrF of a corpus: counts are summed over all sentences, each with its best reference.  Arguments and errors as in ``corpus_bleu``."""
    _at_least(char_order, 1, "char_order")
    _at_least(word_order, 0, "word_order")
    if not beta > 0:
        raise ValueError(f"beta must be positive; this is {beta}")
    total = np.zeros((char_order + word_order, 3), dtype=np.int64)
    for candidate, several in _paired(candidates, references):
        if not all(isinstance(text, str) for text in (candidate, *several)):
            raise ValueError("chrF counts characters: it needs strings, not tokens")
        ours = _chrf_ngrams(candidate, char_order, word_order)
        best, best_f = None, -1.0
        for reference in several:
            theirs = _chrf_ngrams(reference, char_order, word_order)
            counts = [
                (sum(a.values()) if b else 0, sum(b.values()), _common(a, b))
                for a, b in zip(ours, theirs)
            ]
            f = _chrf(counts, beta) if len(several) > 1 else 0.0
            if f > best_f:
                best, best_f = counts, f
        total += np.array(best)
    return _chrf(total.tolist(), beta)


def _chrf_ngrams(text, char_order, word_order):
    """Counters of the n-grams of each order: characters, then words."""
    letters = "".join(text.split())
    found = [
        Counter([letters[i : i + n] for i in range(len(letters) - n + 1)])
        for n in range(1, char_order + 1)
    ]
    if word_order:
        pieces = []
        for word in (
            text.split()
        ):  # the custom of chrF++: one mark is cut off, at the end or else at the start
            if len(word) > 1 and word[-1] in _ASCII_MARKS:
                pieces += [word[:-1], word[-1]]
            elif len(word) > 1 and word[0] in _ASCII_MARKS:
                pieces += [word[0], word[1:]]
            else:
                pieces.append(word)
        found += [_ngrams(pieces, n) for n in range(1, word_order + 1)]
    return found


_ASCII_MARKS = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def _chrf(counts, beta):
    shares = [(common / a, common / b) for a, b, common in counts if a and b]
    if not shares:
        return 0.0
    precision, recall = (sum(s) / len(shares) for s in zip(*shares))
    below = beta**2 * precision + recall
    return (1 + beta**2) * precision * recall / below if below else 0.0


# --- variety, surprise, embeddings ------------------------------------------------------------------------------------


def distinct_n(texts, n=2):
    """Variety of generated texts: different n-grams as a share of all n-grams of all texts.  After Li et al. 2016, lower-case words.

    texts: a list of texts -> float 0..1, 1 when nothing repeats.  (Li et al. divide by the number of words; then 1 is out of reach.)  It
    falls with the amount of text, so compare equal amounts only.  Raises ValueError for one string, n < 1, or no n-gram at all.
    """
    _at_least(n, 1, "n")
    counts = Counter()
    for tokens in _all_tokens(texts, words):
        counts.update(_ngrams(tokens, n))
    if not counts:
        raise ValueError(f"these texts hold no {n}-gram: each has fewer than {n} words")
    return len(counts) / sum(counts.values())


def perplexity(token_log_probs, base=math.e):
    """base ** -(mean log-probability of a token): among how many equally likely tokens the model hesitates.  Jelinek et al. 1977.

    token_log_probs: log p of each token that came, any shape, every token with the same weight; logarithms to ``base`` (2: bits) -> float
    >= 1; infinity when a token had probability 0.  Only perplexities over the same tokens can be compared.
    Raises ValueError for no tokens, NaN, or log-probabilities above 0 (probabilities, or losses with the other sign).
    """
    logs = _array(token_log_probs).ravel()
    if not logs.size or np.isnan(logs).any():
        raise ValueError("perplexity needs at least one log-probability, and no NaN among them")
    if logs.max() > 1e-4:
        raise ValueError(
            f"a log-probability can't be above 0, and one is {logs.max():.3g}: are these probabilities, or losses (-log p)?"
        )
    if not base > 1:
        raise ValueError(f"the base of a logarithm must be above 1; this is {base}")
    exponent = -float(logs.mean()) * math.log(base)
    return math.exp(max(0.0, exponent)) if exponent < 709 else math.inf


def idf(texts):
    """Inverse document frequency of tokens: log((N + 1) / (n_t + 1)), N texts, n_t of them with token t.  As in BERTScore.

    texts: a list of texts (strings are cut by ``words``) -> dict of token -> float >= 0, in nats, that has log(N + 1) for a token never seen.
    """
    texts = _all_tokens(texts, words)
    seen = Counter(token for tokens in texts for token in set(tokens))
    return _Idf(len(texts), seen)


class _Idf(dict):
    def __init__(self, texts, seen):
        super().__init__({t: math.log((texts + 1) / (n + 1)) for t, n in seen.items()})
        self._unseen = math.log(texts + 1)

    def __missing__(self, token):
        return self._unseen


def bert_score(candidate, reference, candidate_weights=None, reference_weights=None):
    """BERTScore: each token takes the most similar token of the other text, by cosine.  Zhang et al. 2020, section 3.

    candidate, reference: two texts (strings), whose words the course's masked language model embeds in their context (see ``masked_lm``
    for what it can't judge), or embeddings of the tokens by any model, (m, d) and (n, d) -> Score(precision, recall, f), each -1..1, in
    practice 0..1.  Several candidate tokens may take the same reference token.
    candidate_weights, reference_weights: (m,) and (n,), >= 0, such as ``idf`` of the tokens; default: all alike.
    No baseline is subtracted; ``bert_scores`` judges many pairs, with ``idf`` and baseline.
    Raises ValueError for other shapes, NaN, empty texts, zero vectors, or weights that sum to 0; CheckpointError without the model's files.
    """
    if isinstance(candidate, str) and isinstance(reference, str):
        from .masked_lm import embed

        candidate, reference = embed([candidate, reference])
    a, b = _array(candidate), _array(reference)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not a.size or not b.size:
        raise ValueError(
            f"embeddings must be (m, d) and (n, d) with at least one token each; these are {a.shape} and {b.shape}"
        )
    unit = np.concatenate([a, b])
    lengths = np.sqrt(np.einsum("td,td->t", unit, unit))
    if not 0 < lengths.min() <= lengths.max() < math.inf:  # NaN compares to nothing
        raise ValueError(
            "embeddings must be finite and none of them zero: a zero vector has no direction"
        )
    unit /= lengths[:, None]
    similar = unit[: len(a)] @ unit[len(a) :].T  # (m, n)
    precision = _weighted(similar.max(1), candidate_weights, "candidate_weights")
    recall = _weighted(similar.max(0), reference_weights, "reference_weights")
    both = precision + recall
    return Score(precision, recall, 2 * precision * recall / both if both > 0 else 0.0)


def bert_scores(candidates, references, idf=None, rescale=False):
    """BERTScore of many pairs of texts by the course's masked language model: two lists of strings -> list of Score.

    idf: weights of words by how rare they are, ``metrics.idf(texts)`` of all references, say; default: all alike.
    rescale: subtract what unrelated lines of Shakespeare score, b (``masked_lm.baseline()``), and divide by 1 - b, so that 0 means
    unrelated and 1 the same; it goes below 0.  Zhang et al. 2020, section 5.3.
    Raises ValueError and CheckpointError as ``bert_score``, and ValueError for lists of different lengths.
    """
    from .masked_lm import baseline, embed

    pairs = list(_paired(candidates, references))
    if not all(isinstance(c, str) and len(r) == 1 and isinstance(r[0], str) for c, r in pairs):
        raise ValueError("bert_scores judges strings, and each has one reference")
    n = len(pairs)
    tokens = [words(c) for c, _ in pairs] + [words(r) for _, (r,) in pairs]
    vectors = embed(tokens)
    weights = [None if idf is None else [idf[t] for t in text] for text in tokens]
    scores = [bert_score(vectors[i], vectors[n + i], weights[i], weights[n + i]) for i in range(n)]
    if rescale:
        b = baseline()
        scores = [Score(*((value - b) / (1 - b) for value in score)) for score in scores]
    return scores


def _weighted(values, weights, name):
    if weights is None:
        return float(values.sum()) / len(values)
    if isinstance(weights, Mapping):
        raise ValueError(f"{name} must be one number a token: [weights[t] for t in tokens]")
    weights = _array(weights)
    if weights.shape != values.shape:
        raise ValueError(f"{name} must be {values.shape}, one a token; they are {weights.shape}")
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() == 0:
        raise ValueError(f"{name} must be finite, >= 0, and not all zero")
    return float(values @ weights / weights.sum())


def _array(x):
    """Numbers of a tensor, an array or lists, as float64."""
    if hasattr(x, "detach"):
        x = x.double().numpy(force=True)
    return np.asarray(x, dtype=np.float64)
