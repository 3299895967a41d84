"""Explorer: sliders that move a figure, and a picture of it wherever no kernel runs."""

import html
import math
import time
import weakref
from dataclasses import dataclass
from decimal import Decimal

import ipywidgets as widgets
import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from . import plotting
from .texts import message

_DPI = 90  # live pictures: fewer pixels, quicker redraws
_QUICK = {"axes.titley": 1.02}  # a fixed height: searching for a free one takes a third of the time
# a live presentation (jupyterlab-slideshow) shows cells as they are: text for the back row, and no code above a live figure
_DECK = """<style>
.jp-Deck .jp-CodeCell:has(.course-explorer) > .jp-Cell-inputWrapper,
.jp-Deck .jp-CodeCell:has(.course-quiz) > .jp-Cell-inputWrapper {display: none}
.jp-Deck .jp-InternalAnchorLink {display: none}
.jp-Deck .jp-RenderedHTMLCommon, .jp-Deck .jp-Notebook {--jp-content-font-size1: 24px; --jp-code-font-size: 17px}
.jp-Deck .course-explorer {--jp-widgets-font-size: 20px; --jp-widgets-inline-height: 36px}
</style>"""
_SLOW = 0.1  # seconds a redraw may take before a slider waits for the mouse to be released
_WIDE = widgets.Layout(width="95%", max_width="720px")


def _decimals(step):
    """How many decimals tell two neighbouring values apart: as many as the first two digits of the step have."""
    return max(0, -Decimal(f"{step:.1e}").normalize().as_tuple().exponent)


@dataclass(frozen=True)
class Slider:
    """A number from ``low`` to ``high``; whole numbers if value, low, high and step all are.  log: ``value`` moves by factors, and step
    is one of its exponent.  The readout has the digits that a step changes."""

    value: float
    low: float
    high: float
    step: float | None = None
    label: str = ""
    log: bool = False

    def widget(self):
        label = {
            "description": self.label,
            "style": {"description_width": "initial"},
            "layout": _WIDE,
        }
        if self.log:
            low, high = math.log10(self.low), math.log10(self.high)
            step = (high - low) / 100 if self.step is None else self.step
            return widgets.FloatLogSlider(
                self.value,
                min=low,
                max=high,
                step=step,
                readout_format=f".{max(3, 1 + _decimals(10**step - 1))}g",
                **label,
            )
        numbers = (self.value, self.low, self.high, 1 if self.step is None else self.step)
        if all(isinstance(v, int) for v in numbers):
            return widgets.IntSlider(
                self.value, min=self.low, max=self.high, step=numbers[3], **label
            )
        step = (self.high - self.low) / 100 if self.step is None else self.step
        return widgets.FloatSlider(
            self.value,
            min=self.low,
            max=self.high,
            step=step,
            readout_format=f".{_decimals(step)}f",
            **label,
        )

    def extremes(self):
        """Both ends, to be tried by tests."""
        return [self.low, self.high]


@dataclass(frozen=True)
class Choice:
    """One of ``options``: a list, or a dict {text: value}."""

    value: object
    options: object
    label: str = ""

    def widget(self):
        options = (
            list(self.options.items()) if isinstance(self.options, dict) else list(self.options)
        )
        return widgets.Dropdown(
            options=options,
            value=self.value,
            description=self.label,
            style={"description_width": "initial"},
            layout=widgets.Layout(width="max-content"),
        )

    def extremes(self):
        """Every option, to be tried by tests."""
        return list(self.options.values() if isinstance(self.options, dict) else self.options)


@dataclass(frozen=True)
class Toggle:
    """Yes or no."""

    value: bool = False
    label: str = ""

    def widget(self):
        return widgets.Checkbox(value=self.value, description=self.label, indent=False)

    def extremes(self):
        """Off and on, to be tried by tests."""
        return [False, True]


def _digits(value):
    """About how wide a tick label for ``value`` is: decides whether an arrangement of axes can be used again."""
    return (value < 0, math.floor(math.log10(abs(value) + 1e-6)))


class Explorer(widgets.VBox):
    """Controls above a figure that follows them.

    draw: called as ``draw(fig, **values)`` with an empty figure; it makes its own axes (``fig.subplots()``).
    controls: name=Slider(...), Choice(...) or Toggle(...).  alt: what the picture shows at the start.
    figsize: inches.  Where no kernel runs the output is a picture of the starting values, with ``alt`` as its text.

    From Python: ``ex.set(name=value)`` moves a control (LookupError for an unknown name), ``ex.values`` reads them,
    ``ex.picture`` is the PNG now shown, ``ex.seconds`` what the last redraw took.  A ``draw`` that raises leaves the last good
    picture and a message above it.
    """

    instances = weakref.WeakSet()

    def __init__(self, draw, *, alt, figsize=(8, 4), **controls):
        unknown = [n for n, c in controls.items() if not isinstance(c, (Slider, Choice, Toggle))]
        if unknown or not controls:
            raise TypeError(
                f"Explorer controls must be Slider, Choice or Toggle: {', '.join(unknown) or 'none given'}"
            )
        self._draw, self._alt = draw, alt
        self.specs = controls
        self.controls = {name: control.widget() for name, control in controls.items()}
        self._figsize = figsize
        self._image = widgets.Image(
            format="png",
            layout=widgets.Layout(
                width=f"{figsize[0] * 100 * plotting.zoom(figsize):.0f}px", max_width="100%"
            ),
        )
        self._note = widgets.HTML()
        # widgets.Image has no alt attribute: a hidden text tells a screen reader what the picture shows
        hidden = f'<span style="position:absolute;left:-10000px">{html.escape(alt)}</span>'
        super().__init__(
            [*self.controls.values(), self._note, self._image, widgets.HTML(_DECK + hidden)]
        )
        self.add_class("course-explorer")
        self._frozen = False
        self._places = {}
        self._redraw(first=True)
        for control in self.controls.values():
            if self.seconds > _SLOW and hasattr(control, "continuous_update"):
                control.continuous_update = False
            control.observe(self._redraw, names="value")
        Explorer.instances.add(self)

    @property
    def values(self):
        """The controls' present values, by name."""
        return {name: control.value for name, control in self.controls.items()}

    @property
    def picture(self):
        """The PNG that is shown, as bytes."""
        return self._image.value

    @property
    def error(self):
        """The message of the last redraw that failed, "" if it went well."""
        return self._note.value

    def set(self, **values):
        """Move controls as a hand would, redrawing once; returns the explorer."""
        for name in values:
            if name not in self.controls:
                raise LookupError(
                    f"This explorer has no control {name!r}; it has: {', '.join(self.controls)}"
                )
        self._frozen = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._frozen = False
        self._redraw()
        return self

    def _redraw(self, change=None, first=False):
        if self._frozen:
            return
        start = time.perf_counter()
        try:
            # a new figure: clearing the old one costs a tenth of a redraw
            figure = Figure(figsize=self._figsize, dpi=_DPI, layout="constrained")
            FigureCanvasAgg(figure)
            with mpl.rc_context(_QUICK):
                self._draw(figure, **self.values)
            self._figure = figure
            self._image.value = self._render()
            self._note.value = ""
        except Exception as error:
            if first:  # the author's mistake: say so where it is made
                raise
            text = message("explorer.error", error=f"{type(error).__name__}: {error}")
            self._note.value = f'<p role="alert">{html.escape(text)}</p>'
        self.seconds = time.perf_counter() - start

    def _render(self):
        """The PNG.  Arranging axes and labels takes two thirds of a redraw, so a known arrangement is used again."""
        axes = self._figure.axes
        key = tuple((ax.get_xlabel(), ax.get_ylabel(), *map(_digits, ax.get_ylim())) for ax in axes)
        if key in self._places:
            magnified, places = self._places[key]
            self._figure.set_layout_engine("none")
            for ax, place in zip(axes, places, strict=True):
                ax.set_position(place)
            return plotting.png(self._figure, dpi=_DPI, small=False, magnified=magnified)
        magnified = plotting.magnification(self._figure)
        image = plotting.png(self._figure, dpi=_DPI, small=False, magnified=magnified)
        self._places[key] = magnified, [ax.get_position(original=True) for ax in axes]
        return image

    def _repr_mimebundle_(self, **kwargs):
        live = super()._repr_mimebundle_(**kwargs)
        live = live[0] if isinstance(live, tuple) else live
        names = ", ".join(control.label for control in self.specs.values())
        alt = f"{self._alt} ({message('explorer.static', controls=names)})"
        data, metadata = plotting.picture(
            plotting.png(self._figure), alt, width=plotting.page_width(self._figure)
        )
        return {**(live or {}), **data}, metadata
