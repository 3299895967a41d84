"""Figure style, the one way to show a figure, and the pictures that more than one lecture draws."""

import base64
import contextlib
import io
import warnings

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from . import settings
from .texts import message

# Okabe & Ito (2008): eight colours that readers with any common colour vision tell apart.  They are ordered so that
# neighbours also differ in lightness, hence survive a greyscale print.
COLORS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "black": "#000000",
    "red": "#D55E00",
    "sky": "#56B4E9",
    "purple": "#CC79A7",
    "yellow": "#F0E442",
    "grey": "#7F7F7F",
}
DPI = 130  # pixels per inch in notebooks: crisp on a projector, small in the file
_STYLE = {
    "figure.figsize": (8, 4),
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 11,
    "lines.linewidth": 2.2,
    "image.cmap": "cividis",
    "image.interpolation": "nearest",
    "axes.prop_cycle": mpl.cycler(
        color=[c for n, c in COLORS.items() if n not in ("yellow", "grey")]
    ),
}
PROJECTOR = 1.35  # how much larger everything in a figure is for the back row, where it has room
PAGE = (
    11.0,
    6.2,
)  # inches of 100 CSS pixels: how large a figure may be on a projected page of 1280 x 720
_LAYOUTS = (1.12, 1.06, 1.0)  # magnifications that are tried: beyond, marks run into each other
_wanted = 1.0


def use_style(projector=False):
    """Give all figures of this kernel the course's style; ``projector`` enlarges them for the back row.

    A figure grows on the page as far as the page has room.  What is missing of PROJECTOR then comes from a layout on a smaller
    sheet, which is enlarged: text, lines and marks grow, as far as no text leaves the picture or runs into another.
    """
    global _wanted
    mpl.rcParams.update(_STYLE)
    _wanted = PROJECTOR if projector else 1.0


def zoom(inches):
    """How much larger a figure of (width, height) inches is shown: 1, in projector mode up to PROJECTOR."""
    room = min(limit / side for limit, side in zip(PAGE, inches))
    return max(1.0, min(_wanted, room))


def magnification(fig):
    """How much smaller the sheet is on which the figure is laid out: 1, in projector mode as much as its texts allow."""
    missing = _wanted / zoom(fig.get_size_inches())
    if missing < 1.01:
        return 1.0
    usual = _crowding(fig, 1.0)
    tried = (min(missing, m) for m in _LAYOUTS)
    return next(m for m in tried if m == 1.0 or _crowding(fig, m) <= usual)


def cut_texts(fig, magnified=1.0):
    """The texts that do not fit into the picture when the figure is laid out on a sheet that many times smaller."""
    width, height, boxes = _boxes(fig, magnified)
    edge = 0.02 * fig.dpi  # letters are smaller than their boxes
    return [
        text.get_text()
        for text, b in boxes
        if b.x0 < -edge or b.y0 < -edge or b.x1 > width + edge or b.y1 > height + edge
    ]


def _crowding(fig, magnified):
    """How many texts leave the picture or run into another one."""
    inner = [box.shrunk(0.98, 0.9) for _, box in _boxes(fig, magnified)[2]]
    overlaps = sum(a.overlaps(b) for i, a in enumerate(inner) for b in inner[:i])
    return len(cut_texts(fig, magnified)) + overlaps


def _boxes(fig, magnified):
    """(width, height, [(text, box), ...]) in pixels: where the texts of the figure lie."""
    with _sheet(fig, magnified):
        FigureCanvasAgg(fig)
        fig.draw_without_rendering()
        boxes = [(t, (t.get_bbox_patch() or t).get_window_extent()) for t in _texts(fig)]
        return *fig.bbox.size, boxes


def _texts(fig):
    """The texts that can be seen in a figure."""
    unseen = set()
    for ax in fig.axes:
        for axis in (ax.xaxis, ax.yaxis):
            if not ax.axison:
                unseen.update(axis.findobj(mpl.text.Text))
                continue
            low, high = sorted(axis.get_view_interval())
            for minor in (False, True):
                ticks = zip(axis.get_ticklocs(minor=minor), axis.get_ticklabels(minor=minor))
                unseen.update(label for at, label in ticks if not low <= at <= high)
    found = fig.findobj(mpl.text.Text)
    return [t for t in found if t not in unseen and t.get_visible() and t.get_text().strip()]


@contextlib.contextmanager
def _sheet(fig, magnified):
    """The figure on a sheet so many times smaller."""
    inches = fig.get_size_inches().copy()
    fig.set_size_inches(inches / magnified, forward=False)
    try:
        yield
    finally:
        fig.set_size_inches(inches, forward=False)


def png(fig, dpi=DPI, small=True, magnified=None):
    """The figure as PNG bytes, drawn once (savefig draws twice when axes are arranged automatically).

    small: spend 70 ms on a palette of 256 colours, a third of the size; live pictures can't wait for it.
    magnified: a known ``magnification``, which takes several layouts to find.
    With COURSE_STRICT=1 (the tests) a text that leaves the picture raises AssertionError.
    """
    dpi *= zoom(fig.get_size_inches())
    magnified = magnified or magnification(fig)
    with _sheet(fig, magnified):
        fig.set_dpi(dpi * magnified)
        canvas = FigureCanvasAgg(fig)
        canvas.draw()
        image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    if small and settings.get("COURSE_STRICT"):
        cut = cut_texts(fig, magnified)
        if cut:
            raise AssertionError(message("figure.cut", texts=", ".join(map(repr, cut))))
    if small:
        image = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, format="png", compress_level=9 if small else 2)
    return buffer.getvalue()


def page_width(fig):
    """CSS pixels that a figure is wide on the page: 100 an inch, more in projector mode."""
    return fig.get_figwidth() * 100 * zoom(fig.get_size_inches())


def picture(image, alt, width):
    """A PNG as (data, metadata) of a notebook output, with its text alternative.  width: on the page, in CSS pixels."""
    data = {"image/png": base64.b64encode(image).decode("ascii"), "text/plain": alt}
    return data, {"image/png": {"alt": alt, "width": int(width)}}


def show(fig, alt):
    """Show the figure in the notebook, with its text alternative, and close it.

    alt: what the picture shows, in a sentence or two, for a reader who can't see it.  Raises ValueError when it says nothing.
    """
    if len(alt.strip()) < 20:
        raise ValueError(message("figure.alt", alt=alt))
    data, metadata = picture(png(fig), alt, width=page_width(fig))
    plt.close(fig)
    display(data, metadata=metadata, raw=True)


def noise_floor(ax, nats, axis="x"):
    """Mark what binarising costs on an axis in nats/image: a dashed line with its value.

    nats: entropy of the coins that made grey pixels black or white, mean over the images that the figure is about.  axis: "x" or "y".
    In expectation no model that isn't told the coins can be better.
    """
    draw = {"x": ax.axvline, "y": ax.axhline}[axis]
    draw(nats, color=COLORS["black"], linestyle="--", linewidth=1.5)
    place, across = ((nats, 1), ax.get_xaxis_transform()) if axis == "x" else ((1, nats), ax.get_yaxis_transform())  # fmt: skip
    ax.text(*place, f"noise floor {nats:.1f}", transform=across, ha="center" if axis == "x" else "right", va="bottom")  # fmt: skip


def image_grid(images, columns=10, ax=None, titles=None, cmap="gray_r", vmin=0.0, vmax=1.0, gap=2):
    """Draw a batch of grey images as one grid, row by row.

    images: (n, H, W) or (n, 1, H, W), n > 0, tensor or array of any number type, in vmin..vmax; dark means vmax, and images that reach far
    beyond give a warning.  titles: one short text a column.
    Returns the axes.  Raises ValueError for any other shape, for columns < 1 and for vmin >= vmax.
    """
    if hasattr(images, "detach"):
        images = images.detach().cpu().double()  # numpy has no bfloat16
    images = np.asarray(images, dtype=float)
    if images.ndim == 4 and images.shape[1] == 1:
        images = images[:, 0]
    if images.ndim != 3 or not images.size:
        raise ValueError(message("figure.images", shape=images.shape))
    if columns < 1 or not vmin < vmax:
        raise ValueError(message("figure.grid", columns=columns, vmin=vmin, vmax=vmax))
    low, high = np.min(images), np.max(images)
    if max(vmin - low, high - vmax) > 0.1 * (vmax - vmin):
        text = message("figure.range", low=low, high=high, vmin=vmin, vmax=vmax)
        warnings.warn(text, stacklevel=2)
    n, height, width = images.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), np.nan)
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = image
    if ax is None:
        scale = min(0.9, 10 / columns)
        ax = plt.subplots(figsize=(columns * scale, rows * scale + (0.4 if titles else 0.1)))[1]
    ax.imshow(sheet, cmap=cmap, vmin=vmin, vmax=vmax)
    ax.grid(False)
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    if titles is None:
        ax.set_xticks([])
    else:
        ax.xaxis.tick_top()
        ax.set_xticks([width / 2 + i * (width + gap) for i in range(len(titles))], titles)
        ax.tick_params(length=0)
    return ax
