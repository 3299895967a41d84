"""How varied a set of texts is, and how surprised a model is by them."""

import math
from collections import Counter

import numpy as np

from .convert import floats, whole
from .overlap import bleu_of_counts, ngrams
from .tokens import all_tokens, tokenize, words


def self_bleu(texts, max_n=4, smoothing="none", k=1.0, effective_order=False):
    """How alike generated texts are: the mean BLEU of each against all the others.  Zhu et al. 2018.  Lower means more varied.

    texts: at least two -> float 0..1; 1 when all are equal (and at least max_n tokens long).  Options as in ``bleu``.
    The time grows with the number of tokens, not with its square: each n-gram's two largest counts say how many the others allow.
    Raises ValueError for fewer than two texts.
    """
    max_n = whole(max_n, "max_n", 1)
    texts = all_tokens(texts, tokenize)
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
        counts = [ngrams(t, n) for t in texts]
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
        bleu_of_counts(
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


def distinct_n(texts, n=2):
    """Variety of generated texts: different n-grams as a share of all n-grams of all texts.  After Li et al. 2016, lower-case words.

    texts: a list of texts -> float 0..1, 1 when nothing repeats.  (Li et al. divide by the number of words; then 1 is out of reach.)  It
    falls with the amount of text, so compare equal amounts only.  Raises ValueError for one string, n < 1, or no n-gram at all.
    """
    n = whole(n, "n", 1)
    counts = Counter()
    for tokens in all_tokens(texts, words):
        counts.update(ngrams(tokens, n))
    if not counts:
        raise ValueError(f"these texts hold no {n}-gram: each has fewer than {n} words")
    return len(counts) / sum(counts.values())


def perplexity(token_log_probs, base=math.e):
    """base ** -(mean log-probability of a token): among how many equally likely tokens the model hesitates.  Jelinek et al. 1977.

    token_log_probs: log p of each token that came, any shape, every token with the same weight; logarithms to ``base`` (2: bits) -> float
    >= 1; infinity when a token had probability 0.  Only perplexities over the same tokens can be compared.
    Raises ValueError for no tokens, NaN, or log-probabilities above 0 (probabilities, or losses with the other sign).
    """
    logs = floats(token_log_probs).ravel()
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
