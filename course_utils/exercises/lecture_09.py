"""Exercises of lecture 09, transformers: references, cases, and the answers that students really give."""

import math
from collections import Counter
from itertools import pairwise

import torch
import torch.nn.functional as F

from .declare import Declarations, normal

EXERCISES = Declarations()


def causal_mask(n):
    """Who may look where: (n, n) bool, True in row i (who looks) and column j (what is seen) where j <= i."""
    return torch.ones(n, n, dtype=torch.bool).tril()


@EXERCISES.declare(causal_mask)
class _:
    def cases():
        return [(1,), (2,), (4,), (7,)]

    class mistakes:
        other_way_round = lambda n: torch.ones(n, n, dtype=torch.bool).triu()
        forbidden = lambda n: torch.ones(n, n, dtype=torch.bool).triu(1)
        not_itself = lambda n: torch.ones(n, n, dtype=torch.bool).tril(-1)
        leaks_one = lambda n: torch.ones(n, n, dtype=torch.bool).tril(1)
        everything = lambda n: torch.ones(n, n, dtype=torch.bool)
        only_itself = lambda n: torch.eye(n, dtype=torch.bool)
        only_previous = lambda n: torch.ones(n, n, dtype=torch.bool).tril().triu(-1)
        additive = lambda n: torch.full((n, n), -math.inf).triu(1)

    class alternatives:
        compare = lambda n: torch.arange(n)[:, None] >= torch.arange(n)
        lists = lambda n: [[j <= i for j in range(n)] for i in range(n)]


def scaled_dot_product_attention(q, k, v, mask=None):
    """Look up n queries in m keys: (..., n, d), (..., m, d), (..., m, e) -> the mixed values, (..., n, e).

    mask: (n, m) bool, True where a query may look at a key, or None for everywhere.
    """
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (..., n, m)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.softmax(scores, dim=-1) @ v


def _attention(q, k, v, mask, scale=None, dim=-1, late=False, shown=None, turn=False):
    """The reference with one thing changed."""
    scores = q @ k.transpose(-2, -1) * (q.shape[-1] ** -0.5 if scale is None else scale)
    mask = torch.ones(scores.shape[-2:], dtype=torch.bool) if mask is None else mask
    mask = mask if shown is None else shown(mask)
    weights = scores.softmax(dim) * mask if late else scores.masked_fill(~mask, -1e30).softmax(dim)
    return (weights.transpose(-2, -1) if turn else weights) @ v


@EXERCISES.declare(scaled_dot_product_attention, differentiable=("q", "k", "v"))
class _:
    def cases():
        mask = torch.tensor([[True, False, False], [True, True, False], [False, True, True]])
        square = [normal(3, 4, seed=s) for s in (1, 2, 3)]
        long = normal(2, 5, 8, seed=4), normal(2, 7, 8, seed=5), normal(2, 7, 3, seed=6)
        heads = [normal(2, 2, 3, 6, seed=s) for s in (7, 8, 9)]
        window = torch.ones(5, 7, dtype=torch.bool).tril(2)
        return [(*square, None), (*square, mask), (*long, None), (*long, window), (*heads, mask)]

    class mistakes:
        no_root = lambda q, k, v, mask: _attention(q, k, v, mask, 1.0)
        d_not_root = lambda q, k, v, mask: _attention(q, k, v, mask, 1 / q.shape[-1])
        times_root = lambda q, k, v, mask: _attention(q, k, v, mask, q.shape[-1] ** 0.5)
        root_of_m = lambda q, k, v, mask: _attention(q, k, v, mask, k.shape[-2] ** -0.5)
        over_queries = lambda q, k, v, mask: _attention(q, k, v, mask, dim=-2)
        mask_after_softmax = lambda q, k, v, mask: _attention(q, k, v, mask, late=True)
        mask_inverted = lambda q, k, v, mask: _attention(q, k, v, mask, shown=torch.logical_not)
        mask_ignored = lambda q, k, v, mask: _attention(q, k, v, None)

        def mask_as_zero(q, k, v, mask):  # a score of 0 is a score
            scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
            return torch.softmax(scores if mask is None else scores * mask, -1) @ v

        def no_softmax(q, k, v, mask):
            scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
            return (scores if mask is None else scores * mask) @ v

    class alternatives:
        library = lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, attn_mask=mask)

        def einsum(q, k, v, mask):
            scores = torch.einsum("...nd,...md->...nm", q, k) / q.shape[-1] ** 0.5
            weights = torch.exp(scores - scores.amax(-1, keepdim=True))
            weights = weights if mask is None else weights * mask
            return torch.einsum("...nm,...me->...ne", weights / weights.sum(-1, keepdim=True), v)


def split_heads(x, heads):
    """Cut the width of each position into equal parts, one a head: (batch, time, width) -> (batch, heads, time, width / heads)."""
    batch, time, width = x.shape
    return x.view(batch, time, heads, width // heads).transpose(1, 2)


@EXERCISES.declare(split_heads, differentiable=("x",))
class _:
    def cases():
        shapes = [(2, 3, 8, 2), (1, 4, 6, 3), (3, 4, 4, 1), (2, 4, 16, 4)]
        return [(normal(*shape, seed=s), heads) for s, (*shape, heads) in enumerate(shapes)]

    class mistakes:
        no_transpose = lambda x, heads: x.reshape(len(x), heads, x.shape[1], -1)
        time_first = lambda x, heads: x.unflatten(-1, (heads, -1))
        interleaved = lambda x, heads: x.unflatten(-1, (-1, heads)).permute(0, 3, 1, 2)
        heads_first = lambda x, heads: x.unflatten(-1, (heads, -1)).permute(2, 0, 1, 3)
        width_before_time = lambda x, heads: x.unflatten(-1, (heads, -1)).permute(0, 2, 3, 1)
        whole_width = lambda x, heads: x[:, None].expand(-1, heads, -1, -1)
        swapped_numbers = lambda x, heads: x.unflatten(-1, (-1, heads)).transpose(1, 2)

    class alternatives:
        chunks = lambda x, heads: torch.stack(x.chunk(heads, dim=-1), dim=1)
        permute = lambda x, heads: x.unflatten(-1, (heads, -1)).permute(0, 2, 1, 3)


def merge_heads(x):
    """Put the heads' parts side by side again: (batch, heads, time, width) -> (batch, time, heads * width)."""
    batch, heads, time, width = x.shape
    return x.transpose(1, 2).reshape(batch, time, heads * width)


@EXERCISES.declare(merge_heads, differentiable=True)
class _:
    def cases():
        shapes = [(2, 2, 3, 4), (1, 3, 4, 2), (3, 1, 4, 4), (2, 4, 4, 4)]
        return [(normal(*shape, seed=s),) for s, shape in enumerate(shapes)]

    class mistakes:
        no_transpose = lambda x: x.reshape(len(x), x.shape[2], -1)
        interleaved = lambda x: x.permute(0, 2, 3, 1).flatten(2)
        summed = lambda x: x.sum(1)
        averaged = lambda x: x.mean(1)
        one_after_another = lambda x: x.flatten(1, 2)
        other_order = lambda x: x.flip(1).transpose(1, 2).flatten(2)
        still_four = lambda x: x.transpose(1, 2)

    class alternatives:
        cat = lambda x: torch.cat(list(x.unbind(1)), dim=-1)
        flatten = lambda x: x.permute(0, 2, 1, 3).flatten(2)


def rotate(x, positions):
    """Rotary positions: turn each pair (x[..., i], x[..., i + d/2]) by the angle position * 10000**(-2i/d), i = 0 ... d/2 - 1.

    x: (..., time, d), d even; positions: (time,).  Returns the shape of x.
    """
    half = x.shape[-1] // 2
    frequencies = 10_000 ** (-torch.arange(half) / half)  # (d/2,)
    angles = positions[:, None] * frequencies  # (time, d/2)
    cos, sin = angles.cos(), angles.sin()
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


def _turned(x, positions, base=10_000.0, sign=1, power=1.0, shift=0, share=1.0):
    """The reference with one thing changed."""
    half = x.shape[-1] // 2
    angles = (positions[:, None] + shift) * base ** (-power * torch.arange(half) / half) * share
    a, b = x[..., :half], x[..., half:]
    cos, sin = angles.cos(), sign * angles.sin()
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1).to(x.dtype)


@EXERCISES.declare(rotate, differentiable=("x",))
class _:
    def cases():
        return [
            (normal(4, 8), torch.arange(4)),
            (normal(2, 3, 5, 4, seed=1), torch.arange(5)),
            (normal(1, 2, 6, seed=2), torch.tensor([7, 8])),  # what a cache asks for
            (normal(2, 4, seed=4), torch.tensor([0, 2000])),
            (normal(3, 2, seed=3).double(), torch.tensor([2, 0, 5])),
        ]

    class mistakes:
        nothing = lambda x, positions: 1 * x
        restarts = lambda x, positions: _turned(x, torch.arange(x.shape[-2]))
        backwards = lambda x, positions: _turned(x, positions, sign=-1)
        one_frequency = lambda x, positions: _turned(x, positions, base=1.0)
        degrees = lambda x, positions: _turned(x, positions, share=math.pi / 180)
        half_the_exponent = lambda x, positions: _turned(x, positions, power=0.5)
        from_one = lambda x, positions: _turned(x, positions, shift=1)

        def neighbours(x, positions):  # GPT-NeoX's halves against the paper's neighbours
            order = torch.arange(x.shape[-1]).view(-1, 2).T.flatten()  # 0, 2, 4, ..., 1, 3, 5, ...
            return _turned(x[..., order], positions)[..., order.argsort()]

        def reflects(x, positions):
            half = x.shape[-1] // 2
            angles = positions[:, None] * 10_000 ** (-torch.arange(half) / half)
            a, b = x[..., :half], x[..., half:]
            cos, sin = angles.cos(), angles.sin()
            return torch.cat([a * cos + b * sin, a * sin - b * cos], dim=-1).to(x.dtype)

        def added(x, positions):
            half = x.shape[-1] // 2
            angles = positions[:, None] * 10_000 ** (-torch.arange(half) / half)
            return (x + torch.cat([angles.sin(), angles.cos()], -1)).to(x.dtype)

    class alternatives:
        def complex_numbers(x, positions):
            half = x.shape[-1] // 2
            angles = positions[:, None] * 10_000 ** (-torch.arange(half) / half)
            turned = torch.complex(x[..., :half], x[..., half:]) * torch.polar(torch.ones_like(angles), angles)  # fmt: skip
            return torch.cat([turned.real, turned.imag], -1)

        def half_turns(x, positions):
            d = x.shape[-1]
            angles = torch.outer(positions.float(), torch.exp(-math.log(10_000) * torch.arange(0, d, 2) / d))  # fmt: skip
            angles = torch.cat([angles, angles], -1).to(x.dtype)
            other = torch.cat([-x[..., d // 2 :], x[..., : d // 2]], -1)
            return x * angles.cos() + other * angles.sin()


def rms_norm(x, gain):
    """x divided by the root of its mean square (plus 1e-5 inside the root), times gain.  x: (..., width), gain: (width,)."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * gain


@EXERCISES.declare(rms_norm, differentiable=True)
class _:
    def cases():
        tiny = 1e-3 * normal(2, 4, seed=5)  # shows where the epsilon stands
        return [
            (normal(2, 6), torch.ones(6)),
            (2 + normal(2, 3, 4, seed=1), normal(4, seed=2)),
            (3 * normal(5, 5, seed=3), 1 + normal(5, seed=4)),
            (tiny, torch.tensor([1.0, 2.0, 0.5, 1.0])),
            (torch.zeros(2, 3), torch.ones(3)),
        ]

    class mistakes:
        layer_norm = lambda x, gain: F.layer_norm(x, gain.shape) * gain
        no_gain = lambda x, gain: rms_norm(x, torch.ones_like(gain))
        no_epsilon = lambda x, gain: x / x.square().mean(-1, keepdim=True).sqrt() * gain

        def epsilon_outside(x, gain):
            return x / (x.norm(dim=-1, keepdim=True) / x.shape[-1] ** 0.5 + 1e-5) * gain

        no_root = lambda x, gain: x / (x.square().mean(-1, keepdim=True) + 1e-5) * gain
        sum_not_mean = lambda x, gain: x * (x.square().sum(-1, keepdim=True) + 1e-5).rsqrt() * gain
        all_positions = lambda x, gain: x * (x.square().mean() + 1e-5).rsqrt() * gain
        wrong_axis = lambda x, gain: x * (x.square().mean(0, keepdim=True) + 1e-5).rsqrt() * gain
        gain_added = lambda x, gain: rms_norm(x, torch.ones_like(gain)) + gain

    class alternatives:
        library = lambda x, gain: F.rms_norm(x, gain.shape, gain, eps=1e-5)
        power = lambda x, gain: gain * x / ((x**2).mean(dim=-1, keepdim=True) + 1e-5) ** 0.5


def most_frequent_pair(tokens):
    """The two neighbours that stand side by side most often in a list of tokens, as a tuple; of equals, those that come first."""
    counts = Counter(pairwise(tokens))
    return max(counts, key=counts.get)


@EXERCISES.declare(most_frequent_pair)
class _:
    def cases():
        return [
            ([1, 2, 3, 1, 2, 4, 3, 1, 2],),
            ([5, 3, 9, 5, 3, 9, 7, 3, 9, 9, 1],),
            ([4, 1, 1, 4, 2, 1, 4, 4, 1, 3, 3, 2, 3, 5, 3],),
            ([2, 1, 2, 1, 2, 1],),
            ([8, 7, 6, 5],),  # all equally frequent
            ([1, 2, 9, 2, 1, 8, 3, 4, 7, 3, 4, 6, 2, 1, 1, 2, 0, 3, 4],),
        ]

    class mistakes:
        single_tokens = lambda tokens: [t for t, _ in Counter(tokens).most_common(2)]
        backwards = lambda tokens: most_frequent_pair(tokens)[::-1]
        every_other = lambda tokens: Counter(zip(tokens[::2], tokens[1::2])).most_common(1)[0][0]
        one_apart = lambda tokens: Counter(zip(tokens, tokens[2:])).most_common(1)[0][0]
        rarest = lambda tokens: Counter(pairwise(tokens)).most_common()[-1][0]
        count = lambda tokens: max(Counter(pairwise(tokens)).values())
        largest = lambda tokens: max(pairwise(tokens))

        def unordered(tokens):
            pairs = [tuple(sorted(p)) for p in pairwise(tokens)]
            return Counter(pairs).most_common(1)[0][0]

        def last_of_equals(tokens):
            counts = Counter(pairwise(tokens))
            return max(reversed(counts), key=counts.get)

    class alternatives:
        def loop(tokens):
            counts, best = {}, None
            for i in range(len(tokens) - 1):
                pair = (tokens[i], tokens[i + 1])
                counts[pair] = counts.get(pair, 0) + 1
            for pair, count in counts.items():
                if best is None or count > counts[best]:
                    best = pair
            return best


def merge_pair(tokens, pair, new):
    """A list of tokens with each occurrence of the pair replaced by the token new, from left to right, without overlap."""
    merged, i = [], 0
    while i < len(tokens):
        found = tuple(tokens[i : i + 2]) == pair
        merged.append(new if found else tokens[i])
        i += 2 if found else 1
    return merged


@EXERCISES.declare(merge_pair)
class _:
    def cases():
        return [
            ([1, 2, 3, 1, 2, 2, 1], (1, 2), 9),
            ([7, 7, 7, 7, 7, 3], (7, 7), 8),
            ([4, 5, 6], (5, 4), 10),
            ([2, 1, 2, 1, 2, 1, 1], (2, 1), 5),
            ([3, 1, 1, 1], (1, 1), 6),
            ([1, 2, 1], (1, 2), 2),
            ([2], (2, 2), 3),
            ([5, 3, 4], (3, 4), 8),
        ]

    class mistakes:
        single_symbols = lambda tokens, pair, new: [new if t in pair else t for t in tokens]

        def overlapping(tokens, pair, new):
            found = [tuple(tokens[i : i + 2]) == pair for i in range(len(tokens))]
            inside = [i and found[i - 1] for i in range(len(tokens))]
            return [new if f else t for t, f, old in zip(tokens, found, inside) if f or not old]

        def second_stays(tokens, pair, new):
            return [
                new if tuple(tokens[i : i + 2]) == pair else tokens[i] for i in range(len(tokens))
            ]

        def first_only(tokens, pair, new):
            for i in range(len(tokens)):
                if tuple(tokens[i : i + 2]) == pair:
                    return [*tokens[:i], new, *tokens[i + 2 :]]
            return list(tokens)

        from_the_right = lambda tokens, pair, new: merge_pair(tokens[::-1], pair[::-1], new)[::-1]
        either_order = lambda tokens, pair, new: merge_pair(
            merge_pair(tokens, pair, new), pair[::-1], new
        )
        deleted = lambda tokens, pair, new: [
            t for t in merge_pair(tokens, pair, None) if t is not None
        ]
        last_lost = lambda tokens, pair, new: merge_pair(tokens[:-1], pair, new)
        nothing = lambda tokens, pair, new: list(tokens)

    class alternatives:
        def iterator(tokens, pair, new):
            left, right = pair
            out, skip = [], False
            for a, b in zip(tokens, [*tokens[1:], None]):
                if skip:
                    skip = False
                elif (a, b) == (left, right):
                    out.append(new)
                    skip = True
                else:
                    out.append(a)
            return out


def masked_lm_loss(logits, targets, masked):
    """Mean cross-entropy in nats over the masked positions.  (batch, time, vocab), (batch, time), (batch, time) bool -> scalar."""
    return F.cross_entropy(logits[masked], targets[masked])


def _each(logits, targets):
    """-ln p of each target: (batch, time)."""
    return F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")


@EXERCISES.declare(masked_lm_loss, differentiable=("logits",))
class _:
    def cases():
        generator = torch.Generator().manual_seed(9)

        def case(batch, time, vocab, hidden):
            masked = torch.zeros(batch * time, dtype=torch.bool)
            masked[torch.randperm(batch * time, generator=generator)[:hidden]] = True
            targets = torch.randint(vocab, (batch, time), generator=generator)
            return normal(batch, time, vocab, seed=hidden), targets, masked.view(batch, time)

        return [case(2, 5, 4, 3), case(3, 4, 6, 5), case(1, 8, 3, 1), case(2, 6, 6, 5)]

    class mistakes:
        everywhere = lambda logits, targets, masked: _each(logits, targets).mean()
        the_visible = lambda logits, targets, masked: _each(logits, targets)[~masked].mean()
        summed = lambda logits, targets, masked: _each(logits, targets)[masked].sum()
        divided_by_all = lambda logits, targets, masked: (_each(logits, targets) * masked).mean()
        targets_shifted = lambda logits, targets, masked: _each(logits, targets.roll(-1, 1))[
            masked
        ].mean()
        bits = lambda logits, targets, masked: _each(logits, targets)[masked].mean() / math.log(2)
        sign = lambda logits, targets, masked: -_each(logits, targets)[masked].mean()
        no_logarithm = lambda logits, targets, masked: (
            1 - (-_each(logits, targets)[masked]).exp().mean()
        )
        unreduced = lambda logits, targets, masked: _each(logits, targets)[masked]

        def softmax_before(logits, targets, masked):
            return F.cross_entropy(logits.softmax(-1)[masked], targets[masked])

    class alternatives:
        def ignored(logits, targets, masked):
            wanted = torch.where(masked, targets, -100)
            return F.cross_entropy(logits.flatten(0, 1), wanted.flatten())

        def by_hand(logits, targets, masked):
            log_p = logits.log_softmax(-1).gather(-1, targets[..., None])[..., 0]
            return -(log_p * masked).sum() / masked.sum()
