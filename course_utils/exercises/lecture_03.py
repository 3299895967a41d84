"""Exercises of lecture 03, autoregression: references, cases, and the answers that students really give."""

import math

import numpy as np

from .declare import Declarations

EXERCISES = Declarations()


def chain_log_probability(conditional, x):
    """log2 p(x) of the sequence x, a list of symbols; conditional(past) -> list of probabilities of the next symbol."""
    return sum(math.log2(conditional(x[:j])[x[j]]) for j in range(len(x)))


def _sticky(past):
    """Two symbols: the last one comes again with probability 0.8."""
    if not past:
        return [0.3, 0.7]
    return [0.8, 0.2] if past[-1] == 0 else [0.2, 0.8]


def _growing(past):
    """Three symbols: what was seen often comes again (a Polya urn)."""
    counts = [1 + sum(s == v for s in past) for v in range(3)]
    return [c / sum(counts) for c in counts]


@EXERCISES.declare(chain_log_probability)
class _:
    def cases():
        return [
            (_sticky, [1]),
            (_sticky, [0, 0, 1, 1]),
            (_sticky, [1, 0, 1, 0, 0]),
            (_sticky, [1, 0, 0]),
            (_sticky, [0, 1] * 300),
            (_growing, [2, 2, 0]),
            (_growing, [0, 1, 2, 2, 2, 1]),
        ]

    class mistakes:
        product = lambda p, x: math.prod(p(x[:j])[x[j]] for j in range(len(x)))
        nats = lambda p, x: sum(math.log(p(x[:j])[x[j]]) for j in range(len(x)))
        sees_itself = lambda p, x: sum(math.log2(p(x[: j + 1])[x[j]]) for j in range(len(x)))
        skips_first = lambda p, x: sum(math.log2(p(x[:j])[x[j]]) for j in range(1, len(x)))
        independent = lambda p, x: sum(math.log2(p([])[x[j]]) for j in range(len(x)))
        mean = lambda p, x: chain_log_probability(p, x) / len(x)
        sign = lambda p, x: -chain_log_probability(p, x)
        underflow = lambda p, x: math.log2(math.prod(p(x[:j])[x[j]] for j in range(len(x))))

    class alternatives:
        def loop(conditional, x):
            total, past = 0.0, []
            for symbol in x:
                total += np.log2(conditional(past)[symbol])
                past = past + [symbol]
            return float(total)


def ngram_probability(counts, context, symbol, vocabulary_size, alpha):
    """p(symbol | context) with alpha added to every count; counts[context]: dict symbol -> how often it followed."""
    followers = counts.get(context, {})
    return (followers.get(symbol, 0) + alpha) / (sum(followers.values()) + alpha * vocabulary_size)


@EXERCISES.declare(ngram_probability, tolerance=1e-5)
class _:
    def cases():
        counts = {
            "th": {"e": 60, "a": 25, "i": 15},
            "qu": {"e": 3, "i": 1},
            "e": {" ": 40, "r": 12},
            "zz": {"y": 1},
        }
        return [
            (counts, "th", "e", 27, 1.0),
            (counts, "th", "z", 27, 1.0),
            (counts, "qu", "i", 30, 0.5),
            (counts, "qu", "a", 30, 0.1),
            (counts, "xx", "a", 26, 0.01),
            (counts, "zz", "y", 10, 2.0),
            (counts, "e", "r", 60, 0.25),
        ]

    class mistakes:
        def unsmoothed(counts, context, symbol, vocabulary_size, alpha):
            followers = counts.get(context, {})
            total = sum(followers.values())
            return followers.get(symbol, 0) / total if total else 0.0

        def unsmoothed_raises(counts, context, symbol, vocabulary_size, alpha):
            return counts[context].get(symbol, 0) / sum(counts[context].values())

        def denominator(counts, context, symbol, vocabulary_size, alpha):
            followers = counts.get(context, {})
            return (followers.get(symbol, 0) + alpha) / max(1, sum(followers.values()))

        def alpha_once(counts, context, symbol, vocabulary_size, alpha):
            followers = counts.get(context, {})
            return (followers.get(symbol, 0) + alpha) / (sum(followers.values()) + alpha)

        def no_alpha_below(counts, context, symbol, vocabulary_size, alpha):
            followers = counts.get(context, {})
            return (followers.get(symbol, 0) + alpha) / (sum(followers.values()) + vocabulary_size)

        def seen_only(counts, context, symbol, vocabulary_size, alpha):
            followers = counts.get(context, {})
            below = sum(followers.values()) + alpha * len(followers)
            return (followers.get(symbol, 0) + alpha) / below if below else 0.0

        def joint(counts, context, symbol, vocabulary_size, alpha):
            total = sum(sum(followers.values()) for followers in counts.values())
            seen = counts.get(context, {}).get(symbol, 0)
            return (seen + alpha) / (total + alpha * vocabulary_size)

        def needs_context(counts, context, symbol, vocabulary_size, alpha):
            if context not in counts:
                return 0.0
            return ngram_probability(counts, context, symbol, vocabulary_size, alpha)

    class alternatives:
        def numpy(counts, context, symbol, vocabulary_size, alpha):
            seen = counts.get(context, {})
            total = np.array(list(seen.values()), dtype=float).sum()
            return np.float64(alpha + (seen.get(symbol, 0))) / (total + vocabulary_size * alpha)
