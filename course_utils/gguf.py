"""Reads GGUF, the file in which llama.cpp keeps a language model: settings, vocabulary and weights, most of them in blocks of a few bits.

The layout of the file is told in docs/gguf.md of github.com/ggml-org/ggml, that of the blocks in its ggml-common.h.  Little-endian;
of the many kinds of tensors only the three that the course's model has.
"""

import math
import struct

import torch

BLOCK = 32  # weights that share a scale
# kinds of a setting's value: text, list, and numbers with these letters in struct
_TEXT, _LIST = 8, 9
_NUMBERS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))


class _Bytes:
    """What stands at the beginning of the file, one value after the other."""

    def __init__(self, content):
        self.content, self.at = content, 0

    def number(self, letter):
        (value,) = struct.unpack_from("<" + letter, self.content, self.at)
        self.at += struct.calcsize("<" + letter)
        return value

    def text(self):
        length = self.number("Q")
        self.at += length
        return self.content[self.at - length : self.at].decode("utf8")

    def value(self, kind):
        if kind == _TEXT:
            return self.text()
        if kind == _LIST:
            kind, length = self.number("I"), self.number("Q")
            return [self.value(kind) for _ in range(length)]
        return self.number(_NUMBERS[kind])


def read(path):
    """(settings, tensors) of a GGUF file: name -> value, and name -> Packed.  Raises ValueError for another file."""
    content = bytearray(path.read_bytes())
    head = _Bytes(content)
    if content[:4] != b"GGUF" or struct.unpack_from("<I", content, 4) != (3,):
        raise ValueError(f"{path} is no GGUF file of version 3")
    head.at = 8
    tensors, settings = head.number("Q"), head.number("Q")
    settings = {head.text(): head.value(head.number("I")) for _ in range(settings)}
    entries = []
    for _ in range(tensors):
        name = head.text()
        shape = [head.number("Q") for _ in range(head.number("I"))]  # the last axis first
        entries.append((name, shape[::-1], head.number("I"), head.number("Q")))
    alignment = settings.get("general.alignment", 32)
    start = math.ceil(head.at / alignment) * alignment
    weights = torch.frombuffer(content, dtype=torch.uint8)
    return settings, {
        name: Packed(name, tuple(shape), kind, weights[start + offset :])
        for name, shape, kind, offset in entries
    }


class Packed:
    """A tensor as it lies in the file.  shape: unpacked.  kind: "F32", "Q8_0" or "Q4_1".  bytes: of the file, one after the other."""

    KINDS = {0: ("F32", 4, 1), 3: ("Q4_1", 20, BLOCK), 8: ("Q8_0", 34, BLOCK)}  # bytes, weights

    def __init__(self, name, shape, kind, content):
        if kind not in self.KINDS:
            raise ValueError(f"{name}: tensors of kind {kind} of ggml can't be read here")
        self.shape = shape
        self.kind, size, weights = self.KINDS[kind]
        self.bytes = content[: math.prod(shape) // weights * size]

    def blocks(self):
        """(codes, scale, low) with which the weights are codes * scale + low: (..., blocks, 32), and (..., blocks, 1) twice, float32."""
        rows = self.bytes.view(*self.shape[:-1], self.shape[-1] // BLOCK, -1)
        scale = rows[..., :2].contiguous().view(torch.float16).float()
        if self.kind == "Q8_0":  # a scale, then 32 signed bytes
            codes = rows[..., 2:].contiguous().view(torch.int8)
            return codes, scale, torch.zeros_like(scale)
        low = rows[..., 2:4].contiguous().view(torch.float16).float()
        pairs = rows[..., 4:]  # 16 bytes: lower halves are weights 0 ... 15, upper ones 16 ... 31
        return torch.cat([pairs & 15, pairs >> 4], dim=-1), scale, low

    def unpack(self):
        """The weights, float32."""
        if self.kind == "F32":
            return self.bytes.view(torch.float32).view(self.shape).clone()
        codes, scale, low = self.blocks()
        return (codes * scale + low).view(self.shape)
