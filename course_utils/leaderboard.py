"""The leaderboard: every trained model of the course in the same units, the student's rows beside the shipped ones."""

import json
import warnings
from dataclasses import asdict, dataclass

from . import journal, paths, runtime, settings, tables
from .texts import message


@dataclass(frozen=True)
class Row:
    """One result.  value ± stderr in ``unit``; lower is better unless ``higher_is_better``.  seconds, cpu_seconds: of training.

    bound: the true figure may be better than ``value`` (an ELBO); it is ranked with its sign, ≤ or ≥.  test: empty for the whole test
    set of the task; else what the result was measured on ("500 of 10,000 images"), and it isn't ranked: easier items are no merit.
    source: "course" for a shipped row, "yours" for one from this machine, or a citation for a published figure.
    """

    task: str
    model: str
    value: float
    unit: str
    stderr: float | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None
    parameters: int | None = None
    seed: int | None = None
    budget: str = ""
    lecture: str = ""
    higher_is_better: bool = False
    source: str = "yours"
    test: str = ""
    bound: bool = False

    def __post_init__(self):
        """Numbers of any library become Python's own: rows are written as JSON and come back equal."""
        for name in ("value", "stderr", "seconds", "cpu_seconds", "parameters", "seed"):
            value = getattr(self, name)
            if value is None and name != "value":
                continue
            value = tables.number(name, value)
            if name in ("parameters", "seed"):
                value = int(value)
            object.__setattr__(self, name, value)
        for name in ("higher_is_better", "bound"):
            object.__setattr__(self, name, bool(getattr(self, name)))

    @property
    def key(self):
        return self.task, self.model, self.budget, self.seed, self.source


class Table(list):
    """Rows in order, best first, then those that aren't ranked; shows itself as a table in a notebook and as text elsewhere."""

    _HEAD = ("rank", "model", "value", "±", "unit", "parameters", "CPU s", "budget", "from")

    def _cells(self):
        for rank, row in enumerate(self, 1):
            sign = ("≥ " if row.higher_is_better else "≤ ") if row.bound else ""
            yield (
                "–" if row.test else str(rank),
                f"{row.model} ({row.test})" if row.test else row.model,
                sign + _number(row.value),
                "" if row.stderr is None else f"{row.stderr:.2g}",
                row.unit,
                "" if row.parameters is None else f"{row.parameters:,}",
                "" if row.cpu_seconds is None else f"{row.cpu_seconds:.1f}",
                row.budget,
                row.source,
            )

    def __repr__(self):
        return tables.as_text(self._HEAD, self._cells())

    def _repr_html_(self):
        return tables.as_html(self._HEAD, self._cells())


def _number(value):
    return f"{value:,.2f}" if abs(value) >= 10 else f"{value:.4g}"


def _shipped():
    return paths.data_dir() / "leaderboard.json"


def _own():
    return paths.user_file("leaderboard.jsonl")


def submit(task, model, value, *, unit, training=None, **facts):
    """Record a result and return its Row; a result for the same task, model, budget and seed replaces the earlier one.

    task: what is measured on which data, such as "binarised MNIST, test".  value: a finite number in ``unit``, or one of each test item
    (a tensor): then their mean is recorded, with its standard error.
    training: the History of the model, or the Checkpoint of a shipped one; it knows parameters, seconds and seed.
    facts: stderr, seconds, cpu_seconds, parameters, seed, higher_is_better, test, bound; lecture and budget, the present ones unless
    they are given.
    Numbers may be numpy's or torch's.
    Kept in the folder of the student's own results; with COURSE_RECORD=1 (maintainers) in the shipped data/leaderboard.json.
    Raises ValueError for a number that is not finite.  A file of the student's that can't be written gives a warning, never an error.
    """
    facts = _of_training(training) | facts
    if getattr(value, "ndim", 0) and len(value) > 1:
        facts = {"stderr": float(value.std()) / len(value) ** 0.5} | facts  # one of each test item
        value = value.mean()
    record = settings.get("COURSE_RECORD")
    row = Row(
        task,
        model,
        value,
        unit,
        source="course" if record else "yours",
        **{"budget": runtime.budget(), "lecture": runtime.lecture()} | facts,
    )
    if record:
        path = _shipped()
        rows = [r for r in _shipped_rows() if r.key != row.key] + [row]
        plain = sorted((asdict(r) for r in rows), key=lambda r: (r["task"], r["model"]))
        text = json.dumps(plain, indent=1, ensure_ascii=False) + "\n"
        paths.write_atomic(path, text.encode())
    else:
        journal.append(_own(), asdict(row))
    return row


def _of_training(training):
    """What a History or a Checkpoint says of the training, as facts of a row."""
    if training is None:
        return {}
    facts = {"parameters": training.parameters, "cpu_seconds": training.cpu_seconds, "seed": 0}
    if hasattr(training, "seconds"):
        return facts | {"seconds": training.seconds}
    return facts | {"seed": training.seed, "budget": "full"}


def _shipped_rows():
    path = _shipped()
    try:
        return [Row(**r) for r in json.loads(path.read_text("utf8"))] if path.is_file() else []
    except (OSError, TypeError, ValueError):
        advice = paths.how_to_restore(path)
        warnings.warn(message("leaderboard.damaged", file=paths.shown(path), advice=advice), stacklevel=4)  # fmt: skip
        return []


def _own_rows():
    """The student's rows, the last of each task, model, budget and seed; what isn't a row is reported and left out."""
    rows = {}
    for number, entry in enumerate(journal.read(_own()), 1):
        try:
            row = Row(**entry)
        except (TypeError, ValueError):
            text = message("journal.damaged", number=number, file=_own().name)
            warnings.warn(text, stacklevel=3)
            continue
        rows[row.key] = row
    return list(rows.values())


def table(task):
    """The rows of a task: shipped ("course", or a citation) and the student's own ("yours").  Returns a Table.

    Best first; results on a part of the test set stand below the others, without a rank.
    """
    rows = [r for r in [*_shipped_rows(), *_own_rows()] if r.task == task]
    if not rows:
        print(message("leaderboard.empty", task=task))
    sign = -1 if any(r.higher_is_better for r in rows) else 1
    return Table(sorted(rows, key=lambda r: (bool(r.test), sign * r.value)))
