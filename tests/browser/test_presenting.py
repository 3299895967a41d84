"""Presenting live: a lecture as a deck in JupyterLab (jupyterlab-slideshow), with a kernel behind its sliders."""

import json
import time

import pytest

from .conftest import missing
from .test_first_lecture import Page, wait_for_kernel

LECTURE, EXPLORER = "02_entropy", "explorer-uneven-die"
SOON = 60_000  # ms
PICTURE = """async img => {
    const bytes = new Uint8Array(await (await fetch(img.src)).arrayBuffer());
    return bytes.length + ':' + bytes.reduce((a, b) => (a * 31 + b) % 1000003, 7);
}"""


@pytest.fixture(scope="module")
def lecture(lab, browser):
    """Lecture 02, run as far as its first explorer."""
    try:
        import jupyterlab_slideshow  # noqa: F401
    except ImportError:
        missing("jupyterlab-slideshow is not installed: a lecture can't be presented live")
    notebook = json.loads((lab.folder / "notebooks" / f"{LECTURE}.ipynb").read_text("utf8"))
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.set_default_timeout(SOON)
    page.goto(f"{lab.url}/lab/tree/notebooks/{LECTURE}.ipynb?token={lab.token}", timeout=2 * SOON)
    page.locator(".jp-Notebook .jp-Cell").nth(len(notebook["cells"]) - 1).wait_for(
        state="attached", timeout=2 * SOON
    )
    page.wait_for_function(
        "() => document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'",
        timeout=2 * SOON,
    )
    opened = Page(page, notebook)
    wait_for_kernel(lab)
    code = opened.cell(EXPLORER).locator(".cm-content")
    code.scroll_into_view_if_needed()
    code.click()
    opened.menu("Run", "Run All Above Selected Cell")
    page.wait_for_timeout(500)
    opened.wait_idle(4 * SOON)
    code.click()
    page.keyboard.press("ControlOrMeta+Enter")
    opened.cell(EXPLORER).locator(".course-explorer .noUi-handle").first.wait_for()
    yield opened
    page.close()


def wait_until(true, message):
    deadline = time.monotonic() + SOON / 1000
    while not true():
        assert time.monotonic() < deadline, message
        time.sleep(0.1)


def test_sliders_stay_live_in_the_deck(lecture):
    page = lecture.page
    title, explorer = lecture.cell("title"), lecture.cell(EXPLORER).locator(".course-explorer")
    title.scroll_into_view_if_needed()
    title.click()
    page.locator("[data-jp-item-name='deck']").locator("button, jp-button").first.click()
    page.locator(".jp-Deck-Remote").wait_for()
    wait_until(lambda: title.is_visible() and not explorer.is_visible(), "the deck didn't start")
    for _ in range(30):  # space goes down, else to the next section
        if explorer.is_visible():
            break
        page.keyboard.press("Space")
        page.wait_for_timeout(400)
    assert explorer.is_visible() and not title.is_visible()
    picture, handle = explorer.locator("img").first, explorer.locator(".noUi-handle").first
    shown, value = picture.evaluate(PICTURE), handle.get_attribute("aria-valuetext")
    handle.focus()
    page.keyboard.press("ArrowRight")
    wait_until(lambda: picture.evaluate(PICTURE) != shown, "the slider moved, the picture did not")
    assert handle.get_attribute("aria-valuetext") != value
    assert explorer.is_visible(), "the key moved the slide instead of the slider"
    page.locator(".jp-Deck-Remote .jp-deck-mod-stop").click()
    page.locator(".jp-Deck-Remote").wait_for(state="detached")
