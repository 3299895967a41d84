"""Every slide of every deck that `make slides` writes, in a browser window of 1280 x 720, opened as a file.

How small a figure's text is: figures are PNGs of plotting.DPI pixels an inch, so a text of f points is f / 72 * (shown width) /
(inches) pixels high (the em; capitals are 0.7 of it).  f is the smallest font of the course's style, or the smallest `fontsize=`
in the cell's code.  14 px of 720 are as much as code has: 2 % of the picture's height.
"""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_utils import plotting
from course_utils.commands import notebooks, slides

TEXT, CODE, FIGURE = 18, 14, 14  # px at least, of 720
MAX_PAGES = 45  # what is shown in 90 minutes; a long slide of the notebook is several of them
CHECK = """dpi => {
    const found = [];
    const frame = {left: 50, right: 1230, top: 30, bottom: 656};
    for (const slide of Reveal.getSlides()) {
        const {h, v} = Reveal.getIndices(slide);
        Reveal.slide(h, v, 99);  // all that appears step by step has appeared
        const cells = [...slide.querySelectorAll('.cell')];
        const cell = cells.map(c => c.dataset.cell).filter(Boolean)[0];
        const say = text => found.push([cell || '?', text]);
        const shown = el => el.getClientRects().length > 0;
        if (Reveal.getCurrentSlide() !== slide || !shown(slide)) say('is not shown');
        for (const el of slide.querySelectorAll('.cell *')) {
            const box = el.getBoundingClientRect();
            if (!box.width || !box.height || (el.namespaceURI.endsWith('MathML') && el.localName !== 'mrow')) continue;
            if (box.bottom > frame.bottom || box.right > frame.right || box.left < frame.left || box.top < frame.top) {
                say(`goes over the edge: ${el.localName} to ${Math.round(box.right)}, ${Math.round(box.bottom)} px`);
                break;
            }
        }
        for (const figure of slide.querySelectorAll('.beside figure')) {
            const em = parseFloat(slide.style.getPropertyValue('--text')), room = figure.closest('.cell').clientWidth - figure.offsetWidth;
            if (room < 9 * em) say('a word a line stands beside a figure');
        }
        for (const el of slide.querySelectorAll('.cell *'))
            if (/auto|scroll/.test(getComputedStyle(el).overflow + getComputedStyle(el).overflowY)) say('scrolls inside');
        let text = '';
        const sizes = {text: 99, code: 99};
        const walker = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
            const node = walker.currentNode, parent = node.parentElement;
            if (!node.data.trim() || !shown(parent) || parent.closest('.notes, button')) continue;
            const size = parseFloat(getComputedStyle(parent.closest('math') || parent).fontSize);
            const kind = parent.closest('pre, code') ? 'code' : 'text';
            sizes[kind] = Math.min(sizes[kind], size);
            if (kind === 'text' && !parent.closest('math')) text += node.data;
        }
        found.push([cell || '?', sizes]);
        const left = text.match(/[^$]{0,30}(\\$|\\\\\\(|\\\\[a-z]{2,})[^$]{0,30}/);
        if (left) say(`mathematics that is not drawn: ${left[0]}`);
        const images = [...slide.querySelectorAll('.cell img')];
        if (!text.trim() && !images.length && !slide.querySelector('pre, math, audio, svg')) say('has no content');
        for (const img of images) {
            if (!img.complete || !img.naturalWidth) say('a picture is missing');
            if (!img.alt || img.alt.trim().length < 20) say('a picture has no text alternative');
            const figure = img.closest('figure[data-font]');
            if (!figure) continue;
            const points = parseFloat(figure.dataset.font), width = img.getBoundingClientRect().width;
            found.push([cell || '?', {figure: points / 72 * width / (img.naturalWidth / dpi)}]);
        }
        for (const button of slide.querySelectorAll('.buttons button')) {
            const dialog = document.querySelector('dialog.over'), about = button.textContent;
            let screens = 0;
            for (button.click(); dialog.open && screens < 4; dialog.click(), screens++) {
                if (dialog.scrollHeight > innerHeight || dialog.scrollWidth > innerWidth) say(`${about}: larger than the screen`);
                const shown = dialog.firstElementChild, kind = shown.tagName === 'PRE' ? 'code' : 'text';
                found.push([cell, {[kind]: parseFloat(getComputedStyle(shown).fontSize)}]);
                if (!shown.innerText.trim()) say(`${about}: empty`);
            }
            if (!screens || dialog.open) say(`${about}: does not open and close`);
        }
    }
    return found;
}"""

SEVERAL_PAGES = """() => Reveal.getSlides().filter(s => s.dataset.part?.startsWith('1 of'))
    .map(s => `${s.querySelector('[data-cell]').dataset.cell} (${s.dataset.part.split(' ').at(-1)})`).join(', ')"""


@pytest.fixture(scope="module")
def open_deck(browser, tmp_path_factory):
    """Opens the deck of a lecture (or of a notebook's file) as a file; the page notes in ``asked`` what it loads and in ``errors`` what goes wrong."""
    folder, made, pages = tmp_path_factory.mktemp("slides"), {}, []

    def open_deck(name, query="", **context):
        path = name if isinstance(name, Path) else notebooks.paths([name])[0]
        if name not in made:
            made[name] = slides.export_slides(path, folder)
        page = browser.new_page(viewport={"width": 1280, "height": 720}, **context)
        pages.append(page)
        page.asked, page.errors = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on(
            "console", lambda note: page.errors.append(note.text) if note.type == "error" else 0
        )
        page.goto(made[name].as_uri() + query)
        ready = "html[data-print-ready]" if "print-pdf" in query else "html[data-ready]"
        page.wait_for_selector(ready, state="attached", timeout=30_000)
        return page

    yield open_deck
    for page in pages:
        page.close()


def complaints(found):
    for cell, what in found:
        if isinstance(what, str):
            yield cell, what
            continue
        for kind, least in {"text": TEXT, "code": CODE, "figure": FIGURE}.items():
            if what.get(kind, 99) < least - 0.06:
                yield cell, f"{kind} is {what[kind]:.1f} px high; {least} is wanted"


@pytest.mark.parametrize("name", [path.stem for path in notebooks.paths()])
def test_every_slide(open_deck, name):
    page = open_deck(name)
    wrong = [f"{cell}: {what}" for cell, what in complaints(page.evaluate(CHECK, plotting.DPI))]
    assert not wrong, f"{len(wrong)} complaints\n" + "\n".join(wrong)
    total = page.evaluate("Reveal.getTotalSlides()")
    assert total > 10
    several = page.evaluate(SEVERAL_PAGES)
    assert total <= MAX_PAGES, f"{total} pages; at most {MAX_PAGES}. On several: {several}"
    assert not page.errors
    assert {url.split(":")[0] for url in page.asked} <= {"file", "data"}
    assert sum(url.startswith("file:") for url in page.asked) == 1  # the deck itself
    page.close()


@pytest.fixture(scope="module")
def deck(open_deck):
    return open_deck("02_entropy")


def counter(page):
    return " ".join(page.locator(".slide-number").inner_text().split())


def test_keys_and_counter(deck):
    total = deck.evaluate("Reveal.getTotalSlides()")
    deck.evaluate("Reveal.slide(0, 0)")
    for number in range(1, 6):  # one key goes through everything, sections and steps
        assert counter(deck) == f"{number} / {total}"
        while counter(deck) == f"{number} / {total}":
            deck.keyboard.press("ArrowRight")
    deck.keyboard.press("ArrowLeft")
    assert counter(deck) == f"5 / {total}"
    deck.keyboard.press("End")
    assert counter(deck).startswith(f"{total} /")
    deck.wait_for_url("**/*#/*", timeout=5_000)  # a slide has an address


def test_dark_and_light(deck):
    colours = "() => [getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    light = deck.evaluate(colours)
    deck.keyboard.press("d")
    dark = deck.evaluate(colours)
    deck.keyboard.press("d")
    assert light == deck.evaluate(colours) != dark

    def brightness(colour):
        return sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(","))) / 765

    assert brightness(light[1]) - brightness(light[0]) > 0.7
    assert brightness(dark[0]) - brightness(dark[1]) > 0.7


def go_to(page, selector):
    """Show the first slide that holds such an element."""
    page.evaluate(
        """selector => {
        const slide = Reveal.getSlides().find(s => s.querySelector(selector));
        const {h, v} = Reveal.getIndices(slide);
        Reveal.slide(h, v);
    }""",
        selector,
    )


def test_code_behind_a_key(deck):
    go_to(deck, "button.show-code")
    code = deck.locator("dialog.over")
    assert not code.is_visible()
    deck.keyboard.press("c")
    assert code.is_visible() and len(code.inner_text()) > 40
    before = counter(deck)
    deck.keyboard.press("Escape")
    assert not code.is_visible() and counter(deck) == before


def test_answers_behind_a_key(deck):
    go_to(deck, "[data-cell=quiz-before]")
    answers = deck.locator("dialog.over")
    questions = deck.locator("section.present section.present li:has(ol)").count()
    assert questions >= 3 and not answers.is_visible()
    assert deck.locator("h3", has_text="Show the answers").count() == 0  # no slide of their own
    before = counter(deck)
    deck.keyboard.press("a")
    assert answers.is_visible() and answers.locator("li").count() == questions
    deck.keyboard.press("a")
    assert not answers.is_visible() and counter(deck) == before
    deck.locator(".present .show-answers").click()
    assert answers.is_visible()
    deck.keyboard.press(" ")
    assert not answers.is_visible() and counter(deck) == before
    deck.keyboard.press("End")  # no quiz
    deck.keyboard.press("a")
    assert not answers.is_visible()


def small(tmp_path, *cells):
    """The file of a notebook with these cells."""
    path = tmp_path / "00_small.ipynb"
    nbformat.write(new_notebook(cells=list(cells), metadata=notebooks.METADATA), path)
    return path


def test_an_answer_without_a_paragraph(open_deck, tmp_path):
    question = "Which one?\n\n<details><summary>Look</summary>The third.</details>\n\nGo on."
    path = small(tmp_path, new_markdown_cell(question, id="which"))
    page = open_deck(path)
    assert page.locator("section.page").all_inner_texts() == ["Which one?\n\nGo on.\n\nLook"]
    page.keyboard.press("a")
    assert page.locator("dialog.over .answers").inner_text() == "Look\nThe third."
    printed = open_deck(path, "?print-pdf").locator("section.page").all_inner_texts()
    assert [text.split() for text in printed] == [
        ["Which", "one?"],
        ["Look", "The", "third.", "Go", "on."],
    ]


@pytest.mark.parametrize(("lines", "pages"), [(20, 2), (21, 1)])
def test_long_code_is_folded_where_that_saves_a_page(open_deck, tmp_path, lines, pages):
    words = "A sentence of about a dozen words that takes room on the slide. " * 22
    source = "\n".join(f"x{i} = {i}" for i in range(lines))
    outputs = [new_output("stream", name="stdout", text="found: 1")]
    code = new_code_cell(source, id="a", outputs=outputs)
    page = open_deck(small(tmp_path, new_markdown_cell(words, id="words"), code))
    assert page.evaluate("Reveal.getTotalSlides()") == pages
    assert page.locator(".show-code").count() == (pages == 1)
    assert page.evaluate(SEVERAL_PAGES) == ("" if pages == 1 else "words (2)")


def test_speaker_sees_the_instructors_block(open_deck):
    page = open_deck("02_entropy")
    page.bring_to_front()
    with page.expect_popup() as opened:
        page.keyboard.press("s")
    window = opened.value
    window.get_by_text("Minute plan").first.wait_for(timeout=30_000)
    assert not page.errors
    window.close()
    page.close()


def test_print(open_deck, tmp_path):
    page = open_deck("02_entropy", "?print-pdf")
    assert page.locator("h3", has_text="Show the answers").count() == 1  # of the quiz before
    assert page.locator(".buttons:visible").count() == 0
    total = len(page.query_selector_all(".pdf-page"))
    assert total == page.evaluate("Reveal.getSlides().length")
    content = page.pdf(prefer_css_page_size=True, print_background=True)
    assert content.startswith(b"%PDF")
    assert content.count(b"/Type /Page\n") + content.count(b"/Type /Page ") in {total, total + 1}
    assert {url.split(":")[0] for url in page.asked} <= {"file", "data"}
