"""What a translation lacks: ``python -m course_utils translations uk``.

A translation is a folder of TOML files named as the English ones: ``quizzes/uk/02_entropy.toml``.  Beside them, ``sources.json`` holds for each
translated text a hash of the English text that it translates, and one of itself.  So the command finds texts that are missing, texts whose
English source has changed since, texts whose {blanks} differ, and texts that translate nothing any more.

    --written   note that new and corrected translations belong to the present English texts (run it after translating)

Exit code: 0 nothing to do, 1 there is.
"""

import argparse
import hashlib
import json
import string
from dataclasses import dataclass

from .. import paths, settings, texts

SOURCES = "sources.json"


@dataclass(frozen=True)
class Finding:
    """A text to look at.  what: "missing", "changed", "blanks" or "unknown"; key: where it stands in its file, such as ``before.two-coins.question``."""

    kind: str
    name: str
    key: str
    what: str
    english: str = ""

    def __str__(self):
        return f"{self.what:8} {self.kind}/{self.name} {self.key}: {self.english}".rstrip(" :")


def findings(language):
    """All texts of a language that need a translator, in the order of the files.  Returns a list of Finding.

    Raises ValueError for a file that is no TOML, and for the language that the others are translated from.
    """
    if language == texts.SOURCE:
        raise ValueError(f"{language!r} is the language that the others are translated from")
    found = []
    for kind in texts.KINDS:
        known = _sources(kind, language)
        for name in _names(kind, language):
            english = flat(texts.read(kind, texts.SOURCE, name))
            translated = flat(texts.read(kind, language, name))
            for key, text in english.items():
                what = _judge(text, translated.get(key), known.get(f"{name}.{key}"))
                if what:
                    found.append(Finding(kind, name, key, what, text))
            found += [Finding(kind, name, k, "unknown") for k in translated if k not in english]
    return found


def written(language):
    """Note for every translation that is new, or was corrected since, that it belongs to the present English text.  Returns how many."""
    count = 0
    for kind in texts.KINDS:
        known, notes = _sources(kind, language), {}
        for name in _names(kind, language):
            english = flat(texts.read(kind, texts.SOURCE, name))
            for key, text in flat(texts.read(kind, language, name)).items():
                if key not in english:
                    continue
                old = known.get(f"{name}.{key}")
                new = {"source": _hash(english[key]), "text": _hash(text)}
                corrected = old is None or old["text"] != new["text"]
                notes[f"{name}.{key}"] = new if corrected else old
                count += corrected
        if notes != known:
            content = json.dumps(notes, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
            paths.write_atomic(_file(kind, language), content.encode())
    return count


def flat(node, place=""):
    """The texts of a file by place: {"before.two-coins.options.0.text": "1 bit"}; ids and other things that nobody reads are left out."""
    if isinstance(node, str):
        return {place: node} if node.strip() else {}
    found = {}
    if isinstance(node, (dict, list)):
        for key, part in texts.parts(node):
            if key != "id":
                found |= flat(part, f"{place}.{key}" if place else str(key))
    return found


def _judge(english, translated, known):
    if translated is None:
        return "missing"
    if _blanks(english) != _blanks(translated):
        return "blanks"
    if known and known["source"] != _hash(english) and known["text"] == _hash(translated):
        return "changed"
    return None


def _blanks(text):
    """Names of the blanks that ``message`` fills; None where braces are no blanks."""
    try:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError:
        return None


def _hash(text):
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _names(kind, language):
    folders = [texts.ROOT / kind / code for code in (texts.SOURCE, language)]
    return sorted({path.stem for folder in folders for path in folder.glob("*.toml")})


def _file(kind, language):
    return texts.ROOT / kind / language / SOURCES


def _sources(kind, language):
    path = _file(kind, language)
    return json.loads(path.read_text("utf8")) if path.is_file() else {}


def main(arguments=None):
    """Run the command; returns the exit code."""
    languages = [c for c in settings.SETTINGS["COURSE_LANG"].choices if c != texts.SOURCE]
    parser = argparse.ArgumentParser(
        prog="python -m course_utils translations", description=__doc__.split("\n")[0]
    )
    parser.add_argument("language", choices=languages)
    parser.add_argument(
        "--written", action="store_true", help="new and corrected texts fit the English ones"
    )
    options = parser.parse_args(arguments)
    if options.written:
        print(f"{written(options.language)} translations noted as up to date")
    found = findings(options.language)
    for finding in found:
        print(finding)
    counts = {
        w: sum(f.what == w for f in found) for w in ("missing", "changed", "blanks", "unknown")
    }
    print(f"{options.language}: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    return 1 if found else 0
