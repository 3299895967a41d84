"""Which Python and which packages: the active environment or .venv, what is missing in it, what holds pip to tested versions."""

import hashlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from .. import settings
from .base import ROOT, Stop

VENV = (settings.get("COURSE_VENV") or ROOT / ".venv").resolve()
STAMP = VENV / "course-stamp.json"


def venv_python():
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def requirements(path=None):
    """[(name, lower bound or None), ...] of a requirements file."""
    found = []
    for line in Path(path or ROOT / "requirements.txt").read_text("utf8").splitlines():
        match = re.match(r"\s*([A-Za-z0-9._-]+)\s*(?:>=\s*([0-9.]+))?", line.split("#")[0])
        if match:
            found.append((match.group(1), match.group(2)))
    return found


def _pyproject():
    import tomllib

    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))


def extra_requirements(extra):
    """The same for an extra of pyproject: "test" or "server"."""
    lines = _pyproject()["project"]["optional-dependencies"][extra]
    return [re.match(r"([A-Za-z0-9._-]+)\s*(?:>=\s*([0-9.]+))?", line).groups() for line in lines]


def build_requirements():
    """What pip needs besides to install the course itself, as pip's arguments."""
    return _pyproject()["build-system"]["requires"]


def as_arguments(wanted, names=None):
    """Those of ``wanted`` (see ``requirements``) with one of the names, or all, as pip's arguments."""
    return [
        f"{name}>={bound}" if bound else name
        for name, bound in wanted
        if names is None or name in names
    ]


def version_numbers(version):
    return tuple(int(n) for n in re.findall(r"\d+", version.split("+")[0])[:3])


def missing_packages(wanted):
    """Those of ``wanted`` (see ``requirements``) that this interpreter lacks or has too old, as text."""
    missing = []
    for name, bound in wanted:
        try:
            have = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if bound and version_numbers(have) < version_numbers(bound):
            missing.append(f"{name}>={bound} (found {have})")
    return missing


def active_environment():
    """Name of the environment that this interpreter belongs to, when it is one the user made and activated; else None."""
    prefix = Path(sys.prefix).resolve()
    if prefix == VENV and STAMP.is_file():  # the course's own
        return None
    if (prefix / "conda-meta").is_dir():
        return f"conda environment {os.environ.get('CONDA_DEFAULT_ENV') or prefix.name!r}"
    if sys.prefix != sys.base_prefix:
        return f"virtual environment {prefix}"
    return None


def base_python():
    """The interpreter to make .venv with: not one that lives inside another virtual environment."""
    return getattr(sys, "_base_executable", None) or sys.executable


def constraints():
    """Options that hold pip to the versions of constraints.txt; COURSE_CONSTRAINTS=none (or another file) changes that."""
    chosen = settings.get("COURSE_CONSTRAINTS")
    if chosen.lower() in {"", "none", "no", "off"}:
        return []
    path = ROOT / chosen
    if not path.is_file():
        raise Stop(
            f"COURSE_CONSTRAINTS names {path}, which is not there. COURSE_CONSTRAINTS=none turns constraints off."
        )
    return ["-c", str(path)]


def pinned(name):
    """The version that the constraints hold a package to, or None."""
    for path in constraints()[1:]:
        found = re.search(rf"^{name}==(\S+)", Path(path).read_text("utf8"), re.MULTILINE)
        return found and found[1]
    return None


def fingerprint():
    """Changes when the installation has to be looked at again."""
    digest = hashlib.sha256()
    for name in ["requirements.txt", "pyproject.toml", *constraints()[1:]]:
        digest.update((ROOT / name).read_bytes())
    config = VENV / "pyvenv.cfg"
    digest.update(config.read_bytes() if config.is_file() else b"")
    digest.update(str(ROOT).encode())
    return digest.hexdigest()


def read_stamp():
    try:
        return json.loads(STAMP.read_text("utf8"))
    except (OSError, ValueError):
        return {}


def is_installed(extras):
    stamp = read_stamp()
    if stamp.get("fingerprint") != fingerprint() or not set(extras) <= set(stamp.get("extras", [])):
        return False
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('jupyterlab') is None)"
    return venv_python().exists() and quiet([venv_python(), "-c", look])


def quiet(command):
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False
