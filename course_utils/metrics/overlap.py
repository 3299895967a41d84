"""How much of a reference a candidate repeats: BLEU, ROUGE and chrF, from scratch in any alphabet.

All scores are shares, 0..1: sacrebleu and most papers print 100 times BLEU and chrF.  What counts as a text, and as a token: see ``tokens``.
"""

import math
import unicodedata
from collections import Counter

import numpy as np

from .convert import whole
from .score import score
from .tokens import paired, tokenize, tokens_of, words


def ngrams(tokens, n):
    """How often each n-gram occurs."""
    if n == 1:
        return Counter(tokens)
    return Counter(zip(*(tokens[i:] for i in range(n))))


def _common(a, b):
    """Size of the intersection of two counters: each n-gram counts as often as in the one that has fewer."""
    if len(b) < len(a):
        a, b = b, a
    return sum([n if n < b[g] else b[g] for g, n in a.items() if g in b])


def _shares(common, candidate, reference):
    """The Score of so many common pieces of texts of so many."""
    return score(common / candidate if candidate else 0.0, common / reference if reference else 0.0)


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
    max_n = whole(max_n, "max_n", 1)
    matches, totals, length, wanted = [0] * max_n, [0] * max_n, 0, 0
    for candidate, several in paired(candidates, references):
        tokens = tokens_of(candidate, tokenize)
        several = [tokens_of(r, tokenize) for r in several]
        length += len(tokens)
        wanted += min((abs(len(r) - len(tokens)), len(r)) for r in several)[1]
        for n in range(1, min(max_n, len(tokens)) + 1):
            totals[n - 1] += len(tokens) - n + 1
            allowed = ngrams(several[0], n)
            for r in several[1:]:
                allowed |= ngrams(r, n)  # the larger count of each
            matches[n - 1] += _common(ngrams(tokens, n), allowed)
    return bleu_of_counts(matches, totals, length, wanted, smoothing, k, effective_order)


def bleu_of_counts(matches, totals, length, wanted, smoothing, k, effective_order):
    """BLEU from matches and totals of each order, 1 first, the candidates' length and the one wanted.  ValueError for no such smoothing."""
    if smoothing not in ("none", "add-k", "exp"):
        raise ValueError(f'smoothing is "none", "add-k" or "exp"; this is {smoothing!r}')
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


# --- ROUGE ------------------------------------------------------------------------------------------------------------


def rouge_n(candidate, reference, n=2):
    """ROUGE-N: n-grams that both texts have, as a share of the candidate's (precision) and the reference's (recall).  Lin 2004, section 2.

    candidate, reference: texts -> Score(precision, recall, f), each 0..1.  Counts are clipped.  A text of fewer than n words scores 0, even
    against itself.  Equal to rouge-score on English, and right in other alphabets, where that scores 0 (see ``words``).
    Raises ValueError for n < 1 or something that is no text.
    """
    n = whole(n, "n", 1)
    a, b = tokens_of(candidate, words), tokens_of(reference, words)
    common = _common(ngrams(a, n), ngrams(b, n))
    return _shares(common, max(0, len(a) - n + 1), max(0, len(b) - n + 1))


def rouge_l(candidate, reference):
    """ROUGE-L: words of the longest common subsequence (in order, gaps allowed) as a share of each text.  Lin 2004, section 3.1.

    candidate, reference: texts -> Score(precision, recall, f), each 0..1; an empty text scores 0.  f weighs both alike, as in rouge-score.
    Raises ValueError for something that is no text.
    """
    a, b = tokens_of(candidate, words), tokens_of(reference, words)
    return _shares(_common_subsequence(a, b), len(a), len(b))


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
        max_gap = whole(max_gap, "max_gap", 0)
    a, b = (_skip_bigrams(tokens_of(text, words), max_gap) for text in (candidate, reference))
    return _shares(_common(a, b), sum(a.values()), sum(b.values()))


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
    Equal to sacrebleu's CHRF for composed texts; decomposed letters are composed first (NFC), in sacrebleu they are two characters.  Raises ValueError for lists of tokens and without references.
    """
    return corpus_chrf([candidate], [references], char_order, word_order, beta)


def corpus_chrf(candidates, references, char_order=6, word_order=0, beta=2):
    """chrF of a corpus: counts are summed over all sentences, each with its best reference.  Arguments and errors as in ``corpus_bleu``."""
    char_order = whole(char_order, "char_order", 1)
    word_order = whole(word_order, "word_order", 0)
    if not beta > 0:
        raise ValueError(f"beta must be positive; this is {beta}")
    total = np.zeros((char_order + word_order, 3), dtype=np.int64)
    for candidate, several in paired(candidates, references):
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
    text = unicodedata.normalize("NFC", text)
    letters = "".join(text.split())
    found = [
        Counter([letters[i : i + n] for i in range(len(letters) - n + 1)])
        for n in range(1, char_order + 1)
    ]
    if word_order:
        pieces = []
        # the custom of chrF++: one mark is cut off, at the end or else at the start
        for word in text.split():
            if len(word) > 1 and word[-1] in _ASCII_MARKS:
                pieces += [word[:-1], word[-1]]
            elif len(word) > 1 and word[0] in _ASCII_MARKS:
                pieces += [word[0], word[1:]]
            else:
                pieces.append(word)
        found += [ngrams(pieces, n) for n in range(1, word_order + 1)]
    return found


_ASCII_MARKS = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def _chrf(counts, beta):
    shares = [(common / a, common / b) for a, b, common in counts if a and b]
    if not shares:
        return 0.0
    precision, recall = (sum(s) / len(shares) for s in zip(*shares))
    below = beta**2 * precision + recall
    return (1 + beta**2) * precision * recall / below if below else 0.0
