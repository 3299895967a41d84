"""Every quiz has one right option a question and feedback for each option, and answers when asked."""

import re
from pathlib import Path

import ipywidgets as widgets
import nbformat
import pytest

import course_utils.quizzes as quizzes
from course_utils.quizzes import quiz
from course_utils.texts import load

NOTEBOOKS = Path(quizzes.__file__).resolve().parent.parent.parent / "notebooks"
LECTURES = sorted(p.stem for p in Path(quizzes.__file__).parent.glob("en/*.toml"))


@pytest.mark.parametrize("lecture", LECTURES)
def test_questions_are_consistent(lecture):
    parts = load("quizzes", lecture)
    assert set(parts) == {"before", "after"}
    ids = [q["id"] for questions in parts.values() for q in questions]
    assert len(ids) == len(set(ids)), "question ids must be unique"
    assert len(parts["before"]) >= 2
    assert len(parts["after"]) >= 3
    for question in [q for questions in parts.values() for q in questions]:
        options = question["options"]
        assert 3 <= len(options) <= 5, question["id"]
        assert sum(o.get("correct", False) for o in options) == 1, question["id"]
        assert all(len(o["feedback"]) > 15 for o in options), question["id"]
        assert len({o["text"] for o in options}) == len(options), question["id"]
        assert len({o["feedback"] for o in options}) == len(options), question["id"]
        written = " ".join([question["question"], *(o["text"] + o["feedback"] for o in options)])
        assert not re.search(r"\$|`|\*\*", written), f"{question['id']}: plain text, no markup"


@pytest.mark.parametrize("part", ["before", "after"])
@pytest.mark.parametrize("lecture", LECTURES)
def test_the_committed_page_shows_the_questions_as_they_are(lecture, part):
    """What is read without a kernel; a text that changed since needs make execute."""
    nb = nbformat.read(NOTEBOOKS / f"{lecture}.ipynb", as_version=4)
    (cell,) = [c for c in nb.cells if c.get("id") == f"quiz-{part}"]
    pages = [o.data["text/html"] for o in cell.outputs if "text/html" in o.get("data", {})]
    assert pages == [quiz(part, lecture=lecture)._repr_mimebundle_()["text/html"]]


@pytest.mark.parametrize("lecture", LECTURES)
def test_the_right_option_is_not_always_in_the_same_place(lecture):
    questions = [q for part in load("quizzes", lecture).values() for q in part]
    places = [next(i for i, o in enumerate(q["options"]) if o.get("correct")) for q in questions]
    assert len(set(places)) >= 3


@pytest.mark.parametrize("lecture", LECTURES)
@pytest.mark.parametrize("part", ["before", "after"])
def test_every_option_answers(lecture, part):
    form = quiz(part, lecture)
    for key, question in form.questions.items():
        for number, option in enumerate(question["options"]):
            assert form.answer(key, number) == option["feedback"]
            shown = form._feedback[key].value
            assert ("✓" in shown) == option.get("correct", False)
    first = sum(q["options"][0].get("correct", False) for q in form.questions.values())
    assert form.score == (first, len(form.questions))


def test_score_counts_the_first_try_only():
    form = quiz("before", "02_entropy")
    for key, question in form.questions.items():
        right = next(i for i, o in enumerate(question["options"]) if o.get("correct"))
        form.answer(key, (right + 1) % len(question["options"]))
        form.answer(key, right)
    assert form.score == (0, len(form.questions))


def test_check_without_a_choice_asks_for_one():
    form = quiz("before", "02_entropy")
    assert "Choose" in form._check(next(iter(form.questions)))
    assert form.score[0] == 0


def test_static_page_shows_questions_and_folds_answers():
    bundle = quiz("before", "02_entropy")._repr_mimebundle_()
    assert bundle["text/html"].count("<details>") == 1
    assert "Which message carries the most information?" in bundle["text/plain"]


def test_what_a_quiz_says_is_escaped(monkeypatch):
    monkeypatch.setattr(quizzes, "message", lambda key, **_: f"<i>{key}</i>")
    question = {"id": "a", "question": "<b>?", "options": [{"text": "<u>", "feedback": "<s>", "correct": True}]}  # fmt: skip
    asked = quizzes.Quiz("before", [question])
    asked.answer("a", 0)
    shown = [asked._page(), asked._score.value, asked._feedback["a"].value]
    shown += [c.value for c in asked.children if isinstance(c, widgets.HTML)]
    for page in shown:
        assert not any(f"<{tag}>" in page for tag in "bius"), page
    assert "&lt;s&gt;" in asked._page() and "&lt;i&gt;quiz.score" in asked._score.value


def test_unknown_names_say_what_there_is():
    with pytest.raises(LookupError, match="before, after"):
        quiz("during", "02_entropy")
    with pytest.raises(LookupError, match="No quizzes text '99_nothing'"):
        quiz("before", "99_nothing")
    with pytest.raises(LookupError, match="0 to"):
        quiz("before", "02_entropy").answer("rare-news", 9)
