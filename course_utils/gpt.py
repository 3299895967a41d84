"""What lecture 09 uses and derives, for the lectures that go on from there: a byte-pair tokeniser, windows of a text, bits of its tokens, and
the GPT, class for class the lecture's own (``tests/test_lecture_09.py`` compares the two).
"""

import math
import re
from collections import Counter, defaultdict
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from . import runtime
from .exercises.lecture_09 import merge_heads, merge_pair, rms_norm, rotate, split_heads

_PIECES = re.compile(r" ?\w+| ?[^\w\s]+\n*|\s")  # words, punctuation, white space: nothing is lost


class BytePairs:
    """Byte-pair encoding (Sennrich et al. 2016) on characters, inside of words: trained on a text, applied to any other.

    text: what the merges are learned from.  size: of the vocabulary, characters included.  alphabet: all characters that may come.
    vocabulary: the tokens, a list of strings, characters first; merges: {(left, right): merged}, numbers of tokens, in the order learned.
    Raises ValueError for a size that the text can't fill, and, in ``encode``, KeyError for a character outside of the alphabet.
    """

    def __init__(self, text, size, alphabet):
        self.vocabulary = sorted(alphabet)
        self._index = {c: i for i, c in enumerate(self.vocabulary)}
        self.merges, self._known = {}, {}
        counts = Counter(_PIECES.findall(text))
        words = [([self._index[c] for c in word], n) for word, n in counts.items()]
        pairs, places = Counter(), defaultdict(set)  # how often, and in which words, a pair stands
        for i, (tokens, n) in enumerate(words):
            for pair in pairwise(tokens):
                pairs[pair] += n
                places[pair].add(i)
        while len(self.vocabulary) < size:
            pair = max(pairs, key=lambda p: (pairs[p], p), default=None)
            if pair is None or not pairs[pair]:
                raise ValueError(
                    f"the text has pairs for {len(self.vocabulary)} tokens, not {size}"
                )
            new = self.merges[pair] = len(self.vocabulary)
            self.vocabulary.append("".join(self.vocabulary[i] for i in pair))
            for i in places.pop(pair):
                tokens, n = words[i]
                merged = merge_pair(tokens, pair, new)
                words[i] = merged, n
                for old in pairwise(tokens):
                    pairs[old] -= n
                for fresh in pairwise(merged):
                    pairs[fresh] += n
                    places[fresh].add(i)

    def __len__(self):
        return len(self.vocabulary)

    def encode(self, text):
        """The text as numbers of tokens, a list: in each word the earliest learned merge is made first."""
        return [token for word in _PIECES.findall(text) for token in self._word(word)]

    def decode(self, tokens):
        """The text of numbers of tokens (any iterable of whole numbers, a tensor too)."""
        return "".join(self.vocabulary[int(i)] for i in tokens)

    def _word(self, word):
        if word not in self._known:
            tokens = [self._index[c] for c in word]
            while found := [p for p in pairwise(tokens) if p in self.merges]:
                first = min(found, key=self.merges.get)
                tokens = merge_pair(tokens, first, self.merges[first])
            self._known[word] = tokens
        return self._known[word]


def windows(ids, batch, context, seed=0):
    """Endless random batches of windows of a text's tokens: ids (n,) -> (batch, context + 1); each pass cuts the text elsewhere."""
    draw = torch.Generator().manual_seed(seed)
    while True:
        offset = int(torch.randint(context, (1,), generator=draw))
        first = torch.arange(offset, len(ids) - context - 1, context)
        for rows in first[torch.randperm(len(first), generator=draw)].split(batch)[:-1]:
            yield ids[rows[:, None] + torch.arange(context + 1)]


@torch.no_grad()
def token_bits(model, ids, context):
    """-log2 p of each token of ids, (n,), but the first: (n - 1,), float32.

    Windows of ``context`` tokens overlap by half, so each token but the first few has at least half a window before it.
    """
    n, bits, done = len(ids) - 1, torch.empty(len(ids) - 1), 0
    for first in torch.tensor([*range(0, n - context, context // 2), n - context]).split(32):
        window = ids[first[:, None] + torch.arange(context + 1)]
        with runtime.autocast():
            logits = model(window[:, :-1]).float()
        nats = F.cross_entropy(logits.mT, window[:, 1:], reduction="none")
        for start, row in zip(first.tolist(), nats, strict=True):
            bits[done : start + context] = row[done - start :] / math.log(2)
            done = start + context
    return bits


class Attention(nn.Module):
    """Self-attention with several heads.  x: (batch, time, width) -> the same shape.

    causal: no position sees a later one.  start: position of the first of x.  cache: a dict for the keys and values of all positions
    so far, or None; after the first call with a cache, x is one position.
    """

    def __init__(self, width, heads, causal=True):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.q_gain, self.k_gain = (nn.Parameter(torch.ones(width // heads)) for _ in range(2))
        nn.init.zeros_(self.out.weight)  # a new block changes nothing yet

    def forward(self, x, start=0, cache=None):
        positions = torch.arange(start, start + x.shape[1])
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        q = rotate(rms_norm(q, self.q_gain), positions)  # (batch, heads, time, width / heads)
        k = rotate(rms_norm(k, self.k_gain), positions)
        if cache is not None:
            if cache:
                k, v = (torch.cat([cache[n], new], dim=2) for n, new in (("k", k), ("v", v)))
            cache.update(k=k, v=v)
        only_back = self.causal and x.shape[1] > 1  # the newest position may see all there are
        return self.out(merge_heads(F.scaled_dot_product_attention(q, k, v, is_causal=only_back)))


class Block(nn.Module):
    """One layer: positions exchange what they know (attention), then each thinks for itself (feed-forward)."""

    def __init__(self, width, heads, causal=True, dropout=0.0):
        super().__init__()
        self.norm1, self.norm2 = (nn.Parameter(torch.ones(width)) for _ in range(2))
        self.attention = Attention(width, heads, causal)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.down.weight)

    def forward(self, x, start=0, cache=None):
        x = x + self.dropout(self.attention(rms_norm(x, self.norm1), start, cache))
        hidden = F.relu(self.up(rms_norm(x, self.norm2))).square()  # (batch, time, 4 * width)
        return x + self.dropout(self.down(hidden))


class GPT(nn.Module):
    """tokens (batch, time) -> logits of the next token, (batch, time, vocab).  causal=False: of the token itself, from both sides."""

    def __init__(self, vocab, width=128, layers=3, heads=4, causal=True, dropout=0.0):
        super().__init__()
        self.embed = nn.Embedding(vocab, width)
        self.blocks = nn.ModuleList(Block(width, heads, causal, dropout) for _ in range(layers))
        self.norm = nn.Parameter(torch.ones(width))
        self.head = nn.Linear(width, vocab, bias=False)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.head.weight)  # at first all tokens are equally likely

    def forward(self, tokens, start=0, caches=None):
        x = self.dropout(self.embed(tokens))  # the residual stream, (batch, time, width)
        for i, block in enumerate(self.blocks):
            x = block(x, start, caches[i] if caches else None)
        return self.head(rms_norm(x, self.norm))
