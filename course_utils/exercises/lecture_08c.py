"""Exercises of lecture 08c, asking people: references, cases, and the answers that students really give."""

import math

import numpy as np
import torch

from .declare import Declarations

EXERCISES = Declarations()


def binomial_sign_test(wins, trials):
    """Two-sided exact p-value: the chance of a result at least as far from trials / 2, either way, if both are equally good."""
    far = abs(wins - trials / 2)
    ways = sum(math.comb(trials, k) for k in range(trials + 1) if abs(k - trials / 2) >= far)
    return ways / 2**trials


def _tail(wins, trials):
    return sum(math.comb(trials, k) for k in range(wins, trials + 1)) / 2**trials


@EXERCISES.declare(binomial_sign_test, tolerance=1e-6)
class _:
    cases = lambda: [(9, 10), (30, 60), (41, 60), (3, 20), (0, 6), (53, 100), (5, 9)]

    class mistakes:
        one_sided = lambda wins, trials: _tail(wins, trials)
        smaller_side = lambda wins, trials: _tail(max(wins, trials - wins), trials)
        exactly = lambda wins, trials: math.comb(trials, wins) / 2**trials
        beyond_one = lambda wins, trials: 2 * _tail(max(wins, trials - wins), trials)
        strictly = lambda wins, trials: min(1.0, 2 * _tail(max(wins, trials - wins) + 1, trials))

        normal = lambda wins, trials: math.erfc(abs(wins - trials / 2) / math.sqrt(trials / 2))
        other_tail = lambda wins, trials: _tail(trials - wins, trials)
        confidence = lambda wins, trials: 1 - binomial_sign_test(wins, trials)
        share = lambda wins, trials: wins / trials

    class alternatives:
        symmetric = lambda wins, trials: min(1.0, 2 * _tail(max(wins, trials - wins), trials))


def cohen_kappa(a, b):
    """(agreement - agreement by chance) / (1 - agreement by chance), Cohen 1960.

    a, b: lists of the labels that two raters gave to the same items.  Chance: both draw labels independently, as often as they gave them.
    Returns a number up to 1; 0 is chance.
    """
    n = len(a)
    observed = sum(x == y for x, y in zip(a, b, strict=True)) / n
    chance = sum(x == y for x in a for y in b) / n**2  # any label of one with any of the other
    return (observed - chance) / (1 - chance)


def _observed(a, b):
    return sum(x == y for x, y in zip(a, b, strict=True)) / len(a)


def _chance(a, b):
    return sum(a.count(k) * b.count(k) for k in {*a, *b}) / len(a) ** 2


def _kappa(chance):
    """Kappa with another notion of chance."""

    def answer(a, b):
        by_chance = chance(a, b)
        return (_observed(a, b) - by_chance) / (1 - by_chance)

    return answer


@EXERCISES.declare(cohen_kappa)
class _:
    def cases():
        pairs = [
            ("llrlrrllrl", "llrlllllll"),
            ("aaaaaaaaab", "aabaaaabba"),
            ("abcabcabca", "abaabacbaa"),
            ("lrlrlrlr", "rlrlrlrl"),
            ("aabbb", "aabbb"),
        ]
        return [(list(a), list(b)) for a, b in pairs]

    class mistakes:
        agreement = _observed
        chance = lambda a, b: 1 - cohen_kappa(a, b)
        uniform = _kappa(lambda a, b: 1 / len({*a, *b}))
        one_rater = _kappa(lambda a, b: sum((a.count(k) / len(a)) ** 2 for k in {*a, *b}))
        pooled = _kappa(
            lambda a, b: sum(((a.count(k) + b.count(k)) / (2 * len(a))) ** 2 for k in {*a, *b})
        )
        no_denominator = lambda a, b: _observed(a, b) - _chance(a, b)
        ratio = lambda a, b: _observed(a, b) / _chance(a, b)
        one_n = _kappa(lambda a, b: len(a) * _chance(a, b))

    class alternatives:
        def numpy(a, b):
            a, b = np.array(a), np.array(b)
            chance = sum((a == k).mean() * (b == k).mean() for k in np.union1d(a, b))
            return ((a == b).mean() - chance) / (1 - chance)

        def table(a, b):
            labels = sorted({*a, *b})
            counts = torch.zeros(len(labels), len(labels), dtype=torch.float64)
            for x, y in zip(a, b, strict=True):
                counts[labels.index(x), labels.index(y)] += 1 / len(a)
            chance = counts.sum(0) @ counts.sum(1)
            return (counts.trace() - chance) / (1 - chance)


def bradley_terry_step(strengths, wins):
    """One step towards the most likely strengths: p_i <- wins of i / sum over j of games(i, j) / (p_i + p_j)  (Zermelo 1929, Hunter 2004).

    strengths: (k,), positive, where P(i beats j) = p_i / (p_i + p_j).  wins: (k, k), wins[i, j]: how often i beat j, 0 on the diagonal.
    Returns (k,), all from the old strengths, scaled to the geometric mean 1.
    """
    games = wins + wins.T
    expected = (games / (strengths[:, None] + strengths[None, :])).sum(1)
    new = wins.sum(1) / expected
    return new / new.log().mean().exp()


def _scaled(p):
    return p / p.log().mean().exp()


def _bt(games, together=lambda p: p[:, None] + p[None, :], won=lambda wins: wins.sum(1)):
    """The step with other games, another sum of two strengths, or other wins."""
    return lambda p, wins: _scaled(won(wins) / (games(wins) / together(p)).sum(1))


@EXERCISES.declare(bradley_terry_step)
class _:
    def cases():
        draw = torch.Generator().manual_seed(3)
        cases = []
        for k in (2, 3, 4, 5):
            wins = torch.randint(1, 20, (k, k), generator=draw).double()
            strengths = torch.rand(k, generator=draw).double() + 0.3
            cases.append((strengths, wins * (1 - torch.eye(k, dtype=torch.float64))))
        return cases

    class mistakes:
        not_scaled = lambda p, wins: wins.sum(1) / ((wins + wins.T) / (p[:, None] + p)).sum(1)
        sums_to_one = lambda p, wins: (
            bradley_terry_step(p, wins) / bradley_terry_step(p, wins).sum()
        )
        wins_only = _bt(lambda wins: wins)
        losses = _bt(lambda wins: wins + wins.T, won=lambda wins: wins.sum(0))
        own_strength = _bt(lambda wins: wins + wins.T, lambda p: p[:, None] + 0 * p)
        opponents = _bt(lambda wins: wins + wins.T, lambda p: 0 * p[:, None] + p)
        share = lambda p, wins: _scaled(wins.sum(1) / (wins + wins.T).sum(1))
        odds = lambda p, wins: _scaled(wins.sum(1) / wins.sum(0))
        unchanged = lambda p, wins: _scaled(p)

        def one_by_one(p, wins):
            p, games = p.clone(), wins + wins.T
            for i in range(len(p)):
                p[i] = wins[i].sum() / (games[i] / (p[i] + p)).sum()
            return _scaled(p)

    class alternatives:
        def loops(strengths, wins):
            p, w = strengths.tolist(), wins.tolist()
            new = [
                sum(w[i]) / sum((w[i][j] + w[j][i]) / (p[i] + p[j]) for j in range(len(p)))
                for i in range(len(p))
            ]
            return _scaled(torch.tensor(new, dtype=torch.float64))
