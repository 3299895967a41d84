"""Every number that a lecture tells its reader is computed there, claimed there, or a fact from elsewhere that is listed here.

Told is what stands in the prose, in the titles and text alternatives of figures, and in the questions, right answers and feedback of
the quiz.  A number counts as covered when the same number
- stands in a claim (course_utils/claims): it is judged with a tolerance, on every machine;
- stands in what a cell prints whose output is compared (tag nbval-check-output);
- stands in the lecture's code: it is a setting, not a result;
- is whole, no percentage and below a thousand, and printed by any cell;
- is listed in prose_facts.toml with the reason why it can't be computed (published elsewhere, a date, the length of a lesson).
Years, mathematics, code, references, glossary and the instructor's minute plan are left out; ``make bench`` measures the times.
"""

import ast
import builtins
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest

import course_utils
from course_utils.commands import claims

HERE = Path(__file__).resolve().parent
FILES = sorted((HERE.parent / "notebooks").glob("*.ipynb"))
QUIZZES = HERE.parent / "course_utils" / "quizzes" / "en"
FACTS = tomllib.loads((HERE / "prose_facts.toml").read_text("utf8"))
SKIPPED = {"references", "glossary", "instructor"}
NUMBER = re.compile(
    r"(?<![\w.,#])[-+\u2212\u2013]?\d+(?:[,\u2009\u202f]\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?(?!\w)"
)
YEARS = range(1900, 2031)
COUNTED = 12  # whole numbers up to a dozen count things


class Told(NamedTuple):
    """A text that the reader is told.  where: a cell's id, with "alt" or "title" behind it for a figure's; "quiz" and a question's id."""

    where: str
    text: str


def size(text):
    """The number without its sign, thousands set off by commas or thin spaces."""
    return float(re.sub(r"[,\u2009\u202f\u2212\u2013+-]", "", text.split("e")[0])) * 10 ** int(
        (text.split("e") + ["0"])[1]
    )


def numbers(text):
    return {size(found) for found in NUMBER.findall(text)}


def plain(markdown):
    """Markdown without code, mathematics, addresses, tags, [references] and the line that says how long the lesson takes."""
    text = re.sub(r"^(```|~~~).*?^\1[ \t]*$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`\n]*`", "", text)
    text = re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$", "", text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)|\[\d+(, ?\d+)*\]|^\*\*Time\*\*.*$", "", text, flags=re.MULTILINE)
    return re.sub(r"<!--.*?-->|<[^>]+>", "", text, flags=re.DOTALL)


# --- what the reader is told ------------------------------------------------------------------------------------------


def figure_texts(tree):
    """[(argument, node), ...]: what a cell's code gives as titles and text alternatives of its figures."""
    found = []
    for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        found += [(k.arg, k.value) for k in call.keywords if k.arg in {"alt", "title"}]
        if getattr(call.func, "attr", "") in {"set_title", "suptitle"}:
            found += [("title", argument) for argument in call.args[:1]]
    return found


def literal(node):
    """The text of an expression as far as it stands in the code; what is computed becomes an ellipsis."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    parts = [n for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return "…".join(part.value for part in parts)


def quiz_texts(questions):
    """The quiz without its wrong answers, whose numbers are meant to be wrong."""
    for question in (q for part in questions.values() for q in part):
        texts = [question["question"], *(o["feedback"] for o in question["options"])]
        texts += [o["text"] for o in question["options"] if o.get("correct")]
        yield Told(f"quiz {question['id']}", "\n".join(texts))


def told_by(nb, questions):
    for cell in nb.cells:
        if cell.cell_type == "markdown" and cell.id not in SKIPPED:
            yield Told(cell.id, plain(cell.source))
        elif cell.cell_type == "code":
            for argument, node in figure_texts(ast.parse(cell.source)):
                yield Told(f"{cell.id} {argument}", plain(literal(node)))
    yield from quiz_texts(questions)


# --- what covers it ---------------------------------------------------------------------------------------------------


def printed(output):
    """The text of an output; those of figures are told, not compared."""
    if output.output_type == "stream":
        return output.text
    data = output.get("data", {})
    kinds = [k for k in data if k.startswith("text/")]
    if any(k.startswith("image/") for k in data):
        kinds = []
    return re.sub(r"<[^>]+>", " ", "\n".join(data[k] for k in kinds))


def settings(tree):
    """Numbers that the code is given, in its own right and in texts other than those of figures."""
    figures = {id(n) for _, node in figure_texts(tree) for n in ast.walk(node)}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in figures:
            if isinstance(node.value, str):
                found |= numbers(node.value)
            elif isinstance(node.value, (int, float)):
                found.add(abs(float(node.value)))
    return found


class Lesson:
    """A lecture with what is claimed about it, the listed facts, and the questions of its quiz.

    claimed: {cell id: [Claim, ...]}.  facts: {where: {number: reason}}.  questions: {part: [question, ...]}.
    """

    def __init__(self, nb, claimed, facts, questions):
        self.claims = [c for cs in claimed.values() for c in cs if c.text]
        self.facts = facts
        self.told = list(told_by(nb, questions))
        self.prose = [Told(c.id, c.source) for c in nb.cells if c.cell_type == "markdown"]
        self.covered = {size(n) for c in self.claims for n in NUMBER.findall(c.text)}
        self.printed = set()
        for cell in nb.cells:
            if cell.cell_type == "code":
                self.covered |= settings(ast.parse(cell.source))
                found = numbers("\n".join(map(printed, cell.get("outputs", []))))
                self.printed |= found
                if "nbval-check-output" in cell.metadata.get("tags", []):
                    self.covered |= found

    def uncovered(self, told=None):
        """[(where, number, surroundings), ...] of what nothing in the lecture covers, in ``told`` or in all that it tells."""
        missing = []
        for where, text in self.told if told is None else told:
            known = {size(n) for key in (where, "*") for n in self.facts.get(key, {})}
            for line in text.splitlines():
                for match in NUMBER.finditer(line):
                    value, percent = size(match.group()), "%" in line[match.end() :][:3]
                    result = "." in match.group() or percent or value >= 1000
                    if value in YEARS or (value <= COUNTED and not result):
                        continue
                    if value in self.covered | known or (value in self.printed and not result):
                        continue
                    around = line[max(0, match.start() - 40) : match.end() + 30]
                    missing.append((where, match.group(), around))
        return missing

    def left_the_text(self, prose=None):
        """Claims about what the text doesn't say any more, or says with another number or unit."""
        texts = [*(prose or self.prose), *(t for t in self.told if " " in t.where)]
        text = written("\n".join(t.text for t in texts))
        return [claim for claim in self.claims if not stands_in(claim.text, text)]


def written(text):
    """Text without what markdown, mathematics and typography put inside a phrase."""
    text = re.sub(r"[*_$`\\{}]", "", text).replace("\u2212", "-").replace("\u2013", "-")
    return re.sub(r"\s+", " ", text)


def stands_in(phrase, text):
    """Does the phrase stand in a ``written`` text, its number as a whole?  A minus sign may be left to the reader."""
    phrase = re.escape(written(phrase).lstrip("-"))
    return re.search(rf"(?<![\w.,]){phrase}(?!\w|[.,]\d)", text) is not None


@cache
def lesson(path):
    quiz = QUIZZES / f"{path.stem}.toml"
    questions = tomllib.loads(quiz.read_text("utf8")) if quiz.exists() else {}
    facts = FACTS.get(path.stem, {})
    return Lesson(nbformat.read(path, as_version=4), claims.load(path.stem), facts, questions)


# --- every lecture ----------------------------------------------------------------------------------------------------

every_lecture = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@every_lecture
def test_every_number_that_is_told_is_covered(path):
    wrong = lesson(path).uncovered()
    assert not wrong, "neither computed, claimed nor a listed fact:\n" + "\n".join(
        f"{where}: {number}   … {around} …" for where, number, around in wrong
    )


@every_lecture
def test_claims_are_about_the_text(path):
    cells = [cell.id for cell in nbformat.read(path, as_version=4).cells]
    claims.load(path.stem, cells)  # raises for a cell that is gone
    wrong = lesson(path).left_the_text()
    assert not wrong, "the text doesn't say this:\n" + "\n".join(map(str, wrong))


def made_by(tree):
    """Names that a cell's code makes."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


@every_lecture
def test_claims_use_names_that_are_there_by_then(path):
    """Without a kernel: each name in a claim's expression is made by its cell or an earlier one."""
    known, promised = {*course_utils.__all__, *dir(builtins)}, claims.load(path.stem)
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            known |= set(made_by(ast.parse(cell.source)))
        for claim in promised.get(cell.id, []):
            tree = ast.parse(claim.value)
            used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
            assert used <= known | set(made_by(tree)), f"{path.stem}: {used - known} in {claim}"


@every_lecture
def test_listed_facts_are_still_needed(path):
    """A fact whose number has left the text, or is computed by now, leaves the list."""
    book = lesson(path)
    for where, facts in book.facts.items():
        for number in facts:
            rest = {w: {n: r for n, r in f.items() if (w, n) != (where, number)} for w, f in book.facts.items()}  # fmt: skip
            book.facts, kept = rest, book.facts
            needed, book.facts = book.uncovered(), kept
            assert needed, f"{where}: {number} needs no entry any more"


@every_lecture
def test_text_alternatives_of_the_outputs_are_those_of_the_code(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        kept = [str(v.get("alt")) for o in cell.outputs for v in o.get("metadata", {}).values()]
        for name, node in figure_texts(ast.parse(cell.source)):
            if name == "alt" and isinstance(node, ast.Constant) and kept:
                shown = any(alt.startswith(node.value) for alt in kept)
                assert shown, f"{path.stem}, {cell.id}: run make execute again"


# --- falsified copies -------------------------------------------------------------------------------------------------


def falsified(number):
    """The number with another last digit."""
    i = max(i for i, sign in enumerate(number) if sign.isdigit())
    return number[:i] + str((int(number[i]) + 1) % 10) + number[i + 1 :]


def replaced(texts, claim):
    """[(where, texts), ...]: copies in which one place says another number than the claim; places that ``texts`` has only once."""
    number = NUMBER.search(claim.text).group().lstrip("-+\u2212\u2013")
    pattern = re.compile(rf"(?<![\w.,]){re.escape(number)}(?!\w|[.,]\d)")
    places = [(i, m) for i, t in enumerate(texts) for m in pattern.finditer(t.text)]
    if len(places) == 1:
        i, m = places[0]
        changed = texts[i].text[: m.start()] + falsified(number) + texts[i].text[m.end() :]
        yield texts[i].where, [*texts[:i], Told(texts[i].where, changed), *texts[i + 1 :]]


@every_lecture
def test_a_falsified_number_in_the_prose_is_named(path):
    """Each number that one place of the prose quotes, changed there: the place is named, or the claim that has lost its words."""
    book, tried = lesson(path), 0
    elsewhere = written("\n".join(t.text for t in book.told if " " in t.where))
    for claim in book.claims:
        for where, prose in replaced(book.prose, claim):
            if stands_in(claim.text, elsewhere):
                continue
            tried += 1
            lost = claim in book.left_the_text(prose)
            named = [
                w for w, *_ in book.uncovered([Told(w, plain(t)) for w, t in prose if w == where])
            ]
            assert lost or where in named, f"{where} says another number than {claim}"
    assert tried >= 4, f"only {tried} numbers were falsified"


@every_lecture
def test_a_falsified_number_in_a_figure_or_quiz_is_named(path):
    """Results with two digits behind the point, which nothing else in the lecture happens to equal."""
    book = lesson(path)
    for told in book.told:
        if " " not in told.where:
            continue
        for match in re.finditer(r"(?<![\w.,])\d+\.\d\d+(?!\w)", told.text):
            other = falsified(match.group())
            if size(other) in book.covered:
                continue
            text = told.text[: match.start()] + other + told.text[match.end() :]
            named = [
                (where, n.lstrip("-\u2212\u2013"))
                for where, n, _ in book.uncovered([Told(told.where, text)])
            ]
            assert (told.where, other) in named


def test_falsified_numbers_are_many():
    tried = [
        sum(1 for c in lesson(path).claims for _ in replaced(lesson(path).prose, c))
        for path in FILES
    ]
    assert sum(tried) >= 40


# --- the rules are tested on small lectures ---------------------------------------------------------------------------


def small(prose="", code="", output="", tags=(), claimed=(), facts=(), questions=()):
    nb = nbformat.v4.new_notebook()
    cell = nbformat.v4.new_code_cell(code, id="code", metadata={"tags": list(tags)})
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=output)]
    nb.cells = [nbformat.v4.new_markdown_cell(prose, id="prose"), cell]
    known = [claims.Claim("code", "x", text, 0.1) for text in claimed]
    return Lesson(nb, {"code": known}, dict(facts), {"after": list(questions)})


CHECKED = ["nbval-check-output"]
FIGURE = 'show(fig, alt="It ends at 2.13 bits.")'
QUIZ = {"id": "why", "question": "How?", "options": [{"text": "2.13 bits", "correct": True, "feedback": "Yes."}]}  # fmt: skip


@pytest.mark.parametrize(
    "lecture",
    [
        {"prose": "It reaches 2.13 bits.", "claimed": ["2.13 bits"]},
        {"prose": "It reaches −2.13 bits.", "output": "bits: -2.13", "tags": CHECKED},
        {"prose": "Drawn with temperature 0.7.", "code": "sample(temperature=0.7)"},
        {"prose": "All 10,000 digits.", "code": "images[:10_000]"},
        {"prose": "It makes 46 steps.", "output": "46 steps"},
        {"prose": "Three to 12 of them, see `x = 3.3` and $y = 4.4$."},
        {"code": FIGURE, "claimed": ["2.13 bits"]},
        {"code": 'ax.set_title(f"It ends at {bits:.2f} bits")'},
        {"questions": [QUIZ], "claimed": ["2.13 bits"]},
        {"questions": [QUIZ], "facts": {"quiz why": {"2.13": "invented"}}},
    ],
)
def test_covered(lecture):
    assert not small(**lecture).uncovered()


@pytest.mark.parametrize(
    ("where", "lecture"),
    [
        ("prose", {"prose": "It reaches 2.14 bits.", "claimed": ["2.13 bits"]}),
        ("prose", {"prose": "It reaches 2.13 bits.", "output": "bits: 2.13"}),  # never compared
        ("prose", {"prose": "That is 46 % of them.", "output": "46"}),
        ("prose", {"prose": "It makes 46 steps.", "output": "47 steps", "tags": CHECKED}),
        ("prose", {"prose": "Published: 81.30.", "facts": {"elsewhere": {"81.30": "[1]"}}}),
        (
            "prose",
            {"prose": "It reaches 2.13 bits.", "code": FIGURE, "facts": {"code alt": {"2.13": ""}}},
        ),
        ("code alt", {"code": FIGURE, "claimed": ["2.14 bits"]}),
        ("code title", {"code": 'ax.set(title="It ends at 2.13 bits")', "claimed": ["2.1 bits"]}),
        ("code title", {"code": 'ax.set_title(f"From {a:.2f} to 2.13 bits")'}),
        ("quiz why", {"questions": [QUIZ], "claimed": ["2.1 bits"]}),
    ],
)
def test_not_covered(where, lecture):
    assert [found for found, *_ in small(**lecture).uncovered()] == [where]


@pytest.mark.parametrize(
    ("prose", "left"),
    [
        ("It reaches **2.13** bits.", False),
        ("It reaches $-2.13$ bits.", False),
        ("It reaches 2.13 nats.", True),
        ("It reaches 2.134 bits.", True),
        ("It reaches 12.13 bits.", True),
        ("It reaches 2.1 bits.", True),
    ],
)
def test_a_claim_leaves_the_text(prose, left):
    assert bool(small(prose, claimed=["2.13 bits"]).left_the_text()) is left
