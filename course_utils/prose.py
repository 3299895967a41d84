"""Numbers that the text of a lecture quotes are tied to the code that computes them."""

import re
import warnings

from . import settings
from .texts import message

_NUMBER = re.compile(r"[-+\u2212]?\d[\d,\u2009\u202f]*(?:\.\d+)?(?:[eE][-+]?\d+)?")


def first_number(text):
    """The first number in ``text`` as a float; thousands may be set off by commas or thin spaces."""
    found = _NUMBER.search(text)
    if not found:
        raise ValueError(f"There is no number in {text!r}")
    return float(re.sub(r"[,\u2009\u202f]", "", found.group()).replace("\u2212", "-"))


def quoted(text, value, within):
    """Tie a number that the prose quotes to the value computed here.

    text: as the prose has it, with its unit: "4.56 bits/char".  value: the number just computed (anything ``float`` takes).
    within: how far they may lie apart, in the same unit.  Silent when they agree.  A student who changed an experiment gets a
    friendly note; with COURSE_STRICT=1 (the tests) a disagreement raises AssertionError.
    """
    expected, value = first_number(text), float(value)
    if abs(value - expected) <= within:
        return
    note = message("quoted.differs", text=text, value=f"{value:.6g}", within=f"{within:g}")
    if settings.get("COURSE_STRICT"):
        raise AssertionError(note)
    warnings.warn(note, stacklevel=2)
