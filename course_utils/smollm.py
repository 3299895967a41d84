"""What lecture 13 builds, for the lectures that go on from there: SmolLM2-135M-Instruct through lecture 09's functions, class for class
the lecture's own (``tests/test_lecture_13.py`` compares the two).  The weights are brought at set-up: ``data.model_path("smollm2")``.
"""

import math
import re
import unicodedata
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import nn

from . import data, gguf
from .exercises.lecture_09 import merge_heads, rms_norm, split_heads
from .gpt import BytePairs

START, END = 1, 2  # <|im_start|> and <|im_end|>: around each turn of a conversation
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"

# GPT-2's: contractions, words, digits, punctuation, white space; the last space belongs to the word behind it
_PIECES = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")


def byte_characters():
    """GPT-2's alphabet: a printable character for each of the 256 bytes, {byte: character}; the space is Ġ."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(others)}


class ByteLevelPairs(BytePairs):
    """Byte pairs whose characters are bytes (GPT-2), so that no text has unknown ones.  Each numeral is a piece of its own (SmolLM).

    vocabulary: the tokens, a list of strings of byte_characters().  merges: "left right", in the order learned.
    """

    def __init__(self, vocabulary, merges):
        self.vocabulary, self._known = vocabulary, {}
        self._index = {token: i for i, token in enumerate(vocabulary)}
        pairs = [tuple(merge.split(" ")) for merge in merges]
        self.merges = {(self._index[a], self._index[b]): self._index[a + b] for a, b in pairs}
        self._characters = byte_characters()
        self._bytes = {c: b for b, c in self._characters.items()}

    def encode(self, text):
        """The text as numbers of tokens, a list.  Names of special tokens in the text are text like any other."""
        tokens = []
        for piece in _pieces(text):
            tokens += self._word("".join(self._characters[b] for b in piece.encode("utf8")))
        return tokens

    def decode(self, tokens):
        """The text of numbers of tokens; special tokens come as their names, broken characters as �."""
        characters = "".join(self.vocabulary[int(i)] for i in tokens)
        return bytes(self._bytes[c] for c in characters).decode("utf8", errors="replace")


def _pieces(text):
    """Where no merge reaches across: numerals one by one, and between them GPT-2's words."""
    numeral = [i if unicodedata.category(c)[0] == "N" else -1 for i, c in enumerate(text)]
    for _, run in groupby(range(len(text)), key=numeral.__getitem__):
        places = list(run)
        yield from _PIECES.findall(text[places[0] : places[-1] + 1])


def rope(x, positions, base):
    """Lecture 09's rotate() with another base.  x: (..., time, d).  The angles are float32, whatever x is."""
    half = x.shape[-1] // 2
    angles = positions[:, None] * base ** (-torch.arange(half) / half)  # (time, d/2)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class GroupedAttention(nn.Module):
    """Causal self-attention in which several heads of queries share one of keys and values.  x: (batch, time, width) -> the same.

    start: position of the first of x.  cache: a dict for the keys and values of all positions so far, or None.
    """

    def __init__(self, width, heads, key_heads, base):
        super().__init__()
        self.heads, self.key_heads, self.base = heads, key_heads, base
        shared = width // heads * key_heads
        self.q, self.out = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.k, self.v = (nn.Linear(width, shared, bias=False) for _ in range(2))

    def forward(self, x, start=0, cache=None):
        positions = torch.arange(start, start + x.shape[1])
        q = rope(split_heads(self.q(x), self.heads), positions, self.base)  # (batch, 9, time, 64)
        k = rope(split_heads(self.k(x), self.key_heads), positions, self.base)  # 3 heads
        v = split_heads(self.v(x), self.key_heads)
        if cache is not None:
            if cache:
                k, v = (torch.cat([cache[n], new], dim=2) for n, new in (("k", k), ("v", v)))
            cache.update(k=k, v=v)
        k, v = (t.repeat_interleave(self.heads // self.key_heads, dim=1) for t in (k, v))
        new, seen = q.shape[2], k.shape[2]
        mask = torch.ones(new, seen, dtype=torch.bool).tril(seen - new)
        return self.out(merge_heads(F.scaled_dot_product_attention(q, k, v, mask)))


class LlamaBlock(nn.Module):
    """Lecture 09's block with grouped heads and a gated feed-forward part, SwiGLU (Shazeer 2020)."""

    def __init__(self, width, hidden, heads, key_heads, base):
        super().__init__()
        self.norm1, self.norm2 = (nn.Parameter(torch.ones(width)) for _ in range(2))
        self.attention = GroupedAttention(width, heads, key_heads, base)
        self.gate, self.up = (nn.Linear(width, hidden, bias=False) for _ in range(2))
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x, start=0, cache=None):
        x = x + self.attention(rms_norm(x, self.norm1), start, cache)
        h = rms_norm(x, self.norm2)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Llama(nn.Module):
    """tokens (batch, time) -> logits of the next token, (batch, time, vocab).  The table of the tokens is also the last layer."""

    def __init__(self, vocab, width, hidden, layers, heads, key_heads, base):
        super().__init__()
        self.embed = nn.Embedding(vocab, width)
        sizes = width, hidden, heads, key_heads, base
        self.blocks = nn.ModuleList(LlamaBlock(*sizes) for _ in range(layers))
        self.norm = nn.Parameter(torch.ones(width))

    def forward(self, tokens, start=0, caches=None):
        x = self.embed(tokens)
        for i, block in enumerate(self.blocks):
            x = block(x, start, caches[i] if caches else None)
        return F.linear(rms_norm(x, self.norm), self.embed.weight)


def halves(weight, heads):
    """Rows of a matrix of queries or keys as rope() wants them: llama.cpp's pairs are neighbours, ours stand half a head apart."""
    return weight.unflatten(0, (heads, -1, 2)).transpose(1, 2).reshape(weight.shape)


NAMES = {  # of a block's weights: ours -> the file's
    "norm1": "attn_norm", "attention.q": "attn_q", "attention.k": "attn_k", "attention.v": "attn_v", "attention.out": "attn_output",
    "norm2": "ffn_norm", "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down",
}  # fmt: skip


def load(dtype=torch.float32):
    """(model, tokeniser): SmolLM2-135M-Instruct, unpacked.  Raises DataError where its file isn't there."""
    settings, packed = gguf.read(data.model_path("smollm2"))
    says = {key.removeprefix("llama."): value for key, value in settings.items()}
    heads, key_heads = says["attention.head_count"], says["attention.head_count_kv"]
    with torch.device("meta"):  # no memory for weights that come from the file
        model = Llama(
            says["vocab_size"], says["embedding_length"], says["feed_forward_length"],
            says["block_count"], heads, key_heads, says["rope.freq_base"],
        )  # fmt: skip
    state = {"embed.weight": "token_embd", "norm": "output_norm"}
    for i in range(says["block_count"]):
        for ours, theirs in NAMES.items():
            state[f"blocks.{i}.{ours}" + ".weight" * ("norm" not in ours)] = f"blk.{i}.{theirs}"
    weights = {ours: packed[f"{theirs}.weight"].unpack() for ours, theirs in state.items()}
    for name, weight in weights.items():
        if name.endswith(("q.weight", "k.weight")):
            weights[name] = halves(weight, heads if name.endswith("q.weight") else key_heads)
    model.load_state_dict(weights, assign=True)
    words = settings["tokenizer.ggml.tokens"], settings["tokenizer.ggml.merges"]
    return model.to(dtype).requires_grad_(False), ByteLevelPairs(*words)


def turn(tokeniser, role, text):
    """The tokens of one turn of a conversation: SmolLM2's template."""
    return [START, *tokeniser.encode(f"{role}\n{text}"), END, *tokeniser.encode("\n")]


def chat(tokeniser, question, system=SYSTEM):
    """The tokens of a conversation in which the assistant is to speak next."""
    tokens = turn(tokeniser, "system", system) + turn(tokeniser, "user", question)
    return [*tokens, START, *tokeniser.encode("assistant\n")]


@torch.no_grad()
def read(model, tokens):
    """The caches after a list of tokens: what ``generate`` takes as the text before."""
    caches = [{} for _ in model.blocks]
    model(torch.tensor([tokens]), 0, caches)
    return caches


def generate(model, tokens, most, choose=torch.argmax, after=None, stop=END):
    """Up to ``most`` new tokens behind a list of tokens, up to the token ``stop``.  choose: logits (vocab,) -> a token.

    after: caches of the text before, from ``read``; they stay as they are, so that many questions can share one text.
    """
    return generate_all(model, [tokens], most, lambda _, logits: choose(logits), after, stop)[0]


@torch.no_grad()
def generate_all(model, prompts, most, choose=None, after=None, stop=END):
    """What ``generate`` gives for each of many lists of tokens; lists of one length go through the network together, 32 at a time.

    choose: (number of the prompt, its logits (vocab,)) -> a token; None: the most likely.  after: caches of a text before all of them.
    """
    choose = choose or (lambda number, logits: logits.argmax())
    answers = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for _, alike in groupby(order, key=lambda i: len(prompts[i])):
        alike = list(alike)
        for first in range(0, len(alike), 32):
            rows = alike[first : first + 32]
            _write(model, rows, prompts, answers, most, choose, after, stop)
    return answers


def _write(model, rows, prompts, answers, most, choose, after, stop):
    """Fills the answers of some prompts of one length."""
    n, start = len(rows), after[0]["k"].shape[2] if after else 0
    before = after or [{}] * len(model.blocks)
    caches = [{name: t.expand(n, -1, -1, -1) for name, t in cache.items()} for cache in before]
    step, writing = torch.tensor([prompts[i] for i in rows]), set(rows)
    for _ in range(most):
        logits = model(step, start, caches)[:, -1].float()
        start += step.shape[1]
        tokens = {i: int(choose(i, row)) for i, row in zip(rows, logits) if i in writing}
        writing = {i for i in writing if tokens[i] != stop}
        for i in writing:
            answers[i].append(tokens[i])
        if not writing:
            return
        step = torch.tensor([[tokens.get(i, stop)] for i in rows])


@torch.no_grad()
def token_bits(model, tokens, context=512):
    """-log2 p of each token of a list but the first, (n - 1,), in windows that overlap by half."""
    ids, bits = torch.tensor(tokens), torch.empty(len(tokens) - 1)
    last = max(len(ids) - 1 - context, 0)
    for start in [*range(0, last, context // 2), last]:
        window = ids[start : start + context + 1]
        nats = F.cross_entropy(model(window[None, :-1])[0].float(), window[1:], reduction="none")
        seen = 0 if start == 0 else context // 2
        bits[start + seen : start + len(nats)] = nats[seen:] / math.log(2)
    return bits
