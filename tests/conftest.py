"""What holds for all tests: no network, nothing of the user's is read or written, pictures are drawn in memory."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import no_network  # noqa: E402

no_network.block()
os.environ.setdefault("MPLBACKEND", "Agg")
# beside other work, OpenMP's spinning threads make small networks some hundred times slower (before torch is imported)
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("COURSE_STRICT", "1")
# `make test` has set these already; plain `pytest` has not.  Windows keeps files that are still open.
_kept = tempfile.TemporaryDirectory(prefix="course-tests-", ignore_cleanup_errors=True)
for _name in [
    "COURSE_HOME",
    "COURSE_CACHE",
    "IPYTHONDIR",
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_RUNTIME_DIR",
]:
    if _name not in os.environ:
        os.environ[_name] = str(Path(_kept.name) / _name.lower())
        Path(os.environ[_name]).mkdir()
for _name in ["COURSE_BUDGET", "COURSE_LANG", "COURSE_PROJECTOR"]:
    os.environ.pop(_name, None)


@pytest.fixture(scope="session")
def root():
    """The course's folder."""
    return HERE.parent
