"""Lecture 13b: LoRA is the base at the start and one matrix at the end, only what should is trained, the loss of instructions looks at answers
alone, DPO finds its optimum, and the shipped adapter gives its figure."""

import copy

import pytest
import torch
from weights import random_weights

from course_utils import checkpoints, data, smollm
from course_utils.commands.notebooks import model_cells
from course_utils.exercises.lecture_13b import dpo_loss, instruction_labels, training_bytes
from course_utils.gpt import GPT
from course_utils.records import read

needs_model = pytest.mark.skipif(
    data.find_text("smollm2")[1] is not None, reason="SmolLM2 not brought: make fetch"
)
MATRICES = ("qkv", "attention.out", "up", "down")


@pytest.fixture(scope="module")
def lecture():
    """Names that the cells tagged "model" define."""
    return model_cells("13b_fine_tuning")


@pytest.fixture
def net():
    return random_weights(GPT(30, width=16, layers=2, heads=2)).float()


def text():
    return torch.randint(30, (2, 12), generator=torch.Generator().manual_seed(1))


def learned(adapter):
    for part in adapter.values():
        part.B.data = 0.3 * torch.randn(part.B.shape, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def test_an_adapter_changes_nothing_until_it_has_learned(lecture, net):
    before = net(text())
    adapter = lecture["add_lora"](net, MATRICES, rank=3, alpha=6)
    assert torch.equal(net(text()), before)
    learned(adapter)
    assert (net(text()) - before).abs().max() > 0.1


@torch.no_grad()
def test_merged_is_unmerged(lecture, net):
    learned(lecture["add_lora"](net, MATRICES, rank=3, alpha=6))
    unmerged, names = net(text()), {n for n, _ in GPT(30, width=16, layers=2).named_parameters()}
    lecture["merge"](net)
    assert torch.allclose(net(text()), unmerged, atol=1e-4)
    assert {n for n, _ in net.named_parameters()} == names  # plain layers again


def test_only_the_adapter_is_trained_and_saved(lecture, net):
    frozen = copy.deepcopy(net.state_dict())
    adapter = lecture["add_lora"](net, ["qkv", "down"], rank=3, alpha=6)
    trained = [p for p in net.parameters() if p.requires_grad]
    assert {id(p) for p in trained} == {id(p) for p in adapter.parameters()}
    assert len(adapter) == 4  # two layers, two blocks
    assert {n.rpartition(".")[2] for n in adapter.state_dict()} == {"A", "B"}
    learned(adapter)
    net(text()).square().sum().backward()
    assert all(p.grad.abs().max() > 0 for p in trained)
    torch.optim.SGD(trained, lr=0.1).step()
    assert torch.equal(adapter["blocks-1-attention-qkv"].weight, frozen["blocks.1.attention.qkv.weight"])  # fmt: skip


@torch.no_grad()
def test_a_second_adapter_takes_the_place_of_the_first(lecture, net):
    before = net(text())
    learned(lecture["add_lora"](net, MATRICES, rank=3, alpha=6))
    lecture["add_lora"](net, MATRICES, rank=2, alpha=6)
    assert torch.equal(net(text()), before)


def test_the_loss_of_instructions_looks_at_the_answer_and_its_end_alone():
    prompt, answer = [5, 6, 7], [8, 9]
    tokens = torch.tensor([*prompt, *answer, 2])
    labels = torch.tensor(instruction_labels(prompt, answer))
    logits = torch.randn(1, 5, 12, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(logits.mT, labels[None, 1:], ignore_index=-100)
    loss.backward()
    looked_at = logits.grad[0].abs().sum(-1) > 0
    assert looked_at.tolist() == [False, False, True, True, True]
    assert labels[3:].tolist() == tokens[3:].tolist()


def test_dpo_finds_its_optimum():
    """With all comparisons in the proportions of Bradley and Terry the gradient vanishes at pi_ref exp(r / beta) / Z, and only there."""
    reference = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64).log()
    reward, beta = torch.log(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)), 0.7
    pairs = [
        (a, b)
        for a, b, times in [(0, 1, 20), (1, 0, 40), (0, 2, 15), (2, 0, 45), (1, 2, 24), (2, 1, 36)]
        for _ in range(times)  # e^r / (e^r + e^s) of 60
    ]
    chosen, rejected = torch.tensor(pairs).T
    for start, still in ((reference + reward / beta, True), (reference, False)):
        logits = start.clone().requires_grad_(True)
        p = logits.log_softmax(0)
        dpo_loss(p[chosen], p[rejected], reference[chosen], reference[rejected], beta).backward()
        assert (logits.grad.abs().max() < 1e-12) == still


def test_published_figures():
    assert training_bytes(65e9, 65e9, 2, True) == 780e9


def test_the_race_is_complete():
    """Every way at every share, with three seeds where the text is whole; each run judged on the same 50 pieces."""
    race = read("13b_transfer")
    for by_share in race["ways"].values():
        assert {s: len(runs) for s, runs in by_share.items()} == {"0.01": 1, "0.1": 1, "1": 3}
        assert {len(run["new"]) for runs in by_share.values() for run in runs} == {50}
        assert {len(run["along"]) for run in by_share["1"]} == {4}
    assert {len(both) for both in race["ngrams"].values()} == {2}
    assert {run["order"] for both in race["ngrams"].values() for run in both} <= {5, 6, 7}


@needs_model
def test_the_shipped_adapter_gives_its_figure(lecture):
    """Its bits for ten descriptions are those of the record, and the mean of all is the checkpoint's."""
    model, words = smollm.load()
    _, entry = checkpoints.restore("13b_instructed", lambda **how: lecture["add_lora"](model, **how))  # fmt: skip
    bits = read("13b_tuned")["plain"]["bits"]
    assert len(bits) == 120 and sum(bits) / 120 == pytest.approx(entry.value, abs=0.01)
    assert (checkpoints.folder() / "13b_instructed.safetensors").stat().st_size < 1e6
    exam = [a for a in data.articles("test") if a.description][:10]
    for article, wanted in zip(exam, bits):
        prompt = smollm.chat(words, article.title, "Say in a few words what it is.")
        answer = words.encode(article.description)
        with torch.no_grad():
            logits = model(torch.tensor([prompt + answer]))[0]
        labels = torch.tensor(instruction_labels(prompt, answer))[1:]
        nats = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
        assert float(nats) / torch.log(torch.tensor(2.0)) == pytest.approx(wanted, abs=0.05)
