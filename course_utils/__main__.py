"""``python -m course_utils <command>``: the one entry point, with nothing installed but Python.

This file keeps to old syntax: an old Python must get far enough to look for a newer one, or to say what is missing.
"""

import os
import subprocess
import sys

WANTED = (3, 11)


def _newer_python():
    """A command that starts a Python of at least the wanted version, or None."""
    candidates = [["python3.%d" % minor] for minor in range(20, WANTED[1] - 1, -1)]
    if os.name == "nt":
        candidates = [["py", "-3.%d" % minor] for minor in range(20, WANTED[1] - 1, -1)]
    candidates += [["python3"], ["python"]]
    question = "import sys; sys.exit(0 if sys.version_info >= (%d, %d) else 1)" % WANTED
    for candidate in candidates:
        try:
            with open(os.devnull, "w") as quiet:
                if subprocess.call(candidate + ["-c", question], stdout=quiet, stderr=quiet) == 0:
                    return candidate
        except (OSError, ValueError):
            pass
    return None


def _start():
    if sys.version_info >= WANTED:
        from course_utils.commands import main

        return main.main(sys.argv[1:])
    found = _newer_python()
    have = "%d.%d" % sys.version_info[:2]
    if not found:
        sys.stderr.write(
            "The course needs Python %d.%d or newer; this is Python %s (%s) and no newer one was found.\n"
            "Install one from https://www.python.org/downloads/ or with your system's package manager, then run the\n"
            "command again; if it has another name: make lab PYTHON=/path/to/python3.12\n"
            % (WANTED[0], WANTED[1], have, sys.executable)
        )
        return 1
    sys.stderr.write(
        "Python %s is too old for the course; going on with %s.\n" % (have, " ".join(found))
    )
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    environment = dict(os.environ, PYTHONPATH=here + os.pathsep + os.environ.get("PYTHONPATH", ""))
    return subprocess.call(found + ["-m", "course_utils"] + sys.argv[1:], env=environment)


if __name__ == "__main__":
    sys.exit(_start())
