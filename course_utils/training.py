"""fit(): the training loop of the course, with a live curve, validation, and nothing lost on an interrupt; countdown(): for a lecture's own."""

import copy
import itertools
import math
import time
from dataclasses import dataclass, field

import matplotlib as mpl
import torch
from IPython import get_ipython
from IPython.display import display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from . import plotting, runtime
from .texts import message

_REDRAW = 1.0  # seconds between two pictures of the live curve


@dataclass
class History:
    """What happened in a training: ``steps`` and ``loss`` (one entry a step), ``valid_steps`` and ``valid``, ``terms`` (named parts
    of the loss, one list each), ``seconds`` and ``cpu_seconds`` of training and validation, ``parameters``, ``best`` (lowest
    validation loss, or training loss where there is none) with ``best_step``, ``interrupted`` and ``diverged``."""

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

    model: torch.nn.Module.  loss: ``loss(model, batch)`` -> scalar tensor, or a dict of named scalars with the one to minimise
    under "loss".  batches: iterable, started anew when it ends.  steps: number of updates.
    optimizer: a torch optimizer; Adam with learning rate ``lr`` if None.  schedule: "cosine" (down to a hundredth of lr, after a short
    warm-up) or None.  clip: largest norm of the gradient, or None.
    valid: ``valid(model)`` -> float on held-out data, lower is better; called in eval mode without gradients every ``every`` steps
    (default: ten times) and at the end.  keep: "best" restores the weights with the lowest validation loss, "last" leaves the last ones.
    unit: of the loss, for the axis.  title: of the curve; None draws none.  autocast: compute in bfloat16 where this CPU is faster that way.

    An interrupt (the stop button) or a loss that is no longer finite ends the training early: the best state so far stays in
    the model, and the History says so.  Raises ValueError for steps < 1 or an unknown schedule or keep.
    """
    if steps < 1 or schedule not in ("cosine", None) or keep not in ("best", "last"):
        raise ValueError(
            f"fit needs steps >= 1, schedule 'cosine' or None, keep 'best' or 'last'; got {steps}, {schedule}, {keep}"
        )
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = optimizer or torch.optim.Adam(parameters, lr=lr)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, _cosine(steps)) if schedule else None
    every = every or max(1, steps // 10)
    history = History(unit=unit, parameters=sum(p.numel() for p in parameters))
    curve = _Curve(title, unit, steps)
    best_state = copy.deepcopy(model.state_dict())
    start, cpu_start = time.perf_counter(), time.process_time()

    def validate(step):
        nonlocal best_state
        model.eval()
        with torch.no_grad():
            value = float(valid(model))
        model.train()
        history.valid_steps.append(step)
        history.valid.append(value)
        if value < history.best:
            history.best, history.best_step = value, step
            best_state = copy.deepcopy(model.state_dict())

    was_training = model.training
    model.train()
    try:
        for step, batch in enumerate(itertools.islice(_endless(batches), steps), 1):
            with runtime.autocast(autocast):
                result = loss(model, batch)
            terms = result if isinstance(result, dict) else {"loss": result}
            value = float(terms["loss"].detach())
            if not math.isfinite(value):
                history.diverged = True
                curve.note = message("fit.diverged", loss=value, step=step)
                break
            optimizer.zero_grad(set_to_none=True)
            terms["loss"].backward()
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(parameters, clip)
            optimizer.step()
            if scheduler:
                scheduler.step()
            history.loss.append(value)
            for name, term in terms.items():
                if name != "loss":
                    history.terms.setdefault(name, []).append(float(term))
            if valid and (step % every == 0 or step == steps):
                validate(step)
            elif not valid and value < history.best:
                history.best, history.best_step = value, step
            curve.update(history, time.perf_counter() - start)
    except KeyboardInterrupt:
        history.interrupted = True
        curve.note = message("fit.interrupted", step=len(history.loss), steps=steps)
    if history.diverged or (history.valid and keep == "best"):
        model.load_state_dict(best_state)
    model.train(was_training)
    history.seconds, history.cpu_seconds = (
        time.perf_counter() - start,
        time.process_time() - cpu_start,
    )
    curve.finish(history)
    return history


def countdown(steps, title="Training"):
    """Step numbers 1..steps for a loop that a lecture writes itself; shows how far it is and what time is left.

    The stop button ends the loop early, between two steps or within one: what the loop has changed so far stays, the line says at which
    step it stopped, and the notebook goes on.  Wrap the loop's body in no ``try`` of your own.

    steps: number of updates.  Usage: ``with countdown(500, "GAN") as steps: for step in steps: ...``
    """
    return _Countdown(steps, title)


class _Countdown:
    """Context that swallows the interrupt of a training, and the iterator inside it."""

    def __init__(self, steps, title):
        if steps < 1:
            raise ValueError(f"countdown needs steps >= 1; got {steps}")
        self.steps, self.title, self.done = steps, title, 0
        self.interrupted = False
        self.seconds = self.cpu_seconds = 0.0
        shell = get_ipython()
        self._live = shell is not None and getattr(shell, "kernel", None) is not None
        self._handle = None

    def __enter__(self):
        self._start, self._cpu_start = time.perf_counter(), time.process_time()
        return self

    def __iter__(self):
        drawn = self._start
        for step in range(1, self.steps + 1):
            yield step
            self.done = step
            now = time.perf_counter()
            if now - drawn > _REDRAW:
                left = (now - self._start) / step * (self.steps - step)
                self._say(message("fit.progress", step=step, steps=self.steps, left=f"{left:.0f}"))
                drawn = now

    def __exit__(self, kind, error, trace):
        self.seconds = time.perf_counter() - self._start
        self.cpu_seconds = time.process_time() - self._cpu_start
        self.interrupted = kind is KeyboardInterrupt
        if self.interrupted:
            self._say(message("fit.interrupted", step=self.done, steps=self.steps))
        elif kind is None:
            self._say(message("fit.done", steps=self.done, seconds=f"{self.seconds:.1f}"))
        return self.interrupted

    def _say(self, status):
        text = f"{self.title}: {status}"
        if not self._live:
            if self.interrupted:
                print(text)
        elif self._handle is None:
            self._handle = display({"text/plain": text}, raw=True, display_id=True)
        else:
            self._handle.update({"text/plain": text}, raw=True)


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


class _Curve:
    """The picture of a training.  Outside of a notebook it stays silent."""

    def __init__(self, title, unit, steps):
        self.title, self.unit, self.steps = title, unit, steps
        self.note = ""
        self._drawn = time.perf_counter()
        self._handle = None
        shell = get_ipython()
        self._live = (
            bool(title) and shell is not None and getattr(shell, "kernel", None) is not None
        )

    def update(self, history, seconds):
        if not self._live or time.perf_counter() - self._drawn < _REDRAW:
            return
        done = len(history.loss)
        left = seconds / done * (self.steps - done)
        self._show(
            history, message("fit.progress", step=done, steps=self.steps, left=f"{left:.0f}")
        )
        self._drawn = time.perf_counter()

    def finish(self, history):
        if self._live and history.loss:
            text = self.note or message(
                "fit.done", steps=len(history.loss), seconds=f"{history.seconds:.1f}"
            )
            self._show(history, text, final=True)
        elif self.note:
            print(self.note)

    def _show(self, history, status, final=False):
        with mpl.rc_context({"font.size": 11}):
            figure = Figure(figsize=(7, 2.8))
            FigureCanvasAgg(figure)
            ax = figure.subplots()
            steps, loss = _thin(history.steps, history.loss)
            ax.plot(
                steps, loss, color=plotting.COLORS["sky"], linewidth=1.2, label="training batch"
            )
            if history.valid:
                ax.plot(
                    history.valid_steps,
                    history.valid,
                    "o-",
                    color=plotting.COLORS["red"],
                    markersize=4,
                    label="held out",
                )
                ax.legend()
            ax.set(xlabel="step", ylabel=self.unit or "loss", xlim=(0, self.steps))
            self._limits(ax, loss, history.valid)
            ax.set_title(f"{self.title}: {status}", fontsize=11)
            valid = (
                message("fit.alt_valid", valid=f"{history.valid[-1]:.4g}", unit=self.unit)
                if history.valid
                else ""
            )
            alt = message(
                "fit.alt",
                title=self.title,
                first=f"{history.loss[0]:.4g}",
                last=f"{loss[-1]:.4g}",
                unit=self.unit,
                steps=len(history.loss),
                valid=valid,
            )
            if self.note:  # what the title says of an interrupt or a divergence
                alt = f"{alt} {self.note}"
            image = plotting.png(figure, dpi=100, small=final)
            data, metadata = plotting.picture(image, alt, width=plotting.page_width(figure))
        if self._handle is None:
            self._handle = display(data, metadata=metadata, raw=True, display_id=True)
        else:
            self._handle.update(data, metadata=metadata, raw=True)

    @staticmethod
    def _limits(ax, loss, valid):
        """The first steps are often far off the rest; don't let them flatten the curve."""
        tail = [*loss[len(loss) // 20 :], *valid]
        low, high = min(tail), max(tail)
        margin = 0.08 * (high - low) or 0.1
        ax.set_ylim(low - margin, high + margin)


def _thin(steps, loss, points=300):
    """At most ``points`` means of neighbouring steps, so that a long training stays readable."""
    size = max(1, len(loss) // points)
    blocks = range(0, len(loss) - len(loss) % size, size)
    return [steps[i + size - 1] for i in blocks], [sum(loss[i : i + size]) / size for i in blocks]
