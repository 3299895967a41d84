"""The small commands: lint, doctor, clean, freeze."""

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from . import environment, pytorch, venv
from .base import BUILD, GB, ROOT, run_module, say, version, with_course
from .install import prepare
from .translations import main as list_translations

BUILT = ["browser", "bundle", "execute", "slides", "test"]  # what the commands put into build/


def lint(args):
    """Check the style of code and notebooks; --fix repairs what can be repaired."""
    python = prepare(["test"])
    first = [str(python), "-m", "ruff", "check", *(["--fix"] if args.fix else []), "."]
    second = [str(python), "-m", "ruff", "format", *([] if args.fix else ["--check"]), "."]
    return max(subprocess.run(command, cwd=ROOT).returncode for command in (first, second))


def doctor(args):
    """Say whether this machine is ready for the course, and what to do when it is not."""
    free = shutil.disk_usage(ROOT).free
    say(f"Edition {version()} of the course")
    say(f"Python {platform.python_version()} ({sys.executable}): new enough")
    say(
        f"{platform.platform()}, {os.cpu_count()} cores, {free / GB:.0f} GB free on the course's disk"
    )
    python = (
        Path(sys.executable)
        if environment.active_environment()
        and not environment.missing_packages(environment.requirements())
        else environment.venv_python()
    )
    if python == environment.venv_python() and not environment.is_installed([]):
        say(
            pytorch.no_wheels_because()
            or f"{environment.VENV}: not there, or not up to date. make lab (or python3 -m course_utils lab) installs it."
        )
        return 1
    say(f"Packages: installed for {python}")
    say(f"PyTorch: {_torch_build(python)}\n")
    code = "import sys, course_utils; d = course_utils.doctor(); print(d); sys.exit(not d.ready)"
    return subprocess.run(
        [python, "-c", code], cwd=ROOT, env=with_course(dict(os.environ))
    ).returncode


def _torch_build(python):
    version, cuda = pytorch.installed(python)
    has_gpu = pytorch.has_nvidia_gpu()
    if cuda:
        advice = (
            "" if has_gpu else "; without an NVIDIA GPU, COURSE_TORCH=cpu make install saves 5 GB"
        )
        return f"{version}, the build with CUDA {cuda}{advice}"
    advice = "; for the NVIDIA GPU that is here: COURSE_TORCH=cuda make install" if has_gpu else ""
    return f"{version}, the CPU build{advice}"


def clean(args):
    """Remove what was built; --all also removes .venv and the fetched texts.  Notebooks and progress stay."""
    folders = [BUILD / name for name in BUILT]
    folders += [ROOT / name for name in [".pytest_cache", ".ruff_cache", ".hypothesis"]]
    for top in ["course_utils", "tests", "notebooks"]:
        for name in ["__pycache__", ".ipynb_checkpoints", ".virtual_documents"]:
            folders += (ROOT / top).rglob(name)
    if args.all:
        folders += ROOT.glob("generative_models_course.egg-info")
    for folder in folders:
        _remove(folder, lambda folder: shutil.rmtree(folder, ignore_errors=True))
    _remove(BUILD, _remove_if_empty)
    if args.all:
        _remove(ROOT / "data" / "texts", _remove_texts)
        _remove(environment.VENV, lambda _: venv.remove())


def _remove(folder, how):
    """Remove a folder that is there, and say what became of it."""
    if not folder.exists():
        return
    how(folder)
    name = os.path.relpath(folder, ROOT)
    kept = f"kept {name}: a link, in use, or with something in it that the course did not make"
    say(kept if folder.exists() else f"removed {name}")


def _remove_if_empty(folder):
    if not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()


def _remove_texts(folder):
    from .. import data

    for entry in data.brought().values():
        (folder / entry["file"]).unlink(missing_ok=True)
    _remove_if_empty(folder)


def translations(args):
    """For translators: list what a language lacks, and what has changed in English since (uk or ru; --written notes that it is done)."""
    return list_translations([args.language, *(["--written"] if args.written else [])])


def freeze(args):
    """For authors: write the installed versions of all packages the course needs to constraints.txt."""
    return run_module(prepare(["test", "server"]), "course_utils.commands.upkeep")


def write_constraints():
    """constraints.txt = the closure of requirements.txt and the extras "test" and "server" in this environment."""
    from packaging.requirements import Requirement

    def canonical(name):
        return re.sub(r"[-_.]+", "-", name).lower()

    versions, todo = (
        {},
        [
            (Requirement(name), "")
            for name, _ in environment.requirements()
            + environment.extra_requirements("test")
            + environment.extra_requirements("server")
        ],
    )
    seen = set()
    while todo:
        requirement, extra = todo.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        for inner in {"", *requirement.extras}:
            key = (canonical(requirement.name), inner)
            if key in seen:
                continue
            seen.add(key)
            package = importlib.metadata.distribution(requirement.name)
            versions[key[0]] = package.version.split("+")[0]
            todo += [(Requirement(line), inner) for line in package.requires or []]
    lines = [
        "# The versions that the course was last tested with, for pip's option -c; written by: python3 -m course_utils freeze",
        f"# Python {platform.python_version()}, {sys.platform} {platform.machine()}.",
        "# COURSE_CONSTRAINTS=none make lab   installs the newest instead.",
        *(f"{name}=={versions[name]}" for name in sorted(versions)),
    ]
    (ROOT / "constraints.txt").write_text("\n".join(lines) + "\n", "utf8")
    say(f"constraints.txt: {len(versions)} packages")


if __name__ == "__main__":  # in the environment whose versions are written down
    write_constraints()
