"""Rivals of lecture 09's GPT on the plays, trained for a given number of CPU seconds: lecture 04's LSTM, nanoGPT's recipe, and the GPT
itself with one part exchanged; and what a layer keeps for its backward pass.

The rates follow the clock, so each budget is a training of its own.
"""

import math
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import runtime
from .exercises.lecture_09 import merge_heads, rms_norm, rotate, split_heads
from .gpt import GPT, Attention, Block
from .ngrams import NGram


def _cosine(share):
    return (1 + math.cos(math.pi * share)) / 2


def _update(net, optimizer, loss, lr):
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()


class LSTM(nn.Module):
    """x: (batch, time) -> logits of the next one (batch, time, vocab), state.  Lecture 04's ``CharModel``."""

    def __init__(self, vocab, width=256, embedding=64, dropout=0.0):
        super().__init__()
        self.embed, self.head = nn.Embedding(vocab, embedding), nn.Linear(width, vocab)
        self.rnn = nn.LSTM(embedding, width, batch_first=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, state=None):
        h, state = self.rnn(self.dropout(self.embed(x)), state)
        return self.head(self.dropout(h)), state


def _streams(ids, seed, rows=32, length=64, piece=1200):
    """Endless (rows, length + 1) parts that go on where the last ones ended, and True where a pass over the text, in pieces, begins."""
    draw = torch.Generator().manual_seed(seed)
    pieces = ids[: len(ids) // piece * piece].view(-1, piece)
    while True:
        text = pieces[torch.randperm(len(pieces), generator=draw)].flatten()
        text = text[: len(text) // rows * rows].view(rows, -1)
        for start in range(0, text.shape[1] - length, length):
            yield text[:, start : start + length + 1], start == 0


def lstm_bits(ids, vocab, budget, seed, lr=4e-3, split="test", **size):
    """Mean bits of a symbol of the test text by lecture 04's recipe for an LSTM after ``budget`` CPU seconds.

    32 streams of shuffled pieces of the text, 64 symbols a step, the state carried; AdamW, clipped, a short warm-up and a cosine.
    ids: {"train": (n,), "test": (n,)}, whole numbers below vocab.  split: of ids, what is judged.  size: of the LSTM, as its class takes it.
    """
    torch.manual_seed(seed)
    net, batches = LSTM(vocab, **size), _streams(ids["train"], seed)
    optimizer = torch.optim.AdamW(net.parameters(), betas=(0.9, 0.99), fused=True)
    start, state = time.process_time(), None
    while (share := (time.process_time() - start) / budget) < 1:
        part, fresh = next(batches)
        with runtime.autocast():
            logits, state = net(part[:, :-1], None if fresh else state)
        state = tuple(s.detach() for s in state)
        loss = F.cross_entropy(logits.float().flatten(0, 1), part[:, 1:].flatten())
        _update(net, optimizer, loss, lr * min(1, share / 0.03) * (0.01 + 0.99 * _cosine(share)))
    net.eval()
    test = ids[split]
    x, nats, state = test[: len(test) // 64 * 64].view(64, -1), 0.0, None
    with torch.no_grad():  # 64 parts, each read from its beginning
        for part in torch.arange(x.shape[1] - 1).split(256):
            with runtime.autocast():
                logits, state = net(x[:, part], state)
            nats += float(F.cross_entropy(logits.float().mT, x[:, part + 1], reduction="sum"))
    return nats / x[:, 1:].numel() / math.log(2)


class NanoGPT(nn.Module):
    """GPT-2's architecture with nanoGPT's settings for CPUs.  x: (batch, up to 64) -> logits (batch, time, vocab)."""

    def __init__(self, vocab, width=128, layers=4):
        super().__init__()
        self.embed, self.place = nn.Embedding(vocab, width), nn.Embedding(64, width)
        layer = nn.TransformerEncoderLayer(
            width, 4, 4 * width, dropout=0, activation="gelu", batch_first=True, norm_first=True, bias=False
        )  # fmt: skip
        norm = nn.LayerNorm(width, bias=False)
        self.blocks = nn.TransformerEncoder(layer, layers, norm, enable_nested_tensor=False)
        for name, p in self.named_parameters():
            if p.ndim == 2:
                outwards = name.endswith(("out_proj.weight", "linear2.weight"))
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * layers) if outwards else 0.02)

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        h = self.blocks(self.embed(x) + self.place.weight[: x.shape[1]], mask=mask, is_causal=True)
        return h @ self.embed.weight.T  # the head is the embedding, transposed


def nano_bits(ids, vocab, budget, seed):
    """Mean bits of a symbol of the test text by nanoGPT's config/train_shakespeare_char.py as its README runs it on a CPU, after ``budget`` CPU seconds.

    12 windows of 64 characters a step, AdamW with weight decay 0.1, warm-up, cosine down to a tenth; in float32, as published.
    """
    torch.manual_seed(seed)
    net, train, test = NanoGPT(vocab), ids["train"], ids["test"]
    decayed, others = ([p for p in net.parameters() if (p.ndim == 2) == wide] for wide in (1, 0))
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0}]
    optimizer, start = torch.optim.AdamW(groups, betas=(0.9, 0.99), fused=True), time.process_time()
    while (share := (time.process_time() - start) / budget) < 1:
        window = train[torch.randint(len(train) - 65, (12, 1)) + torch.arange(65)]
        loss = F.cross_entropy(net(window[:, :-1]).flatten(0, 1), window[:, 1:].flatten())
        _update(net, optimizer, loss, 1e-3 * min(1, share / 0.05) * (0.1 + 0.9 * _cosine(share)))
    nats, first = 0.0, torch.arange(0, len(test) - 65, 32)  # the later half of each counts
    with torch.no_grad():
        for rows in first.split(64):
            window = test[rows[:, None] + torch.arange(65)]
            logits = net(window[:, :-1])[:, 32:]
            nats += float(F.cross_entropy(logits.mT, window[:, 33:], reduction="sum"))
    return nats / (32 * len(first)) / math.log(2)


# --- the lecture's GPT with one part exchanged -------------------------------------------------------------------------


class Unrotated(Attention):
    """Attention without positions; causal."""

    def forward(self, x, start=0, cache=None):
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        q, k = rms_norm(q, self.q_gain), rms_norm(k, self.k_gain)
        return self.out(merge_heads(F.scaled_dot_product_attention(q, k, v, is_causal=True)))


class Peeking(Attention):
    """The same layer, but each position sees ``ahead`` positions of its future: a mask with a fault.  ahead=0: the sound one."""

    def __init__(self, width, heads, ahead):
        super().__init__(width, heads)
        self.ahead = ahead

    def forward(self, x, start=0, cache=None):
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        n = x.shape[1]
        q = rotate(rms_norm(q, self.q_gain), torch.arange(n))
        k = rotate(rms_norm(k, self.k_gain), torch.arange(n))
        mask = torch.ones(n, n, dtype=torch.bool).tril(self.ahead)
        return self.out(merge_heads(F.scaled_dot_product_attention(q, k, v, attn_mask=mask)))


class NoPositions(GPT):
    def __init__(self, vocab, width=128, layers=3, heads=4):
        super().__init__(vocab, width, layers, heads)
        for block in self.blocks:
            block.attention = Unrotated(width, heads)


class LearnedPositions(NoPositions):
    """A learned vector for each of 64 places is added to the token's."""

    def __init__(self, vocab, width=128, **more):
        super().__init__(vocab, width, **more)
        self.place = nn.Embedding(64, width)
        self.embed.register_forward_hook(lambda _, args, x: x + self.place.weight[: x.shape[1]])


class NoNorm(Block):
    """Nothing is normalised but queries and keys."""

    def forward(self, x, start=0, cache=None):
        x = x + self.attention(x)
        return x + self.down(F.relu(self.up(x)).square())


class PostNorm(Block):
    """The order of 2017: first add, then normalise the sum."""

    def forward(self, x, start=0, cache=None):
        x = rms_norm(x + self.attention(x), self.norm1)
        return rms_norm(x + self.down(F.relu(self.up(x)).square()), self.norm2)


def with_blocks(kind, vocab, width=128, layers=3, heads=4):
    """A GPT of other blocks, ``NoNorm`` or ``PostNorm``."""
    net = GPT(vocab, width, layers, heads)
    net.blocks = nn.ModuleList(kind(width, heads) for _ in range(layers))
    return net


def deep_bits(kind, ids, rate, warm_up, seed, steps=150):
    """Bits of a symbol in training, the mean of the last 20 steps, of twelve layers of width 64, ``Block`` or ``PostNorm``.

    ids: (n,), the symbols of a text, whole numbers from 0.  The rate rises over ``warm_up`` steps and stays; AdamW, 16 windows of 64 a step.
    """
    torch.manual_seed(seed)
    net, bits = with_blocks(kind, int(ids.max()) + 1, width=64, layers=12), []
    optimizer = torch.optim.AdamW(net.parameters(), betas=(0.9, 0.95), weight_decay=0, fused=True)
    for step in range(1, steps + 1):
        x = ids[torch.randint(len(ids) - 65, (16, 1)) + torch.arange(65)]
        loss = F.cross_entropy(net(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten())
        _update(net, optimizer, loss, rate * min(1, step / warm_up))
        bits.append(loss.item() / math.log(2))
    return sum(bits[-20:]) / 20


DEEP_RATES = (0.001, 0.003, 0.01, 0.02)


def depth_runs(ids, seeds):
    """{norm and warm-up: {rate: bits of each seed}} by ``deep_bits``; a warm-up of one step is none."""
    kinds, warm_ups = {"pre-norm": Block, "post-norm": PostNorm}, {"": 1, ", warm-up": 50}
    return {
        norm + name: {
            str(r): [round(deep_bits(kind, ids, r, steps, seed), 3) for seed in seeds]
            for r in DEEP_RATES
        }
        for norm, kind in kinds.items()
        for name, steps in warm_ups.items()
    }


def adamw(model, lr=6e-3):
    """One AdamW for everything, in place of Muon and Adam."""
    return [
        torch.optim.AdamW(model.parameters(), lr, betas=(0.9, 0.95), weight_decay=0, fused=True)
    ]


PARTS = {  # what is exchanged, as arguments of the lecture's ``gpt_race``
    "as it is": {},
    "characters for byte pairs": {"build": lambda: GPT(77), "tokens": "letters"},
    "AdamW for Muon and Adam": {"optimizers": adamw},
    "no positions": {"build": lambda: NoPositions(1536)},
    "learned positions": {"build": lambda: LearnedPositions(1536)},
    "no norm in the blocks": {"build": lambda: with_blocks(NoNorm, 1536)},
    "post-norm": {"build": lambda: with_blocks(PostNorm, 1536)},
    "6 layers of width 64": {"build": lambda: GPT(1536, 64, 6)},
    "context 128": {"batch": 12, "context": 128},
}


def mixed_ngrams(train, text, alphabet):
    """Mean bits of a character of text by two n-grams counted on train and mixed, half of each: Kneser–Ney with a weight, and Witten–Bell.

    Their lengths, constants and shares were chosen on the validation plays.
    """
    two = NGram(train, 8, alphabet, extra=0.6), NGram(train, 9, alphabet, kappa=16)
    return float(-np.log2(np.mean([2 ** -model.bits(text) for model in two], axis=0)).mean())


# --- memory -----------------------------------------------------------------------------------------------------------


def kept_mb(forward):
    """How many MB (10^6 bytes) a forward pass, a function without arguments, keeps for its backward pass; parameters count, too."""
    kept = {}

    def keep(tensor):
        kept[tensor.data_ptr()] = tensor.nbytes / 1e6  # kept twice, it is stored once
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        answer = forward()  # while it lives, so does what it needs: no address comes twice
    del answer
    return sum(kept.values())
