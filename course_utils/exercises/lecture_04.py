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
    """Probabilities softmax(logits / temperature) of each row; logits: shape (..., symbols), temperature > 0."""
    if temperature <= 0:
        raise ValueError("temperature must be above 0; for T = 0 take logits.argmax(-1)")
    scaled = logits / temperature
    weights = torch.exp(scaled - scaled.amax(-1, keepdim=True))  # the same, without overflow
    return weights / weights.sum(-1, keepdim=True)


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
            (torch.tensor([[2.0, 1.0, -1.0], [150.0, 2.0, 2.5]]), 0.7),  # two texts at once
        ]

    class mistakes:
        multiplies = lambda logits, T: torch.softmax(logits * T, -1)
        power = lambda logits, T: torch.softmax(logits, -1) ** T
        not_normalised = lambda logits, T: torch.exp(logits / T)
        overflow = lambda logits, T: torch.exp(logits / T) / torch.exp(logits / T).sum(-1, True)
        power_not_normalised = lambda logits, T: torch.softmax(logits, -1) ** (1 / T)
        ignored = lambda logits, T: torch.softmax(logits, -1)
        after_softmax = lambda logits, T: torch.softmax(logits, -1) / T
        softmax_twice = lambda logits, T: torch.softmax(torch.softmax(logits, -1) / T, -1)
        logarithms = lambda logits, T: torch.log_softmax(logits / T, -1)
        only_scaled = lambda logits, T: logits / T
        no_exponential = lambda logits, T: logits / T / logits.sum(-1, True)
        across_rows = lambda logits, T: torch.softmax(logits / T, 0)
        all_rows_together = lambda logits, T: torch.softmax(logits.flatten() / T, 0).view_as(logits)

    class alternatives:
        library = lambda logits, temperature: torch.softmax(logits / temperature, -1)

        def numpy(logits, temperature):
            z = np.asarray(logits) / temperature
            z = np.exp(z - z.max(-1, keepdims=True))
            return z / z.sum(-1, keepdims=True)

        def loop(logits, temperature):
            if logits.ndim > 1:
                return torch.stack([torch.softmax(row / temperature, 0) for row in logits])
            weights = [math.exp(float(v) / temperature) for v in logits]
            return [w / sum(weights) for w in weights]

        def power(logits, temperature):  # normalised afterwards it is the same thing
            p = torch.softmax(logits, -1) ** (1 / temperature)
            return p / p.sum(-1, keepdim=True)


def _keep(logits, chosen):
    """The logits where chosen (..., symbols), a mask, is True."""
    return logits.masked_fill(~chosen, -math.inf)


def _rank(logits):
    """Place of each logit among those of its row, 0 for the largest."""
    return logits.argsort(-1, descending=True).argsort(-1)


def top_k_filter(logits, k):
    """The logits with everything but the k largest of each row set to -inf; logits: shape (..., symbols), k: 1 to symbols."""
    if not 1 <= k <= logits.shape[-1]:
        raise ValueError(f"k must be from 1 to {logits.shape[-1]}, the number of symbols, not {k}")
    best = logits.topk(k)
    return torch.full_like(logits, -math.inf).scatter(-1, best.indices, best.values)


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
            (torch.tensor([[0.3, 2.0, -1.0], [9.0, 8.0, 7.0]]), 2),  # two texts at once
        ]

    class mistakes:
        zero = lambda logits, k: top_k_filter(logits, k).nan_to_num(neginf=0.0)
        before_sorting = lambda logits, k: _keep(logits, torch.arange(logits.shape[-1]) < k)
        smallest = lambda logits, k: _keep(logits, _rank(-logits) < k)
        one_too_few = lambda logits, k: _keep(logits, _rank(logits) < k - 1)
        one_too_many = lambda logits, k: _keep(logits, _rank(logits) < k + 1)
        removes_the_best = lambda logits, k: _keep(logits, _rank(logits) >= k)
        renormalises = lambda logits, k: torch.softmax(top_k_filter(logits, k), -1)
        only_the_best = lambda logits, k: logits.topk(k).values
        places = lambda logits, k: logits.topk(k).indices
        all_rows_together = lambda logits, k: top_k_filter(logits.flatten(), k).view_as(logits)

        def wrong_places(logits, k):
            return _keep(
                logits.sort(-1, descending=True).values, torch.arange(logits.shape[-1]) < k
            )

    class alternatives:
        def threshold(logits, k):
            smallest = torch.sort(logits, descending=True).values[..., k - 1 : k]
            return logits.masked_fill(logits < smallest, -math.inf)

        def numpy(logits, k):
            out = np.asarray(logits).copy()
            np.put_along_axis(out, np.argsort(out, -1)[..., : out.shape[-1] - k], -np.inf, -1)
            return out

        def loop(logits, k):
            if logits.ndim > 1:
                return torch.stack([top_k_filter(row, k) for row in logits])
            values = [float(v) for v in logits]
            best = sorted(range(len(values)), key=lambda i: -values[i])[:k]
            return [v if i in best else -math.inf for i, v in enumerate(values)]

        def copy(logits, k):
            logits = logits.clone()
            logits[logits < torch.topk(logits, k)[0][..., -1, None]] = float("-inf")
            return logits


def top_p_filter(logits, p):
    """The logits outside of the smallest set whose probability reaches p set to -inf, in each row; shape (..., symbols).

    p = 1 keeps all, p = 0 the most likely one.
    """
    values, order = logits.sort(descending=True)
    probability = torch.softmax(values.double(), -1)
    before = probability.cumsum(-1) - probability  # what the more likely ones hold already
    dropped = (before >= p) & (p < 1)  # a rounded sum reaches 1 before its end
    dropped[..., 0] = False
    return values.masked_fill(dropped, -math.inf).gather(-1, order.argsort())


def _above(logits):
    """What the more likely symbols of its row hold, and what they hold together with it: for each symbol."""
    probability = torch.softmax(logits, -1)
    total = probability.sort(-1, descending=True).values.cumsum(-1).gather(-1, _rank(logits))
    return total - probability, total


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
            # a sum of probabilities is 1 long before its end
            (torch.tensor([-50.0, 25.0, -30.0, 24.0]), 1.0),
            (torch.tensor([[0.0, 1.0, 2.5, -1.0], [0.2, 0.1, 0.0, 0.3]]), 0.8),  # two texts at once
            (torch.tensor([[0.0, 1.0, 2.5], [0.2, 0.1, 0.0]]), 0.0),
        ]

    class mistakes:
        def before_sorting(logits, p):
            probability = torch.softmax(logits, -1)
            return _keep(logits, probability.cumsum(-1) - probability < p)

        one_too_few = lambda logits, p: _keep(logits, _above(logits)[1] <= p)

        def one_too_many(logits, p):
            count = (_above(logits)[1] < p).sum(-1, keepdim=True)
            return _keep(logits, _rank(logits) < count + 2)

        zero = lambda logits, p: top_p_filter(logits, p).nan_to_num(neginf=0.0)
        renormalises = lambda logits, p: torch.softmax(top_p_filter(logits, p), -1)

        def from_the_tail(logits, p):
            total = _above(logits)[1]
            return _keep(logits, 1 - total < p)

        threshold = lambda logits, p: _keep(logits, torch.softmax(logits, -1) >= p)
        min_p = lambda logits, p: _keep(logits, torch.softmax(logits, -1) >= 1 - p)

        def wrong_places(logits, p):
            values = logits.sort(-1, descending=True).values
            return _keep(values, _above(values)[0] < p)

        def rounding(logits, p):
            return _keep(logits, (_above(logits)[0] < p) | (_rank(logits) == 0))

        def none_at_zero(logits, p):
            return top_p_filter(logits, p) if p else torch.full_like(logits, -math.inf)

        def no_softmax(logits, p):
            values, order = logits.sort(-1, descending=True)
            kept = _keep(values, values.cumsum(-1) - values < p)
            return kept.gather(-1, order.argsort())

        def all_rows_together(logits, p):
            return top_p_filter(logits.flatten(), p).view_as(logits)

    class alternatives:
        def numpy(logits, p):
            values = np.asarray(logits)
            weights = np.exp(values - values.max(-1, keepdims=True))
            weights = weights / weights.sum(-1, keepdims=True)
            order = np.argsort(-weights, -1)
            ranked = np.take_along_axis(weights, order, -1)
            keep = (np.cumsum(ranked, -1) - ranked < p) | (p >= 1)
            keep[..., 0] = True
            out = np.full_like(values, -np.inf)
            chosen = np.where(keep, np.take_along_axis(values, order, -1), -np.inf)
            np.put_along_axis(out, order, chosen, -1)
            return out

        def loop(logits, p):
            if logits.ndim > 1:
                return torch.stack([top_p_filter(row, p) for row in logits])
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
            remove[..., 1:] = remove[..., :-1].clone()
            remove[..., 0] = False
            return logits.masked_fill(remove.gather(-1, order.argsort(-1)), float("-inf"))


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
