"""What ``make test`` runs: everything, the lectures that NB names, or with CHANGED=yes those whose files have changed.

Standard library only: it runs before anything is installed.
"""

import ast
import functools
import json
import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

from . import rooms
from .base import ROOT, Stop

# what every lecture runs with
FOR_ALL = ("requirements.txt", "constraints.txt", "data/", "course_utils/")
FOR_ALL += ("tests/after_lecture.py", "tests/no_network.py", "tests/offline/", "tests/conftest.py")
FOR_NONE = ("data/README.md", "data/pictures/")


@dataclass(frozen=True)
class Selection:
    """lectures: names of notebooks, longest first.  whole: the other steps run completely, too; if not, what concerns ``lectures``."""

    lectures: tuple
    whole: bool


def lectures():
    """Names of all notebooks, in teaching order."""
    return [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]


def number(lecture):
    """What files of a lecture are named by: 06 of 06_vae, 06b of 06b_vae_deeper, lab_04 of lab_04_word_level."""
    return re.match(r"(lab_)?[0-9]+[a-z]?(?=_|$)", lecture).group()


def exercises(lecture):
    """The stem of the files that hold the lecture's exercises: lecture_06, lab_04."""
    return number(lecture) if lecture.startswith("lab_") else f"lecture_{number(lecture)}"


def named(names):
    """The lectures that these names mean (06_vae, 06, with or without folder and .ipynb).  Raises Stop for one that means none."""
    found = []
    for name in names:
        stem = Path(name).name.removesuffix(".ipynb")
        fits = [each for each in lectures() if stem in {each, number(each)}]
        if not fits:
            raise Stop(f"There is no notebook {name!r}; there are: {', '.join(lectures())}")
        found += fits
    return list(dict.fromkeys(found))


# --- what a lecture depends on ----------------------------------------------------------------------------------------


@functools.cache
def _code(lecture):
    cells = json.loads((ROOT / "notebooks" / f"{lecture}.ipynb").read_text("utf8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return "\n".join(re.sub(r"^\s*[%!?].*$", "", source, flags=re.M) for source in sources)


@functools.cache
def helpers(lecture):
    """Modules of course_utils that a lecture runs, directly or not, its own exercises among them."""
    return rooms.reached(
        {*rooms.used(ast.parse(_code(lecture))), f"exercises.{exercises(lecture)}"}
    )


def concerned(path):
    """Lectures that run differently when this file (relative to the course's folder, with slashes) changes.

    A notebook and its quiz, exercises and claims concern that lecture, a module those that import it, shipped weights those
    that name them (in their own code or a helper's); other data, texts and versions of packages concern all.  Commands, tests
    and documents concern none.
    """
    folder, stem = str(Path(path).parent.as_posix()), Path(path).stem
    everything = lectures()
    if path.startswith("notebooks/"):
        return [each for each in everything if each == stem]
    if path.startswith(FOR_NONE) or path.startswith("course_utils/commands/"):
        return []
    if path.startswith("course_utils/") and path.endswith(".py"):
        name = path.removeprefix("course_utils/").removesuffix(".py").replace("/", ".")
        name = name.removesuffix(".__init__")
        return (
            [each for each in everything if name in helpers(each)]
            if name != "__init__"
            else everything
        )
    if path.startswith("course_utils/"):
        own = [each for each in everything if stem in {each, exercises(each)}]
        return own or everything
    if folder == "data/checkpoints" and stem != "index":
        return [
            each for each in everything if stem.startswith(f"{number(each)}_") or _names(each, stem)
        ]
    return everything if path.startswith(FOR_ALL) else []


def _names(lecture, stem):
    sources = [rooms.modules()[name].read_text("utf8") for name in helpers(lecture)]
    return any(stem in source for source in [_code(lecture), *sources])


# --- what has changed -------------------------------------------------------------------------------------------------


def _git(*options):
    command = ["git", "-C", str(ROOT), *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf8")
    except OSError as error:
        raise Stop(
            f"CHANGED=yes asks git what has changed, and git can't be started: {error}"
        ) from error
    return done.stdout if done.returncode == 0 else None


def changed():
    """Files that differ from the point where this branch left main, uncommitted and new ones among them.

    On main itself: from what the origin has, or without one from the last commit.
    """
    for main in ["origin/HEAD", "origin/main", "main", "HEAD"]:
        base = _git("merge-base", "HEAD", main)
        if base:
            break
    else:
        raise Stop(
            "CHANGED=yes asks git what has changed, and this folder is no git clone with a commit.\n"
            "make test NB=06_vae tests one lecture, make test all of them."
        )
    # three dots would leave out what isn't committed; a renamed file counts under both names
    found = _git("diff", "--name-only", "--no-renames", "-z", base.strip(), "--")
    new = _git("ls-files", "--others", "--exclude-standard", "-z")
    return sorted({path for path in (found + new).split("\0") if path})


def select(names=(), only_changed=False):
    """The Selection for these names, for what has changed, or for everything.  Raises Stop for an unknown name or without git."""
    if names and only_changed:
        raise Stop("NB=… names lectures, CHANGED=yes finds them: give one of the two.")
    if names:
        return Selection(tuple(longest_first(named(names))), whole=False)
    if not only_changed:
        return Selection(tuple(longest_first(lectures())), whole=True)
    files = changed()
    found = {each for path in files for each in concerned(path)}
    return Selection(tuple(longest_first(found)), whole=not all(_is_one_lectures(f) for f in files))


def _is_one_lectures(path):
    """Whether a file belongs to a lecture: then the tests that concern the lecture are enough."""
    own = {key for each in lectures() for key in (each, exercises(each))}
    folders = (
        "notebooks/",
        "course_utils/exercises/",
        "course_utils/quizzes/",
        "course_utils/claims/",
    )
    return path.startswith(folders) and Path(path).stem in own


def words(lectures):
    """pytest's -k for the tests that concern these lectures: named after them, or after one of their exercises."""
    found = []
    for lecture in lectures:
        found += [lecture, f"test_{exercises(lecture)}"]
        texts = ROOT / "course_utils" / "exercises" / "en" / f"{exercises(lecture)}.toml"
        found += tomllib.loads(texts.read_text("utf8")) if texts.is_file() else []
    return " or ".join(dict.fromkeys(found))


# --- how long they take -----------------------------------------------------------------------------------------------

SECONDS = ROOT / "tests" / "seconds.json"


def unit_files():
    """Paths of the unit tests, longest first."""
    stems = [path.stem for path in (ROOT / "tests").glob("test_*.py")]
    return [f"tests/{stem}.py" for stem in longest_first(stems)]


def known_seconds():
    """{lecture or file of tests: seconds when that was last recorded}; make test RECORD=yes records them."""
    return json.loads(SECONDS.read_text("utf8"))


def longest_first(names):
    """So that workers end together; what is of unknown length might be the longest."""
    known = known_seconds()
    return sorted(names, key=lambda name: (-known.get(name, float("inf")), name))


def record_seconds(measured):
    """Keep these seconds, to ten seconds: the order needs no more, and the file changes seldom."""
    exist = {*lectures(), *(path.stem for path in (ROOT / "tests").glob("test_*.py"))}
    there = known_seconds() | {n: round(seconds, -1) for n, seconds in measured.items()}
    kept = {name: int(there[name]) for name in sorted(exist & set(there))}
    SECONDS.write_text(json.dumps(kept, indent=1) + "\n", "utf8", newline="\n")
