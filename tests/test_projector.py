"""Figures for the back row: larger on the page where it has room, larger text where it has not, and no text that leaves a picture."""

import base64
import io

import matplotlib.pyplot as plt
import pytest
from PIL import Image

from course_utils import Explorer, Slider, plotting

ALT = "A line that rises from left to right, with a title."


@pytest.fixture(autouse=True)
def usual_style():
    yield
    plotting.use_style()
    plt.close("all")


def drawn(inches=(8, 4), title="A line", labels=("x", "y")):
    fig, ax = plt.subplots(figsize=inches)
    ax.plot([0, 1], [0, 1])
    ax.set(title=title, xlabel=labels[0], ylabel=labels[1])
    ax.text(0.2, 0.5, "small", size=9)
    return fig


@pytest.fixture
def shown(monkeypatch):
    """shown(fig): (CSS pixels wide, picture) of what `show` displays."""

    def shown(fig):
        outputs = []
        monkeypatch.setattr(
            plotting, "display", lambda data, metadata, raw: outputs.append((data, metadata))
        )
        plotting.show(fig, alt=ALT)
        ((data, metadata),) = outputs
        content = base64.b64decode(data["image/png"])
        return metadata["image/png"]["width"], Image.open(io.BytesIO(content))

    return shown


@pytest.mark.parametrize(
    "inches, times",
    [((8, 4), 1.35), ((7, 2.8), 1.35), ((10, 3), 1.1), ((6, 5), 1.24), ((11, 8), 1)],
)
def test_a_figure_grows_as_far_as_the_page_has_room(shown, inches, times):
    usual_width, usual = shown(drawn(inches))
    assert usual_width == 100 * inches[0] and usual.width == pytest.approx(130 * inches[0], abs=1)
    plotting.use_style(projector=True)
    assert plotting.zoom(inches) == pytest.approx(times)
    width, picture = shown(drawn(inches))
    assert width == pytest.approx(times * usual_width, abs=1)
    assert picture.width == pytest.approx(times * usual.width, abs=2)  # as crisp as before
    plotting.use_style()
    assert shown(drawn(inches))[0] == usual_width


def letters(fig):
    """Height of the small text's box, as a share of the picture's height."""
    magnified = plotting.magnification(fig)
    _, height, boxes = plotting._boxes(fig, magnified)
    return next(box.height for text, box in boxes if text.get_text() == "small") / height


def test_where_the_page_is_full_the_text_grows():
    before = letters(drawn((11, 8)))
    plotting.use_style(projector=True)
    fig = drawn((11, 8))
    assert letters(fig) > 1.08 * before  # also a text with a size of its own
    assert tuple(fig.get_size_inches()) == (11, 8)


def test_text_does_not_grow_out_of_the_picture():
    """A title that fills its figure stops the growth."""
    title = "A title as long as the figure is wide, which leaves no room at all for any growth of its letters, none"
    plotting.use_style(projector=True)
    assert plotting.magnification(drawn((11, 8))) > 1.05
    fig = drawn((11, 8), title=title)
    magnified = plotting.magnification(fig)
    assert magnified < 1.05 and not plotting.cut_texts(fig, magnified)


def test_a_cut_text_is_named(monkeypatch):
    title = "A title that is too long for the figure that it stands above " * 2
    fig = drawn(title=title)
    assert plotting.cut_texts(fig) == [title]
    monkeypatch.delenv("COURSE_STRICT", raising=False)
    plotting.png(fig)  # a student's own figure may be as it likes
    monkeypatch.setenv("COURSE_STRICT", "1")
    with pytest.raises(AssertionError, match="leave the picture: 'A title that is too long"):
        plotting.png(fig)


def test_what_nobody_sees_is_not_cut(monkeypatch):
    monkeypatch.setenv("COURSE_STRICT", "1")
    fig = drawn()
    ax = fig.axes[0]
    ax.set_yscale("log")
    ax.set(xlim=(0.2, 0.8), ylim=(0.15, 0.9))
    fig.axes[0].title.set_visible(True)
    assert plotting.cut_texts(fig) == []
    plotting.png(fig)


def test_explorers_grow_too():
    def draw(fig, height):
        fig.subplots().plot([0, height])

    def width():
        explorer = Explorer(draw, height=Slider(1.0, 0.0, 2.0), alt=ALT, figsize=(8, 4))
        return explorer._image.layout.width, Image.open(io.BytesIO(explorer.picture)).width

    usual = width()
    plotting.use_style(projector=True)
    assert usual == ("800px", 720) and width() == ("1080px", pytest.approx(972, abs=1))
