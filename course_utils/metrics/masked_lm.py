"""A small masked language model (BERT's idea, Devlin et al. 2019) for BERTScore without a download.

It has read 31 plays of Shakespeare and nothing else: it knows which of *his* words can stand in for which, it knows no modern English,
and of Ukrainian or Russian it sees only which letters words share.  Figures made with it can be compared within the course and nowhere
else.
"""

import functools
import hashlib
import math
import zlib
from collections import Counter

import torch
import torch.nn.functional as F
from torch import nn

from .. import checkpoints, data, paths, runtime
from ..training import fit
from .score import greedy_match
from .tokens import words

CHECKPOINT = "08_masked_lm"
LENGTH = 48  # words that are read at once
MASK, UNKNOWN = 0, 1  # places 0 and 1 of the vocabulary
_BUCKETS = 2048  # for pieces of words
_LINES = 64  # texts at once


class MaskedLM(nn.Module):
    """Predicts hidden words from both sides: a convolution reads the two neighbours on each side, then a transformer layer the whole line.

    ids: (batch, time) places in the vocabulary; pieces: (batch, time, p) buckets of each word's letter triples, 0 for none; padding:
    (batch, time), True where a text has ended.  Calling it gives logits over the vocabulary, (batch, time, vocabulary); ``in_context`` the
    words' vectors, (batch, time, width).

    Two transformer layers without the convolution reach 5.39 nats/word on the validation plays in 344 CPU seconds; with it the network is
    at 4.69 after 107.  Counts of the neighbours give 4.78.
    """

    def __init__(self, vocabulary=4000, width=128, layers=1, heads=4):
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.pieces = nn.EmbeddingBag(_BUCKETS + 1, width, mode="mean", padding_idx=0)
        self.norm = nn.LayerNorm(width)
        self.neighbours = nn.Conv1d(width, 2 * width, 5, padding=2)
        self.mix = nn.Sequential(nn.GELU(), nn.Dropout(0.1), nn.Linear(2 * width, width))
        self.places = nn.Parameter(0.02 * torch.randn(LENGTH, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )  # fmt: skip
        self.encoder = nn.TransformerEncoder(
            layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        nn.init.normal_(self.words.weight, std=0.05)
        nn.init.normal_(self.pieces.weight, std=0.05)

    def without_context(self, ids, pieces):
        """Each word with its letters, alike in every sentence."""
        letters = self.pieces(pieces.flatten(0, 1)).unflatten(0, ids.shape)
        return self.words(ids) + letters

    def in_context(self, ids, pieces, padding=None):
        """Each word with its letters and two neighbours on each side: the vectors for BERTScore.

        The last layer is busy with guessing words: on the validation plays it tells a modernised word from a random one in 60 % of the lines,
        this one in 90 %.  (Zhang et al. 2020 also choose an inner layer.)
        """
        x = self.without_context(ids, pieces)
        near = self.norm(x)
        if padding is not None:  # the end of a text looks alike in every batch
            near = near.masked_fill(padding[..., None], 0)
        return x + self.mix(self.neighbours(near.mT).mT)

    def encode(self, ids, pieces, padding=None):
        x = self.in_context(ids, pieces, padding) + self.places[: ids.shape[1]]
        return self.encoder(x, src_key_padding_mask=padding)

    def forward(self, ids, pieces, padding=None):
        return self.encode(ids, pieces, padding) @ self.words.weight.T + self.bias


DEPTHS = ("words", "neighbours", "transformer")

# --- words -> numbers -------------------------------------------------------------------------------------------------


@functools.lru_cache(100_000)
def _pieces(word):
    """Buckets (1 .. _BUCKETS) of the letter triples of a word with its ends marked: cat -> <ca, cat, at>."""
    marked = f"<{word}>"
    return [
        1 + zlib.crc32(marked[i : i + 3].encode()) % _BUCKETS for i in range(len(marked) - 2)
    ] or [1]


class Reader:
    """Words as the network reads them.  vocabulary: the known words, most frequent first."""

    def __init__(self, vocabulary):
        self.vocabulary = list(vocabulary)
        self.place = {word: i + 2 for i, word in enumerate(self.vocabulary)}

    def __call__(self, tokens, longest=12):
        """Words -> ids (n,) and pieces (n, longest): at most so many triples of a word count."""
        ids = torch.tensor([self.place.get(t, UNKNOWN) for t in tokens])
        rows = [_pieces(t)[:longest] for t in tokens]
        return ids, torch.tensor([r + [0] * (longest - len(r)) for r in rows])


def _words_file():
    return checkpoints.folder() / f"{CHECKPOINT}.txt"


@functools.cache
def _shipped():
    """(Reader, network) as shipped.  Raises CheckpointError for a missing or damaged file."""
    entry = checkpoints.recorded(CHECKPOINT)
    config = dict(entry.config)
    file, digest = _words_file(), config.pop("words")
    content = file.read_bytes() if file.is_file() else b""
    if hashlib.sha256(content).hexdigest() != digest:
        state = "damaged" if content else "missing"
        raise checkpoints.CheckpointError(
            f"The vocabulary {paths.shown(file)} is {state}. {paths.how_to_restore(file)}"
        )
    net = MaskedLM(**{k: v for k, v in config.items() if k != "baseline"})
    checkpoints.load(CHECKPOINT, net)
    return Reader(content.decode().split()), net.eval().requires_grad_(False)


def baseline():
    """Mean F of BERTScore between unrelated held-out lines: what a similarity of nothing looks like."""
    return checkpoints.recorded(CHECKPOINT).config["baseline"]


@torch.no_grad()
def embed(texts, depth="neighbours"):
    """Embeddings of each text's words (``metrics.words``): list of str, or of lists of words -> list of float32 (words, width).

    depth: how much of the network reads, one of ``DEPTHS``: "words" (words and their letters, no context), "neighbours" (two on each side as
    well: the one for BERTScore), "transformer" (all of it).
    A text is read in stretches of 48 words.  A word that the network doesn't know is read by its letters and its neighbours.
    Raises ValueError for a text without any word or another depth, CheckpointError if the network's files are missing or damaged.
    """
    if depth not in DEPTHS:
        raise ValueError(f"depth is one of {', '.join(DEPTHS)}, not {depth!r}")
    reader, net = _shipped()
    vectors = {
        "words": lambda ids, pieces, padding: net.without_context(ids, pieces),
        "neighbours": net.in_context,
        "transformer": net.encode,
    }[depth]
    stretches = []  # (text, ids, pieces)
    for number, text in enumerate(texts):
        tokens = words(text) if isinstance(text, str) else list(text)
        if not tokens:
            raise ValueError(f"text {number} has no words: there is nothing to embed")
        ids, pieces = reader(tokens)
        stretches += [
            (number, i, p)
            for i, p in zip(ids.split(LENGTH), pieces.split(LENGTH), strict=True)
        ]  # fmt: skip
    found = [[] for _ in texts]
    for start in range(0, len(stretches), _LINES):
        part = stretches[start : start + _LINES]
        ids = nn.utils.rnn.pad_sequence([i for _, i, _ in part], batch_first=True)
        pieces = nn.utils.rnn.pad_sequence([p for _, _, p in part], batch_first=True)
        lengths = torch.tensor([len(i) for _, i, _ in part])
        padding = torch.arange(ids.shape[1])[None] >= lengths[:, None]
        for (number, i, _), h in zip(part, vectors(ids, pieces, padding), strict=True):
            found[number].append(h[: len(i)])
    return [torch.cat(parts) for parts in found]


# --- training ---------------------------------------------------------------------------------------------------------


def _hidden(ids, pieces, generator, share=0.15):
    """BERT's game: of 15 % of the words 80 % are masked, 10 % exchanged for a random one, 10 % left; returns what is seen, and which count."""
    chosen = torch.rand(ids.shape, generator=generator) < share
    dice = torch.rand(ids.shape, generator=generator)
    rows = torch.randint(ids.numel(), ids.shape, generator=generator)  # a random word of the batch
    other = chosen & (dice >= 0.8) & (dice < 0.9)
    masked = chosen & (dice < 0.8)
    seen_ids = torch.where(other, ids.flatten()[rows], ids).masked_fill(masked, MASK)
    seen = torch.where(other[..., None], pieces.flatten(0, 1)[rows], pieces)
    return seen_ids, seen.masked_fill(masked[..., None], 0), chosen & (ids != UNKNOWN)


def _evaluate(net, ids, pieces, seed=0):
    """Mean nats and share right over hidden known words of a held-out text, (n, LENGTH) each; every 15th word is masked."""
    nats, right, count = 0.0, 0, 0
    with torch.no_grad():
        for shift in range(0, 15, 5):
            chosen = torch.zeros_like(ids, dtype=torch.bool)
            chosen.view(-1)[shift::15] = True
            for i, p, c in zip(ids.split(64), pieces.split(64), chosen.split(64), strict=True):
                logits = net(i.masked_fill(c, MASK), p.masked_fill(c[..., None], 0))
                known = c & (i != UNKNOWN)
                logits, y = logits[known].float(), i[known]
                nats += float(F.cross_entropy(logits, y, reduction="sum"))
                right += int((logits.argmax(1) == y).sum())
                count += len(y)
    return nats / count, right / count


def _corpus(reader, split, longest=12):
    """All words of a split in rows of LENGTH: ids (n, LENGTH), pieces (n, LENGTH, longest)."""
    ids, pieces = reader(words(data.text("shakespeare", split)), longest)
    n = len(ids) // LENGTH
    return ids[: n * LENGTH].view(n, LENGTH), pieces[: n * LENGTH].view(n, LENGTH, longest)


def unigram_nats(reader):
    """What the words' frequencies alone give on the test plays, known words only: (nats a word, share right)."""
    train, test = (_corpus(reader, split)[0].flatten() for split in ("train", "test"))
    counts = train.bincount(minlength=len(reader.place) + 2).float()
    counts[[MASK, UNKNOWN]] = 0
    test = test[test != UNKNOWN]
    p = (counts + 0.5) / (counts + 0.5).sum()
    return float(-p[test].log().mean()), float((test == counts.argmax()).float().mean())


def train(steps=None, seed=0, lr=2e-3, batch=64, **config):
    """Train a network anew (about 220 CPU seconds in the full budget) -> (Reader, network, History)."""
    steps = steps or runtime.by_budget(fast=20, normal=500, full=1600)
    config = {"vocabulary": 4000, "width": 128, "layers": 1, "heads": 4} | config
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    counts = Counter(words(data.text("shakespeare", "train")))
    reader = Reader(w for w, _ in counts.most_common(config["vocabulary"] - 2))
    flat_ids, flat_pieces = (x.flatten(0, 1) for x in _corpus(reader, "train"))
    valid = [x[:200] for x in _corpus(reader, "valid")]
    net = MaskedLM(**config)
    window = torch.arange(LENGTH)

    def batches():
        while True:  # stretches begin anywhere
            yield torch.randint(len(flat_ids) - LENGTH, (batch, 1), generator=generator) + window

    def loss(net, rows):
        ids = flat_ids[rows]
        seen, seen_pieces, counts = _hidden(ids, flat_pieces[rows], generator)
        h = net.encode(seen, seen_pieces)[counts]
        return F.cross_entropy((h @ net.words.weight.T + net.bias).float(), ids[counts])

    history = fit(
        net,
        loss,
        batches(),
        steps=steps,
        optimizer=torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=0.01),
        clip=1.0,
        valid=lambda net: _evaluate(net, *valid)[0],
        unit="nats/word",
        title="Masked language model",
        autocast=True,
    )
    return reader, net.eval(), history


def _unrelated(net, reader, pairs=500, seed=0):
    """Mean F of BERTScore over random pairs of different held-out lines."""
    lines = [
        line for line in data.text("shakespeare", "valid").split("\n") if len(words(line)) >= 5
    ]
    order = torch.randperm(len(lines), generator=torch.Generator().manual_seed(seed))[: 2 * pairs]
    with torch.no_grad():
        vectors = []
        for i in order.tolist():
            ids, pieces = reader(words(lines[i])[:LENGTH])
            vectors.append(net.in_context(ids[None], pieces[None])[0])
    scores = [greedy_match(a, b).f for a, b in zip(vectors[::2], vectors[1::2], strict=True)]
    return math.fsum(scores) / len(scores)


def ship():
    """Train in the full budget; write the rounded weights, the vocabulary, and the test figure (nats per hidden known word)."""
    reader, net, history = train()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(p.half().float())
    content = ("\n".join(reader.vocabulary) + "\n").encode()
    paths.write_atomic(_words_file(), content)
    nats, right = _evaluate(net, *_corpus(reader, "test"))
    config = {"vocabulary": 4000, "width": 128, "layers": 1, "heads": 4}
    config |= {"words": hashlib.sha256(content).hexdigest()}
    config |= {"baseline": round(_unrelated(net, reader), 4)}
    entry = checkpoints.save(
        CHECKPOINT, net, nats, unit="nats/word", task="Shakespeare, three held-out plays: one word in 15 hidden",
        cpu_seconds=history.cpu_seconds, seed=0, config=config, half=True,
    )  # fmt: skip
    print(f"{100 * right:.1f} % of the hidden words right; unigram: {unigram_nats(reader)}")
    return entry


if __name__ == "__main__":
    print(ship())
