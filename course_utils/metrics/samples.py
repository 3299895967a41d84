"""Samples that the lectures' shipped models drew, for lecture 08: it compares results, not classes.

``make full NB=08_samples`` draws them anew: it runs the cells of lectures 03 to 07 that define the models, loads their checkpoints, and
uses each lecture's own sampler.  Everything is binary, so that no family is judged by another kind of picture than the rest: grey levels
are the probabilities of ink, and one draw decides, as for the data.
"""

import hashlib
import io
import json
import time
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
            f"The samples {paths.shown(path)} are {state}. To restore them: git checkout -- {paths.shown(path)}"
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


# --- drawing them anew ------------------------------------------------------------------------------------------------


def _shipped(lecture, checkpoint, kind):
    entry = checkpoints.recorded(checkpoint)
    net = lecture[kind](**entry.config).eval()
    checkpoints.load(checkpoint, net)
    return net, {"parameters": entry.parameters, "cpu_seconds": entry.cpu_seconds}, entry.value


def _made(lecture):
    """Lecture 03: one pass of the network for each pixel."""
    net, facts, nats = _shipped(lecture, "03_made", "MADE")
    generator = torch.Generator().manual_seed(0)
    x = torch.zeros(COUNT, 784)
    for j in range(784):
        x[:, j] = torch.bernoulli(net(x)[:, j].sigmoid(), generator=generator)
    return x, facts | {"label": "MADE", "lecture": "03", "nats": nats, "bound": False}


def _pixelcnn(lecture):
    """Lecture 05: its cached sampler, 250 images at a time."""
    net, facts, nats = _shipped(lecture, "05_pixelcnn", "PixelCNN")
    generator = torch.Generator().manual_seed(0)
    parts = []
    for _ in range(COUNT // 250):
        u = torch.rand(250, 28, 28, generator=generator)
        parts.append(lecture["sample_cached"](net, u))
    return torch.cat(parts), facts | {
        "label": "PixelCNN",
        "lecture": "05",
        "nats": nats,
        "bound": False,
    }


def _vae(lecture):
    """Lecture 06: one pass of the decoder, then a draw of each pixel."""
    net, facts, nats = _shipped(lecture, "06_vae", "VAE")
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(COUNT, net.latent_dim, generator=generator)
    x = torch.bernoulli(net.decoder(z).sigmoid(), generator=generator)
    return x, facts | {"label": "VAE", "lecture": "06", "nats": nats, "bound": True}


def _gan(lecture):
    """Lecture 07: one pass of the generator, then a draw of each pixel."""
    net, facts, _ = _shipped(lecture, "07_gan", "Generator")
    generator = torch.Generator().manual_seed(0)
    x = net(torch.randn(COUNT, net.latent_dim, generator=generator))
    return torch.bernoulli(x, generator=generator), facts | {
        "label": "GAN",
        "lecture": "07",
        "nats": None,
        "bound": False,
    }


def _conditional_gan(lecture):
    """Lecture 07: the same with a class for each image."""
    net, facts, _ = _shipped(lecture, "07_conditional_gan", "ConditionalGenerator")
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(COUNT, net.latent_dim, generator=generator)
    x = torch.bernoulli(net(z, torch.arange(COUNT) % 10), generator=generator)
    label = "GAN, conditional"
    return x, facts | {"label": label, "lecture": "07", "nats": None, "bound": False}


MODELS = {
    "03_made": ("03_autoregression", _made, False),
    "05_pixelcnn": ("05_pixelcnn", _pixelcnn, False),
    "06_vae": ("06_vae", _vae, False),
    "07_gan": ("07_gan", _gan, False),
    "07_gan_conditional": ("07_gan", _conditional_gan, True),
}


def main(wanted=()):
    """``python -m course_utils.metrics.samples [NAME …]``: draw the samples of these models (all, if none is named) and keep them."""
    from ..notebooks import model_cells

    torch.set_num_threads(1)
    for name in wanted or MODELS:
        lecture, draw, ordered = MODELS[name]
        defined = model_cells(lecture)
        start = time.process_time()
        with torch.no_grad():
            images, facts = draw(defined)
        seconds = (time.process_time() - start) / len(images)
        save(name, images, ordered=ordered, seconds=round(seconds, 7), **facts)
        print(f"{name}: {len(images):,} images, {1000 * seconds:.3f} ms each")
    return 0


if __name__ == "__main__":
    import sys

    raise SystemExit(main(sys.argv[1:]))
