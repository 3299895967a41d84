"""Trained weights that ship with the course: safetensors files with the figure that they reached.

Loading one reads numbers and nothing else (no pickle).  ``make full`` trains them anew; a test proves that each file still gives
the figure written beside it.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

from . import paths

_INDEX = "index.json"


class CheckpointError(Exception):
    """A checkpoint is missing, altered, or doesn't fit the model; the message says what to do."""

    def _render_traceback_(self):
        return [f"{type(self).__name__}: {self}"]


@dataclass(frozen=True)
class Checkpoint:
    """What is known of a shipped checkpoint.

    value: the figure that it reached, in ``unit``, on ``task``; parameters: how many numbers it holds; cpu_seconds: of its training;
    config: keyword arguments with which the lecture builds the model; sha256: of the file.
    """

    name: str
    task: str
    value: float
    unit: str
    parameters: int
    cpu_seconds: float
    seed: int
    config: dict
    sha256: str


def folder():
    """Where shipped checkpoints lie: ``data/checkpoints``."""
    return paths.data_dir() / "checkpoints"


def recorded(name):
    """The Checkpoint entry of ``name``.  Raises CheckpointError that names those there are."""
    entries = _index()
    if name not in entries:
        raise CheckpointError(
            f"There is no checkpoint {name!r}; there are: {', '.join(entries) or 'none'}."
        )
    return Checkpoint(**entries[name])


def names():
    """Names of all shipped checkpoints."""
    return sorted(_index())


def save(name, model, value, *, unit, task, cpu_seconds, seed, config=None, half=False):
    """Write the model's weights to ``data/checkpoints/NAME.safetensors`` with the figure they reached; for ``make full``.

    half: keep the numbers in float16, half the size; measure ``value`` with the rounded weights then.  Returns the Checkpoint.
    """
    import torch
    from safetensors.torch import save as pack

    weights = {k: v.detach().contiguous().clone() for k, v in model.state_dict().items()}
    if half:
        weights = {
            k: v.to(torch.float16) if v.is_floating_point() else v for k, v in weights.items()
        }
    content = pack(weights)
    entry = Checkpoint(
        name=name,
        task=task,
        value=round(float(value), 6),
        unit=unit,
        parameters=sum(p.numel() for p in model.parameters()),
        cpu_seconds=round(float(cpu_seconds), 1),
        seed=seed,
        config=config or {},
        sha256=hashlib.sha256(content).hexdigest(),
    )
    folder().mkdir(parents=True, exist_ok=True)
    paths.write_atomic(folder() / f"{name}.safetensors", content)
    entries = _index() | {name: asdict(entry)}
    text = json.dumps(entries, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    paths.write_atomic(folder() / _INDEX, text.encode())
    return entry


def load(name, model):
    """Put the shipped weights into ``model`` (in place) and return the Checkpoint with its recorded figure.

    Raises CheckpointError when the file is missing or altered, or when the model has other layers; the model is then unchanged.
    """
    from safetensors.torch import load as unpack

    entry = recorded(name)
    path = folder() / f"{name}.safetensors"
    restore = f"To restore it: git checkout -- {paths.shown(path)}"
    if not path.is_file():
        raise CheckpointError(f"The checkpoint file {paths.shown(path)} is missing. {restore}")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise CheckpointError(
            f"The checkpoint file {paths.shown(path)} is damaged: {len(content):,} bytes whose SHA-256 isn't the recorded one. {restore}"
        )
    weights = unpack(content)
    own = model.state_dict()
    differ = sorted(set(own) ^ set(weights)) or sorted(
        k for k in own if own[k].shape != weights[k].shape
    )
    if differ:
        raise CheckpointError(
            f"The checkpoint {name!r} belongs to another model: it differs in {', '.join(differ[:4])}. "
            f"Build the model with {entry.config or 'the settings of the lecture'}."
        )
    model.load_state_dict({k: v.to(own[k].dtype) for k, v in weights.items()})
    return entry


def _index():
    path = folder() / _INDEX
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text("utf8"))
    except ValueError:
        raise CheckpointError(
            f"{paths.shown(path)} is damaged. To restore it: git checkout -- {paths.shown(path)}"
        ) from None
