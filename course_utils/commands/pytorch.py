"""Which build of PyTorch this machine can have, and from where.

On Linux the build that pip finds by default carries CUDA (6 GB); PyTorch's own index has a CPU build (under 1 GB).
COURSE_TORCH=auto, the default, takes that one where there is no NVIDIA GPU, unless pip was told where to look; what is
installed already stays.  COURSE_TORCH=cpu and =cuda insist.  COURSE_TORCH_INDEX names a mirror of the index.
"""

import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

from .. import settings
from . import environment, pip
from .base import Stop, say

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PACKAGES = ("torch", "torchvision")  # the only ones that come from there
PROBE_SECONDS = 10
ELSEWHERE = (
    "Another machine works as well: the course in a Linux container or virtual machine, or a server of the class\n"
    "(make server, on Linux), which needs nothing here but a browser."
)


def no_wheels_because():
    """Why PyTorch has no wheels for this system, with what to do instead; None where it has some."""
    machine, version = platform.machine(), f"{sys.version_info.major}.{sys.version_info.minor}"
    if sys.maxsize < 2**32:
        return (
            f"This Python ({sys.executable}) is a 32-bit program, and PyTorch is made for 64 bits only. On a 64-bit system,\n"
            f"install the 64-bit Python from https://www.python.org/downloads/ and name it: make lab PYTHON=/path/to/it\n{ELSEWHERE}"
        )
    if sys.platform == "darwin" and machine == "x86_64":
        if _is_translated():
            return (
                f"This Python ({sys.executable}) is made for Intel processors, this Mac has one of Apple's. Install Python from\n"
                "https://www.python.org/downloads/ and name it: make lab PYTHON=/usr/local/bin/python3.13"
            )
        return (
            "PyTorch has no wheels for Macs with an Intel processor since version 2.3; the course needs 2.9. What works here:\n"
            "conda, whose conda-forge builds PyTorch for these Macs (https://conda-forge.org/download):\n"
            '  conda create -n generative-models -c conda-forge python=3.12 "pytorch>=2.9" torchvision\n'
            "  conda activate generative-models\n"
            "  pip install -r requirements.txt && python -m course_utils lab\n"
            f"{ELSEWHERE}"
        )
    if sys.platform == "linux" and "musl" in (sysconfig.get_config_var("EXT_SUFFIX") or ""):
        return (
            "PyTorch has no wheels for Linux with musl (Alpine), only for glibc. Take a Debian, Ubuntu or Fedora system or\n"
            f"image (such as python:{version} instead of python:{version}-alpine).\n{ELSEWHERE}"
        )
    if sys.platform == "linux" and machine not in {"x86_64", "aarch64"}:
        return f"PyTorch has no wheels for the processor {machine}, only for x86_64 and aarch64.\n{ELSEWHERE}"
    return None


def check_system():
    """Stop where PyTorch has no wheels: before anything is downloaded."""
    reason = no_wheels_because()
    if reason:
        raise Stop(reason)


def _is_translated():
    """Whether this is a program for Intel Macs on an Apple processor (Rosetta)."""
    asked = ["sysctl", "-n", "sysctl.proc_translated"]
    try:
        return subprocess.run(asked, capture_output=True, text=True).stdout.strip() == "1"
    except OSError:
        return False


def wish():
    """COURSE_TORCH: "auto", "cpu" or "cuda"."""
    value = settings.get("COURSE_TORCH")
    if value == "cuda" and sys.platform != "linux":
        raise Stop(
            "COURSE_TORCH=cuda works on Linux, where PyTorch's standard build has CUDA. On Windows, take the command for CUDA\n"
            "from https://pytorch.org/get-started/locally, run it in an environment of your own, then pip install -r\n"
            "requirements.txt there: the course uses an environment that is active and complete."
        )
    return value


def has_nvidia_gpu(root=Path("/")):
    """Whether the driver of an NVIDIA GPU is at work (Linux, and Linux under Windows); asked without torch."""
    if any(root.glob("proc/driver/nvidia/gpus/*")) or any(root.glob("dev/nvidia[0-9]*")):
        return True
    wsl = root / "usr/lib/wsl/lib/nvidia-smi"
    smi = shutil.which("nvidia-smi") or (str(wsl) if wsl.is_file() else None)
    try:
        listed = smi and subprocess.run([smi, "-L"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return bool(listed) and listed.returncode == 0 and "GPU" in listed.stdout


def installed(python):
    """(version, CUDA's version or None) of the torch in that environment, without importing it; (None, None) for none."""
    code = (
        "import importlib.util as u, pathlib as p\n"
        "print(p.Path(u.find_spec('torch').origin).with_name('version.py').read_text('utf8'))"
    )
    try:
        text = subprocess.run([python, "-c", code], capture_output=True, text=True).stdout
    except OSError:
        return None, None
    version = re.search(r"^__version__ = '([^'+]+)", text, re.MULTILINE)
    cuda = re.search(r"^cuda\b[^=]*= '([^']+)'", text, re.MULTILINE)
    return version and version[1], cuda and cuda[1]


def is_other_than_wished(python):
    """Whether COURSE_TORCH insists on another build than the one that is installed there."""
    if wish() == "auto" or sys.platform != "linux":
        return False
    version, cuda = installed(python)
    return version is not None and bool(cuda) != (wish() == "cuda")


def is_settled(python):
    """Whether the torch that is installed there stays."""
    version, _ = installed(python)
    return version is not None and environment.pinned("torch") in {None, version}


def source(python):
    """(index, is_big): the index for PACKAGES, None for where pip looks by default; and whether the build with CUDA comes.

    Says which and why.  Raises Stop when COURSE_TORCH insists on what can't be had.
    """
    wanted, (_, has_cuda) = wish(), installed(python)
    if sys.platform != "linux" or (wanted == "auto" and has_cuda):
        return None, False
    if wanted == "cuda":
        return None, True
    if wanted == "auto":
        if has_nvidia_gpu():
            say(
                "There is an NVIDIA GPU: PyTorch's build with CUDA comes (COURSE_TORCH=cpu: the small one)."
            )
            return None, True
        places = pip_places(python)
        if places:
            say(f"pip was told where packages are ({', '.join(places)}): PyTorch comes from there.")
            return None, "/whl/cpu" not in " ".join(places.values())
    index = settings.get("COURSE_TORCH_INDEX") or CPU_INDEX
    problem = _problem(python, index)
    if not problem:
        say(f"PyTorch's CPU build comes from {index} (COURSE_TORCH=cuda: the one for NVIDIA GPUs).")
        return index, False
    if wanted == "cpu":
        raise Stop(
            f"COURSE_TORCH=cpu: PyTorch's CPU build can't be had. {problem}\n"
            "Try again later, name a mirror (COURSE_TORCH_INDEX=address), or take the standard build: COURSE_TORCH=cuda"
        )
    say(f"{problem} PyTorch's standard build comes instead.")
    return None, True


def pip_places(python):
    """{setting: value} of where pip was told to find packages, by variables or its configuration."""
    command = [python, "-m", "pip", "config", "list"]
    said = subprocess.run(command, capture_output=True, text=True, errors="replace").stdout
    found = re.findall(r"^(\S*\b(?:index-url|no-index|find-links))='(.*)'$", said, re.MULTILINE)
    return {setting.removeprefix(":env:."): value for setting, value in found}


def _problem(python, index):
    """What keeps the CPU build from coming from that index, in a sentence; None for nothing.  Takes at most PROBE_SECONDS."""
    command = [python, "-m", "pip", "--disable-pip-version-check", "index", "versions"]
    command += ["--timeout", "5", "--retries", "0"]
    ends = time.monotonic() + PROBE_SECONDS
    for package in PACKAGES:
        try:
            asked = subprocess.run(
                [*command, package],
                env=pip.index_variables(index),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=max(0.1, ends - time.monotonic()),
            )
        except subprocess.TimeoutExpired:
            return f"{index} does not answer within {PROBE_SECONDS} seconds."
        versions = re.search(r"^Available versions: (.*)$", asked.stdout, re.MULTILINE)
        if not versions:
            return f"{index} does not answer, or has no {package} for this Python."
        pin = environment.pinned(package)
        if pin and pin not in {version.split("+")[0] for version in versions[1].split(", ")}:
            return f"{index} has no {package} {pin}."
    return None
