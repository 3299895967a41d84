"""Which number of a lecture's prose is which expression of its code, and how far the two may lie apart.

``claims/NN_topic.toml`` holds, by the id of a cell, what is true directly after that cell:

    autoencoder-reconstructions = [
      { text = "142 nats/image", value = 'cost[2]', within = 6 },
      { holds = 'cost[32] < cost[2]' },
    ]

text is the prose's, with its unit; value is evaluated in the kernel; within, in the same unit, is what other arithmetic and other machines
do to it.  The notebook tests and ``make execute`` judge them with the class budget; students never see them.
"""

import ast
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from .. import runtime

FOLDER = Path(runtime.__file__).parent / "claims"
_NUMBER = re.compile(r"[-+\u2212]?\d[\d,\u2009\u202f]*(?:\.\d+)?(?:[eE][-+]?\d+)?")


class ClaimError(Exception):
    """A file of claims that can't be used; the message names the file, the cell and the claim."""


def first_number(text):
    """The first number in ``text`` as a float; thousands may be set off by commas or thin spaces.  ValueError without one."""
    found = _NUMBER.search(text)
    if not found:
        raise ValueError(f"There is no number in {text!r}")
    return float(re.sub(r"[,\u2009\u202f]", "", found.group()).replace("\u2212", "-"))


@dataclass(frozen=True)
class Claim:
    """One claim.  cell: the id of the cell after which it is judged.  value: a Python expression; text: what the prose says of it.

    A relation, which quotes no number, has no text: its value is 1 where the relation holds.
    """

    cell: str
    value: str
    text: str = ""
    within: float = 0.0

    @property
    def expected(self):
        return first_number(self.text) if self.text else 1.0

    @property
    def question(self):
        """What the kernel is asked: the value, and the value moved to where the claim is false."""
        value = f"float({self.value})" if self.text else f"float(bool({self.value}))"
        move = (2.02 * self.within or 1) if self.text else -1
        return f"[repr(_value + _move) for _value in [{value}] for _move in (0, {move!r})]"

    def agrees(self, value):
        """Does a value that the code gave bear the claim out?  Not a number never does."""
        return abs(value - self.expected) <= self.within

    def __str__(self):
        if not self.text:
            return f"cell {self.cell}, {self.value} holds"
        return f"cell {self.cell}, the text says {self.text!r}, which is {self.value} within {self.within:g}"


def load(lecture, cells=None):
    """{cell id: [Claim, ...]} of a lecture such as "06_vae"; empty if it claims nothing.

    cells: ids of the cells that there are.  Raises ClaimError for a claim that is incomplete or can't be evaluated, and for one whose
    cell is not among ``cells``.
    """
    path = FOLDER / f"{lecture}.toml"
    if not path.is_file():
        return {}
    found = {}
    for cell, entries in tomllib.loads(path.read_text("utf8")).items():
        if cells is not None and cell not in cells:
            raise ClaimError(
                f"{path.name}: there is no cell {cell!r}; its {len(entries)} claims: {entries}"
            )
        found[cell] = [_claim(path.name, cell, entry) for entry in entries]
    return found


def _claim(file, cell, entry):
    if entry.keys() == {"holds"}:
        claim = Claim(cell, entry["holds"])
    elif entry.keys() == {"text", "value", "within"}:
        claim = Claim(cell, entry["value"], entry["text"], float(entry["within"]))
    else:
        raise ClaimError(f"{file}, {cell}: wanted text, value and within, or holds; found {entry}")
    try:
        ast.parse(claim.value, mode="eval")
        if claim.text:
            first_number(claim.text)
    except (SyntaxError, ValueError) as error:
        raise ClaimError(f"{file}, {cell}: {error} in {entry}") from None
    return claim


def judge(claims, client, reply_to):
    """What is wrong, a list of sentences, with the claims of a cell that has just run.

    client: the kernel's Jupyter client.  reply_to: takes the id of a message and returns the kernel's reply.  The expressions see the
    notebook's names and leave no trace: no name, no execution count.  Each claim is judged twice: as it stands, and with its value
    moved out of the tolerance, which has to be noticed.
    """
    questions = {str(number): claim.question for number, claim in enumerate(claims)}
    sent = client.execute("", silent=True, store_history=False, user_expressions=questions)
    answers = reply_to(sent)["content"]["user_expressions"]
    wrong = []
    for number, claim in enumerate(claims):
        answer = answers[str(number)]
        if answer["status"] != "ok":
            wrong.append(f"{claim}: {answer['ename']}: {answer['evalue']}")
            continue
        value, moved = map(float, ast.literal_eval(answer["data"]["text/plain"]))
        if not claim.agrees(value):
            wrong.append(f"{claim}: the code gives {value:.6g}")
        elif claim.agrees(moved):
            wrong.append(f"{claim}: {moved:.6g} would pass as well")
    return wrong


def wanted():
    """Are claims to be judged?  The prose quotes the class budget's figures."""
    return runtime.budget() == "class"
