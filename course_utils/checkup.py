"""doctor(): is this machine ready for the course, and if not, what to do."""

import importlib.metadata
import platform
import shutil
import sys
from dataclasses import dataclass

from . import data, paths, runtime, settings
from .texts import message


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report: what was looked at, "ok", "note" or "problem", and what to do."""

    topic: str
    status: str
    text: str


_MARKS = {"ok": "✓", "note": "○", "problem": "✗"}


class Diagnosis(list):
    """The doctor's findings; shows itself as a short list.  ``ready`` is False when one of them is a problem."""

    @property
    def ready(self):
        return not any(f.status == "problem" for f in self)

    def __repr__(self):
        width = max(len(f.topic) for f in self)
        lines = [f"{_MARKS[f.status]} {f.topic:<{width}}  {f.text}" for f in self]
        return "\n".join(
            [*lines, "", message("doctor.ready" if self.ready else "doctor.not_ready")]
        )


def _memory_gib():
    """Memory that is free for this process in GiB, or None where the system doesn't tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) / 2**20
    except OSError:
        pass
    return None


def _disk():
    try:
        folder = paths.user_dir()
        space = shutil.disk_usage(folder).free / 2**30
    except OSError as error:  # nowhere to write, or a drive that can't be asked
        return Finding("disk", "problem", str(error))
    text = message("doctor.disk", free=f"{space:.1f}", folder=folder.name)
    return Finding("disk", "ok" if space > 0.5 else "problem", text)


def _wrong_settings():
    for name in settings.SETTINGS:
        try:
            settings.get(name)
        except settings.SettingError as error:
            yield Finding(name, "problem", str(error))


def doctor():
    """Is this machine ready for the course?  Looks at Python, packages, CPU, memory, disk and data; says what to do.

    Works without torch installed.  Returns a Diagnosis, which prints itself; nothing is changed on the machine.
    """
    found = Diagnosis()
    version = platform.python_version()
    ok = sys.version_info >= (3, 11)
    found.append(
        Finding(
            "Python",
            "ok" if ok else "problem",
            version if ok else message("doctor.python", found=version),
        )
    )
    missing = []
    for name in ("torch", "torchvision", "numpy", "matplotlib", "ipywidgets", "jupyterlab"):
        try:
            text, status = importlib.metadata.version(name), "ok"
        except importlib.metadata.PackageNotFoundError:
            text, status = message("doctor.package", name=name), "problem"
            missing.append(name)
        found.append(Finding(name, status, text))
    n = runtime.cores()
    text = message("doctor.cores", cores=n)
    if "torch" not in missing:
        text += message("doctor.bf16" if runtime.has_fast_bfloat16() else "doctor.no_bf16")
    found.append(Finding("CPU", "ok" if n > 1 else "note", text))
    free = _memory_gib()
    if free is not None:
        enough = free >= 2
        text = message("doctor.memory" if enough else "doctor.little_memory", free=f"{free:.1f}")
        found.append(Finding("memory", "ok" if enough else "note", text))
    found.append(_disk())
    found.extend(_wrong_settings())
    if "torch" not in missing:
        for topic, fine, text in data.status():
            found.append(Finding(topic, "ok" if fine else "problem", text))
    return found
