"""How a student's server starts on a class server: own copies of the notebooks, a memory limit, then JupyterLab.

Only the standard library, until it hands over to JupyterHub.  The course itself (notebooks, course_utils, data) is read, never written.
"""

import hashlib
import itertools
import json
import os
import sys
from pathlib import Path

from course_utils import paths

FOLDER = "generative-models"  # in the student's home
_RECORD = ".copied.json"  # {"copied": {file: SHA-256 as it was written}, "editions": {lecture: SHA-256 of the newest}}


def copy_notebooks(source, target):
    """Bring every notebook of ``source`` to ``target`` without losing anything that a student did there.

    A copy that the student hasn't changed follows the course.  A changed one stays, and a newer edition of the lecture
    appears beside it under "… (new edition)".  A copy that the student deleted comes back when the server starts again.
    Returns {name: "copied" | "kept" | "beside"}.  Raises OSError when ``target`` can't be written to.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        record = json.loads((target / _RECORD).read_text("utf8"))
        copied, editions = dict(record["copied"]), dict(record["editions"])
    except (OSError, ValueError, KeyError, TypeError):
        copied, editions = {}, {}
    done = {}
    for path in sorted(source.glob("*.ipynb")):
        content = path.read_bytes()
        edition = hashlib.sha256(content).hexdigest()
        has = _sha256(target / path.name)
        if has == edition or (has and editions.get(path.name) == edition):
            done[path.name] = "kept"
        else:
            free = (n for n in _names(path) if _sha256(target / n) in (None, copied.get(n)))
            name = next(free)
            paths.write_atomic(target / name, content)
            copied[name] = edition
            done[path.name] = "copied" if name == path.name else "beside"
        editions[path.name] = edition
    record = {"copied": copied, "editions": editions}
    paths.write_atomic(target / _RECORD, json.dumps(record, indent=1).encode())
    return done


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _names(path):
    """The names that a copy may have: its own, then "… (new edition)", "… (new edition 2)" and so on."""
    yield path.name
    for n in itertools.count(1):
        yield f"{path.stem} (new edition{f' {n}' if n > 1 else ''}).ipynb"


def limit_memory(gigabytes):
    """Let no program of this student take more than ``gigabytes`` (10⁹ bytes) of memory of its own; Linux only.

    A lecture that asks for more gets an error that it can survive, instead of the machine killing somebody else's kernel.
    The limit counts what a program reserves (RLIMIT_DATA), each kernel for itself.
    """
    if sys.platform.startswith("linux") and gigabytes > 0:
        import resource

        size = int(gigabytes * 1e9)
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def main():
    own = Path.home() / FOLDER
    for name, what in copy_notebooks(paths.course_root() / "notebooks", own / "notebooks").items():
        if what != "kept":
            print(f"{name}: {what}", file=sys.stderr)
    os.environ.setdefault("COURSE_HOME", str(own / "results"))
    os.environ.setdefault("COURSE_CACHE", str(Path.home() / ".cache" / paths.APP))
    limit_memory(float(os.environ.get("COURSE_KERNEL_GB") or 0))
    os.chdir(own)
    os.execv(sys.executable, [sys.executable, "-m", "jupyterhub.singleuser", *sys.argv[1:]])


if __name__ == "__main__":
    main()
