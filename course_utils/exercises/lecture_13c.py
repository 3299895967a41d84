"""Exercises of lecture 13c, retrieval: references, cases, and the answers that students really give."""

import math
from statistics import fmean

import torch
import torch.nn.functional as F

from .declare import Declarations, normal

EXERCISES = Declarations()


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


def chunks(words, size, step):
    """A text cut into windows of ``size`` words that begin every ``step`` words, so that neighbours share size - step of them.

    words: a list, of texts or of their numbers.  Returns a list of lists: the last one ends with the text, and none lies inside another; a short text is one.
    """
    starts = range(0, max(len(words) - size, 0) + step, step)
    return [words[start : start + size] for start in starts]


@EXERCISES.declare(chunks)
class _:
    def cases():
        sizes = [(10, 4, 2), (9, 4, 3), (10, 4, 3), (2, 4, 2), (4, 4, 2), (5, 4, 2), (12, 4, 4), (3, 5, 1)]  # fmt: skip
        return [([7 * i % 31 for i in range(n)], size, step) for n, size, step in sizes]

    class mistakes:
        no_overlap = lambda words, size, step: chunks(words, size, size)
        step_as_overlap = lambda words, size, step: chunks(words, size, max(size - step, 1))
        inside_another = lambda words, size, step: [words[i : i + size] for i in range(0, len(words), step)]  # fmt: skip
        end_lost = lambda words, size, step: [words[i : i + size] for i in range(0, len(words) - size + 1, step)]  # fmt: skip
        short_lost = lambda words, size, step: chunks(words, size, step) if len(words) >= size else []  # fmt: skip
        one_more = lambda words, size, step: [window[: size + 1] for window in chunks(words, size + 1, step)]  # fmt: skip
        joined = lambda words, size, step: [w for window in chunks(words, size, step) for w in window]  # fmt: skip

        def last_padded_back(words, size, step):
            return [*chunks(words, size, step)[:-1], words[-size:]]

    class alternatives:
        def growing(words, size, step):
            found, start = [words[:size]], 0
            while start + size < len(words):
                start += step
                found.append(words[start : start + size])
            return found
