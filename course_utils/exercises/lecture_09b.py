"""Exercises of lecture 09b, transformers deeper: references, cases, and the answers that students really give."""

from collections import Counter
from itertools import pairwise

import torch

from .declare import Declarations

EXERCISES = Declarations()


def _generator(seed):
    return torch.Generator().manual_seed(seed)


def count_pairs(words):
    """How often each two tokens stand side by side inside of words.

    words: {word, a tuple of tokens: how often the text has it}.  Returns {(left, right): how often}.
    """
    pairs = {}
    for word, times in words.items():
        for pair in pairwise(word):
            pairs[pair] = pairs.get(pair, 0) + times
    return pairs


def _count(words, pairs_of, weigh=True):
    """The reference with other pairs of a word, or each word counted once."""
    found = {}
    for word, times in words.items():
        for pair in pairs_of(word):
            found[pair] = found.get(pair, 0) + (times if weigh else 1)
    return found


@EXERCISES.declare(count_pairs)
class _:
    def cases():
        return [
            ({tuple("hug"): 10, tuple("pug"): 5, tuple("hugs"): 4},),
            ({tuple("aaa"): 2, tuple("banana"): 3, tuple("a"): 7},),
            ({(104, 101): 3, (101, 104, 104): 2, (256, 101, 256, 101): 1},),
            ({tuple("ab"): 1, tuple("ba"): 1},),
            ({},),
        ]

    class mistakes:
        each_word_once = lambda words: _count(words, lambda w: pairwise(w), weigh=False)
        once_a_word = lambda words: _count(words, lambda w: {*pairwise(w)})
        without_order = lambda words: _count(words, lambda w: (tuple(sorted(p, key=str)) for p in pairwise(w)))  # fmt: skip
        right_to_left = lambda words: _count(words, lambda w: zip(w[1:], w))
        next_but_one = lambda words: _count(words, lambda w: zip(w, w[2:]))
        no_overlap = lambda words: _count(words, lambda w: zip(w[::2], w[1::2]))
        single_tokens = lambda words: _count(words, lambda w: w)
        joined = lambda words: _count(words, lambda w: (f"{a}{b}" for a, b in pairwise(w)))

        def across_words(words):
            text = [token for word, times in words.items() for token in word * times]
            return _count({tuple(text): 1}, lambda w: pairwise(w))

    class alternatives:
        def counter(words):
            found = Counter()
            for word, times in words.items():
                found.update({p: times * n for p, n in Counter(pairwise(word)).items()})
            return found


def induction_scores(weights, period):
    """How much each head looks at what came after the last time: weights (heads, time, time), rows look, -> (heads,).

    The text repeats with this period.  The mean, over the positions t >= period, of the weight on position t - period + 1.
    """
    t = torch.arange(period, weights.shape[1])
    return weights[:, t, t - period + 1].mean(1)


def _mean_at(weights, period, offset, start=None):
    """Mean weight on position t - period + offset, for t from ``start`` on."""
    t = torch.arange(max(period - offset, 0) if start is None else start, weights.shape[1])
    return weights[:, t, t - period + offset].mean(1)


@EXERCISES.declare(induction_scores)
class _:
    def cases():
        def case(heads, time, period):
            scores = torch.randn(heads, time, time, generator=_generator(time))
            forbidden = torch.ones(time, time, dtype=torch.bool).triu(1)
            return scores.masked_fill(forbidden, -torch.inf).softmax(-1), period

        return [case(2, 8, 4), case(4, 11, 3), case(1, 6, 5), case(3, 9, 2)]

    class mistakes:
        same_symbol = lambda weights, period: _mean_at(weights, period, 0, period)
        symbol_before = lambda weights, period: _mean_at(weights, period, -1, period + 1)
        from_period_minus_one = lambda weights, period: _mean_at(weights, period, 1, period - 1)
        turned = lambda weights, period: _mean_at(weights.mT, period, 1, period)
        previous = lambda weights, period: weights.diagonal(-1, 1, 2).mean(1)
        summed = lambda weights, period: _mean_at(weights, period, 1, period) * (weights.shape[1] - period)  # fmt: skip
        over_all_rows = lambda weights, period: _mean_at(weights, period, 1, period) * (1 - period / weights.shape[1])  # fmt: skip
        all_heads_together = lambda weights, period: _mean_at(weights, period, 1, period).mean()

        def all_columns(weights, period):
            return weights[:, period:, : weights.shape[1] - period].mean((1, 2))

    class alternatives:
        diagonal = lambda weights, period: weights.diagonal(1 - period, 1, 2)[:, 1:].mean(1)

        def loop(weights, period):
            places = range(period, weights.shape[1])
            return [sum(float(w[t, t - period + 1]) for t in places) / len(places) for w in weights]


def top_1_route(logits):
    """Send each token to one expert: logits (tokens, experts) -> its number (tokens,), and its probability by the softmax over experts (tokens,)."""
    gate, expert = logits.softmax(-1).max(-1)
    return expert, gate


@EXERCISES.declare(top_1_route, differentiable=True)
class _:
    def cases():
        shapes = [(3, 2), (6, 4), (1, 3), (5, 5)]
        return [(2 * torch.randn(*shape, generator=_generator(sum(shape))),) for shape in shapes]

    class mistakes:
        least_likely = lambda logits: tuple(reversed(logits.softmax(-1).min(-1)))
        over_tokens = lambda logits: (logits.argmax(-1), logits.softmax(0).gather(1, logits.argmax(-1, True))[:, 0])  # fmt: skip
        gate_is_one = lambda logits: (logits.argmax(-1), torch.ones(len(logits)))
        gate_is_logit = lambda logits: tuple(reversed(logits.max(-1)))
        gate_is_sigmoid = lambda logits: (logits.argmax(-1), logits.max(-1).values.sigmoid())
        gate_is_log = lambda logits: (logits.argmax(-1), logits.log_softmax(-1).max(-1).values)
        swapped = lambda logits: tuple(logits.softmax(-1).max(-1))
        all_gates = lambda logits: (logits.argmax(-1), logits.softmax(-1))
        expert_picks_token = lambda logits: (logits.argmax(0), logits.softmax(0).max(0).values)

        def detached(logits):
            gate, expert = logits.softmax(-1).max(-1)
            return expert, gate.detach()

    class alternatives:
        def gathered(logits):
            expert = logits.argmax(-1)
            return expert, logits.softmax(-1).gather(1, expert[:, None]).squeeze(1)

        def by_hand(logits):
            top = logits.max(-1).values
            return logits.argmax(-1), 1 / (logits - top[:, None]).exp().sum(-1)
