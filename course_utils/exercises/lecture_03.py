"""Exercises of lecture 03, autoregression: references, cases, and the answers that students really give."""

import math

import numpy as np
import torch

from .engine import Exercise


def chain_log_probability(conditional, x):
    """log2 p(x) of the sequence x, a list of symbols; conditional(past) -> list of probabilities of the next symbol."""
    return sum(math.log2(conditional(x[:j])[x[j]]) for j in range(len(x)))


def ngram_probability(counts, context, symbol, vocabulary_size, alpha):
    """p(symbol | context) with alpha added to every count; counts[context]: dict symbol -> how often it followed."""
    followers = counts.get(context, {})
    return (followers.get(symbol, 0) + alpha) / (sum(followers.values()) + alpha * vocabulary_size)


def receptive_field(kernel_sizes, dilations):
    """How many input samples, the present one included, one output of the stacked causal convolutions can see."""
    return 1 + sum((k - 1) * d for k, d in zip(kernel_sizes, dilations))


def mu_law_encode(x, mu):
    """Codes 0..mu (int64) of the samples x in -1..1: squash, then round (y + 1) / 2 * mu to the nearest whole number."""
    y = torch.sign(x) * torch.log1p(mu * x.abs()) / math.log1p(mu)
    return torch.floor((y + 1) / 2 * mu + 0.5).to(torch.int64)


def mu_law_decode(code, mu):
    """Samples in -1..1 (float32) in the middle of the codes 0..mu."""
    y = 2 * code.float() / mu - 1
    return torch.sign(y) * ((1 + mu) ** y.abs() - 1) / mu


# --- the chain rule --------------------------------------------------------------------------------------------------


def _sticky(past):
    """Two symbols: the last one comes again with probability 0.8."""
    if not past:
        return [0.3, 0.7]
    return [0.8, 0.2] if past[-1] == 0 else [0.2, 0.8]


def _growing(past):
    """Three symbols: what was seen often comes again (a Polya urn)."""
    counts = [1 + sum(s == v for s in past) for v in range(3)]
    return [c / sum(counts) for c in counts]


def _chain_cases():
    return [
        (_sticky, [1]),
        (_sticky, [0, 0, 1, 1]),
        (_sticky, [1, 0, 1, 0, 0]),
        (_growing, [2, 2, 0]),
        (_growing, [0, 1, 2, 2, 2, 1]),
    ]


def _chain_product(conditional, x):
    return math.prod(conditional(x[:j])[x[j]] for j in range(len(x)))


def _chain_nats(conditional, x):
    return sum(math.log(conditional(x[:j])[x[j]]) for j in range(len(x)))


def _chain_sees_itself(conditional, x):
    return sum(math.log2(conditional(x[: j + 1])[x[j]]) for j in range(len(x)))


def _chain_skips_first(conditional, x):
    return sum(math.log2(conditional(x[:j])[x[j]]) for j in range(1, len(x)))


def _chain_independent(conditional, x):
    return sum(math.log2(conditional([])[x[j]]) for j in range(len(x)))


def _chain_mean(conditional, x):
    return chain_log_probability(conditional, x) / len(x)


def _chain_sign(conditional, x):
    return -chain_log_probability(conditional, x)


def _chain_loop(conditional, x):
    total, past = 0.0, []
    for symbol in x:
        total += np.log2(conditional(past)[symbol])
        past = past + [symbol]
    return float(total)


# --- n-grams ---------------------------------------------------------------------------------------------------------


def _ngram_cases():
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


def _ngram_unsmoothed(counts, context, symbol, vocabulary_size, alpha):
    followers = counts.get(context, {})
    total = sum(followers.values())
    return followers.get(symbol, 0) / total if total else 0.0


def _ngram_unsmoothed_raises(counts, context, symbol, vocabulary_size, alpha):
    return counts[context].get(symbol, 0) / sum(counts[context].values())


def _ngram_denominator(counts, context, symbol, vocabulary_size, alpha):
    followers = counts.get(context, {})
    return (followers.get(symbol, 0) + alpha) / max(1, sum(followers.values()))


def _ngram_alpha_once(counts, context, symbol, vocabulary_size, alpha):
    followers = counts.get(context, {})
    return (followers.get(symbol, 0) + alpha) / (sum(followers.values()) + alpha)


def _ngram_no_alpha_below(counts, context, symbol, vocabulary_size, alpha):
    followers = counts.get(context, {})
    return (followers.get(symbol, 0) + alpha) / (sum(followers.values()) + vocabulary_size)


def _ngram_seen_only(counts, context, symbol, vocabulary_size, alpha):
    followers = counts.get(context, {})
    below = sum(followers.values()) + alpha * len(followers)
    return (followers.get(symbol, 0) + alpha) / below if below else 0.0


def _ngram_joint(counts, context, symbol, vocabulary_size, alpha):
    total = sum(sum(followers.values()) for followers in counts.values())
    return (counts.get(context, {}).get(symbol, 0) + alpha) / (total + alpha * vocabulary_size)


def _ngram_needs_context(counts, context, symbol, vocabulary_size, alpha):
    if context not in counts:
        return 0.0
    return ngram_probability(counts, context, symbol, vocabulary_size, alpha)


def _ngram_numpy(counts, context, symbol, vocabulary_size, alpha):
    seen = counts.get(context, {})
    total = np.array(list(seen.values()), dtype=float).sum()
    return np.float64(alpha + (seen.get(symbol, 0))) / (total + vocabulary_size * alpha)


# --- receptive field -------------------------------------------------------------------------------------------------


def _field_cases():
    return [
        ([2, 2, 2, 2], [1, 2, 4, 8]),
        ([3, 3, 3], [1, 1, 1]),
        ([2], [1]),
        ([1], [1]),
        ([2, 3, 2], [1, 4, 16]),
        ([3, 2, 5, 2], [1, 3, 9, 2]),
        ([2] * 10, [2**i for i in range(10)]),
    ]


def _field_off_by_one(kernel_sizes, dilations):
    return sum((k - 1) * d for k, d in zip(kernel_sizes, dilations))


def _field_no_dilation(kernel_sizes, dilations):
    return 1 + sum(k - 1 for k in kernel_sizes)


def _field_full_kernel(kernel_sizes, dilations):
    return 1 + sum(k * d for k, d in zip(kernel_sizes, dilations))


def _field_full_kernel_only(kernel_sizes, dilations):
    return sum(k * d for k, d in zip(kernel_sizes, dilations))


def _field_product(kernel_sizes, dilations):
    return math.prod(1 + (k - 1) * d for k, d in zip(kernel_sizes, dilations))


def _field_last(kernel_sizes, dilations):
    return 1 + (kernel_sizes[-1] - 1) * dilations[-1]


def _field_centred(kernel_sizes, dilations):
    return 1 + 2 * sum((k - 1) * d for k, d in zip(kernel_sizes, dilations))


def _field_loop(kernel_sizes, dilations):
    reach = 0
    for i in range(len(kernel_sizes)):
        reach += (kernel_sizes[i] - 1) * dilations[i]
    return reach + 1


def _field_numpy(kernel_sizes, dilations):
    return int(((np.array(kernel_sizes) - 1) * np.array(dilations)).sum()) + 1


# --- mu-law ----------------------------------------------------------------------------------------------------------


def _squash(x, mu):
    return torch.sign(x) * torch.log1p(mu * x.abs()) / math.log1p(mu)


def _encode_cases():
    """No sample lies within 0.02 of the border between two codes, so that rounding errors and the rule for halves don't matter."""
    cases = []
    for mu, seed in ((255, 0), (255, 1), (15, 2), (3, 3)):
        x = torch.rand(400, generator=torch.Generator().manual_seed(seed)) * 2 - 1
        if seed == 0:
            x = x**5  # soft sounds, as in speech
        place = (_squash(x.double(), mu) + 1) / 2 * mu
        cases.append(
            (torch.cat([x[(place % 1 - 0.5).abs() > 0.02][:60], torch.tensor([-1.0, 1.0])]), mu)
        )
    return cases


def _encode_floor(x, mu):
    return torch.floor((_squash(x, mu) + 1) / 2 * mu).to(torch.int64)


def _encode_wide_floor(x, mu):
    return torch.floor((_squash(x, mu) + 1) / 2 * (mu + 1)).clamp(max=mu).to(torch.int64)


def _encode_no_sign(x, mu):
    y = torch.log1p(mu * x.abs()) / math.log1p(mu)
    return torch.floor((y + 1) / 2 * mu + 0.5).to(torch.int64)


def _encode_log_without_one(x, mu):
    y = torch.sign(x) * torch.log(mu * x.abs()).clamp(min=0) / math.log(mu)
    return torch.floor((y + 1) / 2 * mu + 0.5).to(torch.int64)


def _encode_linear(x, mu):
    return torch.floor((x + 1) / 2 * mu + 0.5).to(torch.int64)


def _encode_mixed_logs(x, mu):
    y = torch.sign(x) * torch.log2(1 + mu * x.abs()) / math.log1p(mu)
    return torch.floor((y + 1) / 2 * mu + 0.5).to(torch.int64)


def _encode_no_scale(x, mu):
    y = torch.sign(x) * torch.log1p(mu * x.abs())
    return torch.floor((y + 1) / 2 * mu + 0.5).to(torch.int64)


def _encode_signed(x, mu):
    return torch.floor(_squash(x, mu) * mu / 2 + 0.5).to(torch.int64)


def _encode_not_rounded(x, mu):
    return (_squash(x, mu) + 1) / 2 * mu


def _encode_numpy(x, mu):
    x = np.asarray(x, dtype=np.float64)
    y = np.sign(x) * np.log(1 + mu * np.abs(x)) / np.log(1 + mu)
    return np.rint((y + 1) / 2 * mu).astype(np.int64)


def _encode_log2(x, mu):
    y = x.sign() * torch.log2(1 + mu * x.abs()) / math.log2(1 + mu)
    return torch.round((y + 1) / 2 * mu).long()


def _encode_float(x, mu):
    return torch.round((_squash(x, mu) + 1) / 2 * mu)


def _decode_cases():
    return [
        (torch.arange(256), 255),
        (torch.arange(16), 15),
        (torch.tensor([0, 1, 2, 3]), 3),
        (torch.tensor([0, 10, 60, 127, 128, 200, 255]), 255),
    ]


def _decode_exp(code, mu):
    y = 2 * code.float() / mu - 1
    return torch.sign(y) * (torch.exp(y.abs()) - 1) / mu


def _decode_no_sign(code, mu):
    y = 2 * code.float() / mu - 1
    return ((1 + mu) ** y.abs() - 1) / mu


def _decode_keeps_sign_inside(code, mu):
    y = 2 * code.float() / mu - 1
    return ((1 + mu) ** y - 1) / mu


def _decode_linear(code, mu):
    return 2 * code.float() / mu - 1


def _decode_mu_base(code, mu):
    y = 2 * code.float() / mu - 1
    return torch.sign(y) * (mu ** y.abs() - 1) / mu


def _decode_no_scale(code, mu):
    y = 2 * code.float() / mu - 1
    return torch.sign(y) * ((1 + mu) ** y.abs() - 1)


def _decode_forgets_shift(code, mu):
    y = code.float() / mu
    return torch.sign(y) * ((1 + mu) ** y.abs() - 1) / mu


def _decode_levels(code, mu):
    y = 2 * code.float() / (mu + 1) - 1
    return torch.sign(y) * ((1 + mu) ** y.abs() - 1) / mu


def _decode_expm1(code, mu):
    y = 2 * code / mu - 1
    return torch.sign(y) * torch.expm1(y.abs() * math.log1p(mu)) / mu


def _decode_numpy(code, mu):
    y = 2 * np.asarray(code, dtype=np.float64) / mu - 1
    return np.where(y < 0, -1.0, 1.0) * (np.power(1.0 + mu, np.abs(y)) - 1) / mu


EXERCISES = [
    Exercise(
        "chain_log_probability",
        chain_log_probability,
        cases=_chain_cases,
        mistakes={
            "product": _chain_product,
            "nats": _chain_nats,
            "sees_itself": _chain_sees_itself,
            "skips_first": _chain_skips_first,
            "independent": _chain_independent,
            "mean": _chain_mean,
            "sign": _chain_sign,
        },
        alternatives=[_chain_loop],
    ),
    Exercise(
        "ngram_probability",
        ngram_probability,
        cases=_ngram_cases,
        mistakes={
            "unsmoothed": _ngram_unsmoothed,
            "unsmoothed_raises": _ngram_unsmoothed_raises,
            "denominator": _ngram_denominator,
            "alpha_once": _ngram_alpha_once,
            "no_alpha_below": _ngram_no_alpha_below,
            "seen_only": _ngram_seen_only,
            "joint": _ngram_joint,
            "needs_context": _ngram_needs_context,
        },
        alternatives=[_ngram_numpy],
        tolerance=1e-5,
    ),
    Exercise(
        "receptive_field",
        receptive_field,
        cases=_field_cases,
        mistakes={
            "off_by_one": _field_off_by_one,
            "no_dilation": _field_no_dilation,
            "full_kernel": _field_full_kernel,
            "full_kernel_only": _field_full_kernel_only,
            "product": _field_product,
            "last_layer": _field_last,
            "centred": _field_centred,
        },
        alternatives=[_field_loop, _field_numpy],
    ),
    Exercise(
        "mu_law_encode",
        mu_law_encode,
        cases=_encode_cases,
        mistakes={
            "floor": _encode_floor,
            "wide_floor": _encode_wide_floor,
            "no_sign": _encode_no_sign,
            "log_without_one": _encode_log_without_one,
            "linear": _encode_linear,
            "mixed_logs": _encode_mixed_logs,
            "no_scale": _encode_no_scale,
            "signed": _encode_signed,
            "not_rounded": _encode_not_rounded,
        },
        alternatives=[_encode_numpy, _encode_log2, _encode_float],
        tolerance=1e-6,
    ),
    Exercise(
        "mu_law_decode",
        mu_law_decode,
        cases=_decode_cases,
        mistakes={
            "exp": _decode_exp,
            "no_sign": _decode_no_sign,
            "sign_inside": _decode_keeps_sign_inside,
            "linear": _decode_linear,
            "mu_base": _decode_mu_base,
            "no_scale": _decode_no_scale,
            "forgets_shift": _decode_forgets_shift,
            "levels": _decode_levels,
        },
        alternatives=[_decode_expm1, _decode_numpy],
        tolerance=1e-4,
    ),
]
