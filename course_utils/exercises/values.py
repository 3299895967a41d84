"""What an answer returned, as numbers that can be compared, and in the clothes of what the reference returns."""

import math
import numbers
from collections.abc import Sequence

import numpy as np
import torch

from ..texts import message


class Unusable(Exception):
    """A result that is no real numbers; str() says what it is: the name of its type, or "complex"."""


def canonical(value, kinds=None):
    """A result as a float64 array, or as a tuple of those where its parts have different shapes.

    Tensors of any layout, arrays, numbers of any type, and sequences of those, nested or not, are the same thing if they hold the
    same numbers.  kinds: a set to which the dtypes that were met are added.  Raises Unusable.
    """
    kinds = set() if kinds is None else kinds
    try:
        return _canonical(value, kinds)
    except Unusable:
        raise
    except Exception:  # whatever an object of the student's own does when it is looked at
        raise Unusable(type(value).__name__) from None


def _canonical(value, kinds):
    if isinstance(value, torch.Tensor):
        kinds.add(str(value.dtype).removeprefix("torch."))
        if value.is_complex():
            raise Unusable("complex")
        value = _dense(value.detach()).cpu()
        return value.to(torch.float64).resolve_neg().numpy().copy()
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biufc":
        if value.dtype.kind == "c":
            raise Unusable("complex")
        kinds.add(str(value.dtype))
        return np.array(value, dtype=np.float64)
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        return _canonical(value.tolist(), kinds)
    if isinstance(value, numbers.Number) and not isinstance(value, np.generic):
        if isinstance(value, numbers.Complex) and not isinstance(value, numbers.Real):
            raise Unusable("complex")
        kinds.add(type(value).__name__)
        return np.array(_float(value))
    if is_row(value):
        parts = [_canonical(v, kinds) for v in value]
        ragged = any(isinstance(p, tuple) or p.shape != parts[0].shape for p in parts)
        return tuple(parts) if ragged else np.array(parts, dtype=np.float64)
    raise Unusable(type(value).__name__)


def is_row(value):
    """True for lists, tuples, ranges and their like; text is none."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray))


def _dense(tensor):
    return tensor if tensor.layout == torch.strided else tensor.to_dense()


def _float(value):
    try:
        return float(value)
    except OverflowError:  # a whole number with more than 308 digits
        return math.inf if value > 0 else -math.inf


def same(a, b, tolerance):
    """Whether two canonical values are equal; None (it raised) equals None."""
    if a is None or b is None:
        return a is b
    if isinstance(a, tuple) or isinstance(b, tuple):
        both = isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b)
        return both and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
    return a.shape == b.shape and np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)


def shape(value):
    return tuple(map(shape, value)) if isinstance(value, tuple) else tuple(value.shape)


def flat(value):
    """All numbers of a canonical value in one array."""
    parts = [flat(v) for v in value] if isinstance(value, tuple) else [np.ravel(value)]
    return np.concatenate(parts) if parts else np.zeros(0)


def show(value, digits=5):
    """A value for a message, short."""
    if isinstance(value, tuple):
        return "(" + ", ".join(show(v, digits) for v in value) + ")"
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, np.ndarray):
        if value.size > 8:
            return f"<{'×'.join(map(str, value.shape))} numbers>"
        return np.array2string(value, precision=digits - 1, separator=", ").replace("\n", "")
    if isinstance(value, (float, np.floating)):
        return f"{value:.{digits}g}"
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "…"


def expected(result):
    """What the reference returned, in words."""
    if isinstance(result, (tuple, list)):
        pair = len(result) == 2
        return message("expected.pair") if pair else message("expected.tuple", count=len(result))
    value = canonical(result)
    return (
        message("expected.tensor", shape=shape(value)) if value.ndim else message("expected.scalar")
    )


# --- in the clothes of the reference ---------------------------------------------------------------------------------


def form(value):
    """Everything but the numbers: the type, and shape, dtype and device, of each part of a list or tuple."""
    if isinstance(value, torch.Tensor):
        return type(value), value.shape, value.dtype, value.device, value.layout
    if isinstance(value, (np.ndarray, np.generic)):
        return type(value), value.shape, value.dtype
    if isinstance(value, (list, tuple)):
        return type(value), *map(form, value)
    return type(value)


def fit(value, like):
    """The numbers of ``value`` in the form of ``like``; gradients go on passing where they pass in ``like``.

    What holds no numbers, or not as many as a list that is expected, comes back as it is.
    """
    try:
        return _fit(value, like)
    except Unusable:
        return value


def _fit(value, like):
    if isinstance(like, torch.Tensor):
        tensor = _as_tensor(value, like.dtype, like.device)
        return tensor if like.requires_grad else tensor.detach()
    if isinstance(like, (list, tuple)):
        if not hasattr(value, "__len__") or len(value) != len(like):
            return value
        parts = [_fit(v, part) for v, part in zip(value, like, strict=True)]
        return type(like)(*parts) if hasattr(like, "_fields") else type(like)(parts)
    if isinstance(like, (np.ndarray, np.generic)):
        array = _as_tensor(value, torch.float64, "cpu").detach().numpy()
        array = (np.rint(array) if like.dtype.kind in "iu" else array).astype(like.dtype)
        return array[()] if isinstance(like, np.generic) else array
    if isinstance(like, numbers.Real) and type(value) is not type(like):
        number = float(canonical(value))
        return type(like)(round(number) if isinstance(like, int) else number)
    return value


def _as_tensor(value, dtype, device):
    if isinstance(value, torch.Tensor):
        value = _dense(value).as_subclass(torch.Tensor)
        rounded = value.is_floating_point() and not (dtype.is_floating_point or dtype == torch.bool)
        return (value.round() if rounded else value).to(device, dtype)
    if is_row(value) and any(isinstance(v, torch.Tensor) or is_row(v) for v in value):
        return torch.stack([_as_tensor(v, dtype, device) for v in value])
    array = canonical(value)
    if isinstance(array, tuple):
        raise Unusable(type(value).__name__)
    return _as_tensor(torch.from_numpy(array), dtype, device)
