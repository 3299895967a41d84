"""fit(): the training loop of the course, with a live curve, validation, and nothing lost on an interrupt or a NaN."""

import copy
import itertools
import math
import time
from dataclasses import dataclass, field

import torch
from torch.nn.parameter import is_lazy

from . import runtime
from .live import Curve
from .texts import message


@dataclass
class History:
    """What happened in a training: ``steps`` and ``loss`` (one entry a step), ``valid_steps`` and ``valid``, ``terms`` (named parts
    of the loss, one list each), ``seconds`` and ``cpu_seconds`` of training and validation, ``parameters``, ``best`` (lowest
    validation loss, or training loss where there is none) with ``best_step``, ``interrupted`` and ``diverged`` (something was no longer
    finite), ``kept`` (the step after which the model had the weights that it has now)."""

    unit: str = ""
    loss: list = field(default_factory=list)
    terms: dict = field(default_factory=dict)
    valid_steps: list = field(default_factory=list)
    valid: list = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    parameters: int = 0
    best: float = math.inf
    best_step: int = 0
    interrupted: bool = False
    diverged: bool = False
    kept: int = 0

    @property
    def steps(self):
        """Step numbers of ``loss``, from 1."""
        return list(range(1, len(self.loss) + 1))

    def __repr__(self):
        return f"History({len(self.loss)} steps, best {self.best:.4g} {self.unit} at step {self.best_step})".replace(
            " )", ")"
        )


class minibatches:
    """Endless random minibatches of tensors that share their first dimension; every pass over the data in a new order.

    tensors: (n, ...) each.  Yields a tensor, or a tuple if there are several; the last incomplete batch of a pass is dropped.
    """

    def __init__(self, *tensors, batch_size, seed=0):
        lengths = {len(t) for t in tensors}
        if len(lengths) != 1 or not 0 < batch_size <= min(lengths):
            raise ValueError(
                f"batch_size must be 1..n and all lengths equal; batch_size={batch_size}, lengths={lengths}"
            )
        self.tensors, self.batch_size, self.seed = tensors, batch_size, seed

    def __iter__(self):
        generator = torch.Generator().manual_seed(self.seed)
        while True:
            order = torch.randperm(len(self.tensors[0]), generator=generator)
            for rows in order.split(self.batch_size):
                if len(rows) == self.batch_size:
                    batch = tuple(t[rows] for t in self.tensors)
                    yield batch[0] if len(batch) == 1 else batch


def fit(
    model,
    loss,
    batches,
    *,
    steps,
    lr=1e-3,
    optimizer=None,
    schedule="cosine",
    clip=None,
    valid=None,
    every=None,
    keep="best",
    unit="",
    title="Training",
    autocast=False,
):
    """Train ``model`` by gradient descent and return the History; the curve is drawn while it runs.

    model: torch.nn.Module, plain or compiled; lazy layers get their shapes from the first batch.  loss: ``loss(model, batch)`` -> scalar
    tensor, or a dict of named scalars with the one to minimise under "loss".  batches: iterable, started anew when it ends.  steps:
    number of updates.
    optimizer: a torch optimizer; Adam with learning rate ``lr`` if None.  schedule: "cosine" (down to a hundredth of lr, after a short
    warm-up) or None.  clip: largest norm of the gradient, or None.
    valid: ``valid(model)`` -> float on held-out data, lower is better; called in eval mode without gradients every ``every`` steps
    (default: ten times) and at the end.  keep: "best" restores the weights with the lowest validation loss, "last" leaves the last ones.
    unit: of the loss, for the axis.  title: of the curve; None draws none.  autocast: compute in bfloat16 where this CPU is faster that way.

    The stop button ends the training early.  So does the first number that is not finite: a loss, a held-out loss, a gradient (then no
    update is made of it) or a weight.  The model then has the weights with the lowest validation loss, if it was validated and keep is
    "best"; else, after an interrupt, the last ones, and after a number that is not finite, the last ones whose loss was finite.  The
    curve's title, or a printed line, says which.
    Raises ValueError for steps < 1, an unknown schedule or keep, or a loss that is no scalar with a gradient.
    """
    if steps < 1 or schedule not in ("cosine", None) or keep not in ("best", "last"):
        raise ValueError(
            f"fit needs steps >= 1, schedule 'cosine' or None, keep 'best' or 'last'; got {steps}, {schedule}, {keep}"
        )
    stream = _with_shapes(model, loss, _endless(batches))
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = optimizer or torch.optim.Adam(parameters, lr=lr)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, _cosine(steps)) if schedule else None
    every = every or max(1, steps // 10)
    history = History(unit=unit, parameters=sum(p.numel() for p in parameters))
    curve = Curve(title, unit, steps)
    good, best = (
        _Snapshot(model),
        None,
    )  # the last weights whose loss was finite; those of the lowest validation loss
    wrong = None  # what was not finite, its value, and the step
    updating = False
    start, cpu_start = time.perf_counter(), time.process_time()
    was_training = model.training
    model.train()
    try:
        for step, batch in enumerate(itertools.islice(stream, steps), 1):
            with runtime.autocast(autocast):
                terms = _terms(loss(model, batch))
            value = float(terms["loss"].detach())
            if not math.isfinite(value):
                wrong = "loss", value, step
                break
            good.take(step - 1)
            optimizer.zero_grad(set_to_none=True)
            terms["loss"].backward()
            gradient = _size(p.grad for p in parameters)
            if not math.isfinite(gradient):
                wrong = "gradient", gradient, step
                break
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(parameters, clip)
            updating = True
            optimizer.step()
            weight = _size(parameters)
            if not math.isfinite(weight):
                wrong = "weight", weight, step
                break
            updating = False
            if scheduler:
                scheduler.step()
            history.loss.append(value)
            for name, term in terms.items():
                if name != "loss":
                    history.terms.setdefault(name, []).append(float(torch.as_tensor(term).detach()))
            judged = not valid or step % every == 0 or step == steps
            if valid and judged:
                value = _validate(model, valid)
                history.valid_steps.append(step)
                history.valid.append(value)
                if not math.isfinite(value):
                    wrong = "valid", value, step
                    break
            if judged and value < history.best:
                history.best, history.best_step = value, step
                best = _Snapshot(model, step) if valid else None
            curve.update(history, time.perf_counter() - start)
    except KeyboardInterrupt:
        history.interrupted = True
        if updating:  # some weights are updated and some are not
            good.restore()
    finally:
        model.train(was_training)
    history.diverged = wrong is not None
    history.kept = len(history.loss)
    chosen = best if keep == "best" and best else good if wrong else None
    if chosen:
        chosen.restore()
        history.kept = chosen.step
    if wrong:
        what, value, step = wrong
        curve.note = message("fit.not_finite", what=message(f"fit.what_{what}"), value=value, step=step, kept=history.kept)  # fmt: skip
    elif history.interrupted:
        kind = "best" if chosen else "last"
        curve.note = message(f"fit.interrupted_{kind}", step=len(history.loss), steps=steps, kept=history.kept)  # fmt: skip
    history.seconds = time.perf_counter() - start
    history.cpu_seconds = time.process_time() - cpu_start
    curve.finish(history)
    return history


class _Snapshot:
    """A copy of a model's weights and buffers, and after which step it was taken."""

    def __init__(self, model, step=0):
        self.model, self.step = model, step
        self.state = copy.deepcopy(model.state_dict())

    def take(self, step):
        """Copy anew, into the same memory: this is done in every step."""
        for name, now in self.model.state_dict().items():
            if isinstance(now, torch.Tensor) and now.shape == self.state[name].shape:
                self.state[name].copy_(now)
            else:  # extra state, or a buffer that grows
                self.state[name] = copy.deepcopy(now)
        self.step = step

    def restore(self):
        self.model.load_state_dict(self.state)


def _validate(model, valid):
    model.eval()
    with torch.no_grad():
        value = float(valid(model))
    model.train()
    return value


def _size(tensors):
    """How large some tensors are: nan or inf if, and only if, a number in them is."""
    there = [t.detach() for t in tensors if t is not None]
    norm = torch.nn.utils.get_total_norm(there)
    if not torch.isfinite(
        norm
    ):  # squares of large numbers overflow; this norm has none, but takes 40 times as long
        norm = torch.nn.utils.get_total_norm(there, norm_type=math.inf)
    return float(norm)


def _terms(result):
    """What a loss returned, as a dict of scalars."""
    terms = result if isinstance(result, dict) else {"loss": result}
    loss = terms.get("loss")
    if isinstance(loss, torch.Tensor) and loss.numel() == 1 and loss.requires_grad:
        return terms
    if isinstance(loss, torch.Tensor):
        kind = "with" if loss.requires_grad else "without"
        found = f"a tensor of shape {tuple(loss.shape)}, {kind} a gradient"
    else:
        found = repr(loss) if "loss" in terms else f"a dict with {', '.join(map(repr, terms))}"
    raise ValueError(message("fit.loss", found=found))


def _with_shapes(model, loss, stream):
    """The batches; lazy layers have got their weights by then, from the first one."""
    if not any(map(is_lazy, model.parameters())):
        return stream
    first = next(stream)
    with torch.no_grad():
        loss(model, first)
    lazy = [name for name, p in model.named_parameters() if is_lazy(p)]
    if lazy:
        raise ValueError(message("fit.lazy", layers=", ".join(lazy[:4])))
    return itertools.chain([first], stream)


def _endless(batches):
    while True:
        empty = True
        for batch in batches:
            empty = False
            yield batch
        if empty:
            raise ValueError(
                "fit got no batches: the iterable is empty (a generator can be used up; give a list or minibatches(...))"
            )


def _cosine(steps):
    warm_up = max(1, min(steps // 20, 200))

    def factor(step):
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.01 + 0.99 * 0.5 * (
            1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up))
        )

    return factor
