"""Trained weights that ship with the course: safetensors files with the figure that they reached.

Loading one reads numbers and nothing else (no pickle).  ``make full`` trains them anew; a test proves that each file still gives
the figure written beside it.
"""

import contextlib
import copy
import hashlib
import json
import subprocess
from dataclasses import asdict, dataclass

from . import paths, runtime, tables
from .texts import message

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
        known = ", ".join(entries) or "none"
        raise CheckpointError(message("checkpoint.unknown", name=name, names=known))
    return Checkpoint(**entries[name])


def save(name, model, value, *, unit, task, cpu_seconds, seed, config=None, half=False):
    """Write the model's weights to ``data/checkpoints/NAME.safetensors`` with the figure they reached; for ``make full``.

    half: keep the numbers in float16, half the size; measure ``value`` with the rounded weights then.  All numbers may be numpy's or
    torch's.  Returns the Checkpoint, equal to what ``recorded`` reads later.  Raises CheckpointError for a model with layers that have no
    weights yet (lazy ones), ValueError for a value that is not finite, TypeError for a config that JSON can't hold.
    """
    import torch
    from safetensors.torch import save as pack

    state = _weights(model)
    lazy = sorted(k for k, v in state.items() if torch.nn.parameter.is_lazy(v))
    if lazy:
        raise CheckpointError(message("checkpoint.lazy", layers=", ".join(lazy[:4])))
    weights = {k: v.detach().contiguous().clone() for k, v in state.items()}
    if half:
        weights = {
            k: v.to(torch.float16) if v.is_floating_point() else v for k, v in weights.items()
        }
    content = pack(weights)
    entry = Checkpoint(
        name=name,
        task=task,
        value=round(tables.number("value", value), 6),
        unit=unit,
        parameters=sum(p.numel() for p in model.parameters()),
        cpu_seconds=round(tables.number("cpu_seconds", cpu_seconds), 1),
        seed=tables.plain(seed),
        config=tables.plain(config or {}),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    folder().mkdir(parents=True, exist_ok=True)
    paths.write_atomic(folder() / f"{name}.safetensors", content)
    entries = _index() | {name: asdict(entry)}
    text = json.dumps(entries, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    paths.write_atomic(folder() / _INDEX, text.encode())
    return entry


def keep(name, network, judge, cpu_seconds=None, config=None, *, unit="", task=""):
    """Ship a lecture's network: with the full budget ``save`` it with its figure, with any other do nothing.

    network: the trained model, or a function without arguments that trains one and returns (model, CPU seconds); it is called
    with the full budget only.  judge: takes the model, its weights rounded to the file's 16 bits, and returns the figure that it
    reaches, or one of each test item: their mean is the figure then.  config: as for ``save``.  unit, task: those of the shipped
    file unless they are given.  Raises CheckpointError for a new name without them.
    """
    if runtime.budget() != "full":
        return
    import torch

    if not isinstance(network, torch.nn.Module):
        network, cpu_seconds = network()
    unit, task = unit or recorded(name).unit, task or recorded(name).task
    network = copy.deepcopy(network).half().float().eval()
    with torch.no_grad():
        value = torch.as_tensor(judge(network)).double().mean()
    save(name, network, value, unit=unit, task=task, cpu_seconds=cpu_seconds, seed=0, config=config, half=True)  # fmt: skip


def load(name, model):
    """Put the shipped weights into ``model`` (in place) and return the Checkpoint with its recorded figure.

    A compiled model (torch.compile) is as good as a plain one, and lazy layers take the shapes of the file.
    Raises CheckpointError when the file is missing or altered, or when the model has other layers; the model is then unchanged.
    """
    import torch
    from safetensors.torch import load as unpack

    entry = recorded(name)
    path = folder() / f"{name}.safetensors"
    file, advice = paths.shown(path), paths.how_to_restore(path)
    if not path.is_file():
        raise CheckpointError(message("checkpoint.missing", file=file, advice=advice))
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise CheckpointError(message("checkpoint.damaged", file=file, size=len(content), advice=advice))  # fmt: skip
    weights, own = unpack(content), _weights(model)
    differ = sorted(set(own) ^ set(weights)) or sorted(
        k
        for k, v in own.items()
        if not torch.nn.parameter.is_lazy(v) and v.shape != weights[k].shape
    )
    if differ:
        layers, config = ", ".join(differ[:4]), entry.config or message("checkpoint.lecture")
        raise CheckpointError(message("checkpoint.differs", name=name, layers=layers, config=config))  # fmt: skip
    names = {_plain_name(k): k for k in model.state_dict()}
    model.load_state_dict({names[k]: v.to(own[k].dtype) for k, v in weights.items()})
    return entry


def _weights(model):
    """The model's state under the names of its own layers, whether it, or a part of it, is compiled or not."""
    return {_plain_name(k): v for k, v in model.state_dict().items()}


def _plain_name(name):
    return name.replace("_orig_mod.", "")  # torch.compile's


def restore(name, model):
    """Build a shipped network; returns it, in eval mode, and its Checkpoint.

    name: of a checkpoint.  model: its class, as the lecture defines it, or any function that takes the recorded settings and
    builds it.  Raises CheckpointError as ``load`` does, and when ``model`` doesn't take the recorded settings.
    """
    entry = recorded(name)
    try:
        network = model(**entry.config)
    except TypeError as error:
        raise CheckpointError(message("shipped.settings", name=name, error=error, config=entry.config)) from None  # fmt: skip
    load(name, network)
    return network.eval(), entry


def load_shipped(name, model):
    """The shipped network in place of a live training that misbehaves: the network, and what the lecture shows about it.

    name, model: as for ``restore``.  Returns the network in eval mode.  Shown are the figure that it reached and the pictures and
    tables of the lecture's cells tagged ``figures-NAME`` as they were published (the class budget's).  Raises CheckpointError as
    ``restore`` does.
    """
    from IPython.display import display

    network, entry = restore(name, model)
    print(
        message(
            "shipped.figure",
            name=name,
            value=f"{entry.value:.2f}",
            unit=entry.unit,
            task=entry.task,
            parameters=f"{entry.parameters:,}",
            cpu_seconds=f"{entry.cpu_seconds:,.0f}",
        )
    )
    outputs = published_outputs(name)
    if not outputs:
        print(message("shipped.no_pictures"))
    for output in outputs:
        if output["output_type"] == "stream":
            print(_text(output["text"]), end="")
        else:
            data = {kind: _text(value) for kind, value in output["data"].items()}
            display(data, metadata=output.get("metadata", {}), raw=True)
    return network


def published_outputs(name):
    """Outputs of the lecture's cells tagged ``figures-NAME``, as nbformat has them.

    They come from the notebook as it is committed where the course is a git checkout, and else from its file, which a student
    may have run and saved since.
    """
    (path,) = (paths.course_root() / "notebooks").glob(f"{name[:3]}*.ipynb")
    tag = f"figures-{name}"
    for content in (_committed(path), path.read_bytes()):
        cells = json.loads(content)["cells"] if content else []
        chosen = [c for c in cells if tag in c["metadata"].get("tags", [])]
        outputs = [o for c in chosen for o in c.get("outputs", []) if o["output_type"] != "error"]
        if outputs:
            return outputs
    return []


def _committed(path):
    """A file's content in the last commit; None without git or a checkout."""
    root = paths.course_root()
    if not (root / ".git").exists():
        return None
    show = ["git", "show", f"HEAD:./{path.relative_to(root).as_posix()}"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(show, cwd=root, capture_output=True, timeout=20)
        return done.stdout if done.returncode == 0 else None
    return None


def _text(value):
    return "".join(value) if isinstance(value, list) else value


def _index():
    path = folder() / _INDEX
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text("utf8"))
    except ValueError:
        advice = paths.how_to_restore(path)
        raise CheckpointError(message("checkpoint.index", file=paths.shown(path), advice=advice)) from None  # fmt: skip
