"""The leaderboard: every trained model of the course in the same units, the student's rows beside the shipped ones."""

import html
import json
import math
import os
import warnings
from dataclasses import asdict, dataclass

from . import paths, runtime
from .texts import message


@dataclass(frozen=True)
class Row:
    """One result.  value ± stderr in ``unit``; lower is better unless ``higher_is_better``.  seconds, cpu_seconds: of training.

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

    @property
    def key(self):
        return self.task, self.model, self.budget, self.seed, self.source


class Table(list):
    """Rows in order, best first; shows itself as a table in a notebook and as text elsewhere."""

    _HEAD = ("model", "value", "±", "unit", "parameters", "CPU s", "budget", "from")

    def _cells(self):
        for row in self:
            yield (
                row.model,
                _number(row.value),
                "" if row.stderr is None else f"{row.stderr:.2g}",
                row.unit,
                "" if row.parameters is None else f"{row.parameters:,}",
                "" if row.cpu_seconds is None else f"{row.cpu_seconds:.1f}",
                row.budget,
                row.source,
            )

    def __repr__(self):
        lines = [self._HEAD, *self._cells()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self._HEAD))]
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )

    def _repr_html_(self):
        def line(tag, cells):
            return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

        body = "".join(line("td", cells) for cells in self._cells())
        return f"<table><thead>{line('th', self._HEAD)}</thead><tbody>{body}</tbody></table>"


def _number(value):
    return f"{value:,.2f}" if abs(value) >= 10 else f"{value:.4g}"


def _shipped():
    return paths.data_dir() / "leaderboard.json"


def _own():
    return paths.user_dir() / "leaderboard.jsonl"


def submit(task, model, value, *, unit, **facts):
    """Record a result and return its Row; a result for the same task, model, budget and seed replaces the earlier one.

    task: what is measured on which data, such as "binarised MNIST, test".  value: a finite number in ``unit``.
    facts: stderr, seconds, cpu_seconds, parameters, seed, lecture, higher_is_better; budget is filled in.
    Kept in the folder of the student's own results; with COURSE_RECORD=1 (maintainers) in the shipped data/leaderboard.json.
    Raises ValueError for a value that is not finite.  A file that can't be written gives a warning, never an error.
    """
    value = float(value)
    if not math.isfinite(value):
        raise ValueError(f"A leaderboard value must be finite; {model} on {task} has {value}")
    record = os.environ.get("COURSE_RECORD") == "1"
    row = Row(
        task,
        model,
        value,
        unit,
        budget=runtime.budget(),
        source="course" if record else "yours",
        **facts,
    )
    path = _shipped() if record else _own()
    rows = [r for r in _read(path) if r.key != row.key] + [row]
    try:
        _write(path, rows)
    except OSError as error:
        warnings.warn(
            f"The result is not kept: {path.name} cannot be written ({error.strerror}).",
            stacklevel=2,
        )
    return row


def _read(path):
    """Rows of a file; a damaged line is reported, the others stay."""
    if not path.is_file():
        return []
    text = path.read_text("utf8")
    lines = (
        text.splitlines()
        if path.suffix == ".jsonl"
        else [json.dumps(r) for r in json.loads(text or "[]")]
    )
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(Row(**json.loads(line)))
        except (ValueError, TypeError):
            warnings.warn(f"Line {number} of {path.name} is damaged and left out.", stacklevel=2)
    return rows


def _write(path, rows):
    plain = [asdict(r) for r in rows]
    if path.suffix == ".jsonl":
        text = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in plain)
    else:
        text = (
            json.dumps(
                sorted(plain, key=lambda r: (r["task"], r["model"])), indent=1, ensure_ascii=False
            )
            + "\n"
        )
    paths.write_atomic(path, text.encode())


def table(task):
    """The rows of a task, best first: shipped ("course", or a citation) and the student's own ("yours").  Returns a Table."""
    rows = [r for r in [*_read(_shipped()), *_read(_own())] if r.task == task]
    if not rows:
        print(message("leaderboard.empty", task=task))
    sign = -1 if any(r.higher_is_better for r in rows) else 1
    return Table(sorted(rows, key=lambda r: sign * r.value))


def tasks():
    """Names of all tasks that have a row."""
    return sorted({r.task for r in [*_read(_shipped()), *_read(_own())]})
