"""The palette: neighbours of the colour cycle stay apart for the common kinds of colour blindness and on a grey print."""

from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest

from course_utils import COLORS, plotting

# Viénot, Brettel and Mollon (1999): what a reader without red, or without green cones sees, in linear RGB
SEEN = {
    "all colours": np.eye(3),
    "without red cones": [
        [0.11238, 0.88762, 0.0],
        [0.11238, 0.88762, 0.0],
        [0.00401, -0.00401, 1.0],
    ],
    "without green cones": [
        [0.29275, 0.70725, 0.0],
        [0.29275, 0.70725, 0.0],
        [-0.02234, 0.02234, 1.0],
    ],
}


def linear(colour):
    rgb = np.array(mpl.colors.to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIELAB of linear sRGB: the distance of two colours is about how different they look (2.3 is just visible)."""
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    xyz = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


CYCLE = [c["color"] for c in plotting._STYLE["axes.prop_cycle"]]


@pytest.mark.parametrize("who", SEEN)
def test_colours_of_the_cycle_differ_for_every_reader(who):
    seen = {c: lab(np.array(SEEN[who]) @ linear(c)) for c in CYCLE}
    near = [
        (a, b)
        for i, a in enumerate(CYCLE)
        for b in CYCLE[i + 1 :]
        if np.linalg.norm(seen[a] - seen[b]) < 10
    ]
    assert not near


def test_neighbours_of_the_cycle_differ_on_a_grey_print():
    lightness = [lab(linear(c))[0] for c in CYCLE]
    assert min(abs(a - b) for a, b in pairwise(lightness)) >= 8


@pytest.mark.parametrize("name", ["blue", "red", "black", "green", "purple"])
def test_lines_stand_out_from_white_paper(name):
    """Contrast of at least 2.5 to 1 with the white background (3:1 is WCAG's wish for graphics; the purple has 2.9)."""
    r, g, b = linear(COLORS[name])
    assert 1.05 / (0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05) >= 2.5
