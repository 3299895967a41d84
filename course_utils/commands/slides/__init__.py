"""Lectures as decks: one HTML file each, with everything inside, for a browser without network.

The exporter turns a notebook's cells into slides by their slide type: ``slide`` begins a section, ``subslide`` a slide in it,
``fragment`` appears on a key press, ``-`` joins what stands before it, ``notes`` goes to the speaker's window, ``skip`` is left
out.  Here only the parts are made: text, mathematics (LaTeX to MathML), coloured code, figures with their size.  What fits on
one slide depends on the fonts of the machine that shows it, so deck.js lays the parts out when the deck is opened.
"""

import argparse
import ast
import base64
import html
import json
import mimetypes
import os
import re
import sys
from functools import cache
from pathlib import Path

import nbformat

from ... import data
from .. import notebooks
from ..base import BUILD, ROOT
from .formulas import UnreadableFormula, mathml

HERE = Path(__file__).resolve().parent
FOLDER = BUILD / "slides"
SMALLEST_FONT = (
    11  # points: the smallest text of the course's figures (legends), see plotting._STYLE
)
_NAMED_FONTS = {"small": 10, "x-small": 8.3, "xx-small": 6.9}  # of 12 points
_LIGHT, _DARK = "xcode", "github-dark"  # colours of code


# --- parts ------------------------------------------------------------------------------------------------------------


def _renderer(folder):
    from nbconvert.filters.markdown_mistune import IPythonRenderer

    class Renderer(IPythonRenderer):
        """Markdown with MathML, without anchors, and with pictures inside the page."""

        def inline_math(self, body):
            return mathml(body)

        def block_math(self, body):
            return mathml(body, "block")

        def multiline_math(self, text):
            return mathml(text.strip().strip("$"), "block")

        def latex_environment(self, name, body):
            return mathml(rf"\begin{{{name}}}{body}\end{{{name}}}", "block")

        def heading(self, text, level, **attrs):
            return f"<h{level}>{text}</h{level}>\n"

        def image(self, text, url, title=None):
            return f'<img src="{inside(url, folder)}" alt="{html.escape(text)}">'

        def link(self, text, url, title=None):
            if re.fullmatch(r"[\w-]+\.ipynb", url):
                url = url.removesuffix("ipynb") + "html"
            return f'<a href="{html.escape(url)}" target="_blank" rel="noopener">{text}</a>'

    return Renderer(escape=False, exclude_anchor_links=True)


def inside(url, folder):
    """The address of a local picture as a data: address.  Raises FileNotFoundError when it isn't there."""
    if url.startswith("data:"):
        return url
    file = Path(folder) / url
    if not file.is_file():
        raise FileNotFoundError(f"The picture {url} is not in the course; a deck can't show it.")
    kind = mimetypes.guess_type(file.name)[0] or "image/png"
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"


def markdown(text, folder=notebooks.FOLDER):
    """Markdown of a notebook as HTML."""
    from nbconvert.filters.markdown_mistune import MarkdownWithMath

    return MarkdownWithMath(renderer=_renderer(folder)).render(text)


def shown_code(source):
    """The code as a slide shows it: without the texts of ``alt=``."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # IPython's own syntax
        return source
    lines = [line.encode() for line in source.split("\n")]  # ast counts bytes
    cuts = []
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "alt":
            many = node.value.end_lineno > node.value.lineno or len(ast.unparse(node.value)) > 20
            if many:
                cuts.append(node.value)
    for node in sorted(cuts, key=lambda cut: -cut.lineno):
        first, last = node.lineno - 1, node.end_lineno - 1
        before, after = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
        lines[first : last + 1] = [before + "…".encode() + after]
    return b"\n".join(lines).decode().strip("\n")


def code(source):
    """Python as coloured HTML, one element a line, so that a long cell can go on on the next slide."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    text = shown_code(source)
    if not text.strip() or re.fullmatch(r"quiz\([^()]*\)", text):  # the questions are enough
        return ""
    coloured = highlight(text, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)).rstrip("\n")
    starts = {}  # line: where a reader doesn't mind turning the page
    try:
        for node in ast.parse(text).body:
            starts[_first_line(node)] = " first"
            for method in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(method, ast.FunctionDef):
                    starts[_first_line(method)] = " inner"
    except SyntaxError:
        pass
    lines = [
        f'<span class="line{starts.get(number, "")}">{line}\n</span>'
        for number, line in enumerate(_line_by_line(coloured), 1)
    ]
    longest = max(map(len, text.split("\n")))
    return f'<pre class="part code" data-columns="{longest}">{"".join(lines)}</pre>'


def _first_line(node):
    return min([node.lineno, *(mark.lineno for mark in getattr(node, "decorator_list", []))])


def _line_by_line(coloured):
    """Lines of highlighted code in which every <span> that goes over a line's end is closed and opened again."""
    open_tags = []
    for line in coloured.split("\n"):
        before = "".join(open_tags)
        for tag in re.findall(r"<span[^>]*>|</span>", line):
            if tag == "</span>":
                open_tags.pop()
            else:
                open_tags.append(tag)
        yield before + line + "</span>" * len(open_tags)


def png_size(image):
    """(width, height) in pixels of a PNG."""
    if image[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("A figure's output is no PNG; run the notebook again.")
    return int.from_bytes(image[16:20], "big"), int.from_bytes(image[20:24], "big")


def smallest_font(source):
    """Points of the smallest text in a figure: the course's smallest, or what the cell that draws it asks for."""
    sizes = [SMALLEST_FONT]
    try:
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    except SyntaxError:
        calls = []
    for call in calls:
        names = {"fontsize", "labelsize"}
        if getattr(call.func, "attr", "") in {"text", "annotate"}:
            names.add("size")
        for keyword in call.keywords:
            value = getattr(keyword.value, "value", None)
            if keyword.arg in names and isinstance(value, (int, float, str)):
                sizes.append(_NAMED_FONTS.get(value, 99) if isinstance(value, str) else value)
    return min(sizes)


def figure(data, metadata, source):
    """A PNG output as HTML.  data-inch: pixels of the file for one inch of the figure, data-font: points of its smallest text."""
    image = "".join(data["image/png"]).replace("\n", "")
    width, height = png_size(base64.b64decode(image))
    about = metadata.get("image/png", {})
    inches = (
        about.get("width", 0) / 100 or width / 100
    )  # plotting.show: a hundred CSS pixels an inch
    alt = about.get("alt") or "".join(data.get("text/plain", ""))
    return (
        f'<figure class="part" data-inches="{inches:g}" data-font="{smallest_font(source):g}">'
        f'<img src="data:image/png;base64,{image}" width="{width}" height="{height}" alt="{html.escape(alt)}"></figure>'
    )


def output(item, source, folder=notebooks.FOLDER):
    """One output of a cell as HTML: figure, HTML, Markdown, or text; "" if there is nothing to see."""
    from nbconvert.filters.ansi import strip_ansi

    if item.output_type == "stream":
        text = item.text
    elif item.output_type == "error":
        text = "\n".join(item.traceback)
    else:
        data = item.data
        if "image/png" in data:
            return figure(data, item.metadata, source)
        if "image/svg+xml" in data:
            return f'<figure class="part">{"".join(data["image/svg+xml"])}</figure>'
        if "text/html" in data and 'class="course-verdict"' in "".join(data["text/html"]):
            return ""  # a slide sets the task; the verdict is for who answers it
        if "text/html" in data:
            return f'<div class="html">{"".join(data["text/html"])}</div>'
        if "text/markdown" in data or "text/latex" in data:
            return f'<div class="html">{markdown(data.get("text/markdown") or data["text/latex"], folder)}</div>'
        text = data.get("text/plain", "")
    text = strip_ansi(text).strip("\n")
    if not text.strip():
        return ""
    lines = "".join(
        f'<span class="line first">{html.escape(line, quote=False)}\n</span>'
        for line in text.split("\n")
    )
    return f'<pre class="part text">{lines}</pre>'


def unfolded(text):
    """Notes are read, not clicked: <details> becomes a block whose summary is a heading."""
    text = re.sub(r"</?details[^>]*>", "", text)
    return re.sub(r"<summary[^>]*>(.*?)</summary>", r"<h4>\1</h4>", text, flags=re.DOTALL)


def cell_html(cell, folder=notebooks.FOLDER):
    """A cell as a <div class="cell"> with its parts in reading order; "" if there is nothing to see."""
    kind = cell.metadata.get("slideshow", {}).get("slide_type", "-")
    tags = cell.metadata.get("tags", [])
    try:
        if cell.cell_type == "markdown":
            parts = markdown(cell.source, folder)
        elif cell.cell_type == "code":
            shown = "" if "hide-input" in tags else code(cell.source)
            outputs = "".join(output(item, cell.source, folder) for item in cell.outputs)
            parts = shown + outputs
        else:
            return ""
    except UnreadableFormula as error:
        raise UnreadableFormula(f"in cell {cell.id}: {error}") from None
    if not parts.strip():
        return ""
    name = " ".join(["cell", cell.cell_type, *(["step"] if kind == "fragment" else [])])
    return f'<div class="{name}" data-cell="{html.escape(cell.id)}" data-tags="{html.escape(" ".join(tags))}">{parts}</div>\n'


# --- the deck ---------------------------------------------------------------------------------------------------------


def sections(nb, folder=notebooks.FOLDER):
    """[[slide, ...], ...]: the slides of each section of a notebook as HTML.  The instructor's block is a note of the first slide."""
    found, first_notes = [], ""
    for cell in nb.cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type", "-")
        if kind == "skip" or cell.id == "preamble":  # imports teach nothing on a slide
            continue
        if kind == "notes":
            note = f'<aside class="notes">{unfolded(markdown(cell.source, folder))}</aside>\n'
            if cell.id == "instructor" or not found:
                first_notes += note
            else:
                found[-1][-1] += note
            continue
        part = cell_html(cell, folder)
        if kind == "slide" or not found:
            found.append([part])
        elif kind == "subslide":
            found[-1].append(part)
        else:
            found[-1][-1] += part
    found = [kept for slides in found if (kept := [slide for slide in slides if slide.strip()])]
    if found:
        found[0][0] += first_notes
    return found


@cache
def engine():
    """reveal.js as brought at set-up: version, licence, css, js, notes.  Raises DataError, which says how to bring it."""
    path, problem = data.find_text("revealjs")
    if problem:
        raise data.DataError(problem)
    return json.loads(path.read_text("utf8"))


def _inside(text):
    """Text that can stand inside of a <script> or <style>."""
    return re.sub(r"</(script|style)", r"<\\/\1", text)


def _asset(name):
    return _inside((HERE / name).read_text("utf8"))


def _code_styles():
    from pygments.formatters import HtmlFormatter

    light, dark = (HtmlFormatter(style=style) for style in (_LIGHT, _DARK))
    rules = [light.get_style_defs(".code"), dark.get_style_defs(".dark .code")]
    return "\n".join(re.sub(r"(^|\n)(pre|td|span)[^\n]*", "", text) for text in rules)


def deck(nb, name, folder=notebooks.FOLDER):
    """A notebook as the text of a self-contained HTML page.  Raises UnreadableFormula, naming the cell."""
    title = re.search(r"^#\s+(.*)", nb.cells[0].source, re.MULTILINE) if nb.cells else None
    body = "".join(
        "<section>\n"
        + "".join(f"<section>\n{slide}</section>\n" for slide in slides)
        + "</section>\n"
        for slides in sections(nb, folder)
    )
    values = {
        "title": html.escape(re.sub(r"[$*`]", "", title.group(1)) if title else name),
        "engine": f"reveal.js {engine()['version']}",
        "licence": _inside(engine()["licence"]),
        "styles": "\n".join([_inside(engine()["css"]), _asset("deck.css"), _code_styles()]),
        "slides": body,
        "reveal": _inside(engine()["js"]),
        "notes": _inside(engine()["notes"]),
        "script": _asset("deck.js"),
    }
    page = (HERE / "deck.html").read_text("utf8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match.group(1)], page)


def export_slides(path, folder=FOLDER):
    """Write a lecture as a deck, from its committed outputs; returns the path of the HTML file."""
    path, folder = Path(path), Path(folder)
    nb = nbformat.read(path, as_version=4)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{path.stem}.html"
    target.write_text(deck(nb, path.stem, path.parent), "utf8", newline="\n")
    return target


def main(argv=None):
    """``python -m course_utils.commands.slides [NAME ...]``."""
    parser = argparse.ArgumentParser(prog="python -m course_utils.commands.slides")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args(argv)
    todo = notebooks.wanted(args.names)
    failed = not todo
    for path in todo:
        try:
            print(os.path.relpath(export_slides(path), ROOT), flush=True)
        except (ValueError, FileNotFoundError, data.DataError) as error:
            failed += 1
            print(f"{path.stem}: {error}", file=sys.stderr)
    return 1 if failed else 0
