"""What the steps of ``make test`` report: how many passed, and what took how long."""

import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from dataclasses import dataclass

NOTHING_CHOSEN = 5  # pytest's exit code when no test fits


@dataclass(frozen=True)
class Counts:
    """Results of a step."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other):
        return Counts(
            self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped
        )

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def counts(report, code, may_be_empty=False):
    """Counts of a step from pytest's XML ``report`` and exit ``code``; without a report the step is one test.

    A step that ended with an error counts as failed whatever its report says.  may_be_empty: no test at all is no failure.
    """
    if report is None:
        return Counts(passed=1) if code == 0 else Counts(failed=1)
    if code == NOTHING_CHOSEN and may_be_empty:
        return Counts()
    total = dict.fromkeys(["tests", "failures", "errors", "skipped"], 0)
    try:
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            for key in total:
                total[key] += int(suite.get(key, 0))
    except (OSError, ElementTree.ParseError):
        return Counts(failed=1)
    failed = total["failures"] + total["errors"]
    passed = max(0, total["tests"] - failed - total["skipped"])
    return Counts(passed, failed or int(code != 0), total["skipped"])


def seconds(report):
    """{lecture: {cell: seconds}} or {file of tests: {test: seconds}} of an XML report; {} when there is none that can be read."""
    found = defaultdict(lambda: defaultdict(float))
    try:
        cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return {}
    for case in cases:
        # "notebooks.06_vae.ipynb", "tests.test_core"
        file = case.get("classname", "").removesuffix(".ipynb").split(".")[1:2]
        found["".join(file)][case.get("name", "")] += float(case.get("time", 0))
    return found


def slowest(took, cells=10):
    """Lines that say what took how long: all lectures, then the slowest cells, slowest first."""
    whole = {lecture: sum(each.values()) for lecture, each in took.items()}
    single = [
        (s, f"{lecture}: {cell}") for lecture, each in took.items() for cell, s in each.items()
    ]
    lines = ["seconds  lecture"]
    lines += [f"{whole[name]:7.0f}  {name}" for name in sorted(whole, key=whole.get, reverse=True)]
    lines += [f"{sum(whole.values()):7.0f}  in all", "", "seconds  cell"]
    return lines + [f"{s:7.0f}  {name}" for s, name in sorted(single, reverse=True)[:cells]]
