"""Do raters agree, beyond chance?"""

import itertools

import numpy as np

from .convert import plain


def cohen_kappa(rater_a, rater_b, weights=None):
    """Agreement of two raters beyond chance, each with their own habits.  Cohen 1960; weighted: Cohen 1968.

    rater_a, rater_b: labels of the same n items -> float <= 1; 0: as by chance.  weights: None (equal or not), or, for numbers, "linear" or
    "quadratic" in the labels' ranks.  Equal to scikit-learn's cohen_kappa_score.
    Raises ValueError for different lengths, missing labels, or one label used for everything, where there is no chance to measure against.
    """
    a, b = list(plain(rater_a)), list(plain(rater_b))
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
    rows = [list(row) for row in plain(ratings)]
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
    rows = [[label for label in row if not _missing(label)] for row in plain(ratings)]
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
    # also pairs of a label with itself: they are 0 apart
    observed = counts.T @ (counts / (counts.sum(1, keepdims=True) - 1))
    expected = np.outer(total, total) / (total.sum() - 1)
    return float(1 - (observed * apart).sum() / (expected * apart).sum())


def _missing(label):
    return label is None or label != label


def _labels(found):
    """The different labels, in order; numbers by size, texts by the alphabet."""
    found = list(found)
    if any(isinstance(label, list) for label in found):
        raise ValueError(f"a label is a number or a text, and not several: {found[0]}")
    found = set(found)
    if any(map(_missing, found)):
        raise ValueError(
            "there are missing labels (None or NaN): krippendorff_alpha can deal with them"
        )
    if len({isinstance(label, str) for label in found}) > 1:
        raise ValueError("labels must be all texts or all numbers")
    return sorted(found)
