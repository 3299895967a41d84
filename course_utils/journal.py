"""Files that only grow: one line of JSON an event, so that nothing a student did is lost.

Two notebooks can write at the same time, and a kernel that dies in the middle of a line costs that line.
"""

import json
import os
import warnings

from . import paths
from .texts import message


def append(path, entry):
    """Add one line to a journal; False, with one warning, where it can't be written.  entry: anything JSON can hold."""
    line = (json.dumps(entry, ensure_ascii=False) + "\n").encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab") as file:
            if file.tell() and not _ends_line(path):
                line = b"\n" + line  # a kernel died while it wrote the line before
            file.write(line)  # one write: lines of two notebooks don't mix
            paths.sync(file)
    except OSError as error:
        text = message("journal.not_kept", file=path.name, reason=error.strerror or error)
        warnings.warn(text, stacklevel=3)
        return False
    return True


def _ends_line(path):
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def read(path):
    """The entries of a journal, oldest first; a damaged line is reported and left out."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        text = message("journal.not_read", file=path.name, reason=error.strerror or error)
        warnings.warn(text, stacklevel=3)
        return []
    entries = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            if not isinstance(entry, dict):
                raise ValueError
            entries.append(entry)
        except ValueError:
            text = message("journal.damaged", number=number, file=path.name)
            warnings.warn(text, stacklevel=3)
    return entries
