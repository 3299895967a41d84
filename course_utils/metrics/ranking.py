"""Which model is best?  A ranking from comparisons of pairs."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from .answers import comparison
from .convert import floats, plain


class Strength(NamedTuple):
    """strength: logarithm of the odds against an average opponent, in nats.  stderr: its standard error, in nats."""

    name: object
    strength: float
    stderr: float


def win_matrix(comparisons):
    """Counts of wins from single judgements.

    comparisons: (winner, loser), or (a, b, "tie"): half a win for each; or rows that ``read_answers`` gives -> (wins, names), names sorted,
    wins[i, j]: how often names[i] beat names[j], (k, k).  Raises ValueError for no comparison, or one of a model with itself.
    """
    pairs = []
    for row in plain(comparisons):
        row = comparison(row) if isinstance(row, Mapping) else tuple(plain(row))
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


def bradley_terry(wins, names=None):
    """Ranking from comparisons of pairs: P(i beats j) = 1 / (1 + exp(s_j - s_i)), most likely strengths.  Bradley & Terry 1952.

    wins: (k, k), wins[i, j] how often i beat j; the diagonal doesn't count.  names: of the k models, default 0..k-1
    -> [Strength(name, strength, stderr), ...], strongest first; strengths have the mean 0, and stderr belongs to that choice.
    A tie is half a win for each (so ``win_matrix`` counts it), a common simplification: it pulls strengths together a little more than
    Davidson's model (1970), which has a parameter for ties, and leaves stderr a little too large.
    From a form: ``bradley_terry(*win_matrix(form.comparisons))``.
    Raises ValueError for other shapes or negative counts, when some models were never compared with the others, directly or through others
    (disconnected), when a group of models never lost to the rest: its strength would be infinite (Ford 1957), and for counts too far apart
    for Newton's method (1e300 to 1).
    """
    wins = floats(wins).copy()
    k = len(wins)
    if wins.ndim != 2 or wins.shape != (k, k) or k < 2:
        raise ValueError(f"wins must be (k, k) with k >= 2; this is {wins.shape}")
    if not np.isfinite(wins).all() or wins.min() < 0:
        raise ValueError("wins must hold counts: finite and not negative")
    names = list(range(k)) if names is None else list(plain(names))
    if len(names) != k:
        raise ValueError(f"there are {len(names)} names for {k} models")
    np.fill_diagonal(wins, 0)
    _ranking_exists(wins, names)
    games = wins + wins.T
    s = np.zeros(k)

    def log_likelihood(s):
        return -(wins * np.logaddexp(0, s[None] - s[:, None])).sum()

    for _ in range(100):  # Newton's method; the likelihood is concave
        p, information = _information(s, games)
        # wins, less those expected; summed over pairs, where large numbers that nearly cancel don't meet
        step = np.linalg.solve(information, (wins * p.T - wins.T * p).sum(1))
        before = log_likelihood(s)
        size = 1.0
        while log_likelihood(s + size * step) < before - 1e-12 * abs(before) and size > 1e-8:
            size /= 2
        s = s + size * step
        s -= s.mean()
        if np.abs(step).max() < 1e-10:
            break
    else:
        raise ValueError(
            f"no strengths were found in 100 steps: counts up to {wins.max():.3g} are too far apart"
        )
    _, information = _information(s, games)
    centre = np.eye(k) - 1 / k  # errors about the mean, which is 0 by choice
    errors = np.sqrt(np.diag(centre @ np.linalg.inv(information) @ centre))
    rows = [Strength(n, float(x), float(e)) for n, x, e in zip(names, s, errors)]
    return sorted(rows, key=lambda row: -row.strength)


def _information(s, games):
    """p, (k, k): i beats j; and the Fisher information of the strengths, made invertible by information about their mean."""
    p = np.exp(-np.logaddexp(0, s[None] - s[:, None]))
    # p.T for 1 - p: this is symmetric to the last bit, and keeps its digits where p is near 1
    pairs = games * (p * p.T)
    information = np.diag(pairs.sum(1)) - pairs
    return p, information + np.trace(information) / len(s) ** 2


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
