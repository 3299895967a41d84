"""Exercise of lecture 09b, transformers deeper: the reference, cases, and the answers that students really give."""

import torch

from .declare import Declarations

EXERCISES = Declarations()


def _generator(seed):
    return torch.Generator().manual_seed(seed)


def induction_scores(weights, period):
    """How much each head looks at what came after the last time: weights (heads, time, time), rows look, -> (heads,).

    The text repeats with this period.  The mean, over the positions t >= period, of the weight on position t - period + 1.
    """
    what_came_next = weights.diagonal(
        1 - period, 1, 2
    )  # (heads, time - period + 1), from t = period - 1
    return what_came_next[:, 1:].mean(1)


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
        def index(weights, period):
            t = torch.arange(period, weights.shape[1])
            return weights[:, t, t - period + 1].mean(1)

        def loop(weights, period):
            places = range(period, weights.shape[1])
            return [sum(float(w[t, t - period + 1]) for t in places) / len(places) for w in weights]
