"""Every text that is not markdown of a notebook lives in a TOML file, one folder a language.

Translating the course means adding ``exercises/uk/``, ``quizzes/uk/`` and ``messages/uk/`` with files of the same names; no code
changes.  What a translation hasn't yet is said in English, text by text.
"""

import functools
import tomllib
from pathlib import Path

from . import settings

ROOT = Path(__file__).parent
KINDS = ("exercises", "quizzes", "messages")
SOURCE = "en"  # the language that the others are translated from


def language():
    """Language of texts: the setting COURSE_LANG, English by default."""
    return settings.get("COURSE_LANG")


def load(kind, name):
    """Texts of ``kind`` ("exercises", "quizzes" or "messages") for ``name``, as a dict, in the language of the course.

    Raises LookupError that names the texts there are.
    """
    if not _file(kind, SOURCE, name).is_file():
        names = sorted(p.stem for p in (ROOT / kind / SOURCE).glob("*.toml"))
        raise LookupError(f"No {kind} text {name!r}; there are: {', '.join(names) or 'none'}.")
    return _load(ROOT, kind, name, language())


def message(key, **values):
    """A sentence that the course says to its reader, by key, with its blanks filled."""
    text = load("messages", "messages")
    for part in key.split("."):
        text = text[part]
    return text.format(**values)


def parts(node):
    """(key, part) of a dict or list of texts; parts of a list go by their ``id`` where they have one, so that their order is free."""
    if isinstance(node, dict):
        return list(node.items())
    named = all(isinstance(part, dict) and "id" in part for part in node)
    return [(part["id"] if named else i, part) for i, part in enumerate(node)]


def read(kind, language, name):
    """One file as it is written, without its gaps filled; an empty dict if there is none.  Raises ValueError that names a broken file."""
    path = _file(kind, language, name)
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text("utf8"))
    except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError
        raise ValueError(f"{path} is no TOML file: {error}") from None


def _file(kind, language, name):
    return ROOT / kind / language / f"{name}.toml"


@functools.cache
def _load(root, kind, name, language):
    english = read(kind, SOURCE, name)
    return english if language == SOURCE else _fill(english, read(kind, language, name))


def _fill(english, translated):
    """The translation with its gaps filled in English; what is no text (an id, which option is right) comes from the English file."""
    if isinstance(english, str):
        return translated if isinstance(translated, str) and translated.strip() else english
    if not isinstance(english, (dict, list)):
        return english
    known = dict(parts(translated)) if type(translated) is type(english) else {}
    filled = [(k, part if k == "id" else _fill(part, known.get(k))) for k, part in parts(english)]
    return dict(filled) if isinstance(english, dict) else [part for _, part in filled]
