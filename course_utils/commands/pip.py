"""Running pip, and what to do about what it says."""

import os
import platform
import re
import subprocess
import sys
import threading

from .base import ROOT, Stop

TRIED = "3.11, 3.12 and 3.13"  # the Pythons that README.md names


def run(python, *command, variables=None):
    """Run ``pip command`` with its own progress bars, but keep what it says on stderr to explain a failure (Stop)."""
    kept = []
    process = subprocess.Popen(
        [str(python), "-m", "pip", "--disable-pip-version-check", *map(str, command)],
        cwd=ROOT,
        env=variables,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
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
        raise Stop(f"\npip did not finish.\n{advice(''.join(kept))}")


def index_variables(index):
    """Environment variables that let pip look at this index alone, whatever its configuration names besides."""
    return dict(os.environ, PIP_INDEX_URL=index, PIP_EXTRA_INDEX_URL=index)


def offline_variables():
    """Environment variables without any of pip's: an index or a proxy from its configuration would ask for the network."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return dict(kept, PIP_CONFIG_FILE=os.devnull)


def advice(text):
    """What to do about an error that pip printed."""
    low = text.lower()
    if "no space left" in low or "errno 28" in low or "not enough space" in low:
        return (
            "The disk is full. Make room (pip cache purge frees the downloads) and run the command again: it goes on where it\n"
            "stopped. On Linux, COURSE_TORCH=cpu takes PyTorch's CPU build, which needs far less."
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
            "Check the connection or proxy and run the command again: what was downloaded already is kept.\n"
            "Without internet: BUNDLE=folder installs from what `make bundle` wrote on a machine like this one."
        )
    here = f"Python {platform.python_version()}, {platform.platform()}"
    if re.search(r"requirement torch(vision)?\b.*\(from versions: none\)", low):
        return (
            f"PyTorch has no wheel at all for {here}: it comes out some months after a new Python.\n"
            f"Tried with the course are Python {TRIED}:\n"
            "python3 -m course_utils clean --all   and then   make lab PYTHON=python3.13   (Windows: py -3.13 -m course_utils lab).\n"
            "On Windows with an ARM processor take Python's installer for 64-bit Intel and AMD, which works there as well."
        )
    if (
        "no matching distribution" in low
        or "could not find a version" in low
        or "resolutionimpossible" in low
    ):
        return (
            f"A pinned version is not available for this system ({here}).\n"
            "COURSE_CONSTRAINTS=none make lab   takes the newest versions instead of those the course was tested with."
        )
    if "permission denied" in low or "access is denied" in low:
        return "Something in the environment can't be written. Is it in use by another program, or made by another user?"
    return "Run the command again: it goes on where it stopped. If that doesn't help: python3 -m course_utils clean --all"
