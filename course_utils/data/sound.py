"""Recorded sound as samples, out of committed WAV files."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .. import paths
from ..texts import message
from .files import SPLITS, DataError, describe, has_hash, manifest, one_of

if TYPE_CHECKING:
    import torch


class Recording(NamedTuple):
    """Sound.  samples: float32, shape (n,), from -1 up to 1; rate: samples a second."""

    samples: torch.Tensor
    rate: int


def audio(name: str, split: str) -> Recording:
    """Recorded sound: "prompts" is a voice that reads announcements for a telephone system, 8,000 samples a second.

    split: "train" (147 s), "valid" (11 s) or "test" (22 s); whole announcements are held out.  The samples are the file's 16-bit numbers
    divided by 32,768, and are yours to change.
    Source: Asterisk's core sounds, CC BY-SA 3.0; see data/README.md.  Raises DataError when the file is missing or altered, and
    ValueError for another name or split.
    """
    one_of(manifest()["audio"], name, "audio")
    one_of(SPLITS, split, "split")
    import numpy as np
    import torch

    problem = audio_problem(name, split)
    if problem:
        raise DataError(problem)
    with wave.open(io.BytesIO(audio_path(name, split).read_bytes())) as file:
        rate, frames = file.getframerate(), file.readframes(file.getnframes())
    samples = np.frombuffer(frames, dtype="<i2").astype(np.float32) / 32768
    return Recording(torch.from_numpy(samples), rate)


def audio_path(name: str, split: str) -> Path:
    """The committed WAV file of one split of a recording."""
    return paths.data_dir() / "audio" / manifest()["audio"][name]["files"][split]["file"]


def audio_problem(name: str, split: str) -> str | None:
    """None if the committed WAV file is the right one, else a message for the reader."""
    path, entry = audio_path(name, split), manifest()["audio"][name]["files"][split]
    if has_hash(path, entry["sha256"]):
        return None
    what = message("data.audio", name=name)
    return describe(what, path, entry["bytes"], entry["sha256"], paths.how_to_restore(path))
