"""Lecture 13: the file of a language model is read right, its tokeniser cuts as it should, and lecture 09's parts, rearranged, compute what
other implementations compute."""

import inspect
import json
import math
import struct
from pathlib import Path

import jinja2
import nbformat
import numpy as np
import pytest
import torch
from weights import assert_causal, random_weights

from course_utils import data, gguf, smollm
from course_utils.commands import notebooks
from course_utils.exercises.lecture_09 import rotate
from course_utils.exercises.lecture_13 import dequantize_blocks, quantize

RECORDED = json.loads((Path(__file__).parent / "smollm2.json").read_text("utf8"))
needs_model = pytest.mark.skipif(
    data.find_text("smollm2")[1] is not None, reason="SmolLM2 not brought: make fetch"
)


# --- GGUF -------------------------------------------------------------------------------------------------------------


def text(words):
    return struct.pack("<Q", len(words.encode())) + words.encode()


def gguf_file(path, tensors, version=3):
    """A small GGUF file with three settings.  tensors: name -> (shape, kind, bytes)."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), 3)
    head += text("a.count") + struct.pack("<II", 4, 30)
    head += text("a.name") + struct.pack("<I", 8) + text("Київ")
    head += text("a.list") + struct.pack("<IIQ", 9, 6, 2) + struct.pack("<ff", 0.5, -2)
    body = b""
    for name, (shape, kind, content) in tensors.items():
        head += text(name) + struct.pack("<I", len(shape))
        head += struct.pack(f"<{len(shape)}Q", *shape[::-1])
        head += struct.pack("<IQ", kind, len(body))
        body += content + bytes(-len(content) % 32)
    path.write_bytes(head + bytes(-len(head) % 32) + body)
    return path


def packed_by_hand():
    """Two rows of 32 in each kind: (tensors for gguf_file, the numbers that they stand for)."""
    numbers = np.arange(64, dtype=np.float32).reshape(2, 32)
    codes = np.arange(64).reshape(2, 32) * 7 % 16
    q4 = b"".join(
        struct.pack("<ee", 0.5, -1.25) + bytes(row[i] | row[i + 16] << 4 for i in range(16))
        for row in codes.tolist()
    )
    q8 = b"".join(struct.pack("<e32b", 0.25, *(row - 8)) for row in codes)
    tensors = {
        "plain": ((2, 32), 0, numbers.tobytes()),
        "four": ((2, 32), 3, q4),
        "eight": ((2, 32), 8, q8),
    }
    return tensors, {"plain": numbers, "four": codes * 0.5 - 1.25, "eight": (codes - 8) * 0.25}


def test_each_kind_of_tensor_is_unpacked(tmp_path):
    tensors, right = packed_by_hand()
    settings, packed = gguf.read(gguf_file(tmp_path / "x.gguf", tensors))
    assert settings == {"a.count": 30, "a.name": "Київ", "a.list": [0.5, -2]}
    assert {name: p.kind for name, p in packed.items()} == {
        "plain": "F32", "four": "Q4_1", "eight": "Q8_0",
    }  # fmt: skip
    for name, numbers in right.items():
        assert packed[name].unpack().dtype == torch.float32
        assert packed[name].unpack().tolist() == numbers.tolist()
    for name in ("four", "eight"):
        assert dequantize_blocks(*packed[name].blocks()).tolist() == right[name].tolist()


def test_what_is_no_gguf_is_refused(tmp_path):
    tensors, _ = packed_by_hand()
    with pytest.raises(ValueError, match="no GGUF file of version 3"):
        gguf.read(gguf_file(tmp_path / "old.gguf", tensors, version=2))
    (tmp_path / "x.txt").write_bytes(b"PK\3\4" + bytes(40))
    with pytest.raises(ValueError, match=r"x\.txt is no GGUF file"):
        gguf.read(tmp_path / "x.txt")
    with pytest.raises(ValueError, match="odd: tensors of kind 12"):
        gguf.read(gguf_file(tmp_path / "y.gguf", {"odd": ((1, 256), 12, bytes(144))}))


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_quantised_numbers_are_off_by_half_a_step_at_most(bits):
    x = torch.randn(7, 96, generator=torch.Generator().manual_seed(bits))
    codes, scale, low = quantize(x, 32, bits)
    assert codes.dtype == torch.uint8 and int(codes.max()) == 2**bits - 1 and int(codes.min()) == 0
    error = (dequantize_blocks(codes, scale, low) - x).view(7, 3, 32).abs()
    assert (error <= 0.5001 * scale).all() and error.max() > 0.4 * scale.max()


# --- the module is the lecture's own ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rope", "GroupedAttention", "LlamaBlock", "Llama"])
def test_the_module_has_the_lectures_code_letter_for_letter(name):
    (path,) = notebooks.paths(["13_adapting_llms"])
    cells = nbformat.read(path, as_version=4).cells
    assert any(inspect.getsource(getattr(smollm, name)).rstrip() in c.source for c in cells)


# --- the network, with random weights ---------------------------------------------------------------------------------


def small():
    return random_weights(smollm.Llama(20, 16, 24, 2, heads=4, key_heads=2, base=100.0))


def test_no_position_sees_a_later_one():
    assert_causal(small())


@pytest.mark.parametrize("cuts", [[3, 7], [1, 2, 3, 4, 5, 6, 7, 8, 9], [9], []])
def test_a_cache_changes_nothing_however_the_text_is_cut(cuts):
    net, tokens = small(), torch.randint(20, (1, 10), generator=torch.Generator().manual_seed(1))
    caches, parts = [{} for _ in net.blocks], []
    with torch.no_grad():
        for start, end in zip([0, *cuts], [*cuts, 10]):
            parts.append(net(tokens[:, start:end], start, caches))
        assert torch.allclose(torch.cat(parts, 1), net(tokens), atol=1e-10)


def test_a_text_that_was_read_once_serves_many_continuations():
    net = small()
    before = smollm.read(net, [3, 1, 4, 1, 5])
    for question in ([9, 2], [6], [5, 3, 5]):
        whole = smollm.generate(net, [3, 1, 4, 1, 5, *question], 6)
        assert smollm.generate(net, question, 6, after=before) == whole
    assert before[0]["k"].shape[2] == 5


@pytest.mark.parametrize("stop", [smollm.END, 5])
@pytest.mark.parametrize("text", [None, [3, 1, 4]])
def test_many_prompts_at_once_get_the_answers_that_each_gets_alone(text, stop):
    net, random = small(), torch.Generator().manual_seed(4)
    after = text and smollm.read(net, text)
    prompts = [
        torch.randint(20, (2 + i % 3,), generator=random).tolist() for i in range(110)
    ]  # more than 32 of each length
    alone = [smollm.generate(net, p, 7, after=after, stop=stop) for p in prompts]
    assert smollm.generate_all(net, prompts, 7, after=after, stop=stop) == alone
    assert 0 < sum(len(answer) < 7 for answer in alone) < 110


def test_each_prompt_is_told_to_its_chooser():
    net = small()
    chosen = smollm.generate_all(net, [[3], [4, 5], [6]], 2, lambda number, logits: 10 + number)
    assert chosen == [[10, 10], [11, 11], [12, 12]]


def test_rope_is_lecture_09s_rotation_with_another_base():
    x = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(2))
    places = torch.tensor([0, 1, 5, 70, 4000])
    assert torch.allclose(smollm.rope(x, places, 10_000), rotate(x, places), atol=1e-5)
    assert not torch.allclose(smollm.rope(x, places, 100_000), rotate(x, places), atol=0.1)
    assert smollm.rope(x.bfloat16(), places, 10_000).dtype == torch.bfloat16


def test_halves_undoes_llama_cpps_order():
    """Its conversion makes neighbours of what stands half a head apart."""
    ours = torch.arange(24.0).view(12, 2)  # two heads of six rows
    theirs = ours.view(2, 2, 3, 2).transpose(1, 2).reshape(12, 2)
    assert theirs[:4, 0].tolist() == [0, 6, 2, 8]
    assert torch.equal(smollm.halves(theirs, 2), ours)


# --- SmolLM2 itself ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loaded():
    return smollm.load()


@pytest.fixture(scope="module")
def halved():
    return smollm.load(torch.bfloat16)[0]


@needs_model
@pytest.mark.parametrize("sample", RECORDED["tokens"], ids=lambda s: repr(s["text"][:12]))
def test_the_tokeniser_cuts_as_the_library_does(loaded, sample):
    _, tokeniser = loaded
    assert tokeniser.encode(sample["text"]) == sample["ids"]
    assert tokeniser.decode(sample["ids"]) == sample["text"]


@needs_model
def test_the_chat_template_is_the_files_own(loaded):
    _, tokeniser = loaded
    settings, _ = gguf.read(data.model_path("smollm2"))
    template = jinja2.Environment().from_string(settings["tokenizer.chat_template"])
    for question in ("What is the capital of France?", "Київ\n\n2 + 2 = ?"):
        turn = {"role": "user", "content": question}
        wanted = template.render(messages=[turn], add_generation_prompt=True)
        assert tokeniser.decode(smollm.chat(tokeniser, question)) == wanted
    ids = (settings["tokenizer.ggml.bos_token_id"], settings["tokenizer.ggml.eos_token_id"])
    assert ids == (smollm.START, smollm.END)


def second_implementation(tokens):
    """Logits of all positions, (time, vocab), in numpy: straight from the file, with pairs of neighbours as the file has them."""
    settings, packed = gguf.read(data.model_path("smollm2"))
    weights = {name: p.unpack().numpy() for name, p in packed.items()}
    time, d, key_heads = len(tokens), 64, 3
    theta = settings["llama.rope.freq_base"] ** (-2.0 * np.arange(d // 2) / d)
    turn = np.exp(1j * np.arange(time)[:, None] * theta)  # (time, d / 2)
    bias = np.triu(np.full((time, time), -np.inf), 1)

    def norm(x, name):
        return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + 1e-5) * weights[name + ".weight"]

    def turned(x):
        z = (x[:, 0::2] + 1j * x[:, 1::2]) * turn
        return np.stack([z.real, z.imag], -1).reshape(time, d)

    x = weights["token_embd.weight"][tokens]
    for i in range(settings["llama.block_count"]):
        w = {n.split(".")[2]: m for n, m in weights.items() if n.startswith(f"blk.{i}.")}
        h = norm(x, f"blk.{i}.attn_norm")
        q, k, v = (h @ w[f"attn_{n}"].T for n in "qkv")
        heads = []
        for j in range(q.shape[1] // d):
            own, shared = slice(j * d, j * d + d), j // (q.shape[1] // d // key_heads)
            other = slice(shared * d, shared * d + d)
            scores = turned(q[:, own]) @ turned(k[:, other]).T / math.sqrt(d) + bias
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            heads.append(scores / scores.sum(-1, keepdims=True) @ v[:, other])
        x = x + np.concatenate(heads, -1) @ w["attn_output"].T
        h = norm(x, f"blk.{i}.ffn_norm")
        gate = h @ w["ffn_gate"].T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ w["ffn_up"].T)) @ w["ffn_down"].T
    return norm(x, "output_norm") @ weights["token_embd.weight"].T


@needs_model
def test_logits_equal_a_second_implementation(loaded):
    model, tokeniser = loaded
    tokens = tokeniser.encode("The Dnipro flows through Kyiv, and in 1654")
    wanted = torch.from_numpy(second_implementation(tokens)).float()
    found = model(torch.tensor([tokens]))[0]
    assert wanted.std() > 1
    assert float((found - wanted).abs().max()) < 2e-3


@needs_model
@pytest.mark.parametrize("sample", RECORDED["logits"], ids=lambda s: repr(s["text"][-12:]))
def test_logits_equal_transformers(loaded, sample):
    """The eight largest of the last position, by the authors' library, from the same file in float32."""
    found = loaded[0](torch.tensor([sample["tokens"]]))[0, -1]
    assert found.topk(8).indices.tolist() == sample["top"]
    assert (found[sample["top"]] - torch.tensor(sample["values"])).abs().max() < 2e-3


@needs_model
@pytest.mark.parametrize("sample", RECORDED["logits"], ids=lambda s: repr(s["text"][-12:]))
def test_bfloat16_logits_are_near_transformers_in_float32(halved, sample):
    """Between 16 and 32 bfloat16 has steps of 0.125: a step for the last layer, and as much again for 30 blocks."""
    found = halved(torch.tensor([sample["tokens"]]))[0, -1].float()
    assert (found[sample["top"]] - torch.tensor(sample["values"])).abs().max() < 0.5


@needs_model
def test_bfloat16_predicts_nearly_the_same(loaded, halved):
    model, tokeniser = loaded
    tokens = torch.tensor([smollm.chat(tokeniser, "What is the capital of France?")])
    full = model(tokens)[0].log_softmax(-1)
    half = halved(tokens)[0].float().log_softmax(-1)
    divergence = (full.exp() * (full - half)).sum(-1)  # nats for each of the positions
    assert float(divergence.mean()) < 0.01


@needs_model
def test_angles_stay_exact_far_into_a_text_in_bfloat16(loaded, halved):
    """Position 500 in bfloat16 is right to 2: angles that are computed there are off by whole radians, which a short text doesn't show."""
    x = torch.randn(1, 1, 64, generator=torch.Generator().manual_seed(3)).bfloat16()
    place = torch.tensor([501])
    exact = smollm.rope(x.double(), place, 100_000.0)
    assert (smollm.rope(x, place, 100_000.0).double() - exact).abs().max() < 0.05
    tokens = loaded[1].encode(" ".join(f"Line {i} of the list." for i in range(60)))
    bits = [float(smollm.token_bits(net, tokens).mean()) for net in (loaded[0], halved)]
    assert bits[1] == pytest.approx(bits[0], rel=0.02)


@needs_model
def test_it_knows_the_capital_of_france(loaded):
    model, tokeniser = loaded
    answer = smollm.generate(model, smollm.chat(tokeniser, "What is the capital of France?"), 20)
    assert "Paris" in tokeniser.decode(answer) and smollm.END not in answer


@needs_model
def test_windows_give_each_token_its_bits_once(loaded):
    model, tokeniser = loaded
    tokens = tokeniser.encode("To be, or not to be, that is the question: whether 'tis nobler")
    whole = smollm.token_bits(model, tokens)
    assert len(whole) == len(tokens) - 1
    short = smollm.token_bits(model, tokens, context=8)
    assert torch.allclose(short[:8], whole[:8], atol=1e-3) and (short > 0).all()
    assert short.sum() > whole.sum()


@needs_model
def test_an_answer_ends_before_its_stop(loaded):
    model, tokeniser = loaded
    (newline,) = tokeniser.encode("\n")
    tokens = tokeniser.encode("France: Paris\nItaly: Rome\nSpain:")
    answer = smollm.generate(model, tokens, 12, stop=newline)
    whole = smollm.generate(model, tokens, 12)
    assert newline in whole and len(answer) > 0 and answer == whole[: whole.index(newline)]
