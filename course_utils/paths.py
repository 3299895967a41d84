"""Where the course keeps things: its own data, derived files, and what the student makes; and how to restore what is damaged.

Only the standard library: ``python -m course_utils fetch`` needs these before torch is installed.
"""

import contextlib
import errno
import os
import shutil
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

from . import settings
from .texts import message

APP = "generative-models-course"
FETCH = "python -m course_utils fetch"
_said = set()  # messages that were printed: each appears once in a process


def course_root() -> Path:
    """The folder that holds ``notebooks/``, ``course_utils/`` and ``data/``."""
    return Path(__file__).resolve().parent.parent


def data_dir() -> Path:
    """The course's data folder, ``<course root>/data``."""
    return course_root() / "data"


def cache_dir(*parts: str) -> Path:
    """A writable folder for files that the course can make again (it exists on return).

    ``$COURSE_CACHE`` if set; else ``data/.cache``; else, where the course folder is read-only, the
    user's cache folder, and one line on stderr says so.  parts: of the folder below it in which the files will lie.
    """
    return _chosen("COURSE_CACHE", data_dir() / ".cache", "cache", lambda f: is_writable(f.joinpath(*parts))).joinpath(*parts)  # fmt: skip


def user_dir() -> Path:
    """A writable folder for what the student makes: results, progress (it exists on return).

    ``$COURSE_HOME`` if set; else ``<course root>/.course``; else, where the course folder is
    read-only, the user's data folder, and one line on stderr says so.
    """
    return _chosen("COURSE_HOME", course_root() / ".course", "data", is_writable)


def user_file(name: str) -> Path:
    """The file below ``user_dir()`` in which this account keeps what it makes.  name: such as "progress.jsonl".

    Accounts that share a writable course folder have a file each: where another account's file lies, or one that can't be
    written, this account's own is in the user's data folder, and one line on stderr says so.
    """

    def own(folder):
        path = folder / name
        return _is_own(path) if path.is_file() else is_writable(path.parent)

    return _chosen("COURSE_HOME", course_root() / ".course", "data", own) / name


def shown(path: Path) -> str:
    """The path as a reader wants it: relative to the course folder where it lies inside."""
    try:
        return Path(path).relative_to(course_root()).as_posix()
    except ValueError:
        return str(path)


def how_to_restore(path: Path, fetch: str | None = None, committed: bool = True) -> str:
    """What to do about a missing or damaged file of the course, by what is there: a git checkout, or a downloaded folder.

    fetch: options with which the command ``fetch`` brings the file, None if it doesn't.  committed: the file is part of the repository.
    """
    file, root = shown(path), course_root()
    ways = []
    if committed:
        git = (root / ".git").exists() and shutil.which("git")
        ways.append(message("files.git" if git else "files.copy", file=file, root=root))
    if fetch is not None:
        cell = f"%run -m course_utils.commands.fetch{' -- ' + fetch if fetch else ''}"
        command = f"{FETCH} {fetch}".strip()
        ways.append(message("files.fetch", cell=cell, root=root, command=command))
    return message("files.or").join(ways)


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


def _is_own(path: Path) -> bool:
    """Did this account make the file, and can it write to it?  On Windows, which tells no owner: can it write to it?"""
    try:
        with open(path, "ab"):
            owner = path.stat().st_uid
        if not hasattr(os, "geteuid") or owner == os.geteuid():
            return True
        return owner == _owner_of_new_files(path.parent)  # on some drives all files have one owner
    except OSError:
        return False


def _owner_of_new_files(folder: Path) -> int:
    with tempfile.TemporaryFile(dir=folder) as probe:
        return os.fstat(probe.fileno()).st_uid


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
        with contextlib.suppress(OSError):  # a stick or a network drive may have no permissions
            part.chmod(0o644)  # mkstemp's 0600 would lock the others out of a shared installation
        try:
            os.replace(part, path)
        except PermissionError:  # Windows, while another process reads the file it has just written
            if not path.is_file() or path.read_bytes() != content:
                raise
    finally:
        part.unlink(missing_ok=True)


def sync(file) -> None:
    """Wait until the disk has what was written to the open file.  Raises OSError when the disk is full or broken.

    Some network drives can't be asked to wait; the file is as safe there as they make it.
    """
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EROFS):
            raise


def _chosen(variable: str, preferred: Path, kind: str, fits) -> Path:
    """The first folder that ``fits``: the one of the setting or ``preferred``, the user's own, one for temporary files."""
    first = settings.get(variable) or preferred
    if fits(first):
        return first
    others = list(dict.fromkeys([_user_base(kind), _temporary(kind)]))
    for folder in others:
        if fits(folder):
            text = message(
                f"files.elsewhere_{kind}", wanted=first, folder=folder, variable=variable
            )
            if text not in _said:
                _said.add(text)
                print(text, file=sys.stderr)
            return folder
    raise OSError(message("files.nowhere", tried=", ".join(map(str, [first, *others])), variable=variable))  # fmt: skip


def _user_base(kind: str) -> Path:
    """The user's own folder for "cache" or "data" by this system's convention."""
    try:
        home = Path.home()
    except RuntimeError:  # no home at all, as in some containers
        return _temporary(kind)
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / APP / kind
    if kind == "cache":
        return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / APP
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / APP


def _temporary(kind: str) -> Path:
    """This account's folder among the temporary files, which accounts share."""
    account = f"{APP}-{os.getuid()}" if hasattr(os, "getuid") else APP
    return Path(tempfile.gettempdir()) / account / kind
