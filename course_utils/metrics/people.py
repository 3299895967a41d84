"""The arithmetic of asking people: is a preference real, do raters agree, who is best.  The forms that ask are in ``forms``."""

import itertools
import math
from collections.abc import Mapping
from numbers import Integral
from statistics import NormalDist
from typing import NamedTuple

import numpy as np


class SignTest(NamedTuple):
    """p_value: two-sided, 0..1.  share: wins / trials.  low, high: interval of the true share."""

    p_value: float
    share: float
    low: float
    high: float


class Strength(NamedTuple):
    """strength: logarithm of the odds against an average opponent, in nats.  stderr: its standard error, in nats."""

    name: object
    strength: float
    stderr: float


# --- one comparison ---------------------------------------------------------------------------------------------------


def binomial_sign_test(wins, trials, level=0.95):
    """Is A preferred to B?  Exact two-sided sign test against 1/2, with the exact interval of Clopper & Pearson (1934).

    wins: how often A was chosen; trials: judgements without ties, >= 1 -> SignTest(p_value, share, low, high).  level of the interval: 0..1.
    p_value: probability of a result at least as far from trials / 2, either way, when both are equally good.
    Judgements must be independent: 50 answers of one person are not 50 people.  Equal to scipy.stats.binomtest.
    Raises ValueError for numbers that aren't whole, wins outside of 0..trials, no trials.
    """
    for name, value in (("wins", wins), ("trials", trials)):
        if not isinstance(value, Integral):
            raise ValueError(f"{name} must be a whole number; this is {value!r}")
    wins, trials = int(wins), int(trials)
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
    if not isinstance(trials, Integral) or trials < 1:
        raise ValueError(f"trials must be a whole number from 1 up; this is {trials!r}")
    _plan_is_possible(difference, 0.5, alpha)
    return _power(int(trials), 0.5 + abs(difference), alpha, _critical(int(trials), alpha))


def judgements_needed(difference=0.05, power=0.8, alpha=0.05):
    """How many judgements a blind comparison needs: the smallest number whose exact sign test has the wanted power.

    difference: A wins a judgement with probability 1/2 + difference, 0 < difference < 1/2 (0.05: 55 wins in 100).  power: chance to notice
    it, 0..1.  alpha: chance, two-sided, to see a difference where there is none -> int.  Ties are no judgements.
    For small differences about (z(1 - alpha/2) / 2 + z(power) sqrt(p (1 - p)))^2 / difference^2 with p = 1/2 + difference and z the normal
    quantile: 783 for the defaults.  Because of the saw-tooth (``sign_test_power``) a few more judgements can have slightly less power.
    Raises ValueError for numbers outside of these ranges.
    """
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


# --- agreement --------------------------------------------------------------------------------------------------------


def cohen_kappa(rater_a, rater_b, weights=None):
    """Agreement of two raters beyond chance, each with their own habits.  Cohen 1960; weighted: Cohen 1968.

    rater_a, rater_b: labels of the same n items -> float <= 1; 0: as by chance.  weights: None (equal or not), or, for numbers, "linear" or
    "quadratic" in the labels' ranks.  Equal to scikit-learn's cohen_kappa_score.
    Raises ValueError for different lengths, missing labels, or one label used for everything, where there is no chance to measure against.
    """
    a, b = list(rater_a), list(rater_b)
    if not a or len(a) != len(b):
        raise ValueError(f"both raters must label the same items; these are {len(a)} and {len(b)}")
    labels = _labels(a + b)
    if weights not in (None, "linear", "quadratic"):
        raise ValueError(f'weights is None, "linear" or "quadratic"; this is {weights!r}')
    if len(labels) < 2:
        raise ValueError("both raters used one and the same label for everything: kappa is 0/0")
    at = {label: i for i, label in enumerate(labels)}
    table = np.zeros((len(labels), len(labels)))
    for x, y in zip(a, b):
        table[at[x], at[y]] += 1
    rank = np.arange(len(labels))
    apart = np.abs(rank[:, None] - rank).astype(float)
    cost = {None: (apart > 0).astype(float), "linear": apart, "quadratic": apart**2}[weights]
    expected = np.outer(table.sum(1), table.sum(0)) / len(a)
    return float(1 - (cost * table).sum() / (cost * expected).sum())


def fleiss_kappa(ratings):
    """Agreement of several raters beyond chance; the raters may differ from item to item.  Fleiss 1971.

    ratings: labels, (items, raters), the same number of raters (>= 2) for all, none missing -> float <= 1; 0: as by chance.
    Equal to statsmodels' fleiss_kappa.  Raises ValueError for rows of different lengths, missing labels (use ``krippendorff_alpha``), or one
    label used for everything.
    """
    rows = [list(row) for row in ratings]
    raters = len(rows[0]) if rows else 0
    if raters < 2 or any(len(row) != raters for row in rows):
        raise ValueError(
            "ratings must be (items, raters): at least two labels an item, and as many for each"
        )
    labels = _labels(itertools.chain(*rows))
    if len(labels) < 2:
        raise ValueError("all raters used one and the same label for everything: kappa is 0/0")
    counts = np.array([[row.count(label) for label in labels] for row in rows], dtype=float)
    agreed = ((counts**2).sum(1) - raters).mean() / (raters * (raters - 1))
    by_chance = ((counts.sum(0) / counts.sum()) ** 2).sum()
    return float((agreed - by_chance) / (1 - by_chance))


def krippendorff_alpha(ratings, level="nominal"):
    """Agreement of any number of raters, with missing answers: 1 - observed / expected disagreement.  Krippendorff 2011.

    ratings: (items, raters), None or NaN where an answer is missing -> float <= 1; 0: as by chance.  Items with one answer don't count.
    level, how far two answers are apart: "nominal" (equal or not; any labels), "ordinal" (answers between them; numbers in order),
    "interval" (squared difference; numbers).  Equal to the package krippendorff, which wants (raters, items).
    Raises ValueError for another level, labels that are no numbers where numbers are needed, no item with two answers, or no two different
    answers.
    """
    if level not in ("nominal", "ordinal", "interval"):
        raise ValueError(f'level is "nominal", "ordinal" or "interval"; this is {level!r}')
    rows = [[label for label in row if not _missing(label)] for row in ratings]
    rows = [row for row in rows if len(row) >= 2]
    if not rows:
        raise ValueError("alpha needs at least one item with two answers")
    labels = _labels(itertools.chain(*rows))
    if len(labels) < 2:
        raise ValueError("all answers are the same: without any variation alpha is 0/0")
    if level == "nominal":
        apart = 1.0 - np.eye(len(labels))
    elif any(isinstance(label, str) for label in labels):
        raise ValueError(f"level {level!r} needs numbers; some answers are texts")
    counts = np.array([[row.count(label) for label in labels] for row in rows], dtype=float)
    total = counts.sum(0)
    if level == "interval":
        values = np.array(labels, dtype=float)
        apart = (values[:, None] - values) ** 2
    elif level == "ordinal":
        rank = total.cumsum() - total / 2
        apart = (rank[:, None] - rank) ** 2
    observed = counts.T @ (
        counts / (counts.sum(1, keepdims=True) - 1)
    )  # also pairs with itself: they are 0 apart
    expected = np.outer(total, total) / (total.sum() - 1)
    return float(1 - (observed * apart).sum() / (expected * apart).sum())


def _missing(label):
    return label is None or (isinstance(label, (float, np.floating)) and math.isnan(label))


def _labels(found):
    """The different labels, in order; numbers by size, texts by the alphabet."""
    found = set(found)
    if any(map(_missing, found)):
        raise ValueError(
            "there are missing labels (None or NaN): krippendorff_alpha can deal with them"
        )
    if len({isinstance(label, str) for label in found}) > 1:
        raise ValueError("labels must be all texts or all numbers")
    return sorted(found)


# --- many models ------------------------------------------------------------------------------------------------------


def win_matrix(comparisons):
    """Counts of wins from single judgements.

    comparisons: (winner, loser), or (a, b, "tie"): half a win for each; or rows that ``read_answers`` gives -> (wins, names), names sorted,
    wins[i, j]: how often names[i] beat names[j], (k, k).  Raises ValueError for no comparison, or one of a model with itself.
    """
    pairs = []
    for row in comparisons:
        row = comparison(row) if isinstance(row, Mapping) else tuple(row)
        if len(row) not in (2, 3) or row[0] == row[1] or (len(row) == 3 and row[2] != "tie"):
            raise ValueError(f'a comparison is (winner, loser) or (a, b, "tie"); this is {row!r}')
        pairs += (
            [(row[0], row[1], 1.0)] if len(row) == 2 else [(*row[:2], 0.5), (row[1], row[0], 0.5)]
        )
    if not pairs:
        raise ValueError("there are no comparisons yet")
    names = sorted({name for pair in pairs for name in pair[:2]})
    wins = np.zeros((len(names), len(names)))
    for winner, loser, weight in pairs:
        wins[names.index(winner), names.index(loser)] += weight
    return wins, names


def comparison(row):
    """An answer of ``BlindComparison`` (a dict) as (winner, loser) or (a, b, "tie")."""
    if row["choice"] == "tie":
        return row["left"], row["right"], "tie"
    left, right = row["left"], row["right"]
    return (left, right) if row["choice"] == "left" else (right, left)


def rating_table(rows):
    """Answers side by side, for ``krippendorff_alpha`` and its like.

    rows: dicts from ``read_answers``, of ``Rating`` or of ``BlindComparison``, about the same samples -> (table, items, raters): table
    (items, raters) with NaN where an answer is missing, its row and column names.  A rating is a number 1..5 of (model, item); a comparison
    is 1 for the model first in the alphabet, 0 for the other, 0.5 for a tie, of (model, other model, item).
    The first answer of a rater about an item counts.  Raises ValueError for no rows, or rows about different samples.
    """
    rows = list(rows)
    if not rows:
        raise ValueError("there are no answers yet")
    if len({row["samples"] for row in rows}) > 1:
        raise ValueError(
            'these answers are about different samples (column "samples"): choose the rows of one set'
        )
    found = {}
    for row in rows:
        if "rating" in row:
            key, value = (row["model"], int(row["item"])), float(row["rating"])
        else:
            first, other = sorted((row["left"], row["right"]))
            winner = comparison(row)
            value = 0.5 if len(winner) == 3 else float(winner[0] == first)
            key = (first, other, int(row["item"]))
        found.setdefault((key, row["rater"]), value)
    items = sorted({key for key, _ in found})
    raters = sorted({rater for _, rater in found})
    table = np.array([[found.get((i, r), math.nan) for r in raters] for i in items])
    return table, items, raters


def bradley_terry(wins, names=None):
    """Ranking from comparisons of pairs: P(i beats j) = 1 / (1 + exp(s_j - s_i)), most likely strengths.  Bradley & Terry 1952.

    wins: (k, k), wins[i, j] how often i beat j; the diagonal doesn't count.  names: of the k models, default 0..k-1
    -> [Strength(name, strength, stderr), ...], strongest first; strengths have the mean 0, and stderr belongs to that choice.
    A tie is half a win for each (so ``win_matrix`` counts it), a common simplification: it pulls strengths together a little more than
    Davidson's model (1970), which has a parameter for ties, and leaves stderr a little too large.
    From a form: ``bradley_terry(*win_matrix(form.comparisons))``.
    Raises ValueError for other shapes or negative counts, when some models were never compared with the others, directly or through others
    (disconnected), and when a group of models never lost to the rest: its strength would be infinite.  Ford 1957.
    """
    wins = np.array(wins, dtype=np.float64)
    k = len(wins)
    if wins.ndim != 2 or wins.shape != (k, k) or k < 2:
        raise ValueError(f"wins must be (k, k) with k >= 2; this is {wins.shape}")
    if not np.isfinite(wins).all() or wins.min() < 0:
        raise ValueError("wins must hold counts: finite and not negative")
    names = list(range(k)) if names is None else list(names)
    if len(names) != k:
        raise ValueError(f"there are {len(names)} names for {k} models")
    np.fill_diagonal(wins, 0)
    _ranking_exists(wins, names)
    games, won = wins + wins.T, wins.sum(1)
    s = np.zeros(k)

    def log_likelihood(s):
        return -(wins * np.logaddexp(0, s[None] - s[:, None])).sum()

    for _ in range(100):  # Newton's method; the likelihood is concave
        p = 1 / (1 + np.exp(s[None] - s[:, None]))  # i beats j
        information = np.diag((games * p * (1 - p)).sum(1)) - games * p * (1 - p)
        step = np.linalg.solve(information + 1 / k, won - (games * p).sum(1))
        before = log_likelihood(s)
        size = 1.0
        while log_likelihood(s + size * step) < before - 1e-12 * abs(before) and size > 1e-8:
            size /= 2
        s = s + size * step
        s -= s.mean()
        if np.abs(step).max() < 1e-10:
            break
    p = 1 / (1 + np.exp(s[None] - s[:, None]))
    information = np.diag((games * p * (1 - p)).sum(1)) - games * p * (1 - p)
    errors = np.sqrt(np.diag(np.linalg.pinv(information, hermitian=True)).clip(min=0))
    rows = [Strength(n, float(x), float(e)) for n, x, e in zip(names, s, errors)]
    return sorted(rows, key=lambda row: -row.strength)


def _ranking_exists(wins, names):
    def reach(links):
        seen, new = {0}, [0]
        while new:
            new = [int(j) for j in np.flatnonzero(links[new.pop()]) if j not in seen] + new
            seen |= set(new)
        return seen

    def listed(members):
        return ", ".join(str(names[i]) for i in sorted(members))

    everyone = set(range(len(wins)))
    together = reach(wins + wins.T > 0)
    if together != everyone:
        raise ValueError(
            f"the comparisons fall apart: {listed(together)} were never compared with {listed(everyone - together)}, "
            "so there is no common ranking; compare a pair across the groups"
        )
    for beaten, links in ((True, wins > 0), (False, wins.T > 0)):
        group = reach(links)
        if group != everyone:
            losers, winners = (group, everyone - group) if beaten else (everyone - group, group)
            raise ValueError(
                f"{listed(winners)} never lost to {listed(losers)}: the strength would be infinite; "
                "collect more judgements, or leave these models out"
            )
