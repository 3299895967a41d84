"""Forms that ask people inside the notebook: a blind comparison of two samples, and a rating from 1 to 5.

Every answer is in a CSV file of the student's own folder before the next question appears; nothing leaves the machine.
"""

import base64
import datetime
import hashlib
import html
import io
import itertools
import math
import random
import re
import time

import ipywidgets as widgets
import numpy as np
from PIL import Image

from .. import paths
from ..texts import message
from . import answers

_HASTE = 0.25  # seconds: a key that is held down must not answer the questions to come


class _Form(widgets.VBox):
    """What both forms have in common: trials in a random order, one at a time, and answers that are never lost."""

    def __init__(self, name, samples, question, seed, rater, options):
        self.name, self.path = name, answers.file_of(name)
        self.samples = {str(model): list(items) for model, items in samples.items()}
        self.seed, self.rater = int(seed), str(rater)
        for text in (*self.samples, self.rater):
            if re.search("[\r\n\0\ud800-\udfff]", text):  # half characters can't be written
                raise ValueError(f"names of models and raters are one line of text, not {text!r}")
        self.question = message(f"people.{self._kind}.question") if question is None else question
        self._pictures = {
            (m, i): _picture(s) for m, items in self.samples.items() for i, s in enumerate(items)
        }
        self.digest = _digest(self._pictures)
        self.trials = self._all_trials(random.Random(f"{self.seed}/{self.rater}"))
        self.options, self._answers, self._unsaved = options, {}, []
        for row in answers.read(self.path):
            if self._is_mine(row):
                self._answers.setdefault(int(row["trial"]), row)
        self._progress, self._stage = widgets.HTML(), widgets.HTML()
        self._buttons = {}
        for option in options:
            text = message(f"people.{self._kind}.{option}")
            button = widgets.Button(
                description=text,
                tooltip=f"{text}. {message('people.keys')}",
                layout=widgets.Layout(width="auto", min_width="7em"),
            )
            button.on_click(lambda _, option=option: self._pressed(option))
            self._buttons[option] = button
        title = widgets.HTML(f"<strong>{html.escape(self.question)}</strong>")
        row = widgets.HBox(
            list(self._buttons.values()), layout=widgets.Layout(flex_flow="row wrap")
        )
        keys = widgets.HTML(f"<small>{html.escape(message('people.keys'))}</small>")
        super().__init__([title, self._stage, row, keys, self._progress])
        self.add_class(f"course-{self._kind}")
        self._draw()

    def answer(self, choice):
        """Answer the question on show as a hand would; returns the row that was kept (a dict).

        Raises ValueError for a choice that isn't offered, or when everything is answered.
        """
        if choice not in self.options:
            raise ValueError(
                f"the choices are {', '.join(map(repr, self.options))}, not {choice!r}"
            )
        if self.current is None:
            raise ValueError("everything is answered; a form with another seed or rater asks anew")
        choice = self.options[self.options.index(choice)]  # for a tensor its number
        number = self.current
        row = {
            "form": self.name,
            "rater": self.rater,
            "seed": str(self.seed),
            "samples": self.digest,
            "trial": str(number),
            **{key: str(value) for key, value in self._judged(self.trials[number], choice).items()},
            "seconds": f"{time.monotonic() - self._since:.2f}",
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        self._answers[number] = row
        self._unsaved.append(row)
        self.save()
        self._draw()
        return row

    def save(self):
        """Write answers that the disk refused before; it is tried after every answer too.  True when all are written."""
        if self._unsaved:
            try:
                answers.append(self.path, self.fields, self._unsaved)
                self._unsaved = []
            except OSError as error:
                self._trouble = error.strerror or str(error)
        return not self._unsaved

    @property
    def current(self):
        """Number of the trial on show, from 0; None when all are answered."""
        return next((i for i in range(len(self.trials)) if i not in self._answers), None)

    @property
    def results(self):
        """Answers of this rater so far, in the order of the trials: dicts with the columns of ``read_answers``."""
        return [dict(self._answers[i]) for i in sorted(self._answers)]

    def _is_mine(self, row):
        """Does the row answer one of these trials?  Same samples, rater and order."""
        mine = [self.name, self.rater, str(self.seed), self.digest]
        number = int(row["trial"])
        if [row.get(key) for key in ("form", "rater", "seed", "samples")] != mine:
            return False
        choice = next((o for o in self.options if str(o) == row.get(self._asked)), None)
        if number >= len(self.trials) or choice is None:
            return False
        kept = self._judged(self.trials[number], choice)
        return all(row[key] == str(value) for key, value in kept.items())

    def _pressed(self, option):
        if self.current is not None and time.monotonic() - self._since > _HASTE:
            self.answer(option)

    def _draw(self):
        number, total, done = self.current, len(self.trials), len(self._answers)
        if number is None:
            self._stage.value = ""
            text = message("people.done", total=total, file=paths.shown(self.path))
        else:
            self._stage.value = self._html(self.trials[number])
            text = message("people.progress", number=done + 1, total=total, seed=self.seed)
        if self._unsaved:
            text = message("people.unsaved", count=len(self._unsaved), why=self._trouble)
        for button in self._buttons.values():
            button.disabled = number is None
        self._progress.value = f'<div role="status" aria-live="polite">{html.escape(text)}</div>'
        self._since = time.monotonic()

    def _html(self, trial):
        figures = "".join(
            f'<figure style="margin:.3em;flex:1 1 14em;max-width:32em">'
            f"<figcaption>{html.escape(label)}</figcaption>{self._pictures[key].html(label)}</figure>"
            for label, key in self._shown(trial)
        )
        return f'<div style="display:flex;flex-wrap:wrap;gap:1em">{figures}</div>'

    def _repr_mimebundle_(self, **kwargs):
        live = super()._repr_mimebundle_(**kwargs)
        live = live[0] if isinstance(live, tuple) else live
        choices = ", ".join(message(f"people.{self._kind}.{option}") for option in self.options)
        static = message("people.static", total=len(self.trials), choices=choices)
        page = (
            f"<p><strong>{html.escape(self.question)}</strong></p>{self._html(self.trials[0])}"
            f"<p><em>{html.escape(static)}</em></p>"
        )
        shown = [
            f"{label}: {self._pictures[key].text or message('people.picture', label=label)}"
            for label, key in self._shown(self.trials[0])
        ]
        text = "\n".join([self.question, *shown, static])
        return {**(live or {}), "text/html": page, "text/plain": text}


class BlindComparison(_Form):
    """Which of two samples is better?  Random order, random sides, no names of models.

    name: of the form and its file, judgements/<name>.csv in the student's folder.
    samples: {model: [sample, ...]}, at least two models with equally many samples; sample i of one is compared with sample i of another.
    A sample is a text, an image (28, 28) or (1, 28, 28), several images (n, 28, 28) or (n, 1, 28, 28) (0 paper to 1 ink), or PNG bytes.
    question: default "Which one is better?".  ties: offer "no difference".  limit: ask so many of the pairs only.
    seed, rater: give the order and sides (the same again for the same two) and stand in every row.

    Each answer is in the file before the next pair appears; made again with the same arguments, the form goes on where it was left.  An answer
    that can't be written is kept and tried again.  From Python: ``answer("left")``, "right" or "tie"; ``results``, ``comparisons``,
    ``tally(model)``, ``current``.
    Raises ValueError for fewer than two models, different numbers of samples, samples that can't be shown, a name that is no file name.
    """

    _kind, _asked = "comparison", "choice"
    fields = answers.COMPARISON

    def __init__(self, name, samples, question=None, ties=False, limit=None, seed=0, rater="me"):
        counts = {len(items) for items in samples.values()}
        if len(samples) < 2 or len(counts) != 1 or counts == {0}:
            raise ValueError(
                "samples must hold at least two models with equally many samples, at least one each"
            )
        self._limit = limit
        options = ["left", "right", "tie"] if ties else ["left", "right"]
        super().__init__(name, samples, question, seed, rater, options)

    @property
    def comparisons(self):
        """Answers so far as (winner, loser) or (a, b, "tie"), for ``win_matrix``."""
        return [answers.comparison(row) for row in self.results]

    def tally(self, model):
        """(wins, judgements without ties) of a model so far, for ``binomial_sign_test``.  Raises ValueError for an unknown model."""
        if model not in self.samples:
            raise ValueError(f"no model {model!r}; there are: {', '.join(self.samples)}")
        decided = [c for c in self.comparisons if len(c) == 2 and model in c]
        return sum(winner == model for winner, _ in decided), len(decided)

    def _all_trials(self, rng):
        models = list(self.samples)
        trials = [
            (item, *rng.sample(pair, 2))
            for pair in itertools.combinations(models, 2)
            for item in range(len(self.samples[models[0]]))
        ]
        rng.shuffle(trials)
        return trials[: self._limit]

    def _judged(self, trial, choice):
        item, left, right = trial
        winner = {"left": left, "right": right, "tie": ""}[choice]
        return {"item": item, "left": left, "right": right, "choice": choice, "winner": winner}

    def _shown(self, trial):
        item, left, right = trial
        return [
            (message("people.comparison.left_label"), (left, item)),
            (message("people.comparison.right_label"), (right, item)),
        ]


class Rating(_Form):
    """How good is this sample, 1 (bad) to 5 (excellent)?  One at a time, in random order, no names of models.

    name, question, limit, seed, rater, saving and resuming: as in ``BlindComparison``.  samples: {model: [sample, ...]}, at least one.
    From Python: ``answer(4)``; ``results``, ``current``.  ``rating_table(read_answers(name))`` puts raters side by side.
    Raises ValueError as ``BlindComparison`` does.
    """

    _kind, _asked = "rating", "rating"
    fields = answers.RATING

    def __init__(self, name, samples, question=None, limit=None, seed=0, rater="me"):
        if not samples or not all(len(items) for items in samples.values()):
            raise ValueError("samples must hold at least one model, with at least one sample each")
        self._limit = limit
        super().__init__(name, samples, question, seed, rater, [1, 2, 3, 4, 5])

    def _all_trials(self, rng):
        trials = [(i, model) for model, items in self.samples.items() for i in range(len(items))]
        rng.shuffle(trials)
        return trials[: self._limit]

    def _judged(self, trial, choice):
        item, model = trial
        return {"item": item, "model": model, "rating": choice}

    def _shown(self, trial):
        item, model = trial
        return [(message("people.rating.label"), (model, item))]


class _Picture:
    """A sample as it is shown: a text, or PNG bytes with its width in pixels of the page."""

    def __init__(self, text=None, png=None, width=None):
        self.text, self.png, self.width = text, png, width

    def html(self, label):
        if self.png is None:
            style = (
                "white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid #7F7F7F;padding:.5em"
            )
            return f'<div style="{style}">{html.escape(self.text)}</div>'
        source = base64.b64encode(self.png).decode("ascii")
        style = f"width:{self.width}px;max-width:100%;image-rendering:pixelated;border:1px solid #7F7F7F"
        alt = html.escape(message("people.picture", label=label))
        return f'<img alt="{alt}" style="{style}" src="data:image/png;base64,{source}">'


def _picture(sample):
    if isinstance(sample, str):
        return _Picture(text=sample)
    if isinstance(sample, bytes):
        if not sample.startswith(b"\x89PNG"):
            raise ValueError("bytes are shown as a PNG image; these are none")
        return _Picture(png=sample, width=320)
    if hasattr(sample, "detach"):
        sample = sample.detach().cpu().float().numpy()
    x = np.asarray(sample)
    if x.ndim == 4 and x.shape[1] == 1:
        x = x[:, 0]
    if x.ndim == 2:
        x = x[None]
    if x.ndim != 3 or not x.size or x.dtype.kind not in "fb":
        raise ValueError(
            f"a sample is a text, images (28, 28) or (n, 28, 28) of floats, or PNG bytes; this is {x.dtype} {x.shape}"
        )
    if not (x.min() >= -1e-3 and x.max() <= 1 + 1e-3):
        raise ValueError("images go from 0 (paper) to 1 (ink); this one has other values or NaN")
    columns = math.ceil(math.sqrt(len(x)))
    n, height, width = x.shape
    sheet = np.zeros((-(-n // columns) * (height + 2) - 2, columns * (width + 2) - 2))
    for i, image in enumerate(x):
        top, left = i // columns * (height + 2), i % columns * (width + 2)
        sheet[top : top + height, left : left + width] = image
    png = io.BytesIO()
    Image.fromarray((255 * (1 - sheet.clip(0, 1))).round().astype(np.uint8)).save(png, format="png")
    return _Picture(png=png.getvalue(), width=max(160, min(480, 4 * sheet.shape[1])))


def _digest(pictures):
    """A few letters that differ for different samples, so that answers about other samples are not taken for these."""
    whole = hashlib.sha256()
    for (model, item), picture in sorted(pictures.items()):
        content = picture.png if picture.text is None else picture.text.encode()
        for part in (model.encode(), str(item).encode(), hashlib.sha256(content).digest()):
            whole.update(len(part).to_bytes(4, "big") + part)
    digest = whole.hexdigest()[:12]
    # a spreadsheet would take it for a number, and round it
    return "x" + digest[1:] if re.fullmatch(r"\d+(e\d+)?", digest) else digest
