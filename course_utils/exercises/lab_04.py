"""Exercises of lab 04, words instead of characters: references, cases, and the answers that students really give."""

import math
import re

import numpy as np
import torch

from .declare import Declarations

EXERCISES = Declarations()
PATTERN = r" ?[A-Za-z']+| ?[^A-Za-z'\s]|\s"


def token_ends(text):
    """Where each token of the text ends: a list of positions, the last one len(text)."""
    return [found.end() for found in re.finditer(r" ?[A-Za-z']+| ?[^A-Za-z'\s]|\s", text)]


def _ends(pattern):
    return lambda text: [found.end() for found in re.finditer(pattern, text)]


@EXERCISES.declare(token_ends)
class _:
    def cases():
        return [
            ("HAMLET:\nTo be, or not to be.\n",),
            ("O, what's here? 'Tis but two words!",),
            ("ACT I, SCENE 2.\n\n[Enter GHOST]\nmy lord--  no more",),
            ("a",),
            ("the 2nd of 3",),
        ]

    class mistakes:
        starts = lambda text: [found.start() for found in re.finditer(PATTERN, text)]
        words_only = _ends(r"[A-Za-z']+")
        no_white_space = _ends(r" ?[A-Za-z']+| ?[^A-Za-z'\s]")
        space_apart = _ends(r"[A-Za-z']+|[^A-Za-z'\s]|\s")
        apostrophe = _ends(r" ?[A-Za-z]+| ?[^A-Za-z\s]|\s")
        lengths = lambda text: [len(token) for token in re.findall(PATTERN, text)]
        last_included = lambda text: [end - 1 for end in token_ends(text)]
        digits = _ends(r" ?[A-Za-z0-9']+| ?[^A-Za-z0-9'\s]|\s")
        characters = lambda text: list(range(1, len(text) + 1))

    class alternatives:
        def running_sum(text):
            ends, place = [], 0
            for token in re.findall(PATTERN, text):
                place += len(token)
                ends.append(place)
            return ends

        numpy = lambda text: np.cumsum([len(token) for token in re.findall(PATTERN, text)])


def coverage(counts, size):
    """Share of all running tokens that the ``size`` most frequent kinds make up; counts: shape (kinds,)."""
    return counts.sort(descending=True).values[:size].sum() / counts.sum()


@EXERCISES.declare(coverage)
class _:
    def cases():
        counts = torch.tensor([3.0, 50.0, 7.0, 1.0, 20.0, 1.0, 9.0])
        return [(counts, 2), (counts, 1), (counts, 6), (torch.tensor([5, 1, 5, 2]), 2)]

    class mistakes:
        not_sorted = lambda counts, size: counts[:size].sum() / counts.sum()
        kinds = lambda counts, size: size / len(counts)
        rarest = lambda counts, size: counts.sort().values[:size].sum() / counts.sum()
        number = lambda counts, size: counts.sort(descending=True).values[:size].sum()
        unknown_share = lambda counts, size: 1 - coverage(counts, size)

    class alternatives:
        def loop(counts, size):
            values = sorted((float(c) for c in counts), reverse=True)
            return sum(values[:size]) / sum(values)

        topk = lambda counts, size: float(counts.topk(size)[0].sum() / counts.sum())


def encode_tokens(tokens, index, unknown):
    """The number of each token; ``unknown`` for a token that the dict ``index`` doesn't have."""
    return [index.get(token, unknown) for token in tokens]


@EXERCISES.declare(encode_tokens)
class _:
    def cases():
        index = {"the": 0, " king": 4, " is": 2, "\n": 7, "The": 5, ".": 6}
        return [
            (["the", " king", " is", " dead", ".", "\n", " the"], index, 8),
            (["The", " king", "."], index, 8),
            ([" long", " live", "the", " King"], index, 0),
            ([" is", " is", " is", " not"], index, 9),
        ]

    class mistakes:
        dropped = lambda tokens, index, unknown: [index[t] for t in tokens if t in index]
        zero = lambda tokens, index, unknown: [index.get(t, 0) for t in tokens]

        def grows(tokens, index, unknown):
            own = dict(index)
            return [own.setdefault(token, len(own) + 1) for token in tokens]

        stripped = lambda tokens, index, unknown: [index.get(t.strip(), unknown) for t in tokens]
        lower_case = lambda tokens, index, unknown: [index.get(t.lower(), unknown) for t in tokens]
        zero_as_false = lambda tokens, index, unknown: [index.get(t) or unknown for t in tokens]

        def second_try(tokens, index, unknown):
            return [index.get(t, index.get(t.strip(), unknown)) for t in tokens]

        all_unknown = lambda tokens, index, unknown: [unknown for _ in tokens]

    class alternatives:
        def loop(tokens, index, unknown):
            numbers = []
            for token in tokens:
                if token in index:
                    numbers.append(index[token])
                else:
                    numbers.append(unknown)
            return torch.tensor(numbers)

        numpy = lambda tokens, index, unknown: np.array([index.get(t, unknown) for t in tokens])


def to_streams(ids, rows):
    """Cut ids, shape (n,), into ``rows`` consecutive pieces (rows, n // rows); what is left over is dropped."""
    length = len(ids) // rows
    return ids[: rows * length].reshape(rows, length)


@EXERCISES.declare(to_streams)
class _:
    def cases():
        return [
            (torch.arange(12), 3),
            (torch.arange(17) + 5, 4),
            (torch.tensor([3, 1, 4, 1, 5, 1, 2]), 2),
            (torch.arange(10), 2),
            (torch.arange(100) * 3, 7),
        ]

    class mistakes:
        interleaved = lambda ids, rows: ids[: len(ids) // rows * rows].reshape(-1, rows).T
        transposed = lambda ids, rows: to_streams(ids, rows).T
        rows_are_length = lambda ids, rows: ids[: len(ids) // rows * rows].reshape(-1, rows)
        drops_the_beginning = lambda ids, rows: ids[len(ids) % rows :].reshape(rows, -1)
        one_short = lambda ids, rows: ids[: (len(ids) // rows - 1) * rows].reshape(rows, -1)

    class alternatives:
        def stack(ids, rows):
            length = len(ids) // rows
            return torch.stack([ids[i * length : (i + 1) * length] for i in range(rows)])

        def numpy(ids, rows):
            ids = np.asarray(ids)
            return ids[: len(ids) - len(ids) % rows].reshape(rows, -1)


def total_bits_per_char(token_nats, spelling_nats, chars):
    """Bits per character: all tokens' nats, shape (tokens,), and the nats of spelling unknown ones, (unknown,)."""
    return (token_nats.sum() + spelling_nats.sum()) / math.log(2) / chars


@EXERCISES.declare(total_bits_per_char)
class _:
    def cases():
        generator = torch.Generator().manual_seed(0)
        return [
            (5 * torch.rand(6, generator=generator), 20 * torch.rand(2, generator=generator), 31),
            (8 * torch.rand(40, generator=generator), 30 * torch.rand(5, generator=generator), 170),
            (torch.tensor([1.0, 2.0, 1.0]), torch.tensor([9.0, 9.0]), 12),
        ]

    class mistakes:
        unknown_for_free = lambda nats, spelling, chars: nats.sum() / math.log(2) / chars
        no_ln2 = lambda nats, spelling, chars: (nats.sum() + spelling.sum()) / chars

        def per_token(nats, spelling, chars):
            return (nats.sum() + spelling.sum()) / math.log(2) / len(nats)

        means = lambda nats, spelling, chars: (nats.mean() + spelling.mean()) / math.log(2)
        total = lambda nats, spelling, chars: (nats.sum() + spelling.sum()) / math.log(2)

    class alternatives:
        def log2_of_e(nats, spelling, chars):
            return float(torch.cat([nats, spelling]).sum()) * math.log2(math.e) / chars
