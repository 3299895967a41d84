"""Texts in other languages: what isn't translated is English, and translators are told what to do."""

import shutil

import pytest

from course_utils import check, progress, quiz, texts
from course_utils.commands import translations
from course_utils.texts import load, message

ENGLISH = """
[[before]]
id = "coin"
question = "How many bits does a coin need?"
[[before.options]]
text = "1 bit"
correct = true
feedback = "Yes."
[[before.options]]
text = "2 bits"
feedback = "That is two coins."

[[before]]
id = "die"
question = "And a die?"
[[before.options]]
text = "2.58 bits"
correct = true
feedback = "Yes, log2(6)."
"""
# in another order, with one question only, a wrong `correct`, and something that nobody asked for
INVENTED = """
[[before]]
id = "die"
question = "Ka di?"
[[before.options]]
text = "2,58 bo"
feedback = ""

[[before]]
id = "cat"
question = "Ka mau?"
[[before.options]]
text = "0 bo"
correct = true
feedback = "Miau."
"""


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A package with English texts of its own, and folders for an invented language (which has the code "uk" here)."""
    monkeypatch.setattr(texts, "ROOT", tmp_path)
    for kind in texts.KINDS:
        for language in ("en", "uk"):
            (tmp_path / kind / language).mkdir(parents=True)
    (tmp_path / "quizzes/en/02_coins.toml").write_text(ENGLISH, "utf8")
    (tmp_path / "messages/en/messages.toml").write_text(
        '[quiz]\nscore = "{right} of {total}"\nagain = "Again?"\n', "utf8"
    )
    (tmp_path / "exercises/en/lecture_02.toml").write_text(
        '[coin]\ntask = "Flip it."\nhints = ["Think.", "Think more."]\n', "utf8"
    )
    return tmp_path


def write(course, file, text):
    (course / file).write_text(text, "utf8")
    texts._load.cache_clear()


def test_a_language_without_any_text_is_english_throughout(monkeypatch, capsys):
    english = load("quizzes", "02_entropy")
    monkeypatch.setenv("COURSE_LANG", "uk")
    assert load("quizzes", "02_entropy") == english
    check("entropy", ...)
    assert "not started" in capsys.readouterr().out
    assert "How many bits do two independent" in quiz("before", "02_entropy")._text()
    assert "02_entropy" in repr(progress())


def test_gaps_are_filled_text_by_text(course, monkeypatch):
    write(course, "quizzes/uk/02_coins.toml", INVENTED)
    write(course, "messages/uk/messages.toml", '[quiz]\nagain = "Ma?"\n')
    write(course, "exercises/uk/lecture_02.toml", '[coin]\nhints = ["Pensi."]\n')
    monkeypatch.setenv("COURSE_LANG", "uk")
    coin, die = load("quizzes", "02_coins")["before"]
    assert coin["question"] == "How many bits does a coin need?"
    assert [o.get("correct") for o in coin["options"]] == [True, None]
    assert die["id"] == "die" and die["question"] == "Ka di?"
    (option,) = die[
        "options"
    ]  # the text is translated, its feedback is not yet; which is right, English says
    assert option == {"text": "2,58 bo", "correct": True, "feedback": "Yes, log2(6)."}
    assert message("quiz.again") == "Ma?" and message("quiz.score", right=1, total=2) == "1 of 2"
    assert load("exercises", "lecture_02")["coin"] == {"task": "Flip it.", "hints": ["Pensi.", "Think more."]}  # fmt: skip


def test_what_has_another_shape_than_the_english_is_no_translation(course, monkeypatch):
    write(course, "quizzes/uk/02_coins.toml", 'before = "Ka?"\n')
    write(course, "exercises/uk/lecture_02.toml", "[coin]\ntask = 3\nhints = {a = 'b'}\n")
    monkeypatch.setenv("COURSE_LANG", "uk")
    assert load("quizzes", "02_coins")["before"][0]["id"] == "coin"
    assert load("exercises", "lecture_02")["coin"]["hints"] == ["Think.", "Think more."]


def test_a_broken_file_is_named(course, monkeypatch):
    write(course, "messages/uk/messages.toml", "[quiz\n")
    monkeypatch.setenv("COURSE_LANG", "uk")
    with pytest.raises(ValueError, match=r"uk.messages\.toml is no TOML file"):
        message("quiz.again")


def found(what):
    return [(f.kind, f.name, f.key) for f in translations.findings("uk") if f.what == what]


def test_missing_and_unknown_texts_are_listed(course):
    assert len(found("missing")) == 13  # every English text
    write(course, "quizzes/uk/02_coins.toml", INVENTED)
    missing = found("missing")
    assert (
        len(missing) == 11 and ("quizzes", "02_coins", "before.die.options.0.feedback") in missing
    )
    assert ("quizzes", "02_coins", "before.die.question") not in missing
    assert {key for _, _, key in found("unknown")} == {
        "before.cat.question", "before.cat.options.0.text", "before.cat.options.0.feedback",
    }  # fmt: skip


def test_a_translation_whose_english_source_changed_is_listed_until_it_is_corrected(course):
    key = ("quizzes", "02_coins", "before.die.question")
    write(course, "quizzes/uk/02_coins.toml", INVENTED)
    assert translations.written("uk") == 2 and translations.written("uk") == 0
    assert found("changed") == []
    write(course, "quizzes/en/02_coins.toml", ENGLISH.replace("And a die?", "And a fair die?"))
    assert found("changed") == [key]
    translations.written("uk")  # nothing was corrected: still to do
    assert found("changed") == [key]
    write(course, "quizzes/uk/02_coins.toml", INVENTED.replace("Ka di?", "Ka bon di?"))
    assert translations.written("uk") == 1
    assert found("changed") == []
    write(course, "quizzes/en/02_coins.toml", ENGLISH)
    assert found("changed") == [key]


def test_other_blanks_are_listed(course):
    write(course, "messages/uk/messages.toml", '[quiz]\nscore = "{right} / {all}"\n')
    assert found("blanks") == [("messages", "messages", "quiz.score")]


def test_the_command(course, capsys):
    assert translations.main(["uk"]) == 1
    said = capsys.readouterr().out
    assert "missing  quizzes/02_coins before.coin.question: How many bits does a coin need?" in said
    assert "uk: 13 missing, 0 changed, 0 blanks, 0 unknown" in said
    for kind in texts.KINDS:
        shutil.copytree(course / kind / "en", course / kind / "uk", dirs_exist_ok=True)
    assert translations.main(["uk", "--written"]) == 0
    assert "13 translations noted" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        translations.main(["en"])


def test_every_english_text_is_found():
    """Nothing that a student reads escapes the translator: each text of each file has a place of its own."""
    for kind in texts.KINDS:
        for path in (texts.ROOT / kind / texts.SOURCE).glob("*.toml"):
            whole = texts.read(kind, texts.SOURCE, path.stem)
            assert len(translations.flat(whole)) == count(whole), path.name


def count(node):
    if isinstance(node, dict):
        return sum(count(part) for key, part in node.items() if key != "id")
    return sum(map(count, node)) if isinstance(node, list) else isinstance(node, str)
