"""Corpora: Shakespeare's plays, lists of names, articles of an encyclopedia; and the file of a language model.  They are brought at set-up and checked by
hash at each first reading.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from .. import paths, settings
from ..texts import message
from .files import SPLITS, DataError, brought, describe, manifest, one_of


def text(name: str, split: str = "all") -> str:
    """A corpus as one string: "shakespeare", "settlements_uk" or "names_ru".

    split: "train", "valid", "test" or "all".  Shakespeare is split by whole plays, with two newlines
    between plays.  The names are one a line, in a fixed shuffled order, 90/5/5 %; "all" is the three
    parts in a row.  data/README.md has the details and the sources.
    Raises DataError when the file isn't there (it is brought once by ``python -m course_utils fetch``)
    or isn't what it should be, and ValueError for another name or split.
    """
    one_of(manifest()["texts"], name, "text")
    one_of((*SPLITS, "all"), split, "split")
    if name == "shakespeare":
        parts = manifest()["texts"][name]["splits"]
        chosen = plays()
        if split == "train":
            held_out = {title for titles in parts.values() for title in titles}
            chosen = {title: play for title, play in chosen.items() if title not in held_out}
        elif split != "all":
            chosen = {title: chosen[title] for title in parts[split]}
        return "\n\n".join(chosen.values())
    return "".join(f"{line}\n" for line in _part(name, split))


class Article(NamedTuple):
    """One of the encyclopedia's: its title, one of twelve topics, a description of a few words (or ""), and its summary."""

    title: str
    topic: str
    description: str
    text: str


def articles(split: str = "all") -> list[Article]:
    """The beginnings of 10,033 articles of the English Wikipedia, in a fixed shuffled order, split 90/5/5 %.

    split and errors as in ``text()``.  The authors are named in the articles' histories; licence CC BY-SA 4.0.
    """
    one_of((*SPLITS, "all"), split, "split")
    return [Article(*line.split("\t")) for line in _part("encyclopedia", split)]


def _part(name, split):
    """The lines of a list that belong to a split: 90/5/5 %, or all in a row."""
    lines = _shuffled(_checked_text(name), seed=name)
    held_out = round(len(lines) * 0.05)
    bounds = {
        "train": slice(None, -2 * held_out),
        "valid": slice(-2 * held_out, -held_out),
        "test": slice(-held_out, None),
        "all": slice(None),
    }
    return lines[bounds[split]]


def plays() -> dict[str, str]:
    """Shakespeare's 38 plays, title -> text; the title is also the text's first line.

    A speech is a line ``HAMLET:`` and the lines below it; stage directions stand in [brackets]; acts
    and scenes are lines in capitals.  Raises DataError like ``text()``.
    """
    return {play.split("\n", 1)[0]: play for play in _checked_text("shakespeare").split("\f")}


def model_path(name: str) -> Path:
    """The file of a language model that others trained: "smollm2", SmolLM2-135M-Instruct as GGUF (lectures 13 and 14).

    Raises DataError like ``text()``, and ValueError for another name.
    """
    one_of(manifest()["models"], name, "model")
    return _checked_path(name)


def text_dir() -> Path:
    """Where texts and models are brought to: data/texts, or the cache folder where data/ is read-only."""
    if not settings.get("COURSE_CACHE"):
        beside = paths.data_dir() / "texts"
        if paths.is_writable(beside):
            return beside
    return paths.cache_dir("texts")


def find_text(name: str) -> tuple[Path, str | None]:
    """Where the right file is and None, or else the file to blame and a message for the reader."""
    entry = brought()[name]
    candidates = dict.fromkeys(
        [text_dir() / entry["file"], paths.data_dir() / "texts" / entry["file"]]
    )
    there = [path for path in candidates if path.is_file()]
    for path in there:
        if _hash(path, *_stamp(path)) == entry["sha256"]:
            return path, None
    blamed = there[0] if there else next(iter(candidates))
    advice = paths.how_to_restore(blamed, fetch="", committed=False)
    what = message("data.model" if name in manifest()["models"] else "data.text", name=name)
    return blamed, describe(what, blamed, entry["bytes"], entry["sha256"], advice)


def shuffled(lines, seed: str) -> list[str]:
    """The lines in a random order that is the same in every version of Python: by hash."""
    return sorted(lines, key=lambda line: hashlib.sha256(f"{seed}\n{line}".encode()).digest())


def _checked_path(name: str) -> Path:
    path, problem = find_text(name)
    if problem:
        raise DataError(problem)
    return path


def _checked_text(name: str) -> str:
    path = _checked_path(name)
    return _read(path, *_stamp(path))


def _stamp(path: Path) -> tuple[int, int]:
    """Changes when the file changes: the key under which its content is remembered."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


@lru_cache(maxsize=8)
def _hash(path: Path, _size: int, _time: int) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return f"unreadable: {error}"


@lru_cache(maxsize=8)
def _read(path: Path, _size: int, _time: int) -> str:
    return path.read_bytes().decode("utf8")  # as bytes: Windows must not touch the line ends


@lru_cache(maxsize=8)
def _shuffled(names: str, seed: str) -> list[str]:
    lines = names.removesuffix("\n").split("\n")  # splitlines() would split inside of a name, too
    return shuffled(lines, seed)
