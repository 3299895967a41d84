"""Where the course keeps things: its own data, derived files, and what the student makes.

Only the standard library: ``python -m course_utils fetch`` needs these before torch is installed.
"""

import os
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

APP = "generative-models-course"
_said = set()  # messages that were printed: each appears once in a process


def course_root() -> Path:
    """The folder that holds ``notebooks/``, ``course_utils/`` and ``data/``."""
    return Path(__file__).resolve().parent.parent


def data_dir() -> Path:
    """The course's data folder, ``<course root>/data``."""
    return course_root() / "data"


def cache_dir() -> Path:
    """A writable folder for files that the course can make again (it exists on return).

    ``$COURSE_CACHE`` if set; else ``data/.cache``; else, where the course folder is read-only, the
    user's cache folder, and one line on stderr says so.
    """
    return _first_writable(
        "COURSE_CACHE", data_dir() / ".cache", _user_base("cache"), "cached files"
    )


def user_dir() -> Path:
    """A writable folder for what the student makes: results, progress (it exists on return).

    ``$COURSE_HOME`` if set; else ``<course root>/.course``; else, where the course folder is
    read-only, the user's data folder, and one line on stderr says so.
    """
    return _first_writable(
        "COURSE_HOME", course_root() / ".course", _user_base("data"), "your results"
    )


def shown(path: Path) -> str:
    """The path as a reader wants it: relative to the course folder where it lies inside."""
    try:
        return Path(path).relative_to(course_root()).as_posix()
    except ValueError:
        return str(path)


@lru_cache(maxsize=32)
def is_writable(folder: Path) -> bool:
    """Can files be made in this folder?  Makes the folder; asked once per process and folder.

    It tries instead of asking for permission bits, which say nothing on Windows or network drives.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the whole new one, never a part.

    Safe when two notebooks write the same file at once: the last one wins.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        part.chmod(0o644)  # mkstemp's 0600 would lock the others out of a shared installation
        try:
            os.replace(part, path)
        except PermissionError:  # Windows, while another process reads the file it has just written
            if not path.is_file() or path.read_bytes() != content:
                raise
    finally:
        part.unlink(missing_ok=True)


def _first_writable(variable: str, preferred: Path, fallback: Path, what: str) -> Path:
    wanted = os.environ.get(variable)
    first = Path(wanted).expanduser().absolute() if wanted else preferred
    if is_writable(first):
        return first
    last = Path(tempfile.gettempdir()) / APP / fallback.name
    for folder in (fallback, last):
        if is_writable(folder):
            message = (
                f"{first} can't be written to: {what} go to {folder} (set {variable} to choose)"
            )
            if message not in _said:
                _said.add(message)
                print(message, file=sys.stderr)
            return folder
    raise OSError(f"no writable folder found: tried {first}, {fallback}, {last}; set {variable}")


def _user_base(kind: str) -> Path:
    """The user's own folder for "cache" or "data" by this system's convention."""
    try:
        home = Path.home()
    except RuntimeError:  # no home at all, as in some containers
        return Path(tempfile.gettempdir()) / APP / kind
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / APP / kind
    if kind == "cache":
        return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / APP
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / APP
