"""Every control of every live figure, by mouse and by keyboard, in JupyterLab.

`make test` does the first lecture (in test_first_lecture) and a second one; with COURSE_CLASSROOM=1 this file does all of them, with
smoke trainings.
"""

import json
import os
import time

import pytest

from .conftest import COPIES, ROOT
from .test_first_lecture import PATIENCE, SOON, course_notebook, run_all

QUICK = ["02_entropy"]
ALL = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
AT = "select => select.selectedIndex"
BYTES_OF = """async img => {
    const bytes = new Uint8Array(await (await fetch(img.src)).arrayBuffer());
    return bytes.length + ':' + bytes.reduce((a, b) => (a * 31 + b) % 1000003, 7);
}"""


@pytest.fixture(scope="module", params=ALL if os.environ.get("COURSE_CLASSROOM") else QUICK)
def opened(request, lab, browser):
    """A lecture in the browser; its cells have run."""
    name = request.param
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    path = f"/lab/workspaces/{name}/tree/{COPIES}/{name}.ipynb?token={lab.token}"
    yield run_all(lab, page, path, course_notebook(lab, name), 2 * PATIENCE)
    for kernel in json.loads(lab.get("/api/sessions", lab.token)[1]):
        if kernel["path"].endswith(f"{name}.ipynb"):
            lab.delete(f"/api/sessions/{kernel['id']}")
    page.close()


def press(page, target, *keys):
    target.focus()
    for key in keys:
        page.keyboard.press(key)


def drag(page, handle, share):
    """Take a slider's handle with the mouse and pull it to a share of its track."""
    track, box = handle.locator("xpath=../..").bounding_box(), handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    end = track["x"] + share * track["width"]
    page.mouse.move(x, y)
    page.mouse.down()
    for part in range(1, 6):
        page.mouse.move(x + (end - x) * part / 5, y)
    page.mouse.up()


def ways(page, explorer):
    """[(what, action), ...]: how a hand moves each control of an explorer."""
    for k in range(explorer.locator(".noUi-handle").count()):
        handle = explorer.locator(".noUi-handle").nth(k)
        # to both sides: wherever it stood, one of the two moves it
        yield f"slider {k} by mouse", lambda h=handle: drag(page, h, 0.1)
        yield f"slider {k} by mouse", lambda h=handle: drag(page, h, 0.8)
        yield f"slider {k} by keyboard", lambda h=handle: press(page, h, "ArrowLeft")
    for k in range(explorer.locator("select").count()):
        select = explorer.locator("select").nth(k)
        last = select.locator("option").count() - 1
        yield (
            f"choice {k} by keyboard",
            lambda s=select, n=last: press(page, s, "Home" if s.evaluate(AT) == n else "End"),
        )
        yield (
            f"choice {k} by mouse",
            lambda s=select: s.select_option(index=1 if s.evaluate(AT) == 0 else 0),
        )
    for k in range(explorer.locator("input[type=checkbox]").count()):
        box = explorer.locator("input[type=checkbox]").nth(k)
        yield f"toggle {k} by mouse", lambda b=box: b.click()
        yield f"toggle {k} by keyboard", lambda b=box: press(page, b, " ")


SETTINGS = """explorer => [
    ...[...explorer.querySelectorAll('.widget-readout')].map(readout => readout.innerText),
    ...[...explorer.querySelectorAll('select')].map(select => select.selectedIndex),
    ...[...explorer.querySelectorAll('input[type=checkbox]')].map(box => box.checked),
].join('|')"""


def move(page, explorer):
    """Move every control of an explorer.  Returns (ways that moved nothing, ways after which the picture was another one).

    A control may be without effect on the picture where another setting makes it so (top-k while the rule is top-p), but never on
    the value that stands beside it.
    """
    picture = explorer.locator("img").first
    idle, moved, drew = set(), set(), set()
    for what, action in ways(page, explorer):
        settings, before = explorer.evaluate(SETTINGS), picture.evaluate(BYTES_OF)
        action()
        deadline = time.monotonic() + 10
        while explorer.evaluate(SETTINGS) == settings and time.monotonic() < deadline - 8:
            time.sleep(0.05)
        if explorer.evaluate(SETTINGS) == settings:
            idle.add(what)
            continue
        moved.add(what)
        while picture.evaluate(BYTES_OF) == before and time.monotonic() < deadline - 5:
            time.sleep(0.05)
        if picture.evaluate(BYTES_OF) != before:
            drew.add(what)
    return idle - moved, drew


def move_every_control(page):
    """By mouse and by keyboard: the picture follows, nothing turns into an error message, every control has a visible name."""
    explorers = page.locator(".jp-Notebook .course-explorer")
    assert explorers.count() >= 2
    for number in range(explorers.count()):
        explorer = explorers.nth(number)
        explorer.scroll_into_view_if_needed()
        explorer.locator("img").first.wait_for()
        controls = explorer.locator(".widget-label, .jupyter-widget-checkbox label")
        names = [text for text in controls.all_inner_texts() if text.strip()]
        assert names, f"explorer {number} has controls without a name"
        idle, drew = move(page, explorer)
        assert not idle, f"explorer {number} ({names}): {sorted(idle)}"
        hands = {what.split()[-1] for what in drew}
        assert hands == {"mouse", "keyboard"}, f"explorer {number} ({names}): only {sorted(drew)}"
        assert not explorer.locator("[role=alert]").count()


def test_every_control_moves_the_picture(opened):
    move_every_control(opened.page)


def test_the_focus_is_visible(opened):
    """Tab reaches the controls, and the one that has the focus looks different."""
    page = opened.page
    handle = page.locator(".course-explorer .noUi-handle").first
    handle.scroll_into_view_if_needed()
    look = """h => {
        const style = getComputedStyle(h);
        return [style.outline, style.boxShadow, style.borderColor, style.backgroundColor].join();
    }"""
    before = handle.evaluate(look)
    handle.focus()
    page.keyboard.press("ArrowRight")
    assert handle.evaluate(look) != before


ON_SLIDE = """() => [...document.querySelectorAll('.jp-Notebook .jp-Cell')].map((cell, k) => [k, cell])
    .filter(([k, cell]) => cell.classList.contains('jp-deck-mod-visible'))
    .map(([k, cell]) => [k, cell.innerText.trim().length > 0, !!cell.querySelector('.course-explorer')])"""
ON = ", ".join(f".jp-deck-mod-direction-{way}:not(.jp-mod-disabled)" for way in ("forward", "down"))
STUCK = 12  # steps within one slide leave the same cells on it


def test_the_live_deck_shows_every_cell_and_keeps_its_sliders(opened):
    """From the first cell: the deck button, Space to the first live figure, move it, on with the mouse to the end, and out again."""
    page, cells = opened.page, opened.notebook["cells"]
    kinds = [cell["metadata"].get("slideshow", {}).get("slide_type") for cell in cells]
    wanted = {k for k, kind in enumerate(kinds) if kind not in ("skip", "notes")}
    page.locator(".jp-Notebook").first.evaluate("notebook => notebook.scrollTop = 0")
    page.locator(".jp-Notebook .jp-Cell").first.click(position={"x": 5, "y": 5})
    page.locator("[data-jp-item-name=deck] jp-button").click()
    page.wait_for_selector("body[data-jp-deck-mode=presenting]", state="attached", timeout=SOON)
    try:
        seen, moved, same, before = set(), False, 0, None
        while not (wanted <= seen and moved) and same < STUCK:
            here = page.evaluate(ON_SLIDE)
            assert here and any(filled for _, filled, _ in here), f"an empty slide after {before}"
            seen |= {k for k, _, _ in here}
            same, before = (same + 1 if here == before else 0), here
            if not moved and any(live for _, _, live in here):
                move_on_the_slide(page)
                moved = True
            if not moved:
                page.keyboard.press("Space")
            else:
                ways_on = page.locator(ON)
                if not ways_on.count():
                    break
                ways_on.last.click()
            page.wait_for_timeout(250)
        assert moved, "no slide with a live figure"
        unseen = [cells[k]["id"] for k in sorted(wanted - seen)]
        assert not unseen, f"no slide shows {unseen}"
    finally:  # JupyterLab remembers the mode: the next lecture would open in it
        page.locator(".jp-deck-mod-stop").click()
        page.wait_for_selector(
            "body:not([data-jp-deck-mode=presenting])", state="attached", timeout=SOON
        )


def move_on_the_slide(page):
    """The controls of the live figure on this slide are large enough and move it."""
    explorer = page.locator(".jp-deck-mod-visible .course-explorer").first
    label = explorer.locator(".widget-label").first
    assert float(label.evaluate("l => parseFloat(getComputedStyle(l).fontSize)")) >= 18
    idle, drew = move(page, explorer)
    assert not idle and {what.split()[-1] for what in drew} == {"mouse", "keyboard"}, (idle, drew)
