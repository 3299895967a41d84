"""How a student's server starts on a class server: own copies of the notebooks, a memory limit, then JupyterLab.

Only the standard library, until it hands over to JupyterHub.  The course itself (notebooks, course_utils, data) is read, never written.
"""

import os
import sys
from pathlib import Path

from course_utils import paths, settings
from course_utils.commands import copies

FOLDER = "generative-models"  # in the student's home


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
    for name, done in copies.bring(paths.course_root() / "notebooks", own / "notebooks").items():
        if done.what != "kept":
            print(f"{name}: {done.what}. {done.text}", file=sys.stderr)
    os.environ.setdefault("COURSE_HOME", str(own / "results"))
    os.environ.setdefault("COURSE_CACHE", str(Path.home() / ".cache" / paths.APP))
    limit_memory(settings.get("COURSE_KERNEL_GB") or 0)
    os.chdir(own)
    os.execv(sys.executable, [sys.executable, "-m", "jupyterhub.singleuser", *sys.argv[1:]])


if __name__ == "__main__":
    main()
