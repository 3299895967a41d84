"""What a caller gives as plain values.

Two tensors of one element are never equal as keys (they hash by identity), an array has no single truth value, and numpy knows no
bfloat16 and no gradient: every function of this package takes lists, arrays and tensors alike because it converts them here.
"""

from collections.abc import Iterator
from numbers import Integral

import numpy as np


def plain(x):
    """x with every tensor, array, table, iterator and number, at any depth, as Python's lists and numbers; anything else as it is."""
    if isinstance(x, str):
        return x
    if hasattr(x, "to_numpy"):  # a table of pandas: going through it gives the names of its columns
        x = x.to_numpy()
    if hasattr(x, "tolist"):
        x = x.tolist()
    if isinstance(x, (list, Iterator)):
        return [plain(value) for value in x]
    if isinstance(x, tuple):
        return tuple(plain(value) for value in x)
    return x


def floats(x):
    """Numbers of a tensor, an array or lists, as a float64 array of the same shape.  Raises ValueError for what holds no numbers."""
    if hasattr(x, "detach"):
        x = x.detach().cpu().double()
    elif not isinstance(x, np.ndarray):
        x = plain(x)
    return np.asarray(x, dtype=np.float64)


def whole(value, name, least):
    """A whole number from ``least`` up, as an int.  Raises ValueError that calls it ``name``."""
    value = plain(value)
    if not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} must be a whole number from {least} up; this is {value!r}")
    return int(value)
