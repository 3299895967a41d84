"""Exercises of lecture 08b, metrics of texts: references, cases, and the answers that students really give."""

import math
from collections import Counter
from difflib import SequenceMatcher
from itertools import combinations
from statistics import fmean

import numpy as np
import torch

from .declare import Declarations

EXERCISES = Declarations()


def ngrams(tokens, n):
    """How often each run of n tokens occurs: a Counter of tuples."""
    return Counter(zip(*(tokens[i:] for i in range(n)), strict=False))


def bleu(candidate, references):
    """BLEU of one sentence, up to 4-grams, no smoothing (Papineni et al. 2002).  Token lists -> 0..1."""
    log_precision = 0.0
    for n in (1, 2, 3, 4):
        counts = ngrams(candidate, n)
        most = [max(ngrams(r, n)[g] for r in references) for g in counts]
        matches = sum(min(c, m) for c, m in zip(counts.values(), most))
        if matches == 0:
            return 0.0
        log_precision += math.log(matches / counts.total()) / 4
    closest = min((abs(len(r) - len(candidate)), len(r)) for r in references)[1]
    return math.exp(min(0.0, 1 - closest / len(candidate)) + log_precision)


def _geometric(precisions):
    if min(precisions) == 0:
        return 0.0
    return math.exp(sum(map(math.log, precisions)) / len(precisions))


_closest = lambda lengths, own: min((abs(length - own), length) for length in lengths)[1]
_brevity = lambda wanted, own: math.exp(min(0.0, 1 - wanted / own)) if own else 0.0


def _bleu(clip=True, sets=False, orders=4, mean=_geometric, length=_closest, penalty=_brevity):
    """BLEU step by step, with one of the steps done in another way."""

    def answer(candidate, references):
        precisions = []
        for n in range(1, orders + 1):
            counts = ngrams(candidate, n)
            most = {g: max(ngrams(r, n)[g] for r in references) for g in counts}
            if sets:
                counts = Counter(dict.fromkeys(counts, 1))
            hits = sum((min(c, most[g]) if clip else c * (most[g] > 0)) for g, c in counts.items())
            precisions.append(hits / counts.total() if counts else 0.0)
        wanted = length([len(r) for r in references], len(candidate))
        return mean(precisions) * penalty(wanted, len(candidate))

    return answer


@EXERCISES.declare(bleu)
class _:
    def cases():
        several = [
            ("the cat sat on the mat near the door", ["the cat sat on the mat by the old red door", "a cat was on the mat near the door"]),
            ("it is a guide to action which ensures that the army always obeys the army always", ["it is a guide to action that ensures that the army will always obey", "it is the guiding principle which guarantees the army always being under command"]),
            ("кіт сидить на старому килимі біля дверей", ["кіт сидить на старому килимі біля вікна і спить", "на старому килимі сидить кіт"]),
            ("we saw two birds", ["we saw two birds in the park", "we saw two birds there and left"]),
            ("the cat sat on the mat", ["the cat sat on the mat again today", "the cat sat"]),
            ("no word in common", ["entirely different tokens here"]),
            ("the big dog ran to the park and the big dog ran", ["the big dog ran to the park"]),
            ("the cat", ["the cat sat on the mat"]),
            ("", ["the cat sat on the mat"]),
            ("the cat sat on the mat", [""]),
        ]  # fmt: skip
        return [(c.split(), [r.split() for r in rs]) for c, rs in several]

    class mistakes:
        not_clipped = _bleu(clip=False)
        arithmetic = _bleu(mean=lambda precisions: sum(precisions) / len(precisions))
        product = _bleu(mean=math.prod)
        no_penalty = _bleu(penalty=lambda wanted, own: 1.0)
        penalty_reversed = _bleu(penalty=lambda wanted, own: _brevity(own, wanted))
        longest = _bleu(length=lambda lengths, own: max(lengths))
        shortest = _bleu(length=lambda lengths, own: min(lengths))
        mean_length = _bleu(length=lambda lengths, own: fmean(lengths))
        tie_longer = _bleu(length=lambda lengths, own: -_closest([-x for x in lengths], -own))
        bigrams = _bleu(orders=2)
        sets = _bleu(sets=True)
        first_reference = lambda candidate, references: bleu(candidate, references[:1])

    class alternatives:
        by_steps = _bleu()


def rouge_n(candidate, reference, n):
    """F1 of the n-grams that both texts have (Lin 2004).  Token lists -> 0..1."""
    a, b = ngrams(candidate, n), ngrams(reference, n)
    common = (a & b).total()  # each as often as in the text that has fewer
    return 2 * common / (a.total() + b.total()) if common else 0.0


def _text_cases():
    pairs = [
        ("the cat sat on the mat", "the cat is sitting on the mat"),
        ("the the the the the the the", "the cat is on the mat"),
        ("she saw the old man in the old park today", "in the old park she saw the old man"),
        ("кіт сидить на килимі і спить на килимі", "кіт спить на старому килимі і сидить"),
        ("a b c d e", "a b c d e"),
        ("to be or not to be that is the question", "to be or not to be"),
        ("no word in common", "entirely different tokens here"),
        *[("b", "b b b"), ("b b b", "b"), ("x a", "a"), ("a", "a")],
        *[("", "the cat"), ("the cat", ""), ("", "")],
    ]
    return [(a.split(), b.split()) for a, b in pairs]


# of what is common and the two totals; of precision and recall; of two Counters
_f1 = lambda common, a, b: 2 * common / (a + b) if common else 0.0
_f1_of_shares = lambda p, r: 2 * p * r / (p + r) if p else 0.0
_recall = lambda a, b: (a & b).total() / b.total()
_precision = lambda a, b: (a & b).total() / a.total()
_divided_first = lambda a, b: _f1_of_shares(_precision(a, b), _recall(a, b))
_not_clipped = lambda a, b: _f1(sum(c for g, c in a.items() if g in b), a.total(), b.total())
_of_sets = lambda a, b: _f1(len(set(a) & set(b)), len(a), len(b))
_of_ngrams = lambda measure: lambda a, b, n: measure(ngrams(a, n), ngrams(b, n))


@EXERCISES.declare(rouge_n)
class _:
    cases = lambda: [(*texts, int(n)) for texts, n in zip(_text_cases(), "11323121122121")]

    class mistakes:
        recall = _of_ngrams(_recall)
        precision = _of_ngrams(_precision)
        not_clipped = _of_ngrams(_not_clipped)
        sets = _of_ngrams(_of_sets)
        empty = _of_ngrams(_divided_first)
        words = lambda a, b, n: rouge_n(a, b, 1)
        tokens_below = lambda a, b, n: _f1((ngrams(a, n) & ngrams(b, n)).total(), len(a), len(b))
        no_two = lambda a, b, n: rouge_n(a, b, n) / 2

        def mean_of_both(a, b, n):
            a, b = ngrams(a, n), ngrams(b, n)
            common = (a & b).total()
            return (common / a.total() + common / b.total()) / 2 if common else 0.0

    class alternatives:
        def lists(candidate, reference, n):
            a = [tuple(candidate[i : i + n]) for i in range(len(candidate) - n + 1)]
            b = [tuple(reference[i : i + n]) for i in range(len(reference) - n + 1)]
            common = sum(min(a.count(g), b.count(g)) for g in set(a))
            return _f1_of_shares(common / max(1, len(a)), common / max(1, len(b)))


def rouge_l(candidate, reference):
    """F1 of the longest common subsequence: words in order, gaps allowed (Lin 2004).  Token lists -> 0..1."""
    row = [0] * (len(reference) + 1)  # row[j]: longest so far within reference[:j]
    for word in candidate:
        before = row
        row = [0]
        for j, other in enumerate(reference):
            row.append(before[j] + 1 if word == other else max(row[j], before[j + 1]))
    common = row[-1]
    return 2 * common / (len(candidate) + len(reference)) if common else 0.0


def _lcs(a, b, match=lambda left, above, corner: corner + 1):
    """Length of the longest common subsequence, from a table whose entry at two equal words is match(left, above, corner)."""
    table = np.zeros((len(a) + 1, len(b) + 1), int)
    for i, j in np.ndindex(len(a), len(b)):
        left, above, corner = table[i + 1, j], table[i, j + 1], table[i, j]
        table[i + 1, j + 1] = match(left, above, corner) if a[i] == b[j] else max(left, above)
    return int(table[-1, -1])


def _longest_run(a, b):
    """Length of the longest common run of neighbours: a substring, not a subsequence."""
    return SequenceMatcher(None, a, b, autojunk=False).find_longest_match().size


def _greedy(a, b):
    """Takes each word of a at its first place after the last match: a common subsequence, not always the longest."""
    place = found = 0
    for word in a:
        if word in b[place:]:
            place, found = b.index(word, place) + 1, found + 1
    return found


@EXERCISES.declare(rouge_l)
class _:
    cases = _text_cases

    class mistakes:
        substring = lambda a, b: _f1(_longest_run(a, b), len(a), len(b))
        recall = lambda a, b: _lcs(a, b) / len(b)
        precision = lambda a, b: _lcs(a, b) / len(a)
        length = _lcs
        bag = lambda a, b: rouge_n(a, b, 1)
        greedy = lambda a, b: _f1(_greedy(a, b), len(a), len(b))
        longer = lambda a, b: _lcs(a, b) / max(len(a), len(b))
        skip_bigrams = lambda a, b: rouge_s(a, b)
        copies = lambda a, b: _f1(_lcs(a, b, lambda left, above, corner: left + 1), len(a), len(b))
        again = lambda a, b: _f1(_lcs(a, b, lambda left, above, corner: above + 1), len(a), len(b))
        empty = lambda a, b: _f1_of_shares(_lcs(a, b) / len(a), _lcs(a, b) / len(b))

    class alternatives:
        numpy = lambda a, b: _f1(_lcs(a, b), len(a), len(b))


def rouge_s(candidate, reference):
    """F1 of pairs of words in order with any gap between them, skip-bigrams (Lin 2004).  Token lists -> 0..1."""
    a, b = Counter(combinations(candidate, 2)), Counter(combinations(reference, 2))
    common = (a & b).total()
    return 2 * common / (a.total() + b.total()) if common else 0.0


_pairs = lambda tokens: Counter(combinations(tokens, 2))
_of_pairs = lambda measure: lambda a, b: measure(_pairs(a), _pairs(b))


@EXERCISES.declare(rouge_s)
class _:
    cases = _text_cases

    class mistakes:
        neighbours = lambda a, b: rouge_n(a, b, 2)

        def unordered(a, b):
            a, b = (Counter(map(tuple, map(sorted, combinations(text, 2)))) for text in (a, b))
            return _f1((a & b).total(), a.total(), b.total())

        recall = _of_pairs(_recall)
        precision = _of_pairs(_precision)
        sets = _of_pairs(_of_sets)
        not_clipped = _of_pairs(_not_clipped)
        empty = _of_pairs(_divided_first)
        subsequence = lambda a, b: rouge_l(a, b)

    class alternatives:
        def loop(a, b):
            a, b = ([(x, y) for i, x in enumerate(t) for y in t[i + 1 :]] for t in (a, b))
            return _f1(sum(min(a.count(p), b.count(p)) for p in set(a)), len(a), len(b))


def perplexity(token_log_probs):
    """exp(-mean log-probability of a token): among how many equally likely tokens the model hesitates.

    token_log_probs: (tokens,), natural logarithms.  Returns a scalar >= 1.
    """
    return (-token_log_probs.mean()).exp()


@EXERCISES.declare(perplexity)
class _:
    def cases():
        draw = torch.Generator().manual_seed(9)
        return [
            (torch.log_softmax(torch.randn(300, 6, generator=draw), 1)[:, 0],),
            *[(torch.tensor(p).log(),) for p in ([1 / 4] * 3, [0.9, 0.1, 0.1], [0.5, 0.01, 0.9])],
        ]

    class mistakes:
        base_two = lambda log_p: 2 ** (-log_p.mean())
        entropy = lambda log_p: -log_p.mean()
        sign = lambda log_p: log_p.mean().exp()
        summed = lambda log_p: (-log_p.sum()).exp()
        mean_of_inverse = lambda log_p: (-log_p).exp().mean()
        inverse_of_mean = lambda log_p: 1 / log_p.exp().mean()
        underflow = lambda log_p: log_p.exp().prod() ** (-1 / len(log_p))

    class alternatives:
        plain = lambda log_p: math.exp(-sum(map(float, log_p)) / len(log_p))
        numpy = lambda log_p: np.exp(-np.mean(np.asarray(log_p)))
