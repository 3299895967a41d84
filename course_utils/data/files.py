"""What all data files have in common: sizes and hashes in the manifest, and what is said about a file that isn't the right one."""

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from .. import paths
from ..texts import message

SPLITS = ("train", "valid", "test")


class DataError(Exception):
    """A data file is missing, truncated or altered; the message says how to restore it."""

    def _render_traceback_(self):
        """IPython asks for this instead of the stack: a student needs the message, not a parser."""
        return [f"{type(self).__name__}: {self}"]


def manifest() -> dict:
    """Sizes, hashes and sources of every data file: data/manifest.json, parsed."""
    return _read_manifest(paths.data_dir() / "manifest.json")


def brought() -> dict:
    """What is not part of the repository and comes out of a package's wheel at set-up: name -> entry of the manifest."""
    kinds = ("texts", "articles", "programs", "models")
    return {name: entry for kind in kinds for name, entry in manifest()[kind].items()}


def has_hash(path: Path, sha256: str) -> bool:
    """Is the file there, with this content?"""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except OSError:
        return False


def describe(what: str, path: Path, size: int, sha256: str, advice: str) -> str:
    """The message about a file that isn't the right one: what was expected, what was found, what to do."""
    return message(
        "data.problem",
        what=what,
        state=message("data.damaged" if path.is_file() else "data.missing"),
        file=paths.shown(path),
        size=size,
        digest=sha256[:12],
        found=_found(path, size),
        advice=advice,
    )


def one_of(allowed, given, what: str) -> None:
    """Raise a ValueError that names what is allowed, if ``given`` is something else."""
    if given not in allowed:
        names = ", ".join(map(repr, allowed))
        raise ValueError(message("data.choose", what=what, given=given, allowed=names))


def _found(path: Path, size: int) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return message("data.nothing")
    except OSError as error:
        return message("data.unreadable", reason=error.strerror)
    difference = (len(content) > size) - (len(content) < size)
    kind = {-1: "truncated", 0: "altered", 1: "too_long"}[difference]
    digest = hashlib.sha256(content).hexdigest()[:12]
    return message(f"data.{kind}", size=len(content), digest=digest)


@lru_cache(maxsize=4)
def _read_manifest(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError):
        raise DataError(message("data.manifest", advice=paths.how_to_restore(path))) from None
