"""``make install``: .venv, the packages in it, the texts; and what to do about what pip says."""

import json
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from . import environment
from .base import GB, ROOT, Stop, is_yes, say


def _make_venv():
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
    say(f"Making {environment.VENV} with Python {platform.python_version()} …")
    made = subprocess.run(
        [environment.base_python(), "-m", "venv", "--clear", str(environment.VENV)],
        capture_output=True,
        text=True,
    )
    if made.returncode:
        raise Stop(
            f"Could not make {environment.VENV}:\n{(made.stderr or made.stdout).strip()}\n{_advice(made.stderr + made.stdout)}"
        )


def _is_cuda_build():
    """Whether pip's default torch is here the big one with CUDA libraries."""
    return sys.platform == "linux" and platform.machine() in {"x86_64", "aarch64"}


def _check_disk():
    """Say how much comes before it comes; stop when it can't fit.  True when this is the first installation of torch."""
    if environment.quiet(
        [
            environment.venv_python(),
            "-c",
            "import importlib.util as u, sys; sys.exit(u.find_spec('torch') is None)",
        ]
    ):
        return False
    pip_options = " ".join(value for name, value in os.environ.items() if name.startswith("PIP_"))
    big = _is_cuda_build() and "/whl/cpu" not in pip_options
    need = 7 * GB if big else 2 * GB
    environment.VENV.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(environment.VENV.parent).free
    if big:
        say(
            "PyTorch's standard build for Linux includes CUDA: about 6 GB in .venv, and up to 3 GB of downloads. Without an\n"
            "NVIDIA GPU the CPU build does as well in under 1 GB: see “A smaller installation” in README.md (Ctrl+C stops now)."
        )
    if free < need and is_yes(os.environ.get("COURSE_DISK_CHECK", "")):
        raise Stop(
            f"{free / GB:.1f} GB are free on the disk of {environment.VENV.parent}; the installation needs about {need / GB:.0f} GB.\n"
            "Make room, or put the environment elsewhere (COURSE_VENV=/path/with/room make lab); COURSE_DISK_CHECK=no goes on."
        )
    return True


def _advice(text):
    """What to do about an error that pip printed."""
    low = text.lower()
    if "no space left" in low or "errno 28" in low or "not enough space" in low:
        return (
            "The disk is full. Make room (pip cache purge frees the downloads) and run the command again: it goes on where it\n"
            "stopped. On Linux without an NVIDIA GPU, PyTorch's CPU build needs far less: see README.md."
        )
    offline = [
        "name resolution",
        "failed to establish",
        "getaddrinfo",
        "unreachable",
        "timed out",
        "connection broken",
    ]
    if any(sign in low for sign in [*offline, "proxyerror", "connection refused", "max retries"]):
        return (
            "The package index could not be reached. Installing needs the internet (working through the course doesn't).\n"
            "Check the connection or proxy and run the command again: what was downloaded already is kept."
        )
    if (
        "no matching distribution" in low
        or "could not find a version" in low
        or "resolutionimpossible" in low
    ):
        return (
            f"A pinned version is not available for this system (Python {platform.python_version()}, {platform.platform()}).\n"
            "COURSE_CONSTRAINTS=none make lab   takes the newest versions instead of those the course was tested with."
        )
    if "permission denied" in low or "access is denied" in low:
        return f"Something in {environment.VENV} can't be written. Is it in use by another program, or made by another user?"
    return "Run the command again: it goes on where it stopped. If that doesn't help: python3 -m course_utils clean --all"


def _pip(python, *options):
    """Run pip with its own progress bars, but keep what it says on stderr to explain a failure."""
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", *options]
    kept = []
    process = subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, errors="replace"
    )

    def tee():
        for line in process.stderr:
            kept.append(line)
            sys.stderr.write(line)

    reader = threading.Thread(target=tee, daemon=True)
    reader.start()
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise Stop(
            "\nInterrupted. Nothing is lost: the same command goes on where it stopped."
        ) from None
    reader.join(5)
    if code:
        raise Stop(f"\nThe installation did not finish.\n{_advice(''.join(kept))}")


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
                    _pip(sys.executable, "--quiet", "-e", f".[{extra}]")
            say(f"Using the active {name}.")
            return Path(sys.executable)
        say(f"The active {name} lacks {', '.join(lacking)}; using {environment.VENV} instead.")
    if environment.is_installed(extras):
        return environment.venv_python()
    started = time.perf_counter()
    extras = sorted({*extras, *(environment.read_stamp().get("extras", []))})
    _make_venv()
    first = _check_disk()
    say(
        f"Installing the course's packages into {environment.VENV} (the first time takes some minutes) …"
    )
    environment.STAMP.unlink(missing_ok=True)
    target = ".[" + ",".join(extras) + "]" if extras else "."
    _pip(
        environment.venv_python(),
        *([] if first else ["--quiet"]),
        "-e",
        target,
        *environment.constraints(),
    )
    modules = "torch, torchvision, numpy, matplotlib, ipywidgets, jupyterlab, nbclient"
    tried = subprocess.run(
        [environment.venv_python(), "-c", f"import {modules}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    if tried.returncode:
        raise Stop(
            f"The packages are installed but don't start:\n{tried.stderr.strip()[-1500:]}\n"
            "Start afresh with: python3 -m course_utils clean --all   and then the same command again."
        )
    environment.STAMP.write_text(
        json.dumps({"fingerprint": environment.fingerprint(), "extras": extras}), "utf8"
    )
    say(f"Installed in {time.perf_counter() - started:.0f} s.")
    return environment.venv_python()


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
