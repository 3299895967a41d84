"""Samples that the lectures' shipped models drew: lecture 08 compares the images, lecture 00 shows some of everything.

``make full NB=08_samples`` draws them anew: it runs the cells of lectures 03 to 07 that define the models, loads their checkpoints, and
uses each lecture's own sampler.  All images are binary, so that no family is judged by another kind of picture than the rest: grey levels
are the probabilities of ink, and one draw decides, as for the data.
"""

import hashlib
import io
import json
import wave
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
    """Names of all models whose images are shipped, in the order of the lectures."""
    return sorted(_index())


def load(name):
    """The Samples of a model.  Raises LookupError for an unknown name and checkpoints.CheckpointError for a missing or damaged file."""
    entry = _entry(_index(), name)
    content = _content(f"{name}.npy", entry.pop("sha256"))
    bits = np.unpackbits(np.load(io.BytesIO(content), allow_pickle=False), axis=1)
    images = torch.from_numpy(bits).float().view(-1, 1, 28, 28)
    ordered = torch.arange(len(images)) % 10 if entry.pop("ordered") else None
    return Samples(images=images, ordered=ordered, **entry)


def facts(name):
    """How a text or a sound was made: prompt, seed, sha256 of the checkpoint, …  Raises LookupError for an unknown name."""
    return _entry(_index("other.json"), name)


def text(name):
    """What a language model wrote.  Raises as ``load`` does."""
    return _content(f"{name}.txt", facts(name)["sha256"]).decode()


def sound(name):
    """What a model of sound made: (samples of 16 bits as a numpy array (n,), samples a second).  Raises as ``load`` does."""
    content = _content(f"{name}.wav", facts(name)["sha256"])
    with wave.open(io.BytesIO(content)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2"), file.getframerate()


def save(name, images, *, ordered=False, **known):
    """Keep images (n, 1, 28, 28) or (n, 784) of zeros and ones with the facts that ``Samples`` lists; for ``make full NB=08_samples``.

    ordered: the classes 0, 1, …, 9, 0, … were asked for in turn.
    """
    bits = np.packbits(np.asarray(images).reshape(len(images), 784).astype(bool), axis=1)
    buffer = io.BytesIO()
    np.save(buffer, bits, allow_pickle=False)
    _keep("index.json", name, ".npy", buffer.getvalue(), known | {"ordered": ordered})


def save_text(name, written, **known):
    """Keep a text with facts on how it was made; for ``make full NB=08_samples``."""
    _keep("other.json", name, ".txt", written.encode(), known)


def save_sound(name, samples, rate, **known):
    """Keep sound, (n,) in -1..1, as 16-bit WAV with facts on how it was made; for ``make full NB=08_samples``."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    _keep("other.json", name, ".wav", buffer.getvalue(), known)


def _keep(index, name, ending, content, known):
    paths.write_atomic(folder() / f"{name}{ending}", content)
    entry = known | {"sha256": hashlib.sha256(content).hexdigest()}
    entries = json.dumps(
        _index(index) | {name: entry}, indent=1, sort_keys=True, ensure_ascii=False
    )
    paths.write_atomic(folder() / index, (entries + "\n").encode())


def _index(file="index.json"):
    path = folder() / file
    return json.loads(path.read_text("utf8")) if path.is_file() else {}


def _entry(index, name):
    if name not in index:
        raise LookupError(f"There are no samples {name!r}; there are: {', '.join(sorted(index))}")
    return dict(index[name])


def _content(file, digest):
    path = folder() / file
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != digest:
        state = "damaged" if content else "missing"
        raise checkpoints.CheckpointError(
            f"The samples {paths.shown(path)} are {state}. {paths.how_to_restore(path)}"
        )
    return content
