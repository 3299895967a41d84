"""Figure style, the one way to show a figure, and the pictures that more than one lecture draws."""

import base64
import io

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

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
_PROJECTOR = {
    "font.size": 16,
    "axes.titlesize": 17,
    "axes.labelsize": 16,
    "legend.fontsize": 15,
    "lines.linewidth": 3,
}


def use_style(projector=False):
    """Give all figures of this kernel the course's style; ``projector`` enlarges text and lines for the back row."""
    mpl.rcParams.update(_STYLE)
    if projector:
        mpl.rcParams.update(_PROJECTOR)


def png(fig, dpi=DPI, small=True):
    """The figure as PNG bytes, drawn once (savefig draws twice when axes are arranged automatically).

    small: spend 70 ms on a palette of 256 colours, a third of the size; live pictures can't wait for it.
    """
    fig.set_dpi(dpi)
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    if small:
        image = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, format="png", compress_level=9 if small else 2)
    return buffer.getvalue()


def picture(image, alt, width):
    """A PNG as (data, metadata) of a notebook output, with its text alternative.  width: on the page, in CSS pixels."""
    data = {"image/png": base64.b64encode(image).decode("ascii"), "text/plain": alt}
    return data, {"image/png": {"alt": alt, "width": int(width)}}


def show(fig, alt):
    """Show the figure in the notebook, with its text alternative, and close it.

    alt: what the picture shows, in a sentence or two, for a reader who can't see it.  Raises ValueError when it says nothing.
    """
    if len(alt.strip()) < 20:
        raise ValueError(f"alt must say what the figure shows; {alt!r} doesn't")
    data, metadata = picture(png(fig), alt, width=fig.get_figwidth() * 100)
    plt.close(fig)
    display(data, metadata=metadata, raw=True)


def image_grid(images, columns=10, ax=None, titles=None, cmap="gray_r", vmin=0.0, vmax=1.0, gap=2):
    """Draw a batch of grey images as one grid, row by row.

    images: (n, H, W) or (n, 1, H, W), tensor or array, in vmin..vmax; dark means vmax.  titles: one short text a column.
    Returns the axes.  Raises ValueError for any other shape.
    """
    images = np.asarray(images.detach() if hasattr(images, "detach") else images, dtype=float)
    if images.ndim == 4 and images.shape[1] == 1:
        images = images[:, 0]
    if images.ndim != 3:
        raise ValueError(f"images must be (n, H, W) or (n, 1, H, W); these are {images.shape}")
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
