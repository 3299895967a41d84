"""The forms that ask people (metrics.forms) in a real notebook: judged by keyboard and mouse, saved at once, resumed after a restart."""

import json
import time

import pytest

from course_utils import metrics
from course_utils.metrics.forms import _HASTE

from .test_first_lecture import PATIENCE, SOON, run_all

ITEMS = 4
MODELS = {"modelalpha": "sunrise", "modelbeta": "moonlit"}
COMPARISON = f"""
from course_utils.metrics import BlindComparison
samples = {{m: [f"{{w}} {{i}}" for i in range({ITEMS})] for m, w in {MODELS}.items()}}
form = BlindComparison("browser-pairs", samples, ties=True, seed=3)
form
"""
RATING = f"""
import numpy as np
from course_utils.metrics import Rating
strokes = np.zeros(({ITEMS}, 28, 28)); strokes[:, 4:24, 12:16] = np.linspace(0.4, 1, {ITEMS})[:, None, None]
rating = Rating("browser-rating", {{"modelgamma": list(strokes)}}, seed=3)
rating
"""
NAMES = {"comparison": "browser-pairs", "rating": "browser-rating"}
CELLS = {"comparison": COMPARISON, "rating": RATING}


@pytest.fixture(scope="module")
def lecture(lab, browser):
    """A notebook with both forms, opened in the browser and run."""
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "cells": [
            {
                "id": cell_id,
                "cell_type": "code",
                "source": text.strip(),
                "metadata": {},
                "outputs": [],
                "execution_count": None,
            }
            for cell_id, text in CELLS.items()
        ],
    }
    (lab.folder / "notebooks" / "forms.ipynb").write_text(json.dumps(notebook), "utf8")
    context = browser.new_context(viewport={"width": 1400, "height": 1200})
    page = context.new_page()
    path = f"/lab/tree/notebooks/forms.ipynb?token={lab.token}&reset"
    opened = run_all(lab, page, path, notebook)
    page.locator(".course-rating").wait_for(timeout=PATIENCE)
    yield opened
    context.close()


class Form:
    """A form on the page, and its file."""

    def __init__(self, lecture, lab, kind):
        self.page, self.box = lecture.page, lecture.page.locator(f".course-{kind}")
        self.buttons = self.box.locator("button")
        home = lab.folder.parent / "home"  # COURSE_HOME of the fixture
        self.file = home / "judgements" / f"{NAMES[kind]}.csv"

    def rows(self):
        return metrics.read_answers(self.file)

    def click(self, text):
        self.rest()
        self.buttons.filter(has_text=text).click()

    def rest(self):
        """Look at the question for as long as a form wants (see _HASTE), counted from when the page shows it."""
        self.page.wait_for_timeout(1000 * _HASTE + 50)

    def focused(self):
        return self.page.evaluate("() => document.activeElement.innerText")

    def wait_rows(self, count):
        """Until so many answers are in the file."""
        deadline = time.monotonic() + SOON / 1000
        while len(self.rows()) < count:
            assert time.monotonic() < deadline, f"{len(self.rows())} of {count} answers are saved"
            time.sleep(0.1)
        return self.rows()

    def wait_status(self, text):
        self.box.locator("[role=status]").filter(has_text=text).wait_for()

    def shown(self):
        """Texts, or sources of the pictures, of the samples on show."""
        figures = self.box.locator("figure")
        pictures = figures.locator("img")
        if pictures.count():
            return [picture.get_attribute("src") for picture in pictures.all()]
        return [figure.locator("div").inner_text() for figure in figures.all()]


@pytest.fixture
def comparison(lecture, lab):
    return Form(lecture, lab, "comparison")


@pytest.fixture
def rating(lecture, lab):
    return Form(lecture, lab, "rating")


def restart(lecture, cell_id):
    """Restart the kernel, run everything again, and wait for a form that the new kernel has made."""
    page = lecture.page
    page.evaluate(
        "() => document.querySelectorAll('[role=status]').forEach(e => e.dataset.old = 1)"
    )
    lecture.menu("Kernel", "Restart Kernel and Run All Cells…")
    page.locator(".jp-Dialog button.jp-mod-accept").click()
    page.locator(f".course-{cell_id} [role=status]:not([data-old])").wait_for(timeout=PATIENCE)
    lecture.wait_idle()


def test_pairs_are_shown_without_names_in_the_seeds_order(comparison, rating):
    texts = {m: [f"{w} {i}" for i in range(ITEMS)] for m, w in MODELS.items()}
    order = metrics.BlindComparison("browser-pairs", texts, ties=True, seed=3).trials
    assert [item for item, *_ in order] != sorted(item for item, *_ in order)
    item, left, right = order[0]
    assert comparison.shown() == [texts[left][item], texts[right][item]]
    assert not [m for m in MODELS if m in comparison.box.inner_html()]
    assert "modelgamma" not in rating.box.inner_html()


def test_mouse_answers_and_the_file_has_it_at_once(comparison):
    before = comparison.shown()
    comparison.click("Left is better")
    (row,) = comparison.wait_rows(1)
    comparison.wait_status("Question 2 of 4")
    assert row["choice"] == "left" and row["winner"] == row["left"] in MODELS
    assert f"{MODELS[row['left']]} {row['item']}" == before[0]
    assert comparison.shown() != before


def test_keyboard_answers(comparison):
    """Tab from the first button to the others; Enter or Space answers."""
    comparison.buttons.first.focus()
    comparison.rest()
    comparison.page.keyboard.press("Tab")
    assert comparison.focused() == "Right is better"
    comparison.page.keyboard.press("Enter")
    row = comparison.wait_rows(2)[1]
    assert (row["choice"], row["winner"]) == ("right", row["right"])
    comparison.wait_status("Question 3 of 4")
    comparison.rest()
    comparison.page.keyboard.press("Tab")
    assert comparison.focused() == "No difference"
    comparison.page.keyboard.press("Space")
    row = comparison.wait_rows(3)[2]
    assert (row["choice"], row["winner"]) == ("tie", "")
    comparison.wait_status("Question 4 of 4")


def test_restarted_kernel_goes_on_where_it_stopped(lecture, comparison):
    before, shown = comparison.rows(), comparison.shown()
    restart(lecture, "comparison")
    comparison.wait_status("Question 4 of 4")
    assert comparison.rows() == before and comparison.shown() == shown
    comparison.click("Right is better")
    rows = comparison.wait_rows(4)
    comparison.wait_status("Thank you: all 4 answers are saved")
    assert rows[:3] == before
    assert sorted(row["item"] for row in rows) == ["0", "1", "2", "3"]  # each pair once
    assert comparison.buttons.and_(comparison.page.locator(":disabled")).count() == 3


def test_rating_by_mouse_and_keyboard_with_pictures(lecture, rating):
    seen = rating.shown()
    rating.click("2 poor")
    rating.wait_rows(1)
    rating.wait_status("Question 2 of 4")
    seen += rating.shown()
    rating.buttons.nth(4).focus()
    rating.rest()
    rating.page.keyboard.press("Enter")
    rows = rating.wait_rows(2)
    rating.wait_status("Question 3 of 4")
    assert [row["rating"] for row in rows] == ["2", "5"]
    assert len(set(seen)) == 2 and all(s.startswith("data:image/png") for s in seen)
    restart(lecture, "rating")
    rating.wait_status("Question 3 of 4")
    assert rating.rows() == rows
