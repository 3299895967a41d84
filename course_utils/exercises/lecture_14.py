"""Exercises of lecture 14, generative models and society: references, cases, and the answers that students really give."""

import math
from itertools import pairwise

import numpy as np
import torch

from .declare import Declarations

EXERCISES = Declarations()


def exposure(loss, others):
    """log2 of the number of candidates minus log2 of the canary's rank, in bits (Carlini et al. 2019): 0 in the last place.

    loss: of the canary.  others: (n,), the losses of the n other candidates; one with an equal loss comes before the canary.
    """
    rank = 1 + (others <= loss).sum()
    return torch.log2((len(others) + 1) / rank)


def _rank(loss, others):
    return 1 + (others <= loss).sum()


@EXERCISES.declare(exposure)
class _:
    def cases():
        spread = torch.linspace(1.0, 9.0, 255)
        return [
            (torch.tensor(0.5), spread),  # first of 256: 8 bits
            (torch.tensor(3.3), spread),
            (torch.tensor(9.5), spread),  # last: 0 bits
            (torch.tensor(2.0), torch.tensor([2.0, 1.0, 2.0, 4.0, 5.0, 6.0, 7.0])),
            (torch.tensor(4.0), torch.full((9,), 4.0)),  # the model knows nothing: all are equal
        ]

    class mistakes:
        nats = lambda loss, others: torch.log((len(others) + 1) / _rank(loss, others))
        from_worst = lambda loss, others: torch.log2((len(others) + 1) / _rank(-loss, -others))
        ties_behind = lambda loss, others: torch.log2(
            (len(others) + 1) / (1 + (others < loss).sum())
        )
        without_itself = lambda loss, others: torch.log2(len(others) / _rank(loss, others))
        twice = lambda loss, others: torch.log2((len(others) + 2) / (1 + _rank(loss, others)))
        from_zero = lambda loss, others: torch.log2((len(others) + 1) / (others <= loss).sum())
        only_rank = lambda loss, others: torch.log2(_rank(loss, others))
        sign = lambda loss, others: torch.log2(_rank(loss, others) / (len(others) + 1))
        ratio = lambda loss, others: (len(others) + 1) / _rank(loss, others)
        advantage = lambda loss, others: (others.mean() - loss) / math.log(2)
        spreads = lambda loss, others: (others.mean() - loss) / others.std().clamp(min=1e-9)

    class alternatives:
        difference = lambda loss, others: math.log2(len(others) + 1) - _rank(loss, others).log2()

        def numpy(loss, others):
            everyone = np.sort(np.append(np.asarray(others), float(loss)))
            return -np.log2(np.searchsorted(everyone, float(loss), side="right") / len(everyone))


def is_green(previous, token, key, gamma):
    """Whether a token is green behind its predecessor: a share gamma of all pairs, chosen by a hash with a secret key.

    previous, token: whole numbers, tensors that broadcast.  key: a whole number.  Returns a tensor of booleans.
    """
    previous, token = (
        torch.as_tensor(previous),
        torch.as_tensor(token),
    )  # a list times a million is a long list
    mixed = (previous * 73_856_093) ^ (token * 19_349_663) ^ (key * 83_492_791)
    mixed = ((mixed ^ (mixed >> 13)) & 0x7FFFFFFF) * 1_274_126_177 >> 16
    return mixed % 10_007 < gamma * 10_007


def green_z(ids, key, gamma):
    """How many standard deviations more green tokens a text has than chance gives (Kirchenbauer et al. 2023).

    ids: (time,), its tokens.  key, gamma: of the watermark.  The first token has no predecessor and isn't counted.  Returns a scalar.
    """
    green = is_green(ids[:-1], ids[1:], key, gamma)
    n = len(green)
    return (green.sum() - gamma * n) / (n * gamma * (1 - gamma)) ** 0.5


def _z(green, gamma, n=None, assumed=None):
    """The z-score of some green tokens, with another number of tokens or another share of green."""
    n, p = n or len(green), assumed or gamma
    return (green.sum() - p * n) / (n * p * (1 - p)) ** 0.5


def _pairs(ids, key, gamma):
    return is_green(ids[:-1], ids[1:], key, gamma)


@EXERCISES.declare(green_z)
class _:
    def cases():
        draw = torch.Generator().manual_seed(14)
        text = torch.randint(0, 1536, (200,), generator=draw)
        return [
            (text, 7, 0.25),
            (text, 8, 0.5),
            (text[:41] % 50, 123_456, 0.1),
            (torch.arange(60) * 7 % 64, 3, 0.75),
        ]

    class mistakes:
        own_token = lambda ids, key, gamma: _z(is_green(ids[1:], ids[1:], key, gamma), gamma)
        next_token = lambda ids, key, gamma: _z(is_green(ids[1:], ids[:-1], key, gamma), gamma)
        first_counted = lambda ids, key, gamma: _z(_pairs(ids, key, gamma), gamma, len(ids))
        around = lambda ids, key, gamma: _z(is_green(ids.roll(1), ids, key, gamma), gamma)
        no_root = lambda ids, key, gamma: (
            _z(_pairs(ids, key, gamma), gamma) / ((len(ids) - 1) * gamma * (1 - gamma)) ** 0.5
        )
        no_red = lambda ids, key, gamma: _z(_pairs(ids, key, gamma), gamma) * (1 - gamma) ** 0.5
        half = lambda ids, key, gamma: _z(_pairs(ids, key, gamma), gamma, assumed=0.5)
        half_green = lambda ids, key, gamma: _z(_pairs(ids, key, 0.5), gamma, assumed=0.5)
        share = lambda ids, key, gamma: _pairs(ids, key, gamma).float().mean()
        excess = lambda ids, key, gamma: _pairs(ids, key, gamma).float().mean() - gamma
        one_token = lambda ids, key, gamma: (
            _z(_pairs(ids, key, gamma), gamma) / (len(ids) - 1) ** 0.5
        )
        red = lambda ids, key, gamma: -_z(_pairs(ids, key, gamma), gamma)
        no_key = lambda ids, key, gamma: _z(_pairs(ids, 0, gamma), gamma)

    class alternatives:
        def loop(ids, key, gamma):
            green = [bool(is_green(a, b, key, gamma)) for a, b in pairwise(ids)]
            n = len(green)
            return (sum(green) / n - gamma) / math.sqrt(gamma * (1 - gamma) / n)


def amplification(labels, samples):
    """Share of a group among a model's samples minus its share in the data, in -1..1, with its 95 % interval: (3,), value, low, high.

    labels: (n, 2) of zeros and ones: of each labelled image whether it belongs to the group, and whether the classifier says so.
    samples: (m,), what the classifier says of the samples.  Its errors are corrected (Rogan and Gladen 1978) and widen the interval.
    """
    true, named = labels.double().T
    hit, false = named[true == 1].mean(), named[true == 0].mean()
    said, share = samples.double().mean(), true.mean()
    real = (said - false) / (hit - false)
    of_said, of_hit, of_false, of_share = [p * (1 - p) / n for p, n in ((said, len(samples)), (hit, true.sum()), (false, (1 - true).sum()), (share, len(true)))]  # fmt: skip
    variance = (of_said + real**2 * of_hit + (1 - real) ** 2 * of_false) / (hit - false) ** 2
    return real - share + (variance + of_share) ** 0.5 * torch.tensor([0, -1.96, 1.96])


def _amplified(corrected=True, judge=True, data=True, widths=1.96, root=True, ratio=False):
    """The same, with parts left out: the correction, the errors of the classifier or the data in the interval, the root."""

    def wrong(labels, samples):
        true, named = labels.double().T
        said, share = samples.double().mean(), true.mean()
        hit, false = named[true == 1].mean(), named[true == 0].mean()
        if not corrected:
            hit, false = torch.tensor(1.0), torch.tensor(0.0)
        real = (said - false) / (hit - false)
        spread = lambda p, n: p * (1 - p) / n
        variance = spread(said, len(samples))
        if judge:
            of_hits, of_false = spread(hit, true.sum()), spread(false, (1 - true).sum())
            variance = variance + real**2 * of_hits + (1 - real) ** 2 * of_false
        variance = variance / (hit - false) ** 2 + data * spread(share, len(true))
        value = real / share - 1 if ratio else real - share
        return value + (variance**0.5 if root else variance) * torch.tensor([0, -widths, widths])

    return wrong


def _told(share, hit, false, n, m, said):
    """labels and samples for a case: n labelled images, `share` of them in the group; `said` of the m samples are called so."""
    group = round(share * n)
    true = torch.cat([torch.ones(group), torch.zeros(n - group)])
    named = torch.cat([(torch.arange(k) < round(p * k)).float() for k, p in ((group, hit), (n - group, false))])  # fmt: skip
    return torch.stack([true, named], 1), (torch.arange(m) < round(said * m)).float()


@EXERCISES.declare(amplification)
class _:
    def cases():
        return [
            _told(0.2, 0.9, 0.05, 500, 400, 0.15),
            _told(0.8, 0.95, 0.1, 1000, 2000, 0.9),
            _told(0.3, 0.7, 0.2, 200, 300, 0.35),  # no amplification: all of it is the classifier's
            _told(0.1, 0.8, 0.3, 300, 50, 0.5),
            tuple(
                told.flip(0) for told in _told(0.4, 0.8, 0.25, 10, 8, 0.5)
            ),  # so few that one more or less shows
        ]

    class mistakes:
        uncorrected = _amplified(corrected=False)
        uncorrected_value = lambda labels, samples: (
            _amplified()(labels, samples)
            - _amplified()(labels, samples)[0]
            + _amplified(corrected=False)(labels, samples)[0]
        )
        perfect_judge = _amplified(judge=False)
        known_data = _amplified(data=False)
        one_sigma = _amplified(widths=1.0)
        no_root = _amplified(root=False)
        ratio = _amplified(ratio=True)
        no_interval = lambda labels, samples: _amplified()(labels, samples)[0]
        exchanged = lambda labels, samples: -_amplified()(labels, samples)[[0, 2, 1]]
        swapped_columns = lambda labels, samples: _amplified()(labels.flip(1), samples)
        order = lambda labels, samples: _amplified()(labels, samples)[[1, 0, 2]]

        def counts(labels, samples):
            said, share = samples.double().sum(), labels[:, 0].double().sum()
            return said - share + (said + share) ** 0.5 * torch.tensor([0, -1.96, 1.96])

    class alternatives:
        parts = _amplified()

        def numpy(labels, samples):
            true, named = labels[:, 0] == 1, labels[:, 1] == 1
            a, b, c, d = (int(x.sum()) for x in (true & named, true & ~named, ~true & named, ~true & ~named))  # fmt: skip
            hit, false, said = a / (a + b), c / (c + d), float(samples.mean())
            share, gap = (a + b) / len(labels), a / (a + b) - c / (c + d)
            real = (said - false) / gap
            variance = said * (1 - said) / len(samples) / gap**2 + share * (1 - share) / len(labels)
            variance += (real / gap) ** 2 * hit * (1 - hit) / (a + b)
            variance += ((1 - real) / gap) ** 2 * false * (1 - false) / (c + d)
            half = 1.96 * np.sqrt(variance)
            return [real - share, real - share - half, real - share + half]


def kilowatt_hours(cpu_seconds, watts_low, watts_high):
    """Energy of a computation, from below and from above: (low, high), kilowatt hours.

    cpu_seconds: of all threads together.  watts_low, watts_high: what the machine draws for one busy core, at least and at most.
    """
    hours = cpu_seconds / 3600
    return hours * watts_low / 1000, hours * watts_high / 1000


@EXERCISES.declare(kilowatt_hours, tolerance=1e-6)
class _:
    def cases():
        return [(3.6e6, 5.0, 20.0), (7.2e8, 2.0, 65.0), (9.0e6, 10.0, 10.0)]

    class mistakes:
        watt_hours = lambda s, low, high: (s / 3600 * low, s / 3600 * high)
        joules = lambda s, low, high: (s * low, s * high)
        kilojoules = lambda s, low, high: (s * low / 1000, s * high / 1000)
        minutes = lambda s, low, high: (s / 60 * low / 1000, s / 60 * high / 1000)
        per_hour = lambda s, low, high: (low / (s / 3600) / 1000, high / (s / 3600) / 1000)
        two_cores = lambda s, low, high: (2 * s / 3.6e6 * low, 2 * s / 3.6e6 * high)
        middle = lambda s, low, high: s / 3.6e6 * (low + high) / 2
        only_high = lambda s, low, high: s / 3.6e6 * high
        exchanged = lambda s, low, high: (s / 3.6e6 * high, s / 3.6e6 * low)
        megawatt_hours = lambda s, low, high: (s / 3.6e9 * low, s / 3.6e9 * high)

    class alternatives:
        joules_first = lambda s, low, high: [s * low / 3.6e6, s * high / 3.6e6]
        arrays = lambda s, low, high: np.array([low, high]) * s / 3.6e6
