"""The course's data: handwritten digits and sound as tensors, texts as strings; offline and hash-checked.

``mnist()`` gives MNIST, ``audio()`` recorded speech, ``text()``, ``plays()`` and ``articles()`` the corpora, ``model_path()`` a language model.  Whatever is missing, truncated
or altered raises DataError, which says what to do; nothing here ever downloads.  ``data/README.md``
tells where each file comes from, ``data/manifest.json`` holds the sizes and hashes.

torch is imported at the first call of ``mnist()`` or ``audio()``: everything else works without it.
"""

from .. import paths
from ..paths import FETCH
from .sound import Recording, audio, audio_path, audio_problem
from . import files, images
from .files import SPLITS, DataError, brought, manifest
from .images import MNIST_VALID, Digits, mnist, mnist_md5, packed_path, packed_problem
from .texts import Article, articles, find_text, model_path, plays, shuffled, text, text_dir

__all__ = [
    "FETCH",
    "MNIST_VALID",
    "SPLITS",
    "Article",
    "DataError",
    "Digits",
    "Recording",
    "articles",
    "audio",
    "audio_path",
    "audio_problem",
    "brought",
    "find_text",
    "manifest",
    "mnist",
    "mnist_md5",
    "model_path",
    "packed_path",
    "packed_problem",
    "plays",
    "shuffled",
    "status",
    "text",
    "text_dir",
]


def status() -> list[tuple[str, bool, str]]:
    """(name, is it right, message) for MNIST and each text, and for sound where it is damaged.  Reads and hashes files: about 0.1 s."""
    report = []
    try:
        entries, files = brought(), manifest()["mnist"]["files"]
    except DataError as error:
        return [("data", False, str(error))]
    wrong = [problem for name in files if (problem := packed_problem(name))]
    report.append(("MNIST", not wrong, "\n".join(wrong) or "four files, hashes right"))
    for name in manifest().get("audio", {}):
        wrong = [problem for split in SPLITS if (problem := audio_problem(name, split))]
        if wrong:
            report.append((f"sound: {name}", False, "\n".join(wrong)))
    for name, entry in entries.items():
        path, problem = find_text(name)
        kind = "characters" if "characters" in entry else "bytes"
        fine = f"{entry[kind]:,} {kind}, hash right ({paths.shown(path)})"
        report.append((name, not problem, problem or fine))
    return report
