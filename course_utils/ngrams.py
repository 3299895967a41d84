"""Strong baselines for models of text: smoothed n-grams of characters, frozen or learning as they code, and compressors that may read first.

Two smoothings, both interpolated: modified Kneser–Ney, which subtracts a discount from each count and lets a short context count in how
many different contexts a character follows it (Chen and Goodman 1999), and Witten–Bell with a weight (Witten and Bell 1991, method C).
Either can be given a constant to choose on validation: Witten–Bell its ``kappa``, Kneser–Ney some weight ``extra`` for shorter contexts.
"""

import bz2
import lzma
import zlib

import numpy as np

from .texts import message

_ZLIB_WINDOW, _BZ2_BLOCK = 2**15, 900_000  # bytes that these two can look back
_FALLBACK = np.array([0, 0.5, 1, 1.5])  # discounts where counts are too few to estimate them: KenLM


class NGram:
    """Probabilities of the next character given up to ``order`` characters before it: an n-gram model with n = order + 1.

    text: to be counted.  alphabet: all V characters that may come, each once, a string or list.
    kappa: None for modified Kneser–Ney; a number above 0 for Witten–Bell, where kappa × (different characters seen after a context) is
    the weight of the shorter context: 1 is theirs.
    extra: Kneser–Ney only; extra × (different characters seen after a context) is added to the weight that the discounts leave to the shorter
    context, without being taken from the counts: 0 is the textbook's.
    Below order 0 stands the uniform distribution, so every character of the alphabet always has a probability above 0.
    Raises ValueError for a character outside of the alphabet or twice in it, a kappa that isn't above 0, an extra below 0 or beside a
    kappa, a text of less than order + 1 characters, and an order whose n-grams don't fit into 64 bits.
    """

    def __init__(self, text, order, alphabet, kappa=None, extra=0.0):
        self.alphabet, self.order = "".join(alphabet), order
        self.kappa, self.extra = kappa, extra
        self.index = {c: i for i, c in enumerate(self.alphabet)}
        V = len(self.alphabet)
        if order < 0 or V ** (order + 1) >= 2**63:
            raise ValueError(message("ngrams.order", order=order, symbols=V))
        if kappa is not None and not kappa > 0:
            raise ValueError(message("ngrams.kappa", kappa=kappa))
        if extra < 0 or (extra and kappa is not None):
            raise ValueError(message("ngrams.extra", extra=extra))
        if len(self.index) < V:
            raise ValueError(message("ngrams.twice"))
        if len(text) <= order:
            raise ValueError(message("ngrams.short", order=order, found=len(text)))
        codes = self._codes(text)
        self._levels = []  # from order 0 up
        grams = None
        for n in range(order, -1, -1):  # the longest first: shorter ones may count its types
            if kappa is not None or n == order:
                grams, counts = _count(self._grams(codes, n))
            else:
                grams, counts = _count(grams % V ** (n + 1))
            self._levels.insert(0, self._level(grams, counts))

    def __len__(self):
        """How many counts the model keeps, in all orders."""
        return sum(len(grams) for grams, *_ in self._levels)

    def bits(self, text, before=""):
        """-log2 p of each character of ``text``, shape (len(text),).  before: what was read already; only its end matters."""
        before = before[max(0, len(before) - self.order) :]
        codes = self._codes(before + text)
        first, V = len(before), len(self.alphabet)
        p = np.full(len(text), 1 / V)
        for n in range(min(self.order, len(codes)) + 1):
            grams, own, start, rest = self._levels[n]
            at = max(first, n)  # from here on there are n characters to look back at
            wanted = self._grams(codes, n)[at - n :]
            there, i = _find(grams[start[:-1]] // V, wanted // V)
            seen, j = _find(grams, wanted)
            longer = np.where(seen, own[j], 0) + rest[i] * p[at - first :]
            p[at - first :] = np.where(there, longer, p[at - first :])
        return -np.log2(p)

    def probs(self, contexts):
        """Probabilities of every next character.  contexts: a string -> (V,), or a list of m strings -> (m, V)."""
        if not isinstance(contexts, str):
            return np.array([self.probs(c) for c in contexts]).reshape(-1, len(self.alphabet))
        codes = self._codes(contexts[max(0, len(contexts) - self.order) :])[::-1].tolist()
        V, context = len(self.alphabet), 0
        p = np.full(V, 1 / V)
        for n, (grams, own, start, rest) in enumerate(self._levels[: len(codes) + 1]):
            if n:
                context += codes[n - 1] * V ** (n - 1)
            begin, end = grams.searchsorted((context * V, context * V + V))
            if begin == end:
                break  # never seen, so no longer context was
            p *= rest[start.searchsorted(np.int32(begin))]  # of its own type: else it is copied
            p[grams[begin:end] - context * V] += own[begin:end]
        return p

    def sample(self, length, temperature=1.0, seed=0, before="\n"):
        """Text of ``length`` characters after ``before``, drawn one by one from the probabilities to the power 1 / temperature; a string."""
        text = before
        for u in np.random.default_rng(seed).random(length):
            p = self.probs(text[max(0, len(text) - self.order) :]) ** (1 / temperature)
            drawn = int(np.searchsorted(p.cumsum(), u * p.sum()))
            text += self.alphabet[min(drawn, len(self.alphabet) - 1)]  # a sum's last digit
        return text

    def _codes(self, text):
        try:
            return np.fromiter((self.index[c] for c in text), np.int32, len(text))
        except KeyError as error:
            raise ValueError(message("ngrams.unknown", symbol=error.args[0])) from None

    def _grams(self, codes, n):
        """Each n characters of context and the character after them as one number of base V: (len(codes) - n,)."""
        grams = np.zeros(max(len(codes) - n, 0), dtype=np.int64)
        for i in range(n + 1):
            grams = grams * len(self.alphabet) + codes[i : i + len(grams)]
        return grams

    def _level(self, grams, counts):
        """What p takes from this order: sorted n-grams and their own part; where the n-grams of each context start (and end), and the part
        that it leaves to the shorter context."""
        owner = grams // len(self.alphabet)
        start = np.flatnonzero(np.diff(owner, prepend=-1))
        start = np.append(start, len(grams)).astype(np.int32)  # millions of them, in all orders
        types = np.diff(start)
        total = np.add.reduceat(counts, start[:-1])
        if self.kappa is None:
            discount = discounts(counts)[np.minimum(counts, 3)]
            more = self.extra * types
            left, own = np.add.reduceat(discount, start[:-1]) + more, counts - discount
        else:
            left = more = self.kappa * types
            own = counts
        total = total + more
        return grams, own / np.repeat(total, types), start, left / total


def discounts(counts):
    """What modified Kneser–Ney subtracts from counts of 0, 1, 2, and 3 or more: (4,).  Chen and Goodman 1999, equation 26."""
    n1, n2, n3, n4 = (int((counts == k).sum()) for k in (1, 2, 3, 4))
    if not n1 * n2 * n3 * n4:
        return _FALLBACK
    y = n1 / (n1 + 2 * n2)
    d = np.array([0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
    return d if (d[1:] > 0).all() else _FALLBACK


def _count(grams):
    """The different ones, sorted, and how often each occurs.  Sorts grams in place: np.unique would copy them."""
    grams.sort()
    new = np.append(True, grams[1:] != grams[:-1])
    first = np.flatnonzero(new)
    return grams[first], np.diff(first, append=len(grams))


def _find(table, keys):
    """Whether each key is in the sorted table, and where (anywhere if it isn't)."""
    at = np.minimum(table.searchsorted(keys), len(table) - 1)
    return table[at] == keys, at


def learning_bits(text, before, alphabet, order, kappa):
    """-log2 p of each character of the text, (n,): Witten–Bell that counts each one once it is coded, as PPM does.

    before: what it has read, and counted, first.  alphabet: sorted; its first character stands for what isn't there in front.
    All places are sorted by their n-gram, in the text's order within each: how often one occurred before is then its place in its group.
    """
    codes = np.searchsorted(alphabet, list(before + text)).astype(np.uint8)  # (all that is read,)
    n, new = len(codes), slice(len(before), None)
    context, by_context = np.zeros(n, dtype=np.int64), np.arange(n, dtype=np.int32)
    p = np.full(len(text), 1 / len(alphabet))
    for _ in range(order + 1):
        grams = len(alphabet) * context + codes  # context and character as one number
        by_gram = np.argsort(grams, kind="stable").astype(np.int32)
        seen = _earlier(grams, by_gram, np.ones(n, bool))  # N(context, c)
        types = _earlier(context, by_context, seen == 0)[new].copy()  # T
        total, seen = _earlier(context, by_context, np.ones(n, bool))[new].copy(), seen[new].copy()
        mixed = (seen + kappa * types * p) / np.maximum(total + kappa * types, 1)
        p = np.where(total > 0, mixed, p)
        context = np.append(0, grams[:-1])  # one character longer
        by_context = np.append(np.int32(0), by_gram[by_gram < n - 1] + 1)
    return -np.log2(p)


def _earlier(groups, order, counted):
    """For each place, how many of the counted places before it are of its group: (n,).

    counted: (n,) of bool.  order: all places sorted by group, and within a group as in the text.
    """
    group = groups[order]
    first = np.flatnonzero(group[1:] != group[:-1]).astype(np.int32) + 1  # where the next begins
    del group  # millions of places: every array counts
    first = np.concatenate([[0], first, [len(order)]], dtype=np.int32)
    total = np.cumsum(counted[order], dtype=np.int32)
    total -= counted[order]
    total -= np.repeat(total[first[:-1]], np.diff(first))
    result = np.empty_like(total)
    result[order] = total
    return result


def compressor_bits(name, text, before=""):
    """Bits per character that a compressor, "zlib", "bz2" or "lzma", needs for ``text``.

    before: what it may read first, as far back as it can look: the last 32 KB (zlib's dictionary), what fits into a block of 900,000
    bytes together with the text (bz2), the last 8 MB (lzma).  For the last two, the size of both minus the size of ``before`` alone.
    """
    data, before = text.encode(), before.encode()
    if name == "zlib":
        packer = zlib.compressobj(9, zdict=before[-_ZLIB_WINDOW:])
        size = len(packer.compress(data) + packer.flush())
    elif name == "bz2":
        before = before[max(0, len(before) + len(data) - _BZ2_BLOCK) :]
        size = len(bz2.compress(before + data)) - (len(bz2.compress(before)) if before else 0)
    elif name == "lzma":
        size = len(lzma.compress(before + data)) - (len(lzma.compress(before)) if before else 0)
    else:
        raise ValueError(message("ngrams.compressor", name=name))
    return 8 * size / len(text)
