"""Every text that is not markdown of a notebook lives in a TOML file, one folder a language.

Translating the course means adding ``exercises/uk/``, ``quizzes/uk/``, ``messages/uk.toml``; no code changes.
"""

import functools
import os
import tomllib
from pathlib import Path

_PACKAGE = Path(__file__).parent


def language():
    """Language of texts: the environment variable COURSE_LANG, English by default."""
    return os.environ.get("COURSE_LANG", "en")


@functools.cache
def _read(path):
    return tomllib.loads(path.read_text("utf8"))


def load(kind, name):
    """Texts of ``kind`` ("exercises", "quizzes" or "messages") for ``name``, as a dict.

    Raises LookupError that names the missing file and the languages that have one.
    """
    path = _PACKAGE / kind / language() / f"{name}.toml"
    if not path.is_file():
        others = sorted(p.parent.name for p in (_PACKAGE / kind).glob(f"*/{name}.toml"))
        raise LookupError(
            f"No {kind} text {name!r} in the language {language()!r} (COURSE_LANG). "
            f"Languages that have it: {', '.join(others) or 'none'}."
        )
    return _read(path)


def message(key, **values):
    """A sentence that the course says to its reader, by key, with its blanks filled."""
    text = load("messages", "messages")
    for part in key.split("."):
        text = text[part]
    return text.format(**values)
