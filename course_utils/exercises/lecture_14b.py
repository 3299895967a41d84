"""Exercise of lecture 14b, society, deeper: reference, cases, and the answers that students really give."""

from itertools import pairwise

import numpy as np
import torch

from .declare import Declarations

EXERCISES = Declarations()


def calibration_error(confidence, right, bins):
    """Expected calibration error (Naeini et al. 2015, Guo et al. 2017): by how much confidence and share of right answers differ.

    confidence: (n,), 0..1.  right: (n,), of zeros and ones.  bins: how many of equal width there are in 0..1.  The gaps of the bins are
    weighted by the answers in them; a bin without any counts nothing.  Returns a scalar in 0..1.
    """
    place, error = (
        (confidence * bins).long().clamp(max=bins - 1),
        0.0,
    )  # a confidence of 1 is in the last
    for bin in place.unique():
        inside = place == bin
        gap = right[inside].float().mean() - confidence[inside].mean()
        error = error + inside.float().mean() * gap.abs()
    return error


def _binned(confidence, right, bins):
    """Of each bin that has answers: the gap, the share of all answers, and its middle in place of the mean confidence."""
    confidence, right = torch.as_tensor(confidence), torch.as_tensor(right).float()
    place = (confidence * bins).long().clamp(max=bins - 1)
    gaps, shares, middles = [], [], []
    for b in place.unique():
        inside = place == b
        gaps.append(right[inside].mean() - confidence[inside].mean())
        shares.append(inside.float().mean())
        middles.append(right[inside].mean() - (b + 0.5) / bins)
    return torch.stack(gaps), torch.stack(shares), torch.stack(middles)


def _by_rank(confidence, right, bins):
    """Bins of equally many answers."""
    order = confidence.argsort()
    parts = [part for part in order.tensor_split(bins) if len(part)]
    gaps = [(right[part].float().mean() - confidence[part].mean()).abs() * len(part) for part in parts]  # fmt: skip
    return torch.stack(gaps).sum() / len(confidence)


def _told(share, n, seed, low=0.0, high=1.0):
    """n answers with confidences between low and high, right with a chance of confidence ** share."""
    draw = torch.Generator().manual_seed(seed)
    confidence = low + (high - low) * torch.rand(n, generator=draw)
    return confidence, (torch.rand(n, generator=draw) < confidence**share).long()


@EXERCISES.declare(calibration_error)
class _:
    def cases():
        return [
            (*_told(2.0, 300, seed=0), 10),
            (*_told(0.5, 200, seed=1), 5),
            (*_told(1.0, 60, seed=2, low=0.35, high=0.85), 20),  # bins without an answer
            (torch.tensor([0.13, 0.97, 1.0, 1.0, 0.4]), torch.tensor([0, 1, 1, 0, 1]), 4),
            (torch.tensor([0.42, 0.44, 0.71, 0.78]), torch.tensor([1, 1, 0, 0]), 2),
        ]

    class mistakes:
        unweighted = lambda c, r, bins: _binned(c, r, bins)[0].abs().mean()
        over_bins = lambda c, r, bins: _binned(c, r, bins)[0].abs().sum() / bins
        signed = lambda c, r, bins: (_binned(c, r, bins)[0] * _binned(c, r, bins)[1]).sum()
        squared = lambda c, r, bins: (_binned(c, r, bins)[0] ** 2 * _binned(c, r, bins)[1]).sum()
        middle = lambda c, r, bins: (_binned(c, r, bins)[2].abs() * _binned(c, r, bins)[1]).sum()
        largest = lambda c, r, bins: _binned(c, r, bins)[0].abs().max()
        one_bin = lambda c, r, bins: (r.float().mean() - c.mean()).abs()
        no_bins = lambda c, r, bins: (r.float() - c).abs().mean()
        brier = lambda c, r, bins: ((r.float() - c) ** 2).mean()
        equal_counts = _by_rank
        only_sure = lambda c, r, bins: (1 - r[c * bins >= bins - 1].float().mean()).abs()

        def lost_ones(c, r, bins):
            gaps, shares, _ = _binned(c[c < 1], r[c < 1], bins)
            return (gaps.abs() * shares).sum() * (c < 1).float().mean()

        def own_bin(c, r, bins):
            place = (c * bins).long()
            gaps = [(r[place == b].float().mean() - c[place == b].mean()).abs() * (place == b).float().mean() for b in place.unique()]  # fmt: skip
            return torch.stack(gaps).sum()

        def empty_bins(c, r, bins):
            place = (c * bins).long().clamp(max=bins - 1)
            gaps = [(r[place == b].float().mean() - c[place == b].mean()).abs() * (place == b).float().mean() for b in range(bins)]  # fmt: skip
            return torch.stack(gaps).sum()

    class alternatives:
        sums = lambda c, r, bins: (
            torch.zeros(bins).index_add(0, (c * bins).long().clamp(max=bins - 1), r - c).abs().sum()
            / len(c)
        )

        def right_closed(c, r, bins):
            c, r, error = np.asarray(c, dtype=float), np.asarray(r), 0.0
            for low, high in pairwise(np.linspace(0, 1, bins + 1)):
                inside = (c > low) & (c <= high)
                if inside.any():
                    error += inside.mean() * abs(r[inside].mean() - c[inside].mean())
            return error
