"""Rivals of lecture 09's GPT on the plays, trained for a given number of CPU seconds: lecture 04's LSTM and nanoGPT's recipe.

Both read characters and return bits/char on the test plays.  The rates follow the clock, so each budget is a training of its own.
"""

import math
import time

import torch
import torch.nn.functional as F
from torch import nn

from . import data, runtime


def _codes(split):
    order = {c: i for i, c in enumerate(sorted(set(data.text("shakespeare"))))}
    return torch.tensor([order[c] for c in data.text("shakespeare", split)])


def _cosine(share):
    return (1 + math.cos(math.pi * share)) / 2


def _update(net, optimizer, loss, lr):
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()


class CharLSTM(nn.Module):
    """x: (batch, time) characters -> logits of the next one (batch, time, vocab), state."""

    def __init__(self, vocab, width=256):
        super().__init__()
        self.embed, self.head = nn.Embedding(vocab, 64), nn.Linear(width, vocab)
        self.rnn = nn.LSTM(64, width, batch_first=True)

    def forward(self, x, state=None):
        h, state = self.rnn(self.embed(x), state)
        return self.head(h), state


def lstm_bits(budget, seed):
    """An LSTM of 256 units for ``budget`` CPU seconds: 32 streams, 64 characters a step, state carried, AdamW, clipped, cosine."""
    torch.manual_seed(seed)
    net, x = CharLSTM(77), _codes("train")
    x = x[: len(x) // 32 * 32].view(32, -1)
    optimizer = torch.optim.AdamW(net.parameters(), betas=(0.9, 0.99), weight_decay=0, fused=True)
    start, step, chunks, state = time.process_time(), 0, (x.shape[1] - 1) // 64, None
    while (share := (time.process_time() - start) / budget) < 1:
        at = step % chunks * 64
        state = tuple(s.detach() for s in state) if at else None
        with runtime.autocast():
            logits, state = net(x[:, at : at + 64], state)
        loss = F.cross_entropy(logits.float().flatten(0, 1), x[:, at + 1 : at + 65].flatten())
        _update(net, optimizer, loss, 4e-3 * min(1, share / 0.03) * (0.01 + 0.99 * _cosine(share)))
        step += 1
    x, nats, state = _codes("test"), 0.0, None
    x = x[: len(x) // 64 * 64].view(64, -1)  # 64 pieces, each read from its beginning
    with torch.no_grad():
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


def nano_bits(budget, seed):
    """nanoGPT's config/train_shakespeare_char.py as its README runs it on a CPU, for ``budget`` CPU seconds.

    12 windows of 64 characters a step, AdamW with weight decay 0.1, warm-up, cosine down to a tenth; in float32, as published.
    """
    torch.manual_seed(seed)
    net, x = NanoGPT(77), _codes("train")
    decayed, others = ([p for p in net.parameters() if (p.ndim == 2) == wide] for wide in (1, 0))
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0}]
    optimizer, start = torch.optim.AdamW(groups, betas=(0.9, 0.99), fused=True), time.process_time()
    while (share := (time.process_time() - start) / budget) < 1:
        window = x[torch.randint(len(x) - 65, (12, 1)) + torch.arange(65)]
        loss = F.cross_entropy(net(window[:, :-1]).flatten(0, 1), window[:, 1:].flatten())
        _update(net, optimizer, loss, 1e-3 * min(1, share / 0.05) * (0.1 + 0.9 * _cosine(share)))
    x, nats = _codes("test"), 0.0
    first = torch.arange(0, len(x) - 65, 32)  # windows overlap by half; the later half counts
    with torch.no_grad():
        for rows in first.split(64):
            window = x[rows[:, None] + torch.arange(65)]
            nats += float(
                F.cross_entropy(net(window[:, :-1])[:, 32:].mT, window[:, 33:], reduction="sum")
            )
    return nats / (32 * len(first)) / math.log(2)
