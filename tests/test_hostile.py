"""The course where circumstances are against it: each is made real, in a process of its own, and nothing of the student's is lost.

Made real: a folder without write permission (for root, too: without the capability to overrule it), files that can't grow (a limit
of the system, as on a full disk), one core, little memory, a killed kernel, two lectures at once.
"""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib
import pytest

from course_utils.commands.server.accounts import without_overruling

resource = pytest.importorskip("resource", reason="limits are set the POSIX way")
if not sys.platform.startswith("linux"):
    pytest.skip("capabilities and affinity are Linux's", allow_module_level=True)

classroom = pytest.mark.skipif(
    os.environ.get("COURSE_CLASSROOM") != "1", reason="make test ONLY=classroom: minutes"
)
ROOT = Path(__file__).resolve().parent.parent
STUDENT = """
import sys
from course_utils import check, checkpoints, data, fit, leaderboard, progress, setup
from course_utils.exercises import all_exercises
import torch
setup("02_entropy")
right = check("entropy", all_exercises()["entropy"][0].reference)
leaderboard.submit("a task", "mine", 1.5, unit="nats", lecture="02_entropy")
images = data.mnist("test").images
net = torch.nn.Linear(784, 10)
fit(net, lambda net, x: net(x).square().mean(), [images[:64].view(64, -1)], steps=3)
print("rows:", [(r.model, r.value) for r in leaderboard.table("a task")])
print("solved:", sum(len(row["solved"]) for row in progress()), images.shape[0], "images")
"""


def run(code, home, *, prepare=None, course=ROOT, **variables):
    """A student's Python with a home of its own; returns (exit code, stdout, stderr)."""
    kept = {
        k: v
        for k, v in os.environ.items()
        if k not in {"COURSE_HOME", "COURSE_CACHE", "XDG_DATA_HOME", "XDG_CACHE_HOME", "PYTHONPATH"}
    }
    kept |= {"HOME": str(home), "PYTHONPATH": str(course), "PYTHONDONTWRITEBYTECODE": "1"}
    # matplotlib's list of fonts, which takes seconds to make, is the one thing that isn't the student's own
    kept |= {"MPLBACKEND": "Agg", "MPLCONFIGDIR": matplotlib.get_cachedir()} | variables
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=kept,
        cwd=course,
        capture_output=True,
        text=True,
        preexec_fn=prepare,
        timeout=300,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def course():
    """A copy of the course, as a teacher would share it: nobody may write in it."""
    folder = Path(tempfile.mkdtemp(prefix="course-shared-"))
    for name in ("course_utils", "data", "notebooks"):
        ignore = shutil.ignore_patterns(".*", "__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    everything = [folder, *folder.rglob("*")]
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield folder
    for path in everything:
        path.chmod(0o755 if path.is_dir() else 0o644)
    shutil.rmtree(folder)


def contents(folder):
    return {str(p): p.stat().st_mtime_ns for p in folder.rglob("*")}


def test_read_only_course(course, tmp_path):
    """Results and caches go to the user's own folders, with a message; nothing in the course changes; the second time, all is there."""
    before = contents(course)
    code, out, err = run(STUDENT, tmp_path, course=course, prepare=without_overruling)
    assert code == 0, err[-2000:]
    assert "solved: 1 10000 images" in out and "('mine', 1.5)" in out
    assert "your results go to" in err and "cached files go to" in err and "COURSE_HOME" in err
    assert contents(course) == before
    kept = [p.name for p in tmp_path.rglob("*") if p.is_file()]
    assert "progress.jsonl" in kept and "t10k-images-idx3-ubyte" in kept
    again = "from course_utils import progress\nprint(sum(len(r['solved']) for r in progress()))"
    assert run(again, tmp_path, course=course, prepare=without_overruling)[1].strip() == "1"


def test_nowhere_to_write(monkeypatch):
    """Neither the course nor a home nor a temporary folder: the message names all that was tried, and the variable."""
    from course_utils import paths

    monkeypatch.setattr(paths, "is_writable", lambda folder: False)
    with pytest.raises(OSError, match=r"no writable folder found: tried .*set COURSE_HOME"):
        paths.user_dir()


FULL = """
import resource
import torch, torchvision  # they want a temporary folder when they start
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
"""


def test_full_disk(tmp_path):
    """What can't be kept is said, and the lecture goes on; what can't be unpacked says how to choose another folder."""
    cache = str(tmp_path / "cache")
    unpack = "from course_utils import data\ndata.mnist('test')"
    assert run(unpack, tmp_path, COURSE_CACHE=cache)[0] == 0
    kept = tmp_path / "results" / "progress.jsonl"
    kept.parent.mkdir()
    solved = {"kind": "exercise", "name": "kl", "lecture": "lecture_02", "status": "right"}
    kept.write_text(json.dumps(solved) + "\n", "utf8")
    home = str(kept.parent)
    code, out, err = run(FULL + STUDENT, tmp_path, COURSE_HOME=home, COURSE_CACHE=cache)
    assert code == 0, err[-2000:]
    assert "✓ entropy" in out and "This is not kept: progress.jsonl cannot be written" in err
    assert kept.read_text("utf8") == json.dumps(solved) + "\n"  # what was there is still there
    code, _, err = run(FULL + unpack, tmp_path, COURSE_HOME=home, COURSE_CACHE=f"{cache}-2")
    assert code == 1 and "MNIST is unpacked once" in err and "COURSE_CACHE" in err


def one_core():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def little_memory():
    """2.5 GB for the process's own data: what is left of 4 GB beside a system, a browser and JupyterLab."""
    resource.setrlimit(resource.RLIMIT_DATA, (2_500_000_000, 2_500_000_000))


def test_one_core(tmp_path):
    code, out, _ = run(
        STUDENT + "print(torch.get_num_threads(), 'thread')", tmp_path, prepare=one_core
    )
    assert code == 0 and "1 thread" in out and "solved: 1" in out


LESSON = """
import sys
import nbformat
from nbclient import NotebookClient
for name in sys.argv[1:] or {names!r}:
    nb = nbformat.read(f"notebooks/{{name}}.ipynb", as_version=4)
    NotebookClient(nb, timeout=600, resources={{"metadata": {{"path": "notebooks"}}}}).execute()
    print("ran", name)
"""
SMOKE = {"COURSE_BUDGET": "fast", "COURSE_STRICT": "0"}


@classroom
def test_a_lecture_in_little_memory_on_one_core(tmp_path):
    """The lecture that needs most; smoke training, for the memory is that of its evaluations."""

    def prepare():
        one_core()
        little_memory()

    code, out, err = run(LESSON.format(names=["05_pixelcnn"]), tmp_path, prepare=prepare, **SMOKE)
    assert code == 0, err[-2000:]
    assert out.split() == ["ran", "05_pixelcnn"]


def test_too_little_memory_is_an_error_that_loses_nothing(tmp_path):
    """An allocation beyond the machine raises in the cell; the kernel and what was solved stay."""
    greedy = STUDENT + (
        "try:\n    torch.ones(4_000_000_000)\nexcept (MemoryError, RuntimeError) as error:\n    print('refused:', error)\n"
        "print('still', sum(len(r['solved']) for r in progress()))"
    )
    code, out, err = run(greedy, tmp_path, prepare=little_memory)
    assert code == 0, err[-2000:]
    assert "refused:" in out and "still 1" in out


@pytest.mark.parametrize("lectures", [pytest.param(True, marks=classroom), False])
def test_two_notebooks_at_once(tmp_path, lectures):
    """Two processes with one home and one empty cache, started together: a student's steps, or two whole lectures."""
    shared = {"COURSE_HOME": str(tmp_path / "results"), "COURSE_CACHE": str(tmp_path / "cache")}
    variables = os.environ | shared | SMOKE | {"PYTHONPATH": str(ROOT)}
    codes = [LESSON.format(names=[n]) for n in ("02_entropy", "08_metrics")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [
        subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=variables, **pipes)
        for code in (codes if lectures else [STUDENT, STUDENT])
    ]
    results = [process.communicate(timeout=600) for process in both]
    assert [p.returncode for p in both] == [0, 0], results
    for file in (tmp_path / "results").glob("*.jsonl"):
        lines = [json.loads(line) for line in file.read_text("utf8").splitlines()]
        assert lectures or len(lines) == 2  # one event of each, none mixed with another


def test_a_kernel_killed_in_the_middle_of_a_training(tmp_path):
    """SIGKILL, as when memory runs out: after the restart, what was solved and measured is there and the lecture goes on."""
    from jupyter_client.manager import KernelManager

    manager = KernelManager(kernel_name="python3")
    home = {"HOME": str(tmp_path), "COURSE_HOME": str(tmp_path / "r"), "PYTHONPATH": str(ROOT)}
    manager.start_kernel(cwd=str(ROOT), env=os.environ | home)
    try:
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        code = STUDENT.replace("steps=3", "steps=10_000_000")
        client.execute(code)
        seen, deadline = "", time.monotonic() + 120
        while "step" not in seen.partition("Ready")[2]:  # the live curve: the training runs
            assert time.monotonic() < deadline, seen
            try:
                content = client.get_iopub_msg(timeout=1)["content"]
            except queue.Empty:
                continue
            seen += content.get("text", "") + str(content.get("data", {}).get("text/plain", ""))
        os.kill(manager.provisioner.process.pid, signal.SIGKILL)
        manager.restart_kernel(now=True)
        client.wait_for_ready(timeout=60)
        texts = []
        reply = client.execute_interactive(
            STUDENT,
            timeout=120,
            output_hook=lambda message: texts.append(message["content"].get("text", "")),
        )
        assert reply["content"]["status"] == "ok", reply["content"]
        again = "".join(texts)
        assert "solved: 1 10000 images" in again and "('mine', 1.5)" in again
        rows = (tmp_path / "r" / "progress.jsonl").read_text("utf8").splitlines()
        assert len(rows) == 2 and all(json.loads(row)["status"] == "right" for row in rows)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
