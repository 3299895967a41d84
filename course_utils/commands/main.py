"""The commands behind ``make lab``, ``make test`` and the rest.  Standard library only: it runs before anything is installed.

``python -m course_utils <command>`` is the same on every system; the Makefile only forwards to it.
"""

import argparse
import os
import sys

from ..settings import SettingError
from .author import FETCH_OPTIONS, bench, execute, fetch, full, slides
from .base import Stop, say, version
from .bundle import bundle
from .install import install
from .lab import lab
from .serve import server
from .testing import test
from .upkeep import clean, doctor, freeze, lint, translations

COMMANDS = {
    "lab": lab,
    "server": server,
    "test": test,
    "execute": execute,
    "full": full,
    "slides": slides,
    "bench": bench,
    "doctor": doctor,
    "fetch": fetch,
    "install": install,
    "bundle": bundle,
    "lint": lint,
    "clean": clean,
    "freeze": freeze,
    "translations": translations,
}


def help_text():
    lines = [
        f"Generative models, edition {version()}: python3 -m course_utils COMMAND, or make COMMAND",
        "",
    ]
    lines += [
        f"  {name:<9} {function.__doc__.strip().splitlines()[0]}"
        for name, function in COMMANDS.items()
    ]
    lines += [
        "",
        "  lab        PORT=9000  OPEN=no  EDIT=yes (the originals, for authors)  HOST=0.0.0.0 (in a container; the token stays)",
        "  server     REHEARSE=4 NB=02_entropy (invented students, this machine alone)    HOST=0.0.0.0  PORT=8000",
        '  test       ONLY="lint unit"    of: lint format unit notebooks browser; on demand: classroom server',
        "             NB=06_vae (one lecture and the tests that concern it)   CHANGED=yes (what has changed since main)",
        "  bundle     BUNDLE=/media/stick/course    then, without internet: make lab (or test, install) BUNDLE=/media/stick/course",
        "  execute    NB=02_entropy    also for full, slides and bench",
        "  COURSE_BUDGET=fast|class|full   COURSE_VENV=/elsewhere   COURSE_CONSTRAINTS=none",
        "  COURSE_TORCH=auto|cpu|cuda (which build of PyTorch)   PIP_…=… (any option of pip)",
    ]
    return "\n".join(lines)


def _parser():
    parser = argparse.ArgumentParser(prog="python -m course_utils", add_help=False)
    parser.add_argument("-h", "--help", action="store_true")
    commands = parser.add_subparsers(dest="command")
    made = {name: commands.add_parser(name, description=f.__doc__) for name, f in COMMANDS.items()}
    commands.add_parser("help")
    for name, default in [("lab", "the first free one from 8888"), ("server", "8000")]:
        made[name].add_argument("--port", help=f"port to listen on (default: {default})")
        made[name].add_argument(
            "--host", help="address to listen on (default: 127.0.0.1, this machine only)"
        )
    made["server"].add_argument("--rehearse", metavar="N", help="with N invented students")
    made["test"].add_argument("--only", action="append", default=[], metavar="STEP")
    made["test"].add_argument("--nb", action="append", default=[], dest="notebooks", metavar="NAME")
    made["test"].add_argument("--changed", action="store_true", help="what has changed since main")
    made["test"].add_argument("--record", action="store_true", help="seconds of each lecture")
    made["test"].add_argument("rest", nargs="*", help="options for pytest, after --")
    for option in FETCH_OPTIONS:
        made["fetch"].add_argument(f"--{option}", action="store_true")
    for name in ["lab", "test", "install", "fetch", "bundle"]:
        made[name].add_argument("--bundle", metavar="FOLDER", help="the same as BUNDLE=FOLDER")
    made["install"].add_argument("--extra", action="append", default=[], choices=["test", "server"])
    made["translations"].add_argument("language", choices=["uk", "ru"])
    made["translations"].add_argument("--written", action="store_true")
    made["lint"].add_argument("--fix", action="store_true")
    made["clean"].add_argument("--all", action="store_true")
    for name in ["execute", "full", "slides", "bench", "server"]:
        made[name].add_argument(
            "notebooks", nargs="*", help="names such as 02_entropy; without one: all"
        )
    return parser


def main(argv=None):
    """Run one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    args = _parser().parse_args(argv)
    if args.command in {None, "help"}:
        say(help_text())
        return 0
    bundle_folder = getattr(args, "bundle", None) or os.environ.get("BUNDLE")
    if bundle_folder:  # pip runs in the course's folder, the user may be elsewhere
        os.environ["BUNDLE"] = os.path.abspath(os.path.expanduser(bundle_folder))
    try:
        return COMMANDS[args.command](args) or 0
    except (Stop, SettingError) as reason:
        print(f"\n{str(reason).strip()}\n", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
