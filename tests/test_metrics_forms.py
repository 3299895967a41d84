"""The forms lose no answer and tell no name; what a spreadsheet makes of their file is read, or said."""

import csv
import random

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from course_utils import metrics, paths
from course_utils.metrics import answers

TEXTS = {"Markov": [f"m{i}" for i in range(4)], "LSTM": [f"l{i}" for i in range(4)]}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "user_dir", lambda: tmp_path)
    return tmp_path


def better(form):
    """Answer as somebody who likes the LSTM would, knowing only what is on show."""
    left = form._pictures[form._shown(form.trials[form.current])[0][1]].text
    return form.answer("left" if left.startswith("l") else "right")


def test_comparison_asks_each_pair_once_in_a_hidden_random_order(home):
    form = metrics.BlindComparison("texts", TEXTS)
    assert sorted(item for item, *_ in form.trials) == [0, 1, 2, 3]
    many = metrics.BlindComparison("many", {"A": ["x"] * 200, "B": ["y"] * 200}).trials
    assert 60 < sum(left == "A" for _, left, _ in many) < 140
    assert [t[0] for t in many] != sorted(t[0] for t in many)
    three = metrics.BlindComparison(
        "three", {"A": ["x"] * 4, "B": ["y"] * 4, "C": ["z"] * 4}, limit=10
    )
    assert len(three.trials) == 10
    everything = (
        str(form.get_state())
        + str(form._repr_mimebundle_())
        + "".join(w.value for w in (form._stage, form._progress))
    )
    while form.current is not None:
        everything += form._stage.value + form._progress.value
        assert better(form)["winner"] == "LSTM"
    assert "Markov" not in everything and "LSTM" not in everything
    assert form.tally("LSTM") == (4, 4) and form.tally("Markov") == (0, 4)
    assert all(button.disabled for button in form._buttons.values())
    with pytest.raises(ValueError, match="everything is answered"):
        form.answer("left")
    with pytest.raises(ValueError, match="no model"):
        form.tally("VAE")
    with pytest.raises(ValueError, match="choices"):
        metrics.BlindComparison("texts2", TEXTS).answer("tie")


def test_order_follows_from_seed_and_rater():
    def order(**how):
        return metrics.BlindComparison("order", {"A": ["x"] * 30, "B": ["y"] * 30}, **how).trials

    assert order() == order(seed=0) != order(seed=1)
    assert order(rater="Olha") != order(rater="Ivan")


def test_each_answer_is_in_the_file_at_once_and_the_form_goes_on(home):
    file = home / "judgements" / "texts.csv"
    form = metrics.BlindComparison("texts", TEXTS, ties=True, seed=3, rater='Оля, "друга"')
    assert not file.exists()
    for answered in range(1, 4):
        form.answer("tie" if answered == 2 else "left")
        with open(file, encoding="utf8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        assert rows == metrics.read_answers("texts") == form.results and len(rows) == answered
        form = metrics.BlindComparison("texts", TEXTS, ties=True, seed=3, rater='Оля, "друга"')
        assert form.current == answered
    assert rows[0]["rater"] == 'Оля, "друга"' and rows[0]["seed"] == "3" and rows[1]["winner"] == ""
    assert rows[0]["winner"] == rows[0]["left"] and float(rows[0]["seconds"]) >= 0
    assert form.comparisons[1][2] == "tie" and form.tally("LSTM")[1] == 2
    # another rater, other samples, another order: their own questions in the same file
    assert metrics.BlindComparison("texts", TEXTS, ties=True, seed=3, rater="Ivan").current == 0
    assert metrics.BlindComparison("texts", TEXTS, ties=True, seed=4).current == 0
    assert (
        metrics.BlindComparison(
            "texts", {**TEXTS, "LSTM": list("abcd")}, ties=True, seed=3, rater='Оля, "друга"'
        ).current
        == 0
    )


def test_damaged_lines_cost_nothing_else(home):
    form = metrics.BlindComparison("texts", TEXTS)
    form.answer("left")
    whole = form.path.read_bytes()
    form.path.write_bytes(whole + b'texts,"me')  # the machine stopped in the middle of a line
    with pytest.warns(UserWarning, match=r"texts\.csv.*line 3: it was cut off"):
        form = metrics.BlindComparison("texts", TEXTS)
    assert form.current == 1
    form.answer("right")
    with pytest.warns(UserWarning, match="line 3"):
        assert [r["choice"] for r in metrics.read_answers("texts")] == ["left", "right"]
    form.path.write_bytes(whole[:7])  # in the middle of the first
    with pytest.warns(UserWarning, match="line 1: no line above it names the columns"):
        metrics.BlindComparison("texts", TEXTS).answer("left")
    with pytest.warns(UserWarning, match="line 1"):
        assert len(metrics.read_answers("texts")) == 1
    form.path.write_bytes(
        b"\xef\xbb\xbf" + whole.replace(b"\n", b"\r\n").replace(b",0,", b",zero,", 1)
    )
    assert (
        metrics.BlindComparison("texts", TEXTS).current == 0
    )  # saved by a spreadsheet, and a number is gone
    assert len(metrics.read_answers("texts")) == 1
    assert metrics.read_answers("never-asked") == []


def test_an_answer_that_cannot_be_written_is_kept(home, monkeypatch):
    form = metrics.BlindComparison("texts", TEXTS)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(answers, "append", full)
        form.answer("left")
        form.answer("right")
        assert "No space left" in form._progress.value and "2 answer(s)" in form._progress.value
        assert not form.save() and len(form.results) == 2
        last = metrics.Rating("short", {"A": ["x"]})
        last.answer(5)
        assert (
            "could not be written" in last._progress.value
            and "Thank you" not in last._progress.value
        )
    assert last.save() and len(metrics.read_answers("short")) == 1
    form.answer("left")
    assert [r["choice"] for r in metrics.read_answers("texts")] == ["left", "right", "left"]
    assert "No space left" not in form._progress.value


def test_two_notebooks_share_a_file():
    one, two = (
        metrics.BlindComparison("texts", TEXTS),
        metrics.BlindComparison("texts", TEXTS, rater="Ivan"),
    )
    for _ in range(4):
        better(one)
        two.answer("left")
    table, items, raters = metrics.rating_table(metrics.read_answers("texts"))
    assert table.shape == (4, 2) and raters == ["Ivan", "me"] and items[0] == ("LSTM", "Markov", 0)
    assert table[:, 1].tolist() == [1, 1, 1, 1]
    wins, names = metrics.win_matrix(metrics.read_answers("texts"))
    assert names == ["LSTM", "Markov"] and wins.sum() == 8


def test_buttons_answer_but_not_in_haste(monkeypatch):
    form = metrics.BlindComparison("texts", TEXTS)
    button = form._buttons["left"]
    button.click()  # a key held down
    assert form.current == 0
    form._since -= 1
    button.click()
    assert form.current == 1 and form.results[0]["choice"] == "left"


def test_rating_runs_and_gives_agreement():
    samples = {
        "VAE": [torch.rand(28, 28, generator=torch.Generator().manual_seed(i)) for i in range(3)],
        "GAN": [np.zeros((5, 1, 28, 28))],
    }
    rng = random.Random(0)
    for rater in ("a", "b", "c"):
        form = metrics.Rating("digits", samples, rater=rater)
        assert len(form.trials) == 4
        while form.current is not None:
            _, model = form.trials[form.current]
            form.answer(rng.choice([4, 5]) if model == "VAE" else rng.choice([1, 2]))
        assert metrics.Rating("digits", samples, rater=rater).current is None
    table, items, raters = metrics.rating_table(metrics.read_answers("digits"))
    assert table.shape == (4, 3) and items[0] == ("GAN", 0) and raters == ["a", "b", "c"]
    assert metrics.krippendorff_alpha(table, "ordinal") > 0.2
    for wrong in (0, 6, "5"):
        with pytest.raises(ValueError, match="choices"):
            metrics.Rating("digits", samples).answer(wrong)
    metrics.Rating("digits", {"VAE": ["another"]}).answer(3)
    with pytest.raises(ValueError, match="different samples"):
        metrics.rating_table(metrics.read_answers("digits"))
    with pytest.raises(ValueError, match="no answers"):
        metrics.rating_table([])


def test_forms_read_without_a_kernel_and_without_eyes():
    image = {"A": [np.eye(28)], "B": [torch.zeros(2, 28, 28)]}
    form = metrics.BlindComparison("pictures", image, question="Which <digit> looks real?")
    page = form._repr_mimebundle_()
    assert (
        "Which &lt;digit&gt; looks real?" in page["text/html"]
        and "<script" not in page["text/html"]
    )
    assert page["text/html"].count('alt="Picture: ') == 2
    assert "Left: " in page["text/plain"] and "Right is better" in page["text/plain"]
    assert 'role="status"' in form._progress.value and "seed 0" in form._progress.value
    for button in (*form._buttons.values(), *metrics.Rating("r", image)._buttons.values()):
        assert button.description and "Enter" in button.tooltip
    text = metrics.Rating("t", {"A": ["<b>П'ять</b>"]})
    assert "&lt;b&gt;" in text._stage.value and "П'ять" in text._repr_mimebundle_()["text/plain"]


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ({"A": ["x"]}, "two models"),
        ({"A": ["x"], "B": ["x", "y"]}, "equally many"),
        ({"A": [], "B": []}, "at least one each"),
        ({"A": [np.ones((28, 28)) * 255], "B": ["x"]}, "0 .paper."),
        ({"A": [np.full((28, 28), np.nan)], "B": ["x"]}, "NaN"),
        ({"A": [np.ones(28)], "B": ["x"]}, "a sample is"),
        ({"A": [3], "B": ["x"]}, "a sample is"),
        ({"A": [b"GIF"], "B": ["x"]}, "PNG"),
        ({"A\n": ["y"], "B": ["x"]}, "one line"),
        ({"A\ud800": ["y"], "B": ["x"]}, "one line"),
    ],
)
def test_forms_refuse_what_they_cannot_show(samples, said):
    with pytest.raises(ValueError, match=said):
        metrics.BlindComparison("wrong", samples)


def test_forms_need_a_name_that_makes_a_file():
    for name in ("../x", "a b", "", "a/b"):
        with pytest.raises(ValueError, match="file name"):
            metrics.BlindComparison(name, TEXTS)
    with pytest.raises(ValueError, match="at least one"):
        metrics.Rating("x", {})


# --- the file, and what others make of it ---

one_line = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0")
    | st.sampled_from("\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\ufeff\ufffd;,\t\"' ="),
    min_size=1,
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(one_line, one_line)
def test_any_name_comes_back(home, rater, model):
    (home / "judgements" / "any.csv").unlink(missing_ok=True)
    samples = {model: ["x"], model + "2": ["y"]}
    row = metrics.BlindComparison("any", samples, rater=rater).answer("left")
    again = metrics.BlindComparison("any", samples, rater=rater)
    assert metrics.read_answers("any") == again.results == [row]
    assert row["rater"] == rater and model in (row["left"], row["right"])


def test_a_soft_line_break_in_a_name_is_no_new_line():
    form = metrics.BlindComparison("texts", TEXTS, rater="Anna\x0bB.")
    form.answer("left")
    assert metrics.read_answers("texts") == form.results


def resaved(path, encoding="utf-8", delimiter=",", end="\r\n", quoting=csv.QUOTE_MINIMAL, empty=0):
    """As a spreadsheet saves the file; decimals get the comma of countries that part cells by semicolons."""
    with open(path, encoding="utf8", newline="") as lines:
        table = list(csv.reader(lines))
    seconds = table[0].index("seconds")
    if delimiter != ",":
        table = [
            [c.replace(".", ",") if i == seconds else c for i, c in enumerate(row)] for row in table
        ]
    with open(path, "w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting)
        writer.writerows([row + [""] * empty for row in table])


SPREADSHEETS = {
    "semicolons": {"delimiter": ";"},
    "semicolons, BOM": {"delimiter": ";", "encoding": "utf-8-sig"},
    "BOM": {"encoding": "utf-8-sig", "end": "\n"},
    "tabs": {"delimiter": "\t"},
    "all quoted": {"quoting": csv.QUOTE_ALL, "end": "\n"},
    "all quoted, semicolons, BOM": {
        "quoting": csv.QUOTE_ALL, "delimiter": ";", "encoding": "utf-8-sig",
    },
    "line feeds missing": {"end": "\r"},
    "empty columns": {"delimiter": ";", "empty": 3},
    "Unicode text": {"encoding": "utf-16", "delimiter": "\t"},
    "UTF-16, semicolons": {"encoding": "utf-16", "delimiter": ";"},
    "Cyrillic code page": {"encoding": "cp1251", "delimiter": ";"},
}  # fmt: skip


@pytest.mark.parametrize("kind", SPREADSHEETS)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_file_saved_again_by_a_spreadsheet_is_read_and_goes_on(kind, seed):
    def form():
        return metrics.BlindComparison(
            "texts", TEXTS, ties=True, seed=seed, rater='Оля; "друга", 2'
        )

    def rating(rater):
        return metrics.Rating("texts", {"Модель": ["x", "y"]}, rater=rater)

    form().answer("left")
    form().answer("tie")
    rating("Ян").answer(4)
    form().answer("right")
    before = metrics.read_answers("texts")
    assert len(before) == 4
    how = SPREADSHEETS[kind]
    path = form().path
    resaved(path, **how)
    if how.get("encoding") == "cp1251":
        with pytest.warns(UserWarning, match=r"texts\.csv is not UTF-8 and was read as cp1251"):
            found = metrics.read_answers(path)
        with pytest.warns(UserWarning, match="cp1251"):
            resumed = form()
    else:
        found, resumed = metrics.read_answers(path), form()
    assert found == before and resumed.current == 3
    resumed.answer("left")
    rating("Ян").answer(2)
    after = metrics.read_answers("texts")  # one encoding again
    assert after[:4] == before and [row.get("choice") for row in after[4:]] == ["left", None]
    assert form().current is None and rating("Ян").current is None


def test_a_western_code_page_is_told_from_a_cyrillic_one():
    form = metrics.BlindComparison("texts", TEXTS, rater="René")
    form.answer("left")
    resaved(form.path, encoding="cp1252", delimiter=";")
    with pytest.warns(UserWarning, match="cp1252"):
        assert metrics.read_answers("texts")[0]["rater"] == "René"


def test_files_put_together_are_read_as_one(home):
    paths_ = []
    for rater in ("Оля", "Ivan"):
        form = metrics.BlindComparison(f"of-{rater}", TEXTS, rater=rater)
        form.answer("left")
        paths_.append(form.path)
    resaved(paths_[1], encoding="utf-8-sig", delimiter=";")
    together = home / "together.csv"
    together.write_bytes(b"".join(path.read_bytes() for path in paths_))
    assert [row["rater"] for row in metrics.read_answers(together)] == ["Оля", "Ivan"]


def test_columns_in_another_order_and_columns_more(home):
    form = metrics.BlindComparison("texts", TEXTS)
    form.answer("left")
    (row,) = before = metrics.read_answers("texts")
    with open(form.path, "w", encoding="utf8", newline="") as file:
        writer = csv.DictWriter(file, ["note", *reversed(row)])
        writer.writeheader()
        writer.writerow({"note": "a guess", **row})
    assert metrics.read_answers("texts") == before
    metrics.BlindComparison("texts", TEXTS).answer("right")
    assert metrics.read_answers("texts")[:1] == before and len(metrics.read_answers("texts")) == 2


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("choice", "links", "line 3: choice is 'links', not one of left, right, tie"),
        ("item", "two", "line 3: item is 'two', no whole number"),
        ("trial", "", "line 3: trial is '', no whole number"),
        ("time", "", "line 3: it was cut off"),
        ("rater", "me,too", "line 3: 13 cells instead of 12"),
        ("rater", '"me', "line 3: it was cut off"),
        ("rater", b"\xff", "line 3: bytes that are no UTF-8"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_with_the_reason(column, value, said):
    form = metrics.BlindComparison("texts", TEXTS, rater="я")
    for choice in ("left", "right", "left"):
        form.answer(choice)
    lines = form.path.read_bytes().split(b"\n")
    cells = lines[2].split(b",")
    cells[form.fields.index(column)] = value if isinstance(value, bytes) else value.encode()
    lines[2] = b",".join(cells)
    form.path.write_bytes(b"\n".join(lines))
    with pytest.warns(UserWarning, match=rf"1 line.*texts\.csv.*{said}"):
        assert len(metrics.read_answers("texts")) == 2


def test_a_file_of_something_else_gives_no_silent_nothing(home):
    other = home / "marks.csv"
    other.write_text("name;mark\n" + "Olha;5\n" * 20, "utf8")
    with pytest.warns(UserWarning, match="21 line.*line 1: no line above.*line 5.*…"):
        assert metrics.read_answers(other) == []
    with pytest.warns(UserWarning, match=r"no file .*none\.csv"):
        assert metrics.read_answers(home / "none.csv") == []


def test_an_unknown_choice_is_not_taken_for_the_right_side():
    row = {"left": "a", "right": "b", "choice": "Left", "item": "0", "rater": "me", "samples": ""}
    for call in (metrics.win_matrix, metrics.rating_table):
        with pytest.raises(ValueError, match="'Left'"):
            call([row])


def test_a_rating_may_be_any_kind_of_number():
    for seed, five in enumerate((5, np.int64(5), torch.tensor(5))):
        form = metrics.Rating("numbers", {"A": ["x"]}, seed=seed)
        assert form.answer(five)["rating"] == "5"
    assert [row["rating"] for row in metrics.read_answers("numbers")] == ["5"] * 3


def test_no_spreadsheet_takes_a_digest_for_a_number():
    digests = {metrics.Rating("d", {"A": [str(i)]}).digest for i in range(400)}
    assert len(digests) == 400

    def is_number(text):
        try:
            float(text)
            return True
        except ValueError:
            return False

    assert not [d for d in digests if is_number(d)]
