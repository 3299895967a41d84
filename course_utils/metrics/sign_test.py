"""Is a preference real?  The exact sign test of a blind comparison, its power, and how many judgements it needs."""

import math
from numbers import Integral
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from .convert import plain, whole


class SignTest(NamedTuple):
    """p_value: two-sided, 0..1.  share: wins / trials.  low, high: interval of the true share."""

    p_value: float
    share: float
    low: float
    high: float


def binomial_sign_test(wins, trials, level=0.95):
    """Is A preferred to B?  Exact two-sided sign test against 1/2, with the exact interval of Clopper & Pearson (1934).

    wins: how often A was chosen; trials: judgements without ties, >= 1 -> SignTest(p_value, share, low, high).  level of the interval: 0..1.
    p_value: probability of a result at least as far from trials / 2, either way, when both are equally good.
    Judgements must be independent: 50 answers of one person are not 50 people.  Equal to scipy.stats.binomtest.
    Raises ValueError for numbers that aren't whole, wins outside of 0..trials, no trials.
    """
    wins, trials = plain(wins), plain(trials)
    for name, value in (("wins", wins), ("trials", trials)):
        if not isinstance(value, Integral):
            raise ValueError(f"{name} must be a whole number; this is {value!r}")
    if trials < 1 or not 0 <= wins <= trials:
        raise ValueError(f"wins must lie in 0..trials, trials >= 1; these are {wins} of {trials}")
    if not 0 < level < 1:
        raise ValueError(f"level lies between 0 and 1; this is {level}")
    rarer = min(wins, trials - wins)
    p_value = 1.0 if 2 * rarer == trials else min(1.0, 2 * _at_most(rarer, trials, 0.5))
    tail = (1 - level) / 2
    # p at which as many wins, or as few, would have the probability `tail`
    high = 1.0 if wins == trials else _solve(lambda p: _at_most(wins, trials, p) > tail)
    low = 0.0 if wins == 0 else 1 - _solve(lambda p: _at_most(trials - wins, trials, p) > tail)
    return SignTest(p_value, wins / trials, low, high)


def wilson_interval(hits, trials):
    """95 % interval of a share, (low, high) in 0..1: Wilson's (1927), all shares for which as many hits are no surprise (lecture 01b).

    hits: how many of the trials; trials: >= 1.  Narrower than the exact interval of ``binomial_sign_test``.
    Raises ValueError for hits outside of 0..trials or no trials.
    """
    hits, trials = plain(hits), plain(trials)
    if trials < 1 or not 0 <= hits <= trials:
        raise ValueError(f"hits must lie in 0..trials, trials >= 1; these are {hits} of {trials}")
    share, z2 = hits / trials, 1.96**2 / trials
    middle, half = share + z2 / 2, math.sqrt(z2 * share * (1 - share) + z2**2 / 4)
    return max(middle - half, 0.0) / (1 + z2), (middle + half) / (1 + z2)


def _at_most(k, n, p):
    """P(X <= k) for X binomial(n, p): the largest term below the mean, times what the others are of it."""
    if k < 0:
        return 0.0
    if k >= n:
        return 1.0
    if k > n * p:
        return 1.0 - _at_most(n - k - 1, n, 1 - p)
    i = np.arange(k, 0, -1)
    others = np.cumprod(
        i / (n - i + 1) * ((1 - p) / p)
    ).sum()  # terms k - 1, k - 2, ... over term k
    log_term = _log_choose(n, k) + k * math.log(p) + (n - k) * math.log1p(-p)
    return min(1.0, math.exp(log_term) * (1 + float(others)))


def _log_choose(n, k):
    if n <= 3000:
        return math.log(math.comb(n, k))
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _solve(is_below):
    """The number between 0 and 1 up to which ``is_below`` holds."""
    low, high = 0.0, 1.0
    for _ in range(80):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return (low + high) / 2


def sign_test_power(trials, difference=0.05, alpha=0.05):
    """Chance, 0..1, that ``binomial_sign_test`` of so many judgements has p <= alpha when A wins a judgement with 1/2 + difference.

    Exact.  It rises with trials in a saw-tooth, for the number of wins that suffices jumps.  Raises ValueError as ``judgements_needed``.
    """
    trials, difference = whole(trials, "trials", 1), plain(difference)
    _plan_is_possible(difference, 0.5, alpha)
    return _power(trials, 0.5 + abs(difference), alpha, _critical(trials, alpha))


def judgements_needed(difference=0.05, power=0.8, alpha=0.05):
    """How many judgements a blind comparison needs: the smallest number whose exact sign test has the wanted power.

    difference: A wins a judgement with probability 1/2 + difference, 0 < difference < 1/2 (0.05: 55 wins in 100).  power: chance to notice
    it, 0..1.  alpha: chance, two-sided, to see a difference where there is none -> int.  Ties are no judgements.
    For small differences about (z(1 - alpha/2) / 2 + z(power) sqrt(p (1 - p)))^2 / difference^2 with p = 1/2 + difference and z the normal
    quantile: 783 for the defaults.  Because of the saw-tooth (``sign_test_power``) a few more judgements can have slightly less power.
    Raises ValueError for numbers outside of these ranges.
    """
    difference, power = plain(difference), plain(power)
    _plan_is_possible(difference, power, alpha)
    p, z = 0.5 + abs(difference), NormalDist().inv_cdf
    about = ((z(1 - alpha / 2) / 2 + z(power) * math.sqrt(p * (1 - p))) / (p - 0.5)) ** 2
    if about > 200_000:
        raise ValueError(
            f"a difference of {difference:g} needs about {about:,.0f} judgements: more than can be searched, or asked for"
        )
    n = max(1, int(0.85 * about) - 30)  # the saw-tooth is far narrower
    critical = _critical(n, alpha)
    while _power(n, p, alpha, critical) < power:
        n += 1
        # one judgement more: the number of rare answers that suffices stays or grows by one
        if 2 * _at_most(critical + 1, n, 0.5) <= alpha:
            critical += 1
    return n


def _plan_is_possible(difference, power, alpha):
    if not (0 < abs(difference) < 0.5 and 0 < alpha < 1 and 0 < power < 1):
        raise ValueError(
            "difference lies between 0 and 1/2, alpha and power between 0 and 1; "
            f"these are {difference}, {alpha}, {power}"
        )


def _critical(n, alpha):
    """The largest k with 2 P(X <= k) <= alpha for X binomial(n, 1/2); -1 if there is none."""
    low, high = -1, n // 2
    while high - low > 1:
        k = (low + high) // 2
        low, high = (k, high) if 2 * _at_most(k, n, 0.5) <= alpha else (low, k)
    return low


def _power(n, p, alpha, critical):
    if critical < 0:
        return 0.0
    return _at_most(critical, n, p) + _at_most(critical, n, 1 - p)
