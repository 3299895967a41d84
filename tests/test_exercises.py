"""Every exercise against its reference, its other right answers, and the wrong answers that students give."""

import inspect
import math
import textwrap
import time

import numpy as np
import pytest
import torch

from course_utils.exercises import all_exercises, check, hint, solution
from course_utils.exercises.engine import Exercise, is_blank, judge
from course_utils.texts import load

EXERCISES = all_exercises()
NAMES = sorted(EXERCISES)
PROMISED = {
    "lecture_01": ["bernoulli_log_likelihood", "gaussian_mle", "pareto_mle", "mixture_log_prob"],
    "lecture_01b": ["monte_carlo", "importance_estimate", "responsibilities"],
    "lecture_02": ["entropy", "cross_entropy", "kl_divergence", "kl_gaussian"],
    "lecture_04": [
        "rnn_step",
        "temperature_softmax",
        "top_k_filter",
        "top_p_filter",
        "bits_per_char",
    ],
    "lecture_04b": ["last_state", "bits_if_held"],
    "lecture_05": ["raster_mask", "shift_down", "bits_per_dim"],
    "lecture_05b": ["discretized_logistic"],
    "lecture_06": ["reparameterize", "kl_to_prior", "elbo", "iwae_bound", "active_units"],
    "lecture_06b": ["quantise"],
    "lecture_07": [
        "optimal_discriminator",
        "discriminator_loss",
        "generator_loss",
        "gradient_penalty",
    ],
    "lecture_07b": ["relativistic_loss", "cycle_loss"],
    "lecture_08": ["frechet_distance", "inception_score", "kernel_distance"],
    "lecture_08b": ["bleu", "rouge_n", "rouge_l", "rouge_s", "perplexity"],
    "lecture_08c": ["binomial_sign_test", "cohen_kappa", "bradley_terry_step"],
    "lecture_09": [
        "scaled_dot_product_attention",
        "causal_mask",
        "split_heads",
        "merge_heads",
        "rotate",
        "rms_norm",
        "most_frequent_pair",
        "merge_pair",
        "masked_lm_loss",
    ],
    "lecture_09b": ["induction_scores", "top_1_route"],
    "lecture_10": [
        "alpha_bar",
        "add_noise",
        "predict_x0",
        "ddim_step",
        "velocity_target",
        "euler_step",
        "guided",
    ],
    "lecture_10b": ["optimal_denoiser", "absorbing_bound"],
    "lecture_11": [
        "change_of_variables",
        "coupling_forward",
        "coupling_inverse",
        "log_det_coupling",
        "dequantize",
        "dequantized_bits_per_dim",
        "hutchinson_trace",
    ],
    "lecture_13": ["quantize", "dequantize_blocks", "mask_logits"],
    "lecture_13b": [
        "lora_init",
        "lora_forward",
        "merge_lora",
        "instruction_labels",
        "dpo_loss",
        "training_bytes",
    ],
    "lecture_13c": ["bm25", "retrieve", "chunks"],
    "lecture_14": ["exposure", "green_z", "amplification", "kilowatt_hours"],
    "lecture_14b": ["calibration_error"],
    "lecture_03": ["ngram_probability", "bigram_gradient", "made_masks"],
    "lecture_03b": ["receptive_field", "mu_law_encode", "mu_law_decode"],
}


def texts_of(name):
    return load("exercises", EXERCISES[name][1])[name]


def test_promised_exercises_exist():
    for module, names in PROMISED.items():
        assert [n for n in names if EXERCISES.get(n, (0, 0))[1] != module] == []


@pytest.mark.parametrize("name", NAMES)
def test_texts_are_complete(name):
    exercise, texts = EXERCISES[name][0], texts_of(name)
    assert set(texts["mistakes"]) == set(exercise.mistakes)
    assert len(exercise.mistakes) >= 3
    assert len(texts["hints"]) >= 2
    assert all(len(t) > 8 for t in [texts["task"], texts["right"], *texts["hints"]])
    messages = list(texts["mistakes"].values())
    assert len(set(messages)) == len(messages), "two mistakes have the same message"
    assert all(len(m) > 40 for m in messages), "a message should name the mistake and where to look"


def code_of_last_hint(exercise, text):
    """The last hint as a function, or None where it is a sentence."""
    body = text if "return" in text else f"return {text.removeprefix('One line: ').rstrip('.')}"
    head = f"def answer{inspect.signature(exercise.reference)}:\n"
    space = dict(exercise.reference.__globals__)
    try:
        exec(head + textwrap.indent(body, "    "), space)
    except SyntaxError:
        return None
    return space["answer"]


def test_hints_that_are_code_pass():
    verdicts = {}
    for name in NAMES:
        answer = code_of_last_hint(EXERCISES[name][0], texts_of(name)["hints"][-1])
        if answer:
            verdicts[name] = verdict_on(name, answer)
    goes_on = {
        name for name, v in verdicts.items() if "NameError" in v.text
    }  # after an earlier hint
    wrong = {name: v for name, v in verdicts.items() if v.status != "right" and name not in goes_on}
    assert not wrong
    assert len(verdicts) - len(goes_on) >= 35


@pytest.mark.parametrize("name", NAMES)
def test_right_answers_pass(name):
    exercise, texts = EXERCISES[name][0], texts_of(name)
    for answer in [exercise.reference, *exercise.accept, *exercise.alternatives]:
        verdict = judge(exercise, answer, texts)
        assert verdict.status == "right", (answer, verdict)


@pytest.mark.parametrize("name", NAMES)
def test_each_mistake_is_rejected_by_name(name):
    exercise, texts = EXERCISES[name][0], texts_of(name)
    for key, wrong in exercise.mistakes.items():
        verdict = judge(exercise, wrong, texts)
        assert (verdict.status, verdict.mistake) == ("wrong", key), (key, verdict)
        assert verdict.text == texts["mistakes"][key]


@pytest.mark.parametrize("name", NAMES)
def test_reference_is_readable_and_leaves_its_input_alone(name):
    exercise = EXERCISES[name][0]
    assert exercise.reference.__name__ == name
    assert exercise.reference.__doc__
    assert len(inspect.getsource(exercise.reference).splitlines()) <= 15
    for args in exercise.cases():
        before = [a.clone() if isinstance(a, torch.Tensor) else a for a in args]
        exercise.reference(*args)
        for old, new in zip(before, args, strict=True):
            assert torch.equal(old, new) if isinstance(old, torch.Tensor) else old is new


# --- answers that misbehave ------------------------------------------------------------------------------------------


def raises(p):
    return p.no_such_attribute


def returns_nothing(p):
    p.sum()


def returns_text(p):
    return "1.5"


def wrong_shape(p):
    return 2 * p


def one_element(p):
    return EXERCISES["entropy"][0].reference(p).reshape(1)


def changes_its_input(p):
    p *= 2
    return 1.0


def half_blank(p):
    surprise = ...
    return -(p * surprise).sum()


def exits(p):
    raise SystemExit


def half_precision(p):
    return EXERCISES["entropy"][0].reference(p).half()


def whole_numbers(p):
    return int(EXERCISES["entropy"][0].reference(p) + 17)


def is_complex(p):
    return complex(1, 0)


def sometimes_none(p):
    if len(p) == 2:
        return 1.0


def three_times(p):
    return 3 * EXERCISES["entropy"][0].reference(p)


MISBEHAVING = [
    (raises, "AttributeError"),
    (raises, "return p.no_such_attribute"),
    (returns_nothing, "returned None"),
    (sometimes_none, "returned None"),
    (returns_text, "returned str"),
    (wrong_shape, "shape (2,)"),
    (one_element, "shape (1,)"),
    (changes_its_input, "changes its input"),
    (half_blank, "still a blank"),
    (exits, "exit()"),
    (half_precision, "float16"),
    (whole_numbers, "whole numbers"),
    (is_complex, "complex"),
    (three_times, "3 times the expected"),
]


@pytest.mark.parametrize(("answer", "says"), MISBEHAVING)
def test_misbehaving_answers_get_a_clear_verdict(answer, says, capsys):
    assert check("entropy", answer) is EXERCISES["entropy"][0].reference
    told = capsys.readouterr().out
    assert says in told
    assert "lecture goes on with the reference" in told


def loops_forever(p):
    while True:
        pass


def loops_and_swallows(p):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


def sleeps(p):
    time.sleep(2)
    return 1.0


@pytest.mark.parametrize("answer", [loops_forever, loops_and_swallows, sleeps])
def test_endless_answers_end(answer):
    start = time.perf_counter()
    exercise = EXERCISES["entropy"][0]
    verdict = judge(exercise, answer, texts_of("entropy"), seconds=0.3)
    assert verdict.status == "wrong"
    assert "not finished after 0.3 seconds" in verdict.text
    assert time.perf_counter() - start < 5


def ellipsis_body(p):
    """Docstring."""
    ...  # noqa: PIE790 - as the notebooks have it


def returns_ellipsis(p):
    return ...


def assigns_ellipsis(p):
    h = ...
    return h


def not_implemented(p):
    raise NotImplementedError


@pytest.mark.parametrize(
    "answer", [ellipsis_body, returns_ellipsis, assigns_ellipsis, not_implemented, ..., None]
)
def test_blanks_are_not_mistakes(answer, capsys):
    assert check("entropy", answer) is EXERCISES["entropy"][0].reference
    assert "not started" in capsys.readouterr().out


def test_what_a_library_does_not_implement_is_no_blank(capsys):
    def mine(p):
        return p[-(p > 0)].sum()  # torch has no minus for truth values

    check("entropy", mine)
    assert "not started" not in capsys.readouterr().out


def test_a_constant_answer_is_not_a_blank():
    assert not is_blank(lambda p: 1.0)


def test_right_answer_is_returned_as_it_is(capsys):
    def mine(p):
        return -sum(v * torch.log2(v) for v in p if v > 0)

    assert check("entropy", mine) is mine
    assert "✓" in capsys.readouterr().out


def test_a_default_that_the_answer_lacks_is_there_for_the_lecture(capsys):
    def scaled_dot_product_attention(q, k, v, mask):
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    answer = check("scaled_dot_product_attention", scaled_dot_product_attention)
    q = torch.randn(3, 2)
    assert torch.equal(answer(q, q, q), scaled_dot_product_attention(q, q, q, None))


def test_an_answer_that_refuses_bfloat16_is_given_float32(capsys):
    def rotate(x, positions):  # complex numbers have no bfloat16
        half = x.shape[-1] // 2
        angles = positions[:, None] * 10_000 ** (-torch.arange(half) / half)
        turned = torch.complex(x[..., :half], x[..., half:]) * torch.polar(
            torch.ones_like(angles), angles
        )
        return torch.cat([turned.real, turned.imag], dim=-1)

    x, positions = torch.randn(4, 8).bfloat16(), torch.arange(4)
    answer = check("rotate", rotate)
    assert torch.allclose(answer(x, positions), EXERCISES["rotate"][0].reference(x, positions))


def test_answer_for_numpy_arrays_comes_back_for_tensors():
    def mine(p):
        assert isinstance(p, np.ndarray), "written for numpy"
        p = p[p > 0]
        return np.add.reduce(-p * np.log2(p))

    kept = check("entropy", mine)
    result = kept(torch.tensor([0.5, 0.5]))
    assert isinstance(result, torch.Tensor)
    assert float(result) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "slow"),
    [("responsibilities", "loop"), ("kernel_distance", "loops"), ("optimal_denoiser", "loop")],
)
def test_a_right_loop_does_not_keep_the_lecture_waiting(name, slow):
    """It is right, and the lecture goes on with the reference; other right answers stay the reader's own."""
    exercise, texts = EXERCISES[name][0], texts_of(name)
    for answer in [*exercise.accept, *exercise.alternatives]:
        verdict = judge(exercise, answer, texts)
        assert verdict.status == "right"
        is_slow = answer.__name__ == slow
        assert (verdict.answer is exercise.reference) == is_slow
        assert ("one item at a time" in verdict.text) == is_slow


def test_check_leaves_the_random_state_alone():
    def mine(p):
        torch.rand(3)
        np.random.rand(3)  # noqa: NPY002
        return 0.0

    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    check("entropy", mine)
    assert torch.equal(torch.rand(1), expected)


def test_unknown_name_and_not_a_function():
    with pytest.raises(LookupError, match="Did you mean 'entropy'"):
        check("entropi", len)
    with pytest.raises(TypeError, match="without parentheses"):
        check("entropy", 3.0)


def test_hints_go_on_and_solution_shows_the_source(capsys):
    hints = texts_of("kl_gaussian")["hints"]
    for text in [*hints, hints[-1]]:
        hint("kl_gaussian")
        assert text in capsys.readouterr().out
    solution("kl_gaussian")
    assert "kl_gaussian" in capsys.readouterr().out


def verdict_on(name, answer):
    return judge(EXERCISES[name][0], answer, texts_of(name))


def test_two_mistakes_at_once_are_both_named():
    verdict = verdict_on("entropy", lambda p: -(p * torch.log(p)).sum())
    assert verdict.mistake == "nats"
    assert "Two things" in verdict.text
    assert texts_of("entropy")["mistakes"]["nan_at_zero"] in verdict.text


def test_a_near_miss_is_called_the_closest_mistake():
    def nats_with_an_extra(p):
        return -(p * torch.log(p.clamp(min=1e-30))).sum() + (0.5 if len(p) == 8 else 0.0)

    verdict = verdict_on("entropy", nats_with_an_extra)
    assert verdict.mistake == "nats"
    assert "closest" in verdict.text


@pytest.mark.parametrize("name", ["cross_entropy", "kl_divergence"])
@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-9, 1e-12])
def test_a_hidden_infinity_is_named_whatever_its_size(name, size):
    def clamped(p, q):
        ratio = torch.log2(q.clamp(min=size))
        own = torch.special.xlogy(p, p) / math.log(2) if name == "kl_divergence" else 0.0
        return (own - p * ratio).sum()

    assert verdict_on(name, clamped).mistake == "epsilon"


def test_a_clamp_inside_the_logarithm_is_found():
    verdict = verdict_on("entropy", lambda p: -(p * torch.log2(p.clamp(min=1e-3))).sum())
    assert verdict.status == "wrong"


def test_an_answer_without_gradients_is_refused_where_they_are_needed():
    exercise = EXERCISES["mixture_log_prob"][0]

    def numbers_only(x, logits, mu, sigma):
        return exercise.reference(x, logits, mu, sigma).detach()

    assert verdict_on("mixture_log_prob", exercise.reference).status == "right"
    assert "no gradient" in verdict_on("mixture_log_prob", numbers_only).text


def test_engine_accepts_pairs_lists_and_arrays_alike():
    exercise = Exercise(
        "pair",
        lambda x: (x.mean(), x.var()),
        cases=lambda: [(torch.tensor([1.0, 2.0, 4.0]),), (torch.tensor([0.0, 5.0]),)],
        mistakes={},
    )
    texts = {"right": "ok", "mistakes": {}}
    for answer in [
        lambda x: [float(x.mean()), float(x.var())],
        lambda x: np.array([x.numpy().mean(), x.numpy().var(ddof=1)]),
        lambda x: torch.stack([x.mean(), x.var()]),
    ]:
        assert judge(exercise, answer, texts).status == "right"
    assert "a pair" in judge(exercise, lambda x: x.mean(), texts).text


# --- edges -----------------------------------------------------------------------------------------------------------


def reference_of(name):
    return EXERCISES[name][0].reference


def test_top_p_keeps_all_at_1_and_one_at_0():
    """77 characters as a trained network sees them: the sum of float32 probabilities is 1 before the last of them."""
    logits = torch.linspace(0, -60, 77)[
        torch.randperm(77, generator=torch.Generator().manual_seed(1))
    ]
    keep = reference_of("top_p_filter")
    assert torch.equal(keep(logits, 1.0), logits)
    assert keep(logits, 0.0).isfinite().nonzero().tolist() == [[int(logits.argmax())]]


@pytest.mark.parametrize("k", [0, -1, 4])
def test_top_k_refuses_numbers_of_symbols_that_make_no_sense(k):
    with pytest.raises(ValueError, match=f"k must be from 1 to 3, the number of symbols, not {k}"):
        reference_of("top_k_filter")(torch.zeros(3), k)


@pytest.mark.parametrize("temperature", [0, 0.0, -1.0])
def test_a_temperature_of_0_is_refused(temperature):
    with pytest.raises(
        ValueError, match=r"temperature must be above 0; for T = 0 take logits.argmax"
    ):
        reference_of("temperature_softmax")(torch.zeros(3), temperature)


@pytest.mark.parametrize("name", ["temperature_softmax", "top_k_filter"])
def test_answers_need_not_refuse_what_makes_no_sense(name):
    plain = {
        "temperature_softmax": lambda logits, temperature: torch.softmax(logits / temperature, -1),
        "top_k_filter": lambda logits, k: logits.masked_fill(logits < logits.topk(k).values[..., -1:], -math.inf),
    }  # fmt: skip
    assert verdict_on(name, plain[name]).status == "right"


@pytest.mark.parametrize("name", ["rouge_n", "rouge_l", "rouge_s", "bleu"])
def test_empty_texts_score_0(name):
    score = reference_of(name)
    rest = {"rouge_n": [1]}.get(name, [])
    words = ["a", "cat"]
    for candidate, reference in ([], words), (words, []), ([], []):
        assert score(candidate, [reference] if name == "bleu" else reference, *rest) == 0.0


def counts_every_copy(candidate, reference):
    """The longest common subsequence, with a word counted again for each of its copies in the reference."""
    row = [0] * (len(reference) + 1)
    for word in candidate:
        before, row = row, [0]
        for j, other in enumerate(reference):
            row.append(row[j] + 1 if word == other else max(row[j], before[j + 1]))
    common = row[-1]
    return 2 * common / (len(candidate) + len(reference)) if common else 0.0


def test_a_word_that_counts_for_every_copy_is_named():
    assert counts_every_copy(["b"], ["b", "b", "b"]) == 1.5
    assert reference_of("rouge_l")(["b"], ["b", "b", "b"]) == 0.5
    assert verdict_on("rouge_l", counts_every_copy).mistake == "copies"
