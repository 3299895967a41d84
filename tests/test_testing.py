"""What `make test` chooses to run, in which order, and what it says at the end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from course_utils.commands import base, main, reports, selection, testing
from course_utils.commands.reports import Counts
from course_utils.commands.selection import Selection

ROOT = Path(__file__).resolve().parent.parent
ALL = selection.lectures()


# --- which lectures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lecture", ALL)
def test_a_lecture_is_named_by_its_number_or_its_name(lecture):
    for name in [lecture, selection.number(lecture), f"notebooks/{lecture}.ipynb"]:
        assert selection.named([name]) == [lecture]


def test_unknown_lectures_are_named():
    with pytest.raises(base.Stop, match=r"no notebook '99'; there are: 00_start_here, "):
        selection.named(["06", "99"])
    assert selection.named(["06", "06_vae"]) == ["06_vae"]


def test_numbers_of_deeper_lectures_and_labs():
    assert selection.number("06b_vae_deeper") == "06b" != selection.number("06_vae")
    assert selection.exercises("lab_04_word_level") == "lab_04"
    assert selection.exercises("06b_vae_deeper") == "lecture_06b"


@pytest.mark.parametrize(
    "path, lectures",
    [
        ("notebooks/06_vae.ipynb", ["06_vae"]),
        ("course_utils/exercises/lecture_06.py", ["06_vae"]),
        ("course_utils/exercises/en/lecture_04.toml", ["04_rnn_text_generation"]),
        ("course_utils/exercises/uk/lab_04.toml", ["lab_04_word_level"]),
        ("course_utils/quizzes/en/06_vae.toml", ["06_vae"]),
        ("course_utils/claims/06_vae.toml", ["06_vae"]),
        ("course_utils/metrics/forms.py", ["08c_human_evaluation"]),
        ("course_utils/commands/lab.py", []),
        ("tests/test_core.py", []),
        ("README.md", []),
        ("data/README.md", []),
        ("course_utils/exercises/engine.py", ALL),
        ("course_utils/messages/en/messages.toml", ALL),
        ("constraints.txt", ALL),
        ("data/manifest.json", ALL),
        ("tests/after_lecture.py", ALL),
    ],
)
def test_which_lectures_a_file_concerns(path, lectures):
    assert selection.concerned(path) == lectures


def test_a_helper_concerns_those_who_import_it_directly_or_not():
    """FeatureNet's file is used by lectures that call metrics.features; training also by those that use FeatureNet."""
    judges = selection.concerned("course_utils/metrics/network.py")
    assert {"06_vae", "07_gan", "08_metrics", "08c_human_evaluation"} <= set(
        judges
    ) and "02_entropy" not in judges
    assert set(judges) < set(selection.concerned("course_utils/training.py"))
    assert "02_entropy" not in selection.concerned("course_utils/training.py")


def test_shipped_weights_concern_all_who_load_them():
    gpt = selection.concerned("data/checkpoints/09_gpt.safetensors")
    assert {"09_transformers", "09b_transformers_deeper"} <= set(gpt)
    assert "02_entropy" not in selection.concerned("data/checkpoints/03_made.safetensors")
    # no lecture names it: a helper does
    assert "07_gan" in selection.concerned("data/checkpoints/08_features.safetensors")


# --- what has changed -------------------------------------------------------------------------------------------------


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A repository with two lectures, and a function that runs git in it."""

    def git(*options):
        who = ["-c", "user.name=Anna", "-c", "user.email=anna@example.org"]
        subprocess.run(["git", *who, *options], cwd=tmp_path, check=True, capture_output=True)

    for name in ["06_vae", "02_entropy"]:
        path = tmp_path / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"cells": []}), "utf8")
    (tmp_path / "README.md").write_text("the course\n", "utf8")
    git("init", "-b", "main")
    git("add", ".")
    git("commit", "-m", "first")
    monkeypatch.setattr(selection, "ROOT", tmp_path)
    return git


def test_changes_of_a_branch_count_committed_or_not(clone, tmp_path):
    assert selection.changed() == []
    assert selection.select(only_changed=True) == Selection((), whole=False)
    clone("checkout", "-b", "better")
    with open(tmp_path / "notebooks" / "06_vae.ipynb", "a", encoding="utf8") as file:
        file.write("\n")
    assert selection.changed() == ["notebooks/06_vae.ipynb"], "not committed"
    clone("commit", "-am", "better")
    assert selection.changed() == ["notebooks/06_vae.ipynb"], "committed"
    assert selection.select(only_changed=True) == Selection(("06_vae",), whole=False)
    (tmp_path / "nöte.md").write_text("a new file", "utf8")
    assert selection.changed() == ["notebooks/06_vae.ipynb", "nöte.md"]
    assert selection.select(only_changed=True) == Selection(("06_vae",), whole=True)


def test_what_main_did_meanwhile_does_not_count(clone, tmp_path):
    clone("checkout", "-b", "better")
    clone("checkout", "main")
    (tmp_path / "README.md").write_text("another\n", "utf8")
    clone("commit", "-am", "main goes on")
    clone("checkout", "better")
    assert selection.changed() == []


def test_without_git_it_says_what_to_do(clone, tmp_path, monkeypatch):
    monkeypatch.setattr(selection, "ROOT", tmp_path / "notebooks")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    with pytest.raises(base.Stop, match=r"no git clone .*\n.*make test NB="):
        selection.changed()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(base.Stop, match="git can't be started"):
        selection.changed()


def test_names_and_changes_exclude_each_other():
    with pytest.raises(base.Stop, match="give one of the two"):
        selection.select(["06_vae"], only_changed=True)


# --- order and words --------------------------------------------------------------------------------------------------


def test_longest_first_and_unknown_before_all(monkeypatch):
    monkeypatch.setattr(selection, "known_seconds", lambda: {"a": 10, "b": 300, "c": 20})
    assert selection.longest_first(["a", "b", "c", "new"]) == ["new", "b", "c", "a"]


def test_seconds_are_recorded_coarsely_of_what_exists(monkeypatch, tmp_path):
    path = tmp_path / "seconds.json"
    path.write_text(json.dumps({"06_vae": 300, "02_entropy": 40, "gone": 5}), "utf8")
    monkeypatch.setattr(selection, "SECONDS", path)
    selection.record_seconds({"06_vae": 257.3, "test_core": 12.2})
    assert json.loads(path.read_text("utf8")) == {"02_entropy": 40, "06_vae": 260, "test_core": 10}


def test_all_unit_tests_are_named_longest_first(monkeypatch):
    monkeypatch.setattr(selection, "known_seconds", lambda: {"test_core": 2e6})
    files = selection.unit_files()
    there = {f"tests/{path.name}" for path in (ROOT / "tests").glob("test_*.py")}
    assert set(files) == there and files[-1] == "tests/test_core.py"


def test_the_tests_that_concern_a_lecture():
    words = selection.words(["06_vae"]).split(" or ")
    assert words[:2] == ["06_vae", "test_lecture_06"] and "kl_to_prior" in words


def test_pytest_finds_them():
    """The expression is pytest's own language; what it selects is looked at once, without running it."""
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider"]
    command += ["-k", selection.words(["06_vae"])]
    files = ["test_lecture_06.py", "test_lecture_07.py", "test_structure.py", "test_exercises.py"]
    done = subprocess.run(
        [*command, *(str(ROOT / "tests" / name) for name in files)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    chosen = [line for line in done.stdout.splitlines() if "::" in line]
    assert any("test_lecture_06.py::" in line for line in chosen), done.stdout[-2000:]
    assert any("test_structure.py::" in line and "06_vae" in line for line in chosen)
    assert any("test_exercises.py::" in line and "[elbo]" in line for line in chosen)
    assert not any("test_lecture_07.py::" in line or "05_pixelcnn" in line for line in chosen)


# --- the steps --------------------------------------------------------------------------------------------------------


def test_two_workers_get_the_longest_lectures_first(monkeypatch):
    monkeypatch.setattr(testing, "_workers", lambda: 2)
    command = testing.steps("python", Selection(("06_vae", "02_entropy"), whole=True))["notebooks"]
    assert command[-2:] == ["notebooks/06_vae.ipynb", "notebooks/02_entropy.ipynb"]
    # a file is one worker's; without the last option xdist would sort files by their number of cells
    assert {"-n", "--dist", "loadfile", "--no-loadscope-reorder"} <= set(command)
    monkeypatch.setattr(testing, "_workers", lambda: 1)
    assert (
        "-n"
        not in testing.steps("python", Selection(("06_vae", "07_gan"), whole=True))["notebooks"]
    )


def test_one_lecture_needs_one_worker(monkeypatch):
    monkeypatch.setattr(testing, "_workers", lambda: 2)
    commands = testing.steps("python", Selection(("06_vae",), whole=False))
    assert "-n" not in commands["notebooks"] and "-n" in commands["unit"]


def test_a_part_of_the_lectures_takes_a_part_of_the_other_tests():
    whole = testing.steps("python", Selection(("06_vae",), whole=True))
    part = testing.steps("python", Selection(("06_vae",), whole=False))
    assert "-k" not in whole["unit"] + whole["browser"]
    for name in ["unit", "browser"]:
        assert part[name][part[name].index("-k") + 1] == selection.words(["06_vae"])
    assert whole["lint"] == part["lint"]


EVERYTHING = ["lint", "format", "unit", "notebooks", "browser"]


@pytest.mark.parametrize(
    "part, only, wanted",
    [
        (Selection(("06_vae",), whole=True), [], EVERYTHING),
        (Selection(("06_vae",), whole=False), [], EVERYTHING),
        (Selection((), whole=True), [], ["lint", "format", "unit", "browser"]),  # a command changed
        (Selection((), whole=False), [], ["lint", "format"]),  # nothing changed
        (Selection((), whole=False), ["notebooks"], []),
        (Selection(("06_vae",), whole=True), ["server", "unit"], ["unit", "server"]),
    ],
)
def test_which_steps_run(part, only, wanted):
    names = testing.steps("python", part).keys()
    assert testing._todo(names, part, only) == wanted


def test_unknown_steps_are_named():
    part = Selection((), whole=True)
    with pytest.raises(base.Stop, match=r"--only knows lint, format, unit.*; not utin"):
        testing._todo(testing.steps("python", part).keys(), part, ["utin"])


def run(monkeypatch, tmp_path, capsys, *options, code=0, cases="", **variables):
    """`python -m course_utils test` whose steps are replaced by one that leaves a report; (exit code, what was said)."""
    for name in ["NB", "ONLY", "CHANGED", "RECORD"]:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(testing, "BUILD", tmp_path)
    monkeypatch.setattr(testing, "prepare", lambda extras: Path(sys.executable))
    monkeypatch.setattr(testing, "fetch_texts", lambda python, required: None)

    def step(command, **options):
        for option in command:
            if option.startswith("--junitxml="):
                report = Path(option.removeprefix("--junitxml="))
                report.write_text(REPORT.format(cases=cases), "utf8")
        return subprocess.CompletedProcess(command, code)

    monkeypatch.setattr(testing.subprocess, "run", step)
    done = main.main(["test", *options])
    return done, capsys.readouterr().out


REPORT = '<testsuites><testsuite tests="3" failures="0" errors="0" skipped="1">{cases}</testsuite></testsuites>'
CELL = '<testcase classname="notebooks.{0}.ipynb" name="{1}" time="{2}" />'
CELLS = CELL.format("06_vae", "train", 120.4) + CELL.format("06_vae", "plot", 0.5)
CELLS += CELL.format("02_entropy", "huffman", 3)


def test_the_end_says_what_passed_and_what_took_how_long(monkeypatch, tmp_path, capsys):
    recorded = {}
    monkeypatch.setattr(selection, "record_seconds", recorded.update)
    code, said = run(
        monkeypatch,
        tmp_path,
        capsys,
        "--only",
        "lint",
        "--only",
        "notebooks",
        "--nb",
        "06",
        cases=CELLS,
    )
    assert code == 0 and not recorded
    assert "Lectures: 06_vae" in said
    assert said.rstrip().endswith("3 passed, 0 failed, 1 skipped")
    lines = [line.split() for line in said.splitlines()]
    assert lines.index(["121", "06_vae"]) < lines.index(["3", "02_entropy"])
    assert lines.index(["120", "06_vae:", "train"]) < lines.index(["3", "02_entropy:", "huffman"])
    run(monkeypatch, tmp_path, capsys, cases=CELLS, ONLY="notebooks", RECORD="yes", NB="06_vae")
    assert recorded == {"06_vae": 120.9, "02_entropy": 3.0}
    case = '<testcase classname="tests.test_core" name="test_a[1.5]" time="2" />'
    run(monkeypatch, tmp_path, capsys, cases=case, ONLY="unit", RECORD="yes")
    assert recorded["test_core"] == 2


def test_failures_and_silence_are_failures(monkeypatch, tmp_path, capsys):
    code, said = run(monkeypatch, tmp_path, capsys, ONLY="unit", code=1)
    assert code == 1 and "1 failed" in said.splitlines()[-1]
    code, said = run(monkeypatch, tmp_path, capsys, ONLY="unit", code=reports.NOTHING_CHOSEN)
    assert code == 1, "no test at all, where all were wanted"
    code, said = run(monkeypatch, tmp_path, capsys, ONLY="lint unit", NB="06", code=5)
    assert code == 1, "ruff has no such code"


def test_nothing_to_do_is_no_failure(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(selection, "changed", list)
    code, said = run(monkeypatch, tmp_path, capsys, "--changed", ONLY="notebooks")
    assert code == 0 and "nothing that they use has changed" in said
    code, _ = run(monkeypatch, tmp_path, capsys, ONLY="browser", NB="06", code=5)
    assert code == 0, "no test of the browser is about this lecture"


# --- reports ----------------------------------------------------------------------------------------------------------


def test_counts(tmp_path):
    report = tmp_path / "unit.xml"
    assert reports.counts(None, 0) == Counts(passed=1)
    assert reports.counts(None, 1) == Counts(failed=1)
    assert reports.counts(report, 0) == Counts(failed=1), "no report"
    report.write_text(REPORT.format(cases=""), "utf8")
    assert reports.counts(report, 0) == Counts(passed=2, skipped=1)
    assert reports.counts(report, 2) == Counts(passed=2, failed=1, skipped=1), "ended with an error"
    assert reports.counts(report, reports.NOTHING_CHOSEN, may_be_empty=True) == Counts()
    report.write_text("<testsuites><te", "utf8")
    assert reports.counts(report, 0) == Counts(failed=1), "torn"
    assert reports.seconds(report) == {}


def test_ten_cells_are_enough():
    seconds = {"06_vae": {f"cell-{i}": float(i) for i in range(30)}}
    lines = reports.slowest(seconds)
    assert lines[1] == "    435  06_vae"
    assert [line.split()[-1] for line in lines if "cell-" in line] == [f"cell-{i}" for i in range(29, 19, -1)]  # fmt: skip
