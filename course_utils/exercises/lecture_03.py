"""Exercises of lecture 03, autoregression: references, cases, and the answers that students really give."""

import math

import numpy as np
import torch

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


def receptive_field(kernel_sizes, dilations):
    """How many input samples, the present one included, one output of the stacked causal convolutions can see."""
    return 1 + sum((k - 1) * d for k, d in zip(kernel_sizes, dilations))


@EXERCISES.declare(receptive_field)
class _:
    def cases():
        return [
            ([2, 2, 2, 2], [1, 2, 4, 8]),
            ([3, 3, 3], [1, 1, 1]),
            ([2], [1]),
            ([1], [1]),
            ([2, 3, 2], [1, 4, 16]),
            ([3, 2, 5, 2], [1, 3, 9, 2]),
            ([2] * 10, [2**i for i in range(10)]),
        ]

    class mistakes:
        off_by_one = lambda kernels, dilations: sum((k - 1) * d for k, d in zip(kernels, dilations))
        no_dilation = lambda kernels, dilations: 1 + sum(k - 1 for k in kernels)
        full_kernel = lambda kernels, dilations: 1 + sum(k * d for k, d in zip(kernels, dilations))
        full_kernel_only = lambda kernels, dilations: sum(k * d for k, d in zip(kernels, dilations))

        def product(kernels, dilations):
            return math.prod(1 + (k - 1) * d for k, d in zip(kernels, dilations))

        last_layer = lambda kernels, dilations: 1 + (kernels[-1] - 1) * dilations[-1]

        def centred(kernels, dilations):
            return 1 + 2 * sum((k - 1) * d for k, d in zip(kernels, dilations))

    class alternatives:
        def loop(kernel_sizes, dilations):
            reach = 0
            for i in range(len(kernel_sizes)):
                reach += (kernel_sizes[i] - 1) * dilations[i]
            return reach + 1

        def numpy(kernel_sizes, dilations):
            return int(((np.array(kernel_sizes) - 1) * np.array(dilations)).sum()) + 1


def mu_law_encode(x, mu):
    """Codes 0..mu (int64) of the samples x in -1..1: squash, then round (y + 1) / 2 * mu to the nearest whole number."""
    y = torch.sign(x) * torch.log1p(mu * x.abs()) / math.log1p(mu)
    return torch.floor((y + 1) / 2 * mu + 0.5).to(torch.int64)


def _squash(x, mu):
    return torch.sign(x) * torch.log1p(mu * x.abs()) / math.log1p(mu)


def _nearest(y, mu):
    return torch.floor((y + 1) / 2 * mu + 0.5).to(torch.int64)


@EXERCISES.declare(mu_law_encode, tolerance=1e-6)
class _:
    def cases():
        """No sample lies within 0.02 of the border between two codes, so that rounding errors and the rule for halves don't matter."""
        cases = []
        for mu, seed in ((255, 0), (255, 1), (15, 2), (3, 3)):
            x = torch.rand(400, generator=torch.Generator().manual_seed(seed)) * 2 - 1
            if seed == 0:
                x = x**5  # soft sounds, as in speech
            place = (_squash(x.double(), mu) + 1) / 2 * mu
            clear = x[(place % 1 - 0.5).abs() > 0.02][:60]
            cases.append((torch.cat([clear, torch.tensor([-1.0, 1.0])]), mu))
        return cases

    class mistakes:
        floor = lambda x, mu: torch.floor((_squash(x, mu) + 1) / 2 * mu).to(torch.int64)

        def wide_floor(x, mu):
            return torch.floor((_squash(x, mu) + 1) / 2 * (mu + 1)).clamp(max=mu).to(torch.int64)

        no_sign = lambda x, mu: _nearest(torch.log1p(mu * x.abs()) / math.log1p(mu), mu)

        def log_without_one(x, mu):
            y = torch.sign(x) * torch.log(mu * x.abs()).clamp(min=0) / math.log(mu)
            return _nearest(y, mu)

        linear = lambda x, mu: _nearest(x, mu)

        def mixed_logs(x, mu):
            return _nearest(torch.sign(x) * torch.log2(1 + mu * x.abs()) / math.log1p(mu), mu)

        no_scale = lambda x, mu: _nearest(torch.sign(x) * torch.log1p(mu * x.abs()), mu)
        signed = lambda x, mu: torch.floor(_squash(x, mu) * mu / 2 + 0.5).to(torch.int64)
        not_rounded = lambda x, mu: (_squash(x, mu) + 1) / 2 * mu

    class alternatives:
        def numpy(x, mu):
            x = np.asarray(x, dtype=np.float64)
            y = np.sign(x) * np.log(1 + mu * np.abs(x)) / np.log(1 + mu)
            return np.rint((y + 1) / 2 * mu).astype(np.int64)

        def log2(x, mu):
            y = x.sign() * torch.log2(1 + mu * x.abs()) / math.log2(1 + mu)
            return torch.round((y + 1) / 2 * mu).long()

        not_cast = lambda x, mu: torch.round((_squash(x, mu) + 1) / 2 * mu)


def mu_law_decode(code, mu):
    """Samples in -1..1 (float32) in the middle of the codes 0..mu."""
    y = 2 * code.float() / mu - 1
    return torch.sign(y) * ((1 + mu) ** y.abs() - 1) / mu


def _between_ends(code, mu):
    return 2 * code.float() / mu - 1


def _expand(y, mu):
    return torch.sign(y) * ((1 + mu) ** y.abs() - 1) / mu


@EXERCISES.declare(mu_law_decode)
class _:
    def cases():
        return [
            (torch.arange(256), 255),
            (torch.arange(16), 15),
            (torch.tensor([0, 1, 2, 3]), 3),
            (torch.tensor([200, 0, 10, 127, 128, 200, 255]), 255),
        ]

    class mistakes:
        def exp(code, mu):
            y = _between_ends(code, mu)
            return torch.sign(y) * (torch.exp(y.abs()) - 1) / mu

        no_sign = lambda code, mu: ((1 + mu) ** _between_ends(code, mu).abs() - 1) / mu
        sign_inside = lambda code, mu: ((1 + mu) ** _between_ends(code, mu) - 1) / mu
        linear = lambda code, mu: _between_ends(code, mu)

        def mu_base(code, mu):
            y = _between_ends(code, mu)
            return torch.sign(y) * (mu ** y.abs() - 1) / mu

        def no_scale(code, mu):
            y = _between_ends(code, mu)
            return torch.sign(y) * ((1 + mu) ** y.abs() - 1)

        forgets_shift = lambda code, mu: _expand(code.float() / mu, mu)
        levels = lambda code, mu: _expand(2 * code.float() / (mu + 1) - 1, mu)

    class alternatives:
        def expm1(code, mu):
            y = 2 * code / mu - 1
            return torch.sign(y) * torch.expm1(y.abs() * math.log1p(mu)) / mu

        def numpy(code, mu):
            y = 2 * np.asarray(code, dtype=np.float64) / mu - 1
            return np.where(y < 0, -1.0, 1.0) * (np.power(1.0 + mu, np.abs(y)) - 1) / mu
