"""``make install``: .venv, the packages in it, the texts."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from .. import settings
from . import bundle, environment, pip, pytorch, venv
from .base import GB, ROOT, Stop, say


def _check_disk(is_big):
    """Say how much comes before it comes; stop when it can't fit."""
    need = 7 * GB if is_big else 2 * GB
    free = shutil.disk_usage(environment.VENV).free
    if is_big:
        say("PyTorch's build with CUDA takes about 6 GB, and up to 3 GB of downloads.")
    if free < need and settings.get("COURSE_DISK_CHECK"):
        raise Stop(
            f"{free / GB:.1f} GB are free on the disk of {environment.VENV}; the installation needs about {need / GB:.0f} GB.\n"
            "Make room, or put the environment elsewhere (COURSE_VENV=/path/with/room make lab); COURSE_DISK_CHECK=no goes on."
        )


def _install_torch(python):
    """Bring PyTorch first where it comes from an index of its own: no other package may come from there."""
    index, is_big = pytorch.source(python)
    _check_disk(is_big)
    if index:
        packages = environment.as_arguments(environment.requirements(), pytorch.PACKAGES)
        pip.run(
            python,
            *("install", "--no-deps", *packages, *environment.constraints()),
            variables=pip.index_variables(index),
        )


def _install_course(python, extras, place, *options):
    """Install the course itself, and with it what it requires: from an opened bundle, or from where pip looks."""
    target = ".[" + ",".join(extras) + "]" if extras else "."
    pip.run(
        python,
        *("install", *options, "-e", target),
        *(bundle.pip_options(place) if place else environment.constraints()),
        variables=pip.offline_variables() if place else None,
    )


def prepare(extras=()):
    """The Python that has the course's packages; makes .venv and installs when that is not done yet."""
    name = environment.active_environment()
    if name:
        lacking = environment.missing_packages(environment.requirements())
        if not lacking:
            for extra in extras:
                lacking = environment.missing_packages(environment.extra_requirements(extra))
                if lacking:
                    say(f"Installing into the active {name}: {', '.join(lacking)}")
                    _install_course(sys.executable, [extra], bundle.opened(), "--quiet")
            if pytorch.is_other_than_wished(sys.executable):
                say(
                    "COURSE_TORCH is for the course's own environment; the active one keeps its PyTorch."
                )
            say(f"Using the active {name}.")
            return Path(sys.executable)
        venv.check()
        say(f"The active {name} lacks {', '.join(lacking)}; using {environment.VENV} instead.")
    python = environment.venv_python()
    is_other_torch = pytorch.is_other_than_wished(python)
    if environment.is_installed(extras) and not is_other_torch:
        return python
    pytorch.check_system()
    venv.check()
    place = bundle.opened()
    started = time.perf_counter()
    extras = sorted({*extras, *(environment.read_stamp().get("extras", []))})
    if is_other_torch:
        say(
            f"COURSE_TORCH={pytorch.wish()}, but {environment.VENV} holds the other build: making it anew."
        )
        venv.remove()
    venv.make()
    brings_torch = not pytorch.is_settled(python)
    if brings_torch and not place:
        _install_torch(python)
    say(
        f"Installing the course's packages into {environment.VENV} (the first time takes some minutes) …"
    )
    environment.STAMP.write_text("{}", "utf8")
    _install_course(python, extras, place, *([] if brings_torch else ["--quiet"]))
    modules = "torch, torchvision, numpy, matplotlib, ipywidgets, jupyterlab, nbclient"
    tried = subprocess.run(
        [python, "-c", f"import {modules}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    if tried.returncode:
        raise Stop(
            f"The packages are installed but don't start:\n{tried.stderr.strip()[-1500:]}\n"
            "Start afresh with: python3 -m course_utils clean --all   and then the same command again."
        )
    if pytorch.is_other_than_wished(python):
        raise Stop(
            f"COURSE_TORCH={pytorch.wish()}, but the other build came from {place or 'where pip looks'}. Without COURSE_TORCH it is used as it is."
        )
    environment.STAMP.write_text(
        json.dumps({"fingerprint": environment.fingerprint(), "extras": extras}), "utf8"
    )
    say(f"Installed in {time.perf_counter() - started:.0f} s.")
    return python


def fetch_texts(python, required):
    """Bring the text corpora (hash-checked; at once when they are there).  When they can't be had: warn, or stop if required."""
    code = subprocess.run([python, "-m", "course_utils.commands.fetch"], cwd=ROOT).returncode
    if code and required:
        raise Stop("The text corpora are not there, see above.")
    if code:
        say(
            "\nThe lectures on images work; those on text will ask for the corpora. Later: python3 -m course_utils fetch\n"
        )


def install(args):
    """Make the environment and bring the texts, without starting anything."""
    python = prepare(args.extra)
    fetch_texts(python, required=False)
    say(f"Ready: {python}")
