"""Precision, recall and F of a candidate: what ROUGE counts in words and BERTScore in cosines."""

from typing import NamedTuple

import numpy as np

from .convert import floats


class Score(NamedTuple):
    """All 0..1.  precision: share of the candidate that the reference has; recall: the reverse; f: their harmonic mean."""

    precision: float
    recall: float
    f: float


def score(precision, recall):
    """The Score of these two shares."""
    both = precision + recall
    return Score(precision, recall, 2 * precision * recall / both if both > 0 else 0.0)


def greedy_match(candidate, reference):
    """Each token takes the most similar token of the other text, by cosine.  Zhang et al. 2020, section 3.

    candidate, reference: embeddings of the tokens, (m, d) and (n, d) -> Score, each -1..1, in practice 0..1.  Several candidate tokens may
    take the same reference token.  Raises ValueError for other shapes, no token, NaN, zero vectors.
    """
    a, b = floats(candidate), floats(reference)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not a.size or not b.size:
        raise ValueError(
            f"embeddings must be (m, d) and (n, d) with at least one token each; these are {a.shape} and {b.shape}"
        )
    unit = np.concatenate([a, b])
    lengths = np.sqrt(np.einsum("td,td->t", unit, unit))
    if not 0 < lengths.min() <= lengths.max() < np.inf:  # NaN compares to nothing
        raise ValueError(
            "embeddings must be finite and none of them zero: a zero vector has no direction"
        )
    unit /= lengths[:, None]
    similar = unit[: len(a)] @ unit[len(a) :].T  # (m, n)
    return score(float(similar.max(1).mean()), float(similar.max(0).mean()))
