"""fit() keeps what it says it keeps: whatever stops being finite is named, and the weights are those of the step it names."""

import itertools
import math

import pytest
import torch

from course_utils import countdown, fit, minibatches


def line_problem():
    torch.manual_seed(0)
    x = torch.randn(64, 3)
    return torch.nn.Linear(3, 1), x, x @ torch.tensor([[1.0], [-2.0], [0.5]])


def squared(model, batch):
    x, y = batch
    return (model(x) - y).square().mean()


def train(loss=squared, *, steps=20, valid=None, weights=(), **options):
    """Train the line; returns (model, history).  weights: a list that gets the weights at the beginning of each step."""
    model, x, y = line_problem()

    def watched(model, batch):
        if isinstance(weights, list):
            weights.append(model.weight.detach().clone())
        return loss(model, batch)

    history = fit(model, watched, [(x, y)], steps=steps, lr=0.05, valid=valid, **options)
    return model, history


def bad_from(step, what=math.nan):
    """The squared error, times nan (or what is given) in that step."""
    calls = itertools.count(1)
    return lambda model, batch: squared(model, batch) * (what if next(calls) == step else 1)


class Spoiled(torch.autograd.Function):
    """A number whose gradient is nan, as that of sqrt at 0 times 0."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * math.nan


@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize("what", [math.nan, math.inf])
def test_a_bad_loss_leaves_the_last_weights_whose_loss_was_finite(capsys, what, keep):
    weights = []
    model, history = train(bad_from(12, what), weights=weights, keep=keep)
    assert history.diverged and len(history.loss) == 11 and history.kept == 10
    assert torch.equal(model.weight, weights[10])  # at the beginning of step 11: after step 10
    said = capsys.readouterr().out
    assert f"The loss became {what} in step 12" in said and "after step 10" in said


def test_a_bad_first_loss_leaves_the_model_as_it_was(capsys):
    weights = []
    model, history = train(bad_from(1), weights=weights)
    assert history.diverged and history.kept == 0 and history.loss == []
    assert torch.equal(model.weight, weights[0])


@pytest.mark.parametrize("step", [1, 7, 20])
@pytest.mark.parametrize("clip", [None, 1.0])
def test_a_bad_gradient_makes_no_update(capsys, step, clip):
    calls, weights = itertools.count(1), []

    def loss(model, batch):
        value = squared(model, batch)
        return Spoiled.apply(value) if next(calls) == step else value

    model, history = train(loss, weights=weights, clip=clip)
    assert history.diverged and history.kept == step - 1
    assert torch.equal(model.weight, weights[step - 1]) and model.weight.isfinite().all()
    assert f"The gradient became nan in step {step}" in capsys.readouterr().out


def test_a_bad_weight_is_taken_back(capsys):
    """In the last step, too, after which no loss is computed any more."""
    model, x, y = line_problem()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    calls = itertools.count(1)

    def loss(model, batch):
        optimizer.param_groups[0]["lr"] = 3e38 if next(calls) == 5 else 0.01
        return squared(model, batch)

    before = model.weight.detach().clone()
    history = fit(model, loss, [(x, y)], steps=5, optimizer=optimizer, schedule=None)
    assert history.diverged and history.kept == 4 and len(history.loss) == 4
    assert model.weight.isfinite().all() and not torch.equal(model.weight, before)
    assert "A weight became inf in step 5" in capsys.readouterr().out


def test_a_bad_validation_is_said_and_undoes_nothing_good(capsys):
    weights = []
    model, history = train(valid=lambda model: math.nan, every=8, weights=weights)
    assert history.diverged and history.kept == 7  # not the untrained start
    assert torch.equal(model.weight, weights[7])
    assert "The held-out loss became nan in step 8" in capsys.readouterr().out


@pytest.mark.parametrize("keep, kept", [("best", 5), ("last", 9)])
def test_the_best_validated_weights_stay_if_they_are_kept(capsys, keep, kept):
    held_out = iter([1.0, 2.0])
    weights = []
    model, history = train(
        bad_from(11), valid=lambda model: next(held_out), every=5, keep=keep, weights=weights
    )
    assert history.diverged and history.kept == kept and history.best_step == 5
    assert torch.equal(model.weight, weights[kept])
    assert f"after step {kept}" in capsys.readouterr().out


def test_running_statistics_are_restored_with_the_weights(capsys):
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1))
    batches = [torch.randn(8, 3)] * 4 + [torch.full((8, 3), math.nan)]
    history = fit(model, lambda model, x: model(x).square().mean(), batches, steps=10)
    assert history.diverged and all(v.isfinite().all() for v in model.state_dict().values())


@pytest.mark.parametrize("valid", [None, lambda model: 1.0])
def test_an_interrupt_says_what_is_kept(capsys, valid):
    weights = []

    def loss(model, batch):
        if len(weights) == 14:
            raise KeyboardInterrupt
        return squared(model, batch)

    model, history = train(loss, valid=valid, every=6, weights=weights)
    kept = 6 if valid else 13
    assert history.interrupted and not history.diverged and history.kept == kept
    assert torch.equal(model.weight, weights[kept])
    said = capsys.readouterr().out
    assert ("best state so far, of step 6" in said) == bool(valid)
    assert ("what was learned so far" in said) == (not valid)


def test_an_interrupt_within_an_update_leaves_no_half_of_it(capsys):
    model, x, y = line_problem()

    class Stopped(torch.optim.SGD):
        def step(self, closure=None):
            with torch.no_grad():
                self.param_groups[0]["params"][0].fill_(99)
            raise KeyboardInterrupt

    before = model.weight.detach().clone()
    history = fit(model, squared, [(x, y)], steps=5, optimizer=Stopped(model.parameters(), lr=1))
    assert history.interrupted and history.kept == 0 and torch.equal(model.weight, before)


def test_countdown_does_not_promise_a_best_state(capsys):
    with countdown(5) as steps:
        for _ in steps:
            raise KeyboardInterrupt
    assert "what was learned so far is kept" in capsys.readouterr().out


def test_an_error_in_the_loss_leaves_the_models_mode():
    model, x, y = line_problem()
    model.eval()
    with pytest.raises(ZeroDivisionError):
        fit(model, lambda model, batch: 1 / 0, [(x, y)], steps=2)
    assert not model.training


# --- models of other kinds -------------------------------------------------------------------------------------------


def test_lazy_layers_get_their_shapes_from_the_first_batch():
    x, y = line_problem()[1:]
    model = torch.nn.Sequential(torch.nn.LazyLinear(4), torch.nn.Tanh(), torch.nn.LazyLinear(1))
    seen = []

    def once():
        for i in range(6):
            seen.append(i)
            yield x, y

    history = fit(model, squared, once(), steps=6, lr=0.05)
    assert history.parameters == 3 * 4 + 4 + 4 + 1 and history.loss[-1] < history.loss[0]
    assert seen == list(range(6))  # the first batch is trained on as well


def test_a_lazy_layer_that_is_never_called_is_named():
    class Idle(torch.nn.Linear):
        def __init__(self):
            super().__init__(3, 1)
            self.idle = torch.nn.LazyLinear(2)

    with pytest.raises(ValueError, match=r"idle\.weight, idle\.bias"):
        fit(Idle(), squared, [line_problem()[1:]], steps=2)


def test_a_compiled_model_is_trained(capsys):
    plain, x, y = line_problem()
    model = torch.compile(plain, backend="eager")
    batches = minibatches(x, y, batch_size=16)
    history = fit(model, squared, batches, steps=40, lr=0.05, valid=lambda m: squared(m, (x, y)))
    assert float(squared(plain, (x, y)).detach()) == pytest.approx(history.best, rel=1e-5)


@pytest.mark.parametrize(
    "loss, found",
    [
        (lambda model, batch: (model(batch[0]) - batch[1]).square(), r"shape \(64, 1\), with"),
        (lambda model, batch: squared(model, batch).detach(), r"shape \(\), without a gradient"),
        (lambda model, batch: {"error": squared(model, batch)}, "a dict with 'error'"),
        (lambda model, batch: 1.0, "1.0"),
        (lambda model, batch: None, "None"),
    ],
)
def test_a_loss_of_another_kind_is_named(loss, found):
    with pytest.raises(ValueError, match=f"scalar tensor with a gradient.*{found}"):
        train(loss)


def test_large_is_not_infinite():
    """Weights whose squares overflow are finite all the same."""
    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(1e25)
    history = fit(model, lambda model, x: model(x).mean(), [torch.ones(2, 1)], steps=3)
    assert not history.diverged and len(history.loss) == 3
