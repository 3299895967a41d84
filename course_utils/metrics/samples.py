"""Samples that the lectures' shipped models drew, for lecture 08: it compares results, not classes.

``make full NB=08_samples`` draws them anew: it runs the cells of lectures 03 to 07 that define the models, loads their checkpoints, and
uses each lecture's own sampler.  Everything is binary, so that no family is judged by another kind of picture than the rest: grey levels
are the probabilities of ink, and one draw decides, as for the data.
"""

import hashlib
import io
import json
from dataclasses import dataclass

import numpy as np
import torch

from .. import checkpoints, paths

COUNT = 2000  # images of each model


@dataclass(frozen=True)
class Samples:
    """What is known of one model's samples.

    images: (n, 1, 28, 28) of zeros and ones.  label: for tables.  lecture: "05".  seconds: CPU seconds of drawing one image, in batches.
    parameters: of the network.  cpu_seconds: of its training.  ordered: class y that was asked for, (n,), or None.
    nats: what the model or its bound says of binarised test digits, nats/image, or None; bound: True for a bound.
    """

    label: str
    lecture: str
    seconds: float
    parameters: int
    cpu_seconds: float
    nats: float | None
    bound: bool
    images: torch.Tensor
    ordered: torch.Tensor | None


def folder():
    """Where the samples lie: ``data/samples``."""
    return paths.data_dir() / "samples"


def names():
    """Names of all models whose samples are shipped, in the order of the lectures."""
    return sorted(_index())


def load(name):
    """The Samples of a model.  Raises LookupError for an unknown name and checkpoints.CheckpointError for a missing or damaged file."""
    index = _index()
    if name not in index:
        raise LookupError(f"There are no samples {name!r}; there are: {', '.join(sorted(index))}")
    entry = dict(index[name])
    path = folder() / f"{name}.npy"
    digest = entry.pop("sha256")
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != digest:
        state = "damaged" if content else "missing"
        raise checkpoints.CheckpointError(
            f"The samples {paths.shown(path)} are {state}. {paths.how_to_restore(path)}"
        )
    bits = np.unpackbits(np.load(io.BytesIO(content), allow_pickle=False), axis=1)
    images = torch.from_numpy(bits).float().view(-1, 1, 28, 28)
    ordered = torch.arange(len(images)) % 10 if entry.pop("ordered") else None
    return Samples(images=images, ordered=ordered, **entry)


def save(name, images, *, ordered=False, **facts):
    """Keep images (n, 1, 28, 28) or (n, 784) of zeros and ones with the facts that ``Samples`` lists; for ``make full NB=08_samples``.

    ordered: the classes 0, 1, …, 9, 0, … were asked for in turn.
    """
    bits = np.packbits(np.asarray(images).reshape(len(images), 784).astype(bool), axis=1)
    buffer = io.BytesIO()
    np.save(buffer, bits, allow_pickle=False)
    content = buffer.getvalue()
    paths.write_atomic(folder() / f"{name}.npy", content)
    entry = facts | {"ordered": ordered, "sha256": hashlib.sha256(content).hexdigest()}
    text = json.dumps(_index() | {name: entry}, indent=1, sort_keys=True, ensure_ascii=False)
    paths.write_atomic(folder() / "index.json", (text + "\n").encode())


def _index():
    path = folder() / "index.json"
    return json.loads(path.read_text("utf8")) if path.is_file() else {}
