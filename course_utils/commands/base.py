"""What all commands share: where things are, how a command speaks and stops.  Standard library only."""

import os
import subprocess
import tomllib
from pathlib import Path

from ..settings import Setting

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
GB = 1e9


class Stop(Exception):
    """A reason to stop that the user can do something about; printed without a stack trace."""


def say(text=""):
    print(text, flush=True)


def flag(name, default):
    """Whether a variable that is no COURSE_ one, such as OPEN, says yes; ``default`` where it is empty.  Raises SettingError."""
    text = os.environ.get(name, "").strip()
    return Setting("for the commands of make", bool).read(name, text) if text else default


def version():
    """The course's edition, as pyproject.toml says it."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]["version"]


def with_course(environment):
    """The environment in which kernels find course_utils wherever they start."""
    path = environment.get("PYTHONPATH")
    return dict(environment, PYTHONPATH=str(ROOT) + (os.pathsep + path if path else ""))


def run_module(python, module, *options):
    """Run ``python -m module options`` in the course's folder; returns the exit code."""
    command = [python, "-m", module, *options]
    return subprocess.run(command, cwd=ROOT, env=with_course(dict(os.environ))).returncode


def chosen(args):
    """Names of the lectures that a command is for: its arguments, or the variable NB; [] for all."""
    return args.notebooks or os.environ.get("NB", "").split()
