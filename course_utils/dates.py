"""The date task of lectures 04b and 09b: dates as people write them in three languages -> “2021-03-03”; and 04b's recurrent translator.

``tests/test_lecture_09b.py`` compares the translator with the one that lecture 04b writes.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .exercises.lecture_04b import last_state

_MONTHS = [
    "January February March April May June July August September October November December",
    "січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня",
    "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
]
_BETWEEN = (1985, 1993, 2004, 2012, 2026)  # held out, but each of their digits occurs at its place
HELD_OUT = ("new dates", "years between", "years before 1980")  # three kinds, for testing


def spellings(year, month, day):
    """A date as people write it, English twice, Ukrainian, Russian: four pairs (as written, answer)."""
    en, uk, ru = (months.split()[month - 1] for months in _MONTHS)
    ways = (f"{day} {en} {year}", f"{en} {day}, {year}", f"{day} {uk} {year}", f"{day} {ru} {year}")
    return [(text, f"{year}-{month:02d}-{day:02d}") for text in ways]


def by_rule(text):
    """The answer to a date by rule: split at blanks, look the month up."""
    first, second, year = text.replace(",", "").split()
    day, name = (first, second) if first.isdigit() else (second, first)
    month = 1 + next(names.split().index(name) for names in _MONTHS if name in names.split())
    return f"{year}-{month:02d}-{int(day):02d}"


def pairs():
    """{"train", "valid" and the three of HELD_OUT: pairs (as written, answer), four for each date}."""
    every = [(y, m, d) for y in range(1970, 2030) for m in range(1, 13) for d in range(1, 29)]
    mixed = [every[i] for i in np.random.default_rng(0).permutation(len(every))]
    known = [date for date in mixed if date[0] >= 1980 and date[0] not in _BETWEEN]
    groups = {
        "train": known[:-600],
        "valid": known[-600:-300],
        "new dates": known[-300:],
        "years between": [date for date in mixed if date[0] in _BETWEEN][:300],
        "years before 1980": [date for date in mixed if date[0] < 1980][:300],
    }
    return {name: [p for date in dates for p in spellings(*date)] for name, dates in groups.items()}


class Dates:
    """The task as numbers.  letters: the alphabet, its number 0 ends a text; sources, answers: {group: (n, time)}; pairs: the texts."""

    def __init__(self):
        self.pairs = pairs()
        texts = "".join(a + b for group in self.pairs.values() for a, b in group)
        self.letters = ["\n", *sorted(set(texts))]
        self.sources = {name: self._rows(a for a, _ in group) for name, group in self.pairs.items()}
        self.answers = {name: self._rows(b for _, b in group) for name, group in self.pairs.items()}

    def _rows(self, texts):
        number = {c: i for i, c in enumerate(self.letters)}
        rows = [torch.tensor([number[c] for c in text]) for text in texts]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True)

    def percent_exact(self, model, group):
        """Per cent of a group's texts whose answer comes out right in every letter."""
        right = (translate(model, self.sources[group]) == self.answers[group]).all(1)
        return 100 * float(right.float().mean())


def loss(model, batch):
    """Nats per letter of the answers, each letter predicted from the true ones before it.  batch: sources and answers, (batch, time) each."""
    source, answer = batch
    logits = model(source, F.pad(answer[:, :-1], (1, 0)))  # 0 begins an answer
    return F.cross_entropy(logits.flatten(0, 1), answer.flatten())


@torch.no_grad()
def translate(model, source):
    """The likeliest letter again and again: (n, time) -> (n, 10)."""
    out = torch.zeros(len(source), 1, dtype=torch.long)
    for _ in range(10):
        out = torch.cat([out, model(source, out)[:, -1:].argmax(2)], 1)
    return out[:, 1:]


class Recurrent(nn.Module):
    """Lecture 04b's translator.  source (batch, time), answer so far (batch, steps) -> logits of its next letters (batch, steps, letters)."""

    def __init__(self, letters, width=128):
        super().__init__()
        self.embed = nn.Embedding(letters, 24)
        self.encoder = nn.GRU(24, width, batch_first=True)
        self.decoder = nn.GRU(24, width, batch_first=True)
        self.head = nn.Linear(width, letters)

    def forward(self, source, answer):
        read, _ = self.encoder(self.embed(source))
        last = last_state(read, (source > 0).sum(1))  # (batch, width): all that the decoder gets
        h, _ = self.decoder(self.embed(answer), last[None])
        return self.head(h)
