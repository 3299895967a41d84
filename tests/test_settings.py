"""Settings: one table, one parser; empty is unset, and a wrong value is named with the right ones."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from course_utils import paths, runtime, settings, setup


@pytest.mark.parametrize("text", ["yes", "YES", " y ", "1", "true", "on"])
def test_yes(monkeypatch, text):
    monkeypatch.setenv("COURSE_PROJECTOR", text)
    assert settings.get("COURSE_PROJECTOR") is True


@pytest.mark.parametrize("text", ["no", "No", "n", "0", "false", "off", "none"])
def test_no(monkeypatch, text):
    monkeypatch.setenv("COURSE_DISK_CHECK", text)
    assert settings.get("COURSE_DISK_CHECK") is False


@pytest.mark.parametrize("text", ["", "  "])
@pytest.mark.parametrize("name", settings.SETTINGS)
def test_empty_is_unset(monkeypatch, name, text):
    monkeypatch.setenv(name, text)
    assert settings.get(name) == settings.SETTINGS[name].default


def test_words_numbers_and_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_BUDGET", "Fast")
    assert runtime.by_budget(fast=1, normal=2, full=3) == 1
    monkeypatch.setenv("COURSE_THREADS", "3")
    assert runtime.threads() == 3
    monkeypatch.delenv("COURSE_THREADS")
    assert runtime.threads() == min(runtime.cores(), 8)
    monkeypatch.setenv("COURSE_KERNEL_GB", "1.5")
    assert settings.get("COURSE_KERNEL_GB") == 1.5
    monkeypatch.setenv("COURSE_HOME", "~/results")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert paths.user_dir() == tmp_path / "results"


@pytest.mark.parametrize(
    ("name", "text", "right"),
    [
        ("COURSE_PROJECTOR", "maybe", "choose yes or no"),
        ("COURSE_BUDGET", "huge", "choose fast, class or full"),
        ("COURSE_LANG", "english", "choose en, uk or ru"),
        ("COURSE_PRECISION", "float64", "choose auto, float32 or bfloat16"),
        ("COURSE_THREADS", "two", "give a whole number, 1 or more"),
        ("COURSE_THREADS", "0", "give a whole number, 1 or more"),
        ("COURSE_THREADS", "1.5", "give a whole number, 1 or more"),
        ("COURSE_KERNEL_GB", "nan", "give a number, 0 or more"),
        ("COURSE_STUDENTS", "-3", "give a whole number, 1 or more"),
        ("COURSE_CACHE", "~nobody-of-that-name/x", "give the path"),
    ],
)
def test_a_wrong_value_is_named_with_the_right_ones(monkeypatch, name, text, right):
    monkeypatch.setenv(name, text)
    with pytest.raises(settings.SettingError, match=re.escape(f"{name}={text!r}")) as error:
        settings.get(name)
    assert right in str(error.value) and settings.SETTINGS[name].meaning in str(error.value)


def test_setup_and_doctor_name_it(monkeypatch):
    monkeypatch.setenv("COURSE_THREADS", "two")
    with pytest.raises(settings.SettingError, match="whole number"):
        setup("00_test")
    from course_utils import doctor

    assert "COURSE_THREADS='two'" in next(f.text for f in doctor() if f.topic == "COURSE_THREADS")
    assert not doctor().ready


def test_the_table_is_the_code(root):
    """Every COURSE_ variable that is named anywhere in the course is declared, and everything declared is used."""
    files = [p for kind in ("py", "md", "yml", "toml") for p in root.rglob(f"*.{kind}")]
    files += [root / "Makefile", root / ".ci" / "run", *(root / "notebooks").glob("*.ipynb")]
    ours = ("course_utils", "notebooks", "tests", ".ci", ".github", ".devcontainer")
    named = set()
    for path in files:
        inside = path.relative_to(root).parts
        if (len(inside) == 1 or inside[0] in ours) and path.name not in {
            "settings.py",
            Path(__file__).name,
        }:
            named |= set(re.findall(r"\bCOURSE_[A-Z]+(?:_[A-Z]+)*\b", path.read_text("utf8")))
    assert named == set(settings.SETTINGS)


def test_nothing_else_reads_the_environment(root):
    """In the rooms that lectures import; a typo in a name is a KeyError there."""
    readers = [
        path.name
        for path in (root / "course_utils").glob("*.py")
        if re.search(r'environ(\.get\(|\[)"COURSE_', path.read_text("utf8"))
    ]
    assert readers == []
    with pytest.raises(KeyError):
        settings.get("COURSE_BUGDET")


def test_it_needs_nothing_installed():
    code = "import sys; from course_utils import settings, paths; paths.user_dir(); sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
