"""Exercises of lecture 09b, transformers deeper: references, cases, and the answers that students really give."""

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


def top_1_route(logits):
    """Send each token to one expert: logits (..., experts) -> its number (...), and its probability by the softmax over experts (...)."""
    gate, expert = logits.softmax(-1).max(-1)
    return expert, gate


@EXERCISES.declare(top_1_route, differentiable=True)
class _:
    def cases():
        shapes = [(3, 2), (6, 4), (1, 3), (2, 5, 3)]
        return [(2 * torch.randn(*shape, generator=_generator(sum(shape))),) for shape in shapes]

    class mistakes:
        least_likely = lambda logits: tuple(reversed(logits.softmax(-1).min(-1)))
        gate_is_one = lambda logits: (logits.argmax(-1), torch.ones_like(logits[..., 0]))
        gate_is_logit = lambda logits: tuple(reversed(logits.max(-1)))
        gate_is_sigmoid = lambda logits: (logits.argmax(-1), logits.amax(-1).sigmoid())
        gate_is_log = lambda logits: (logits.argmax(-1), logits.log_softmax(-1).amax(-1))
        swapped = lambda logits: tuple(logits.softmax(-1).max(-1))
        all_gates = lambda logits: (logits.argmax(-1), logits.softmax(-1))
        expert_picks_token = lambda logits: (logits.argmax(-2), logits.softmax(-2).amax(-2))

        def over_tokens(logits):
            expert = logits.argmax(-1)
            return expert, logits.softmax(-2).gather(-1, expert[..., None])[..., 0]

        def detached(logits):
            gate, expert = logits.softmax(-1).max(-1)
            return expert, gate.detach()

    class alternatives:
        def gathered(logits):
            expert = logits.argmax(-1)
            return expert, logits.softmax(-1).gather(-1, expert[..., None]).squeeze(-1)

        def by_hand(logits):
            return logits.argmax(-1), 1 / (logits - logits.amax(-1, keepdim=True)).exp().sum(-1)
