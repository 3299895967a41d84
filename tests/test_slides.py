"""course_utils.commands.slides: what stands in the file that `make slides` writes.  How it looks is tested in browser/test_slides.py."""

import base64
import html
import io
import re
import xml.etree.ElementTree as ElementTree

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from course_utils.commands import notebooks, slides


def cell(source, cell_id, slide="-", outputs=None, **more):
    metadata = {"slideshow": {"slide_type": slide}, **more}
    if outputs is None:
        return new_markdown_cell(source, id=cell_id, metadata=metadata)
    return new_code_cell(source, id=cell_id, metadata=metadata, outputs=outputs)


def png(width, height):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()


def drawn(width=1170, height=468, alt="a straight line that rises"):
    data = {"image/png": png(width, height), "text/plain": alt}
    return new_output("display_data", data, metadata={"image/png": {"alt": alt, "width": 900}})


@pytest.fixture
def page(tmp_path):
    """Text of the deck of these cells."""

    def page(*cells):
        path = tmp_path / "00_small.ipynb"
        nbformat.write(new_notebook(cells=list(cells), metadata=notebooks.METADATA), path)
        target = slides.export_slides(path, tmp_path / "slides")
        assert target == tmp_path / "slides" / "00_small.html"
        return target.read_text("utf8")

    return page


def body(text):
    return text[text.index('<div class="slides') : text.index("<script>\n/*!")]


def test_slide_types(page):
    text = body(
        page(
            cell("# T", "title", "slide"),
            cell("left out", "a-skip", "skip"),
            cell("second", "a-sub", "subslide"),
            cell("joins", "a-dash", "-"),
            cell("appears", "a-step", "fragment"),
            cell("said aloud", "a-note", "notes"),
            cell("## Next", "a-slide", "slide"),
            cell(
                "<details>\n<summary>For instructors</summary>\n\nplan\n\n</details>",
                "instructor",
                "notes",
            ),
        )
    )
    assert "left out" not in text
    first, second, third = re.findall(
        r"<section>\n((?:(?!</?section>).)+)</section>", text, re.DOTALL
    )
    assert "<h1>T</h1>" in first
    assert all(word in second for word in ["second", "joins", "appears", "said aloud"])
    assert '<div class="cell markdown step" data-cell="a-step"' in second
    assert '<aside class="notes"><p>said aloud</p>' in second
    assert "<h2>Next</h2>" in third and "notes" not in third
    # the instructor opens the lecture with the plan at hand
    assert "plan" in first and "<h4>For instructors</h4>" in first and "<details>" not in first


def test_nothing_is_loaded_and_the_engine_is_named(page):
    text = page(
        cell("# T\n\n[more](https://example.org) and [next](01_statistics.ipynb)", "title", "slide")
    )
    assert "default-src 'none'" in text and f"reveal.js {slides.engine()['version']}" in text
    assert "Permission is hereby granted" in text
    assert not re.search(r"<(script|img|iframe|link)[^>]*\b(src|href)=[\"'](?!data:)", body(text))
    assert 'href="01_statistics.html"' in text
    assert "{{" not in body(text)


def test_figure(page):
    text = body(page(cell("show(fig, fontsize=9)", "a-figure", "slide", [drawn()])))
    assert 'data-inches="9" data-font="9"' in text
    assert 'width="1170" height="468" alt="a straight line that rises"' in text


def test_a_figure_can_stand_alone(page):
    text = body(page(cell("plot = 1", "a-plot", "slide", [drawn()], tags=["hide-input"])))
    assert "plot" not in re.sub(r'data-cell="a-plot"', "", text) and "<figure" in text


def test_smallest_font():
    assert slides.smallest_font("ax.legend()") == 11
    assert slides.smallest_font("ax.text(0, 0, 'a', fontsize=13)") == 11
    assert slides.smallest_font("ax.legend(fontsize=9); f(labelsize=10.5)") == 9
    assert slides.smallest_font("ax.text(0, 0, 'a', size=8); ax.plot(x, y, size=3)") == 8
    assert slides.smallest_font("ax.legend(fontsize='small')") == 10
    assert slides.smallest_font("Fake(size=5); %magic") == 11


def test_outputs(page):
    outputs = [
        new_output("stream", name="stdout", text="\x1b[31ma < b\x1b[0m\n"),
        new_output(
            "display_data", {"text/html": "<audio controls src='data:audio/wav;base64,AA'></audio>"}
        ),
        new_output("execute_result", {"text/plain": "42"}, execution_count=1),
        new_output("display_data", {"text/html": '<div class="course-verdict">not started</div>'}),
    ]
    text = body(page(cell("x", "a-cell", "slide", outputs)))
    assert "not started" not in text  # the verdict on an exercise is for who does it
    assert "a &lt; b" in text and "\x1b" not in text and "<audio" in text and ">42\n" in text


def test_code_as_shown():
    source = (
        'fig = f()\nshow(\n    fig,\n    alt="Bars with ümlauts, one " \n    "after the other",\n)'
    )
    assert slides.shown_code(source) == "fig = f()\nshow(\n    fig,\n    alt=…,\n)"
    assert slides.shown_code("%time x") == "%time x"
    assert slides.code('quiz("before", lecture="02_entropy")') == ""


def test_code_is_cut_between_lines():
    source = '"""One\ntwo."""\n\n\nclass A:\n    """Doc\n    string."""\n\n    def f(self):\n        return 1 < 2\n\n\n@mark\ndef g():\n    pass'
    text = slides.code(source)
    root = ElementTree.fromstring(text)  # every line is whole
    lines = list(root)
    assert [line.get("class") for line in lines].count("line first") == 3
    assert "".join(lines[12].itertext()) == "@mark\n" and lines[12].get("class") == "line first"
    assert lines[8].get("class") == "line inner"
    assert "".join(root.itertext()).rstrip("\n") == source


def test_pictures_of_markdown_are_inside(page, tmp_path):
    (tmp_path / "a.png").write_bytes(base64.b64decode(png(4, 4)))
    text = page(cell("# T\n\n![four white pixels](a.png)", "title", "slide"))
    assert '<img src="data:image/png;base64,' in text and 'alt="four white pixels"' in text
    with pytest.raises(FileNotFoundError, match=r"missing\.png"):
        page(cell("![a picture that is lost](missing.png)", "title", "slide"))


def formulas():
    """Every formula of every notebook: (notebook, cell, LaTeX)."""
    for path in notebooks.paths():
        for found in nbformat.read(path, as_version=4).cells:
            if found.cell_type == "markdown":
                text = re.sub(r"^(```|~~~).*?^\1", "", found.source, flags=re.DOTALL | re.MULTILINE)
                text = re.sub(r"`[^`\n]*`", "", text)
                for block, inline in re.findall(r"\$\$(.*?)\$\$|\$([^$\n]+)\$", text, re.DOTALL):
                    yield path.stem, found.id, block or inline


def test_every_formula_of_the_course_is_understood():
    wrong, count = [], 0
    for lecture, cell_id, latex in formulas():
        count += 1
        try:
            tree = ElementTree.fromstring(slides.mathml(latex))
        except slides.UnreadableFormula as error:
            wrong.append(f"{lecture}, {cell_id}: {error}")
            continue
        shown = "".join(tree.itertext())
        if re.search(r"[\\&$#]", shown):
            wrong.append(f"{lecture}, {cell_id}: {latex!r} leaves {shown!r}")
    assert not wrong, "\n".join(wrong)
    assert count > 100


@pytest.mark.parametrize(
    ("latex", "shown"),
    [
        (r"\arg\max_\theta L", "argmaxθL"),
        (r"\Big\lfloor x \Big\rfloor", "⌊x⌋"),
        (r"\begin{aligned} a &= b \\ c &= d \end{aligned}", "a=bc=d"),
        (r"p_{\text{data}}(x) \le 10,000 / 2", "pdata(x)≤10,000/2"),
        (r"\mathbb{E}\left[-\log_2 p\right]", "𝔼[−log2p]"),
    ],
)
def test_mathematics(latex, shown):
    tree = ElementTree.fromstring(slides.mathml(latex, "block"))
    assert tree.get("display") == "block"
    assert "".join(tree.itertext()) == shown


def test_spaces_of_functions():
    text = slides.mathml(r"p \log p - \log(x)")
    assert (
        text.count("<mspace") == 2
    )  # around the first, which has an argument without brackets; none at the second


def test_unknown_mathematics_is_an_error(page):
    for latex in [r"\nosuchcommand x", r"\begin{nosuch} a & b \end{nosuch}"]:
        with pytest.raises(slides.UnreadableFormula, match="in cell title"):
            page(cell(f"# T\n\n${latex}$", "title", "slide"))


def test_every_notebook_makes_a_deck(tmp_path):
    for path in notebooks.paths():
        nb = nbformat.read(path, as_version=4)
        text = slides.deck(nb, path.stem, path.parent)
        assert 'data-status="' not in text  # of an exercise's verdict
        for found in nb.cells:
            kind = found.metadata.get("slideshow", {}).get("slide_type")
            if (
                kind in {"slide", "subslide"}
                and found.id != "preamble"
                and found.source
                and not found.source.startswith("quiz(")
            ):
                assert f'data-cell="{html.escape(found.id)}"' in text, (path.stem, found.id)
        if any(found.id == "instructor" for found in nb.cells):
            assert '<aside class="notes">' in text
