"""Students work on copies: ``make lab`` and the class server bring the lectures to a folder where answers survive new editions.

Standard library only, as all of what runs before anything is installed.
"""

import os
import subprocess
import time
from dataclasses import dataclass

from .. import paths
from ..texts import message
from . import merge
from .base import ROOT

EARLIER = "earlier"  # in the folder of the copies: each copy as it was before a new edition came
LOG = "what_changed.txt"  # there: what was said about it


@dataclass(frozen=True)
class Done:
    """What became of one copy.  what: "copied", "taken", "kept", "merged", "set aside" or "failed"; text: a line that says more."""

    what: str
    text: str = ""


def folder():
    """Where this account's copies are: ``work/`` beside ``notebooks/``, or in ``paths.user_dir()`` where that can't be written to."""
    beside = ROOT / "work"
    return beside if paths.is_writable(beside) and _is_own(beside) else paths.user_dir() / "work"


def _is_own(path):
    """Whether this account made the folder: accounts that share a writable course each have copies of their own."""
    return not hasattr(os, "geteuid") or os.geteuid() in (0, path.stat().st_uid)


def bring(source, target, committed=None):
    """Bring every lecture of ``source`` to ``target`` without losing anything that a student did there.  Returns {file name: Done}.

    A missing copy is made.  One that was made from another edition is merged with the new one (see merge.py), and what it was before
    goes to ``earlier/`` first, if the student had done anything in it.  A copy that can't be merged, because it is damaged or nothing
    tells of which edition it is, goes there as it is, and a new one takes its place.  Other files in ``target`` are left alone.

    committed: {file name: bytes} of lectures that a student changed in ``source`` itself, as the course has them; a missing or untouched
    copy is then made of the changed file.  Raises OSError when ``target`` can't be made; what goes wrong with one copy is in its Done.
    """
    target.mkdir(parents=True, exist_ok=True)
    done = {}
    for path in sorted(source.glob("*.ipynb")):
        content = (committed or {}).get(path.name)
        try:
            if content is None:
                done[path.name] = _bring(path.read_bytes(), target / path.name, path)
            else:
                done[path.name] = _take(content, target / path.name, path)
        except OSError as error:
            done[path.name] = _failed(target / path.name, error.strerror or error)
        except ValueError as error:
            reason = (
                f"{paths.shown(path)} is damaged, get it anew from where the course is: {error}"
            )
            done[path.name] = _failed(target / path.name, reason)
    told = {name: one.text for name, one in done.items() if one.text and one.what != "failed"}
    lines = [f"{name}: {text}\n" for name, text in told.items()]
    if lines:
        _log(target / EARLIER / LOG, lines)
    return done


def _failed(copy, reason):
    state = "not brought up to date, it is as it was" if copy.exists() else "no copy could be made"
    return Done("failed", f"{state} ({reason}).")


def _bring(content, copy, original):
    """Bring one copy to the edition in ``content`` (bytes).  Raises OSError, and ValueError when the edition is no notebook."""
    if not copy.exists():
        paths.write_atomic(copy, _fresh(content))
        return Done("copied")
    was = copy.read_bytes()
    mine = _notebook(was)
    record = mine and merge.record_of(mine)
    known = record or (mine and merge.closest(mine, earlier_editions(original)))
    if not known:
        fresh = _fresh(content)  # before anything is moved: the edition itself may be damaged
        text = f"damaged, or of an unknown edition: it is now {_set_aside(copy, was)}, and a new copy is in its place."
        paths.write_atomic(copy, fresh)
        return Done("set aside", text)
    made_from, cells = known
    if made_from == merge.edition(content):
        if not record:
            paths.write_atomic(copy, merge.write(merge.with_record(mine, content)))
        return Done("kept")
    merged = merge.merge(cells, mine, content, message("copies.beside"))
    text = _told(merged)
    if text and not merged.untouched:
        text += f" As it was: {_set_aside(copy, was)}"
    paths.write_atomic(copy, merge.write(merged.notebook))
    return Done("merged", text)


def _fresh(content):
    """A new copy of the edition in ``content``, as the bytes of its file."""
    return merge.write(merge.with_record(merge.read(content), content))


def _take(content, copy, original):
    """The same for a lecture that a student has changed in its original, which stays as it is: a copy that is missing, or in which the
    student did nothing, is made of it."""
    changed = original.read_bytes()
    if not _notebook(changed) or (copy.exists() and not _is_untouched(copy)):
        return _bring(content, copy, original)
    paths.write_atomic(copy, changed)
    text = f"made of {paths.shown(original)}, in which you worked. {_bring(content, copy, original).text}"
    return Done("taken", text.strip())


def _is_untouched(copy):
    mine = _notebook(copy.read_bytes())
    record = mine and merge.record_of(mine)
    return bool(record) and merge.is_untouched(mine, record[1])


def _notebook(content):
    """The notebook in a file's bytes; None when it is damaged."""
    try:
        return merge.read(content)
    except ValueError:
        return None


def _told(merged):
    """What a merge did, as a sentence or two; "" when the edition brought nothing."""
    if not merged.course and not merged.both:
        return ""
    text = f"cells brought to the new edition: {len(merged.course)}; yours that stay: {len(merged.student) + len(merged.both)}."
    if merged.both:
        text += f" You and the course changed {', '.join(merged.both)}: the course's stands behind yours."
    return text


def _set_aside(copy, content):
    """Keep a copy's content in ``earlier/``; returns the file as a reader wants to see it."""
    day, number = time.strftime("%Y-%m-%d"), 1
    kept = copy.parent / EARLIER / f"{copy.stem} {day}.ipynb"
    while kept.exists():
        number += 1
        kept = kept.with_name(f"{copy.stem} {day} {number}.ipynb")
    paths.write_atomic(kept, content)
    return paths.shown(kept)


def _log(path, lines):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf8") as log:
            log.writelines([time.strftime("%Y-%m-%d %H:%M\n"), *lines])
    except OSError:  # the lines are printed as well, and the copies are safe
        pass


# --- what git knows ---------------------------------------------------------------------------------------------------


def changed_originals(source):
    """{file name: bytes} of the notebooks in ``source`` that differ from git's HEAD, as HEAD has them; {} without git or a checkout."""
    answer = _git(source, "diff", "--name-only", "--relative", "-z", "HEAD", "--", "*.ipynb") or b""
    names = [name for name in os.fsdecode(answer).split("\0") if name]
    found = {name: _git(source, "show", f"HEAD:./{name}") for name in names}
    return {name: content for name, content in found.items() if content}


def earlier_editions(path):
    """The contents that a file of the course had, newest first; none without git or a checkout."""
    commits = _git(path.parent, "log", "--format=%H", "--max-count=100", "--", path.name) or b""
    for commit in commits.decode().split():
        content = _git(path.parent, "show", f"{commit}:./{path.name}")
        if content:
            yield content


def _git(source, *command):
    """What git prints about the checkout of the course; None when there is no git, no checkout or no answer."""
    if not (source.parent / ".git").exists():
        return None
    # the checkout of a class belongs to another account, which git has to be told is fine
    call = ["git", "-c", "safe.directory=*", "--no-optional-locks", "-C", str(source), *command]
    try:
        answer = subprocess.run(call, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout if answer.returncode == 0 else None
