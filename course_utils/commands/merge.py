"""A student's copy of a lecture meets a new edition: a merge by cell, three ways, that drops nothing the student wrote.

A cell is known by its id and has three parts: its text (with its kind and attachments), its outputs and its metadata.  A part follows
the course until the student changes it.  Who changed what is told by a record of the edition that the copy was made from: a hash a part,
kept in the copy itself (``metadata.course``).  So it is right for any file that comes back: one that was open while the edition came
and is saved over it, one from a checkpoint, one from another computer.

Standard library only: copies are made before anything is installed, and by students' servers.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import NamedTuple

KEY = "course"  # in the metadata of the notebook: the record; in that of a cell that stands beside the student's: of which it is
GONE = "not-in-this-edition"  # tag of a cell that the student changed and the course dropped


class Parts(NamedTuple):
    """Hashes of a cell's parts."""

    text: str
    outputs: str
    metadata: str


def read(content):
    """The notebook in a file's bytes.  Raises ValueError when they are no notebook of nbformat 4."""
    notebook = json.loads(content)
    try:
        for cell in notebook["cells"]:
            parts(cell)
        if notebook["nbformat"] != 4 or not isinstance(notebook["metadata"], dict):
            raise ValueError("not a notebook of nbformat 4")
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a notebook: {error!r}") from None
    return notebook


def write(notebook):
    """The bytes of a notebook's file."""
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True)
    return f"{text}\n".encode()


def parts(cell):
    """The Parts of a cell.  How a program splits texts into lines, and how often a cell ran, makes no difference."""
    text = [cell["cell_type"], _joined(cell["source"]), _joined(cell.get("attachments") or {})]
    outputs = [
        {key: value for key, value in output.items() if key != "execution_count"}
        for output in cell.get("outputs", [])
    ]
    return Parts(*map(_hash, [text, _joined(outputs), dict(cell["metadata"])]))


def _hash(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def _joined(value):
    if isinstance(value, dict):
        return {key: _joined(inner) for key, inner in value.items()}
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return [_joined(inner) for inner in value] if isinstance(value, list) else value


# --- the record -------------------------------------------------------------------------------------------------------


def cells_of(notebook):
    """{id: cell} of a notebook of the course, in order.  Raises ValueError when a cell has no id, or one that another has."""
    cells = {cell.get("id"): cell for cell in notebook["cells"]}
    if None in cells or len(cells) < len(notebook["cells"]):
        raise ValueError("cells without an id of their own")
    return cells


def edition(content):
    """The name of an edition of a lecture: the SHA-256 of its file, whatever its line ends (git on Windows changes them)."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()


def with_record(notebook, content):
    """The notebook with the record that it was made from the edition in ``content`` (bytes; ValueError if cells lack ids)."""
    cells = [" ".join([name, *parts(cell)]) for name, cell in cells_of(read(content)).items()]
    record = {"edition": edition(content), "cells": cells}
    return {**notebook, "metadata": {**notebook["metadata"], KEY: record}}


def record_of(notebook):
    """(edition, {cell id: Parts, in order}) of the edition that a copy was made from; None when it has no record."""
    try:
        record = notebook["metadata"][KEY]
        cells = {name: Parts(*hashes) for name, *hashes in map(str.split, record["cells"])}
        return record["edition"], cells
    except (KeyError, TypeError, ValueError):
        return None


def closest(notebook, contents):
    """The record that a copy without one should have: of the edition (bytes) that shares most texts with it.

    None when that is less than half of the texts of the edition: then the copy is something else.
    """
    mine = {parts(cell).text for cell in notebook["cells"]}
    best, most = None, 0
    for content in contents:
        try:
            record = record_of(with_record(notebook, content))
        except ValueError:  # an early edition whose cells had no ids
            continue
        texts = {was.text for was in record[1].values()}
        shared = len(mine & texts)
        if shared > most and 2 * shared >= len(texts):
            best, most = record, shared
        if most == len(mine):
            break
    return best


def is_untouched(notebook, base):
    """Whether a copy is as it was made.  base: {cell id: Parts} of its edition."""
    return list(base.items()) == [(cell.get("id"), parts(cell)) for cell in notebook["cells"]]


# --- the merge --------------------------------------------------------------------------------------------------------


@dataclass
class Merged:
    """The notebook, and by cell id what became of its cells.

    course: those that are now as the new edition has them, or went with it.  student: those that stay as the student wrote them.
    both: those that both have changed; the course's stands after the student's.  untouched: the student had not changed anything.
    """

    notebook: dict
    untouched: bool
    course: list
    student: list
    both: list


def merge(base, mine, content, note):
    """Bring the student's notebook ``mine`` to the new edition in ``content`` (bytes).  Returns a Merged.

    base: {cell id: Parts} of the edition that ``mine`` was made from.  note: the line above a cell that stands beside the student's.

    Cells come in the new edition's order, those that the student added after the one they stood behind.  A student who moved the
    course's cells keeps the own order, and new cells come after the one they stand behind in the new edition.
    A cell that the student deleted stays away until the course changes it.
    """
    theirs = read(content)
    new = cells_of(theirs)
    own = _by_id(mine["cells"], base, new)
    chosen = {name: _choose(base.get(name), own.get(name), new.get(name)) for name in own | new}
    kept = {name: cell for name, (cell, _) in chosen.items()}
    beside = {name: cell for name, (_, cell) in chosen.items() if cell}
    for name in [n for n, cell in own.items() if _is_settled(cell, kept, beside, new)]:
        del kept[name]
    stay = {name for name, cell in kept.items() if cell}
    moved = [n for n in own if n in base] != [n for n in base if n in own]
    first, second = (own, new) if moved else (new, own)
    cells = []
    for name in _woven([n for n in first if n in stay], [n for n in second if n in stay]):
        cells.append(kept[name])
        if name in beside:
            taken = {*kept, *(cell["id"] for cell in cells)}
            cells.append(_marked(beside[name], name, taken, note))
    minor = max(mine.get("nbformat_minor", 0), theirs["nbformat_minor"])
    notebook = with_record({**mine, "cells": cells, "nbformat_minor": minor}, content)
    whose = {n: _whose(base.get(n), own.get(n), kept[n]) for n in kept if n not in beside}
    course, student = ([n for n in whose if whose[n] == who] for who in ("course", "student"))
    return Merged(notebook, is_untouched(mine, base), course, student, list(beside))


def _whose(was, own, kept):
    """Who is behind a cell as it is now: "student" for a text of the student's, "course" for a change by the edition; else None."""
    before, after = (cell and parts(cell) for cell in (own, kept))
    same = before and after and before.text == after.text
    if same and (was is None or was.text != after.text):
        return "student"
    return "course" if before != after else None


def _choose(was, own, new):
    """(the cell that stays or None, the cell that comes beside it or None).  was: Parts in the edition that the copy was made from."""
    if own is None:
        deleted = was is not None and was.text == parts(new).text
        return (None if deleted else new), None
    have = parts(own)
    if new is None:
        if was is None:
            return own, None
        return (None if have.text == was.text else _tagged(own)), None
    gets = parts(new)
    if have.text == gets.text:
        cell = dict(own)
        if was and have.outputs == was.outputs and "outputs" in new:
            cell |= {"outputs": new["outputs"], "execution_count": new.get("execution_count")}
        if was and have.metadata == was.metadata:
            cell["metadata"] = new["metadata"]
        return cell, None
    if was and have.text == was.text:
        return new, None
    if was and gets.text == was.text:
        return own, None
    return own, new


def _is_settled(cell, kept, beside, new):
    """Whether an earlier merge put this cell beside one of the student's, nobody touched it, and it is not needed any more:
    a newer one takes its place, or the student's cell and the course's are the same by now."""
    mark = cell["metadata"].get(KEY)
    if not isinstance(mark, dict) or mark.get("text") != parts(cell).text:
        return False
    name = mark.get("of")
    same = kept.get(name) and name in new and parts(kept[name]).text == parts(new[name]).text
    return bool(same or beside.get(name))


def _by_id(cells, base, new):
    """{id: cell} in order.  Cells without an id (old programs drop them) or with one that was there get that of a cell with the same
    text in the edition they come from, and else one of their own."""
    names = []
    for cell in cells:
        name = cell.get("id")
        names.append(name if isinstance(name, str) and name not in names else None)
    for index, cell in enumerate(cells):
        if names[index] is None:
            text = parts(cell).text
            free = (n for n, was in base.items() if was.text == text and n not in names)
            names[index] = next(free, None) or _free("own", {*names, *base, *new})
    return {name: {**cell, "id": name} for name, cell in zip(names, cells)}


def _free(name, taken):
    """A cell id that is not taken, from ``name``."""
    number, free = 1, name[:56]
    while free in taken:
        number += 1
        free = f"{name[:56]}-{number}"
    return free


def _tagged(cell):
    tags = cell["metadata"].get("tags", [])
    return {
        **cell,
        "metadata": {**cell["metadata"], "tags": [*(t for t in tags if t != GONE), GONE]},
    }


def _marked(cell, name, taken, note):
    """The course's cell to stand beside the student's: with an id of its own and the note as its first line."""
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        source = f"*{note}*\n\n{source}"
    elif cell["cell_type"] == "code" and not source.startswith("%%"):  # a magic has to stay first
        source = f"# {note}\n{source}"
    marked = {**cell, "id": _free(f"{name[:50]}-new", taken), "source": source}
    mark = {"of": name, "text": parts(marked).text}
    return {**marked, "metadata": {**cell["metadata"], KEY: mark}}


def _woven(first, second):
    """The names of ``first``, and those that only ``second`` has, each after the one that it stands behind there."""
    woven, behind = list(first), -1
    for name in second:
        if name in woven:
            behind = woven.index(name)
        else:
            behind += 1
            woven.insert(behind, name)
    return woven
