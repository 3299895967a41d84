"""Folders and files that are not as a laptop has them: shared by several accounts, on a stick, on a network drive."""

import errno
import os
import subprocess
import sys
import tempfile

import pytest

from course_utils import check, journal, leaderboard, paths, progress, study
from course_utils.exercises import all_exercises

posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners are told the POSIX way")


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """A course folder that every account may write to, and a home of this account's."""
    monkeypatch.setattr(paths, "course_root", lambda: tmp_path / "course")
    monkeypatch.delenv("COURSE_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(paths, "_said", set())
    (tmp_path / "course" / ".course").mkdir(parents=True)
    return tmp_path


def solve():
    check("entropy", all_exercises()["entropy"][0].reference)


def solved():
    return [e["name"] for e in study.events() if e["status"] == "right"]


def test_a_file_of_another_account_is_neither_read_nor_written(shared, capsys, monkeypatch):
    theirs = shared / "course" / ".course" / "progress.jsonl"
    theirs.write_text('{"kind": "exercise", "name": "kl_divergence", "status": "right"}\n')
    before = theirs.read_bytes()
    monkeypatch.setattr(paths, "_is_own", lambda path: path != theirs)
    assert solved() == []
    solve()
    leaderboard.submit("a task", "mine", 1.0, unit="nats")
    assert solved() == ["entropy"] and theirs.read_bytes() == before
    said = capsys.readouterr().err
    assert said.count("your results go to") == 1 and "COURSE_HOME" in said
    assert paths.user_file(study.FILE) == shared / "home" / paths.APP / "progress.jsonl"
    assert str(shared / "home") in repr(progress())


@posix
def test_a_drive_that_gives_all_files_one_owner_is_ones_own(shared, monkeypatch):
    """A stick or a mapped network drive: what this account makes there has that other owner, too."""
    solve()
    real = os.geteuid()
    monkeypatch.setattr(paths.os, "geteuid", lambda: real + 1)  # files have another number than we
    assert solved() == ["entropy"]
    assert paths.user_file(study.FILE).parent == shared / "course" / ".course"


TWO = """
import os, sys
from course_utils import paths, study  # before this account loses the right to read them
paths.course_root = lambda: paths.Path(sys.argv[1])
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
study.exercise(sys.argv[3], "lecture_02", "right")
print([e["name"] for e in study.events()])
"""


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs two accounts")
def test_two_accounts_in_one_checkout(root):
    """Real accounts, in a folder where both may make files."""
    with tempfile.TemporaryDirectory(prefix="course-shared-") as folder:
        os.chmod(folder, 0o755)
        course = paths.Path(folder) / "course"
        (course / ".course").mkdir(parents=True)
        (course / ".course").chmod(0o777)
        said = {}
        for uid, name in [(61001, "entropy"), (61002, "kl_divergence"), (61001, "cross_entropy")]:
            home = paths.Path(folder) / str(uid)
            home.mkdir(exist_ok=True)
            os.chown(home, uid, uid)
            kept = {k: v for k, v in os.environ.items() if not k.startswith(("COURSE_", "XDG_"))}
            done = subprocess.run(
                [sys.executable, "-c", TWO, str(course), str(uid), name],
                env=kept | {"HOME": str(home), "PYTHONPATH": str(root)},
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
            said[uid] = done.stdout.strip(), done.stderr
    assert said[61001] == ("['entropy', 'cross_entropy']", "")
    assert said[61002][0] == "['kl_divergence']" and "your results go to" in said[61002][1]


def test_a_file_that_cannot_be_written_is_asked_not_its_folder(shared, monkeypatch, capsys):
    """As after one `sudo make lab`: the folder is ours, a file in it is not writable."""
    path = shared / "course" / ".course" / "progress.jsonl"
    path.write_text("")
    real = open

    def refuse(file, mode="r", *args, **options):
        if os.fspath(file) == str(path) and "a" in mode:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(file, mode, *args, **options)

    monkeypatch.setattr("builtins.open", refuse)
    solve()
    assert solved() == ["entropy"] and path.read_bytes() == b""


def test_permissions_that_cannot_be_changed_are_left(tmp_path, monkeypatch):
    """A FAT stick or a network drive: MNIST and results are written all the same."""

    def refuse(*args, **options):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refuse)
    monkeypatch.setattr(paths.Path, "chmod", refuse)
    paths.write_atomic(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP])
def test_a_drive_that_cannot_be_waited_for_keeps_results(tmp_path, monkeypatch, recwarn, code):
    def refuse(handle):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    assert journal.append(tmp_path / "file.jsonl", {"a": 1}) is True
    assert journal.read(tmp_path / "file.jsonl") == [{"a": 1}] and not list(recwarn)


@posix
def test_temporary_folders_are_each_accounts_own(monkeypatch):
    monkeypatch.setattr(paths.Path, "home", lambda: (_ for _ in ()).throw(RuntimeError))
    assert str(os.getuid()) in str(paths._user_base("data"))


def test_the_doctor_survives_a_disk_that_tells_nothing(monkeypatch):
    from course_utils import checkup

    def refuse(folder):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(checkup.shutil, "disk_usage", refuse)
    finding = next(f for f in checkup.doctor() if f.topic == "disk")
    assert finding.status == "problem" and "not implemented" in finding.text
