"""MNIST as tensors, out of committed gzip files."""

from __future__ import annotations

import ctypes
import gzip
import hashlib
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from .. import paths
from ..texts import message
from .files import SPLITS, DataError, describe, has_hash, manifest, one_of

if TYPE_CHECKING:
    import torch

MNIST_VALID = 5_000  # the last images of the training file


@dataclass(frozen=True, repr=False, eq=False)
class Digits:
    """Handwritten digits with their labels.  Works as a ``torch.utils.data.Dataset``.

    images: float32, shape (n, 1, 28, 28), 0 is paper and 1 is ink.  labels: int64, shape (n,), 0..9.
    ``digits[7]`` is one (image, label); ``digits[:100]`` and ``digits[digits.labels == 3]`` are
    Digits again; ``len(digits)`` is n.
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, which):
        images, labels = self.images[which], self.labels[which]
        return Digits(images, labels) if labels.ndim else (images, labels)

    def __repr__(self):
        return f"Digits({len(self):,} images of 28x28 with labels)"


def mnist(split: str, binary: bool = False, dtype: torch.dtype | None = None) -> Digits:
    """MNIST, in the split "train" (55,000 digits), "valid" (5,000) or "test" (10,000).

    "train" and "valid" are the first 55,000 and the last 5,000 digits of the training file.
    binary=True draws every pixel once, x ~ Bernoulli(grey / 255), with a fixed seed per split: the
    same zeros and ones on every machine (stochastic binarisation as in Salakhutdinov and Murray 2008,
    but our own draw: say so where a likelihood stands beside a published one).
    dtype: of the images; torch.uint8 keeps grey levels 0..255 (or 0 and 1) in a quarter of the memory.
    The tensors are yours: changing them changes nothing that a later call returns.
    Source: LeCun, Cortes and Burges; see data/README.md.  Raises DataError, and ValueError for
    another split.
    """
    one_of(SPLITS, split, "split")
    import torch

    _return_free_memory()
    grey, labels = _read_mnist(split != "test", _cache(), paths.data_dir())
    if split != "test":
        part = slice(None, -MNIST_VALID) if split == "train" else slice(-MNIST_VALID, None)
        grey, labels = grey[part], labels[part]
    images = torch.empty(grey.shape, dtype=dtype or torch.float32)
    if binary:
        _binarise(grey, SPLITS.index(split), out=images)
    else:
        images.copy_(grey)
        if images.is_floating_point():
            images.div_(255)
    return Digits(images.unsqueeze(1), labels.clone())


def packed_path(name: str) -> Path:
    """The committed, gzipped form of one of MNIST's four files."""
    return paths.data_dir() / "mnist" / f"{name}.gz"


def packed_problem(name: str) -> str | None:
    """None if the committed file unpacks to the canonical one, else a message for the reader."""
    path, entry = packed_path(name), manifest()["mnist"]["files"][name]
    if has_hash(path, entry["gz_sha256"]):
        return None
    try:
        _unpack(name)  # packed by another gzip is as good, if it is the right file
    except DataError as error:
        return str(error)
    return None


def mnist_md5(content: bytes) -> str:
    """The hash by which MNIST's files are known; usedforsecurity=False lets FIPS machines compute it."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@lru_cache(maxsize=1)  # "train" and "valid" share a file; keeping both files would cost memory
def _read_mnist(training: bool, cache: Path, _data: Path):
    """Grey levels uint8 (n, 28, 28) and labels int64 (n,).  Cached, so never handed out themselves."""
    from torchvision.datasets import MNIST

    _unpack_all(training, cache)
    digits = MNIST(cache, train=training, download=False)
    return digits.data, digits.targets


def _cache() -> Path:
    """Where the unpacked files lie, as torchvision wants them: in MNIST/raw of this folder."""
    return paths.cache_dir("MNIST", "raw").parent.parent


def _unpack_all(training: bool, cache: Path) -> None:
    """Put the four files where torchvision wants them; hash those of the part that will be read."""
    for name, entry in manifest()["mnist"]["files"].items():
        raw = cache / "MNIST" / "raw" / name
        needed = name.startswith("train" if training else "t10k")
        if not _is_canonical(raw, entry, thoroughly=needed):
            content = _unpack(name)
            try:
                paths.write_atomic(raw, content)
            except OSError as error:
                reason = error.strerror or error
                text = message("data.unpack", folder=paths.shown(cache), reason=reason)
                raise DataError(text) from None


def _is_canonical(raw: Path, entry: dict, thoroughly: bool) -> bool:
    """Is the unpacked file there and whole?  thoroughly: hash it too (0.07 s for the largest)."""
    try:
        if raw.stat().st_size != entry["bytes"]:
            return False
        return not thoroughly or mnist_md5(raw.read_bytes()) == entry["md5"]
    except OSError:
        return False


def _unpack(name: str) -> bytes:
    """The canonical bytes of one of MNIST's files, out of the committed gzip file."""
    try:
        raw = gzip.decompress(packed_path(name).read_bytes())
    except (OSError, EOFError, zlib.error):  # BadGzipFile is an OSError
        raise DataError(_packed_message(name)) from None
    if mnist_md5(raw) != manifest()["mnist"]["files"][name]["md5"]:
        raise DataError(_packed_message(name))
    return raw


def _return_free_memory() -> None:
    """Give the holes of glibc's heap back to the system: in a long lecture they hold 60 MB and more."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # another C library: it has its own ways
        pass


def _binarise(grey, stream: int, out) -> None:
    """out[i] = 1 with probability grey[i] / 255, else 0; grey: uint8, out: of any type, both (n, 28, 28).

    numpy promises that the bits of PCG64 never change, but not what Generator.random makes of them,
    and torch promises neither; so compare PCG64's bits themselves, 32 a pixel, with a threshold in
    whole numbers: u < grey / 255 * 2**32 has no rounding to differ between machines.
    """
    import numpy as np
    import torch

    # The largest u that is still ink.  Grey 255: all of them.  Grey 0 has none and is masked below.
    last_ink = np.array([max(0, -(-g * 2**32 // 255) - 1) for g in range(256)], dtype=np.uint32)
    bits = np.random.PCG64([28, 28, stream])
    for start in range(0, len(grey), 1000):  # stays in the processor's cache: twice as fast
        block = grey[start : start + 1000].numpy()
        u = bits.random_raw(block.size // 2).astype("<u8", copy=False).view("<u4")
        ink = (u.reshape(block.shape) <= last_ink[block]) & (block > 0)
        out[start : start + 1000] = torch.from_numpy(ink)


def _packed_message(name: str) -> str:
    path, entry = packed_path(name), manifest()["mnist"]["files"][name]
    advice = paths.how_to_restore(path, fetch="--mnist")
    return describe(message("data.mnist"), path, entry["gz_bytes"], entry["gz_sha256"], advice)
