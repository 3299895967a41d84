"""What is seen of a training: countdown(), a loop of a lecture's own that can be stopped, and what stands over a finished curve."""

from types import SimpleNamespace

import matplotlib as mpl
import pytest

from course_utils import countdown, live
from course_utils.training import History


@pytest.fixture
def in_a_notebook(monkeypatch):
    """What a notebook would show: texts, and titles of figures."""
    seen = []
    monkeypatch.setattr(live, "get_ipython", lambda: SimpleNamespace(kernel="there"))
    monkeypatch.setattr(live, "display", lambda data, **_: seen.append(data["text/plain"]))
    side = mpl.rcParams["axes.titlelocation"]  # setup() puts titles on the left
    monkeypatch.setattr(live.plotting, "png", lambda figure, **_: figure.axes[0].get_title(side))
    monkeypatch.setattr(
        live.plotting, "picture", lambda title, *_, **__: ({"text/plain": title}, {})
    )
    return seen


@pytest.mark.parametrize("cpu, told", [(44.4, "44"), (0.26, "0.3"), (1380.2, "1,380")])
def test_a_finished_curve_tells_cpu_seconds_not_the_wall_clock(in_a_notebook, cpu, told):
    history = History(loss=[1.0] * 2000, seconds=99.0, cpu_seconds=cpu)
    live.Curve("VAE", "nats", 2000).finish(history)
    assert in_a_notebook == [f"VAE: 2,000 steps, {told} CPU s"]


def test_a_finished_loop_tells_cpu_seconds_not_the_wall_clock(in_a_notebook, monkeypatch):
    wall, cpu = iter([0.0, 0.1, 0.2, 99.0]), iter([1.0, 21.0])
    clock = SimpleNamespace(perf_counter=lambda: next(wall), process_time=lambda: next(cpu))
    monkeypatch.setattr(live, "time", clock)
    with countdown(2, "GAN") as steps:
        for _ in steps:
            pass
    assert in_a_notebook == ["GAN: 2 steps, 20 CPU s"]


def test_it_counts_and_takes_the_time():
    done = []
    with countdown(5, "GAN") as clock:
        for step in clock:
            done.append(step)
            sum(range(20_000))
    assert done == [1, 2, 3, 4, 5] and clock.done == 5 and not clock.interrupted
    assert clock.seconds > 0 and clock.cpu_seconds > 0


def test_the_stop_button_ends_the_loop_and_keeps_what_was_done(capsys):
    weights = []
    with countdown(100, "GAN") as clock:
        for step in clock:
            weights.append(step)
            if step == 7:
                raise KeyboardInterrupt
    assert weights == list(range(1, 8)) and clock.interrupted and clock.done == 6
    said = capsys.readouterr().out
    assert said.startswith("GAN: ") and "6 of 100" in said


def test_other_errors_are_not_swallowed():
    with pytest.raises(ZeroDivisionError), countdown(3) as clock:
        for _ in clock:
            1 / 0  # noqa: B018
    assert not clock.interrupted


@pytest.mark.parametrize("steps", [0, -1])
def test_it_needs_a_step(steps):
    with pytest.raises(ValueError, match="steps >= 1"):
        countdown(steps)
