"""What a student did is kept, survives accidents, and progress() shows it."""

import json
import os
import subprocess
import sys

import pytest

from course_utils import check, hint, journal, leaderboard, progress, quiz, study
from course_utils.exercises import all_exercises


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    return tmp_path


def row(lecture):
    return next(r for r in progress() if r["lecture"] == lecture)


def test_nothing_done_yet(home):
    assert row("02_entropy")["solved"] == []
    assert row("02_entropy")["before"][:2] == (0, 0)
    assert not (home / study.FILE).exists()


def test_a_solved_exercise_stays_solved(home, capsys):
    reference = all_exercises()["entropy"][0].reference
    check("entropy", lambda p: 0.0)
    assert "entropy" in row("02_entropy")["open"]
    hint("entropy")
    check("entropy", reference)
    check("entropy", lambda p: 0.0)  # played with afterwards
    assert row("02_entropy")["solved"] == ["entropy"]
    kept = [e["status"] for e in journal.read(home / study.FILE)]
    assert kept == ["wrong", "hint", "right", "wrong"]


def test_a_blank_is_no_event(home):
    check("entropy", ...)
    assert not (home / study.FILE).exists()


def test_first_answers_of_a_quiz_count(home):
    questions = quiz("before", lecture="02_entropy")
    names = list(questions.questions)
    options = questions.questions[names[0]]["options"]
    right = next(i for i, o in enumerate(options) if o.get("correct"))
    wrong = next(i for i, o in enumerate(options) if not o.get("correct"))
    questions.answer(names[0], wrong)
    questions.answer(names[0], right)
    quiz("before", lecture="02_entropy").answer(names[0], right)  # after a restart
    assert row("02_entropy")["before"] == (0, 1, len(names))
    assert f"0 of {len(names)}" in repr(progress())


def test_answers_under_a_lectures_former_name_count(home):
    """Lecture 01 was split: three questions and two exercises stand in 01b now, and stay answered and solved."""
    for part, name in (
        ("before", "one-more-digit"),
        ("after", "bad-proposal"),
        ("after", "jensen-log"),
    ):
        study.question("01_statistics", part, name, right=True)
    study.question(
        "01b_monte_carlo", "after", "jensen-log", right=False
    )  # asked again: the first counts
    study.exercise("monte_carlo", "lecture_01", "right")
    split = row("01b_monte_carlo")
    assert split["before"][:2] == (1, 1) and split["after"][:2] == (2, 2)
    assert split["solved"] == ["monte_carlo"]
    assert row("01_statistics")["before"][:2] == (0, 0)


def test_a_question_that_moved_from_03_to_03b_stays_answered(home):
    for part, name in (("before", "slow-sampling"), ("after", "field"), ("after", "cache")):
        study.question("03_autoregression", part, name, right=True)
    study.exercise("mu_law_encode", "lecture_03", "right")
    split = row("03b_wavenet")
    assert split["before"][:2] == (1, 1) and split["after"][:2] == (2, 2)
    assert split["solved"] == ["mu_law_encode"]


@pytest.mark.parametrize(
    ("before", "now", "question", "exercise"),
    [
        ("05_pixelcnn", "05b_pixelcnn_deeper", "softmax-or-logistic", "discretized_logistic"),
        ("07_gan", "07b_gan_deeper", "cycle-only", "cycle_loss"),
    ],
)
def test_what_moved_to_a_deeper_notebook_stays_answered_and_solved(
    home, before, now, question, exercise
):
    study.question(before, "after", question, right=True)
    study.exercise(exercise, f"lecture_{before[:2]}", "right")
    split = row(now)
    assert split["after"][:2] == (1, 1)
    assert split["solved"] == [exercise]


def test_questions_that_moved_from_06_to_06b_stay_answered(home):
    for name in ("collapse-sign", "low-elbo-alarm", "gap-name"):
        study.question("06_vae", "after", name, right=True)
    assert row("06b_vae_deeper")["after"][:2] == (2, 2)
    assert row("06_vae")["after"][:2] == (1, 1)


def test_questions_that_moved_from_08_stay_answered(home):
    for part, name in (
        ("before", "fifty-five"),
        ("after", "cyrillic-zero"),
        ("after", "perfect-is"),
    ):
        study.question("08_metrics", part, name, right=True)
    study.exercise("bleu", "lecture_08", "right")
    study.exercise("binomial_sign_test", "lecture_08", "right")
    texts, people = row("08b_text_metrics"), row("08c_human_evaluation")
    assert texts["after"][:2] == (1, 1) and texts["solved"] == ["bleu"]
    assert people["before"][:2] == (1, 1) and people["solved"] == ["binomial_sign_test"]
    assert row("08_metrics")["after"][:2] == (1, 1)


def test_every_lecture_is_shown_with_its_exercises(home, root):
    shown = {name for r in progress() for name in r["exercises"]}
    for name, (_, module) in all_exercises().items():
        has_notebook = any((root / "notebooks").glob(f"{module.removeprefix('lecture_')}_*.ipynb"))
        assert (name in shown) == has_notebook, name
    assert "02_entropy" in progress()._repr_html_() and study.FILE in repr(progress())


def test_damaged_lines_cost_themselves_only(home):
    path = home / study.FILE
    study.exercise("entropy", "lecture_02", "right")
    with open(path, "ab") as file:
        file.write(b'{"kind": "exer')  # the kernel died here
    study.exercise("kl_divergence", "lecture_02", "right")
    with pytest.warns(UserWarning, match=r"Line 2 of progress.jsonl is damaged"):
        assert row("02_entropy")["solved"] == ["entropy", "kl_divergence"]


@pytest.mark.parametrize("content", [b"[1, 2]\n", b"\xff\xfe\n", b'"text"\n'])
def test_lines_of_another_kind_are_left_out(home, content):
    (home / study.FILE).write_bytes(content)
    with pytest.warns(UserWarning, match="damaged"):
        assert row("02_entropy")["solved"] == []
    assert (home / study.FILE).read_bytes() == content


def test_an_unwritable_file_is_a_warning(home):
    (home / study.FILE).mkdir()
    with pytest.warns(UserWarning, match="not kept"):
        study.exercise("entropy", "lecture_02", "right")
    with pytest.warns(UserWarning, match="cannot be read"):
        assert row("02_entropy")["solved"] == []


@pytest.mark.skipif(os.name == "nt", reason="Windows promises no whole lines to several writers")
def test_many_writers_lose_nothing(home):
    code = (
        "import sys; from pathlib import Path; from course_utils import journal\n"
        "for i in range(200): journal.append(Path(sys.argv[1]), {'who': sys.argv[2], 'i': i})"
    )
    path = home / "together.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in "abcd"]
    assert [w.wait(60) for w in writers] == [0] * 4
    entries = journal.read(path)
    assert len(entries) == 800
    assert all(sum(e["who"] == w for e in entries) == 200 for w in "abcd")


def test_leaderboard_rows_of_two_notebooks_both_stay(home):
    for model in ("a", "b"):
        leaderboard.submit("a task", model, 1.0, unit="nats")
    leaderboard.submit("a task", "a", 0.5, unit="nats")
    lines = (home / "leaderboard.jsonl").read_text("utf8").splitlines()
    assert len(lines) == 3 and json.loads(lines[0])["value"] == 1.0
    assert [(r.model, r.value) for r in leaderboard.table("a task")] == [("a", 0.5), ("b", 1.0)]
