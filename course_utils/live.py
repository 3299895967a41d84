"""What is seen of a training while it runs: the curve that fit() draws, and countdown() for a loop of a lecture's own."""

import math
import time

import matplotlib as mpl
from IPython import get_ipython
from IPython.display import display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from . import plotting
from .texts import message

_REDRAW = 1.0  # seconds between two pictures of the live curve


def countdown(steps, title="Training"):
    """Step numbers 1..steps for a loop that a lecture writes itself; shows how far it is and what time is left.

    The stop button ends the loop early, between two steps or within one: what the loop has changed so far stays, the line says at which
    step it stopped, and the notebook goes on.  Wrap the loop's body in no ``try`` of your own.

    steps: number of updates.  Usage: ``with countdown(500, "GAN") as steps: for step in steps: ...``
    """
    return _Countdown(steps, title)


class _Countdown:
    """Context that swallows the interrupt of a training, and the iterator inside it."""

    def __init__(self, steps, title):
        if steps < 1:
            raise ValueError(f"countdown needs steps >= 1; got {steps}")
        self.steps, self.title, self.done = steps, title, 0
        self.interrupted = False
        self.seconds = self.cpu_seconds = 0.0
        shell = get_ipython()
        self._live = shell is not None and getattr(shell, "kernel", None) is not None
        self._handle = None

    def __enter__(self):
        self._start, self._cpu_start = time.perf_counter(), time.process_time()
        return self

    def __iter__(self):
        drawn = self._start
        for step in range(1, self.steps + 1):
            yield step
            self.done = step
            now = time.perf_counter()
            if now - drawn > _REDRAW:
                left = (now - self._start) / step * (self.steps - step)
                self._say(message("fit.progress", step=step, steps=self.steps, left=f"{left:.0f}"))
                drawn = now

    def __exit__(self, kind, error, trace):
        self.seconds = time.perf_counter() - self._start
        self.cpu_seconds = time.process_time() - self._cpu_start
        self.interrupted = kind is KeyboardInterrupt
        if self.interrupted:
            self._say(message("fit.interrupted_last", step=self.done, steps=self.steps))
        elif kind is None:
            self._say(_done(self.done, self.cpu_seconds))
        return self.interrupted

    def _say(self, status):
        text = f"{self.title}: {status}"
        if not self._live:
            if self.interrupted:
                print(text)
        elif self._handle is None:
            self._handle = display({"text/plain": text}, raw=True, display_id=True)
        else:
            self._handle.update({"text/plain": text}, raw=True)


class Curve:
    """The picture of a training.  Outside of a notebook it stays silent."""

    def __init__(self, title, unit, steps):
        self.title, self.unit, self.steps = title, unit, steps
        self.note = ""
        self._drawn = time.perf_counter()
        self._handle = None
        shell = get_ipython()
        self._live = (
            bool(title) and shell is not None and getattr(shell, "kernel", None) is not None
        )

    def update(self, history, seconds):
        if not self._live or time.perf_counter() - self._drawn < _REDRAW:
            return
        done = len(history.loss)
        left = seconds / done * (self.steps - done)
        self._show(
            history, message("fit.progress", step=done, steps=self.steps, left=f"{left:.0f}")
        )
        self._drawn = time.perf_counter()

    def finish(self, history):
        if self._live and history.loss:
            text = self.note or _done(len(history.loss), history.cpu_seconds)
            self._show(history, text, final=True)
        elif self.note:
            print(self.note)

    def _show(self, history, status, final=False):
        with mpl.rc_context({"font.size": 11}):
            figure = Figure(figsize=(7, 2.8))
            FigureCanvasAgg(figure)
            ax = figure.subplots()
            steps, loss = _thin(history.steps, history.loss)
            ax.plot(
                steps, loss, color=plotting.COLORS["sky"], linewidth=1.2, label="training batch"
            )
            if history.valid:
                ax.plot(
                    history.valid_steps,
                    history.valid,
                    "o-",
                    color=plotting.COLORS["red"],
                    markersize=4,
                    label="held out",
                )
                ax.legend()
            ax.set(xlabel="step", ylabel=self.unit or "loss", xlim=(0, self.steps))
            self._limits(ax, loss, history.valid)
            ax.set_title(f"{self.title}: {status}", fontsize=11)
            valid = (
                message("fit.alt_valid", valid=f"{history.valid[-1]:.4g}", unit=self.unit)
                if history.valid
                else ""
            )
            alt = message(
                "fit.alt",
                title=self.title,
                first=f"{history.loss[0]:.4g}",
                last=f"{loss[-1]:.4g}",
                unit=self.unit,
                steps=len(history.loss),
                valid=valid,
            )
            if self.note:  # what the title says of an interrupt or a number that is not finite
                alt = f"{alt} {self.note}"
            image = plotting.png(figure, dpi=100, small=final)
            data, metadata = plotting.picture(image, alt, width=plotting.page_width(figure))
        if self._handle is None:
            self._handle = display(data, metadata=metadata, raw=True, display_id=True)
        else:
            self._handle.update(data, metadata=metadata, raw=True)

    @staticmethod
    def _limits(ax, loss, valid):
        """The first steps are often far off the rest; don't let them flatten the curve."""
        tail = [v for v in [*loss[len(loss) // 20 :], *valid] if math.isfinite(v)]
        low, high = min(tail), max(tail)
        margin = 0.08 * (high - low) or 0.1
        ax.set_ylim(low - margin, high + margin)


def _done(steps, cpu_seconds):
    """What a training took, in CPU seconds of this process: a busy machine doesn't change them, a wall clock would."""
    digits = 1 if cpu_seconds < 10 else 0
    return message("fit.done", steps=f"{steps:,}", seconds=f"{cpu_seconds:,.{digits}f}")


def _thin(steps, loss, points=300):
    """At most ``points`` means of neighbouring steps, so that a long training stays readable."""
    size = max(1, len(loss) // points)
    blocks = range(0, len(loss) - len(loss) % size, size)
    return [steps[i + size - 1] for i in blocks], [sum(loss[i : i + size]) / size for i in blocks]
