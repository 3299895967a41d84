"""Exercises of lecture 13, adapting language models: references, cases, and the answers that students really give."""

import math
from statistics import fmean

import torch
import torch.nn.functional as F

from .declare import Declarations, normal

EXERCISES = Declarations()


def quantize(x, block, bits=4):
    """Numbers as small whole numbers, with a scale and a lowest value for each block of neighbours (llama.cpp's Q4_1 for 4 bits).

    x: (..., n), n a multiple of block.  Returns codes: (..., n / block, block), 0 ... 2**bits - 1; scale and low: (..., n / block, 1).
    """
    parts = x.unflatten(-1, (-1, block))
    low, high = parts.amin(-1, keepdim=True), parts.amax(-1, keepdim=True)
    scale = (high - low) / (2**bits - 1)  # 0 where a block is constant: then any code will do
    codes = ((parts - low) / scale).round().to(torch.uint8)
    return codes, scale, low


def _quantized(x, block, bits=4, steps=-1, dim=-1, cut=torch.round, parts=None):
    """The reference with one thing changed."""
    parts = x.unflatten(-1, (-1, block)) if parts is None else parts
    low, high = parts.amin(dim, keepdim=True), parts.amax(dim, keepdim=True)
    scale = (high - low) / (2**bits + steps)
    each = torch.zeros_like(parts[..., :1])
    return cut((parts - low) / scale), scale + each, low + each


def _blocks(x, block, bits=4):
    return quantize(x, block, bits)


@EXERCISES.declare(quantize)
class _:
    def cases():
        outlier = normal(2, 16, seed=3)
        outlier[0, 5] = 40.0
        return [
            (torch.tensor([0.0, 1.0, 2.0, 3.0, 10.0, 13.0, 19.0, 25.0]), 4),
            (normal(3, 12, seed=1), 4),
            (5 + normal(2, 3, 8, seed=2), 8, 8),
            (outlier, 8),
            (normal(4, 6, seed=4), 3, 2),
        ]

    class mistakes:
        one_scale = lambda x, block, bits=4: _quantized(x, block, bits, dim=tuple(range(x.dim() + 1)))  # fmt: skip
        a_scale_a_row = lambda x, block, bits=4: _quantized(x, block, bits, dim=(-2, -1))
        rounded_down = lambda x, block, bits=4: _quantized(x, block, bits, cut=torch.floor)
        not_rounded = lambda x, block, bits=4: _quantized(x, block, bits, cut=torch.clone)
        one_step_too_many = lambda x, block, bits=4: _quantized(x, block, bits, steps=0)
        always_four_bits = lambda x, block, bits=4: quantize(x, block)

        def scattered(x, block, bits=4):
            return _quantized(x, block, bits, parts=x.unflatten(-1, (block, -1)).transpose(-2, -1))

        def range_not_step(x, block, bits=4):
            codes, scale, low = _blocks(x, block, bits)
            return codes, scale * (2**bits - 1), low

        def symmetric(x, block, bits=4):  # Q4_0
            parts = x.unflatten(-1, (-1, block))
            scale = parts.abs().amax(-1, keepdim=True) / (2 ** (bits - 1) - 1)
            return (parts / scale).round(), scale, torch.zeros_like(scale)

        def low_stays_in(x, block, bits=4):
            _, scale, low = _blocks(x, block, bits)
            return (x.unflatten(-1, (-1, block)) / scale).round(), scale, low

        def from_the_top(x, block, bits=4):
            codes, scale, low = _blocks(x, block, bits)
            return codes, scale, low + (2**bits - 1) * scale

    class alternatives:
        def reshape(x, block, bits=4):
            parts = x.reshape(*x.shape[:-1], x.shape[-1] // block, block)
            low = parts.min(-1, keepdim=True).values
            step = (parts.max(-1, keepdim=True).values - low) / (2**bits - 1)
            return torch.floor((parts - low) / step + 0.5), step, low


def dequantize(codes, scale, low):
    """What quantize() made, back as numbers: off by half a scale at most.

    codes: (..., blocks, block); scale, low: (..., blocks, 1).  Returns (..., blocks * block).
    """
    return (codes * scale + low).flatten(-2)


@EXERCISES.declare(dequantize)
class _:
    def cases():
        shapes = [(8, 4), (3, 12, 4), (2, 3, 8, 8), (2, 3, 6, 2)]
        return [quantize(normal(*shape, seed=s), block) for s, (*shape, block) in enumerate(shapes)]

    class mistakes:
        no_low = lambda codes, scale, low: (codes * scale).flatten(-2)
        low_scaled = lambda codes, scale, low: ((codes + low) * scale).flatten(-2)
        low_taken_away = lambda codes, scale, low: (codes * scale - low).flatten(-2)
        divided = lambda codes, scale, low: (codes / scale + low).flatten(-2)
        still_blocks = lambda codes, scale, low: codes * scale + low
        all_in_one = lambda codes, scale, low: (codes * scale + low).flatten()
        scattered = lambda codes, scale, low: (codes * scale + low).transpose(-2, -1).flatten(-2)
        first_block = lambda codes, scale, low: (codes * scale[..., :1, :] + low[..., :1, :]).flatten(-2)  # fmt: skip

    class alternatives:
        reshape = lambda codes, scale, low: torch.addcmul(low, codes.float(), scale).reshape(*codes.shape[:-2], -1)  # fmt: skip


def lora_init(W, noise):
    """Where LoRA starts for a frozen layer W, (out, in): A random, B zero, so that the layer is the old one and yet can learn (Hu et al. 2021).

    noise: (rank, in), standard normal.  Returns A: (rank, in), noise divided by the root of in; B: (out, rank).
    """
    return noise / W.shape[1] ** 0.5, torch.zeros(len(W), len(noise))


@EXERCISES.declare(lora_init)
class _:
    def cases():
        shapes = [(6, 4, 2), (4, 9, 3), (5, 5, 1), (3, 16, 4)]
        return [
            (normal(out, n, seed=s), normal(rank, n, seed=s + 9))
            for s, (out, n, rank) in enumerate(shapes)
        ]

    class mistakes:
        both_zero = lambda W, noise: (torch.zeros_like(noise), torch.zeros(len(W), len(noise)))
        both_random = lambda W, noise: (noise / W.shape[1] ** 0.5, normal(len(W), len(noise), seed=97))  # fmt: skip
        only_b_random = lambda W, noise: (torch.zeros_like(noise), normal(len(W), len(noise), seed=97))  # fmt: skip
        ones = lambda W, noise: (noise / W.shape[1] ** 0.5, torch.ones(len(W), len(noise)))
        not_scaled = lambda W, noise: (noise, torch.zeros(len(W), len(noise)))
        by_in = lambda W, noise: (noise / W.shape[1], torch.zeros(len(W), len(noise)))
        by_rank = lambda W, noise: (noise / len(noise) ** 0.5, torch.zeros(len(W), len(noise)))
        b_transposed = lambda W, noise: (noise / W.shape[1] ** 0.5, torch.zeros(len(noise), len(W)))
        exchanged = lambda W, noise: lora_init(W, noise)[::-1]

    class alternatives:
        new = lambda W, noise: (noise * noise.shape[1] ** -0.5, W.new_zeros(W.shape[0], noise.shape[0]))  # fmt: skip


def lora_forward(x, W, A, B, alpha):
    """A frozen layer and its low-rank update: x W^T + alpha / rank * x A^T B^T (Hu et al. 2021).

    x: (..., in), W: (out, in), A: (rank, in), B: (out, rank), alpha: a number.  Returns (..., out).
    """
    return x @ W.T + alpha / len(A) * (x @ A.T) @ B.T


def _adapters(*sizes):
    """W, A, B for each (out, in, rank)."""
    for s, (out, n, rank) in enumerate(sizes, 1):
        yield normal(out, n, seed=s), normal(rank, n, seed=s + 10), normal(out, rank, seed=s + 20)


def _added(x, W, A, B, scale, base=1.0):
    return base * x @ W.T + scale * (x @ A.T) @ B.T


@EXERCISES.declare(lora_forward, differentiable=("x", "A", "B"))
class _:
    def cases():
        first, wide, one = _adapters((5, 4, 2), (6, 8, 3), (5, 7, 1))
        return [
            (normal(3, 4), *first, 8),
            (normal(2, 3, 8, seed=1), *wide, 2.0),
            (normal(4, 7, seed=2), *one, 0.5),
            (normal(3, 4, seed=3), *first[:2], torch.zeros(5, 2), 16),
        ]

    class mistakes:
        rank_forgotten = lambda x, W, A, B, alpha: _added(x, W, A, B, alpha)
        alpha_forgotten = lambda x, W, A, B, alpha: _added(x, W, A, B, 1 / len(A))
        no_scale = lambda x, W, A, B, alpha: _added(x, W, A, B, 1.0)
        root_of_rank = lambda x, W, A, B, alpha: _added(x, W, A, B, alpha / len(A) ** 0.5)
        divided_by_in = lambda x, W, A, B, alpha: _added(x, W, A, B, alpha / A.shape[1])
        times_rank = lambda x, W, A, B, alpha: _added(x, W, A, B, alpha * len(A))
        all_scaled = lambda x, W, A, B, alpha: _added(x, W, A, B, alpha / len(A), alpha / len(A))
        only_update = lambda x, W, A, B, alpha: _added(x, W, A, B, alpha / len(A), 0.0)
        only_base = lambda x, W, A, B, alpha: _added(x, W, A, B, 0.0)
        taken_away = lambda x, W, A, B, alpha: _added(x, W, A, B, -alpha / len(A))
        update_detached = lambda x, W, A, B, alpha: x @ W.T + alpha / len(A) * x @ (B @ A).detach().T  # fmt: skip

        def base_detached(x, W, A, B, alpha):
            return (x @ W.T).detach() + alpha / len(A) * (x @ A.T) @ B.T

    class alternatives:
        linear = lambda x, W, A, B, alpha: F.linear(x, W) + F.linear(F.linear(x, A), B) * (alpha / A.shape[0])  # fmt: skip
        merged = lambda x, W, A, B, alpha: x @ (W + alpha / len(A) * B @ A).T


def merge_lora(W, A, B, alpha):
    """One matrix that does what lora_forward() does: (out, in).  W stays as it is."""
    return W + alpha / len(A) * B @ A


@EXERCISES.declare(merge_lora)
class _:
    def cases():
        sizes = [(5, 4, 2), (6, 8, 3), (5, 7, 1), (3, 4, 2)]
        alphas = (8, 2.0, 0.5, 1)
        return [(*each, alpha) for each, alpha in zip(_adapters(*sizes), alphas)]

    class mistakes:
        rank_forgotten = lambda W, A, B, alpha: W + alpha * B @ A
        alpha_forgotten = lambda W, A, B, alpha: W + B @ A / len(A)
        no_scale = lambda W, A, B, alpha: W + B @ A
        root_of_rank = lambda W, A, B, alpha: W + alpha / len(A) ** 0.5 * B @ A
        divided_by_in = lambda W, A, B, alpha: W + alpha / A.shape[1] * B @ A
        twice = lambda W, A, B, alpha: W + 2 * alpha / len(A) * B @ A
        only_update = lambda W, A, B, alpha: alpha / len(A) * B @ A
        base = lambda W, A, B, alpha: 1 * W
        taken_out = lambda W, A, B, alpha: W - alpha / len(A) * B @ A
        all_scaled = lambda W, A, B, alpha: alpha / len(A) * (W + B @ A)

    class alternatives:
        library = lambda W, A, B, alpha: torch.addmm(W, B, A, alpha=alpha / A.shape[0])
        by_columns = lambda W, A, B, alpha: lora_forward(torch.eye(W.shape[1]), W, A, B, alpha).T


def bm25(query, documents):
    """How well each document answers the words of a query (Robertson et al. 1994), with k1 = 1.5, b = 0.75 and an idf above 0.

    query: list of words.  documents: list of lists of words.  Returns a list of numbers: for each document the sum over the query of
    idf * c * (k1 + 1) / (c + k1 * (1 - b + b * length / mean length)),  idf = ln(1 + (N - n + 0.5) / (n + 0.5)).
    """
    k1, b, mean = 1.5, 0.75, fmean(map(len, documents))
    scores = [0.0] * len(documents)
    for word in query:
        n = sum(word in d for d in documents)
        idf = math.log(1 + (len(documents) - n + 0.5) / (n + 0.5))
        for i, d in enumerate(documents):
            c = d.count(word)
            scores[i] += idf * c * (k1 + 1) / (c + k1 * (1 - b + b * len(d) / mean))
    return scores


_idf = lambda total, n: math.log(1 + (total - n + 0.5) / (n + 0.5))
_having = lambda word, documents: sum(word in d for d in documents)
_relative = lambda own, mean: own / mean


def _bm25(k1=1.5, b=0.75, idf=_idf, having=_having, count=list.count, length=_relative):
    """The reference with one thing changed."""

    def score(word, document, documents):
        c, mean = count(document, word), fmean(map(len, documents))
        saturated = c * (k1 + 1) / (c + k1 * (1 - b + b * length(len(document), mean)))
        return idf(len(documents), having(word, documents)) * saturated

    return lambda query, documents: [sum(score(word, d, documents) for word in query) for d in documents]  # fmt: skip


@EXERCISES.declare(bm25)
class _:
    def cases():
        library = [
            "the duke and the duchess of the old town",
            "the duke of york",
            "duke duke duke",
            "a town without a duke has the sea and the wind and the rain all the year",
            "the queen sings",
        ]
        ukrainian = ["старе місто над річкою", "місто місто", "село під лісом над старим ставом"]
        pairs = [
            ("duke town", library),
            ("the sea", library),
            ("the duke sings", library[:3]),
            ("king", library),
            ("старе місто", ukrainian),
            ("wind", [library[3]]),
            ("rain york", [*library, "", "york " * 9]),
        ]
        return [(query.split(), [d.split() for d in documents]) for query, documents in pairs]

    class mistakes:
        no_idf = _bm25(idf=lambda total, n: 1.0)
        negative_idf = _bm25(idf=lambda total, n: math.log((total - n + 0.5) / (n + 0.5)))
        plain_idf = _bm25(idf=lambda total, n: math.log(total / n) if n else 0.0)
        idf_of_occurrences = _bm25(having=lambda word, documents: sum(d.count(word) for d in documents))  # fmt: skip
        no_length = _bm25(b=0.0)
        full_length = _bm25(b=1.0)
        length_reversed = _bm25(length=lambda own, mean: mean / max(own, 1))
        length_in_words = _bm25(length=lambda own, mean: own)
        once = _bm25(count=lambda d, word: word in d)
        not_saturated = _bm25(k1=1e9, b=0.0)
        share = _bm25(count=lambda d, word: d.count(word) / max(len(d), 1))
        other_k1 = _bm25(k1=1.2)

        def no_factor(query, documents):
            return [score / 2.5 for score in bm25(query, documents)]

    class alternatives:
        by_document = _bm25()

        def tensors(query, documents):
            counts = torch.tensor([[d.count(w) for w in query] for d in documents]).double()
            length = torch.tensor([len(d) for d in documents]).double()[:, None]
            n = (counts > 0).sum(0)
            idf = torch.log1p((len(documents) - n + 0.5) / (n + 0.5))
            norm = 1.5 * (0.25 + 0.75 * length / length.mean())
            return (idf * counts * 2.5 / (counts + norm)).sum(1)


def retrieve(query, documents, k):
    """The k documents whose vectors point most nearly where the query's does: their numbers, most similar (cosine) first.

    query: (width,), documents: (n, width).  Returns (k,), int64.
    """
    lengths = documents.norm(dim=-1)
    return (documents @ query / lengths).topk(k).indices  # the query's length changes no order


def _nearest(score, largest=True):
    return lambda query, documents, k: score(query, documents).topk(k, largest=largest).indices


_cosine = lambda query, documents: F.cosine_similarity(documents, query, dim=-1)


@EXERCISES.declare(retrieve)
class _:
    def cases():
        sizes = [(6, 4, 3), (20, 8, 5), (12, 3, 1), (5, 5, 5)]
        return [
            (normal(d, seed=s), normal(n, d, seed=s + 9) * torch.logspace(-1, 1, n)[:, None], k)
            for s, (n, d, k) in enumerate(sizes)
        ]

    class mistakes:
        not_normalised = _nearest(lambda query, documents: documents @ query)
        squared_length = _nearest(
            lambda query, documents: documents @ query / documents.square().sum(-1)
        )
        distance = _nearest(lambda query, documents: (documents - query).norm(dim=-1), False)
        farthest = _nearest(lambda query, documents: (documents - query).norm(dim=-1))
        least_similar = _nearest(_cosine, False)
        either_direction = _nearest(lambda query, documents: _cosine(query, documents).abs())
        columns = _nearest(lambda query, documents: (documents / documents.norm(dim=0)) @ query)
        similarities = lambda query, documents, k: _cosine(query, documents).topk(k).values
        by_number = lambda query, documents, k: retrieve(query, documents, k).sort().values
        best_last = lambda query, documents, k: retrieve(query, documents, k).flip(0)
        one = lambda query, documents, k: retrieve(query, documents, 1)
        everything = lambda query, documents, k: retrieve(query, documents, len(documents))

    class alternatives:
        library = _nearest(_cosine)

        def sorting(query, documents, k):
            unit = F.normalize(documents, dim=-1) @ F.normalize(query, dim=0)
            return sorted(range(len(documents)), key=lambda i: -unit[i])[:k]


def training_bytes(parameters, trained, bytes_per, adam):
    """Bytes of memory that training needs beside the activations: weights, gradients, and the moments of Adam.

    parameters: number of all weights; trained: of those that are trained, the others are frozen; bytes_per: of a weight, and of a
    gradient.  adam: True or False; its two moments of each trained weight are kept in float32.
    """
    return parameters * bytes_per + trained * (bytes_per + 8 * adam)


@EXERCISES.declare(training_bytes)
class _:
    def cases():
        return [
            (1000, 1000, 2, True),
            (1000, 1000, 4, False),
            (135_000_000, 460_800, 2, True),
            (500, 20, 4, True),
            (70, 7, 2, False),
            (64, 0, 2, True),
        ]

    class mistakes:
        no_moments = lambda n, trained, size, adam: (n + trained) * size
        always_moments = lambda n, trained, size, adam: n * size + trained * (size + 8)
        one_moment = lambda n, trained, size, adam: n * size + trained * (size + 4 * adam)
        small_moments = lambda n, trained, size, adam: n * size + trained * size * (1 + 2 * adam)
        moments_of_frozen = lambda n, trained, size, adam: (n + trained) * size + n * 8 * adam
        all_gradients = lambda n, trained, size, adam: 2 * n * size + trained * 8 * adam
        all_trained = lambda n, trained, size, adam: training_bytes(n, n, size, adam)
        no_gradients = lambda n, trained, size, adam: n * size + trained * 8 * adam
        frozen_are_free = lambda n, trained, size, adam: trained * (2 * size + 8 * adam)
        bits = lambda n, trained, size, adam: 8 * training_bytes(n, trained, size, adam)
        only_weights = lambda n, trained, size, adam: n * size

    class alternatives:
        def by_kind(n, trained, size, adam):
            kinds = {"weights": n * size, "gradients": trained * size}
            if adam:
                kinds |= {"first moment": 4 * trained, "second moment": 4 * trained}
            return sum(kinds.values())
