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


def bigram_gradient(W, counts):
    """Gradient of the mean cost in nats, -sum(counts * log softmax(W)) / sum(counts), with respect to the logits W: (V, V)."""
    p = torch.softmax(W, dim=1)
    return (counts.sum(1, keepdim=True) * p - counts) / counts.sum()


@EXERCISES.declare(bigram_gradient, tolerance=1e-5)
class _:
    def cases():
        cases = []
        for V, seed in ((2, 0), (3, 1), (7, 2)):
            generator = torch.Generator().manual_seed(seed)
            counts = torch.randint(0, 9, (V, V), generator=generator).float()
            counts[0] += 5  # some contexts come more often than others
            cases.append((torch.randn(V, V, generator=generator), counts))
        return cases

    class mistakes:
        sign = lambda W, counts: -bigram_gradient(W, counts)
        total = lambda W, counts: bigram_gradient(W, counts) * counts.sum()

        def columns(W, counts):
            p = torch.softmax(W, dim=0)
            return (counts.sum(1, keepdim=True) * p - counts) / counts.sum()

        def unweighted(W, counts):
            return torch.softmax(W, dim=1) - counts / counts.sum(1, keepdim=True)

        def row_means(W, counts):
            return (torch.softmax(W, dim=1) - counts / counts.sum(1, keepdim=True)) / len(W)

        def one_count(W, counts):
            return (torch.softmax(W, dim=1) - counts) / counts.sum()

        no_softmax = lambda W, counts: (counts.sum(1, keepdim=True) * W - counts) / counts.sum()

    class alternatives:
        def autograd(W, counts):
            W = W.clone().requires_grad_()
            with torch.enable_grad():
                loss = -(counts * torch.log_softmax(W, dim=1)).sum() / counts.sum()
                return torch.autograd.grad(loss, W)[0]

        def by_row(W, counts):
            rows = [n.sum() * torch.softmax(w, 0) - n for w, n in zip(W, counts)]
            return torch.stack(rows) / counts.sum()


def made_masks(numbers, D):
    """Masks (hidden, D) and (D, hidden) of a MADE whose hidden unit k hears the inputs up to numbers[k] and speaks to the outputs after it."""
    place = torch.arange(D)
    return numbers[:, None] >= place[None, :], place[:, None] > numbers[None, :]


def _masks(hears, speaks):
    """made_masks with other comparisons than >= and >."""

    def answer(numbers, D):
        place = torch.arange(D)
        return hears(numbers[:, None], place), speaks(place[:, None], numbers)

    return answer


@EXERCISES.declare(made_masks)
class _:
    def cases():
        return [
            (torch.tensor([0, 1, 2]), 4),
            (torch.tensor([2, 0, 0, 1, 3]), 5),
            (torch.tensor([1]), 3),
            (torch.arange(12) * 8 // 12, 9),
        ]

    class mistakes:
        sees_itself = _masks(torch.ge, torch.ge)
        hears_too_little = _masks(torch.gt, torch.gt)
        both_wrong = _masks(torch.gt, torch.ge)
        backwards = _masks(torch.le, torch.lt)

        def transposed(numbers, D):
            hear, speak = made_masks(numbers, D)
            return hear.T, speak.T

        def exchanged(numbers, D):
            hear, speak = made_masks(numbers, D)
            return speak, hear

    class alternatives:
        def loops(numbers, D):
            hear = torch.tensor([[int(i <= m) for i in range(D)] for m in numbers.tolist()])
            speak = torch.tensor([[int(j > m) for m in numbers.tolist()] for j in range(D)])
            return hear, speak

        def floats(numbers, D):
            hear, speak = made_masks(numbers, D)
            return hear.float(), speak.float()
