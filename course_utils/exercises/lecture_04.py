"""Exercises of lecture 04, recurrent networks: references, cases, and the answers that students really give."""

import math

import numpy as np
import torch

from .declare import Declarations

EXERCISES = Declarations()


def rnn_step(x, h, W_xh, W_hh, b):
    """One step of a recurrent network: the new state tanh(W_hh h + W_xh x + b), shape (hidden,)."""
    return torch.tanh(W_hh @ h + W_xh @ x + b)


@EXERCISES.declare(rnn_step)
class _:
    def cases():
        generator = torch.Generator().manual_seed(4)

        def case(inputs, hidden, dtype=torch.float32):
            shapes = [(inputs,), (hidden,), (hidden, inputs), (hidden, hidden), (hidden,)]
            return tuple(torch.randn(*s, generator=generator).to(dtype) for s in shapes)

        still = list(case(2, 3))
        still[1] = torch.zeros(3)  # the very first step
        return [case(3, 4), case(5, 2), tuple(still), case(4, 4), case(1, 3, torch.float64)]

    class mistakes:
        no_tanh = lambda x, h, W_xh, W_hh, b: W_hh @ h + W_xh @ x + b
        transposed = lambda x, h, W_xh, W_hh, b: torch.tanh(W_hh.T @ h + W_xh @ x + b)
        no_bias = lambda x, h, W_xh, W_hh, b: torch.tanh(W_hh @ h + W_xh @ x)
        no_memory = lambda x, h, W_xh, W_hh, b: torch.tanh(W_xh @ x + b)
        no_input = lambda x, h, W_xh, W_hh, b: torch.tanh(W_hh @ h + b)
        sigmoid = lambda x, h, W_xh, W_hh, b: torch.sigmoid(W_hh @ h + W_xh @ x + b)
        tanh_of_parts = lambda x, h, W_xh, W_hh, b: torch.tanh(W_hh @ h) + torch.tanh(W_xh @ x) + b
        bias_outside = lambda x, h, W_xh, W_hh, b: torch.tanh(W_hh @ h + W_xh @ x) + b
        added_to_the_old = lambda x, h, W_xh, W_hh, b: h + torch.tanh(W_hh @ h + W_xh @ x + b)

    class alternatives:
        def numpy(x, h, W_xh, W_hh, b):
            x, h, W_xh, W_hh, b = (np.asarray(v) for v in (x, h, W_xh, W_hh, b))
            return np.tanh(W_xh.dot(x) + W_hh.dot(h) + b)

        def loop(x, h, W_xh, W_hh, b):
            new = []
            for i in range(len(h)):
                total = float(b[i])
                for j in range(len(x)):
                    total += float(W_xh[i, j]) * float(x[j])
                for j in range(len(h)):
                    total += float(W_hh[i, j]) * float(h[j])
                new.append(math.tanh(total))
            return new

        def one_product(x, h, W_xh, W_hh, b):
            return torch.cat([W_xh, W_hh], 1).matmul(torch.cat([x, h])).add(b).tanh()


def temperature_softmax(logits, temperature):
    """Probabilities softmax(logits / temperature); logits: shape (symbols,), temperature > 0."""
    if temperature <= 0:
        raise ValueError("temperature must be above 0; for T = 0 take logits.argmax()")
    scaled = logits / temperature
    weights = torch.exp(scaled - scaled.max())  # minus the largest: the same, without overflow
    return weights / weights.sum()


@EXERCISES.declare(temperature_softmax)
class _:
    def cases():
        logits = torch.tensor([2.0, 1.0, 0.5, -1.0])
        return [
            (logits, 0.5),
            (logits, 1.0),
            (logits, 2.0),
            (torch.tensor([-0.3, 0.0, 0.12], dtype=torch.float64), 0.1),
            (torch.tensor([0.7, 3.0, -2.0, 0.7, 0.1, -0.4]), 1.5),
            (torch.tensor([12.0, 3.0, -8.0]), 0.1),  # exp(120) is no float32 any more
            (torch.tensor([-8.0, 3.0, 12.0]), 0.1),
        ]

    class mistakes:
        multiplies = lambda logits, T: torch.softmax(logits * T, 0)
        power = lambda logits, T: torch.softmax(logits, 0) ** T
        not_normalised = lambda logits, T: torch.exp(logits / T)
        overflow = lambda logits, T: torch.exp(logits / T) / torch.exp(logits / T).sum()
        power_not_normalised = lambda logits, T: torch.softmax(logits, 0) ** (1 / T)
        ignored = lambda logits, T: torch.softmax(logits, 0)
        after_softmax = lambda logits, T: torch.softmax(logits, 0) / T
        softmax_twice = lambda logits, T: torch.softmax(torch.softmax(logits, 0) / T, 0)
        logarithms = lambda logits, T: torch.log_softmax(logits / T, 0)
        only_scaled = lambda logits, T: logits / T
        no_exponential = lambda logits, T: logits / T / logits.sum()

    class alternatives:
        library = lambda logits, temperature: torch.softmax(logits / temperature, -1)

        def numpy(logits, temperature):
            z = np.asarray(logits) / temperature
            z = np.exp(z - z.max())
            return z / z.sum()

        def loop(logits, temperature):
            weights = [math.exp(float(v) / temperature) for v in logits]
            return [w / sum(weights) for w in weights]

        def power(logits, temperature):  # normalised afterwards it is the same thing
            p = torch.softmax(logits, -1) ** (1 / temperature)
            return p / p.sum()


def top_k_filter(logits, k):
    """The logits with everything but the k largest set to -inf; logits: shape (symbols,), k: 1 to symbols."""
    if not 1 <= k <= len(logits):
        raise ValueError(f"k must be from 1 to {len(logits)}, the number of symbols, not {k}")
    kept = torch.full_like(logits, -math.inf)
    best = logits.topk(k).indices
    kept[best] = logits[best]
    return kept


def _keep(logits, which):
    kept = torch.full_like(logits, -math.inf)
    kept[which] = logits[which]
    return kept


def _ranked(logits):
    return logits.argsort(descending=True)


@EXERCISES.declare(top_k_filter)
class _:
    def cases():
        logits = torch.tensor([0.3, 2.0, -1.0, 1.1, 0.2, 1.7])
        return [
            (logits, 3),
            (logits, 1),
            (logits, 5),
            (torch.tensor([0.5, -0.5, 1.5, -2.5], dtype=torch.float64), 2),
            (torch.tensor([-3.0, -1.0, -2.0]), 2),
            (torch.tensor([1.5, 0.0, 1.5, -1.0]), 2),
            (torch.tensor([0.4, 0.9]), 2),
        ]

    class mistakes:
        zero = lambda logits, k: top_k_filter(logits, k).nan_to_num(neginf=0.0)
        before_sorting = lambda logits, k: _keep(logits, torch.arange(k))
        smallest = lambda logits, k: _keep(logits, logits.argsort()[:k])
        one_too_few = lambda logits, k: _keep(logits, _ranked(logits)[: k - 1])
        one_too_many = lambda logits, k: _keep(logits, _ranked(logits)[: k + 1])
        removes_the_best = lambda logits, k: _keep(logits, _ranked(logits)[k:])
        renormalises = lambda logits, k: torch.softmax(top_k_filter(logits, k), 0)
        only_the_best = lambda logits, k: logits.topk(k).values
        places = lambda logits, k: logits.topk(k).indices

        def wrong_places(logits, k):
            return torch.cat([logits.topk(k).values, torch.full((len(logits) - k,), -math.inf)])

    class alternatives:
        def threshold(logits, k):
            smallest = torch.sort(logits, descending=True).values[k - 1]
            return logits.masked_fill(logits < smallest, -math.inf)

        def numpy(logits, k):
            out = np.asarray(logits).copy()
            out[np.argsort(out)[: len(out) - k]] = -np.inf
            return out

        def loop(logits, k):
            values = [float(v) for v in logits]
            best = sorted(range(len(values)), key=lambda i: -values[i])[:k]
            return [v if i in best else -math.inf for i, v in enumerate(values)]

        def copy(logits, k):
            logits = logits.clone()
            logits[logits < torch.topk(logits, k)[0][..., -1, None]] = float("-inf")
            return logits


def top_p_filter(logits, p):
    """The logits outside of the smallest set whose probability reaches p set to -inf; shape (symbols,).

    p = 1 keeps all, p = 0 the most likely one.
    """
    order = logits.argsort(descending=True)
    probability = torch.softmax(logits[order].double(), 0)
    before = probability.cumsum(0) - probability  # what the more likely ones hold already
    chosen = (before < p) | (
        p >= 1
    )  # with all but a rounding error before it, the last one has to stay
    chosen[0] = True
    kept = torch.full_like(logits, -math.inf)
    kept[order[chosen]] = logits[order[chosen]]
    return kept


def _cumulative(logits):
    order = _ranked(logits)
    return order, torch.softmax(logits, 0)[order].cumsum(0)


@EXERCISES.declare(top_p_filter)
class _:
    def cases():
        logits = torch.log(torch.tensor([0.05, 0.42, 0.03, 0.2, 0.08, 0.22]))  # in no order
        return [
            (logits, 0.6),
            (logits, 0.3),  # the first one alone reaches it
            (logits, 0.9),
            (logits + 3.0, 0.05),  # logits are known up to a constant
            (torch.tensor([0.0, 1.0, 2.5, -1.0], dtype=torch.float64), 0.75),
            (torch.tensor([1.0, -0.5, 0.2, 0.9, -1.5]), 0.5),
            (torch.tensor([1.0, -0.5, 0.2, 0.9, -1.5]), 0.85),
            (torch.tensor([0.7, 1.2, 0.7, -1.0]), 0.9),
            (torch.tensor([0.7, 1.2, -1.0]), 0.0),
            (torch.tensor([0.7, 1.2, -1.0]), 1.0),
            (torch.tensor([-50.0, 25.0, -30.0, 24.0]), 0.9),
            (
                torch.tensor([-50.0, 25.0, -30.0, 24.0]),
                1.0,
            ),  # a sum of probabilities is 1 long before its end
        ]

    class mistakes:
        def before_sorting(logits, p):
            probability = torch.softmax(logits, 0)
            return _keep(logits, probability.cumsum(0) - probability < p)

        def one_too_few(logits, p):
            order, total = _cumulative(logits)
            return _keep(logits, order[total <= p])

        def one_too_many(logits, p):
            order, total = _cumulative(logits)
            return _keep(logits, order[: int((total < p).sum()) + 2])

        zero = lambda logits, p: top_p_filter(logits, p).nan_to_num(neginf=0.0)
        renormalises = lambda logits, p: torch.softmax(top_p_filter(logits, p), 0)

        def from_the_tail(logits, p):
            order = logits.argsort()
            probability = torch.softmax(logits[order], 0)
            return _keep(logits, order[probability.cumsum(0) - probability < p])

        threshold = lambda logits, p: _keep(logits, torch.softmax(logits, 0) >= p)
        min_p = lambda logits, p: _keep(logits, torch.softmax(logits, 0) >= 1 - p)

        def wrong_places(logits, p):
            order, total = _cumulative(logits)
            values = logits[order].clone()
            values[total - torch.softmax(logits, 0)[order] >= p] = -math.inf
            return values

        def rounding(logits, p):
            order, total = _cumulative(logits)
            return _keep(
                logits, order[total - torch.softmax(logits, 0)[order] < p] if p else order[:1]
            )

        def none_at_zero(logits, p):
            return top_p_filter(logits, p) if p else torch.full_like(logits, -math.inf)

        def no_softmax(logits, p):
            order = _ranked(logits)
            values = logits[order]
            return _keep(logits, order[values.cumsum(0) - values < p])

    class alternatives:
        def numpy(logits, p):
            values = np.asarray(logits)
            weights = np.exp(values - values.max())
            weights = weights / weights.sum()
            order = np.argsort(-weights)
            count = int(np.searchsorted(np.cumsum(weights[order]), p)) + 1 if p < 1 else len(values)
            out = np.full_like(values, -np.inf)
            out[order[:count]] = values[order[:count]]
            return out

        def loop(logits, p):
            weights = [math.exp(float(v)) for v in logits]
            kept, reached = [-math.inf] * len(weights), 0.0
            for i in sorted(range(len(weights)), key=lambda i: -weights[i]):
                kept[i] = float(logits[i])
                reached += weights[i] / sum(weights)
                if reached >= p and p < 1:
                    break
            return kept

        def shift(logits, p):
            values, order = torch.sort(logits, descending=True)
            remove = torch.softmax(values.double(), -1).cumsum(-1) > p
            remove[1:] = remove[:-1].clone()
            remove[0] = False
            out = logits.clone()
            out[order[remove]] = float("-inf")
            return out


def bits_per_char(nats_per_token, tokens, chars):
    """Bits per character of a text of ``chars`` characters in ``tokens`` tokens that cost nats_per_token each."""
    return nats_per_token * tokens / math.log(2) / chars


@EXERCISES.declare(bits_per_char)
class _:
    def cases():
        return [
            (1.5, 1000, 1000),
            (4.2, 200, 1000),
            (0.7, 50, 30),
            (math.log(2), 8, 4),
            (6.1, 12, 77),
        ]

    class mistakes:
        no_ln2 = lambda nats, tokens, chars: nats * tokens / chars
        multiplied_by_ln2 = lambda nats, tokens, chars: nats * tokens * math.log(2) / chars
        swapped = lambda nats, tokens, chars: nats * chars / tokens / math.log(2)
        per_token = lambda nats, tokens, chars: nats / math.log(2)
        total = lambda nats, tokens, chars: nats * tokens / math.log(2)
        no_tokens = lambda nats, tokens, chars: nats / math.log(2) / chars
        perplexity = lambda nats, tokens, chars: math.exp(nats * tokens / chars)

    class alternatives:
        log2_of_exp = lambda nats, words, letters: float(np.log2(np.exp(nats))) * words / letters
        log2_of_e = lambda nats, tokens, chars: (nats * math.log2(math.e)) / (chars / tokens)
