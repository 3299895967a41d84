"""What a newcomer does in the first lecture, done by a browser: run it, move a slider, answer a quiz, solve an exercise."""

import inspect
import itertools
import json
import re
import time
import tomllib

import pytest

from .conftest import COPIES, LECTURE

PATIENCE = 240_000  # ms for a whole lecture on a busy machine
SOON = 30_000


# --- over HTTP --------------------------------------------------------------------------------------------------------


def test_lab_serves_the_first_lecture(lab):
    status, body = lab.get(f"/api/contents/{COPIES}/{LECTURE}.ipynb", lab.token)
    assert status == 200
    notebook = json.loads(body)["content"]
    assert notebook["cells"][0]["source"].startswith("# ")
    status, page = lab.get(f"/lab/tree/{COPIES}/{LECTURE}.ipynb?token={lab.token}")
    assert status == 200 and "JupyterLab" in page


@pytest.mark.parametrize(
    "path", [f"/api/contents/{COPIES}", "/api/kernels", f"/files/{COPIES}/{LECTURE}.ipynb"]
)
@pytest.mark.parametrize("token", [None, "wrong"])
def test_nothing_is_served_without_the_token(lab, path, token):
    status, body = lab.get(path, token)
    assert status in {302, 403} and "cells" not in body


def test_lab_prints_its_address_and_starts_quickly(lab):
    log = lab.log.read_text("utf8")
    assert f"{lab.url}/lab/tree/{COPIES}/{LECTURE}.ipynb?token={lab.token}" in log
    assert lab.seconds < 60, f"a second start should take seconds; it took {lab.seconds:.0f}"


# --- in the browser ---------------------------------------------------------------------------------------------------


class Page:
    """The notebook in the browser, with the steps of a student's hand."""

    def __init__(self, page, notebook):
        self.page, self.notebook = page, notebook
        self.ids = [cell["id"] for cell in notebook["cells"]]

    def cell(self, cell_id):
        return self.page.locator(".jp-Notebook .jp-Cell").nth(self.ids.index(cell_id))

    def menu(self, top, item):
        self.page.locator(".lm-MenuBar-item", has_text=re.compile(f"^{top}$")).click()
        self.page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{item}$")).first.click()

    def wait_idle(self, timeout=PATIENCE):
        """Until no cell waits or runs any more."""
        self.page.wait_for_function(
            """() => {
                const prompts = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell .jp-InputPrompt')];
                const kernel = document.querySelector('.jp-Notebook-ExecutionIndicator');
                return prompts.length && prompts.every(p => !p.textContent.includes('*'))
                    && (!kernel || kernel.dataset.status === 'idle');
            }""",
            timeout=timeout,
        )

    def rewrite(self, cell_id, source):
        """Replace the text of a cell and run it, by keyboard."""
        editor = self.cell(cell_id).locator(".cm-content")
        editor.scroll_into_view_if_needed()
        editor.click()
        self.page.keyboard.press("ControlOrMeta+A")
        self.page.keyboard.press("Delete")
        self.page.keyboard.insert_text(source)
        before = self.cell(cell_id).locator(".jp-InputPrompt").first.inner_text()
        self.page.keyboard.press("ControlOrMeta+Enter")
        deadline = time.monotonic() + SOON / 1000
        while time.monotonic() < deadline:  # a number other than before, not [*]
            prompt = self.cell(cell_id).locator(".jp-InputPrompt").first.inner_text()
            if prompt != before and re.search(r"\d", prompt):
                return
            time.sleep(0.1)
        raise AssertionError(f"cell {cell_id} did not run: {prompt}")


def wait_for_kernel(lab):
    """Until the server says that the page's kernel has started and waits for work."""
    deadline = time.monotonic() + 2 * SOON / 1000
    while time.monotonic() < deadline:
        status, body = lab.get("/api/kernels", lab.token)
        kernels = json.loads(body) if status == 200 else []  # a busy server may say "not yet"
        if any(k["execution_state"] == "idle" and k["connections"] for k in kernels):
            return
        time.sleep(0.2)
    raise AssertionError(f"the kernel did not start: {status} {body}")


def run_all(lab, page, path, notebook, timeout=PATIENCE):
    """Open a notebook at a path of the server, wait for its cells and its kernel, and run all.  Returns the Page."""
    page.set_default_timeout(SOON)
    page.goto(f"{lab.url}{path}", timeout=2 * SOON)
    page.locator(".jp-Notebook .jp-Cell").nth(len(notebook["cells"]) - 1).wait_for(
        state="attached", timeout=2 * SOON
    )
    page.wait_for_function(
        "() => document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'",
        timeout=2 * SOON,
    )
    opened = Page(page, notebook)
    wait_for_kernel(lab)
    opened.menu("Run", "Run All Cells")
    page.wait_for_timeout(500)
    opened.wait_idle(timeout)
    return opened


def course_notebook(lab, name):
    return json.loads((lab.folder / "notebooks" / f"{name}.ipynb").read_text("utf8"))


@pytest.fixture(scope="module")
def lecture(lab, browser):
    """The first lecture after “Run All Cells”."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    path = f"/lab/tree/{COPIES}/{LECTURE}.ipynb?token={lab.token}"
    yield run_all(lab, page, path, course_notebook(lab, LECTURE))
    page.close()


def cells_tagged(notebook, tag):
    return [c for c in notebook["cells"] if tag in c["metadata"].get("tags", [])]


def source(cell):
    return "".join(cell["source"])


def test_every_cell_ran_without_an_error(lecture):
    page = lecture.page
    errors = page.locator(
        ".jp-Notebook .jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']"
    )
    assert errors.count() == 0, errors.first.inner_text()[-1500:]
    code = [
        c["id"] for c in lecture.notebook["cells"] if c["cell_type"] == "code" and source(c).strip()
    ]
    for cell_id in code:
        prompt = lecture.cell(cell_id).locator(".jp-InputPrompt").first.inner_text()
        assert re.search(r"\d", prompt), f"cell {cell_id} did not run: {prompt!r}"


def test_nothing_stands_before_the_lecture(lecture):
    """No dialog, no question whether to bring news from the internet."""
    shown = lecture.page.locator(".jp-Dialog, .Toastify__toast")
    assert shown.count() == 0, shown.first.inner_text()


def test_every_explorer_by_mouse_and_keyboard(lecture):
    from .test_explorers import move_every_control

    move_every_control(lecture.page)


def test_quiz_answers_wrong_and_right(lecture, lab):
    text = (lab.folder / "course_utils" / "quizzes" / "en" / f"{LECTURE}.toml").read_text("utf8")
    question = tomllib.loads(text)["before"][0]
    quiz = lecture.cell("quiz-before").locator(".course-quiz")
    quiz.scroll_into_view_if_needed()
    options = quiz.locator(".widget-radio-box").first.locator("input")
    feedback = quiz.locator(".course-quiz-feedback").first
    button = quiz.locator("button").first
    right = next(i for i, o in enumerate(question["options"]) if o.get("correct"))
    wrong = next(i for i, o in enumerate(question["options"]) if not o.get("correct"))
    for choice in (wrong, right):
        options.nth(choice).check()
        button.click()
        expected = question["options"][choice]["feedback"]
        lecture.page.wait_for_function(
            "([box, text]) => box.innerText.replace(/\\s+/g, ' ').includes(text)",
            arg=[feedback.element_handle(), " ".join(expected.split())],
            timeout=SOON,
        )


def test_exercise_wrong_then_right(lecture, lab):
    """The verdict on a typical wrong answer names the mistake; the right answer is accepted."""
    from course_utils.exercises import all_exercises

    cell = cells_tagged(lecture.notebook, "exercise")[0]
    name = re.search(r"check\(\s*[\"'](\w+)[\"']", source(cell)).group(1)
    exercise, module = all_exercises()[name]
    texts = tomllib.loads(
        (lab.folder / "course_utils" / "exercises" / "en" / f"{module}.toml").read_text("utf8")
    )[name]
    setting = f"import course_utils.exercises.{module} as _m\nglobals().update(vars(_m))\n"
    verdict = lecture.cell(cell["id"]).locator(".course-verdict")

    mistake = next(iter(exercise.mistakes))
    answer = f"all_exercises()[{name!r}][0].mistakes[{mistake!r}]"
    lecture.rewrite(
        cell["id"],
        f"from course_utils.exercises import all_exercises\n{name} = check({name!r}, {answer})",
    )
    verdict.and_(lecture.page.locator("[data-status=wrong]")).wait_for()
    said = " ".join(verdict.inner_text().split())
    opening = re.split(r"[{}]", " ".join(texts["mistakes"][mistake].split()))[0]
    assert opening in said, f"the verdict does not name the mistake {mistake!r}: {said}"

    code = inspect.getsource(exercise.reference)
    lecture.rewrite(
        cell["id"], f"{setting}{code}\n{name} = check({name!r}, {exercise.reference.__name__})"
    )
    verdict.and_(lecture.page.locator("[data-status=right]")).wait_for()


def answer(lecture, exercise_cell, name):
    """Write the reference of an exercise into its cell, as a student who found it, and run it."""
    from course_utils.exercises import all_exercises

    exercise, module = all_exercises()[name]
    setting = f"import course_utils.exercises.{module} as _m\nglobals().update(vars(_m))\n"
    code = inspect.getsource(exercise.reference)
    lecture.rewrite(
        exercise_cell, f"{setting}{code}\n{name} = check({name!r}, {exercise.reference.__name__})"
    )


def second_exercise(lecture):
    cell = cells_tagged(lecture.notebook, "exercise")[1]
    return cell["id"], re.search(r"check\(\s*[\"'](\w+)[\"']", source(cell)).group(1)


def test_an_exercise_after_two_hints(lecture):
    cell_id, name = second_exercise(lecture)
    said = []
    for number in (1, 2):
        lecture.rewrite(cell_id, f"hint({name!r})")
        box = lecture.cell(cell_id).locator(".jp-OutputArea-output", has_text=f"Hint {number} of")
        box.first.wait_for()
        said.append(box.first.inner_text())
    assert said[0] != said[1]
    answer(lecture, cell_id, name)
    lecture.cell(cell_id).locator(".course-verdict[data-status=right]").wait_for()


def test_restart_and_go_on(lecture, lab):
    """After a restart nothing runs, and nothing is lost: the score and the solved exercises are in a file of the student's."""
    page = lecture.page
    lecture.menu("Kernel", "Restart Kernel and Clear Outputs of All Cells…")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    page.locator(".jp-Dialog").wait_for(state="detached")
    page.wait_for_function(  # the kernel is new and the outputs are gone
        "() => [...document.querySelectorAll('.jp-Notebook .jp-InputPrompt')].every(p => !/\\d/.test(p.innerText))"
    )
    cell_id, name = second_exercise(lecture)
    (preamble,) = (c for c in lecture.notebook["cells"] if c["id"] == "preamble")
    lecture.rewrite("preamble", source(preamble))
    answer(lecture, cell_id, name)  # without the cells above it
    lecture.cell(cell_id).locator(".course-verdict[data-status=right]").wait_for()
    lecture.rewrite(cell_id, "from course_utils import progress\nprogress()")
    row = lecture.cell(cell_id).locator("tr", has_text=LECTURE)
    row.wait_for()
    cells = row.locator("td").all_inner_texts()
    solved = re.match(r"(\d+)\sof\s\d+", cells[1])
    assert int(solved.group(1)) >= 2, cells
    assert re.search(r"0\sof\s\d+", cells[2]), cells  # the first answer to the quiz was wrong
    file = lab.folder.parent / "home" / "progress.jsonl"
    events = [json.loads(line) for line in file.read_text("utf8").splitlines()]
    kinds = {(e["kind"], e.get("status", e.get("right"))) for e in events}
    assert {("exercise", "right"), ("exercise", "hint"), ("quiz", False)} <= kinds


CONTRAST = """() => {
    const light = c => {
        const [r, g, b] = c.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const parse = text => { const n = text.match(/[\\d.]+/g).map(Number); return n.length > 3 && n[3] === 0 ? null : n.slice(0, 3); };
    const behind = el => { for (; el; el = el.parentElement) { const c = parse(getComputedStyle(el).backgroundColor); if (c) return c; } return [255, 255, 255]; };
    const found = {};
    const walker = document.createTreeWalker(document.querySelector('.jp-Notebook'), NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const el = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !el.getClientRects().length) continue;
        if (el.closest('.jp-InputPrompt, .jp-OutputPrompt, .cm-editor, mjx-container, [style*="-10000px"], script, style, button:disabled')) continue;
        const [a, b] = [light(parse(getComputedStyle(el).color) || [0, 0, 0]), light(behind(el))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) found[el.localName + '.' + el.className] = [ratio.toFixed(2), walker.currentNode.data.trim().slice(0, 40)];
    }
    return found;
}"""


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_readable_in_both_themes(lecture, theme):
    """Every text of the lecture, its verdicts, quizzes and tables stands out from what is behind it (WCAG AA: 4.5 to 1)."""
    page = lecture.page
    page.locator(".lm-MenuBar-item", has_text=re.compile("^Settings$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Theme$")).hover()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{theme}$")).click()
    light = "true" if theme.endswith("Light") else "false"
    page.wait_for_selector(f'body[data-jp-theme-light="{light}"]', state="attached")
    page.wait_for_timeout(500)
    assert page.evaluate(CONTRAST) == {}


def test_headings_come_in_order(lecture):
    """One heading of level 1, no level left out: a screen reader's table of contents."""
    levels = lecture.page.evaluate(
        "() => [...document.querySelectorAll('.jp-Notebook .jp-MarkdownOutput :is(h1,h2,h3,h4)')].map(h => +h.localName[1])"
    )
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
