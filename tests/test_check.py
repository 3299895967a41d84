"""check() on answers as students write them: any callable, any result, any state of torch; gradients equal to the reference's."""

import functools
import inspect
import math
import time
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.exercises import all_exercises, check, engine, gradients
from course_utils.exercises.engine import Exercise, judge
from course_utils.exercises.running import within
from course_utils.exercises.values import form
from course_utils.texts import load

EXERCISES = all_exercises()
RIGHT = [
    pytest.param(exercise, answer, id=f"{name}-{number}")
    for name, (exercise, _) in sorted(EXERCISES.items())
    for number, answer in enumerate([exercise.reference, *exercise.accept, *exercise.alternatives])
]


def verdict_on(name, answer):
    exercise, module = EXERCISES[name]
    return judge(exercise, answer, load("exercises", module)[name])


def reference_of(name):
    return EXERCISES[name][0].reference


def judged(reference, answer, cases, **options):
    """The verdict of an exercise made up for a test."""
    exercise = Exercise("made_up", reference, lambda: cases, mistakes={}, **options)
    return judge(exercise, answer, {"right": "ok", "mistakes": {}})


# --- gradients -------------------------------------------------------------------------------------------------------


def log_var_twice(mu, log_var, noise):
    scale = torch.exp(0.5 * log_var)
    return mu + scale * noise + (scale - scale.detach()) * noise


def turned_round(fake_logits):
    loss = F.softplus(-fake_logits).mean()
    return 2 * loss.detach() - loss


def penalty_twice(critic, real, fake, eps):
    penalty = reference_of("gradient_penalty")(critic, real, fake, eps)
    return 2 * penalty - penalty.detach()


def penalty_without_graph(critic, real, fake, eps):
    """Differentiable, but only through a term that is 0."""
    x = (eps * real + (1 - eps) * fake).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x)
    return ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean() + 0 * critic(x).sum()


def cycle_half_cut(x, y, to_y, to_x):
    with torch.no_grad():
        there = to_y(x)
    return (to_x(there) - x).abs().mean() + (to_y(to_x(y)) - y).abs().mean()


def nan_at_zero_logits(fake_logits):
    root = (fake_logits * 0).sqrt()  # 0, and 0 · inf in its gradient
    return F.softplus(-fake_logits).mean() + root.sum()


GRADIENTS = [
    ("reparameterize", lambda mu, lv, n: mu.detach() + (lv / 2).exp() * n, "No gradient reaches mu"),
    ("reparameterize", lambda mu, lv, n: mu + (lv / 2).exp().detach() * n, "No gradient reaches log_var"),
    ("reparameterize", lambda mu, lv, n: mu.detach() + 0 * mu + (lv / 2).exp() * n, "by mu is zero"),
    ("reparameterize", log_var_twice, "by log_var is 2 times the right one"),
    ("kl_to_prior", lambda mu, lv: (mu**2 + lv.exp() - 1 - lv.detach()).sum(1) / 2, "by log_var is another one"),
    ("generator_loss", lambda fake: F.softplus(-fake.detach()).mean() + 0 * fake.mean(), ".detach() cuts the gradient"),
    ("generator_loss", turned_round, "by fake_logits has the wrong sign"),
    ("generator_loss", nan_at_zero_logits, "by fake_logits is nan"),
    ("gradient_penalty", penalty_twice, "by critic is 2 times"),
    ("gradient_penalty", penalty_without_graph, "create_graph=True"),
    ("cycle_loss", cycle_half_cut, "by to_y is another one"),
    ("shift_down", lambda v: F.pad(v[:, :, :-1].detach(), (0, 0, 1, 0)) + 0 * v, "by v is zero"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "answer", "says"), GRADIENTS)
def test_a_wrong_gradient_is_named(name, answer, says):
    verdict = verdict_on(name, answer)
    assert verdict.status == "wrong"
    assert says in verdict.text


def without_gradient(argument):
    if isinstance(argument, nn.Module):
        weights = {name: p.detach() for name, p in argument.named_parameters()}
        return lambda x: torch.func.functional_call(argument, weights, x)
    return argument.detach()


def reached(exercise, place):
    """Whether the reference's own gradient reaches an argument, in its first case."""
    args = list(exercise.cases()[0])
    if isinstance(args[place], nn.Module):
        return True
    args[place] = args[place].detach().clone().requires_grad_()
    result = exercise.reference(*args)
    parts = result if isinstance(result, tuple) else (result,)
    parts = [part.sum() for part in parts if part.requires_grad]
    found = torch.autograd.grad(parts, args[place], allow_unused=True) if parts else (None,)
    return found[0] is not None


TRAINED = [exercise for exercise, _ in EXERCISES.values() if exercise.differentiable]


@pytest.mark.parametrize(
    ("exercise", "name"),
    [
        pytest.param(exercise, name, id=f"{exercise.name}-{name}")
        for exercise in TRAINED
        for name in gradients._leaves(exercise, exercise.cases()[0])
    ],
)
def test_each_argument_needs_its_gradient(exercise, name):
    def cut(*args):
        args = list(args)
        args[place] = without_gradient(args[place])
        return exercise.reference(*args)

    place = list(inspect.signature(exercise.reference).parameters).index(name)
    verdict = verdict_on(exercise.name, cut)
    if not reached(exercise, place):  # a straight-through gradient passes an argument by
        assert verdict.status == "right"
        return
    assert verdict.status == "wrong"
    says = [f"No gradient reaches {name}", "no gradient passes through your answer"]
    assert verdict.mistake or any(text in verdict.text for text in says)


@pytest.mark.parametrize("exercise", TRAINED, ids=lambda exercise: exercise.name)
@pytest.mark.parametrize(
    ("factor", "says"), [(2, "2 times"), (-1, "wrong sign"), (0.5, "0.5 times")]
)
def test_a_gradient_of_another_size_is_measured(exercise, factor, says):
    def of(part):  # the same value; its gradient is factor times as large
        return factor * part + (1 - factor) * part.detach() if part.requires_grad else part

    def scaled(*args):
        result = exercise.reference(*args)
        return tuple(map(of, result)) if isinstance(result, tuple) else of(result)

    verdict = verdict_on(exercise.name, scaled)
    assert verdict.status == "wrong"
    assert says in verdict.text


def test_what_lets_a_gradient_pass_where_none_should_is_named():
    def reference(x, target):
        return (x - target.detach()).square().mean()

    cases = [(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 3.0]))]
    verdict = judged(
        reference, lambda x, target: (x - target).square().mean(), cases, differentiable=True
    )
    assert "A gradient reaches target" in verdict.text


def test_gradients_that_cancel_in_a_sum_are_compared():
    """The entries of a softmax add up to 1, whatever its input: the gradient of their sum is 0."""

    def cut(x):
        return torch.softmax(x.detach(), 0) + 0 * x

    cases = [(torch.tensor([0.3, -1.0, 2.0]),)]
    verdict = judged(lambda x: torch.softmax(x, 0), cut, cases, differentiable=True)
    assert verdict.status == "wrong"


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        (torch.abs, lambda x: torch.where(x > 0, x, -x)),
        (lambda x: x.max(0).values, lambda x: x.amax(0)),
        (F.relu, lambda x: torch.where(x >= 0, x, 0 * x)),
    ],
)
def test_at_kinks_and_ties_any_gradient_passes(reference, answer):
    def named(x):
        return reference(x)

    cases = [(torch.tensor([0.0, 1.0, -2.0, 1.0]),), (torch.tensor([0.5, 1.5, -0.5]),)]
    assert judged(named, answer, cases, differentiable=True).status == "right"
    doubled = judged(
        named, lambda x: 2 * answer(x) - answer(x).detach(), cases, differentiable=True
    )
    assert "2 times" in doubled.text


def test_only_named_arguments_need_the_gradient():
    """x is data: ln p may choose between the two logarithms of each pixel, which gives no gradient by x."""

    def chosen(x, logits, mu, log_var):
        likelihood = torch.where(x == 1, F.logsigmoid(logits), F.logsigmoid(-logits)).sum(1)
        return likelihood - reference_of("kl_to_prior")(mu, log_var)

    assert verdict_on("elbo", chosen).status == "right"
    cut = verdict_on("elbo", lambda x, logits, mu, lv: chosen(x, logits, mu.detach(), lv))
    assert "No gradient reaches mu" in cut.text


def levels_detached(x, mean, log_scale):
    return reference_of("discretized_logistic")(x.detach(), mean, log_scale)


def points_detached(x, logits, mu, sigma):
    return reference_of("mixture_log_prob")(x.detach(), logits, mu, sigma)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("reparameterize", lambda mu, lv, noise: mu + (lv / 2).exp() * noise.detach()),
        ("discretized_logistic", levels_detached),
        ("mixture_log_prob", points_detached),
    ],
)
def test_data_and_noise_need_no_gradient(name, answer):
    assert verdict_on(name, answer).status == "right"


def freezes(x, y, to_y, to_x):
    for weight in to_y.parameters():
        weight.requires_grad_(False)
    return reference_of("cycle_loss")(x, y, to_y, to_x)


def leaves_gradients(critic, real, fake, eps):
    x = (eps * real + (1 - eps) * fake).detach().requires_grad_()
    critic(x).sum().backward(create_graph=True)
    return ((x.grad.flatten(1).norm(dim=1) - 1) ** 2).mean()


def evaluates(x, y, to_y, to_x):
    return reference_of("cycle_loss")(x, y, to_y.eval(), to_x)


@pytest.mark.parametrize(
    ("name", "answer", "network"),
    [
        ("cycle_loss", freezes, "to_y"),
        ("cycle_loss", evaluates, "to_y"),
        ("gradient_penalty", leaves_gradients, "critic"),
    ],
)
def test_a_network_is_left_as_it_was(name, answer, network):
    assert f"changes the network {network}" in verdict_on(name, answer).text


# --- what comes back -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("exercise", "answer"), RIGHT)
def test_a_right_answer_comes_back_in_the_form_of_the_reference(exercise, answer):
    kept = check(exercise.name, answer)
    assert kept is exercise.reference or answer is not exercise.reference
    for mine, own in zip(exercise.cases(), exercise.cases(), strict=True):
        assert form(kept(*mine)) == form(exercise.reference(*own))


@pytest.mark.parametrize(("exercise", "answer"), RIGHT)
def test_a_right_answer_takes_keywords_and_tensors_that_need_gradients(exercise, answer):
    def needing(args):
        return [
            a.requires_grad_() if isinstance(a, torch.Tensor) and a.is_floating_point() else a
            for a in args
        ]

    kept = check(exercise.name, answer)
    names = exercise.reference.__code__.co_varnames
    args = dict(zip(names, needing(exercise.cases()[-1]), strict=False))
    wanted = exercise.reference(*needing(exercise.cases()[-1]))
    result = kept(**args)
    assert form(result) == form(wanted)
    if exercise.differentiable:
        parts = result if isinstance(result, tuple) else (result,)
        assert any(part.requires_grad for part in parts)


def test_other_shapes_and_precisions_come_back_right_too():
    def listed(images):
        return [float(row.mean()) for row in images]

    kept = check("ink_share", listed)
    images = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    assert torch.equal(kept(images), torch.tensor([0.5, 1.0, 0.0, 0.5], dtype=torch.float64))
    assert torch.equal(kept(images=images[:0]), images.mean(1)[:0])


def test_names_in_another_order_do_not_change_what_is_what():
    def turned(p_model, p_data):  # called by place, this is right
        return p_model / (p_model + p_data)

    kept = check("optimal_discriminator", turned)
    data, model = torch.tensor([0.2]), torch.tensor([0.6])
    assert torch.equal(kept(p_data=data, p_model=model), data / (data + model))


def test_lists_keep_their_gradient():
    def rows(mu, log_var, noise):
        return list(reference_of("reparameterize")(mu, log_var, noise))

    mu = torch.zeros(5, 2, requires_grad=True)
    z = check("reparameterize", rows)(mu, torch.zeros(5, 2), torch.ones(5, 2))
    z.sum().backward()
    assert torch.equal(mu.grad, torch.ones(5, 2))


def test_whole_numbers_and_pairs_come_back_as_such():
    assert (
        type(check("active_units", lambda mu: (mu.var(0) > 0.01).sum())(torch.randn(9, 3))) is int
    )
    mean, variance = check("gaussian_mle", lambda x: [float(x.mean()), float(x.var(correction=0))])(
        torch.tensor([1.0, 3.0])
    )
    assert (mean, variance) == (torch.tensor(2.0), torch.tensor(1.0))


# --- callables and results of any kind -------------------------------------------------------------------------------


class Averages:
    def __call__(self, images):
        return images.mean(1)

    def method(self, images):
        return images.mean(1)


class Network(nn.Module):
    def forward(self, images):
        return images.mean(1)


CALLABLES = [
    functools.partial(torch.mean, dim=1),
    functools.partial(torch.Tensor.mean, dim=1),
    Averages(),
    Averages().method,
    Network(),
    torch.compile(lambda images: images.mean(1), backend="eager"),
    np.vectorize(np.mean, signature="(n)->()"),
    lambda *images: images[0].mean(1),
]


@pytest.mark.parametrize("answer", CALLABLES, ids=lambda answer: type(answer).__name__)
def test_callables_of_any_kind_are_judged(answer, capsys):
    kept = check("ink_share", answer)
    assert "✓" in capsys.readouterr().out
    assert torch.equal(kept(images=torch.eye(2)), torch.tensor([0.5, 0.5]))


@pytest.mark.parametrize("answer", [torch.mean, len, print, Averages, dict, iter, math.floor, exec])
def test_callables_that_are_wrong_get_a_verdict(answer, capsys):
    assert check("ink_share", answer) is reference_of("ink_share")
    assert "✗" in capsys.readouterr().out


def entropy(p):
    return reference_of("entropy")(p)


RESULTS = [
    (lambda p: Fraction(float(entropy(p))), None),
    (lambda p: Decimal(float(entropy(p))), None),
    (lambda p: np.float32(entropy(p)), None),
    (lambda p: np.array(float(entropy(p)), dtype=object), None),
    (lambda p: nn.Parameter(entropy(p)), None),
    (lambda p: entropy(p).to_sparse(), None),
    (lambda p: p.to_sparse(), "has the shape (2,)"),
    (lambda p: True, "whole numbers (bool)"),
    (lambda p: 10**400, "whole numbers (int)"),
    (lambda p: (x for x in p), "returned generator"),
    (lambda p: {"bits": 1.0}, "returned dict"),
    (lambda p: {1.0}, "returned set"),
    (lambda p: "1.0", "returned str"),
    (lambda p: np.array(["1.0"]), "returned ndarray"),
    (lambda p: entropy(p).to("meta"), "returned Tensor"),
    (lambda p: Decimal("sNaN"), "returned Decimal"),
    (lambda p: [1.0, [2.0, p]], "has the shape"),
    (lambda p: [], "has the shape (0,)"),
    (lambda p: object(), "returned object"),
    (lambda p: [1j], "complex"),
    (lambda p: (own := [], own.append(own), own)[2], "returned list"),
]


@pytest.mark.parametrize(("answer", "says"), RESULTS)
def test_results_of_any_kind_get_a_verdict(answer, says, capsys):
    kept = check("entropy", answer)
    told = capsys.readouterr().out
    if says is None:
        assert "✓" in told
        assert torch.equal(kept(torch.tensor([0.5, 0.5])), torch.tensor(1.0))
    else:
        assert says in told
        assert kept is reference_of("entropy")


class Unprintable(Exception):
    def __str__(self):
        raise ValueError


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, BaseException, Unprintable])
def test_whatever_an_answer_raises_is_a_verdict(error, capsys):
    def raises(p):
        raise error

    assert check("entropy", raises) is reference_of("entropy")
    assert error.__name__ in capsys.readouterr().out


@pytest.mark.parametrize(
    "rows",
    [
        lambda mask: mask.tolist(),
        list,
        tuple,
        lambda mask: [[Fraction(int(v)) for v in row] for row in mask],
        lambda mask: [list(map(np.int8, row)) for row in mask],
        lambda mask: np.array([[Decimal(int(v)) for v in row] for row in mask]),
        lambda mask: mask.to_sparse(),
        lambda mask: mask.bool(),
    ],
)
def test_rows_and_numbers_of_any_type_are_right(rows):
    verdict = verdict_on("raster_mask", lambda k, kind: rows(reference_of("raster_mask")(k, kind)))
    assert verdict.status == "right", verdict
    assert torch.equal(verdict.answer(5, kind="B"), reference_of("raster_mask")(5, "B"))


def test_an_argument_changed_through_stars_is_noticed():
    def doubles(*p):
        p[0].mul_(2)
        return 1.0

    assert "after the call p is no longer" in verdict_on("entropy", doubles).text


# --- which mistake ---------------------------------------------------------------------------------------------------


def test_a_second_mistake_is_named_only_where_the_first_explains_nothing():
    def forgotten_minus_and_a_slip(p, q):
        possible = p > 0
        bits = (p[possible] * torch.log2(q[possible])).sum()
        return -bits if len(p) == 2 else bits  # right for coins

    texts = load("exercises", "lecture_02")["cross_entropy"]["mistakes"]
    verdict = verdict_on("cross_entropy", forgotten_minus_and_a_slip)
    assert verdict.mistake == "sign"
    assert verdict.text.endswith(texts["sign"])
    naive = verdict_on("cross_entropy", lambda p, q: (p * torch.log2(q)).sum())
    assert naive.mistake == "sign"
    assert texts["nan_at_zero"] in naive.text


def test_a_second_mistake_has_no_effect_where_the_first_explains():
    """Both known mistakes explain one wrong case each, but the second would have changed the other case as well."""
    x = torch.tensor
    exercise = Exercise(
        "made_up",
        lambda x: x,
        lambda: [(x(1.0),), (x(2.0),), (x(3.0),)],
        mistakes={"plus": lambda x: x + 1 if x < 3 else x * 0, "times": lambda x: x * 10},
    )
    texts = {"right": "ok", "mistakes": {"plus": "added", "times": "multiplied"}}
    verdict = judge(exercise, lambda x: x + 1 if x < 3 else x * 10, texts)
    assert verdict.text == "Not quite a mistake that we know, the closest is this: added"


# --- time ------------------------------------------------------------------------------------------------------------


def pretend(module, code):
    """A function that lives in another module."""
    scope = {"__name__": module, "time": time}
    exec(code, scope)
    return scope["work"]


def test_the_time_of_compilers_does_not_count():
    compile_slowly = pretend("torch._inductor.pretended", "def work(): time.sleep(0.6)")

    def slow_at_first(p):
        if not seen:
            compile_slowly()
            seen.append(p)
        return entropy(p)

    seen = []
    exercise, texts = EXERCISES["entropy"][0], load("exercises", "lecture_02")["entropy"]
    assert judge(exercise, slow_at_first, texts, seconds=0.3).status == "right"
    verdict = judge(exercise, lambda p: time.sleep(0.6), texts, seconds=0.3)
    assert "had not finished" in verdict.text


def test_a_compiler_that_follows_an_endless_loop_ends():
    trace = pretend("torch._dynamo.pretended", "def work():\n while True: time.sleep(0.01)")
    start = time.monotonic()
    with pytest.raises(engine.OutOfTime):
        within(0.1, trace)
    assert 0.5 < time.monotonic() - start < 4


def test_work_that_swallows_every_stop_is_given_up():
    def stubborn():
        while time.monotonic() < end:
            try:
                time.sleep(0.01)
            except BaseException:  # whatever stops it
                pass

    end = time.monotonic() + 2.5
    with pytest.raises(engine.OutOfTime) as stuck:
        within(0.2, stubborn)
    assert stuck.value.runaway


# --- states ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def fresh():
    """Outcomes of references and mistakes are computed anew."""
    forget()
    yield
    forget()


def forget():
    for cached in (engine._known, gradients._reference):
        cached.cache_clear()


@pytest.fixture
def float64_on_meta():
    threads = torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_num_threads(2)
    yield
    kept = torch.get_default_dtype(), str(torch.get_default_device()), torch.get_num_threads()
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.set_num_threads(threads)
    assert kept == (torch.float64, "meta", 2), "the student's settings are restored"


def everything_is_judged_as_always():
    for name, (exercise, _) in EXERCISES.items():
        for answer in [exercise.reference, *exercise.accept, *exercise.alternatives]:
            assert verdict_on(name, answer).status == "right", (name, answer)
        for key, wrong in exercise.mistakes.items():
            assert verdict_on(name, wrong).mistake == key, (name, key)


@pytest.mark.parametrize(
    "state",
    [torch.no_grad, torch.inference_mode, functools.partial(torch.autocast, "cpu", torch.bfloat16)],
)
def test_modes_of_torch_make_no_difference(fresh, state):
    with state():
        before = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        everything_is_judged_as_always()
        assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == before


def test_default_dtype_and_device_make_no_difference(fresh, float64_on_meta):
    everything_is_judged_as_always()


def test_warnings_as_errors_make_no_difference(fresh):
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        everything_is_judged_as_always()
        assert np.geterr()["divide"] == "raise"


def test_a_failure_is_not_remembered(fresh, monkeypatch):
    """The student redefines something of torch, repairs it, and checks again."""
    right = reference_of("entropy")
    with monkeypatch.context() as broken:
        broken.setattr(torch, "log2", lambda x: 1 / 0)
        with pytest.raises(RuntimeError, match="entropy"):
            verdict_on("entropy", right)
    assert verdict_on("entropy", right).status == "right"
