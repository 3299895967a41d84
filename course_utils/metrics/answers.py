"""The file of a form's answers: what a form writes, and what comes back from a spreadsheet.

A form writes UTF-8 with commas.  A spreadsheet may save semicolons or tabs, decimal commas, more quotes, a byte order mark, other line ends,
empty columns, UTF-16 or an 8-bit code page: all of that is read, and a line that can't be is named with the reason.
"""

import csv
import io
import math
import os
import re
import warnings
from pathlib import Path

import numpy as np

from .. import paths
from ..texts import message

_ABOUT = ["form", "rater", "seed", "samples", "trial", "item"]
_WHEN = ["seconds", "time"]
COMPARISON = [*_ABOUT, "left", "right", "choice", "winner", *_WHEN]
RATING = [*_ABOUT, "model", "rating", *_WHEN]
_CHOICES = {"choice": ["left", "right", "tie"], "rating": ["1", "2", "3", "4", "5"]}
_MANY = 5  # lines that are named one by one


def read_answers(form):
    """All answers in the file of a form, by all raters: form is its name or the file's path -> list of dicts, oldest first.

    Columns: form, rater, seed (of the order), samples (a digest of what was judged), trial, item, then left, right, choice (left, right,
    tie), winner, or model, rating; seconds (to answer), time (UTC).  All values are strings.  Lines that aren't whole are left out, and a
    warning says which and why.  An empty list if there is no such file; for a path, with a warning.
    """
    if isinstance(form, os.PathLike) or form.lower().endswith(".csv"):
        path = Path(form)
        if not path.is_file():
            warnings.warn(message("people.no_file", file=path), stacklevel=2)
    else:
        path = file_of(form)
    return read(path)


def file_of(form):
    """Path of a form's file.  Raises ValueError for a name that is none of a file."""
    if not re.fullmatch(r"\w[\w-]*", form):
        raise ValueError(
            f"a form's name becomes a file name: letters, digits, - and _ only, not {form!r}"
        )
    return paths.user_dir() / "judgements" / f"{form}.csv"


def read(path):
    """The answers in a file, as ``read_answers``; none if there is no file."""
    text, encoding = _decoded(path.read_bytes()) if path.is_file() else ("", "utf-8")
    if encoding.startswith("cp"):
        said = message("people.code_page", file=path.name, encoding=encoding)
        warnings.warn(said, stacklevel=3)
    rows, unread = [], []
    for number, found in _lines(text):
        if isinstance(found, dict):
            rows.append(found)
        else:
            unread.append(message("people.line", number=number, why=found))
    if unread:
        shown = "; ".join(unread[:_MANY]) + ("; …" if len(unread) > _MANY else "")
        said = message("people.unread", count=len(unread), file=path.name, lines=shown)
        warnings.warn(said, stacklevel=3)
    return rows


def append(path, fields, rows):
    """Add rows to the file and wait until the disk has them.  Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = path.read_bytes() if path.is_file() else b""
    before, encoding = _decoded(content)
    if encoding != "utf-8":  # one file, one encoding, which has all letters
        paths.write_atomic(path, before.encode("utf-8", "surrogateescape"))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    if before and not before.endswith(("\n", "\r")):
        text.write("\n")  # an earlier line was cut off
    if _last_head(before) != (list(fields), ","):
        writer.writeheader()
    writer.writerows(rows)
    with open(path, "ab") as file:
        file.write(text.getvalue().encode())
        file.flush()
        os.fsync(file.fileno())


# --- text -> rows -----------------------------------------------------------------------------------------------------

_NO_UTF8 = re.compile("[\udc80-\udcff]")  # what "surrogateescape" makes of such bytes
_BEYOND_ASCII = re.compile("[\x80-\ud7ff\ue000-\U0010ffff]")
_MIXED_WORD = re.compile("[a-zA-Z][\u0400-\u04ff]|[\u0400-\u04ff][a-zA-Z]")  # René read as Renй


def _decoded(content):
    """(text, name of its encoding)."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace"), "utf-16"
    text = content.decode("utf-8", "surrogateescape")
    if not _NO_UTF8.search(text) or _BEYOND_ASCII.search(text):  # good, or good but for some bytes
        return text, "utf-8"
    text = content.decode("cp1251", "replace")
    if _MIXED_WORD.search(text):
        return content.decode("cp1252", "replace"), "cp1252"
    return text, "cp1251"


def _split(text):
    """Lines: only these end one; splitlines knows seven characters more, and names may hold them."""
    return re.split("\r\n|\n|\r", text)


def _cells(line, delimiter):
    """Cells of one line, read alone: one that was cut off in quotes takes no other with it.  Raises csv.Error."""
    return next(csv.reader([line], delimiter=delimiter, strict=True), [])


def _head(line):
    """(names of the columns, delimiter) if the line is a head, else None."""
    for delimiter in ",;\t" if "rater" in line else "":
        try:
            cells = [cell.strip() for cell in _cells(line.removeprefix("\ufeff"), delimiter)]
        except csv.Error:
            continue
        if _fields(cells):
            return cells, delimiter
    return None


def _fields(head):
    """Columns of the form that a head belongs to, whatever else it has; None for no form's."""
    return next((fields for fields in (COMPARISON, RATING) if set(fields) <= set(head)), None)


def _last_head(text):
    heads = [found for found in map(_head, _split(text)) if found]
    return heads[-1] if heads else None


def _lines(text):
    """(number, answer or the reason why there is none) of each line that should hold one: a dict or a str."""
    head = None
    for number, line in enumerate(_split(text), 1):
        found = _head(line)
        if found:
            head, delimiter = found
        elif line.strip(" ,;\t\ufeff"):
            yield number, _answer(line, head, delimiter) if head else message("people.no_head")


def _answer(line, head, delimiter):
    if _NO_UTF8.search(line):
        return message("people.no_letter")
    try:
        cells = _cells(line, delimiter)
    except csv.Error:
        return message("people.cut_off")
    if len(cells) < len(head) or any(cells[len(head) :]):
        return message("people.cells", found=len(cells), wanted=len(head))
    found = dict(zip(head, cells))
    row = {field: found[field] for field in _fields(head)}
    row["seconds"] = row["seconds"].replace(",", ".")
    if not row["time"]:
        return message("people.cut_off")
    for column in ("trial", "item"):
        if not row[column].isdecimal():
            return message("people.no_number", column=column, found=row[column])
    for column, choices in _CHOICES.items():
        if column in row and row[column] not in choices:
            return message(
                "people.no_choice", column=column, found=row[column], choices=", ".join(choices)
            )
    return row


# --- rows -> figures --------------------------------------------------------------------------------------------------


def comparison(row):
    """An answer of ``BlindComparison`` (a dict) as (winner, loser) or (a, b, "tie").  Raises ValueError for another choice."""
    left, right, choice = row["left"], row["right"], row["choice"]
    found = {"left": (left, right), "right": (right, left), "tie": (left, right, "tie")}
    if choice not in found:
        raise ValueError(f"a choice is left, right or tie; in this answer it is {choice!r}")
    return found[choice]


def rating_table(rows):
    """Answers side by side, for ``krippendorff_alpha`` and its like.

    rows: dicts from ``read_answers``, of ``Rating`` or of ``BlindComparison``, about the same samples -> (table, items, raters): table
    (items, raters) with NaN where an answer is missing, its row and column names.  A rating is a number 1..5 of (model, item); a comparison
    is 1 for the model first in the alphabet, 0 for the other, 0.5 for a tie, of (model, other model, item).
    The first answer of a rater about an item counts.  Raises ValueError for no rows, or rows about different samples.
    """
    rows = list(rows)
    if not rows:
        raise ValueError("there are no answers yet")
    if len({row["samples"] for row in rows}) > 1:
        raise ValueError(
            'these answers are about different samples (column "samples"): choose the rows of one set'
        )
    found = {}
    for row in rows:
        if "rating" in row:
            key, value = (row["model"], int(row["item"])), float(row["rating"])
        else:
            first, other = sorted((row["left"], row["right"]))
            winner = comparison(row)
            value = 0.5 if len(winner) == 3 else float(winner[0] == first)
            key = (first, other, int(row["item"]))
        found.setdefault((key, row["rater"]), value)
    items = sorted({key for key, _ in found})
    raters = sorted({rater for _, rater in found})
    table = np.array([[found.get((i, r), math.nan) for r in raters] for i in items])
    return table, items, raters
