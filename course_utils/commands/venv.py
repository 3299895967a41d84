"""The course's own virtual environment: made here, marked by its stamp; a folder without the mark is never touched."""

import platform
import shutil
import subprocess
import sys

from . import environment, pip
from .base import Stop, say


def is_ours():
    """Whether the course made the environment: the stamp is the first thing that it puts there."""
    return environment.STAMP.is_file()


def check():
    """Stop when the place of the environment is taken by something that the course did not make."""
    place = environment.VENV
    if is_ours() or not place.exists() or (place.is_dir() and not any(place.iterdir())):
        return
    use = ""
    if (place / "pyvenv.cfg").is_file():
        use = "To use that environment, activate it, run   python -m pip install -r requirements.txt   and then the same command again.\n"
    raise Stop(
        f"{place} was not made by the course, so nothing in it is changed.\n{use}"
        "Remove it yourself if nobody needs it, or choose a new folder: COURSE_VENV=/path/of/a/new/folder make lab"
    )


def make():
    """Make the environment, unless it is there and has pip.  Raises Stop for a folder of somebody else's."""
    check()
    if environment.quiet([environment.venv_python(), "-m", "pip", "--version"]):
        return
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise Stop(
            f"This Python ({sys.executable}) comes without the module {error.name!r}, which makes virtual environments.\n"
            f"On Debian and Ubuntu: sudo apt install python3-venv   (or python{version}-venv), then run the command again."
        ) from error
    place = environment.VENV
    say(f"Making {place} with Python {platform.python_version()} …")
    remove()
    try:
        place.mkdir(parents=True, exist_ok=True)
        environment.STAMP.write_text("{}", "utf8")
    except OSError as error:
        raise Stop(f"Could not make {place}:\n{error}\n{pip.advice(str(error))}") from error
    made = subprocess.run(
        [environment.base_python(), "-m", "venv", str(place)], capture_output=True, text=True
    )
    if made.returncode:
        said = made.stderr + made.stdout
        raise Stop(f"Could not make {place}:\n{said.strip()}\n{pip.advice(said)}")


def remove():
    """Remove the environment if the course made it; returns whether it did."""
    if not is_ours():
        return False
    stamp = environment.STAMP.read_bytes()
    shutil.rmtree(environment.VENV, ignore_errors=True)
    if (
        environment.VENV.exists()
    ):  # something in it is in use: it stays recognisable as the course's
        environment.STAMP.write_bytes(stamp)
        raise Stop(
            f"Not all of {environment.VENV} could be removed: close what uses it (JupyterLab, a terminal) and try again."
        )
    return True
