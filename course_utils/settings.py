"""Every setting of the course: the ``COURSE_*`` variables of the environment, declared and read here and nowhere else.

An empty variable is an unset one; upper and lower case don't matter where words are chosen.  Only the standard library: commands
read settings before anything is installed.
"""

import os
from dataclasses import dataclass
from pathlib import Path

_YES = {"yes": True, "y": True, "true": True, "on": True, "1": True}
_NO = {"no": False, "n": False, "false": False, "off": False, "0": False, "none": False}


class SettingError(ValueError):
    """A setting has a value that can't be used; the message names the variable and the right values."""

    def _render_traceback_(self):
        return [f"{type(self).__name__}: {self}"]


@dataclass(frozen=True)
class Setting:
    """What a setting means and how its text is read.

    kind: bool ("yes", "no" and their like), int or float (from ``low`` up), Path (``~`` is the home folder), str (any text, or one of
    ``choices``).  default: what ``get`` returns while it isn't set.
    """

    meaning: str
    kind: type = str
    default: object = None
    choices: tuple = ()
    low: float = 0

    def read(self, name, text):
        """The value of ``text``, which stands in the variable ``name``.  Raises SettingError."""
        try:
            if self.kind is bool:
                return (_YES | _NO)[text.lower()]
            if self.choices:
                return {choice.lower(): choice for choice in self.choices}[text.lower()]
            value = Path(text).expanduser().absolute() if self.kind is Path else self.kind(text)
            if self.kind in (int, float) and not value >= self.low:
                raise ValueError
            return value
        except (KeyError, ValueError, RuntimeError):  # RuntimeError: ~ where there is no home
            raise SettingError(
                f"{name}={text!r} can't be used: {self._right()} ({self.meaning})."
            ) from None

    def _right(self):
        if self.kind is bool:
            return "choose yes or no"
        if self.choices:
            return f"choose {', '.join(self.choices[:-1])} or {self.choices[-1]}"
        if self.kind is Path:
            return "give the path of a file or folder"
        return f"give a {'whole ' if self.kind is int else ''}number, {self.low:g} or more"


SETTINGS = {
    # lectures
    "COURSE_BUDGET": Setting("how long lectures train: seconds, a lesson, or as long as it takes", default="class", choices=("fast", "class", "full")),
    "COURSE_LANG": Setting("language of quizzes, verdicts and messages; what isn't translated is English", default="en", choices=("en", "uk", "ru")),
    "COURSE_PROJECTOR": Setting("figures and their text larger, for the back row", bool, False),
    "COURSE_THREADS": Setting("threads of a kernel; unset: every core, at most eight", int, low=1),
    "COURSE_PRECISION": Setting("what layers compute in under autocast; auto asks the CPU", default="auto", choices=("auto", "float32", "bfloat16")),
    "COURSE_HOME": Setting("folder for what a student makes: results, progress, answers", Path),
    "COURSE_CACHE": Setting("folder for files that the course can make or bring again", Path),
    # authors and tests
    "COURSE_STRICT": Setting("a text that leaves its picture is an error", bool, False),
    "COURSE_RECORD": Setting("results go into the shipped leaderboard", bool, False),
    "COURSE_CLASSROOM": Setting("the tests that take a quarter of an hour run too", bool, False),
    "COURSE_SERVER": Setting("the tests that start a class server run too", bool, False),
    "COURSE_REQUIRE_BROWSER": Setting("browser tests fail, instead of being skipped, where there is no browser", bool, False),
    "COURSE_CHROMIUM": Setting("the browser of the browser tests", Path),
    "COURSE_NETWORK_LOG": Setting("file in which the tests write down who asked for the network", Path),
    # installing
    "COURSE_VENV": Setting("folder of the virtual environment; unset: .venv", Path),
    "COURSE_TORCH": Setting("build of PyTorch on Linux; auto: the small one where there is no NVIDIA GPU", default="auto", choices=("auto", "cpu", "cuda")),
    "COURSE_TORCH_INDEX": Setting("mirror of PyTorch's index of CPU wheels"),
    "COURSE_CONSTRAINTS": Setting("file of tested versions, or none for the newest", default="constraints.txt"),
    "COURSE_DISK_CHECK": Setting("installing asks for room on the disk first", bool, True),
    # class server
    "COURSE_STUDENTS": Setting("how many students may have a lecture open; unset: as many as the memory holds", int, low=1),
    "COURSE_KERNEL_GB": Setting("memory of one kernel in GB; 0: no limit", float),
    "COURSE_SERVER_CONFIG": Setting("JupyterHub configuration of your own, read last", Path),
    # what `make server` says to the processes that it starts
    "COURSE_SERVER_ADDRESS": Setting("host:port at which students find the server"),
    "COURSE_SERVER_HUB_PORT": Setting("port of the hub behind it", int, low=1),
    "COURSE_SERVER_PROXY": Setting("command of the proxy, a word a line"),
    "COURSE_SERVER_PROXY_PORT": Setting("port of the proxy's own interface", int, low=1),
    "COURSE_SERVER_STATE": Setting("folder of the hub's database and keys", Path),
    "COURSE_REHEARSAL": Setting("students and folders of a rehearsal, as JSON"),
}  # fmt: skip


def get(name):
    """The value of the setting ``name``, or its default where it isn't set.  Raises SettingError for a value that can't be used."""
    setting = SETTINGS[name]
    text = os.environ.get(name, "").strip()
    return setting.read(name, text) if text else setting.default
